"""Lets in as many calls as the server can finish in time, and the least critical last."""

from __future__ import annotations

from collections.abc import Iterator
from random import uniform
from time import monotonic
from typing import Any

from mesh import meaning
from mesh.server.admission import Pace, Waiter
from mesh.server.faults import Overload
from mesh.server.incoming import Handle, Incoming, Parts
from mesh.server.traced import tell_queued
from plexus.client.spans import note
from plexus.contract import Method


def shed(method: Method, parts: Parts, proceed: Handle) -> Handle:
    """Refuse with OVERLOADED, and when to come back, what finds no place in time.

    A stream is admitted like a call and then counted apart: how long it lives is its caller's
    choice and says nothing about load.
    """
    admission = parts.admission
    if admission is None:
        return proceed
    criticality = method.criticality
    arrive, leave, clock = admission.arrive, admission.leave, admission.clock
    pace = Pace(criticality, None if method.read_only else admission.writing)

    def enter(incoming: Incoming) -> None:
        place = arrive(pace, incoming.work.deadline - monotonic())
        if place is not True:
            queue(incoming, place)

    def queue(incoming: Incoming, place: Waiter | bool) -> None:
        if isinstance(place, bool) or not wait(incoming, place):
            note("plexus.admission.shed")
            raise _overload()
        if not incoming.context.is_active():
            admission.leave_unmeasured(pace)
            raise _overload()

    def wait(incoming: Incoming, place: Waiter) -> bool:
        began = clock()
        admitted = (place.wait() and place.admitted) or admission.give_up(place)
        tell_queued(incoming.work, clock() - began)
        return bool(admitted)

    def handle(incoming: Incoming) -> Any:
        # As `enter`, which would be one step more for every call.
        place = arrive(pace, incoming.work.deadline - monotonic())
        if place is not True:
            queue(incoming, place)
        began = clock()
        answered = False
        try:
            response = proceed(incoming)
            answered = True
            return response
        finally:
            leave(pace, began, incoming.work.waited, answered=answered)

    def start(incoming: Incoming) -> None:
        if not admission.begin_stream(criticality):
            raise _overload()
        try:
            enter(incoming)
        except BaseException:
            admission.end_stream()
            raise
        admission.leave_unmeasured(pace)

    def feed(incoming: Incoming) -> Iterator[Any]:
        start(incoming)
        try:
            yield from proceed(incoming)
        finally:
            admission.end_stream()

    def upload(incoming: Incoming) -> Any:
        start(incoming)
        try:
            return proceed(incoming)
        finally:
            admission.end_stream()

    if method.server_streaming:
        return feed
    return upload if method.client_streaming else handle


def _overload() -> Overload:
    # Spread, so that those refused together do not return together.
    return Overload(round(1000 * meaning.PUSHBACK * uniform(0.5, 1.5)))  # noqa: S311
