"""What is written on the span of a sampled call. A call that is not sampled has none, and pays nothing.

Names are those of OpenTelemetry's semantic conventions where they have one, and `plexus.…` where not.
Written are methods, outcomes, documented reasons and numbers; never anything of a message.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import grpc
from opentelemetry.context import get_current

from plexus.client import otel
from plexus.errors import PlexusError

STATUS_CODE: Final = "rpc.grpc.status_code"
REASON: Final = "plexus.error.reason"
DOMAIN: Final = "plexus.error.domain"
DEPENDENCY: Final = "plexus.dependency"
SECONDS: Final = "plexus.seconds"

Attributes = Mapping[str, str | int | float | bool]


def note(name: str, attributes: Attributes | None = None) -> None:
    """Tell of something that happened, on the span of the call in progress."""
    if not get_current():
        # Whoever has no context has no span.
        return
    span = otel.get_current_span()
    if span.is_recording():
        span.add_event(name, attributes)


def reasons(error: PlexusError) -> dict[str, str | int | float | bool]:
    """Why a call failed, as attributes."""
    found: dict[str, str | int | float | bool] = {
        STATUS_CODE: error.status.value[0],
        "error.type": error.reason,
        REASON: error.reason,
    }
    if error.domain:
        found[DOMAIN] = error.domain
    if dependency := error.metadata.get("dependency"):
        found[DEPENDENCY] = dependency
    return found


def explain(span: otel.Span, error: Exception) -> None:
    """Write on the span of a call that was made why it failed."""
    if isinstance(error, PlexusError):
        span.set_attributes(reasons(error))
        span.set_status(otel.StatusCode.ERROR, error.reason)
        return
    # An exception's text may hold anything; its kind does not.
    kind = type(error).__name__
    unknown = grpc.StatusCode.UNKNOWN.value[0]
    span.set_attributes({STATUS_CODE: unknown, "error.type": kind})
    span.set_status(otel.StatusCode.ERROR, kind)
