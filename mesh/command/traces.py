"""`plexus trace`: a trace as a tree across services."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from mesh.command.terminal import console, platform
from mesh.runtime.errors import Mistake

if TYPE_CHECKING:
    from rich.tree import Tree

    from plexus.mesh.v1.runtime_service_pb2 import Span


def trace(
    ctx: typer.Context,
    trace_id: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="32 hexadecimal digits, as `plexus call --trace` prints."
        ),
    ],
) -> None:
    """Show one trace as a tree: which service called which, for how long, with what outcome."""
    if not re.fullmatch("[0-9a-f]{32}", trace_id):
        raise Mistake(
            f"{trace_id} is not a trace id",
            "it has 32 hexadecimal digits; `plexus call --trace` prints one",
        )
    with platform(ctx) as here:
        spans = here.trace(trace_id)
    console().print(tree(trace_id, spans))


def tree(trace_id: str, spans: Sequence[Span]) -> Tree:
    """The spans as a tree. Those whose parent was not kept stand at the root."""
    from rich.tree import Tree

    root = Tree(f"trace {trace_id}", guide_style="dim")
    known = {span.span_id for span in spans}
    children: dict[str, list[Span]] = defaultdict(list)
    for span in spans:
        children[span.parent_span_id if span.parent_span_id in known else ""].append(span)

    def grow(branch: Tree, parent: str) -> None:
        for span in children[parent]:
            grow(branch.add(_label(span)), span.span_id)

    grow(root, "")
    return root


def _label(span: Span) -> str:
    took = (span.end_time.ToNanoseconds() - span.start_time.ToNanoseconds()) / 1e6
    colour = "green" if span.status == "OK" else "red"
    method = span.name.rpartition(".")[2]
    return (
        f"[bold]{span.service}[/bold] {method} [dim]{span.kind}[/dim] "
        f"{took:.1f} ms [{colour}]{span.status}[/{colour}]"
    )
