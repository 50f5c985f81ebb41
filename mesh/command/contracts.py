"""`plexus contract`: what the contracts state, proved, drawn and shown."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from mesh import meaning

app = typer.Typer(
    help="Prove the contracts, draw their call graph, show what follows for a method."
)

_VIOLATED = 1


class Form(StrEnum):
    """How `graph` draws."""

    TEXT = "text"
    MERMAID = "mermaid"


@app.callback(invoke_without_command=True)
def _contract(ctx: typer.Context) -> None:
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


@app.command("check")
def check() -> None:
    """Prove that the contracts hold together; exit code 1 and a mend for each violation."""
    from plexus.contract import check as prove
    from plexus.contract import load

    contract = load()
    violations = prove(
        contract, attempts=meaning.ATTEMPTS, max_attempts=meaning.MAX_ATTEMPTS_IN_CHAIN
    )
    for violation in violations:
        typer.echo(f"✗ {violation}")
    if violations:
        typer.echo(f"{len(violations)} violations")
        raise typer.Exit(_VIOLATED)
    typer.echo(
        f"✓ the contracts hold: {len(contract.services)} services, {len(contract.methods)} methods"
    )


@app.command("graph")
def graph(
    form: Annotated[Form, typer.Option("--form", "-o", help="How to draw it.")] = Form.TEXT,
) -> None:
    """Draw which method calls which, and what is lost without it."""
    from plexus.contract import graph as drawing
    from plexus.contract import load

    draw = drawing.mermaid if form is Form.MERMAID else drawing.tree
    typer.echo(draw(load()).rstrip())


@app.command("show")
def show(
    method: Annotated[str, typer.Argument(help="Such as records.GetPatient.")],
) -> None:
    """Show all that the contracts say of a method, and what follows from it."""
    from plexus.contract import graph as drawing
    from plexus.contract import load

    typer.echo(drawing.show(load(), method, attempts=meaning.ATTEMPTS))
