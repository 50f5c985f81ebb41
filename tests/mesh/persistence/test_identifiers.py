"""Ids are opaque, and derived ones stay the same."""

import re

import pytest

from mesh.persistence import derived_id, new_id

_SHAPE = re.compile(r"pat_[a-z0-9]{20}")


def test_new_ids_differ() -> None:
    ids = {new_id("pat") for _ in range(10_000)}
    assert len(ids) == 10_000
    assert all(_SHAPE.fullmatch(identity) for identity in ids)


def test_a_derived_id_never_changes() -> None:
    # Written down: ids of this kind are stored, so that another algorithm would orphan them.
    assert derived_id("pat", "synthea", "Patient", "42") == "pat_z3ob7l37jgljjrnvs7rz"


@pytest.mark.parametrize(
    "other", [("synthea", "Patient4", "2"), ("synthea", "Patient"), ("Patient", "synthea", "42")]
)
def test_other_parts_give_another_id(other: tuple[str, ...]) -> None:
    assert derived_id("pat", *other) != derived_id("pat", "synthea", "Patient", "42")
