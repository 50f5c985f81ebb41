"""Orders to a process: whom they concern, what they do, and that they leave nothing behind."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mesh import clock
from mesh.chaos import orders
from mesh.chaos.inside import Inside
from mesh.server.disturb import disturb
from plexus.contract import load
from plexus.errors import Fault

METHOD = load().find("records.GetPatient")
OTHER = load().find("records.GetChart")


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[Inside]:
    yield Inside(tmp_path, "records", "records-1")
    clock.reset()


def give(home: Path, name: str, **order: Any) -> None:
    orders.give(orders.place(home, name), "it", order)
    orders.await_seen()


def fails(inside: Inside, path: str) -> bool:
    try:
        inside.disturb(path)
    except Fault:
        return True
    return False


@pytest.mark.parametrize(
    ("order", "hit"),
    [
        ({"target": "records"}, True),
        ({"target": "records-1"}, True),
        ({"target": "*"}, True),
        ({"target": "records-2"}, False),
        ({"target": "billing"}, False),
        ({"target": "records", "method": METHOD.path}, True),
        ({"target": "records", "method": OTHER.path}, False),
        ({"target": "records", "share": 0.0}, False),
    ],
)
def test_an_order_hits_whom_it_means(
    inside: Inside, tmp_path: Path, order: dict[str, Any], hit: bool
) -> None:
    assert not fails(inside, METHOD.path)
    give(tmp_path, orders.HANDLERS, abort="UNAVAILABLE", **order)
    assert fails(inside, METHOD.path) is hit
    assert orders.withdraw(orders.place(tmp_path, orders.HANDLERS), "it")
    assert not orders.withdraw(orders.place(tmp_path, orders.HANDLERS), "it")
    orders.await_seen()
    assert not fails(inside, METHOD.path)
    assert list((tmp_path / "chaos").iterdir()) == []


def test_the_same_seed_hits_the_same_calls(tmp_path: Path) -> None:
    give(tmp_path, orders.HANDLERS, abort="INTERNAL", share=0.5, seed=7)
    runs = [
        [fails(each, METHOD.path) for _ in range(50)]
        for each in (Inside(tmp_path, "records", "records-1") for _ in range(2))
    ]
    clock.reset()
    assert runs[0] == runs[1]
    assert 10 < sum(runs[0]) < 40


def test_a_stepped_clock_is_ahead_until_the_order_is_withdrawn(
    inside: Inside, tmp_path: Path
) -> None:
    assert inside.ahead() == 0
    give(tmp_path, orders.CLOCK, target="records", offset_seconds=-7200)
    assert abs(clock.seconds() - time.time() + 7200) < 5
    orders.withdraw(orders.place(tmp_path, orders.CLOCK), "it")
    orders.await_seen()
    assert abs(clock.seconds() - time.time()) < 5


def test_a_file_that_cannot_be_read_orders_nothing(inside: Inside, tmp_path: Path) -> None:
    path = orders.place(tmp_path, orders.HANDLERS)
    path.parent.mkdir()
    path.write_text("{ not json")
    orders.await_seen()
    assert not fails(inside, METHOD.path)


def test_without_a_chaos_run_there_is_no_layer_at_all() -> None:
    def handler(_: Any) -> str:
        return "answer"

    parts: Any = SimpleNamespace(disturb=None)
    assert disturb(METHOD, parts, handler) is handler
