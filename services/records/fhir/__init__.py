"""Reading FHIR R4: bytes in, checked resources and typed facts out. No I/O and no storage.

    for item in read_resources(chunks):  # ParsedResource | BadResource, in the input's order
        ...

Failures are values, not exceptions: a `BadResource` names the place and the reason, never what
was written there.
"""

from services.records.fhir.facts import Fact
from services.records.fhir.framing import Form
from services.records.fhir.reading import (
    BadResource,
    ParsedResource,
    Reference,
    read_resources,
)

__all__ = ["BadResource", "Fact", "Form", "ParsedResource", "Reference", "read_resources"]
