"""What is found can be looked into: it names names, and the history is on disk."""

from __future__ import annotations

import json
from pathlib import Path

from mesh.chaos.history.checker import check
from mesh.chaos.history.operation import Status
from mesh.chaos.history.record import write
from tests.mesh.chaos.history.histories import sound


def test_a_history_is_written_down_with_what_it_broke(tmp_path: Path) -> None:
    told = sound().without("k8")
    violations = check(told.operations, told.books)
    write(tmp_path / "made" / "history.jsonl", violations, told.operations, told.books)
    text = (tmp_path / "made" / "history.jsonl").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    broken, done, events = (
        [line for line in lines if name in line] for name in ("broken", "kind", "event")
    )
    assert [line["broken"] for line in broken] == [found.invariant.name for found in violations]
    assert len(broken) == 1
    assert [line["key"] for line in done if "key" in line] == [
        one.key for one in told.operations if one.key
    ]
    assert len(events) == len(told.books.events)


def test_who_was_refused_what_happened_after_all_is_named() -> None:
    told = sound().instead(
        "k13", status=Status.FAILED, answer=None, reason="SLOT_TAKEN", subject="pra_a@600"
    )
    (found,) = check(told.operations, told.books)
    assert found.detail.endswith("acknowledged to nobody, and refused to k13")
