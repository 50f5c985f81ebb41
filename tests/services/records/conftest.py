"""A records servicer in the server stack, on a database of its own."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mesh.host import Parts
from mesh.persistence import Database, migrate
from plexus.records.v1 import records_service_pb2 as api
from plexus.records.v1.chart_pb2 import Chart
from services.records.domain.identity import resource_id
from services.records.service import build
from services.records.store.tables import events
from tests.servicing import Server

Json = dict[str, Any]
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
SOURCE = "clinic"
SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"


class RecordsServer:
    """Records, called as its clients do. JSON in, counts and messages out."""

    def __init__(self, database: Database) -> None:
        self.database = database
        built = build(Parts("records", database, clock=lambda: NOW))
        descriptor, servicer = built.servicers[0]
        self.calls = Server(descriptor, servicer)

    def send(self, content: bytes, cut: int = 50_000, **first: Any) -> api.ImportBundleResponse:
        """Imports *content* in pieces of *cut* bytes."""
        pieces = [content[at : at + cut] for at in range(0, len(content), cut)] or [b""]
        requests = [api.ImportBundleRequest(content=piece) for piece in pieces]
        requests[0].MergeFrom(api.ImportBundleRequest(**{"source": SOURCE} | first))
        response: api.ImportBundleResponse = self.calls.upload("ImportBundle", requests, 60.0)
        return response

    def take(self, *resources: Json, **first: Any) -> api.ImportBundleResponse:
        """Imports resources as NDJSON."""
        return self.send(ndjson(resources), form=api.IMPORT_FORM_NDJSON, **first)

    def chart(self, patient_id: str) -> Chart:
        """The chart."""
        response = self.calls.call("GetChart", api.GetChartRequest(patient_id=patient_id))
        chart: Chart = response.chart
        return chart

    def export(self, patient_id: str, count: int) -> list[api.ExportPatientResponse]:
        """All *count* originals."""
        request = api.ExportPatientRequest(patient_id=patient_id)
        exported: list[api.ExportPatientResponse] = self.calls.all("ExportPatient", request, count)
        return exported

    def events(self, count: int, after: int = 0) -> list[Any]:
        """The next *count* events."""
        request = api.StreamRecordEventsRequest(after_sequence=after)
        return [one.event for one in self.calls.stream("StreamRecordEvents", request, count)]

    def last_event(self) -> int:
        """The sequence of the last event."""
        with self.database.read() as tx:
            return events.last(tx)


@pytest.fixture
def records(database: Database) -> Iterator[RecordsServer]:
    """On SQLite and on PostgreSQL."""
    yield from _serving(database)


@pytest.fixture
def local_records(sqlite_url: str) -> Iterator[RecordsServer]:
    """On SQLite alone, for what the store has no part in."""
    database = Database(sqlite_url)
    yield from _serving(database)
    database.close()


def _serving(database: Database) -> Iterator[RecordsServer]:
    migrate(database, "services.records")
    yield RecordsServer(database)


def ndjson(resources: Sequence[Json]) -> bytes:
    """One resource on a line."""
    return b"\n".join(json.dumps(resource).encode() for resource in resources)


def counts(response: api.ImportBundleResponse) -> tuple[int, int, int, int, int]:
    """created, replaced, unchanged, outdated, rejected"""
    return (
        response.created,
        response.replaced,
        response.unchanged,
        response.outdated,
        response.rejected,
    )


def patient(identity: str = "p1", **more: Any) -> Json:
    """A Patient."""
    return {"resourceType": "Patient", "id": identity, **more}


def condition(identity: str = "c1", of: str = "Patient/p1", **more: Any) -> Json:
    """A Condition."""
    return {
        "resourceType": "Condition",
        "id": identity,
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "38341003"}]},
        "subject": {"reference": of},
        **more,
    }


def pat(identity: str = "p1", source: str = SOURCE) -> str:
    """The patient's id here."""
    return resource_id(source, "Patient", identity)
