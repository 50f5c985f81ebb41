"""What an entry is made of, byte for byte: what was written must verify for ever."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from mesh.audit import entry
from tests.mesh.audit.books import access

AWKWARD = ('"', "\\", "\n\t\x00\x7f", "Łódź", "\u2028", "🜚", "\ud800", "</script>")


@pytest.mark.parametrize("kind", [entry.ACCESS, entry.WITHHELD])
@pytest.mark.parametrize(
    "fields",
    [
        *(access(subject=text) for text in AWKWARD),
        access(patients=list(AWKWARD)),
        access(patients=[]),
        access(stream="ended", answers=3),
        dict(reversed(list(access().items()))),
    ],
)
def test_the_record_of_a_call_is_plain_json_in_its_order(kind: str, fields: dict[str, Any]) -> None:
    stated = {"kind": kind, **fields}
    plain = json.dumps(stated, separators=(",", ":"), ensure_ascii=True).encode()
    assert entry.call(kind, fields) == entry.body(stated) == plain


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
