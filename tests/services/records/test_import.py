"""What an import makes of its content, and of being repeated."""

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mesh.persistence import Database, schema
from mesh.persistence.migrations import differences
from plexus.errors import Conflict, Invalid, NotFound
from plexus.records.v1 import record_event_pb2 as event_api
from plexus.records.v1 import records_service_pb2 as api
from services.records.store import tables
from tests.services.records.conftest import (
    SOURCE,
    Json,
    RecordsServer,
    condition,
    counts,
    ndjson,
    pat,
    patient,
)

OLD = {"versionId": "1", "lastUpdated": "2026-01-01T00:00:00Z"}
NEW = {"versionId": "10", "lastUpdated": "2026-02-01T00:00:00Z"}

REPEATS: list[tuple[str, Json, Json, tuple[int, int, int, int, int]]] = [
    ("the same", patient(), patient(), (0, 0, 1, 0, 0)),
    (
        "a higher version number",
        patient(meta={"versionId": "9"}),
        patient(meta={"versionId": "10"}),
        (0, 1, 0, 0, 0),
    ),
    (
        "a lower version number",
        patient(meta={"versionId": "10"}),
        patient(meta={"versionId": "9"}),
        (0, 0, 0, 1, 0),
    ),
    (
        "updated later",
        patient(meta={"lastUpdated": "2026-01-01T00:00:00+01:00"}),
        patient(meta={"lastUpdated": "2026-01-01T00:00:00Z"}),
        (0, 1, 0, 0, 0),
    ),
    (
        "updated earlier",
        patient(meta={"lastUpdated": "2026-01-01T00:00:00Z"}),
        patient(meta={"lastUpdated": "2026-01-01T00:00:00+01:00"}),
        (0, 0, 0, 1, 0),
    ),
    (
        "a version that is no number, updated later",
        patient(meta={"versionId": "b", "lastUpdated": "2026-01-01T00:00:00Z"}),
        patient(meta={"versionId": "a", "lastUpdated": "2026-01-02T00:00:00Z"}),
        (0, 1, 0, 0, 0),
    ),
    ("other content without version", patient(), patient(active=False), (0, 1, 0, 0, 0)),
    ("another id", patient(), patient("p2"), (1, 0, 0, 0, 0)),
    ("another type with the same id", patient(), condition("p1"), (1, 0, 0, 0, 0)),
]


@pytest.mark.parametrize(
    ("first", "second", "expected"), [case[1:] for case in REPEATS], ids=[c[0] for c in REPEATS]
)
def test_what_comes_second_is_told_from_what_is_here(
    local_records: RecordsServer,
    first: Json,
    second: Json,
    expected: tuple[int, int, int, int, int],
) -> None:
    assert counts(local_records.take(first)) == (1, 0, 0, 0, 0)
    assert counts(local_records.take(second)) == expected


def test_the_same_resource_of_another_source_is_another_resource(
    local_records: RecordsServer,
) -> None:
    assert local_records.take(patient()).created == 1
    assert local_records.take(patient(), source="other").created == 1


def test_a_newer_version_takes_the_place_of_the_older_one_everywhere(
    records: RecordsServer,
) -> None:
    before = patient(meta=OLD, name=[{"family": "Before"}], identifier=[{"value": "1"}])
    after = patient(meta=NEW, name=[{"family": "After"}], identifier=[{"value": "2"}])
    records.take(before, condition(meta=OLD, clinicalStatus=_clinical("active")))
    records.take(after, condition(meta=NEW, clinicalStatus=_clinical("resolved")))
    chart = records.chart(pat())
    assert [one.clinical_status for one in chart.conditions] == ["resolved"]
    assert [json.loads(one.resource_json)["meta"] for one in records.export(pat(), 2)] == [NEW, NEW]
    for wanted, found in (("before", 0), ("after", 1)):
        request = api.SearchPatientsRequest(name=wanted)
        assert len(records.calls.call("SearchPatients", request).patients) == found


def test_within_one_file_the_newest_version_stays_and_the_rest_is_counted(
    records: RecordsServer,
) -> None:
    response = records.take(
        patient(meta=OLD), patient(meta=NEW), patient(meta=NEW), patient(meta=OLD)
    )
    assert counts(response) == (1, 1, 1, 1, 0)
    (kept,) = records.export(pat(), 1)
    assert json.loads(kept.resource_json)["meta"] == NEW


def test_files_that_contradict_each_other_change_nothing_when_imported_again(
    records: RecordsServer,
) -> None:
    files = [(patient(), patient(active=True)), (patient(active=False),)]
    for file in files:
        records.take(*file)
    told = records.last_event()
    again = [counts(records.take(*file)) for file in files]
    assert again == [(0, 0, 0, 2, 0), (0, 0, 1, 0, 0)]
    assert records.last_event() == told == 3


def test_a_bad_resource_is_reported_with_its_path_and_loses_no_neighbour(
    records: RecordsServer,
) -> None:
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {"resource": patient()},
            {"resource": condition(onsetDateTime="soon")},
            {"resource": condition("c2")},
            {"resource": {"resourceType": "Wish"}},
        ],
    }
    response = records.send(json.dumps(bundle).encode())
    assert counts(response) == (2, 0, 0, 0, 2)
    assert [(one.path, one.resource_type) for one in response.rejections] == [
        ("$.entry[1].resource.onsetDateTime", "Condition"),
        ("$.entry[3].resource.resourceType", ""),
    ]
    assert [(one.resource_type, one.count) for one in response.counts] == [
        ("Condition", 2),
        ("Patient", 1),
    ]
    assert list(response.patient_ids) == [pat()]
    assert len(records.chart(pat()).conditions) == 1


def test_a_broken_line_of_ndjson_is_one_rejection_even_if_it_is_the_first(
    local_records: RecordsServer,
) -> None:
    content = b'{"resourceType":\n' + ndjson([patient(), condition()])
    response = local_records.send(content, form=api.IMPORT_FORM_NDJSON)
    assert counts(response) == (2, 0, 0, 0, 1)
    assert response.rejections[0].path == "line 1: $"


UNREADABLE = [
    ("empty", b"", "$"),
    ("not JSON", b"id,name\n1,x\n", "$"),
    ("cut off", b'{"resourceType": "Bundle", "type": "collection", "entry": [{', "$"),
    ("JSON that is no FHIR", b'{"name": "x"}', "$.resourceType"),
    ("a list", b"[1, 2]", "$"),
]


@pytest.mark.parametrize(
    ("content", "path"), [case[1:] for case in UNREADABLE], ids=[c[0] for c in UNREADABLE]
)
def test_content_that_is_no_fhir_at_all_is_refused(
    local_records: RecordsServer, content: bytes, path: str
) -> None:
    with pytest.raises(Invalid) as refused:
        local_records.send(content, request_id="r1")
    assert refused.value.reason == "CONTENT_UNREADABLE"
    assert refused.value.metadata["path"] == path
    # A refusal is not remembered: the id may be used for the mended content.
    assert local_records.send(ndjson([patient()]), request_id="r1").created == 1


def test_an_empty_ndjson_file_is_an_import_of_nothing(local_records: RecordsServer) -> None:
    assert counts(local_records.send(b"\n", form=api.IMPORT_FORM_NDJSON)) == (0, 0, 0, 0, 0)


PIECES: list[tuple[str, list[Json], str]] = [
    ("no piece at all", [], "IMPORT_SOURCE_INVALID"),
    ("no source in the first", [{}, {"source": "a"}], "IMPORT_SOURCE_INVALID"),
    ("another source later", [{"source": "a"}, {"source": "b"}], "IMPORT_SOURCE_INVALID"),
    (
        "another id later",
        [{"source": "a", "request_id": "1"}, {"request_id": "2"}],
        "REQUEST_INVALID",
    ),
    ("another form later", [{"source": "a"}, {"form": api.IMPORT_FORM_NDJSON}], "REQUEST_INVALID"),
    ("no proper source", [{"source": "A b"}], "REQUEST_INVALID"),
    ("a piece too large", [{"source": "a", "content": bytes(1048577)}], "REQUEST_INVALID"),
]


@pytest.mark.parametrize(
    ("pieces", "reason"), [case[1:] for case in PIECES], ids=[c[0] for c in PIECES]
)
def test_pieces_that_do_not_belong_together_are_refused(
    local_records: RecordsServer, pieces: list[Json], reason: str
) -> None:
    requests = [api.ImportBundleRequest(**piece) for piece in pieces]
    with pytest.raises(Invalid) as refused:
        local_records.calls.upload("ImportBundle", requests)
    assert refused.value.reason == reason


def test_a_repeated_request_returns_the_first_answer_however_it_is_cut(
    records: RecordsServer,
) -> None:
    content = ndjson([patient(), condition()])
    first = records.send(content, request_id="r1")
    assert counts(first) == (2, 0, 0, 0, 0)
    assert records.send(content, cut=7, request_id="r1") == first
    assert counts(records.send(content, request_id="r2")) == (0, 0, 2, 0, 0)


def test_a_request_id_is_not_to_be_used_for_other_content(records: RecordsServer) -> None:
    records.take(patient(), request_id="r1")
    with pytest.raises(Conflict) as refused:
        records.take(patient("p2"), request_id="r1")
    assert refused.value.reason == "REQUEST_ID_REUSED"
    with pytest.raises(NotFound):
        records.chart(pat("p2"))


def test_two_replicas_that_import_one_file_at_once_double_nothing(
    database: Database, records: RecordsServer
) -> None:
    content = ndjson([patient(), *(condition(f"c{i}") for i in range(450))])
    other = Database(database.url.render_as_string(hide_password=False))
    replicas = [records, RecordsServer(other)]
    with ThreadPoolExecutor(4) as threads:
        responses = list(threads.map(lambda i: replicas[i % 2].send(content), range(4)))
    other.close()
    assert sum(response.created for response in responses) == 451
    assert sum(response.unchanged for response in responses) == 3 * 451
    assert len(records.chart(pat()).conditions) == 450
    assert records.last_event() == 451


def test_an_import_that_breaks_off_is_completed_by_its_repetition(records: RecordsServer) -> None:
    content = ndjson([patient(), *(condition(f"c{i}") for i in range(450))])
    half = len(content) // 2
    pieces = [content[:half], content[half:]]
    requests = [api.ImportBundleRequest(source=SOURCE, content=piece) for piece in pieces]
    # The second piece is broken off by a rule: what came before it is taken in by whole batches.
    broken = [requests[0], api.ImportBundleRequest(source="other")]
    with pytest.raises(Invalid):
        records.calls.upload("ImportBundle", broken)
    taken = records.last_event()
    assert taken == 200
    response = records.send(content)
    assert counts(response) == (451 - taken, 0, taken, 0, 0)
    assert len(records.chart(pat()).conditions) == 450


def test_a_killed_import_is_completed_by_its_repetition(
    records: RecordsServer, tmp_path: Path
) -> None:
    content = ndjson([patient(), *(condition(f"c{i}") for i in range(1200))])
    file = tmp_path / "content.ndjson"
    file.write_bytes(content + b"\n")
    url = records.database.url.render_as_string(hide_password=False)
    module = "tests.services.records.endless_import"
    with subprocess.Popen(
        [sys.executable, "-m", module, url, str(file)], env=_environment()
    ) as run:
        while not (taken := records.last_event()):
            assert run.poll() is None, "the import ended before it began"
        run.kill()
    response = records.send(file.read_bytes(), request_id="r1", form=api.IMPORT_FORM_NDJSON)
    # Whole batches were taken in before; how many is chance.
    assert response.unchanged >= taken
    assert response.unchanged % 200 == 0
    assert counts(response) == (1201 - response.unchanged, 0, response.unchanged, 0, 0)
    assert len(records.chart(pat()).conditions) == 1200
    assert records.last_event() == 1201


def test_every_change_is_told_once_and_in_order(records: RecordsServer) -> None:
    records.take(patient(meta=OLD), condition(), _organization())
    records.take(patient(meta=NEW), condition(), patient(meta=OLD))
    told = [
        (one.sequence, one.patient_id, one.resource_type, one.change) for one in records.events(4)
    ]
    created, replaced = event_api.RECORD_CHANGE_CREATED, event_api.RECORD_CHANGE_REPLACED
    assert told == [
        (1, pat(), "Patient", created),
        (2, pat(), "Condition", created),
        (3, "", "Organization", created),
        (4, pat(), "Patient", replaced),
    ]
    assert [one.sequence for one in records.events(1, after=3)] == [4]


def test_a_follower_that_waits_is_told_of_an_import(local_records: RecordsServer) -> None:
    heard: list[Any] = []
    follower = threading.Thread(target=lambda: heard.extend(local_records.events(1)))
    follower.start()
    local_records.take(patient())
    follower.join(10)
    assert [one.patient_id for one in heard] == [pat()]


def test_the_migrations_make_the_tables_that_the_code_declares(records: RecordsServer) -> None:
    declared = (tables.metadata, schema.requests, schema.feeds)
    assert differences(records.database, *declared) == []


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def _clinical(code: str) -> Json:
    system = "http://terminology.hl7.org/CodeSystem/condition-clinical"
    return {"coding": [{"system": system, "code": code}]}


def _organization() -> Json:
    return {"resourceType": "Organization", "id": "o1", "name": "North"}
