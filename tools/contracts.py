"""Builds the contracts: image, Python code, lint, breaking changes. Needs no schema registry.

python -m tools.contracts image      build/contracts.binpb, a FileDescriptorSet with comments
python -m tools.contracts generate   clients/python, from protos/
python -m tools.contracts drift      fails when the committed code is not what `generate` makes
python -m tools.contracts lint       buf lint, STANDARD and COMMENTS
python -m tools.contracts breaking   buf breaking against main, or BREAKING_BASE
"""

from __future__ import annotations

import filecmp
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
PYTHON = ROOT / "clients" / "python"
BUILD = ROOT / "build"
BIN = Path(sys.executable).parent

GENERATED = ("*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py", "*_pb2_grpc.pyi")


class ContractBuildError(Exception):
    """A step of the build failed; the text says what the tool said."""


def dependencies(target: Path) -> Path:
    """Write the contracts' imports as a FileDescriptorSet, taken from installed packages."""
    from google.api import annotations_pb2, http_pb2
    from google.protobuf import (
        descriptor_pb2,
        duration_pb2,
        empty_pb2,
        field_mask_pb2,
        timestamp_pb2,
    )
    from google.rpc import code_pb2
    from protovalidate._gen.buf.validate import validate_pb

    wanted = (
        descriptor_pb2,
        duration_pb2,
        empty_pb2,
        field_mask_pb2,
        timestamp_pb2,
        http_pb2,
        annotations_pb2,
        code_pb2,
    )
    files = descriptor_pb2.FileDescriptorSet()
    for module in wanted:
        module.DESCRIPTOR.CopyToProto(files.file.add())
    files.file.add().ParseFromString(validate_pb._DESC.proto.to_binary())
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(files.SerializeToString(deterministic=True))
    return target


def sources(protos: Path) -> list[str]:
    """The .proto files below a folder, relative to it, in order."""
    return sorted(str(path.relative_to(protos)) for path in protos.rglob("*.proto"))


def protoc(protos: Path, deps: Path, files: Sequence[str], *flags: str) -> None:
    """Run the protoc that grpcio-tools brings."""
    command = [sys.executable, "-m", "grpc_tools.protoc", f"--descriptor_set_in={deps}"]
    _run([*command, f"-I{protos}", *flags, *files])


def image(target: Path, protos: Path = PROTOS) -> Path:
    """Compile *protos* with comments and imports into the image *target*."""
    with tempfile.TemporaryDirectory() as folder:
        deps = dependencies(Path(folder) / "deps.binpb")
        target.parent.mkdir(parents=True, exist_ok=True)
        flags = ("--include_imports", "--include_source_info", "-o", str(target))
        protoc(protos, deps, sources(protos), *flags)
    return target


def generate(target: Path = PYTHON) -> None:
    """Write messages, stubs and their types below *target*; remove what is stale."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        out.mkdir()
        deps = dependencies(Path(folder) / "deps.binpb")
        plugins = (
            f"--plugin=protoc-gen-mypy={BIN / 'protoc-gen-mypy'}",
            f"--plugin=protoc-gen-mypy_grpc={BIN / 'protoc-gen-mypy_grpc'}",
        )
        files = sources(PROTOS)
        everything = [*files, "buf/validate/validate.proto"]
        protoc(
            PROTOS,
            deps,
            everything,
            *plugins,
            f"--python_out={out}",
            f"--mypy_out=relax_strict_optional_primitives:{out}",
        )
        services = [name for name in files if name.endswith("_service.proto")]
        protoc(
            PROTOS,
            deps,
            services,
            *plugins,
            f"--grpc_python_out={out}",
            f"--mypy_grpc_out={out}",
        )
        _replace(out, target)


def drift() -> list[str]:
    """The generated files whose committed text is not what the contracts make."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        generate(fresh)
        made = {path.relative_to(fresh) for path in _generated(fresh)}
        kept = {path.relative_to(PYTHON) for path in _generated(PYTHON)}
        differing = {
            path
            for path in made & kept
            if not filecmp.cmp(fresh / path, PYTHON / path, shallow=False)
        }
        return sorted(str(path) for path in (made ^ kept) | differing)


def lint(contracts: Path | None = None) -> None:
    """Hold an image, by default that of protos/, to buf's STANDARD and COMMENTS."""
    contracts = contracts or image(BUILD / "contracts.binpb")
    _run([str(BIN / "buf"), "lint", str(contracts), "--config", "buf.yaml"])


def compare(after: Path, before: Path) -> None:
    """Raise ContractBuildError, with each break, when an image breaks users of an earlier one."""
    command = [str(BIN / "buf"), "breaking", str(after), "--against", str(before)]
    _run([*command, "--config", "buf.yaml"])


def breaking() -> str:
    """Compare with the contracts of the base commit; return what was compared with."""
    base = _base()
    if base is None:
        return "nothing to compare with: this is the first commit with contracts"
    with tempfile.TemporaryDirectory() as folder:
        old = Path(folder) / "old"
        archive = subprocess.run(
            ["git", "archive", base, "protos"], cwd=ROOT, check=True, capture_output=True
        ).stdout
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(old, filter="data")
        before = image(Path(folder) / "before.binpb", old / "protos")
        compare(image(BUILD / "contracts.binpb"), before)
    return f"compared with {base}"


def _base() -> str | None:
    """The commit to stay compatible with: main, or the one before it when HEAD is main."""
    head = _commit("HEAD")
    for ref in (os.environ.get("BREAKING_BASE"), "origin/main", "main", "HEAD~1"):
        commit = _commit(ref) if ref else None
        changed = subprocess.run(["git", "diff", "--quiet", "HEAD", "--", "protos"], cwd=ROOT)
        if commit and (commit != head or changed.returncode) and _holds_contracts(commit):
            return commit
    return None


def _commit(ref: str) -> str | None:
    found = subprocess.run(
        ["git", "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    return found.stdout.strip() or None


def _holds_contracts(commit: str) -> bool:
    found = subprocess.run(
        ["git", "ls-tree", "-r", "--name-only", commit, "protos"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    return ".proto" in found.stdout


def _generated(folder: Path) -> set[Path]:
    return {path for pattern in GENERATED for path in folder.rglob(pattern)}


def _replace(made: Path, target: Path) -> None:
    keep = {path.relative_to(made) for path in _generated(made)}
    for path in _generated(target):
        if path.relative_to(target) not in keep:
            path.unlink()
    for name in keep:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(made / name, target / name)


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise ContractBuildError((done.stdout + done.stderr).strip())


def main(arguments: Sequence[str]) -> int:
    """Run one verb; print what it found and return the exit code."""
    verb = arguments[0] if arguments else ""
    try:
        if verb == "image":
            print(image(BUILD / "contracts.binpb").relative_to(ROOT))
        elif verb == "generate":
            generate()
        elif verb == "drift":
            if stale := drift():
                print("generated code is not up to date; run `make generate`:", *stale, sep="\n  ")
                return 1
        elif verb == "lint":
            lint()
        elif verb == "breaking":
            print(f"buf breaking: {breaking()}")
        else:
            print(__doc__)
            return 2
    except ContractBuildError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
