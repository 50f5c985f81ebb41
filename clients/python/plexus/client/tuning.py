"""What may be tuned about calls without changing what a contract says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tuning:
    """Numbers of the client stack.

    *attempts* counts the first one, for channels whose target is not an xDS name; in the mesh the
    route says it. *breaker_failures* in a row open a breaker for *breaker_seconds*. An optional call
    gets at most *optional_share* of the time its caller has left. *sampling* is the share of
    traces begun here that are recorded, 0 to 1.

    A repeatable call that takes longer than such calls usually do, and longer than *hedge_floor*
    seconds, is sent again, up to *hedge_rivals* times. Over time at most *hedge_budget* of the calls
    are; up to *hedge_reserve* of that is saved up for when a replica hangs.

    At most *bulkhead* calls of a channel are under way at once; 0 sets no bound.
    """

    attempts: int = 3
    breaker_failures: int = 5
    breaker_seconds: float = 1.0
    optional_share: float = 0.8
    sampling: float = 0.01
    hedge_floor: float = 0.02
    hedge_rivals: int = 2
    hedge_budget: float = 0.05
    hedge_reserve: float = 100.0
    bulkhead: int = 0
