"""Shows what happens as it happens: one live screen on a terminal, plain lines anywhere else."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from demo import panels
from demo.observations import Observations
from demo.promises import Phase
from demo.pulse import Pulse
from mesh.runtime.client import Platform

STAGES = ("start", "import", "before", "during", "after", "check")
"""What the story goes through; three of them are the phases of its report."""

_PLAIN, _GOOD, _BAD = "", "green", "bold red"
_FRAMES_A_SECOND = 5
_ROWS_BESIDE_EVENTS = 17
_FEWEST_EVENTS = 4


class Screen(Protocol):
    """Where the story is told."""

    def stage(self, name: str) -> None:
        """The story has come to one of the STAGES."""

    def tell(self, text: str) -> None:
        """Something happened."""

    def good(self, text: str) -> None:
        """Something went as it should."""

    def alarm(self, text: str) -> None:
        """Something was broken."""

    def watch(self, platform: Platform, seen: Observations) -> None:
        """Show these from now on."""

    def close(self) -> None:
        """Show nothing more."""


def open_screen(console: Console) -> Screen:
    """The screen that fits the console."""
    return LiveScreen(console) if console.is_terminal else Lines(console)


class Lines:
    """One line for each thing that happens."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self._seen: Observations | None = None
        self._stage = ""

    def stage(self, name: str) -> None:
        """Sum up a phase that is over."""
        if self._seen is not None and self._stage in list(Phase):
            self.tell(f"{self._stage}: {panels.phase_in_words(self._seen, Phase(self._stage))}")
        self._stage = name

    def tell(self, text: str) -> None:
        """Print it, with the time since the beginning."""
        self._console.print(
            f"{time.monotonic() - self._began:6.1f} s  {text}", markup=False, soft_wrap=True
        )

    good = alarm = tell

    def watch(self, platform: Platform, seen: Observations) -> None:
        """Remember what to sum up."""
        del platform
        self._seen = seen

    def close(self) -> None:
        """Nothing to close."""


class LiveScreen:
    """One screen that is drawn again and again."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self._stage = ""
        self._events: deque[tuple[float, str, str]] = deque(maxlen=40)
        self._lock = threading.Lock()
        self._seen: Observations | None = None
        self._pulse: Pulse | None = None
        self._live = Live(
            console=console,
            get_renderable=self._draw,
            refresh_per_second=_FRAMES_A_SECOND,
            transient=True,
        )
        self._live.start()

    def stage(self, name: str) -> None:
        """Move on."""
        self._stage = name

    def tell(self, text: str) -> None:
        """Add a line."""
        self._add(text, _PLAIN)

    def good(self, text: str) -> None:
        """Add a line in green."""
        self._add(text, _GOOD)

    def alarm(self, text: str) -> None:
        """Add a line in red."""
        self._add(text, _BAD)

    def watch(self, platform: Platform, seen: Observations) -> None:
        """Draw them from now on."""
        if self._pulse is not None:
            return
        self._seen = seen
        self._pulse = Pulse(platform)
        self._pulse.start()

    def close(self) -> None:
        """Clear the screen for what comes after."""
        if self._pulse is not None:
            self._pulse.stop()
        self._live.stop()

    def _add(self, text: str, style: str) -> None:
        with self._lock:
            self._events.append((time.monotonic() - self._began, text, style))

    def _draw(self) -> RenderableType:
        elapsed = time.monotonic() - self._began
        parts: list[RenderableType] = [
            panels.title(elapsed, self._console.width),
            panels.stages(STAGES, self._stage),
            Text(),
        ]
        if self._pulse is not None:
            parts += [panels.services(self._pulse.beats), Text()]
        if self._seen is not None:
            parts += [panels.journeys(self._seen), Text(), panels.backlog(self._seen), Text()]
        return Group(*parts, self._draw_events())

    def _draw_events(self) -> RenderableType:
        room = max(_FEWEST_EVENTS, self._console.height - _ROWS_BESIDE_EVENTS)
        with self._lock:
            shown = list(self._events)[-room:]
        return panels.events(shown)
