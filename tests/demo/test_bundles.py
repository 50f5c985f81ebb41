"""What the demo takes for FHIR, and what it says when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.bundles import PIECE, DataUnusable, find_contents, make_contents
from plexus.records.v1.records_service_pb2 import IMPORT_FORM_DOCUMENT, IMPORT_FORM_NDJSON

RESOURCE = b'{"resourceType": "Patient", "id": "p"}'


def test_bundles_and_bulk_exports_are_found_and_the_rest_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.JSON").write_bytes(RESOURCE)
    (tmp_path / "b.ndjson").write_bytes(RESOURCE + b"\n" + RESOURCE)
    (tmp_path / "c.json").write_bytes(b'{"name": "not FHIR"}')
    (tmp_path / "d.txt").write_bytes(RESOURCE)
    (tmp_path / "e.json").mkdir()
    forms = [next(content.pieces()).form for content in find_contents(tmp_path)]
    assert forms == [IMPORT_FORM_DOCUMENT, IMPORT_FORM_NDJSON]


def test_the_type_of_a_resource_may_stand_anywhere(tmp_path: Path) -> None:
    # The mark lies across the border of two pieces.
    padding = b'{"text": "' + b"x" * (PIECE - 20) + b'", '
    (tmp_path / "late.json").write_bytes(padding + b'"resourceType": "Patient"}')
    assert len(find_contents(tmp_path)) == 1


def test_pieces_join_to_the_content_and_fit_the_contract(tmp_path: Path) -> None:
    content = RESOURCE * (PIECE // 10)
    (tmp_path / "long.json").write_bytes(content)
    pieces = list(find_contents(tmp_path)[0].pieces())
    assert b"".join(piece.content for piece in pieces) == content
    assert max(len(piece.content) for piece in pieces) <= 1024 * 1024


def test_each_synthetic_patient_is_a_content_of_its_own() -> None:
    contents = make_contents(3, seed=1)
    sources = {next(content.pieces()).source for content in contents}
    assert (len(contents), sources) == (3, {"synthetic"})


@pytest.mark.parametrize(
    ("name", "cause"),
    [("missing", "does not exist"), ("file", "is not a folder"), ("empty", "no FHIR")],
)
def test_a_folder_that_cannot_be_used_is_told_with_a_mend(
    tmp_path: Path, name: str, cause: str
) -> None:
    (tmp_path / "file").write_bytes(RESOURCE)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataUnusable) as raised:
        find_contents(tmp_path / name)
    assert cause in raised.value.cause
    assert "\n" not in raised.value.cause + raised.value.mend
    assert raised.value.mend
