"""What is kept of conversations, on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from mesh.persistence import Database, migrate
from mesh.persistence.migrations import differences
from mesh.persistence.schema import requests
from plexus.triage.v1 import assessment_pb2 as levels
from plexus.triage.v1.conversation_pb2 import Author
from services.triage.store.tables import metadata
from tests.services.triage.front_desk import FrontDesk, lacking

SYMPTOMS = ("cough", "headache", "sore throat", "back pain", "itchy rash", "diarrhoea")


@pytest.fixture
def replicas(database_url: str) -> Iterator[tuple[FrontDesk, FrontDesk]]:
    """Two replicas of triage on one database."""
    databases = Database(database_url), Database(database_url)
    yield FrontDesk(databases[0]), FrontDesk(databases[1])
    for database in databases:
        database.close()


def test_the_migrated_schema_is_the_one_the_code_declares(database: Database) -> None:
    migrate(database, "services.triage")
    assert differences(database, metadata, requests) == []


def test_another_replica_goes_on_where_the_first_was(
    replicas: tuple[FrontDesk, FrontDesk],
) -> None:
    first, second = replicas
    conversation = first.start("not sure if it's chest pain").conversation
    second.records.fall_silent()
    answer = second.send(conversation, "not sure")
    assert answer.assessment.urgency == levels.URGENCY_EMERGENT
    assert (answer.assessment.record_used, lacking(answer)) == (True, [])
    assert len(first.look(conversation).conversation.turns) == 4


def test_messages_sent_at_once_are_all_heard(replicas: tuple[FrontDesk, FrontDesk]) -> None:
    conversation = replicas[0].start().conversation
    begin = threading.Barrier(len(SYMPTOMS))

    def send(number: int) -> None:
        begin.wait()
        replicas[number % 2].send(conversation, f"I have {SYMPTOMS[number]}")

    with ThreadPoolExecutor(len(SYMPTOMS)) as threads:
        list(threads.map(send, range(len(SYMPTOMS))))
    now = replicas[0].look(conversation)
    turns = [turn for turn in now.conversation.turns if turn.author == Author.AUTHOR_PERSON]
    assert {turn.text for turn in turns} == {f"I have {symptom}" for symptom in SYMPTOMS}
    present = {each.id for each in now.assessment.findings if each.assertion == 1}
    assert len(present) >= len(SYMPTOMS)


def test_a_message_that_comes_between_is_weighed_and_decides_which_slots_suit(
    desk: FrontDesk,
) -> None:
    conversation = desk.start().conversation
    desk.records.fall_silent()
    desk.pass_by(60)
    desk.records.during = lambda: desk.send(
        conversation, "I have crushing chest pain and I am sweating"
    )
    answer = desk.send(conversation, "My back hurts since 2 days.")
    assert answer.assessment.urgency == levels.URGENCY_IMMEDIATE
    assert not answer.slots


def test_slots_that_another_message_made_needed_are_looked_for(desk: FrontDesk) -> None:
    conversation = desk.start().conversation
    desk.pass_by(60)
    desk.records.during = lambda: desk.send(conversation, "My back hurts since 2 days.")
    answer = desk.send(conversation, "And a runny nose, mild.")
    assert answer.assessment.urgency == levels.URGENCY_ROUTINE
    assert len(answer.slots) == 1
    assert len(desk.look(conversation).conversation.turns) == 5


def test_a_request_sent_by_many_at_once_is_heard_once(
    replicas: tuple[FrontDesk, FrontDesk],
) -> None:
    conversation = replicas[0].start().conversation

    def send(number: int) -> bytes:
        answer = replicas[number % 2].send(conversation, "I have a cough", request_id="one")
        content: bytes = answer.SerializeToString(deterministic=True)
        return content

    with ThreadPoolExecutor(10) as threads:
        assert len(set(threads.map(send, range(40)))) == 1
    assert len(replicas[1].look(conversation).conversation.turns) == 3
