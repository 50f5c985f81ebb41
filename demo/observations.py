"""What virtual patients meet: every try, and whether it was served, by journey and phase."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from demo.promises import Journey, Phase, Tally
from plexus.errors import PlexusError

OVER = "OVER"
_RECENT = 64


class GaveUp(Exception):
    """A step was not served; the patient goes no further for now."""


class Observations:
    """Kept by many threads at once.

    A try counts to the phase in which it ends: that is when the patient knows. Once it is `over`
    nobody tries any more.
    """

    def __init__(self) -> None:
        self.phase = Phase.BEFORE
        self.over = False
        self._lock = threading.Lock()
        self._tried: Counter[tuple[Journey, Phase]] = Counter()
        self._served: Counter[tuple[Journey, Phase]] = Counter()
        self._failures: Counter[tuple[Journey, Phase, str]] = Counter()
        self._recent: Mapping[Journey, deque[float]] = {j: deque(maxlen=_RECENT) for j in Journey}
        self._degraded: Counter[str] = Counter()
        self._returns = 0
        self._completed: set[str] = set()
        self._claimed: set[str] = set()
        self._payments: dict[str, int] = {}

    @contextmanager
    def trying(self, journey: Journey) -> Iterator[None]:
        """Count what is done inside as one try; a call that fails inside raises GaveUp."""
        if self.over:
            raise GaveUp(OVER)
        began = time.monotonic()
        try:
            yield
        except PlexusError as failure:
            self._note(journey, failure.reason, began)
            raise GaveUp(failure.reason) from None
        except GaveUp as end:
            if str(end) != OVER:
                self._note(journey, str(end), began)
            raise
        self._note(journey, "", began)

    def completed(self, appointment_id: str) -> None:
        """A patient was told that the appointment is completed."""
        with self._lock:
            self._completed.add(appointment_id)

    def claimed(self, appointment_ids: Iterable[str]) -> None:
        """Billing has shown claims for these appointments."""
        with self._lock:
            self._claimed.update(appointment_ids)

    def paid(self, payment_id: str, minor_units: int) -> None:
        """A patient was told that the payment was taken in. The same one may be told again."""
        with self._lock:
            self._payments[payment_id] = minor_units

    def degraded(self, dependencies: list[str]) -> None:
        """An answer lacked something."""
        with self._lock:
            self._degraded.update(dependencies)

    def told_to_return(self) -> None:
        """A service had too much to do, and said so."""
        with self._lock:
            self._returns += 1

    @property
    def returns(self) -> int:
        """How often a patient was told to come back in a moment."""
        with self._lock:
            return self._returns

    def tallies(self) -> dict[tuple[Journey, Phase], Tally]:
        """Tries and served tries, by journey and phase."""
        with self._lock:
            return {key: Tally(tried, self._served[key]) for key, tried in self._tried.items()}

    def failures(self) -> Counter[tuple[Journey, Phase, str]]:
        """How often each journey failed in each phase, by reason."""
        with self._lock:
            return self._failures.copy()

    def degradations(self) -> Counter[str]:
        """How often an answer lacked what each dependency gives."""
        with self._lock:
            return self._degraded.copy()

    def pace(self, journey: Journey) -> float | None:
        """The median time of the last served tries, in seconds."""
        with self._lock:
            recent = sorted(self._recent[journey])
        return recent[len(recent) // 2] if recent else None

    @property
    def completions(self) -> frozenset[str]:
        """The appointments that patients were told are completed."""
        with self._lock:
            return frozenset(self._completed)

    @property
    def claims(self) -> int:
        """How many of them billing has shown a claim for."""
        with self._lock:
            return len(self._claimed)

    @property
    def received(self) -> int:
        """The sum of all payments that patients were told of, in minor units."""
        with self._lock:
            return sum(self._payments.values())

    def _note(self, journey: Journey, reason: str, began: float) -> None:
        seconds = time.monotonic() - began
        with self._lock:
            key = (journey, self.phase)
            self._tried[key] += 1
            if reason:
                self._failures[(*key, reason)] += 1
            else:
                self._served[key] += 1
                self._recent[journey].append(seconds)
