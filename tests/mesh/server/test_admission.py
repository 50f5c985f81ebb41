"""Who is let in and who is not, by a clock that stands still between events."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from prometheus_client import CollectorRegistry

from mesh import meaning
from mesh.server.admission import Admission, Limit, Pace, Waiter, reserved, share_of_one
from observability.metrics import AdmissionMetrics
from plexus.contract import Criticality
from tests.mesh.server.simulated import FOREVER, Clock, simulation

VITAL, ROUTINE, SHEDDABLE = Criticality.VITAL, Criticality.ROUTINE, Criticality.SHEDDABLE


def door(limit: int, queue: int = 4, streams: int = 4, clock: Clock | None = None) -> Admission:
    """An admission whose limit does not move."""
    return Admission(
        Limit(limit, limit, limit), queue=queue, streams=streams, clock=clock or Clock()
    )


def fill(admission: Admission) -> None:
    """Take every place there is."""
    while admission.at_work < admission.limit:
        assert admission.arrive(Pace(VITAL), FOREVER) is True


def waiter(admission: Admission, criticality: Criticality, left: float = FOREVER) -> Waiter:
    place = admission.arrive(Pace(criticality), left)
    assert isinstance(place, Waiter)
    return place


@pytest.mark.parametrize("limit", [2, 4, 10, 64])
def test_some_places_are_only_for_vital_calls(limit: int) -> None:
    admission = door(limit, queue=0)
    asked = [admission.arrive(Pace(ROUTINE), FOREVER) for _ in range(limit)]
    assert asked.count(True) == limit - reserved(limit) < limit
    assert [admission.arrive(Pace(VITAL), FOREVER) for _ in range(reserved(limit))] == [
        True
    ] * reserved(limit)
    assert admission.arrive(Pace(VITAL), FOREVER) is False
    assert admission.at_work == limit


@pytest.mark.parametrize(
    ("waiting", "arrives", "evicted"),
    [
        ((SHEDDABLE, ROUTINE), VITAL, 0),
        ((ROUTINE, SHEDDABLE), VITAL, 1),
        ((SHEDDABLE, SHEDDABLE), ROUTINE, 1),  # of equals the last, who has waited least
        ((ROUTINE, VITAL), VITAL, 0),
        ((ROUTINE, VITAL), ROUTINE, None),
        ((ROUTINE, ROUTINE), SHEDDABLE, None),
        ((VITAL, VITAL), VITAL, None),
    ],
)
def test_when_the_queue_is_full_the_least_critical_goes(
    waiting: tuple[Criticality, ...], arrives: Criticality, evicted: int | None
) -> None:
    admission = door(4, queue=len(waiting))
    fill(admission)
    queue = [waiter(admission, criticality) for criticality in waiting]
    place = admission.arrive(Pace(arrives), FOREVER)
    if evicted is None:
        assert place is False
        assert all(each.admitted is None for each in queue)
    else:
        assert isinstance(place, Waiter)
        assert [each.admitted for each in queue].index(False) == evicted
    assert sum(admission.shed) == 1
    assert admission.waiting == len(waiting)


def test_a_free_place_goes_to_the_most_critical_and_among_equals_to_the_first() -> None:
    admission = door(4, queue=8)
    fill(admission)
    order = [SHEDDABLE, ROUTINE, VITAL, ROUTINE, VITAL]
    queue = [waiter(admission, criticality) for criticality in order]
    seen: list[int] = []
    for _ in range(12):
        admission.leave_unmeasured(Pace(VITAL))
        seen += [n for n, each in enumerate(queue) if each.admitted and n not in seen]
    assert seen == [2, 4, 1, 3, 0]


def test_nobody_waits_longer_than_his_deadline_or_than_the_queue_allows() -> None:
    clock = Clock()
    admission = door(4, queue=9, clock=clock)
    fill(admission)
    assert waiter(admission, ROUTINE, left=0.02).patience == 0.02
    assert waiter(admission, ROUTINE).patience == meaning.QUEUE_BURST
    clock.now += meaning.QUEUE_BURST * 1.1
    # A queue that has stood that long is no burst.
    assert waiter(admission, ROUTINE).patience == meaning.QUEUE_PATIENCE
    assert waiter(admission, SHEDDABLE).patience == meaning.QUEUE_PATIENCE
    # Nobody waits before a vital call.
    assert waiter(admission, VITAL).patience == meaning.QUEUE_BURST
    clock.now += meaning.QUEUE_BURST * 1.1
    assert waiter(admission, VITAL).patience == meaning.QUEUE_PATIENCE


def test_a_call_whose_time_would_pass_in_the_queue_is_refused_at_once() -> None:
    clock = Clock()
    admission = door(4, queue=99, clock=clock)
    fill(admission)
    for _ in range(60):
        waiter(admission, ROUTINE)
    for turn in range(40):
        clock.now += 0.1
        admission.leave_unmeasured(Pace(VITAL if turn < admission.limit else ROUTINE))
    fill(admission)
    # Twenty-odd wait, and one is let in every tenth of a second.
    assert admission.arrive(Pace(ROUTINE), 1.0) is False
    assert isinstance(admission.arrive(Pace(ROUTINE), 5.0), Waiter)
    # A vital call has nobody before it.
    assert isinstance(admission.arrive(Pace(VITAL), 0.2), Waiter)
    assert admission.arrive(Pace(VITAL), 0.0) is False


def test_who_gives_up_is_counted_as_refused_unless_he_was_let_in_in_the_same_instant() -> None:
    admission = door(4)
    fill(admission)
    late, lucky = waiter(admission, ROUTINE), waiter(admission, VITAL)
    assert admission.give_up(late) is False
    admission.leave_unmeasured(Pace(VITAL))
    assert admission.give_up(lucky) is True
    assert (admission.waiting, admission.at_work, admission.shed[ROUTINE]) == (0, 4, 1)


def test_streams_are_few_and_exports_leave_half_of_them_to_feeds() -> None:
    admission = door(4, streams=4)
    assert [admission.begin_stream(SHEDDABLE) for _ in range(3)] == [True, True, False]
    assert [admission.begin_stream(ROUTINE) for _ in range(3)] == [True, True, False]
    admission.end_stream()
    assert admission.begin_stream(ROUTINE)
    assert admission.at_work == 0


def test_the_limit_grows_while_latency_is_stable_and_places_are_wanted() -> None:
    run = simulation(crews=1000, seconds=0.05)
    run.run(rate=40, seconds=5)
    run.run(rate=2000, seconds=5)
    assert run.admission.limit == meaning.LIMIT_MOST


def test_the_limit_stays_when_nobody_wants_more() -> None:
    run = simulation(crews=1000, seconds=0.05)
    run.run(rate=40, seconds=20)
    assert run.admission.limit == meaning.LIMIT_FIRST


@pytest.mark.parametrize("crews", [4, 8, 20])
def test_under_overload_the_limit_finds_what_the_server_can_do_and_stays_there(crews: int) -> None:
    run = simulation(crews=crews)
    capacity = crews / 0.01
    run.run(rate=capacity / 20, seconds=3)
    # However long it lasts: being slow must not become the normal.
    run.run(rate=capacity * 3, seconds=6000 / capacity)
    assert crews <= run.admission.limit <= crews * 2 + 1
    assert run.paces[ROUTINE].usual == pytest.approx(0.01, rel=0.2)


def test_a_server_that_starts_into_an_overload_finds_its_limit_too() -> None:
    run = simulation(crews=4)
    run.run(rate=1200, seconds=10)
    assert 4 <= run.admission.limit <= 8


def test_a_server_that_has_really_become_slower_learns_its_new_pace() -> None:
    run = simulation(crews=30)
    run.run(rate=1000, seconds=5)
    run.station.seconds = 0.1
    run.run(rate=200, seconds=10)
    assert run.paces[ROUTINE].usual == pytest.approx(0.1, rel=0.2)
    assert run.admission.limit >= 20


def test_waiting_for_a_dependency_is_no_load() -> None:
    run = simulation(crews=1000, seconds=0.002)
    run.run(rate=50, seconds=5)
    run.waited = 0.5
    run.run(rate=40, seconds=20)
    assert run.admission.limit >= meaning.LIMIT_FIRST
    assert not run.refused


def test_calls_that_hang_cost_the_others_no_places_while_they_are_few() -> None:
    limit, swift, hanging = Limit(), Pace(VITAL), Pace(VITAL)
    swift.learn(0.01)
    hanging.learn(0.01)
    now = 0.0
    for turn in range(400):
        now += 0.01
        pace, took = (hanging, 5.0) if turn % 3 == 0 else (swift, 0.01)
        limit.note(pace, now - took, now, 0.0, limit.value, answered=pace is swift)
    assert limit.value >= meaning.LIMIT_FIRST


@pytest.mark.parametrize("seed", range(3))
def test_at_three_times_capacity_vital_calls_succeed_and_the_server_stays_busy(seed: int) -> None:
    run = simulation(mix=(VITAL,) + (ROUTINE,) * 4 + (SHEDDABLE,) * 5, seed=seed)
    run.run(rate=40, seconds=5)
    # The first half second is for finding the limit.
    run.run(rate=1200, seconds=0.5)
    for counted in (run.ended, run.arrived, run.refused):
        counted.clear()
    began = run.clock.now
    run.run(rate=1200, seconds=10)
    assert run.refused[VITAL] <= 0.005 * run.arrived[VITAL]
    assert run.refused[SHEDDABLE] >= 0.9 * run.arrived[SHEDDABLE]
    assert len(run.ended) >= 0.9 * 400 * (run.clock.now - began)
    vital = sorted(seconds for criticality, seconds in run.ended if criticality == VITAL)
    assert vital[int(len(vital) * 0.99)] <= 2.5 * run.station.seconds


@pytest.mark.parametrize("seed", range(12))
def test_whatever_arrives_never_too_many_work_and_everybody_is_answered(seed: int) -> None:
    random = Random(seed)
    run = simulation(
        crews=random.randint(1, 40),
        seconds=random.choice((0.001, 0.01, 0.1)),
        mix=(VITAL, ROUTINE, SHEDDABLE),
        seed=seed,
    )
    capacity = run.station.crews / run.station.seconds
    for _ in range(6):
        run.run(rate=capacity * random.choice((0.1, 0.9, 3, 10)), seconds=400 / capacity)
        answered = Counter(criticality for criticality, _ in run.ended) + run.refused
        assert answered == run.arrived
        admission = run.admission
        assert (admission.at_work, admission.waiting) == (0, 0)
        assert admission.shed == [run.refused[each] for each in Criticality]
        assert sum(admission.admitted) == len(run.ended)
        assert meaning.LIMIT_LEAST <= admission.limit <= meaning.LIMIT_MOST
    assert run.most_at_work <= meaning.LIMIT_MOST


def test_the_counts_are_there_to_be_scraped() -> None:
    registry = CollectorRegistry()
    admission = door(4, queue=1)
    AdmissionMetrics(admission, {each.value: each.name.lower() for each in Criticality}, registry)
    fill(admission)
    waiter(admission, ROUTINE)
    admission.arrive(Pace(SHEDDABLE), FOREVER)

    def read(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"rpc_server_admission_{name}", labels)

    assert (read("limit"), read("at_work"), read("waiting"), read("streams")) == (4, 4, 1, 0)
    assert read("admitted_total", criticality="vital") == 4
    assert read("queued_total", criticality="routine") == 1
    assert read("shed_total", criticality="sheddable") == 1


@pytest.mark.parametrize("limit", [4, 14, 16, 64])
@pytest.mark.parametrize("methods", [1, 5])
@pytest.mark.parametrize("criticality", [VITAL, ROUTINE])
def test_what_waits_for_one_thing_leaves_places_to_the_others(
    limit: int, methods: int, criticality: Criticality
) -> None:
    admission = Admission(Limit(limit, limit, limit), queue=8)
    lane = admission.writing
    hanging = [Pace(criticality, lane) for _ in range(methods)]
    share = share_of_one(limit, vital=criticality == VITAL)
    asked = [admission.arrive(hanging[turn % methods], FOREVER) for turn in range(2 * limit + 16)]
    assert asked.count(True) == share < limit
    # Nor does it fill the queue.
    assert admission.waiting == share_of_one(8)
    for others in (Pace(VITAL), Pace(ROUTINE)):
        assert admission.arrive(others, FOREVER) is True
        admission.leave_unmeasured(others)
    # Its own waiters come in when one of its places is left, in order.
    first = next(place for place in asked if isinstance(place, Waiter))
    admission.leave_unmeasured(hanging[0])
    assert first.admitted
    assert lane.at_work == share


def test_a_lane_that_is_stuck_keeps_nobody_out_even_at_the_smallest_limit() -> None:
    clock = Clock()
    admission = Admission(Limit(16, 4, 16), queue=0, clock=clock)
    writing, reading = Pace(VITAL, admission.writing), [Pace(ROUTINE) for _ in range(3)]
    for pace in (writing, *reading):
        pace.learn(0.01)
    share = share_of_one(admission.limit)
    assert [admission.arrive(writing, FOREVER) for _ in range(share)] == [True] * share
    for turn in range(200):
        clock.now += 0.1
        # Even when the machine is slow for everybody, and the limit falls.
        pace, took = (writing, 2.0) if turn % 4 == 0 else (reading[turn % 3], 0.02)
        if pace is not writing:
            assert admission.arrive(pace, FOREVER) is True
        admission.leave(pace, clock.now - took, 0.0, answered=pace is not writing)
        if pace is writing:
            admission.arrive(writing, FOREVER)
        if turn > 2 * meaning.LIMIT_WINDOW:
            assert admission.writing.stuck
            free = [admission.arrive(each, FOREVER) for each in reading]
            assert free == [True] * 3
            for each in reading:
                admission.leave_unmeasured(each)
