"""Imports content twice: once to have it in, once more to show that this adds nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import count

from demo.bundles import Content, DataUnusable
from demo.patience import insist
from demo.promises import Intake
from plexus.errors import Invalid
from plexus.records.v1 import records_service_pb2 as records
from plexus.records.v1.records_service_pb2_grpc import RecordsServiceStub

_AT_ONCE = 4
_MOST_PATIENTS = 500


def import_twice(
    stub: RecordsServiceStub, contents: Sequence[Content], told: Callable[[Intake], None]
) -> tuple[Intake, list[str]]:
    """What the imports did, and the living patients to play with. *told* hears of the first import."""
    began = time.monotonic()
    first = _import(stub, contents)
    seconds = time.monotonic() - began
    patients = sorted({patient for answer in first for patient in answer.patient_ids})
    intake = Intake(
        patients=len(patients),
        resources=sum(map(_resources, first)),
        rejected=sum(answer.rejected for answer in first),
        seconds=seconds,
    )
    told(intake)
    again = sum(answer.created + answer.replaced for answer in _import(stub, contents))
    return replace(intake, again=again), _living(stub, patients[:_MOST_PATIENTS])


def _import(
    stub: RecordsServiceStub, contents: Sequence[Content]
) -> list[records.ImportBundleResponse]:
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="import") as pool:
        return list(pool.map(partial(_import_one, stub), count(1), contents))


def _import_one(
    stub: RecordsServiceStub, number: int, content: Content
) -> records.ImportBundleResponse:
    try:
        return stub.ImportBundle(content.pieces())
    except Invalid as refusal:
        # Files are told by number: their names may be those of patients.
        raise DataUnusable(
            f"file {number}, in order of name, is no FHIR JSON: {refusal.details()}",
            "correct it or take it out of the folder",
        ) from None


def _resources(answer: records.ImportBundleResponse) -> int:
    """Resources that are in the record now, new there or not."""
    return answer.created + answer.replaced + answer.unchanged + answer.outdated


def _living(stub: RecordsServiceStub, patients: Sequence[str]) -> list[str]:
    found = [
        insist(stub.GetPatient, records.GetPatientRequest(patient_id=patient)).patient
        for patient in patients
    ]
    return [patient.id for patient in found if not patient.deceased]
