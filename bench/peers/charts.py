"""The answers that every peer gives: a chart of about 200 bytes, and one of about 10,000.

The method is records.GetChart, which reads clinical data, is vital, repeatable, and called by triage.
The handler has them ready: what is measured is the call.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from google.protobuf.json_format import MessageToDict

from plexus.records.v1 import chart_pb2, condition_pb2, observation_pb2, patient_pb2
from plexus.records.v1.records_service_pb2 import GetChartRequest, GetChartResponse
from plexus.type.v1 import code_pb2, date_pb2

PATH: Final = "plexus.records.v1.RecordsService/GetChart"
DEADLINE: Final = 1.0
"""What the contract of GetChart gives a call, in seconds: peers get the same."""

SIZES: Final[Mapping[str, int]] = {"200 B": 200, "10 kB": 10_000}
PATIENTS: Final[Mapping[str, str]] = {"200 B": "pat_bench0200", "10 kB": "pat_bench10000"}


def charts() -> dict[str, GetChartResponse]:
    """The answers, by patient."""
    return {PATIENTS[size]: _chart(PATIENTS[size], length) for size, length in SIZES.items()}


def requests() -> dict[str, GetChartRequest]:
    """The requests, by size."""
    return {size: GetChartRequest(patient_id=patient) for size, patient in PATIENTS.items()}


def documents() -> dict[str, Any]:
    """The same answers for JSON, by patient."""
    return {
        patient: MessageToDict(chart, preserving_proto_field_name=True)
        for patient, chart in charts().items()
    }


def _chart(patient: str, length: int) -> GetChartResponse:
    """Conditions and observations until the message is as long as it should be."""
    chart = chart_pb2.Chart(
        patient=patient_pb2.Patient(
            id=patient,
            names=[patient_pb2.HumanName(family="Bench", given=["Anna"], use="official")],
            birth_date=date_pb2.Date(year=1980, month=5, day=17),
            sex=patient_pb2.ADMINISTRATIVE_SEX_FEMALE,
        )
    )
    chart.conditions.append(
        condition_pb2.Condition(
            id="con_00000001",
            code=code_pb2.Code(
                system="http://snomed.info/sct", code="44054006", display="Diabetes"
            ),
            clinical_status="active",
        )
    )
    answer = GetChartResponse(chart=chart)
    while answer.ByteSize() < length - 40:
        number = len(answer.chart.observations)
        answer.chart.observations.append(_observation(number))
    return answer


def _observation(number: int) -> observation_pb2.Observation:
    made = observation_pb2.Observation(
        id=f"obs_{number:08}",
        code=code_pb2.Code(system="http://loinc.org", code="8867-4", display="Heart rate"),
        status="final",
        value=observation_pb2.ObservationValue(
            quantity=observation_pb2.Quantity(value=60 + number % 40, unit="/min")
        ),
    )
    made.effective_time.FromSeconds(1_700_000_000 + number * 60)
    return made
