"""What may be tuned about calls without changing what a contract says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tuning:
    """Numbers of the client stack.

    *attempts* counts the first one, for channels whose target is not an xDS name; in the mesh the
    route says it. *breaker_failures* in a row open a breaker for *breaker_seconds*. An optional call
    gets at most *optional_share* of the time its caller has left. *sampling* is the share of
    traces begun here that are recorded, 0 to 1; None leaves it to the service that is called. A call
    that takes more than *slow_share* of its deadline leaves a span even when it is not recorded.

    A repeatable call that takes longer than such calls usually do, and longer than *hedge_floor*
    seconds, is sent again, up to *hedge_rivals* times: which replica has an attempt is gRPC's choice, and
    of two the one that hangs may be chosen several times. Over time at most *hedge_budget* of the calls
    are: a channel begins with *hedge_start* hedges, and what calls that were in time leave over is
    saved up, to *hedge_reserve* hedges, for when a replica hangs. A burst on a young channel is thus not
    made worse by hedges, and minutes of ordinary traffic pay for the seconds of a hang.

    At most *bulkhead* calls of a channel are under way at once; 0 sets no bound.
    """

    attempts: int = 3
    breaker_failures: int = 5
    breaker_seconds: float = 1.0
    optional_share: float = 0.8
    sampling: float | None = 0.01
    slow_share: float = 0.5
    hedge_floor: float = 0.02
    hedge_rivals: int = 3
    hedge_budget: float = 0.05
    hedge_start: float = 5.0
    hedge_reserve: float = 500.0
    bulkhead: int = 0
