"""Between an access on the wire and its rows."""

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from plexus.records.v1.access_pb2 import Access
from plexus.records.v1.records_service_pb2 import RecordAccessesRequest
from services.records.store.accesses import Row

_SECOND = 1_000_000


def access_rows(request: RecordAccessesRequest, service: str) -> list[Row]:
    """A row for each patient of each access that a service tells of."""
    rows: dict[tuple[str, int], Row] = {}
    journal, kept = request.journal_id, Access()
    for told in request.accesses:
        access, sequence = told.access, told.sequence
        time = access.time.seconds * _SECOND + access.time.nanos // 1000
        kept.CopyFrom(access)
        kept.ClearField("time")
        kept.ClearField("service")
        message = kept.SerializeToString()
        for patient_id in told.patient_ids:
            row = Row(patient_id, time, journal, sequence, service, message)
            rows[patient_id, sequence] = row
    return list(rows.values())


def access_of(row: Row) -> Access:
    """The access, for the wire."""
    access = Access.FromString(row.message)
    access.service = row.service
    time = Timestamp()
    time.FromDatetime(datetime.fromtimestamp(row.time // _SECOND, UTC))
    time.nanos = row.time % _SECOND * 1000
    access.time.CopyFrom(time)
    return access
