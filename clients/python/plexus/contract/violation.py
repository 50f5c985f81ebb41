"""What a proof says when the contracts do not hold it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Violation:
    """One place where the contracts contradict themselves or leave something unsaid.

    *method_or_field* is the full name of what to change: a method, a task, a field or an error
    enum's value. *mend* says how.
    """

    file: str
    method_or_field: str
    proof: str
    what: str
    mend: str

    def __str__(self) -> str:
        return f"{self.file}: {self.method_or_field}: {self.what}\n  mend: {self.mend}"
