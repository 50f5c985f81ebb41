"""What the chart tells triage about a patient. All of it may be absent."""

from dataclasses import dataclass
from enum import StrEnum

MONTHS_PER_YEAR = 12


class Sex(StrEnum):
    FEMALE = "female"
    MALE = "male"


@dataclass(frozen=True, slots=True)
class PatientContext:
    """A frozen view of the chart; ``None`` in its place means "assessed without history".

    ``conditions`` and ``medications`` are display names of what is *active* ("Diabetes mellitus
    type 2", "Warfarin 5 MG Oral Tablet"). ``age_months`` is whole months. ``sex`` is sex at birth
    as charted. ``pregnant`` is None when the chart does not say.
    """

    age_months: int | None = None
    sex: Sex | None = None
    conditions: tuple[str, ...] = ()
    medications: tuple[str, ...] = ()
    pregnant: bool | None = None
