"""The handlers of records, and how the service is assembled."""

# ruff: noqa: ARG002 - what a handler could ask of its context, the stack has asked

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Final

import grpc
from sqlalchemy import Connection

from mesh.host import Built, Parts
from mesh.persistence import Database, pages
from mesh.server import current
from plexus.errors import Fault
from plexus.records.v1 import records_service_pb2 as api
from plexus.records.v1.chart_pb2 import Chart
from plexus.records.v1.errors_pb2 import RecordsError
from plexus.records.v1.patient_pb2 import Patient
from plexus.records.v1.record_event_pb2 import RecordEvent
from plexus.records.v1.records_service_pb2_grpc import RecordsServiceServicer
from plexus.type.v1.date_pb2 import Date
from services.records.charts import assemble, unnamed
from services.records.domain.coverages import in_force, in_order
from services.records.domain.names import fold
from services.records.importing import Importer
from services.records.messages import COVERAGES
from services.records.messages.access import access_of, access_rows
from services.records.messages.values import timestamp
from services.records.store import accesses, reading
from services.records.store.search import Criteria, search
from services.records.store.tables import events
from services.records.upload import Upload

_PAGE: Final = 50
_EXPORTED_AT_ONCE: Final = 50


class Records(RecordsServiceServicer):
    """Translates, decides, translates."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._importer = Importer(database, clock)

    def ImportBundle(
        self, request_iterator: Iterator[api.ImportBundleRequest], context: grpc.ServicerContext
    ) -> api.ImportBundleResponse:
        """Takes in what the client sends, batch by batch."""
        call = current()
        return self._importer.take(Upload(iter(request_iterator)), call.caller if call else "")

    def ExportPatient(
        self, request: api.ExportPatientRequest, context: grpc.ServicerContext
    ) -> Iterator[api.ExportPatientResponse]:
        """The Patient first, then the rest by type, then what they refer to and is nobody's."""
        with self._database.read() as tx:
            _existing(tx, request.patient_id)
            ids = _whole_record(tx, request.patient_id)
        for start in range(0, len(ids), _EXPORTED_AT_ONCE):
            with self._database.read() as tx:
                originals = reading.originals_of(tx, ids[start : start + _EXPORTED_AT_ONCE])
            for original in originals:
                yield api.ExportPatientResponse(
                    resource_type=original.type,
                    source=original.source,
                    source_id=original.source_id,
                    resource_json=original.content,
                )

    def GetPatient(
        self, request: api.GetPatientRequest, context: grpc.ServicerContext
    ) -> api.GetPatientResponse:
        """The patient."""
        with self._database.read() as tx:
            return api.GetPatientResponse(patient=_existing(tx, request.patient_id))

    def SearchPatients(
        self, request: api.SearchPatientsRequest, context: grpc.ServicerContext
    ) -> api.SearchPatientsResponse:
        """A page of those that fit."""
        criteria = Criteria(
            name=fold(request.name),
            birth_date=_beginning(request.birth_date),
            identifier=request.identifier,
            identifier_system=request.identifier_system,
        )
        if not criteria:
            raise Fault(RecordsError, RecordsError.RECORDS_ERROR_SEARCH_TOO_BROAD)
        query = pages.fingerprint(request)
        last = next(iter(pages.decode(query, request.page_token)), None)
        size = request.page_size or _PAGE
        with self._database.read() as tx:
            found = search(tx, criteria, size + 1, last)
        return api.SearchPatientsResponse(
            patients=[Patient.FromString(one.message) for one in found[:size]],
            next_page_token=pages.encode(query, found[size - 1].id) if found[size:] else "",
        )

    def GetChart(
        self, request: api.GetChartRequest, context: grpc.ServicerContext
    ) -> api.GetChartResponse:
        """Everything known of the patient, as it was at one moment."""
        with self._database.read() as tx:
            patient = _existing(tx, request.patient_id)
            chart = _chart(tx, request.patient_id)
        now = self._clock()
        coverages = in_order(chart.coverages, _day(now))
        del chart.coverages[:]
        chart.coverages.extend(coverages)
        chart.patient.CopyFrom(patient)
        chart.read_time.CopyFrom(timestamp(now))
        return api.GetChartResponse(chart=chart)

    def ListCoverages(
        self, request: api.ListCoveragesRequest, context: grpc.ServicerContext
    ) -> api.ListCoveragesResponse:
        """The patient's insurance."""
        with self._database.read() as tx:
            _existing(tx, request.patient_id)
            chart = _chart(tx, request.patient_id, COVERAGES)
        if request.HasField("date"):
            covering = in_force(chart.coverages, request.date)
            return api.ListCoveragesResponse(coverages=covering)
        ordered = in_order(chart.coverages, _day(self._clock()))
        return api.ListCoveragesResponse(coverages=ordered)

    def ListAccesses(
        self, request: api.ListAccessesRequest, context: grpc.ServicerContext
    ) -> api.ListAccessesResponse:
        """A page of who touched what of the patient."""
        query = pages.fingerprint(request)
        size = request.page_size or _PAGE
        before: accesses.Key | None
        match pages.decode(query, request.page_token):
            case (int(time), str(journal_id), int(sequence)):
                before = accesses.Key(time, journal_id, sequence)
            case _:
                before = None
        with self._database.read() as tx:
            found = accesses.of_patient(tx, request.patient_id, request.service, size + 1, before)
        last = found[size - 1] if found[size:] else None
        return api.ListAccessesResponse(
            accesses=[access_of(row) for row in found[:size]],
            next_page_token=(
                pages.encode(query, last.time, last.journal_id, last.sequence) if last else ""
            ),
        )

    def RecordAccesses(
        self, request: api.RecordAccessesRequest, context: grpc.ServicerContext
    ) -> api.RecordAccessesResponse:
        """How far the journal is known, when what is told of it has been taken in. It is the caller's:
        nobody tells for another."""
        call = current()
        service = call.caller if call else ""
        journal, after, through = (
            request.journal_id,
            request.after_sequence,
            request.through_sequence,
        )
        if through <= after:
            with self._database.read() as tx:
                sequence = accesses.known(tx, service, journal)
        else:
            rows = access_rows(request, service)
            sequence = self._database.transact(
                lambda tx: accesses.take(tx, service, journal, after, through, rows)
            )
        return api.RecordAccessesResponse(sequence=sequence)

    def StreamRecordEvents(
        self, request: api.StreamRecordEventsRequest, context: grpc.ServicerContext
    ) -> Iterator[api.StreamRecordEventsResponse]:
        """The feed."""
        for entry in events.stream(self._database, request.after_sequence, context):
            event = RecordEvent.FromString(entry.payload)
            event.sequence = entry.sequence
            event.traceparent = entry.traceparent
            yield api.StreamRecordEventsResponse(event=event)


def build(parts: Parts) -> Built:
    """Records, assembled."""
    servicer = Records(parts.database, parts.clock)
    return Built(servicers=((api.DESCRIPTOR.services_by_name["RecordsService"], servicer),))


def _existing(tx: Connection, patient_id: str) -> Patient:
    message = reading.patient(tx, patient_id)
    if message is None:
        raise Fault(
            RecordsError, RecordsError.RECORDS_ERROR_PATIENT_NOT_FOUND, patient_id=patient_id
        )
    return Patient.FromString(message)


def _chart(tx: Connection, patient_id: str, kind: int = 0) -> Chart:
    parts = reading.parts(tx, patient_id, kind)
    keys = unnamed(parts)
    return assemble(parts, reading.labels_of(tx, keys) if keys else {})


def _whole_record(tx: Connection, patient_id: str) -> Sequence[str]:
    """The ids of the patient's resources, and of all of nobody's that these need, at any remove."""
    record = reading.extent(tx, patient_id)
    ids = {one.id: None for one in record}
    while keys := {key for one in record for key in one.refers_to} - ids.keys():
        record = [one for one in reading.shared(tx, keys) if one.id not in ids]
        ids |= {one.id: None for one in record}
    return tuple(ids)


def _beginning(date: Date) -> str:
    if not date.year:
        return ""
    parts = (f"{date.year:04}", f"{date.month:02}", f"{date.day:02}")
    return "-".join(parts[: 1 + bool(date.month) + bool(date.month and date.day)])


def _day(at: datetime) -> Date:
    return Date(year=at.year, month=at.month, day=at.day)
