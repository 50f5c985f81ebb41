"""Why a fault is not made."""

from __future__ import annotations


class NotInjectable(Exception):
    """The fault cannot be made here; the text says why, such as a right that is missing."""
