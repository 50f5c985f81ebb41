"""Who is let in: a limit on calls at work that follows latency, and a short queue in front of it.

The limit is of the family that Netflix's concurrency-limits describes (Gradient2: latency now over
latency without load says how much of it is waiting), with two changes. What is normal is learnt per
method, so that a change in the mix is no overload. It is learnt only while hardly anything runs,
so that a lasting overload does not become the normal; a service that really has become slower falls
to the smallest limit and learns there. And what is slow alone, while others are not, has a trouble of
its own, which is no reason to let fewer in. The queue waits less once it has stood for a while, as
in "Fail at Scale" (Maurer, ACM Queue 13/8, 2015): for each class what it is behind, since that others wait
who come after it is no sign that it will. Times are in seconds.

Nothing here blocks: who is told to wait does that at his `Waiter`.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from math import inf
from typing import Final

from mesh import meaning
from plexus.contract import Criticality

_UNKNOWN: Final = 2.0
_LEARN_UP: Final = 0.1
_LEARN_DOWN: Final = 0.3
_SMOOTHING: Final = 0.1
_STEEPEST: Final = 0.25
_STUCK: Final = 4.0
_CLASSES: Final = len(Criticality)


class Lane:
    """Calls that may come to wait for the same thing, and so may not take every place.

    *at_work* and *waiting* count them now. *stuck* says that they are far slower than all others:
    they wait for something of their own, and are no load.
    """

    __slots__ = ("at_work", "stuck", "waiting")

    def __init__(self) -> None:
        self.stuck = False
        self.at_work = 0
        self.waiting = 0


class Pace:
    """How long a method's calls take of this server's own time when it is at ease. 0: not known.

    A method has a lane of its own unless it is given one to share.
    """

    __slots__ = ("criticality", "is_vital", "lane", "tolerated", "usual")

    def __init__(self, criticality: int, lane: Lane | None = None) -> None:
        self.criticality = criticality
        self.is_vital = criticality == Criticality.VITAL
        self.lane = lane or Lane()
        self.usual = 0.0
        self.tolerated = inf

    def learn(self, seconds: float) -> None:
        """Note a call that had the server nearly to itself."""
        if self.usual:
            step = _LEARN_DOWN if seconds < self.usual else _LEARN_UP
            self.usual += step * (seconds - self.usual)
        else:
            self.usual = seconds
        # The larger of the two, without a call for it.
        times, more = self.usual * meaning.LATENCY_TOLERANCE, self.usual + meaning.LATENCY_SLACK
        self.tolerated = times if times > more else more


class Limit:
    """How many calls may be at work: one more while they are quick, fewer when they become slow."""

    def __init__(
        self,
        first: int = meaning.LIMIT_FIRST,
        least: int = meaning.LIMIT_LEAST,
        most: int = meaning.LIMIT_MOST,
    ) -> None:
        self.value = first
        self._exact = float(first)
        self._least = least
        self._most = most
        self._slowness: list[tuple[Lane, float]] = []
        self._before: dict[Lane, float] = {}
        self._peak = 0
        self._changed_at = -inf
        self._crowded_at = -inf
        self._never_slow = True

    def note(
        self, pace: Pace, began: float, now: float, waited: float, at_work: int, *, answered: bool
    ) -> bool:
        """Take in a call that has ended; *at_work* counts it. Whether the limit, or what is stuck,
        is another now.

        *waited* is the part of its time that went into calls to others: their slowness is for
        breakers and bulkheads. A call that failed fast tells nothing.
        """
        own = now - began - waited
        if at_work > self._least:
            self._crowded_at = now
        elif answered and began >= self._crowded_at:
            pace.learn(own)
        if began < self._changed_at or not (answered or own > pace.tolerated):
            return False
        slowness = own / pace.tolerated if pace.usual else _UNKNOWN
        self._slowness.append((pace.lane, slowness))
        if at_work > self._peak:
            self._peak = at_work
        return len(self._slowness) >= meaning.LIMIT_WINDOW and self._conclude(now)

    def _conclude(self, now: float) -> bool:
        # Medians, of a lane's calls and of the lanes: what hangs must not cost the others their
        # places. A lane of which nothing ended lately is as it was.
        by_lane: dict[Lane, list[float]] = {}
        for lane, slowness in self._slowness:
            by_lane.setdefault(lane, []).append(slowness)
        found = {lane: sorted(each)[len(each) // 2] for lane, each in by_lane.items()}
        lanes = sorted((self._before | found).values())
        slowness = lanes[(len(lanes) - 1) // 2]
        stuck = [lane for lane, each in found.items() if each > _STUCK * max(1.0, slowness)]
        moved = any(lane.stuck != (lane in stuck) for lane in found)
        for lane in found:
            lane.stuck = lane in stuck
        peak, before = self._peak, self.value
        self._before = found
        self._slowness = []
        self._peak = 0
        if slowness > 1 and peak * 2 >= before:
            self._never_slow &= slowness == _UNKNOWN
            self._exact *= max(_STEEPEST, 1 / slowness)
        elif lanes[len(lanes) // 2] <= 1 and peak >= min(
            before - reserved(before), share_of_one(before, vital=False)
        ):
            self._exact += self._exact if self._never_slow else max(1.0, self._exact / 16)
        self._exact = min(max(self._exact, self._least), self._most)
        self.value = int(self._exact)
        if self.value == before:
            return moved
        self._changed_at = now
        return True


def reserved(limit: int) -> int:
    """How many of *limit* places are kept for vital calls."""
    return max(1, round(limit * meaning.VITAL_SHARE))


def share_of_one(limit: int, *, vital: bool = True) -> int:
    """How many of *limit* places one lane may have: when it hangs, the others go on. Calls that are not
    *vital* leave them one at least besides those that are kept."""
    others = int(limit * meaning.OTHERS_SHARE)
    return max(1, limit - (others if vital else max(others, reserved(limit) + 1)))


class Waiter:
    """A call in the queue. *patience* is how long it may wait; *admitted* is None until that is settled."""

    __slots__ = ("_gate", "admitted", "pace", "patience")

    def __init__(self, pace: Pace, patience: float) -> None:
        self.pace = pace
        self.patience = patience
        self.admitted: bool | None = None
        self._gate = threading.Lock()
        self._gate.acquire()

    def settle(self, admitted: bool) -> None:
        """Say how it ended; once."""
        self.admitted = admitted
        self._gate.release()

    def wait(self) -> bool:
        """Block until it is settled, for *patience* at most. Whether it is."""
        return self._gate.acquire(timeout=self.patience)


class Admission:
    """The door of one server. Counts are lists by criticality, to be read without a lock.

    *at_work* is how many calls are, *waiting* how many would like to be, *streams* how many live.
    *writing* is the lane of all that write: they wait for one database, and readers do not. *over*
    is how many are at work in lanes that are stuck, and in others beyond what they may have since the
    limit fell: they are no reason to keep others out.
    """

    def __init__(
        self,
        limit: Limit | None = None,
        *,
        queue: int = meaning.QUEUE_LENGTH,
        streams: int = meaning.STREAMS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = limit or Limit()
        self._length = queue
        self._most_streams = streams
        self._lock = threading.Lock()
        self._queue: list[deque[Waiter]] = [deque() for _ in range(_CLASSES)]
        # Since when somebody waits who is let in before those of a class, or is one of them.
        self._stands_since = [0.0] * _CLASSES
        self._left_at = 0.0
        self._pause = 0.0
        self.clock = clock
        self.at_work = 0
        self.waiting = 0
        self.streams = 0
        self.admitted = [0] * _CLASSES
        self.queued = [0] * _CLASSES
        self.shed = [0] * _CLASSES
        self.writing = Lane()
        self.over = 0
        self._lanes: set[Lane] = set()
        self._vital = 0
        self._make_room()

    @property
    def limit(self) -> int:
        """How many may be at work now."""
        return self._limit.value

    def arrive(self, pace: Pace, left: float) -> Waiter | bool:
        """Ask for a place with *left* seconds to the deadline: had, refused, or to be waited for."""
        with self._lock:
            if self._begins(pace):
                return True
            return self._line_up(pace, left) or self._refuse(pace.criticality)

    def give_up(self, waiter: Waiter) -> bool:
        """Wait no longer. True when a place was had in the same instant: it must be left."""
        with self._lock:
            if waiter.admitted is None:
                self._queue[waiter.pace.criticality].remove(waiter)
                self._send_away(waiter)
            return bool(waiter.admitted)

    def leave(self, pace: Pace, began: float, waited: float, *, answered: bool) -> None:
        """Give the place back after a call that began at *began*."""
        now = self.clock()
        with self._lock:
            if self._limit.note(pace, began, now, waited, self.at_work, answered=answered):
                self._make_room()
            self._vacate(pace, now)

    def leave_unmeasured(self, pace: Pace) -> None:
        """Give the place back without having worked."""
        with self._lock:
            self._vacate(pace, self.clock())

    def begin_stream(self, criticality: int) -> bool:
        """Count a stream in; False when there are too many. Exports leave half of them to feeds."""
        with self._lock:
            sheddable = criticality == Criticality.SHEDDABLE
            if self.streams >= self._most_streams // (2 if sheddable else 1):
                return self._refuse(criticality)
            self.streams += 1
            return True

    def end_stream(self) -> None:
        """Count a stream out."""
        with self._lock:
            self.streams -= 1

    def _room(self, *, vital: bool) -> int:
        """How many more may be at work."""
        room: int = self._all + self.over - self.at_work
        if not vital and self._kept > self._vital:
            # Vital calls fill the places kept for them first: those that hang keep nobody else out.
            room -= self._kept - self._vital
        return room

    def _begins(self, pace: Pace) -> bool:
        """Whether the call may be at work; then it is."""
        lane, vital = pace.lane, pace.is_vital
        if lane.at_work >= (self._vital_share if vital else self._share):
            return False
        if self._room(vital=vital) <= 0:
            return False
        self.at_work += 1
        lane.at_work += 1
        if vital:
            self._vital += 1
        if lane.stuck:
            self.over += 1
        self._lanes.add(lane)
        self.admitted[pace.criticality] += 1
        return True

    def _line_up(self, pace: Pace, left: float) -> Waiter | None:
        criticality = pace.criticality
        ahead = sum(len(self._queue[rank]) for rank in range(criticality + 1))
        # The first in line is never refused by the estimate: an old one would never be corrected.
        if left <= 0 or left <= ahead * self._pause:
            return None
        if pace.lane.waiting >= share_of_one(self._length):
            return None
        if self.waiting >= self._length and not self._evict(criticality):
            return None
        now = self.clock()
        for rank in range(criticality, _CLASSES):
            if not any(self._queue[: rank + 1]):
                self._stands_since[rank] = now
        stands = now - self._stands_since[criticality] > meaning.QUEUE_BURST
        patience = meaning.QUEUE_PATIENCE if stands else meaning.QUEUE_BURST
        waiter = Waiter(pace, min(left, patience))
        self._queue[criticality].append(waiter)
        self.waiting += 1
        pace.lane.waiting += 1
        self.queued[criticality] += 1
        return waiter

    def _evict(self, criticality: int) -> bool:
        """Send the last of the least critical away, if it is less critical than *criticality*."""
        for rank in range(_CLASSES - 1, criticality, -1):
            if self._queue[rank]:
                self._send_away(self._queue[rank].pop())
                return True
        return False

    def _send_away(self, waiter: Waiter) -> None:
        self.waiting -= 1
        waiter.pace.lane.waiting -= 1
        waiter.settle(self._refuse(waiter.pace.criticality))

    def _refuse(self, criticality: int) -> bool:
        self.shed[criticality] += 1
        return False

    def _vacate(self, pace: Pace, now: float) -> None:
        lane = pace.lane
        self.at_work -= 1
        if pace.is_vital:
            self._vital -= 1
        if lane.stuck or lane.at_work > self._vital_share:
            self.over -= 1
        lane.at_work -= 1
        if self.waiting:
            self._pause += _SMOOTHING * (
                now - max(self._left_at, self._stands_since[-1]) - self._pause
            )
            self._let_in()
        self._left_at = now

    def _let_in(self) -> None:
        for rank, queue in enumerate(self._queue):
            for waiter in tuple(queue):
                if self._room(vital=rank == Criticality.VITAL) <= 0:
                    break
                if self._begins(waiter.pace):
                    queue.remove(waiter)
                    self.waiting -= 1
                    waiter.pace.lane.waiting -= 1
                    waiter.settle(True)

    def _make_room(self) -> None:
        self._all = self._limit.value
        self._kept = reserved(self._all)
        self._share = share_of_one(self._all, vital=False)
        self._vital_share = share_of_one(self._all)
        self.over = sum(
            lane.at_work if lane.stuck else max(0, lane.at_work - self._vital_share)
            for lane in self._lanes
        )
