"""`plexus trace` and `plexus traces`: one trace as a tree across services, and the last ones as a list."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from mesh.command.terminal import console, platform
from mesh.runtime.errors import Mistake

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp
    from rich.table import Table
    from rich.tree import Tree

    from plexus.mesh.v1.runtime_service_pb2 import Span, SpanAttribute, SpanEvent, TraceSummary

_STATEMENT = "db.query.text"
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0}
# What the line says already, or what is the same for every span.
_UNTOLD = re.compile(
    r"rpc\..*|net\..*|error\.type|plexus\.(error\..*|sampled|caller)|messaging\..*"
    r"|db\.(system\.name|operation\.name|collection\.name)"
).fullmatch
_LONGEST = 160
_WIDTH = 240
# The text of a statement is shown when it took this share of the trace.
_WORTH_READING = 0.05


def trace(
    ctx: typer.Context,
    trace_id: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="32 hexadecimal digits, as `plexus call --trace` prints."
        ),
    ],
) -> None:
    """Show one trace as a tree: who called whom, when, for how long, with what outcome and why.

    Marked is the critical path: the calls that its duration is made of.
    """
    if not re.fullmatch("[0-9a-f]{32}", trace_id):
        raise Mistake(
            f"{trace_id} is not a trace id",
            "it has 32 hexadecimal digits; `plexus call --trace` prints one",
        )
    with platform(ctx) as here:
        found = here.find_trace(trace_id)
    out = console()
    # A line that is cut says less than one that the terminal folds.
    out.width = max(out.width, _WIDTH)
    out.print(tree(trace_id, found.spans, found.followed_by))


def traces(
    ctx: typer.Context,
    errors: Annotated[
        bool, typer.Option("--errors", help="Only those in which a call failed.")
    ] = False,
    service: Annotated[
        str, typer.Option(help="Only those that this service took part in.", show_default="all")
    ] = "",
    slower: Annotated[
        str,
        typer.Option(
            metavar="TIME", help="Only those that took longer: 200ms, 1.5s.", show_default="all"
        ),
    ] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 20,
) -> None:
    """List the last traces that were kept, the newest first."""
    seconds = _seconds(slower) if slower else 0.0
    with platform(ctx) as here:
        found = here.traces(errors=errors, service=service, slower=seconds, limit=limit)
    if not found:
        typer.echo("no such trace was kept", err=True)
        return
    out = console()
    out.width = max(out.width, _WIDTH)
    out.print(table(found))


def tree(trace_id: str, spans: Sequence[Span], followed_by: Sequence[str] = ()) -> Tree:
    """The spans as a tree. Those whose parent was not kept stand at the root."""
    from rich.tree import Tree

    from mesh.runtime.critical import critical_path

    began = min(span.start_time.ToNanoseconds() for span in spans)
    ended = max(span.end_time.ToNanoseconds() for span in spans)
    total = f"{(ended - began) / 1e6:.1f} ms"
    root = Tree(f"trace {trace_id} [dim]{total}, ◆ critical path[/dim]", guide_style="dim")
    known = {span.span_id for span in spans}
    critical = critical_path(spans)
    children: dict[str, list[Span]] = defaultdict(list)
    for span in spans:
        children[span.parent_span_id if span.parent_span_id in known else ""].append(span)

    def grow(branch: Tree, parent: str) -> None:
        for span in children[parent]:
            grown = branch.add(_label(span, began, is_critical=span.span_id in critical))
            for detail in _details(span, began, ended - began):
                grown.add(detail)
            grow(grown, span.span_id)

    grow(root, "")
    for trace in followed_by:
        root.add(f"[dim]followed by trace {trace}[/dim]")
    return root


def table(found: Iterable[TraceSummary]) -> Table:
    """Traces, a line each."""
    from rich.table import Table

    listed = Table(box=None, pad_edge=False)
    # It is what one goes on with: others are folded before it is cut.
    listed.add_column("trace", no_wrap=True, min_width=32)
    for title in ("began", "took", "root", "services", "outcome"):
        listed.add_column(title, overflow="fold")
    for each in found:
        colour = "red" if each.reason else "green"
        # Something may have failed that the root could do without.
        failed = each.reason if each.reason != each.status else ""
        outcome = f"{each.status} {failed}".strip()
        listed.add_row(
            each.trace_id,
            _clock(each.start_time),
            f"{each.duration.ToNanoseconds() / 1e6:.1f} ms",
            each.root.rpartition(".")[2],
            ", ".join(each.services),
            f"[{colour}]{outcome}[/{colour}]",
        )
    return listed


def _label(span: Span, began: int, *, is_critical: bool) -> str:
    mark = "[yellow]◆[/yellow] " if is_critical else ""
    start = span.start_time.ToNanoseconds()
    took = (span.end_time.ToNanoseconds() - start) / 1e6
    colour = "green" if span.status == "OK" else "red"
    is_call = "/" in span.name
    name = f"{span.name.rpartition('.')[2]} [dim]{span.kind}[/dim]" if is_call else span.name
    reason = span.reason if span.reason != span.status else ""
    return (
        f"{mark}[bold]{_maker(span)}[/bold] {name} "
        f"[dim]at {_offset(start, began)} for[/dim] {took:.1f} ms "
        f"[{colour}]{f'{span.status} {reason}'.strip()}[/{colour}]"
    )


def _maker(span: Span) -> str:
    return span.replica if span.replica.startswith(span.service) else span.service


def _details(span: Span, began: int, total: int) -> Iterator[str]:
    took = span.end_time.ToNanoseconds() - span.start_time.ToNanoseconds()
    brief = took < total * _WORTH_READING
    if told := _attributes(a for a in span.attributes if not (brief and a.key == _STATEMENT)):
        yield f"[dim]{told}[/dim]"
    for link in span.links:
        yield f"[dim]caused by trace {link.trace_id}[/dim]"
    for event in span.events:
        yield _event(event, began)


def _event(event: SpanEvent, began: int) -> str:
    at = _offset(event.time.ToNanoseconds(), began)
    told = _attributes(event.attributes)
    return f"[cyan]{event.name}[/cyan] [dim]at {at} {told}[/dim]".replace(" [/dim]", "[/dim]")


def _attributes(attributes: Iterable[SpanAttribute]) -> str:
    from rich.markup import escape

    told = ((each.key, each.value) for each in attributes if not _UNTOLD(each.key))
    return ", ".join(f"{_short(key)}={escape(_line(value))}" for key, value in told)


def _short(key: str) -> str:
    return key.removeprefix("plexus.").removeprefix("db.query.")


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def _offset(moment: int, began: int) -> str:
    return f"{(moment - began) / 1e6:+.1f} ms"


def _clock(moment: Timestamp) -> str:
    return moment.ToDatetime().strftime("%H:%M:%S.%f")[:-3]


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m)", text)
    if found is None:
        raise Mistake(f"{text} is no time", "write it with its unit, as in 200ms or 1.5s")
    return float(found[1]) * _UNITS[found[2]]
