"""Triage on a database, records and scheduling that can be silent, a clock to move."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc

from mesh.persistence import Database, migrate
from plexus.errors import NotFound, PlexusError, Unavailable
from plexus.records.v1.chart_pb2 import Chart
from plexus.records.v1.patient_pb2 import AdministrativeSex
from plexus.records.v1.records_service_pb2 import GetChartResponse
from plexus.scheduling.v1.scheduling_service_pb2 import FindSlotsResponse
from plexus.scheduling.v1.slot_pb2 import Slot
from plexus.triage.v1 import triage_service_pb2 as api
from services.triage.service import Triage
from tests.servicing import Server

SERVICE = api.DESCRIPTOR.services_by_name["TriageService"]
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
PATIENT = "pat_aaaaaaaa"
RECORDS = "plexus.records.v1.RecordsService/GetChart"
SCHEDULING = "plexus.scheduling.v1.SchedulingService/FindSlots"


class Dependency:
    """One method of another service. It can be silent, or not know what it is asked for."""

    def __init__(self, path: str, answer: Callable[[Any], Any]) -> None:
        self.path = path
        self.failure: PlexusError | None = None
        self.asked: list[Any] = []
        self.during: Callable[[], None] | None = None
        self._answer = answer

    def __call__(self, request: Any) -> Any:
        """The answer. *during* happens once, while the caller waits for it."""
        self.asked.append(request)
        during, self.during = self.during, None
        if during:
            during()
        if self.failure:
            raise self.failure
        return self._answer(request)

    def fall_silent(self) -> None:
        """Answer nobody."""
        self.failure = Unavailable(grpc.StatusCode.UNAVAILABLE)

    def know_nothing(self) -> None:
        """Answer that there is no such thing."""
        self.failure = NotFound(grpc.StatusCode.NOT_FOUND, "PATIENT_NOT_FOUND")

    def come_back(self) -> None:
        """Answer again."""
        self.failure = None


class FrontDesk:
    """One replica of triage. Its patient is a woman of 70 who takes warfarin."""

    def __init__(self, database: Database) -> None:
        migrate(database, "services.triage")
        self.now = NOW
        self.chart = Chart()
        self.chart.patient.birth_date.year = 1955
        self.chart.patient.birth_date.month = 6
        self.chart.patient.birth_date.day = 15
        self.chart.patient.sex = AdministrativeSex.ADMINISTRATIVE_SEX_FEMALE
        self.chart.medications.add(status="active").code.display = "Warfarin Sodium 5 MG"
        self.records = Dependency(RECORDS, self._get_chart)
        self.scheduling = Dependency(SCHEDULING, self._find_slots)
        self._server = Server(
            SERVICE, Triage(database, self.records, self.scheduling, lambda: self.now)
        )

    def call(self, method: str, **fields: Any) -> Any:
        """The response of a method, or its typed error."""
        return self._server.call(method, getattr(api, f"{method}Request")(**fields))

    def start(self, text: str = "", patient_id: str = PATIENT, **fields: Any) -> Any:
        """A conversation, begun."""
        return self.call("StartConversation", text=text, patient_id=patient_id, **fields)

    def send(self, conversation: Any, text: str, **fields: Any) -> Any:
        """What triage answers to a message."""
        return self.call("SendMessage", conversation_id=conversation.id, text=text, **fields)

    def look(self, conversation: Any) -> Any:
        """The conversation and its assessment as they stand."""
        return self.call("GetAssessment", conversation_id=conversation.id)

    def pass_by(self, minutes: float) -> None:
        """Move the clock on."""
        self.now += timedelta(minutes=minutes)

    def _get_chart(self, request: Any) -> GetChartResponse:
        self.chart.read_time.FromDatetime(self.now)
        return GetChartResponse(chart=self.chart)

    def _find_slots(self, request: Any) -> FindSlotsResponse:
        slot = Slot(practitioner_id="pra_aaaaaaaa")
        slot.start_time.FromDatetime(self.now + timedelta(hours=2))
        return FindSlotsResponse(slots=[slot])


def lacking(response: Any) -> list[str]:
    """The methods that an answer had to do without."""
    return [each.dependency for each in response.degradations]
