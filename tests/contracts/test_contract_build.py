"""The tools that keep the contracts honest catch what they are for, without a schema registry."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tools import reference
from tools.contracts import PROTOS, ContractBuildError, compare, drift, image, lint

SERVICE = "plexus/billing/v1/billing_service.proto"


def changed(folder: Path, old: str, new: str) -> Path:
    """An image of the contracts with one change to billing's, made in a copy."""
    protos = folder / "protos"
    shutil.copytree(PROTOS, protos)
    text = (protos / SERVICE).read_text(encoding="utf-8")
    assert old in text
    (protos / SERVICE).write_text(text.replace(old, new, 1), encoding="utf-8")
    return image(folder / "changed.binpb", protos)


def test_the_contracts_pass_buf_lint(contracts_image: Path) -> None:
    lint(contracts_image)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  // Returns a claim; fails with CLAIM_NOT_FOUND.\n", "", "GetClaim"),
        ("string claim_id = 1 [", "string claimId = 1 [", "lower_snake_case"),
    ],
    ids=["a method without comment", "a field in camel case"],
)
def test_buf_lint_catches_a_seeded_fault(old: str, new: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ContractBuildError, match=said):
        lint(changed(tmp_path, old, new))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("uint32 page_size = 4 [", "uint32 page_size = 9 [", 'field "4"'),
        ("repeated Claim claims = 1;", "Claim claims = 1;", "claims"),
        ("(ListClaimsResponse) {", "(stream ListClaimsResponse) {", "ListClaims"),
    ],
    ids=["a field that moved", "a list that became one", "an answer that became a stream"],
)
def test_buf_breaking_catches_a_seeded_break(
    old: str, new: str, said: str, contracts_image: Path, tmp_path: Path
) -> None:
    with pytest.raises(ContractBuildError, match=said):
        compare(changed(tmp_path, old, new), contracts_image)


def test_buf_breaking_lets_an_addition_pass(contracts_image: Path, tmp_path: Path) -> None:
    added = "  // Why it is asked.\n  string reason = 9;\n  // The claim.\n  string claim_id = 1 ["
    compare(changed(tmp_path, "  // The claim.\n  string claim_id = 1 [", added), contracts_image)


def test_the_generated_code_is_what_the_contracts_make() -> None:
    assert drift() == []


def test_the_reference_is_what_the_contracts_make() -> None:
    assert reference.PAGE.read_text(encoding="utf-8") == reference.page(), (
        "run `python -m tools.reference`"
    )
