"""How long to wait before a process that ended by itself is started again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Backoff:
    """Doubles from *first* to *longest* seconds; begins anew after a run of *sound* seconds."""

    first: float = 0.2
    longest: float = 10.0
    sound: float = 10.0
    _next: float = 0.0

    def after(self, ran: float) -> float:
        """Seconds to wait after a run of *ran* seconds."""
        if ran >= self.sound or not self._next:
            self._next = self.first
        pause = self._next
        self._next = min(self._next * 2, self.longest)
        return pause
