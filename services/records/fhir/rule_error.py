"""What is wrong with a resource, and where."""

import re

UNKNOWN = "?"
"""Stands for a name that no element has: who sent it may have meant it for a value."""

_ELEMENT_NAME = re.compile(r"_?[A-Za-z][A-Za-z0-9]{0,63}")


class RuleError(Exception):
    """One broken rule. `path` grows from the inside out as the error leaves each level, so that a
    sound resource never pays for building paths. Neither part ever holds a value from the input."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = ""

    def below(self, step: str | int) -> "RuleError":
        """This error, seen from one level further out: below an element name or a list index."""
        self.path = f"{_written(step)}{self.path}"
        return self


def _written(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    # A misplaced name is input too: only what looks like an element name is repeated.
    return f".{step}" if _ELEMENT_NAME.fullmatch(step) else ".?"
