"""A resource on its way into the store."""

import hashlib
import json
import zlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.records.domain.identity import PATIENT, aliases, key_of, resource_id
from services.records.domain.names import fold, search_terms
from services.records.domain.versions import Version
from services.records.fhir import ParsedResource
from services.records.fhir.facts import PatientFact
from services.records.messages import label, names_in_order, patient_message, tell
from services.records.store.filing import PatientRow, Row

# Levels above 1 take longer and save 3 percent of a Synthea resource.
_COMPRESSION: Final = 1
# A longer identifier cannot be asked for.
_LONGEST_IDENTIFIER: Final = 256


@dataclass(frozen=True, slots=True)
class Arrival:
    """A resource, with what decides whether it is written. `patient_key` is empty for nobody's."""

    resource: ParsedResource
    source: str
    id: str
    patient_key: str
    version: Version

    @classmethod
    def of(cls, resource: ParsedResource, source: str) -> "Arrival":
        """What is known of it without looking inside."""
        return cls(
            resource,
            source,
            resource_id(source, resource.type, resource.id),
            key_of(source, resource.patient) if resource.patient else "",
            Version(
                hashlib.blake2b(resource.original, digest_size=16).digest(),
                resource.version,
                resource.last_updated.earliest if resource.last_updated else None,
            ),
        )

    def row(self, now: datetime) -> Row:
        """What is written of it."""
        resource, source = self.resource, self.source
        told = tell(resource, source)
        # What others may refer to: a patient, or something that is nobody's.
        named = not self.patient_key or resource.type == PATIENT
        inner = json.loads(resource.original) if named else {}
        naming = label(inner) if named else None
        return Row(
            id=self.id,
            source=source,
            type=resource.type,
            source_id=resource.id,
            version=self.version,
            patient_key=self.patient_key or None,
            kind=told.kind,
            time=told.time,
            part=told.part.SerializeToString(),
            names_by=told.names_by or None,
            refers_to=self._refers_to(),
            content=zlib.compress(resource.original, _COMPRESSION),
            aliases=self._aliases(inner) if named else frozenset(),
            label=naming.SerializeToString() if naming else None,
            patient=self._patient(now),
        )

    def _refers_to(self) -> tuple[str, ...]:
        targets = {reference.target for reference in self.resource.references}
        keys = {key_of(self.source, target) for target in targets if not target.startswith("#")}
        return tuple(sorted(keys - {self.patient_key, self.id}))

    def _aliases(self, inner: dict[str, object]) -> frozenset[str]:
        others = aliases(inner, self.resource.full_url)
        return frozenset({self.id, *(key_of(self.source, other) for other in others)})

    def _patient(self, now: datetime) -> PatientRow | None:
        for fact in self.resource.facts:
            if isinstance(fact, PatientFact):
                return _patient_row(fact, self.id, self.source, now)
        return None


def _patient_row(fact: PatientFact, patient_id: str, source: str, now: datetime) -> PatientRow:
    names = names_in_order(fact)
    first = names[0] if names else None
    return PatientRow(
        family=fold(first.family or first.text) if first else "",
        birth_date=fact.birth_date.date if fact.birth_date else "",
        message=patient_message(fact, patient_id, source, now).SerializeToString(),
        names=search_terms((name.family, name.given, name.text) for name in names),
        identifiers=frozenset(
            (one.value, one.system)
            for one in fact.identifiers
            if one.value and max(len(one.value), len(one.system)) <= _LONGEST_IDENTIFIER
        ),
    )
