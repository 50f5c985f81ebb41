"""A snapshot is consistent, and its versions are its content."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf.message import Message

from mesh import topology
from mesh.controlplane.resources import Endpoint, Kind, derive
from mesh.controlplane.snapshot import InconsistentError, Snapshot, build
from plexus import contract

STATED = topology.load(Path(__file__).parents[3] / "topology.toml")
ONE = Endpoint("records", "127.0.0.1", 1)
OTHER = Endpoint("records", "127.0.0.1", 2)


def _derived(*endpoints: Endpoint) -> dict[Kind, dict[str, Message]]:
    found = derive(contract.load(), STATED, endpoints)
    return {kind: dict(messages) for kind, messages in found.items()}


def _changed(before: Snapshot, after: Snapshot) -> set[Kind]:
    return {kind for kind in Kind if before[kind].version != after[kind].version}


def test_the_same_content_has_the_same_version_in_whatever_order_it_came() -> None:
    one = build(_derived(ONE, OTHER))
    turned = {
        kind: dict(reversed(messages.items())) for kind, messages in _derived(OTHER, ONE).items()
    }
    assert _changed(one, build(turned)) == set()


def test_a_changed_endpoint_changes_the_version_of_endpoints_only() -> None:
    assert _changed(build(_derived(ONE)), build(_derived(OTHER))) == {Kind.LOAD_ASSIGNMENT}


@pytest.mark.parametrize(
    ("lost", "named"),
    [
        (Kind.ROUTES, "Listener billing refers to RouteConfiguration billing"),
        (Kind.CLUSTER, "RouteConfiguration billing refers to Cluster billing"),
        (Kind.LOAD_ASSIGNMENT, "Cluster billing/healthy refers to ClusterLoadAssignment billing"),
    ],
    ids=lambda value: value.label if isinstance(value, Kind) else "",
)
def test_a_reference_to_what_is_not_there_is_refused(lost: Kind, named: str) -> None:
    messages = _derived()
    del messages[lost]["billing"]
    with pytest.raises(InconsistentError, match=named):
        build(messages)


def test_an_aggregate_refers_to_its_parts() -> None:
    messages = _derived()
    del messages[Kind.CLUSTER]["billing/panic"]
    with pytest.raises(InconsistentError, match="billing refers to Cluster billing/panic"):
        build(messages)
