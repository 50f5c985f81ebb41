"""Names that other resources are shown by: what an organization and a medicine are called."""

from typing import Any, Final

from plexus.records.v1.chart_pb2 import Chart
from plexus.type.v1.code_pb2 import Code
from services.records.fhir.values import read_concept
from services.records.messages.values import RXNORM, code

_ORGANIZATION: Final = "Organization"
_MEDICATION: Final = "Medication"


def label(resource: dict[str, Any]) -> Code | None:
    """What others are shown by of a resource; None for a type that names nothing, or no name."""
    if resource["resourceType"] == _ORGANIZATION and resource.get("name"):
        return Code(display=resource["name"])
    if resource["resourceType"] == _MEDICATION:
        return code(read_concept(resource.get("code")), RXNORM)
    return None


def fill_in(part: Chart, named: Code) -> None:
    """Puts what *named* says where *part* of a chart lacks it."""
    for encounter in part.encounters:
        encounter.provider = encounter.provider or named.display
    for medication in part.medications:
        if not medication.code.code:
            medication.code.CopyFrom(named)
    for coverage in part.coverages:
        coverage.payer = coverage.payer or named.display
