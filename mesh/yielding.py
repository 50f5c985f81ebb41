"""A process that starts gives way to those that serve.

To start takes a second of a core. On a busy machine it is taken from the calls that the other replicas
have just taken over, and they are late. Linux gives each session an equal share of the machine, whatever
the niceness of what is in it (autogroup, sched(7)): so the share of the starting process's own session
is lowered, and raised again when it serves, or after a while: a machine too busy for it to start
needs it all the more. Where there is no such thing nothing is done.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Final

_SHARE: Final = Path("/proc/self/autogroup")
_STARTING: Final = "10"
"""A tenth of what others have, where there is not enough for all."""
_SERVING: Final = "0"
_LONGEST: Final = 3.0
# Who is not root may say so ten times a second, all processes together.
_AGAIN: Final = 0.15
_ATTEMPTS: Final = 20

_gave_way = threading.Event()


def give_way() -> None:
    """Let others go first until `take_part`, for three seconds at most."""
    if os.getsid(0) != os.getpid():
        # The session is somebody else's, and so is its share.
        return
    try:
        _SHARE.write_text(_STARTING, encoding="ascii")
    except OSError:
        return
    _gave_way.set()
    after_all = threading.Timer(_LONGEST, take_part)
    after_all.daemon = True
    after_all.start()


def take_part() -> None:
    """Have an equal share again, if it was given away."""
    for _ in range(_ATTEMPTS if _gave_way.is_set() else 0):
        try:
            _SHARE.write_text(_SERVING, encoding="ascii")
        except BlockingIOError:
            time.sleep(_AGAIN)
        else:
            _gave_way.clear()
