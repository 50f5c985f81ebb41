"""The root of the command: finds sub-commands of other packages, and turns failures into words.

What somebody got wrong is told in two lines, a cause and a mend, and ends with exit code 2.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import typer
import typer.core
import typer.main

from mesh.runtime.errors import Mistake

ENTRY_POINTS = "plexus.commands"

WRONG = 2
BROKEN = 1
INTERRUPTED = 130

# typer carries click under a private name; these are its UsageError and ClickException.
_UsageError: Any = typer.BadParameter.__mro__[1]
_ClickException: Any = typer.BadParameter.__mro__[2]


class Program(typer.core.TyperGroup):
    """A command group whose sub-commands may come from entry points, loaded when they are named."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Own commands, then those of entry points that can be loaded."""
        own = super().list_commands(ctx)
        return [*own, *(name for name in _entry_points() if name not in own and _load(name))]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name; Mistake when it is installed and cannot be loaded."""
        own = super().get_command(ctx, cmd_name)
        if own is not None or cmd_name not in _entry_points():
            return own
        found = _load(cmd_name)
        if found is None:
            raise Mistake(
                f"the command {cmd_name} is installed and cannot be loaded",
                "run `make setup` again, or PLEXUS_DEBUG=1 to see why",
            )
        return found

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run, and exit with 0, or say what is wrong and exit with 2."""
        del standalone_mode
        try:
            code = super().main(
                args=args,
                prog_name=prog_name,
                complete_var=complete_var,
                standalone_mode=False,
                windows_expand_args=windows_expand_args,
                **extra,
            )
        except Exception as error:
            if os.environ.get("PLEXUS_DEBUG"):
                raise
            code = _explain(error)
        sys.exit(code if isinstance(code, int) else 0)


def tell(cause: str, mend: str) -> None:
    """Print what is wrong and what to do, a line each, to the standard error."""
    colour = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    red, dim, plain = ("\033[31m", "\033[2m", "\033[0m") if colour else ("", "", "")
    print(f"{red}✗{plain} {_line(cause)}", file=sys.stderr)
    print(f"  {dim}mend:{plain} {_line(mend)}", file=sys.stderr)


def _explain(error: Exception) -> int:
    if isinstance(error, Mistake):
        tell(error.cause, error.mend)
    elif isinstance(error, _UsageError):
        command = getattr(getattr(error, "ctx", None), "command_path", None) or "plexus"
        tell(error.format_message().rstrip("."), f"see `{command} --help`")
    elif isinstance(error, _ClickException):
        tell(error.format_message(), "see `plexus --help`")
    elif isinstance(error, typer.Abort):
        return INTERRUPTED
    elif mistake := _of_call(error):
        tell(mistake.cause, mistake.mend)
    else:
        # The text of an unforeseen exception may hold anything, a patient's name too.
        tell(
            f"plexus itself failed: {type(error).__name__} {_place(error)}",
            "run it again with PLEXUS_DEBUG=1 and report what it prints",
        )
        return BROKEN
    return WRONG


def _of_call(error: Exception) -> Mistake | None:
    # Only what was imported already can have been raised.
    if "plexus.contract" not in sys.modules:
        return None
    from mesh.command.refusals import mistake_of

    return mistake_of(error)


def _place(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return ""
    return f"at {trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}"


def _line(text: str) -> str:
    return " ".join(text.split())


def _entry_points() -> list[str]:
    from importlib.metadata import entry_points

    return sorted({point.name for point in entry_points(group=ENTRY_POINTS)})


def _load(name: str) -> Any:
    from importlib.metadata import entry_points

    point = next(iter(entry_points(group=ENTRY_POINTS, name=name)))
    try:
        command: Any = typer.main.get_command(point.load())
    except (ImportError, AttributeError):
        if os.environ.get("PLEXUS_DEBUG"):
            raise
        return None
    command.name = name
    return command
