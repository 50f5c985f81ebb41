"""A storm, from the opening of a clinic to the verdict."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mesh.chaos.history.board import Board
from mesh.chaos.history.calls import Calls
from mesh.chaos.history.checker import check
from mesh.chaos.history.client import Client, Pace
from mesh.chaos.history.follower import Follower
from mesh.chaos.history.generator import intents
from mesh.chaos.history.nemesis import GAPS_A_KILL, Nemesis, services_of, strikes
from mesh.chaos.history.operation import Kind, Operation, Status
from mesh.chaos.history.practice import Practice, Stubs, open_practice
from mesh.chaos.history.reading import Reading, patiently
from mesh.chaos.history.record import write
from mesh.chaos.history.verdict import Verdict, count_outcomes, count_reasons
from mesh.chaos.stage import assert_ours
from mesh.runtime.client import Platform
from mesh.topology import CONTROL_PLANE
from plexus.billing.v1.billing_service_pb2_grpc import BillingServiceStub
from plexus.records.v1 import records_service_pb2 as records
from plexus.records.v1.records_service_pb2_grpc import RecordsServiceStub
from plexus.scheduling.v1 import scheduling_service_pb2 as scheduling
from plexus.scheduling.v1.scheduling_service_pb2_grpc import SchedulingServiceStub

Progress = Callable[[str, int, int], None]
"""Told again and again: the phase, how many operations were done, how many processes killed."""

GAP = 3.0
"""Mean seconds between two blows. A process needs one to two seconds of a core to come back."""

_RATE = 150.0
_CLIENTS = 8
_PATIENTS = 6
_PATIENCE = 60.0
_QUIET = 1.0
_POLL = 0.25


def run_history(
    platform: Platform,
    *,
    seed: int,
    operations: int = 50_000,
    kills: int = 100,
    progress: Progress = lambda *_: None,
    record: Path | None = None,
) -> dict[str, Any]:
    """`storm`, for a report: {operations, kills, violations, seed} and more; see Verdict.summary."""
    verdict = storm(
        platform, seed=seed, operations=operations, kills=kills, progress=progress, record=record
    )
    return verdict.summary()


def storm(
    platform: Platform,
    *,
    seed: int,
    operations: int,
    kills: int,
    gap: float = GAP,
    progress: Progress = lambda *_: None,
    record: Path | None = None,
) -> Verdict:
    """Let clients work while processes are killed, then judge.

    The platform runs and is ready; it is ready again afterwards. At least so many operations and
    kills, *gap* mean seconds between two blows. The history is written to *record*. NotOurs when
    this process did not start the platform; NotReady when it does not come back.
    """
    assert_ours(platform.home)
    return _Storm(platform, seed, operations, kills, gap, progress).run(record)


class _Storm:
    def __init__(
        self,
        platform: Platform,
        seed: int,
        operations: int,
        kills: int,
        gap: float,
        progress: Progress,
    ) -> None:
        self._platform = platform
        self._seed = seed
        self._wanted = operations
        self._gap = gap
        self._seconds_planned = kills * gap * GAPS_A_KILL or operations / _RATE
        self._progress = progress
        self._seconds: dict[str, float] = {}
        self._phase_name = ""
        self._stubs = Stubs(
            RecordsServiceStub(platform.channel("records")),
            SchedulingServiceStub(platform.channel("scheduling")),
            BillingServiceStub(platform.channel("billing")),
        )
        targets = services_of(platform.processes(), CONTROL_PLANE)
        self._nemesis = Nemesis(platform, strikes(seed, targets), kills=kills, gap=gap)
        self._clients: list[Client] = []
        self._followers = [
            self._follower("appointments", "appointments, first follower"),
            self._follower("appointments", "appointments, second follower"),
            self._follower("records", "records, follower"),
        ]

    def run(self, record: Path | None) -> Verdict:
        with self._phase("opening"):
            practice = patiently(lambda: open_practice(self._stubs, secrets.token_hex(4)))
            self._admit(practice)
        try:
            for follower in self._followers:
                follower.start()
            with self._phase("storm"):
                self._rage()
            before = self._done
            with self._phase("recovery"):
                self._platform.wait_ready(timeout=_PATIENCE)
                replayed = self._resolve()
            with self._phase("quiet"):
                reading = Reading(self._stubs, practice)
                self._await(reading.is_quiet)
                self._follow_to_the_end()
        finally:
            for follower in self._followers:
                follower.stop()
        history = [one for client in self._clients for one in client.history]
        with self._phase("reading"):
            appointments, filed = self._followers[-2:]
            feeds = [follower.followed() for follower in self._followers]
            found = reading.books(appointments.events, filed.events, _patients(history), feeds)
        with self._phase("checking"):
            violations = check(history, found)
        if record is not None:
            write(record, violations, history, found)
        return Verdict(
            seed=self._seed,
            operations=before,
            replayed=replayed,
            killed=dict(self._nemesis.killed),
            struck={action.value: count for action, count in self._nemesis.others.items()},
            outcomes=count_outcomes(history),
            reasons=count_reasons(history),
            seconds=self._seconds,
            checked={
                "appointments": len(found.appointments),
                "appointment events": len(found.events),
                "claims": len(found.claims),
                "ledger entries": len(found.ledger),
                "patients": len(found.filed),
                "events followed": sum(len(feed.seen) for feed in feeds),
            },
            violations=tuple(violations),
        )

    @property
    def _done(self) -> int:
        return sum(len(client.history) for client in self._clients)

    def _admit(self, practice: Practice) -> None:
        """The clients, two to a board, and a few patients for each board."""
        for pair in range(_CLIENTS // 2):
            board = Board()
            for process in (2 * pair, 2 * pair + 1):
                calls = Calls(self._stubs, practice, board, process)
                self._clients.append(Client(process, intents(self._seed, process), calls))
            self._clients[-1].invite(_PATIENTS, _PATIENCE)

    def _rage(self) -> None:
        pace = Pace(self._wanted, self._seconds_planned, lambda: not self._nemesis.is_done)
        self._nemesis.start()
        for client in self._clients:
            client.start(pace)
        try:
            for client in self._clients:
                while client.is_working:
                    self._tell()
                    time.sleep(_POLL)
                client.join()
        finally:
            pace.stop()
            self._nemesis.stop()
        self._tell()

    def _resolve(self) -> int:
        counts: list[int] = []
        threads = [
            threading.Thread(target=lambda c=client: counts.append(c.resolve(_PATIENCE)))
            for client in self._clients
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(counts)

    def _follow_to_the_end(self) -> None:
        """Read both feeds once more from their beginning, and let everybody come to their end."""
        readers = [
            self._follower("appointments", "appointments, read afterwards"),
            self._follower("records", "records, read afterwards"),
        ]
        for reader in readers:
            self._followers.append(reader)
            reader.start()
        self._await(lambda: _all_at_end(self._followers))

    def _await(self, reached: Callable[[], bool]) -> None:
        """Wait, but not for ever: what is missing then, the checker finds."""
        deadline = time.monotonic() + _PATIENCE
        while not reached() and time.monotonic() < deadline:
            self._tell()
            time.sleep(_POLL)

    def _follower(self, feed: str, name: str) -> Follower:
        if feed == "records":
            follow: Any = self._stubs.records.StreamRecordEvents
            request: Any = records.StreamRecordEventsRequest
        else:
            follow = self._stubs.scheduling.StreamAppointmentEvents
            request = scheduling.StreamAppointmentEventsRequest
        return Follower(feed, name, lambda after: follow(request(after_sequence=after)))

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        self._phase_name = name
        self._tell()
        yield
        self._seconds[name] = time.monotonic() - began

    def _tell(self) -> None:
        self._progress(self._phase_name, self._done, self._nemesis.kills)


def _all_at_end(followers: Sequence[Follower]) -> bool:
    longest: dict[str, int] = {}
    for one in followers:
        longest[one.feed] = max(longest.get(one.feed, 0), len(one.events))
    return all(one.silence() > _QUIET and len(one.events) == longest[one.feed] for one in followers)


def _patients(history: Sequence[Operation]) -> set[str]:
    return {
        one.answer.subject
        for one in history
        if one.kind is Kind.IMPORT and one.status is Status.OK and one.answer
    }
