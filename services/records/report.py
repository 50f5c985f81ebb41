"""What an import did, as it is added up."""

from collections import Counter
from typing import Final

from plexus.records.v1 import records_service_pb2 as api
from services.records.domain.versions import Verdict
from services.records.fhir import BadResource

_MOST_REJECTIONS: Final = 1000
_MOST_PATIENTS: Final = 10_000


class Report:
    """The counts of one import."""

    def __init__(self) -> None:
        self._verdicts: Counter[Verdict] = Counter()
        self._types: Counter[str] = Counter()
        self._patients: dict[str, None] = {}
        self._rejections: list[BadResource] = []
        self._rejected = 0

    def add(self, resource_type: str, verdict: Verdict, patient_id: str) -> None:
        """Counts a resource; *patient_id* is empty where there is none, or it is not known yet."""
        self._verdicts[verdict] += 1
        self._types[resource_type] += 1
        if patient_id and len(self._patients) < _MOST_PATIENTS:
            self._patients[patient_id] = None

    def reject(self, bad: BadResource) -> None:
        """Counts a resource that could not be read."""
        self._rejected += 1
        if bad.type:
            self._types[bad.type] += 1
        if len(self._rejections) < _MOST_REJECTIONS:
            self._rejections.append(bad)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was there at all."""
        return not self._rejected and not self._verdicts

    @property
    def unreadable(self) -> BadResource | None:
        """What stands for the whole content, if that is no FHIR JSON."""
        alone = self._rejected == 1 and not self._verdicts
        bad = self._rejections[0] if alone else None
        return bad if bad and bad.path in ("$", "$.resourceType") else None

    def message(self) -> api.ImportBundleResponse:
        """The report."""
        return api.ImportBundleResponse(
            created=self._verdicts[Verdict.CREATED],
            replaced=self._verdicts[Verdict.REPLACED],
            unchanged=self._verdicts[Verdict.UNCHANGED],
            outdated=self._verdicts[Verdict.OUTDATED],
            rejected=self._rejected,
            rejections=[
                api.Rejection(path=bad.path, resource_type=bad.type, reason=bad.reason)
                for bad in self._rejections
            ],
            patient_ids=self._patients,
            counts=[
                api.ResourceCount(resource_type=kind, count=count)
                for kind, count in sorted(self._types.items())
            ],
        )
