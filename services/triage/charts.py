"""Asks records for the chart, and makes do with what is remembered of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from plexus.client import optional
from plexus.errors import Fault, NotFound
from plexus.records.v1.chart_pb2 import Chart
from plexus.records.v1.records_service_pb2 import GetChartRequest, GetChartResponse
from plexus.triage.v1.errors_pb2 import TriageError
from services.triage.history import read
from services.triage.store.conversations import Remembered

GetChart = Callable[[GetChartRequest], GetChartResponse]

FRESH = timedelta(minutes=15)
"""How long what is remembered of a chart is used without asking again."""


class Charts:
    """What is known of patients. Asks outside of any transaction."""

    def __init__(self, get_chart: GetChart, clock: Callable[[], datetime]) -> None:
        self._get_chart = get_chart
        self._clock = clock

    def first(self, patient_id: str) -> Remembered | None:
        """What records tells; None when nobody is named or records does not answer.

        Raises Fault PATIENT_UNKNOWN.
        """
        if not patient_id:
            return None
        unknown = TriageError.TRIAGE_ERROR_PATIENT_UNKNOWN
        request = GetChartRequest(patient_id=patient_id)
        missing = Fault(TriageError, unknown, patient_id=patient_id)
        answer = optional(self._get_chart, request, missing=missing)
        return None if answer is None else self._remembered(answer.chart)

    def refreshed(self, patient_id: str, known: Remembered | None) -> Remembered | None:
        """What was known if it is fresh, else what records tells now, else what was known."""
        if not patient_id or (known and self._clock() - known.read_time < FRESH):
            return known
        request = GetChartRequest(patient_id=patient_id)
        as_of = known.read_time if known else None
        try:
            answer = optional(self._get_chart, request, as_of=as_of)
        except NotFound:
            # Whoever speaks of symptoms is answered, whatever has become of the record.
            return known
        return known if answer is None else self._remembered(answer.chart)

    def _remembered(self, chart: Chart) -> Remembered:
        now = self._clock()
        told = chart.read_time.ToDatetime(UTC) if chart.HasField("read_time") else now
        return Remembered(read(chart, now), min(told, now))
