"""The state folder: where everything of one platform lies, readable by its owner only."""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from mesh.runtime.errors import HomeUnusable

# sockaddr_un holds 104 bytes on macOS and BSD, 108 on Linux, with the closing zero.
_LONGEST_SOCKET_PATH = 103
_SOCKETS = ("runtime.sock", "traces.sock")


@dataclass(frozen=True, slots=True)
class Home:
    """Paths below PLEXUS_HOME. *sockets* is the same folder by a name short enough for sockets."""

    path: Path
    sockets: Path

    @classmethod
    def at(cls, path: Path) -> Home:
        """The state folder at *path*, which need not exist."""
        whole = path.absolute()
        return cls(whole, _short(whole))

    @property
    def runtime_socket(self) -> Path:
        """Where the runtime answers."""
        return self.sockets / "runtime.sock"

    @property
    def traces_socket(self) -> Path:
        """Where spans are taken in."""
        return self.sockets / "traces.sock"

    @property
    def logs(self) -> Path:
        """A file for each process."""
        return self.path / "logs"

    @property
    def records(self) -> Path:
        """Which processes run, as the runtime last wrote it."""
        return self.path / "processes.json"

    @property
    def trust_bundle(self) -> Path:
        """The certificate authority's certificate; it is there once the control plane was."""
        return self.path / "authority" / "ca.pem"

    def log_of(self, process: str) -> Path:
        """The file that a process's output goes to."""
        return self.logs / f"{process}.log"

    def make(self) -> None:
        """Make the folder, or check the one there is; HomeUnusable."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            _check_owner(self.path)
            self.path.chmod(0o700)
            for name in ("logs", "data", "certificates"):
                (self.path / name).mkdir(mode=0o700, exist_ok=True)
            self._link()
        except OSError as error:
            raise HomeUnusable(
                f"the state folder {self.path} cannot be used: {error.strerror}",
                "set PLEXUS_HOME to a folder you may write",
            ) from None

    def lock(self) -> int | None:
        """Take the folder for this process; None when another holds it.

        The descriptor that is returned holds the lock for as long as it is open: the operating
        system lets go of it however the process ends.
        """
        descriptor = os.open(self.path / "runtime.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return None
        return descriptor

    def is_held(self) -> bool:
        """Whether a runtime runs here."""
        if not (self.path / "runtime.lock").exists():
            return False
        descriptor = self.lock()
        if descriptor is None:
            return True
        os.close(descriptor)
        return False

    def clear_sockets(self) -> None:
        """Remove the sockets, and the short name they had."""
        self.runtime_socket.unlink(missing_ok=True)
        self.traces_socket.unlink(missing_ok=True)
        if self.sockets != self.path:
            self.sockets.unlink(missing_ok=True)

    def _link(self) -> None:
        if self.sockets == self.path:
            return
        try:
            self.sockets.symlink_to(self.path, target_is_directory=True)
        except FileExistsError:
            # The folder of temporary files is everybody's: what is there must be ours.
            _check_owner(self.sockets)
            if not self.sockets.is_symlink() or self.sockets.readlink() != self.path:
                raise HomeUnusable(
                    f"{self.sockets} is in the way of this state folder's sockets",
                    f"remove it, or set PLEXUS_HOME to a path below {_longest_home()} bytes",
                ) from None


def _short(path: Path) -> Path:
    if len(os.fsencode(path)) <= _longest_home():
        return path
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"plexus-{os.getuid()}-{digest}"


def _longest_home() -> int:
    return _LONGEST_SOCKET_PATH - max(map(len, _SOCKETS)) - 1


def _check_owner(path: Path) -> None:
    found = path.lstat()
    if found.st_uid != os.getuid():
        raise HomeUnusable(
            f"{path} belongs to another user", "set PLEXUS_HOME to a folder of your own"
        )
    if path.is_symlink() or stat.S_ISDIR(found.st_mode):
        return
    raise HomeUnusable(f"{path} is not a folder", "set PLEXUS_HOME to a folder")
