"""Takes the resources of an import in, a batch at a time.

Each batch and the events that tell of it commit together, so an import that is cut off has taken in
whole batches; sent again, it finds them here and goes on. The last step stores the report under the
import's request id.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from mesh.persistence import Database
from mesh.persistence.once import RequestKey, once_as
from mesh.persistence.schema import requests
from plexus.errors import Fault
from plexus.records.v1 import record_event_pb2 as event_api
from plexus.records.v1.records_service_pb2 import ImportBundleResponse
from plexus.type.v1.errors_pb2 import PlatformError
from services.records.arrivals import Arrival
from services.records.domain.identity import is_id
from services.records.domain.versions import History, Verdict, judge_all
from services.records.fhir import BadResource, Form, ParsedResource, read_resources
from services.records.messages.values import timestamp
from services.records.report import Report
from services.records.store import filing, reading
from services.records.store.filing import Row
from services.records.upload import Upload, unreadable

# Large enough that a commit costs little, small enough that others wait a tenth of a second at most.
_BATCH: Final = 200
_BATCH_BYTES: Final = 4 * 1024 * 1024

_CHANGES: Final = {
    Verdict.CREATED: event_api.RECORD_CHANGE_CREATED,
    Verdict.REPLACED: event_api.RECORD_CHANGE_REPLACED,
}


class Importer:
    """Imports into one database."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def take(self, upload: Upload, caller: str) -> ImportBundleResponse:
        """Everything in *upload*; the first answer, where it was taken before under its id.

        Raises Fault CONTENT_UNREADABLE, REQUEST_ID_REUSED, and those of `Upload`.
        """
        answered = self._answered(caller, upload.request_id)
        if answered:
            upload.drain()
            if answered[0] != upload.fingerprint():
                raise Fault(PlatformError, PlatformError.PLATFORM_ERROR_REQUEST_ID_REUSED)
            return ImportBundleResponse.FromString(answered[1])
        report = self._take_in(upload)
        key = RequestKey(caller, upload.request_id, upload.fingerprint())
        return once_as(self._database, key, ImportBundleResponse, lambda _: report.message())

    def _answered(self, caller: str, request_id: str) -> tuple[bytes, bytes] | None:
        if not request_id:
            return None
        mine = requests.c.caller == caller, requests.c.request_id == request_id
        query = sa.select(requests.c.fingerprint, requests.c.response).where(*mine)
        with self._database.read() as tx:
            row = tx.execute(query).first()
        return (bytes(row.fingerprint), bytes(row.response)) if row else None

    def _take_in(self, upload: Upload) -> Report:
        report = Report()
        for batch in _batches(read_resources(upload.chunks(), upload.form), report):
            arrivals = [Arrival.of(resource, upload.source) for resource in batch]
            verdicts, patients = self._file(arrivals, upload.source)
            for arrival, verdict in zip(arrivals, verdicts, strict=True):
                patient_id = patients.get(arrival.patient_key, "")
                report.add(arrival.resource.type, verdict, patient_id)
        if bad := report.unreadable:
            raise unreadable(bad.path, bad.reason)
        if report.is_empty and upload.form is not Form.NDJSON:
            raise unreadable("$", "is empty")
        return report

    def _file(self, arrivals: list[Arrival], source: str) -> tuple[list[Verdict], dict[str, str]]:
        """A verdict for each, and the patients they are about, by key."""
        ids = {arrival.id for arrival in arrivals}
        with self._database.read() as tx:
            verdicts, _ = _judge(arrivals, filing.histories(tx, ids))
            patients = _patients(tx, arrivals)
        # What is here already costs no turn at the one lock for writing.
        if not any(verdict.is_kept for verdict in verdicts):
            return verdicts, patients
        now = self._clock()
        rows = _rows(arrivals, verdicts, now)

        def write(tx: Connection) -> tuple[list[Verdict], dict[str, str]]:
            filing.lock(tx, source)
            verdicts, known = _judge(arrivals, filing.histories(tx, ids))
            # Another import may have been here since: a row it left out then is made now.
            kept = _kept(arrivals, verdicts)
            chosen = [rows.get(index) or arrivals[index].row(now) for index in kept]
            filing.file(tx, chosen, known)
            # Only now: a patient may have come in this very batch.
            patients = _patients(tx, arrivals)
            filing.tell(tx, _events(arrivals, verdicts, patients, now))
            return verdicts, patients

        return self._database.transact(write)


def _batches(
    items: Iterable[ParsedResource | BadResource], report: Report
) -> Iterator[list[ParsedResource]]:
    batch: list[ParsedResource] = []
    size = 0
    for item in items:
        if isinstance(item, BadResource):
            report.reject(item)
            continue
        batch.append(item)
        size += len(item.original)
        if len(batch) == _BATCH or size > _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _judge(
    arrivals: Iterable[Arrival], known: Mapping[str, History]
) -> tuple[list[Verdict], Mapping[str, History]]:
    return judge_all(((arrival.id, arrival.version) for arrival in arrivals), known)


def _kept(arrivals: Iterable[Arrival], verdicts: Iterable[Verdict]) -> list[int]:
    """The positions of what is written: of each resource the last version that was let in."""
    last = {
        arrival.id: index
        for index, (arrival, verdict) in enumerate(zip(arrivals, verdicts, strict=True))
        if verdict.is_kept
    }
    return sorted(last.values())


def _rows(arrivals: list[Arrival], verdicts: Iterable[Verdict], now: datetime) -> dict[int, Row]:
    return {index: arrivals[index].row(now) for index in _kept(arrivals, verdicts)}


def _patients(tx: Connection, arrivals: Iterable[Arrival]) -> dict[str, str]:
    keys = {arrival.patient_key for arrival in arrivals if arrival.patient_key}
    known = {key: key for key in keys if is_id(key)}
    aliases = keys - known.keys()
    return known | (reading.patients_of_keys(tx, aliases) if aliases else {})


def _events(
    arrivals: Iterable[Arrival],
    verdicts: Iterable[Verdict],
    patients: dict[str, str],
    now: datetime,
) -> Iterator[event_api.RecordEvent]:
    time = timestamp(now)
    for arrival, verdict in zip(arrivals, verdicts, strict=True):
        if verdict.is_kept:
            yield event_api.RecordEvent(
                time=time,
                patient_id=patients.get(arrival.patient_key, ""),
                resource_type=arrival.resource.type,
                resource_id=arrival.id,
                change=_CHANGES[verdict],
            )
