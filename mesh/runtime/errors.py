"""What an operator can get wrong or run into, each with a cause and a mend in one line.

Mistake
├── NotRunning        nothing runs in this state folder
├── StartFailed       the platform, or a part of it, did not come up
├── ControlPlaneDown  the runtime runs, the control plane does not answer
├── NotReady          replicas did not become ready in time
├── TargetUnknown     no process or service of that name
├── TraceUnknown      no span of that trace was kept
├── HomeUnusable      the state folder cannot be used
└── ProgramMissing    Jaeger or Prometheus is wanted, and this machine has none
"""

from __future__ import annotations


class Mistake(Exception):
    """*cause* says what is wrong, *mend* what to do about it; both are one line."""

    def __init__(self, cause: str, mend: str) -> None:
        super().__init__(f"{cause}; {mend}")
        self.cause = cause
        self.mend = mend


class NotRunning(Mistake):
    """Nothing runs in this state folder."""


class StartFailed(Mistake):
    """The platform, or a part of it, did not come up."""


class ControlPlaneDown(Mistake):
    """The runtime runs, and the control plane does not answer."""


class NotReady(Mistake):
    """Replicas did not become ready in time."""


class TargetUnknown(Mistake):
    """No process or service of that name."""


class TraceUnknown(Mistake):
    """No span of that trace was kept."""


class HomeUnusable(Mistake):
    """The state folder cannot be used."""


class ProgramMissing(Mistake):
    """Jaeger or Prometheus is wanted, and this machine has none."""
