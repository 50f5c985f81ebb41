"""The `plexus` command. What it needs is imported when a command runs, so that it starts fast."""

from __future__ import annotations


def main() -> None:
    """Run `plexus` with the arguments of this process."""
    from mesh.command.program import app

    app(prog_name="plexus")
