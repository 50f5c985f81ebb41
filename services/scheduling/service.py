"""The handlers of scheduling, and how the service is assembled."""

# ruff: noqa: ARG002 - what a handler could ask of its context, the stack has asked

from __future__ import annotations

from typing import TYPE_CHECKING

from mesh.host import Built, Parts
from mesh.persistence import Database, Periodic, new_id, once, pages
from plexus.records.v1.records_service_pb2_grpc import RecordsServiceStub
from plexus.scheduling.v1 import scheduling_service_pb2 as api
from plexus.scheduling.v1.appointment_event_pb2 import AppointmentEvent
from plexus.scheduling.v1.errors_pb2 import (
    SCHEDULING_ERROR_CLINIC_NOT_FOUND,
    SCHEDULING_ERROR_CODE_TAKEN,
    SCHEDULING_ERROR_PRACTITIONER_NOT_FOUND,
    SCHEDULING_ERROR_TIME_ZONE_UNKNOWN,
)
from plexus.scheduling.v1.scheduling_service_pb2_grpc import SchedulingServiceServicer
from services.scheduling import desk
from services.scheduling.domain.appointments import Verb
from services.scheduling.domain.faults import fault
from services.scheduling.domain.hours import check_hours
from services.scheduling.domain.moments import bounds, whole
from services.scheduling.domain.zones import is_zone
from services.scheduling.search import find_slots
from services.scheduling.store import appointments, directory
from services.scheduling.store.tables import events
from services.scheduling.verification import GetPatient, Verification, ask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    import grpc
    from sqlalchemy import Connection

_PAGE = 50
_VERIFY_EVERY = 2.0


class Scheduling(SchedulingServiceServicer):
    """Translates, decides, translates."""

    def __init__(
        self, database: Database, get_patient: GetPatient, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._get_patient = get_patient
        self._clock = clock

    def CreateClinic(
        self, request: api.CreateClinicRequest, context: grpc.ServicerContext
    ) -> api.CreateClinicResponse:
        """The clinic, with its id."""

        def work(tx: Connection) -> api.CreateClinicResponse:
            response = api.CreateClinicResponse(clinic=request.clinic)
            response.clinic.id = new_id("cli")
            directory.add_clinic(tx, response.clinic)
            return response

        zone = request.clinic.time_zone
        if not is_zone(zone):
            raise fault(SCHEDULING_ERROR_TIME_ZONE_UNKNOWN)
        return once(self._database, request, api.CreateClinicResponse, work)

    def ListClinics(
        self, request: api.ListClinicsRequest, context: grpc.ServicerContext
    ) -> api.ListClinicsResponse:
        """A page of clinics, by name."""
        query, size = pages.fingerprint(request), request.page_size or _PAGE
        last = next(iter(pages.decode(query, request.page_token)), None)
        with self._database.read() as tx:
            found = directory.list_clinics(tx, last, size + 1)
        return api.ListClinicsResponse(
            clinics=found[:size],
            next_page_token=pages.encode(query, found[size - 1].id) if found[size:] else "",
        )

    def CreatePractitioner(
        self, request: api.CreatePractitionerRequest, context: grpc.ServicerContext
    ) -> api.CreatePractitionerResponse:
        """The practitioner, with their id."""

        def work(tx: Connection) -> api.CreatePractitionerResponse:
            response = api.CreatePractitionerResponse(practitioner=request.practitioner)
            response.practitioner.id = new_id("pra")
            _check_clinic(tx, response.practitioner.clinic_id)
            directory.add_practitioner(tx, response.practitioner)
            return response

        check_hours(request.practitioner.weekly_hours, request.practitioner.exceptions)
        return once(self._database, request, api.CreatePractitionerResponse, work)

    def ListPractitioners(
        self, request: api.ListPractitionersRequest, context: grpc.ServicerContext
    ) -> api.ListPractitionersResponse:
        """A page of a clinic's practitioners, by name."""
        query, size = pages.fingerprint(request), request.page_size or _PAGE
        last = next(iter(pages.decode(query, request.page_token)), None)
        with self._database.read() as tx:
            _check_clinic(tx, request.clinic_id)
            found = directory.list_practitioners(tx, request.clinic_id, last, size + 1)
        return api.ListPractitionersResponse(
            practitioners=found[:size],
            next_page_token=pages.encode(query, found[size - 1].id) if found[size:] else "",
        )

    def SetPractitionerHours(
        self, request: api.SetPractitionerHoursRequest, context: grpc.ServicerContext
    ) -> api.SetPractitionerHoursResponse:
        """The practitioner, with the new hours."""

        def work(tx: Connection) -> api.SetPractitionerHoursResponse:
            name = request.practitioner_id
            practitioner = directory.lock_practitioner(tx, name)
            if practitioner is None:
                raise fault(SCHEDULING_ERROR_PRACTITIONER_NOT_FOUND, practitioner_id=name)
            practitioner.ClearField("weekly_hours")
            practitioner.ClearField("exceptions")
            practitioner.weekly_hours.extend(request.weekly_hours)
            practitioner.exceptions.extend(request.exceptions)
            directory.replace_practitioner(tx, practitioner)
            return api.SetPractitionerHoursResponse(practitioner=practitioner)

        check_hours(request.weekly_hours, request.exceptions)
        return once(self._database, request, api.SetPractitionerHoursResponse, work)

    def CreateAppointmentType(
        self, request: api.CreateAppointmentTypeRequest, context: grpc.ServicerContext
    ) -> api.CreateAppointmentTypeResponse:
        """The type, with its id."""

        def work(tx: Connection) -> api.CreateAppointmentTypeResponse:
            response = api.CreateAppointmentTypeResponse(appointment_type=request.appointment_type)
            kind = response.appointment_type
            kind.id = new_id("apt")
            if not directory.add_appointment_type(tx, kind):
                raise fault(SCHEDULING_ERROR_CODE_TAKEN, code=kind.code)
            return response

        return once(self._database, request, api.CreateAppointmentTypeResponse, work)

    def ListAppointmentTypes(
        self, request: api.ListAppointmentTypesRequest, context: grpc.ServicerContext
    ) -> api.ListAppointmentTypesResponse:
        """All types, by code."""
        with self._database.read() as tx:
            found = directory.appointment_types_by_code(tx)
        return api.ListAppointmentTypesResponse(appointment_types=found)

    def FindSlots(
        self, request: api.FindSlotsRequest, context: grpc.ServicerContext
    ) -> api.FindSlotsResponse:
        """Free slots, earliest first."""
        with self._database.read() as tx:
            found = find_slots(tx, request, whole(self._clock()))
        return api.FindSlotsResponse(slots=found)

    def BookAppointment(
        self, request: api.BookAppointmentRequest, context: grpc.ServicerContext
    ) -> api.BookAppointmentResponse:
        """The appointment, booked. What records says is asked before any lock is held."""
        verification = ask(self._get_patient, request.patient_id)

        def work(tx: Connection) -> api.BookAppointmentResponse:
            booked = desk.book(tx, request, verification, self._clock())
            return api.BookAppointmentResponse(appointment=booked)

        return once(self._database, request, api.BookAppointmentResponse, work)

    def RescheduleAppointment(
        self, request: api.RescheduleAppointmentRequest, context: grpc.ServicerContext
    ) -> api.RescheduleAppointmentResponse:
        """The appointment, at its new time."""

        def work(tx: Connection) -> api.RescheduleAppointmentResponse:
            moved = desk.reschedule(tx, request, self._clock())
            return api.RescheduleAppointmentResponse(appointment=moved)

        return once(self._database, request, api.RescheduleAppointmentResponse, work)

    def CancelAppointment(
        self, request: api.CancelAppointmentRequest, context: grpc.ServicerContext
    ) -> api.CancelAppointmentResponse:
        """The appointment, called off."""

        def work(tx: Connection) -> api.CancelAppointmentResponse:
            cancelled = desk.cancel(tx, request, self._clock())
            return api.CancelAppointmentResponse(appointment=cancelled)

        return once(self._database, request, api.CancelAppointmentResponse, work)

    def CheckInAppointment(
        self, request: api.CheckInAppointmentRequest, context: grpc.ServicerContext
    ) -> api.CheckInAppointmentResponse:
        """The appointment, whose patient has come."""

        def work(tx: Connection) -> api.CheckInAppointmentResponse:
            noted = desk.note(tx, request, Verb.CHECK_IN, self._clock())
            return api.CheckInAppointmentResponse(appointment=noted)

        return once(self._database, request, api.CheckInAppointmentResponse, work)

    def CompleteAppointment(
        self, request: api.CompleteAppointmentRequest, context: grpc.ServicerContext
    ) -> api.CompleteAppointmentResponse:
        """The appointment, with what was done."""

        def work(tx: Connection) -> api.CompleteAppointmentResponse:
            completed = desk.complete(tx, request, self._clock())
            return api.CompleteAppointmentResponse(appointment=completed)

        return once(self._database, request, api.CompleteAppointmentResponse, work)

    def MarkNoShow(
        self, request: api.MarkNoShowRequest, context: grpc.ServicerContext
    ) -> api.MarkNoShowResponse:
        """The appointment, whose patient did not come."""

        def work(tx: Connection) -> api.MarkNoShowResponse:
            noted = desk.note(tx, request, Verb.MARK_NO_SHOW, self._clock())
            return api.MarkNoShowResponse(appointment=noted)

        return once(self._database, request, api.MarkNoShowResponse, work)

    def GetAppointment(
        self, request: api.GetAppointmentRequest, context: grpc.ServicerContext
    ) -> api.GetAppointmentResponse:
        """The appointment."""
        with self._database.read() as tx:
            found = appointments.get(tx, request.appointment_id)
        return api.GetAppointmentResponse(appointment=desk.existing(found, request.appointment_id))

    def ListAppointments(
        self, request: api.ListAppointmentsRequest, context: grpc.ServicerContext
    ) -> api.ListAppointmentsResponse:
        """A page of appointments, by start time."""
        query, size = pages.fingerprint(request), request.page_size or _PAGE
        start, end = bounds(request.window)
        criteria = appointments.Criteria(
            patient_id=request.patient_id,
            practitioner_id=request.practitioner_id,
            clinic_id=request.clinic_id,
            start=start,
            end=end,
            states=request.states,
        )
        last = None
        match pages.decode(query, request.page_token):
            case (int(time), str(name)):
                last = appointments.Place(time, name)
        with self._database.read() as tx:
            found = appointments.list_appointments(tx, criteria, last, size + 1)
        token = ""
        if found[size:]:
            token = pages.encode(query, found[size - 1].start_time.seconds, found[size - 1].id)
        return api.ListAppointmentsResponse(appointments=found[:size], next_page_token=token)

    def StreamAppointmentEvents(
        self, request: api.StreamAppointmentEventsRequest, context: grpc.ServicerContext
    ) -> Iterator[api.StreamAppointmentEventsResponse]:
        """Every event after a cursor, then events as they come."""
        for entry in events.stream(self._database, request.after_sequence, context):
            event = AppointmentEvent.FromString(entry.payload)
            event.sequence = entry.sequence
            event.traceparent = entry.traceparent
            yield api.StreamAppointmentEventsResponse(event=event)


def build(parts: Parts) -> Built:
    """Scheduling, with its task: asking records about patients it could not ask about before."""
    get_patient = RecordsServiceStub(parts.channel("records")).GetPatient
    verification = Verification(parts.database, get_patient, parts.clock)
    servicer = Scheduling(parts.database, get_patient, parts.clock)
    return Built(
        servicers=((api.DESCRIPTOR.services_by_name["SchedulingService"], servicer),),
        tasks=(Periodic("verification", _VERIFY_EVERY, verification.turn),),
    )


def _check_clinic(tx: Connection, clinic_id: str) -> None:
    if not directory.has_clinic(tx, clinic_id):
        raise fault(SCHEDULING_ERROR_CLINIC_NOT_FOUND, clinic_id=clinic_id)
