"""What clients do is decided by the seed, and by nothing that the platform does."""

from __future__ import annotations

from collections import Counter
from itertools import islice

from mesh.chaos.history.generator import WEIGHTS, intents
from mesh.chaos.history.operation import Kind


def test_the_same_seed_and_client_want_the_same() -> None:
    assert list(islice(intents(7, 3), 500)) == list(islice(intents(7, 3), 500))


def test_other_seeds_and_other_clients_want_other_things() -> None:
    streams = [tuple(islice(intents(*of), 50)) for of in ((7, 3), (7, 4), (8, 3))]
    assert len(set(streams)) == 3


def test_everything_there_is_to_do_is_done_as_often_as_it_should_be() -> None:
    done = Counter(intent.kind for intent in islice(intents(1, 0), 20_000))
    assert done.keys() == set(Kind)
    for kind, weight in WEIGHTS.items():
        assert 0.7 * weight < done[kind] / 200 < 1.3 * weight, kind
