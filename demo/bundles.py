"""What is imported: synthetic patients, or the FHIR files of a folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from demo.patients import synthesize
from mesh.runtime.errors import Mistake
from plexus.records.v1 import records_service_pb2 as records

PIECE = 256 * 1024
"""Bytes sent at once; the contract allows 1 MiB."""

_FORMS = {
    ".json": records.IMPORT_FORM_DOCUMENT,
    ".ndjson": records.IMPORT_FORM_NDJSON,
}
_MARK = b'"resourceType"'


class DataUnusable(Mistake):
    """The folder cannot be read, or there is no FHIR in it."""


class Content(Protocol):
    """One import: a document or a file of lines, with the system it comes from."""

    @property
    def source(self) -> str:
        """The system, such as `synthetic`."""

    def pieces(self) -> Iterator[records.ImportBundleRequest]:
        """The content as ImportBundle takes it, from the beginning each time."""


@dataclass(frozen=True, slots=True)
class Synthetic:
    """One made-up patient."""

    content: bytes
    source: str = "synthetic"

    def pieces(self) -> Iterator[records.ImportBundleRequest]:
        """The bundle, in pieces."""
        for start in range(0, len(self.content), PIECE):
            yield records.ImportBundleRequest(
                source=self.source,
                content=self.content[start : start + PIECE],
                form=records.IMPORT_FORM_DOCUMENT,
            )


@dataclass(frozen=True, slots=True)
class File:
    """A file of the folder."""

    path: Path
    source: str = "demo"

    def pieces(self) -> Iterator[records.ImportBundleRequest]:
        """The file, in pieces; it is never whole in memory here."""
        with self.path.open("rb") as file:
            while piece := file.read(PIECE):
                yield records.ImportBundleRequest(
                    source=self.source, content=piece, form=_FORMS[self.path.suffix.lower()]
                )


def make_contents(patients: int, seed: int) -> Sequence[Content]:
    """That many synthetic patients, the same for the same seed."""
    return [Synthetic(json.dumps(bundle).encode()) for bundle in synthesize(patients, seed)]


def find_contents(folder: Path) -> Sequence[Content]:
    """The FHIR files of a folder, by name; DataUnusable.

    Files that are neither `.json` nor `.ndjson`, or hold no resource, are left out.
    """
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise DataUnusable(f"{folder} {what}", "name a folder of FHIR R4 bundles with --data")
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in _FORMS)
        found = [File(path) for path in paths if path.is_file() and _holds_resources(path)]
    except OSError as error:
        # Not which file: its name may be a patient's.
        raise DataUnusable(
            f"{folder} cannot be read: {error.strerror}", "make it and its files readable"
        ) from None
    if not found:
        raise DataUnusable(
            f"there is no FHIR in {folder}",
            "put FHIR R4 bundles (.json) or bulk exports (.ndjson) in it, or leave --data out",
        )
    return found


def _holds_resources(path: Path) -> bool:
    """Whether a resource is in the file; reads no further than the first."""
    rest = b""
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            if _MARK in rest + piece:
                return True
            rest = piece[-len(_MARK) :]
    return False
