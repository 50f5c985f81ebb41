"""Prices: what a completed appointment costs by the fee schedule."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

CPT = "http://www.ama-assn.org/go/cpt"
HCPCS = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"


@dataclass(frozen=True, slots=True)
class Coded:
    """A concept of a code system, and the words a person reads."""

    system: str
    code: str
    display: str = ""


@dataclass(frozen=True, slots=True)
class Performed:
    """A service that was given, and how many times."""

    code: Coded
    quantity: int


@dataclass(frozen=True, slots=True)
class Line:
    """A priced service. Prices are in minor units."""

    code: Coded
    quantity: int
    unit_price: int

    @property
    def amount(self) -> int:
        """The price of all."""
        return self.quantity * self.unit_price


@dataclass(frozen=True, slots=True)
class Fee:
    """What one service costs, in minor units, and what it is called."""

    price: int
    words: str


class ScheduleError(ValueError):
    """A fee schedule that cannot be billed by."""


@dataclass(frozen=True, slots=True)
class FeeSchedule:
    """Prices by code, and the code that an appointment's type stands for.

    Care that was given is always billed: a code that is not listed costs *unlisted*, and a type that
    is not listed stands for *visit*.
    """

    currency: str
    fees: Mapping[str, Fee]
    visits: Mapping[str, str]
    unlisted: int
    visit: str

    def price(self, appointment_type: str, performed: Iterable[Performed]) -> tuple[Line, ...]:
        """The lines of a claim: what was performed, or else the visit the type stands for."""
        given = tuple(performed) or (self._visit(appointment_type),)
        return tuple(self._line(service) for service in given)

    def _visit(self, appointment_type: str) -> Performed:
        code = self.visits.get(appointment_type, self.visit)
        return Performed(Coded(CPT if code.isdigit() else HCPCS, code, self.fees[code].words), 1)

    def _line(self, service: Performed) -> Line:
        fee = self.fees.get(service.code.code.strip().upper())
        # A service that was given counts once even where its quantity was left out.
        return Line(service.code, max(service.quantity, 1), fee.price if fee else self.unlisted)


def parse(text: str) -> FeeSchedule:
    """Read a fee schedule in the form of `fees.toml`; raise ScheduleError when it cannot be used."""
    read = tomllib.loads(text)
    listed = [entry for prices in read["prices"].values() for entry in prices.items()]
    fees = {code: Fee(fee["price"], fee["words"]) for code, fee in listed}
    schedule = FeeSchedule(
        read["currency"], fees, read["appointment_types"], read["unlisted"], read["visit"]
    )
    if len(fees) != len(listed):
        raise ScheduleError("a code is priced twice")
    if unpriced := {schedule.visit, *schedule.visits.values()} - fees.keys():
        raise ScheduleError(f"no price for {', '.join(sorted(unpriced))}")
    # A claim over nothing could never be paid, so it would stay open for ever.
    if min(schedule.unlisted, *(fee.price for fee in fees.values())) <= 0:
        raise ScheduleError("every price is more than nothing")
    return schedule
