"""`plexus import`: FHIR R4 files into the records."""

from __future__ import annotations

import re
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mesh.command.terminal import console, platform
from mesh.runtime.errors import Mistake

if TYPE_CHECKING:
    from rich.progress import Progress

    from plexus.client import Channel
    from plexus.records.v1.records_service_pb2 import ImportBundleRequest, ImportBundleResponse

OUTCOMES = ("created", "replaced", "unchanged", "outdated", "rejected")

_ENDINGS = frozenset({".json", ".ndjson"})
_SOURCE = re.compile(r"[a-z][a-z0-9_.-]{0,63}")
_PIECE = 512 * 1024
_ATTEMPTS = 5
_PAUSE = 0.3
_REJECTIONS_SHOWN = 20


@dataclass(slots=True)
class Imported:
    """What an import did: counts by outcome and by resource type, rejections as (file, path, why)."""

    outcomes: Counter[str] = field(default_factory=Counter)
    types: Counter[str] = field(default_factory=Counter)
    rejections: list[tuple[str, str, str]] = field(default_factory=list)
    patient_ids: set[str] = field(default_factory=set)

    @property
    def resources(self) -> int:
        """How many resources there were."""
        return sum(self.outcomes.values())

    def add(self, file: Path, answer: ImportBundleResponse) -> None:
        """Count what one file did."""
        for outcome in OUTCOMES:
            self.outcomes[outcome] += getattr(answer, outcome)
        for count in answer.counts:
            self.types[count.resource_type] += count.count
        self.patient_ids.update(answer.patient_ids)
        for rejection in answer.rejections:
            where = " ".join(filter(None, (rejection.resource_type, rejection.path)))
            self.rejections.append((file.name, where, rejection.reason))


def import_(
    ctx: typer.Context,
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="Files, or folders of .json and .ndjson."),
    ],
    source: Annotated[
        str,
        typer.Option(help="The system that the files come from; part of a resource's identity."),
    ] = "local",
) -> None:
    """Import FHIR R4 files: bundles, single resources, NDJSON. Importing again changes nothing."""
    if not _SOURCE.fullmatch(source):
        raise Mistake(
            f"{source} cannot name a source",
            "use lower-case letters, digits, and _ . - after the first letter",
        )
    from rich.markup import escape

    files = files_at(paths)
    out = console()
    with platform(ctx) as here, _progress() as progress:
        channel = here.channel("records")
        task = progress.add_task("importing", total=len(files), resources=0)
        began = time.monotonic()

        def done(so_far: Imported) -> None:
            progress.update(task, advance=1, resources=so_far.resources)

        imported = import_files(channel, files, source, done)
        took = time.monotonic() - began
    counts = ", ".join(f"{imported.outcomes[outcome]:,} {outcome}" for outcome in OUTCOMES)
    out.print(
        f"[green]✓[/green] {imported.resources:,} resources from {len(files):,} files: {counts} "
        f"[dim]({imported.resources / max(took, 1e-9):,.0f} resources/s)[/dim]"
    )
    for name, where, why in imported.rejections[:_REJECTIONS_SHOWN]:
        out.print("[yellow]![/yellow] " + escape(f"{name}: {where}: {why}"))
    if more := imported.outcomes["rejected"] - len(imported.rejections[:_REJECTIONS_SHOWN]):
        out.print(f"  and {more:,} more rejected")


def files_at(paths: Iterable[Path]) -> list[Path]:
    """The files at *paths*, folders searched to the bottom, by name; Mistake."""
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise Mistake(f"there is nothing at {path}", "check the path")
        inside = [path] if path.is_file() else sorted(_inside(path))
        if not inside:
            raise Mistake(f"{path} holds no .json or .ndjson file", "name a folder of FHIR files")
        found += inside
    for file in found:
        try:
            file.open("rb").close()
        except OSError as error:
            raise Mistake(f"{file} cannot be read: {error.strerror}", "check its mode") from None
    return found


def import_files(
    channel: Channel,
    files: Iterable[Path],
    source: str,
    done: Callable[[Imported], None] = lambda _: None,
) -> Imported:
    """Import *files* one after the other; *done* is told after each. Raises PlexusError."""
    imported = Imported()
    for file in files:
        imported.add(file, import_file(channel, file, source))
        done(imported)
    return imported


def import_file(channel: Channel, file: Path, source: str) -> ImportBundleResponse:
    """Import one file. What is cut off by the loss of a replica is sent again, under the same id."""
    from plexus.errors import Unavailable
    from plexus.records.v1.records_service_pb2_grpc import RecordsServiceStub

    stub = RecordsServiceStub(channel)
    request_id = uuid.uuid4().hex
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return stub.ImportBundle(_pieces(file, source, request_id))
        except Unavailable:
            if attempt == _ATTEMPTS:
                raise
            time.sleep(_PAUSE * attempt)
    raise AssertionError("unreachable")


def _pieces(file: Path, source: str, request_id: str) -> Iterator[ImportBundleRequest]:
    from plexus.records.v1 import records_service_pb2 as records

    ndjson = file.suffix.lower() == ".ndjson"
    form = records.IMPORT_FORM_NDJSON if ndjson else records.IMPORT_FORM_DOCUMENT
    with file.open("rb") as opened:
        content = opened.read(_PIECE)
        yield records.ImportBundleRequest(
            request_id=request_id, source=source, content=content, form=form
        )
        while content := opened.read(_PIECE):
            yield records.ImportBundleRequest(request_id=request_id, content=content)


def _inside(folder: Path) -> Iterator[Path]:
    return (p for p in folder.rglob("*") if p.suffix.lower() in _ENDINGS and p.is_file())


def _progress() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("[dim]files, {task.fields[resources]:,} resources[/dim]"),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
