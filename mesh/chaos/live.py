"""Follows a run in the terminal: a line for what has ended, and one that moves for what is going on."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from mesh.chaos.model import Verdict
from mesh.chaos.studies import Study

_MOST_SHORTFALLS = 6


class Live:
    """A watcher for people. Where there is no terminal, lines alone."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[what]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("", what="")

    def __enter__(self) -> Live:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def begins(self, name: str, number: int, of: int) -> None:
        """An experiment, or a study, begins."""
        done = max(0, number - 1)
        self._progress.update(self._task, description=name, what="", completed=done, total=of)

    def tells(self, what: str) -> None:
        """Something happens in it."""
        self._progress.update(self._task, what=what)

    def ended(self, name: str, verdict: Verdict | Study, seconds: float) -> None:
        """It has ended."""
        skipped = verdict.skipped if isinstance(verdict, Verdict) else ""
        sign = "[red]✗[/red]" if verdict.shortfalls else "[green]✓[/green]"
        sign = "[dim]-[/dim]" if skipped else sign
        figures = verdict.figures or {}
        told = skipped or ", ".join(f"{name} {value:g}" for name, value in figures.items())
        self._print(f"{sign} {name:<40} [dim]{seconds:5.1f} s  {escape(told)}[/dim]")
        for shortfall in verdict.shortfalls[:_MOST_SHORTFALLS]:
            self._print(
                f"  [red]{escape(shortfall.promise)}[/red] [dim]{escape(shortfall.seen)}[/dim]"
            )
        if (more := len(verdict.shortfalls) - _MOST_SHORTFALLS) > 0:
            self._print(f"  [dim]and {more} more[/dim]")

    def _print(self, line: str) -> None:
        self._progress.console.print(line)
