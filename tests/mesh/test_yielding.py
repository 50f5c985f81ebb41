"""A process that starts has the smaller share of a busy machine, and only for as long as it starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_SHARE = Path("/proc/self/autogroup")
# Where sessions have no shares, there is nothing to give away.
_WHOLE, _LESS = ("0", "10") if _SHARE.exists() else ("none", "none")
_TELL = """
from pathlib import Path
from mesh.yielding import give_way, take_part
def tell():
    share = Path("/proc/self/autogroup")
    told = share.read_text().split() if share.exists() else []
    # Empty for what was never in a session since the machine was booted: there is no share then.
    print(told[-1] if told else "none")
tell()
give_way()
tell()
take_part()
tell()
"""


def _shares(*, own_session: bool) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", _TELL],
        check=True,
        capture_output=True,
        text=True,
        start_new_session=own_session,
    )
    return done.stdout.split()


def test_who_starts_gives_way_until_it_serves() -> None:
    assert _shares(own_session=True) == [_WHOLE, _LESS, _WHOLE]


def test_the_share_of_somebody_elses_session_stays_as_it_is() -> None:
    before, during, after = _shares(own_session=False)
    assert before == during == after
