"""Where the demo plays: a state folder of its own, and an end to every process in it, come what may."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

from demo.bundles import DataUnusable
from mesh.runtime.client import Platform
from mesh.runtime.errors import Mistake

_BOOTSTRAPS = ("GRPC_XDS_BOOTSTRAP", "GRPC_XDS_BOOTSTRAP_CONFIG")
_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LONGEST_BIRTH = 3.0
_LONGEST_END = 10.0
_POLL = 0.05


def forget_platform(environ: MutableMapping[str, str]) -> None:
    """Leave nothing in the environment that leads to a platform, or a database, of the user's."""
    for name in [name for name in environ if name.startswith("PLEXUS_") or name in _BOOTSTRAPS]:
        if name != "PLEXUS_DEBUG":
            del environ[name]


@dataclass(slots=True)
class Stage:
    """The platform, which does not run yet. What is *broken* is worth its logs."""

    platform: Platform
    broken: bool = False

    @property
    def folder(self) -> Path:
        """The state folder."""
        return self.platform.home.path


@contextmanager
def private_stage(*, keep: bool) -> Iterator[Stage]:
    """A platform in a new folder.

    At the end everything that runs in it is stopped and the folder removed; the logs stay when
    something failed, and all of it when nothing did and *keep* says so. SIGTERM and SIGHUP end the
    demo as Ctrl-C does.
    """
    forget_platform(os.environ)
    folder = Path(tempfile.mkdtemp(prefix="plexus-demo-"))
    stage = Stage(Platform(folder, subject="demo"))
    before = {number: signal.signal(number, _interrupt) for number in _ENDINGS}
    ended = False
    try:
        yield stage
        ended = True
    except DataUnusable:
        raise
    except Exception:
        stage.broken = True
        print(f"the logs are kept in {folder / 'logs'}", file=sys.stderr)
        raise
    finally:
        for number in _ENDINGS:
            signal.signal(number, signal.SIG_IGN)
        if ended and keep:
            stage.platform.close()
        else:
            _end(stage.platform, gently=ended)
            _clear(folder, but="logs" if stage.broken else "")
        for number, handler in before.items():
            signal.signal(number, handler)


def _clear(folder: Path, but: str) -> None:
    for inside in folder.iterdir():
        if inside.name == but:
            continue
        if inside.is_dir():
            shutil.rmtree(inside, ignore_errors=True)
        else:
            inside.unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()


def _end(platform: Platform, *, gently: bool) -> None:
    _await_birth(platform)
    if not (gently and _down(platform, force=False)):
        deadline = time.monotonic() + _LONGEST_END
        while platform.is_running() and time.monotonic() < deadline:
            _down(platform, force=True)
            time.sleep(_POLL)
    platform.close()
    _remove_link(platform)


def _down(platform: Platform, *, force: bool) -> bool:
    try:
        platform.down(force=force)
    except Mistake:
        return False
    return True


def _await_birth(platform: Platform) -> None:
    """A runtime that was started the moment before holds its folder only a moment later."""
    if not platform.home.log_of("runtime").exists():
        return
    deadline = time.monotonic() + _LONGEST_BIRTH
    while not platform.is_running() and time.monotonic() < deadline:
        time.sleep(_POLL)


def _remove_link(platform: Platform) -> None:
    if platform.home.sockets != platform.home.path:
        platform.home.sockets.unlink(missing_ok=True)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    del number, frame
    raise KeyboardInterrupt
