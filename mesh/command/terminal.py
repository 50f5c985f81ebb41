"""Where output goes: a rich console, made when something is printed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from mesh.runtime.client import Platform


def console() -> Console:
    """The standard output. Made anew for each command, which may have its own."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True)


def platform(ctx: Any, *, sampling: float | None = None) -> Platform:
    """The platform of the state folder that the command line or PLEXUS_HOME names."""
    from mesh.runtime.client import Platform

    return Platform(ctx.find_root().obj, sampling=sampling)
