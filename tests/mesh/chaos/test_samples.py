"""How a sample becomes a request, and what is remembered of an answer."""

from __future__ import annotations

import base64
from pathlib import Path
from random import Random
from typing import Any

import pytest

from mesh.chaos.samples import (
    NothingThere,
    SamplesWrong,
    Step,
    fill,
    fresh,
    is_done,
    kept,
    load,
    parse,
)
from plexus import contract
from plexus.scheduling.v1.scheduling_service_pb2 import FindSlotsResponse
from plexus.scheduling.v1.slot_pb2 import Slot


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("${one}", 1),
        ("a ${one} b ${word}", "a 1 b w"),
        ({"x": ["${word}", 5, True]}, {"x": ["w", 5, True]}),
        ("${base64:letter}", base64.b64encode(b"dear w").decode()),
    ],
)
def test_variables_are_filled_in_wherever_they_stand(template: Any, filled: Any) -> None:
    variables, texts = {"one": 1, "word": "w"}, {"letter": "dear ${word}"}
    assert fill(template, variables, texts, Random(1)) == filled


def test_a_variable_with_many_values_gives_any_of_them() -> None:
    chance = Random(1)
    found = {fill("${many}", {"many": ("a", "b", "c")}, {}, chance) for _ in range(50)}
    assert found == {"a", "b", "c"}


def test_the_same_seed_makes_the_same_request() -> None:
    assert fresh(Random(5)) == fresh(Random(5))


def slots(*practitioners: str) -> FindSlotsResponse:
    return FindSlotsResponse(slots=[Slot(practitioner_id=each) for each in practitioners])


def test_fields_of_one_and_the_same_element_are_kept() -> None:
    answer = slots("pra_1", "pra_2", "pra_3")
    for number, slot in enumerate(answer.slots):
        slot.start_time.seconds = number
    step = Step("", {}, pick="slots", keep={"who": "practitioner_id", "when": "start_time"})
    for seed in range(10):
        found = kept(step, answer, Random(seed))
        assert found["when"] == f"1970-01-01T00:00:0{int(found['who'][-1]) - 1}Z"


def test_an_answer_without_what_is_to_be_kept_is_told() -> None:
    with pytest.raises(NothingThere):
        kept(Step("", {}, pick="slots"), slots(), Random(1))


@pytest.mark.parametrize(
    ("until", "done"),
    [
        ("slots.0.practitioner_id", True),
        ("slots.1.practitioner_id", False),
        ("slots.0.practitioner_id=pra_1", True),
        ("slots.0.practitioner_id=pra_2", False),
    ],
)
def test_a_step_waits_until_the_answer_has_what_it_waits_for(until: str, done: bool) -> None:
    assert is_done(Step("", {}, until=until), slots("pra_1")) is done


def test_a_chain_stands_for_its_steps_those_of_its_chains_too() -> None:
    found = parse(
        {
            "chains": {"a": [{"call": "x.A"}], "b": [{"chain": "a"}, {"call": "x.B"}]},
            "methods": {"x.C": {"prepare": [{"chain": "b"}]}},
        }
    )
    assert [step.call for step in found.methods["x.C"].prepare] == ["x.A", "x.B"]


@pytest.mark.parametrize(
    "text",
    [
        "methods = 3 =",
        '[methods."records.Forget"]\nrequest = {}',
        '[tasks."records.nothing"]\nmake = []\ndone = []',
    ],
)
def test_samples_that_cannot_be_meant_are_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "samples.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SamplesWrong):
        load(path, contract.load())
