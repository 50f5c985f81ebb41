"""Which version of the platform this is."""

from __future__ import annotations

from functools import cache
from importlib import metadata


@cache
def version() -> str:
    """The installed version; `unreleased` when it runs from its source."""
    try:
        return metadata.version("plexus-platform")
    except metadata.PackageNotFoundError:
        return "unreleased"
