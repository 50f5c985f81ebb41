"""Follows one chat with triage through every service it touches."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from demo.journeys import STORIES
from demo.patience import insist
from demo.traces import Branch, grow, services_of, simplify
from mesh.runtime.client import Platform
from mesh.runtime.errors import TraceUnknown
from mesh.runtime.tracing import traced
from mesh.topology import EDGE
from observability import tracing
from plexus.billing.v1.billing_service_pb2 import ListClaimsRequest
from plexus.billing.v1.billing_service_pb2_grpc import BillingServiceStub
from plexus.errors import PlexusError
from plexus.mesh.v1.runtime_service_pb2 import Span
from plexus.triage.v1 import triage_service_pb2 as triage
from plexus.triage.v1.triage_service_pb2_grpc import TriageServiceStub

_STORY = STORIES[1]
_ROUNDS = 4
_POLL = 0.1
_SETTLED = 0.6
_LONGEST = 4.0


class Failure(NamedTuple):
    """The trace of a call that failed."""

    trace_id: str
    spans: Sequence[Span]


def trace_chat(
    platform: Platform, desk: TriageServiceStub, patients: Sequence[str]
) -> tuple[list[str], tuple[Branch, ...]]:
    """The services in the trace of first words to triage, this caller first, and its tree."""
    tracing.configure(EDGE, EDGE, f"unix:{platform.home.traces_socket}")
    # The first traced call makes each process load its instrumentation; a later one shows a call.
    for _ in range(_ROUNDS):
        request = triage.StartConversationRequest(patient_id=patients[0], text=_STORY)
        with traced() as trace_id:
            insist(desk.StartConversation, request)
    tracing.flush()
    spans = _await_spans(platform, trace_id)
    return services_of(spans), tuple(map(simplify, grow(spans)))


def trace_refusal(platform: Platform, office: BillingServiceStub) -> Failure:
    """A call to billing while it is gone: the trace that shows why it fails."""
    with traced() as trace_id, suppress(PlexusError):
        office.ListClaims(ListClaimsRequest(page_size=1))
    tracing.flush()
    return Failure(trace_id, _await_spans(platform, trace_id))


def _await_spans(platform: Platform, trace_id: str) -> Sequence[Span]:
    """The spans, when no more have come for a while: each process sends its own."""
    found: Sequence[Span] = ()
    began = changed = time.monotonic()
    while time.monotonic() - began < _LONGEST:
        try:
            now = platform.trace(trace_id)
        except TraceUnknown:
            now = []
        if len(now) != len(found):
            found, changed = now, time.monotonic()
        if found and time.monotonic() - changed > _SETTLED:
            break
        time.sleep(_POLL)
    return found
