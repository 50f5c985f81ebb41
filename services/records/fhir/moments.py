"""FHIR dates and times, with exactly the precision they were written in."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum


class Precision(Enum):
    YEAR = "year"
    MONTH = "month"
    DAY = "day"
    TIME = "time"


@dataclass(frozen=True, slots=True, repr=False)
class Moment:
    """A date or time as FHIR wrote it.

    `text` is the original, offset and all. `earliest` is the first instant it can mean, in UTC; a
    date without a time says nothing of a zone, so its day is taken to begin at midnight UTC.
    """

    text: str
    precision: Precision
    earliest: datetime

    @property
    def date(self) -> str:
        """The calendar part as written where it was written: YYYY, YYYY-MM or YYYY-MM-DD."""
        return self.text.partition("T")[0]


def moment(text: str) -> Moment:
    """Reads a FHIR date, dateTime or instant. Raises ValueError for a day that does not exist."""
    day, has_time, clock = text.partition("T")
    if has_time:
        return Moment(text, Precision.TIME, _instant(day, clock))
    year, month, date = [*day.split("-"), "1", "1"][:3]
    precision = (Precision.YEAR, Precision.MONTH, Precision.DAY)[day.count("-")]
    return Moment(text, precision, datetime(int(year), int(month), int(date), tzinfo=UTC))


def _instant(day: str, clock: str) -> datetime:
    leap = clock[6:8] == "60"  # a leap second is valid FHIR and unknown to datetime
    if leap:
        clock = f"{clock[:6]}59{clock[8:]}"
    try:
        at = datetime.fromisoformat(f"{day}T{clock}").astimezone(UTC)
        return at + timedelta(seconds=1) if leap else at
    except OverflowError as error:  # the first or last day of the calendar, moved out by its offset
        raise ValueError("outside the calendar") from error
