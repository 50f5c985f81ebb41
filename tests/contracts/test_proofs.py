"""Every proof finds the fault it is for, says where it is, and finds nothing in what is sound."""

from __future__ import annotations

from pathlib import Path

import pytest

from plexus.contract import (
    Contract,
    ContractError,
    DataClass,
    assert_stated,
    check,
    is_loggable,
    read,
    reveals,
)
from tests.contracts.faults import COVERED, FAULTY, SOUND
from tests.contracts.seeds import Seed, compiled

ATTEMPTS, MAX_ATTEMPTS = 3, 27


@pytest.fixture(scope="session")
def contracts(
    contracts_image: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Contract]:
    return compiled([SOUND, COVERED, *FAULTY], contracts_image, tmp_path_factory.mktemp("seeds"))


def found(contract: Contract, *, max_attempts: int = MAX_ATTEMPTS) -> list[tuple[str, str, str]]:
    violations = check(contract, attempts=ATTEMPTS, max_attempts=max_attempts)
    return sorted((v.proof, v.file, v.method_or_field) for v in violations)


@pytest.mark.parametrize("seed", FAULTY, ids=lambda seed: f"{seed.found[0][0]}-{seed.name}")
def test_a_seeded_fault_is_found_where_it_is_and_nothing_else(
    seed: Seed, contracts: dict[str, Contract]
) -> None:
    assert found(contracts[seed.name]) == seed.expected


@pytest.mark.parametrize("seed", FAULTY, ids=lambda seed: seed.name)
def test_a_violation_names_file_and_subject_and_a_mend(
    seed: Seed, contracts: dict[str, Contract]
) -> None:
    for violation in check(contracts[seed.name], attempts=ATTEMPTS, max_attempts=MAX_ATTEMPTS):
        cause, mend = str(violation).splitlines()
        assert cause.startswith(f"{violation.file}: {violation.method_or_field}: ")
        assert mend.startswith("  mend: ")
        assert violation.what
        assert violation.mend


def test_a_sound_contract_has_no_violation(contracts: dict[str, Contract]) -> None:
    assert found(contracts["sound"]) == []


def test_a_chain_is_bounded_by_the_attempts_that_are_given(contracts: dict[str, Contract]) -> None:
    path = "plexus/sound/v1/seed_service.proto"
    assert found(contracts["sound"], max_attempts=26) == [
        ("unbounded-attempts", path, "plexus.sound.v1.S/A")
    ]


def test_the_order_of_files_does_not_change_what_is_said(contracts: dict[str, Contract]) -> None:
    files = [file for contract in contracts.values() for file in contract.files]
    said = [
        check(read(order), attempts=ATTEMPTS, max_attempts=MAX_ATTEMPTS)
        for order in (files, files[::-1])
    ]
    assert said[0] == said[1]
    assert len(said[0]) == sum(len(seed.found) for seed in FAULTY)


@pytest.mark.parametrize("name", ["silent_method", "no_criticality", "no_deadline"])
def test_a_service_with_a_silent_method_refuses_to_start(
    name: str, contracts: dict[str, Contract]
) -> None:
    with pytest.raises(ContractError, match=f"plexus.{name}.v1.S/A"):
        assert_stated(contracts[name], name)


def test_a_service_that_states_everything_starts(contracts: dict[str, Contract]) -> None:
    assert_stated(contracts["sound"], "sound")


def test_a_service_without_a_contract_refuses_to_start(contracts: dict[str, Contract]) -> None:
    with pytest.raises(ContractError, match="unheard_of"):
        assert_stated(contracts["sound"], "unheard_of")


def test_only_what_is_stated_operational_is_loggable(contracts: dict[str, Contract]) -> None:
    [query] = [m for m in contracts["every_class"].messages if m.name == "Query"]
    loggable = [field.name for field in query.fields if is_loggable(field)]
    assert len(query.fields) == len(DataClass) + 1
    assert loggable == ["operational"]


def test_a_message_reveals_what_its_fields_do_unless_it_says_so_itself(
    contracts: dict[str, Contract],
) -> None:
    [query] = [m for m in contracts["covered"].messages if m.name == "Query"]
    assert {field.name: set(reveals(field)) for field in query.fields} == {
        "left": {DataClass.CLINICAL, DataClass.OPERATIONAL},
        "stated": {DataClass.FINANCIAL},
    }
