"""`plexus chaos`: break a platform of its own on purpose, and see whether it keeps its promises."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mesh.chaos.report import Outcome
    from mesh.chaos.suite import Suite

app = typer.Typer(
    help="Break a platform of its own on purpose, and hold it to its contracts.",
    no_args_is_help=True,
)

_FOLDER = Path("tests/chaos")
_REPORT = Path("build/chaos")
_REFERENCE = Path("docs/reference/blast-radius.md")
_BROKEN = 1
_STUDIES = {
    "history": "clients under a storm of kills; what they were told is held against what is there",
    "overload": "one server at three times its capacity",
}

Folder = Annotated[
    Path, typer.Option("--experiments", metavar="DIR", help="Where experiments and samples are.")
]
Seed = Annotated[int, typer.Option(help="The same seed gives the same schedule.")]


@app.command("list")
def list_(experiments: Folder = _FOLDER) -> None:
    """List the experiments: those that are written, those derived from the contracts, and the studies."""
    from rich.table import Table

    from mesh.chaos.suite import STUDIES
    from mesh.command.terminal import console

    suite = _suite(experiments, 1)
    table = Table("experiment", "seconds", "short run", "about", box=None, header_style="bold")
    for each in suite.experiments:
        short = "yes" if each.subset else ""
        table.add_row(each.name, f"{each.seconds:.0f}", short, each.about)
    for name in STUDIES:
        table.add_row(name, "", "yes", _STUDIES[name])
    console().print(table)


@app.command("run")
def run(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME...|all", help="Which; `all` for every one.")
    ],
    subset: Annotated[
        bool, typer.Option("--subset", help="Of all, those that are short enough for every change.")
    ] = False,
    seed: Seed = 1,
    report: Annotated[Path, typer.Option(metavar="DIR", help="Where the report goes.")] = _REPORT,
    experiments: Folder = _FOLDER,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the state folder at the end, for its logs.")
    ] = False,
) -> None:
    """Run experiments on a platform of its own; exit code 1 when a promise is not kept.

    Nothing that runs already is touched.
    """
    from mesh.command.terminal import console

    # A connection that is lost is what this is about, and nothing to complain of.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    suite = _suite(experiments, seed)
    outcome = _run(suite, names, subset=subset, keep=keep)
    _write(outcome, report)
    if outcome.whole and outcome.matrix.rows and _REFERENCE.parent.is_dir():
        from mesh.chaos.report.reference import reference

        _REFERENCE.write_text(reference(outcome), encoding="utf-8")
    console().print(f"[dim]{report / 'report.json'}, {report / 'report.html'}[/dim]")
    if not outcome.held:
        raise typer.Exit(_BROKEN)


@app.command("soak")
def soak(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME...|all]", help="Which; all unless stated.")
    ] = None,
    hours: Annotated[float, typer.Option(min=0.0, help="How long; one run at least.")] = 4.0,
    seed: Seed = 1,
    report: Annotated[Path, typer.Option(metavar="DIR", help="Where reports go.")] = _REPORT,
    experiments: Folder = _FOLDER,
) -> None:
    """Run it again and again, each time with the next seed; print the seed of any failure."""
    import time

    from mesh.chaos import soaking
    from mesh.command.terminal import console

    wanted, out = names or ["all"], console()

    def run(seed: int) -> int:
        return _in_process_of_its_own(wanted, seed, report / f"seed-{seed}", experiments)

    def tell(seed: int, held: bool) -> None:
        again = f"plexus chaos run {' '.join(wanted)} --seed {seed}"
        out.print(
            f"[green]✓[/green] seed {seed}"
            if held
            else f"[red]✗[/red] seed {seed} fails; again with: {again}"
        )

    ends = time.monotonic() + hours * 3600
    try:
        failed = soaking.soak(run, seed, lambda: time.monotonic() < ends, tell)
    except soaking.NotRun as ended:
        raise typer.Exit(ended.code) from None
    if failed:
        out.print(f"failing seeds: {', '.join(map(str, failed))}")
        raise typer.Exit(_BROKEN)


def _suite(folder: Path, seed: int) -> Suite:
    from mesh.chaos.suite import Suite

    return Suite(folder, seed)


def _run(suite: Suite, names: list[str], *, subset: bool, keep: bool) -> Outcome:
    from mesh.chaos.live import Live
    from mesh.chaos.report.terminal import summarize
    from mesh.command.terminal import console

    _check_drawing()
    choice = suite.choose(names, subset=subset)
    out = console()
    with Live(out) as watcher:
        outcome = suite.run(choice, watcher, keep=keep)
    out.print(summarize(outcome))
    return outcome


def _check_drawing() -> None:
    """Find out now, not in twenty minutes, that the page cannot be drawn; Mistake."""
    from mesh.runtime.errors import Mistake

    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise Mistake(
            "timelines are drawn with matplotlib, which is not installed",
            "run `make setup`, or pip install 'plexus-platform[chaos]'",
        ) from None


def _write(outcome: Outcome, folder: Path) -> None:
    from mesh.chaos.report.document import document
    from mesh.chaos.report.page import page

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(document(outcome), encoding="utf-8")
    (folder / "report.html").write_text(page(outcome), encoding="utf-8")


def _in_process_of_its_own(names: list[str], seed: int, report: Path, experiments: Path) -> int:
    """A process can be in one mesh only, and each run has another."""
    import subprocess
    import sys

    line = [sys.executable, "-m", "mesh.command", "chaos", "run", *names, "--seed", str(seed)]
    line += ["--report", str(report), "--experiments", str(experiments)]
    child = subprocess.Popen(line)
    try:
        return child.wait()
    except KeyboardInterrupt:
        # The child heard it as well, and cleans up.
        with suppress(KeyboardInterrupt):
            child.wait()
        raise
