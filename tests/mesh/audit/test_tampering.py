"""Whatever is done to a journal afterwards is found. The long form is in tests/observability."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from mesh.audit import files
from mesh.audit.verdict import Kind
from tests.mesh.audit.books import Books, access, filled
from tests.mesh.audit.tampers import Quick, tampers

TAMPERS = 1000


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Books:
    return filled(tmp_path_factory.mktemp("books"))


@pytest.fixture
def own(books: Books, tmp_path: Path) -> Books:
    """A copy, to be changed on the disk."""
    shutil.copytree(books.home, tmp_path / "home")
    copy = Books(tmp_path / "home")
    copy.anchored, copy.version = dict(books.anchored), books.version
    return copy


def test_untouched_journals_are_found_to_be_whole(books: Books) -> None:
    report = books.verify()
    assert [str(finding) for finding in report.broken] == []
    assert [verdict.notes for verdict in report.verdicts] == [[], [], []]
    assert sum(verdict.accesses for verdict in report.verdicts) == 3 * 2 * 30


@pytest.mark.parametrize("seed", [1, 2])
def test_every_seeded_tamper_is_found(books: Books, seed: int) -> None:
    evidence = books.evidence()
    quick = Quick()
    missed = Counter(
        tamper.kind
        for tamper in tampers(evidence, seed, TAMPERS)
        if not quick.verify(tamper.evidence).broken
    )
    assert missed == {}
    assert quick.verify(evidence).broken == []


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def last_file(books: Books, replica: str = "records-1") -> Path:
    folder = books.folder / replica.rpartition("-")[0] / replica
    return files.segments(files.journals(folder)[-1])[-1]


def write(path: Path, lines: list[bytes]) -> None:
    path.write_bytes(b"".join(lines))


def record(lines: list[bytes]) -> int:
    """The place of a record with another after it, somewhere inside."""
    is_record = [b'"kind":"access"' in line for line in lines]
    return next(n for n in range(5, len(lines)) if is_record[n] and is_record[n + 1])


def place(path: Path) -> str:
    """A file as findings name it."""
    return "/".join(path.parts[-4:])


def edit(path: Path) -> str:
    lines = lines_of(path)
    at = record(lines)
    lines[at] = lines[at].replace(b'"edge"', b'"none"')
    write(path, lines)
    return f"{place(path)}:{at + 1}"


def delete(path: Path) -> str:
    lines = lines_of(path)
    at = record(lines)
    del lines[at]
    write(path, lines)
    return f"{place(path)}:{at + 1}"


def swap(path: Path) -> str:
    lines = lines_of(path)
    at = record(lines)
    lines[at], lines[at + 1] = lines[at + 1], lines[at]
    write(path, lines)
    return f"{place(path)}:{at + 1}"


def repeat(path: Path) -> str:
    lines = lines_of(path)
    at = record(lines)
    write(path, [*lines[: at + 1], lines[at], *lines[at + 1 :]])
    return f"{place(path)}:{at + 2}"


def cut(path: Path) -> str:
    write(path, lines_of(path)[:-3])
    return "/".join(path.parts[-4:-1])


def remove(path: Path) -> str:
    shutil.rmtree(path.parent)
    return f"records/records-1/{files.id_of(path.parent.name)}"


def add(path: Path) -> str:
    path.with_name("note.txt").write_bytes(b"")
    return place(path.with_name("note.txt"))


@pytest.mark.parametrize(
    ("tamper", "kind"),
    [
        (edit, Kind.EDITED),
        (delete, Kind.DELETED),
        (swap, Kind.REORDERED),
        (repeat, Kind.INSERTED),
        (cut, Kind.TRUNCATED),
        (remove, Kind.DELETED),
        (add, Kind.INSERTED),
    ],
)
def test_the_first_broken_place_is_named_with_what_was_done(
    own: Books, tamper: Callable[[Path], str], kind: Kind
) -> None:
    where = tamper(last_file(own))
    (finding,) = own.verify().broken
    assert (finding.kind, finding.where) == (kind, where)


def test_another_services_key_cannot_sign(own: Books) -> None:
    with own.opened("records-3", signer=own.signer("billing")) as journal:
        journal.append(access())
    (finding,) = own.verify().broken
    assert finding.kind is Kind.FORGED


def test_another_authoritys_key_cannot_sign(own: Books, tmp_path: Path) -> None:
    stranger = Books(tmp_path / "elsewhere").signer("records")
    with own.opened("records-3", signer=stranger) as journal:
        journal.append(access())
    (finding,) = own.verify().broken
    assert finding.kind is Kind.FORGED


def test_only_the_control_plane_vouches_for_ends(
    own: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = own.signer("records")
    monkeypatch.setattr(own, "signer", lambda _: records)
    own.write()
    assert {finding.where for finding in own.verify().findings} == {"anchors.json"}


def test_an_older_copy_of_the_anchors_does_not_pass_for_the_newest(own: Books) -> None:
    with own.opened() as journal:
        journal.append(access())
        journal.settle()
        own.tell(journal, "records-1")
        older = own.anchors.read_bytes()
        own.tell(journal, "records-1")
        own.tell(journal, "records-1")
        journal.append(access())
    assert own.verify().broken == []
    own.anchors.write_bytes(older)
    assert "anchors.json" in {finding.where for finding in own.verify().findings}
