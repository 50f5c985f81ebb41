"""Real files, where they are at hand: everything in, nothing lost, nothing twice."""

import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest

from plexus.records.v1 import records_service_pb2 as api
from services.records.store import reading
from tests.services.records.conftest import SHARED, RecordsServer, counts


def _files(folder: str, pattern: str) -> list[Path]:
    files = sorted((SHARED / folder).glob(pattern))
    if not files:
        pytest.skip(f"../shared/data/{folder} is not here")
    return files


def test_all_synthea_bundles_go_in_once_and_come_out_whole(records: RecordsServer) -> None:
    contents = [file.read_bytes() for file in _files("synthea_r4_dev", "*.json")]
    first = [records.send(content) for content in contents]
    total = [sum(column) for column in zip(*map(counts, first), strict=True)]
    assert sum(total) == 1352
    assert total[4] == 0
    told = records.last_event()
    assert told == total[0] + total[1]
    second = [sum(c) for c in zip(*(counts(records.send(one)) for one in contents), strict=True)]
    assert second[:2] == [0, 0]
    assert sum(second) == 1352
    assert records.last_event() == told
    _check_exports(records, contents, first)


def _check_exports(
    records: RecordsServer, contents: list[bytes], imported: list[api.ImportBundleResponse]
) -> None:
    """Of each bundle of a patient every resource is exported; those that nobody has but the patient
    as they were."""
    for content, response in zip(contents, imported, strict=True):
        resources = [entry["resource"] for entry in json.loads(content)["entry"]]
        owned = [one for one in resources if one["resourceType"] not in _SHARED_TYPES]
        if not owned:
            continue
        (patient_id,) = response.patient_ids
        exported = records.export(patient_id, len(resources))
        said = Counter(_digest(json.loads(one.resource_json)) for one in exported)
        assert not Counter(map(_digest, owned)) - said
        assert Counter(one["resourceType"] for one in resources) == Counter(
            one.resource_type for one in exported
        )


_SHARED_TYPES = ("Practitioner", "Organization")


def _digest(resource: object) -> str:
    return hashlib.sha256(json.dumps(resource, sort_keys=True).encode()).hexdigest()


@pytest.mark.parametrize(
    ("folder", "pattern", "resources"),
    [("synthea_bulk_ndjson", "*.ndjson", 5945), ("fhir_us_core_examples", "**/*.json", 236)],
)
def test_other_real_files_go_in_without_loss(
    local_records: RecordsServer, folder: str, pattern: str, resources: int
) -> None:
    ndjson = pattern.endswith(".ndjson")
    form = api.IMPORT_FORM_NDJSON if ndjson else api.IMPORT_FORM_DOCUMENT
    responses = [
        local_records.send(file.read_bytes(), source=folder.replace("_", "-"), form=form)
        for file in _files(folder, pattern)
    ]
    assert sum(sum(counts(one)) for one in responses) == resources
    assert sum(one.rejected for one in responses) == 0
    patients = {patient for one in responses for patient in one.patient_ids}
    known = [local_records.chart(one) for one in sorted(patients) if _is_here(local_records, one)]
    if ndjson:
        assert len(known) == len(patients)
        assert all(one.provider for chart in known for one in chart.encounters)


def _is_here(records: RecordsServer, patient_id: str) -> bool:
    with records.database.read() as tx:
        return reading.patient(tx, patient_id) is not None
