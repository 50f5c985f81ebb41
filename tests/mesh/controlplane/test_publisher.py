"""Clients get what they subscribe to, once, and never a refused or a vanished resource."""

from __future__ import annotations

import asyncio
from pathlib import Path

from envoy.service.discovery.v3.discovery_pb2 import DiscoveryResponse
from google.protobuf.message import Message

from mesh import meaning, topology
from mesh.controlplane.publisher import Publisher, Subscriber
from mesh.controlplane.resources import Endpoint, Kind, derive, replica_cluster
from mesh.controlplane.snapshot import Snapshot, build
from plexus import contract

STATED = topology.load(Path(__file__).parents[3] / "topology.toml")


def _snapshot(*ports: int, clusters: dict[str, Message] | None = None) -> Snapshot:
    endpoints = [Endpoint("records", "127.0.0.1", port) for port in ports]
    messages = {kind: dict(of) for kind, of in derive(contract.load(), STATED, endpoints).items()}
    messages[Kind.CLUSTER].update(clusters or {})
    return build(messages)


def _other_cluster(requests: int) -> dict[str, Message]:
    changed = replica_cluster("records", "records", "plexus.local")
    changed.circuit_breakers.thresholds[0].max_requests.value = requests
    return {"records": changed}


def _subscribe(publisher: Publisher, kind: Kind, *names: str) -> Subscriber:
    subscriber = Subscriber(node="edge-1")
    publisher.join(subscriber)
    subscriber.ask(kind, frozenset(names))
    return subscriber


def _response(
    subscriber: Subscriber, publisher: Publisher, kind: Kind = Kind.LOAD_ASSIGNMENT
) -> DiscoveryResponse:
    content = subscriber.respond(kind, publisher.served)
    assert content is not None
    return DiscoveryResponse.FromString(content)


def _accept(publisher: Publisher, subscriber: Subscriber, kind: Kind) -> None:
    asyncio.run(publisher.accept(subscriber, kind))


def test_a_client_gets_exactly_what_it_asks_for_and_again_only_when_that_changes() -> None:
    publisher = Publisher(_snapshot(1))
    subscriber = _subscribe(publisher, Kind.LOAD_ASSIGNMENT, "records", "unheard-of")
    first = _response(subscriber, publisher)
    assert len(first.resources) == 1
    publisher.publish(_snapshot(1))
    assert subscriber.respond(Kind.LOAD_ASSIGNMENT, publisher.served) is None
    publisher.publish(_snapshot(1, 2))
    second = _response(subscriber, publisher)
    assert second.nonce != first.nonce
    assert second.version_info != first.version_info


def test_what_clients_get_alike_is_serialised_once_and_only_the_nonce_is_their_own() -> None:
    publisher = Publisher(_snapshot(1))
    clients = [_subscribe(publisher, Kind.CLUSTER, "records") for _ in range(3)]
    # One that was told something before has another nonce.
    clients[0].ask(Kind.ROUTES, frozenset({"records"}))
    clients[0].respond(Kind.ROUTES, publisher.served)
    contents = [client.respond(Kind.CLUSTER, publisher.served) for client in clients]
    served = publisher.served[Kind.CLUSTER]
    once = served.content(Kind.CLUSTER, ("records",))
    assert once is served.content(Kind.CLUSTER, ("records",))
    assert all(content and content.startswith(once) for content in contents)
    read = [DiscoveryResponse.FromString(content or b"") for content in contents]
    assert [response.nonce for response in read] == ["2", "1", "1"]
    assert {response.version_info for response in read} == {served.version}
    assert {len(response.resources) for response in read} == {1}


def test_a_client_that_has_the_rest_is_sent_the_endpoints_that_changed_and_no_others() -> None:
    publisher = Publisher(_snapshot(1))
    subscriber = _subscribe(publisher, Kind.LOAD_ASSIGNMENT, "records", "billing")
    assert len(_response(subscriber, publisher).resources) == 2
    _accept(publisher, subscriber, Kind.LOAD_ASSIGNMENT)
    publisher.publish(_snapshot(1, 2))
    assert len(_response(subscriber, publisher).resources) == 1
    # Not accepted yet: what it has is not known, so the next change comes with everything.
    publisher.publish(_snapshot(1, 2, 3))
    assert len(_response(subscriber, publisher).resources) == 2
    _accept(publisher, subscriber, Kind.LOAD_ASSIGNMENT)
    assert subscriber.has_accepted(Kind.LOAD_ASSIGNMENT, publisher.served)


def test_a_client_is_always_sent_all_of_its_clusters() -> None:
    publisher = Publisher(_snapshot(1))
    subscriber = _subscribe(publisher, Kind.CLUSTER, "records", "billing")
    subscriber.respond(Kind.CLUSTER, publisher.served)
    _accept(publisher, subscriber, Kind.CLUSTER)
    publisher.publish(_snapshot(1, clusters=_other_cluster(1)))
    assert len(_response(subscriber, publisher, Kind.CLUSTER).resources) == 2


def test_a_refused_resource_is_served_as_last_accepted_until_it_changes() -> None:
    good = _snapshot(1)
    publisher = Publisher(good)
    subscriber = _subscribe(publisher, Kind.CLUSTER, "records")
    subscriber.respond(Kind.CLUSTER, publisher.served)
    _accept(publisher, subscriber, Kind.CLUSTER)

    publisher.publish(_snapshot(1, clusters=_other_cluster(1)))
    subscriber.respond(Kind.CLUSTER, publisher.served)
    publisher.refuse(subscriber, Kind.CLUSTER, "I cannot")
    assert publisher.served[Kind.CLUSTER].version == good[Kind.CLUSTER].version
    # Another type's change does not bring the refused one back.
    publisher.publish(_snapshot(1, 2, clusters=_other_cluster(1)))
    assert publisher.served[Kind.CLUSTER].version == good[Kind.CLUSTER].version

    mended = _snapshot(1, 2, clusters=_other_cluster(2))
    publisher.publish(mended)
    assert publisher.served[Kind.CLUSTER].version == mended[Kind.CLUSTER].version


def test_what_another_client_accepted_is_not_rolled_back_for_one_that_refuses() -> None:
    publisher = Publisher(_snapshot(1))
    able, unable = (_subscribe(publisher, Kind.CLUSTER, "records") for _ in range(2))
    for subscriber in (able, unable):
        subscriber.respond(Kind.CLUSTER, publisher.served)
        _accept(publisher, subscriber, Kind.CLUSTER)
    newer = _snapshot(1, clusters=_other_cluster(1))
    publisher.publish(newer)
    for subscriber in (able, unable):
        subscriber.respond(Kind.CLUSTER, publisher.served)
    _accept(publisher, able, Kind.CLUSTER)
    publisher.refuse(unable, Kind.CLUSTER, "I cannot")
    assert publisher.served[Kind.CLUSTER].version == newer[Kind.CLUSTER].version
    assert [nack.message for nack in publisher.nacks] == ["I cannot"]


def test_the_newest_refusals_are_kept_and_no_more() -> None:
    publisher = Publisher(_snapshot(1))
    subscriber = _subscribe(publisher, Kind.CLUSTER, "records")
    subscriber.respond(Kind.CLUSTER, publisher.served)
    for number in range(meaning.NACKS_KEPT + 5):
        publisher.refuse(subscriber, Kind.CLUSTER, str(number))
    kept = [int(nack.message) for nack in publisher.nacks]
    assert kept == list(range(meaning.NACKS_KEPT + 4, 4, -1))


def test_a_subscribed_resource_is_never_taken_away() -> None:
    publisher = Publisher(_snapshot(1))
    used = {"records", "records/healthy", "records/panic"}
    _subscribe(publisher, Kind.CLUSTER, *used)
    _subscribe(publisher, Kind.LOAD_ASSIGNMENT, "records")
    publisher.publish(build({}))
    assert publisher.served[Kind.CLUSTER].by_name.keys() == used
    assert publisher.served[Kind.LOAD_ASSIGNMENT].by_name.keys() == {"records"}


def test_versions_tell_how_many_clients_use_what_is_served() -> None:
    publisher = Publisher(_snapshot(1))
    first, second = (_subscribe(publisher, Kind.CLUSTER, "records") for _ in range(2))
    for subscriber in (first, second):
        subscriber.respond(Kind.CLUSTER, publisher.served)
    _accept(publisher, first, Kind.CLUSTER)
    (found,) = [each for each in publisher.versions() if each.type == "Cluster"]
    assert (found.subscribers, found.acknowledged) == (2, 1)


def test_what_is_published_is_settled_when_every_subscriber_has_accepted_it() -> None:
    async def play() -> None:
        publisher = Publisher(_snapshot(1))
        subscriber = _subscribe(publisher, Kind.LOAD_ASSIGNMENT, "records")
        settled = asyncio.create_task(publisher.settle(Kind.LOAD_ASSIGNMENT, 10))
        subscriber.respond(Kind.LOAD_ASSIGNMENT, publisher.served)
        for _ in range(10):
            await asyncio.sleep(0)
        assert not settled.done()
        await publisher.accept(subscriber, Kind.LOAD_ASSIGNMENT)
        assert await settled

    asyncio.run(play())


def test_a_client_that_never_accepts_is_not_waited_for_for_ever() -> None:
    async def play() -> None:
        publisher = Publisher(_snapshot(1))
        _subscribe(publisher, Kind.LOAD_ASSIGNMENT, "records")
        assert not await publisher.settle(Kind.LOAD_ASSIGNMENT, 0.01)

    asyncio.run(play())
