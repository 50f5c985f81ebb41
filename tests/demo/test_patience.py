"""How the demo's own calls put up with a busy platform."""

from __future__ import annotations

import grpc
import pytest

from demo.patience import insist
from plexus.errors import NotFound, Overloaded, PlexusError, Unavailable
from plexus.scheduling.v1.scheduling_service_pb2 import CreateClinicRequest

BUSY = Overloaded(grpc.StatusCode.RESOURCE_EXHAUSTED)


class Desk:
    def __init__(self, *failures: PlexusError) -> None:
        self.failures = list(failures)
        self.ids: list[str] = []

    def create(self, request: CreateClinicRequest) -> str:
        self.ids.append(request.request_id)
        if self.failures:
            raise self.failures.pop(0)
        return "done"


def test_a_busy_platform_is_asked_again_with_the_same_request_id() -> None:
    desk = Desk(BUSY)
    assert insist(desk.create, CreateClinicRequest()) == "done"
    assert (len(desk.ids), len(set(desk.ids)), all(desk.ids)) == (2, 1, True)


@pytest.mark.parametrize(
    ("failure", "seconds"),
    [
        (NotFound(grpc.StatusCode.NOT_FOUND), 60.0),
        (Unavailable(grpc.StatusCode.UNAVAILABLE), 0.0),
    ],
)
def test_what_waiting_does_not_mend_and_what_lasts_too_long_is_raised(
    failure: PlexusError, seconds: float
) -> None:
    desk = Desk(failure)
    with pytest.raises(type(failure)):
        insist(desk.create, CreateClinicRequest(), seconds)
    assert len(desk.ids) == 1
