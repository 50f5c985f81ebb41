"""Jaeger and Prometheus: programs that are not ours, found on this machine or fetched once.

A program is sought where its variable says (`PLEXUS_JAEGER`, `PLEXUS_PROMETHEUS`), on the path, and
in the cache folder. What is nowhere can be fetched into the cache folder: built by Go from its
published module, or taken out of Debian's package, which is not installed: nothing is started, and
nothing outside the folder is changed.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mesh.runtime.errors import ProgramMissing

Say = Callable[[str], None]

_BUILD_SECONDS = 3600.0
_FETCH_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Program:
    """A program and where it comes from. *says* stands in what it prints for *ask*.

    *module* at *revision* is the Go module that holds it and its *companions* in `cmd`; *stamp* is
    what the linker writes into them. *debian* is the package that holds them, empty when none does.
    *folder* is theirs in the cache folder.
    """

    name: str
    variable: str
    ask: tuple[str, ...]
    says: str
    module: str
    revision: str
    stamp: str
    folder: str
    debian: str = ""
    companions: tuple[str, ...] = ()


# The module's tags ended with v1.76.0, which is the very commit of v2.13.0: see its CHANGELOG.
JAEGER = Program(
    name="jaeger",
    variable="PLEXUS_JAEGER",
    ask=("version",),
    says='"gitVersion"',
    module="github.com/jaegertracing/jaeger",
    revision="v1.76.0",
    stamp="-X github.com/jaegertracing/jaeger/internal/version.latestVersion=v2.13.0",
    folder="jaeger-2.13.0",
)
# Go calls version 3.7.3 v0.307.3.
PROMETHEUS = Program(
    name="prometheus",
    variable="PLEXUS_PROMETHEUS",
    ask=("--version",),
    says="prometheus, version",
    module="github.com/prometheus/prometheus",
    revision="v0.307.3",
    stamp="-X github.com/prometheus/common/version.Version=3.7.3",
    folder="prometheus",
    debian="prometheus",
    companions=("promtool",),
)


def find(program: Program, environ: Mapping[str, str] = os.environ) -> Path | None:
    """The program, when this machine has it; ProgramMissing when its variable names what is not it.

    Anything else that happens to have its name on the path is passed over.
    """
    if stated := environ.get(program.variable):
        if not _is(program, Path(stated)):
            raise ProgramMissing(
                f"{program.variable} is {stated}, which is not {program.name}",
                f"name the {program.name} to use, or unset {program.variable}",
            )
        return Path(stated)
    on_path = shutil.which(program.name, path=environ.get("PATH"))
    for candidate in (Path(on_path) if on_path else None, _cached(program, environ)):
        if candidate is not None and _is(program, candidate):
            return candidate
    return None


def obtain(
    program: Program, say: Say = lambda _: None, environ: Mapping[str, str] = os.environ
) -> Path:
    """The program: found, else fetched, which is told to *say* first; ProgramMissing."""
    found = find(program, environ)
    if found is not None:
        return found
    target = _cached(program, environ)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _alone(target.parent):
        if not target.exists():
            _fetch(program, target, say)
    return target


def version_of(binary: Path, program: Program) -> str:
    """What the program says its version is, such as `v2.13.0`; empty when it does not say."""
    told = _told(binary, program)
    if program is JAEGER:
        try:
            stated, _ = json.JSONDecoder().raw_decode(told, told.index("{"))
            return str(stated["gitVersion"])
        except (ValueError, KeyError):
            return ""
    words = told.partition(program.says)[2].split()
    return words[0] if words else ""


def cache(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder that fetched programs are kept in."""
    base = environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME") or Path.home()) / ".cache"
    return Path(base) / "plexus"


def _cached(program: Program, environ: Mapping[str, str]) -> Path:
    return cache(environ) / program.folder / program.name


def _is(program: Program, binary: Path) -> bool:
    return program.says in _told(binary, program)


def _told(binary: Path, program: Program) -> str:
    line = [str(binary), *program.ask]
    try:
        told = subprocess.run(line, capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return ""
    return told.stdout + told.stderr


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process at a time fetch into *folder*."""
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch(program: Program, target: Path, say: Say) -> None:
    tries: list[Callable[[], str]] = []
    if program.debian and shutil.which("apt-get") and shutil.which("dpkg-deb"):
        tries.append(lambda: _unpack(program, target, say))
    if shutil.which("go"):
        tries.append(lambda: _build(program, target, say))
    obstacles = [obstacle for attempt in tries if not target.exists() and (obstacle := attempt())]
    if not target.exists():
        raise ProgramMissing(
            f"there is no {program.name} here, and none could be had: "
            f"{'; '.join(obstacles) or 'no Go to build it with'}",
            f"install {program.name} or Go 1.25, or let {program.variable} name its binary",
        )


def _build(program: Program, target: Path, say: Say) -> str:
    """Build it in its own module, so with its own versions; what went wrong, if anything did."""
    source = f"{program.module}@{program.revision}"
    say(f"building {program.name} from {source} with Go, once; this takes a while")
    # Builds of a working tree's kind: neither the caller's flags nor a workspace of his.
    environment = {**os.environ, "GOFLAGS": "-mod=readonly", "GOWORK": "off", "CGO_ENABLED": "0"}
    download = ("go", "mod", "download", "-json", source)
    told = _run(download, environment, _FETCH_SECONDS, Path(tempfile.gettempdir()))
    try:
        folder = str(json.loads(told.stdout)["Dir"])
    except (ValueError, KeyError):
        return f"Go cannot get {source}: {_last(told)}"
    flags = ("-trimpath", "-buildvcs=false", "-ldflags", f"-s -w {program.stamp}")
    for name in (*program.companions, program.name):
        made = target.absolute().with_name(f"{name}.new")
        line = ("go", "build", "-C", folder, *flags, "-o", str(made), f"./cmd/{name}")
        told = _run(line, environment, _BUILD_SECONDS, target.parent)
        if told.returncode or not made.exists():
            return f"Go cannot build {source}: {_last(told)}"
        made.replace(target.with_name(name))
    return ""


def _unpack(program: Program, target: Path, say: Say) -> str:
    """Take it out of Debian's package; what went wrong, if anything did."""
    say(f"getting {program.name} out of Debian's package, once")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        download = ("apt-get", "-q", "download", program.debian)
        told = _run(download, os.environ, _FETCH_SECONDS, folder)
        if told.returncode and os.geteuid() == 0:
            # A machine that never asked has no list of what there is.
            _run(("apt-get", "-q", "update"), os.environ, _FETCH_SECONDS, folder)
            told = _run(download, os.environ, _FETCH_SECONDS, folder)
        package = next(folder.glob("*.deb"), None)
        if package is None:
            return f"Debian's package cannot be had: {_last(told)}"
        told = _run(
            ("dpkg-deb", "--extract", str(package), "out"), os.environ, _FETCH_SECONDS, folder
        )
        for name in (*program.companions, program.name):
            unpacked = folder / "out" / "usr" / "bin" / name
            if not unpacked.exists():
                return f"Debian's package does not hold {name}: {_last(told)}"
            made = target.with_name(f"{name}.new")
            shutil.copy2(unpacked, made)
            made.replace(target.with_name(name))
    return ""


def _run(
    line: tuple[str, ...], environment: Mapping[str, str], longest: float, folder: Path
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            line,
            env=environment,
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=longest,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(line, 1, "", f"not done in {longest:g} s")


def _last(told: subprocess.CompletedProcess[str]) -> str:
    lines = (told.stderr or told.stdout).strip().splitlines()
    return lines[-1][:200] if lines else "it said nothing"


def main() -> None:
    """Fetch what is missing, and say what there is."""
    for program in (JAEGER, PROMETHEUS):
        try:
            binary = obtain(program, lambda line: print(line, flush=True))  # noqa: T201
            print(f"{program.name} {version_of(binary, program)}: {binary}")  # noqa: T201
        except ProgramMissing as missing:
            print(f"{missing.cause}; {missing.mend}")  # noqa: T201


if __name__ == "__main__":
    main()
