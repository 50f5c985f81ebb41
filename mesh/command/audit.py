"""`plexus audit`: whether the audit trail is whole, and who touched what of a patient."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mesh.command.terminal import console, platform
from mesh.runtime.errors import Mistake

if TYPE_CHECKING:
    from mesh.audit.verdict import Verdict
    from mesh.audit.verify import Report
    from plexus.records.v1.access_pb2 import Access

app = typer.Typer(help="Verify the audit trail; list who touched what of a patient.")

_TAMPERED = 1
_PAGE = 1000


@app.callback(invoke_without_command=True)
def _audit(ctx: typer.Context) -> None:
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


@app.command("verify")
def verify(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Look at every entry of every journal; exit code 1 when one is not as it was written.

    Reads files and needs nothing that runs: a copy of the state folder will do.
    """
    report = _report(ctx)
    if as_json:
        print(json.dumps(_plain(report), indent=2))
    else:
        _show(report)
    if report.broken:
        raise typer.Exit(_TAMPERED)


@app.command("list")
def list_accesses(
    ctx: typer.Context,
    patient: Annotated[str, typer.Option("--patient", help="The patient's id, such as pat_….")],
    service: Annotated[str, typer.Option("--service", help="Only at this service.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 50,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print them as JSON, one to a line.")
    ] = False,
) -> None:
    """List who called what about a patient at any service, newest first. That is recorded too."""
    with platform(ctx) as here:
        from plexus.records.v1.records_service_pb2_grpc import RecordsServiceStub

        stub = RecordsServiceStub(here.channel("records"))
        found = list(_accesses(stub, patient, service, limit))
    if as_json:
        from google.protobuf import json_format

        for each in found:
            told = json_format.MessageToDict(each, preserving_proto_field_name=True)
            print(json.dumps(told, ensure_ascii=False))
    else:
        _list(found)


def _report(ctx: typer.Context) -> Report:
    import os

    from mesh.audit import anchors
    from mesh.audit.verify import collect
    from mesh.audit.verify import verify as look
    from mesh.settings import Settings

    home = ctx.find_root().obj
    settings = Settings.read({**os.environ, **({"PLEXUS_HOME": str(home)} if home else {})})
    root = settings.authority / "ca.pem"
    if not root.exists():
        raise Mistake(
            f"{settings.home} has no certificate authority, so nothing can be believed",
            "set PLEXUS_HOME to the state folder of a platform",
        )
    return look(collect(settings.audit, settings.control_plane_state / anchors.FILE, root))


def _show(report: Report) -> None:
    from rich.table import Table

    out = console()
    table = Table(box=None, header_style="bold")
    for name in ("journal", "accesses", "signed", "from", "to", ""):
        table.add_column(name, no_wrap=True)
    for each in report.verdicts:
        whole = "[green]whole[/]" if each.finding is None else f"[red]{each.finding.kind}[/]"
        # The service is in the replica's name, and the journal's number tells it from the others.
        name = f"{each.replica} {each.journal[:4]}"
        counts = (str(each.accesses), str(each.checkpoints))
        table.add_row(name, *counts, _minute(each.first), _minute(each.last), whole)
    out.print(table)
    for each in report.verdicts:
        if each.in_memory:
            told = f"{each.in_memory} entries are in memory only, and not on the disk yet"
            out.print(f"  {each.name}: {told}", style="dim")
        for note in each.notes:
            out.print(f"  {each.name}: {note}", style="dim")
    for finding in report.broken:
        out.print(f"[red]✗[/] {finding}")
    if not report.broken:
        accesses = sum(each.accesses for each in report.verdicts)
        out.print(
            f"[green]✓[/] {len(report.verdicts)} journals, {accesses} accesses: as they were written"
        )


def _plain(report: Report) -> dict[str, Any]:
    return {
        "whole": not report.broken,
        "journals": [_plain_verdict(each) for each in report.verdicts],
        "findings": [
            {"kind": each.kind, "where": each.where, "what": each.what} for each in report.broken
        ],
    }


def _plain_verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "journal": verdict.name,
        "whole": verdict.finding is None,
        "files": verdict.files,
        "entries": verdict.entries,
        "in_memory": verdict.in_memory,
        "accesses": verdict.accesses,
        "signatures": verdict.checkpoints,
        "first": verdict.first,
        "last": verdict.last,
        "notes": verdict.notes,
    }


def _accesses(stub: Any, patient: str, service: str, limit: int) -> Iterator[Access]:
    from plexus.records.v1.records_service_pb2 import ListAccessesRequest

    request = ListAccessesRequest(patient_id=patient, service=service)
    while limit > 0:
        request.page_size = min(limit, _PAGE)
        answer = stub.ListAccesses(request)
        yield from answer.accesses
        limit -= len(answer.accesses)
        request.page_token = answer.next_page_token
        if not request.page_token:
            return


def _list(found: Sequence[Access]) -> None:
    rows = [("time", "who", "for", "what", "outcome", "trace"), *map(_row, found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        # Not wrapped: a line is an access, for a person and for grep.
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())


def _row(access: Access) -> tuple[str, ...]:
    time = access.time.ToJsonString()[:19].replace("T", " ")
    method = f"{access.service}.{access.method.rpartition('/')[2]}"
    outcome = access.reason or access.outcome
    return time, access.caller, access.subject or "-", method, outcome, access.trace_id


def _minute(time: str) -> str:
    return time[:16].replace("T", " ")
