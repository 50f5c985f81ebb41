"""Where chaos happens: a platform of its own in a folder of its own, and an end to it, come what may."""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from mesh.runtime.client import Platform
from mesh.runtime.errors import Mistake
from mesh.runtime.home import Home

SWITCH = "PLEXUS_CHAOS"
"""Tells the processes of the platform that they may be disturbed."""

_MARKER = "chaos-run"
_NONCE = secrets.token_hex(16)
_BOOTSTRAPS = ("GRPC_XDS_BOOTSTRAP", "GRPC_XDS_BOOTSTRAP_CONFIG")
_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LONGEST_BIRTH = 3.0


class NotOurs(Mistake):
    """The platform was not started by this run."""


def assert_ours(home: Home) -> None:
    """Raise NotOurs unless this very process has marked the state folder as its own."""
    try:
        found = (home.path / _MARKER).read_text(encoding="ascii")
    except OSError:
        found = ""
    if found != _NONCE:
        raise NotOurs(
            f"the platform in {home.path} was not started by this chaos run",
            "chaos starts a platform of its own: run it without --home",
        )


def mark(home: Home) -> None:
    """Mark a state folder, which must not run yet, as this process's own."""
    if home.is_held():
        raise NotOurs(
            f"a platform runs in {home.path} already", "chaos starts a platform of its own"
        )
    home.make()
    marker = home.path / _MARKER
    marker.write_text(_NONCE, encoding="ascii")
    marker.chmod(0o600)


def forget_platform(environ: MutableMapping[str, str]) -> None:
    """Leave nothing in the environment that leads to a platform, or a database, of the user's."""
    for name in [name for name in environ if name.startswith("PLEXUS_") or name in _BOOTSTRAPS]:
        if name != "PLEXUS_DEBUG":
            del environ[name]
    environ[SWITCH] = "1"


@contextmanager
def private_platform(*, keep: bool = False) -> Iterator[Platform]:
    """A platform in a new folder, which does not run yet.

    At the end everything that runs in it is ended and the folder removed; *keep* leaves the folder,
    for its logs. SIGTERM and SIGHUP end the run as Ctrl-C does.
    """
    forget_platform(os.environ)
    folder = Path(tempfile.mkdtemp(prefix="plexus-chaos-"))
    platform = Platform(folder, subject="chaos")
    mark(platform.home)
    before = {number: signal.signal(number, _interrupt) for number in _ENDINGS}
    atexit.register(_end, platform)
    try:
        yield platform
    finally:
        for number in _ENDINGS:
            signal.signal(number, signal.SIG_IGN)
        _end(platform)
        atexit.unregister(_end)
        if not keep:
            # gRPC looks at its certificates for as long as this process lives, and complains of their loss.
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(platform: Platform) -> None:
    if not platform.home.path.exists():
        return
    assert_ours(platform.home)
    _await_birth(platform)
    with suppress(Mistake):
        platform.down(force=True)
    platform.close()
    if platform.home.sockets != platform.home.path:
        platform.home.sockets.unlink(missing_ok=True)


def _await_birth(platform: Platform) -> None:
    """A runtime that was started the moment before holds its folder only a moment later."""
    if not platform.home.log_of("runtime").exists():
        return
    deadline = time.monotonic() + _LONGEST_BIRTH
    while not platform.is_running() and time.monotonic() < deadline:
        time.sleep(0.05)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    del number, frame
    raise KeyboardInterrupt
