"""The clinic that the storm rages in: its own, so that nothing else is judged by it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

from plexus.billing.v1.billing_service_pb2_grpc import BillingServiceStub
from plexus.records.v1 import records_service_pb2 as records
from plexus.records.v1.records_service_pb2_grpc import RecordsServiceStub
from plexus.scheduling.v1 import scheduling_service_pb2 as scheduling
from plexus.scheduling.v1.appointment_type_pb2 import AppointmentType
from plexus.scheduling.v1.clinic_pb2 import Clinic
from plexus.scheduling.v1.practitioner_pb2 import DayOfWeek, Practitioner, WeeklyHours
from plexus.scheduling.v1.scheduling_service_pb2_grpc import SchedulingServiceStub

SLOT = 600
"""Seconds that an appointment takes."""

_PRACTITIONERS = 6
_DAY = 86_400
# Well ahead of now: a request that is sent again at the end must not have become one for the past.
_AHEAD = 2 * _DAY
_USUAL, _LONG = 3, 450
_PIECE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Stubs:
    """The services that are worked with."""

    records: RecordsServiceStub
    scheduling: SchedulingServiceStub
    billing: BillingServiceStub


@dataclass(frozen=True, slots=True)
class Practice:
    """The clinic, who works there, and the Unix second from which on there are slots. *run* tells
    this storm from others on the same platform."""

    run: str
    clinic: str
    appointment_type: str
    practitioners: tuple[str, ...]
    opens: int

    def start_of(self, slot: int) -> int:
        """When a slot begins, in Unix seconds."""
        return self.opens + slot * SLOT


def open_practice(stubs: Stubs, run: str) -> Practice:
    """Open a clinic that never closes."""
    desk = stubs.scheduling
    kind = AppointmentType(
        code=f"storm_{run}", name="Visit in a storm", duration_minutes=SLOT // 60
    )
    made = desk.CreateAppointmentType(
        scheduling.CreateAppointmentTypeRequest(appointment_type=kind)
    )
    clinic = desk.CreateClinic(
        scheduling.CreateClinicRequest(clinic=Clinic(name=f"Storm {run}", time_zone="UTC"))
    ).clinic
    days = [number for name, number in DayOfWeek.items() if number]
    hours = [WeeklyHours(day=day, start_minute=0, end_minute=1440) for day in days]
    practitioners = [
        desk.CreatePractitioner(
            scheduling.CreatePractitionerRequest(
                practitioner=Practitioner(
                    clinic_id=clinic.id, name=f"Practitioner {number}", weekly_hours=hours
                )
            )
        ).practitioner.id
        for number in range(_PRACTITIONERS)
    ]
    return Practice(
        run=run,
        clinic=clinic.id,
        appointment_type=made.appointment_type.id,
        practitioners=tuple(practitioners),
        opens=(int(time.time()) + _AHEAD) // _DAY * _DAY,
    )


def patient(name: str, luck: int) -> list[dict[str, Any]]:
    """The FHIR resources of a patient nobody is: a Patient, perhaps insured, and what ails them.

    One in eight has more to tell than records takes in at once.
    """
    of = {"reference": f"Patient/{name}"}
    resources: list[dict[str, Any]] = [{"resourceType": "Patient", "id": name, "gender": "unknown"}]
    if luck % 2:
        coverage = {
            "status": "active",
            "beneficiary": of,
            "subscriberId": name,
            "payor": [{"display": "Storm Mutual"}],
        }
        resources.append({"resourceType": "Coverage", "id": f"{name}-plan", **coverage})
    for number in range(_LONG if luck // 2 % 8 == 0 else _USUAL):
        code = {"coding": [{"system": "http://snomed.info/sct", "code": "38341003"}]}
        ailment = {"id": f"{name}-{number}", "code": code, "subject": of}
        resources.append({"resourceType": "Condition", **ailment})
    return resources


def pieces(
    run: str, key: str, resources: list[dict[str, Any]]
) -> list[records.ImportBundleRequest]:
    """The resources as ImportBundle takes them."""
    content = b"\n".join(json.dumps(resource).encode() for resource in resources)
    return [
        records.ImportBundleRequest(
            request_id=key,
            source=f"storm-{run}",
            content=content[start : start + _PIECE],
            form=records.IMPORT_FORM_NDJSON,
        )
        for start in range(0, len(content), _PIECE)
    ]
