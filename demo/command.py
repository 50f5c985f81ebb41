"""`plexus demo`: the whole platform, its patients and an outage, in a minute."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)

BROKEN = 1
INTERRUPTED = 130


@app.command()
def demo(
    data: Annotated[
        Path | None,
        typer.Option(help="A folder of FHIR R4 bundles to play with.", show_default="made up"),
    ] = None,
    patients: Annotated[
        int, typer.Option(min=1, max=5000, help="How many patients to make up.")
    ] = 50,
    seed: Annotated[int, typer.Option(help="The same seed makes up the same patients.")] = 1,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the figures here, too.")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the platform running at the end.")
    ] = False,
    replicas: Annotated[int, typer.Option(min=2, max=8, help="Replicas of each service.")] = 2,
) -> None:
    """Start everything, play patient journeys, kill billing in the middle, and show what held.

    Exits with 0 only if every promise held. It runs in a state folder of its own.
    """
    # gRPC tells of every connection that is lost, and this loses many on purpose. Said before it is
    # imported, which is also why that is done here.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from rich.console import Console

    from demo import bundles, report
    from demo.promises import held, judge
    from demo.screen import open_screen
    from demo.stage import private_stage
    from demo.story import Plot, Story

    began = time.monotonic()
    check_writable(json_file)
    contents = bundles.find_contents(data) if data else bundles.make_contents(patients, seed)
    console = Console(highlight=False)
    try:
        with private_stage(keep=keep) as stage:
            screen = open_screen(console)
            story = Story(stage.platform, contents, Plot(replicas=replicas, seed=seed), screen)
            try:
                ending = story.play()
            finally:
                story.close()
                screen.close()
            promises = judge(ending.facts)
            stage.broken = not held(promises)
    except KeyboardInterrupt:
        console.print("interrupted; everything that was started has been stopped")
        raise typer.Exit(INTERRUPTED) from None
    if json_file is not None:
        report.write_json(json_file, ending.facts)
    console.print(report.summarize(ending, promises, time.monotonic() - began))
    console.print(report.directions(stage.folder), soft_wrap=True)
    if stage.broken:
        raise typer.Exit(BROKEN)


def check_writable(path: Path | None) -> None:
    """Find out now, not in a minute, that the figures cannot be written; Mistake."""
    from mesh.runtime.errors import Mistake

    if path is None:
        return
    place = path if path.exists() else path.absolute().parent
    if path.is_dir() or not place.exists() or not os.access(place, os.W_OK):
        raise Mistake(f"{path} cannot be written", "name another file with --json")
