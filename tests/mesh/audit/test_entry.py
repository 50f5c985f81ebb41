"""What an entry is made of, byte for byte: what was written must verify for ever."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from mesh.audit import entry
from tests.mesh.audit.books import access

AWKWARD = ('"', "\\", "\n\t\x00\x7f", "Łódź", "\u2028", "🜚", "\ud800", "</script>")


@pytest.mark.parametrize(
    "fields",
    [
        *({"kind": entry.ACCESS, **access(subject=text)} for text in AWKWARD),
        {"kind": entry.ACCESS, **access(patients=list(AWKWARD))},
        {"kind": entry.ACCESS, **access(patients=[])},
        {"kind": entry.WITHHELD, **access()},
        {"kind": entry.ACCESS, **access(stream="ended", answers=3)},
        {"kind": entry.OPENED, "time": "", "format": 1},
        dict(reversed({"kind": entry.ACCESS, **access()}.items())),
    ],
)
def test_an_entrys_fields_are_plain_json_in_their_order(fields: dict[str, Any]) -> None:
    plain = json.dumps(fields, separators=(",", ":"), ensure_ascii=True).encode()
    assert entry.body(fields) == plain


@pytest.mark.parametrize("second", [0, 1_767_225_599, 1_777_636_800, 4_102_444_800])
@pytest.mark.parametrize(
    "rest", [0.0, 0.5, 0.0000005, 0.0000015, 0.123456, 0.9999994, 0.9999995, 0.9999999]
)
def test_a_stamp_is_the_instant_to_the_nearest_microsecond(second: int, rest: float) -> None:
    stamps, seconds = entry.Stamps(), second + rest
    plain = entry.stamp(datetime.fromtimestamp(seconds, UTC))
    assert [stamps.of(seconds), stamps.of(second), stamps.of(seconds)] == [
        plain,
        entry.stamp(datetime.fromtimestamp(second, UTC)),
        plain,
    ]
