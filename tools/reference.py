"""Writes docs/reference/contracts.md from the contracts: everything in it is derived.

python -m tools.reference          writes it
python -m tools.reference drift    fails when the committed text is not what would be written
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import grpc
from google.protobuf.descriptor import EnumDescriptor

from plexus.contract import Contract, Method, Reason, Service, load, reasons
from plexus.contract.graph import AUDIENCES, audited, duration, mermaid, sources
from tools.comments import comments
from tools.contracts import ROOT, image

PAGE = ROOT / "docs" / "reference" / "contracts.md"
OPENING = """# The contracts

Written from `protos/` by `python -m tools.reference`; to change it, change a contract.

Ids are opaque. A *repeatable* method may be retried and hedged; one with a *scope* can be reached
from outside with a token that has it. A call of an *audited* method leaves a record of who touched
what of which patient. Failures travel as google.rpc.Status with an ErrorInfo, whose
reason and domain are listed under [Errors](#errors). `plexus contract show METHOD` tells all of one
method, its fields too.
"""


def page() -> str:
    """The text of the page."""
    with tempfile.TemporaryDirectory() as folder:
        words = comments(image(Path(folder) / "contracts.binpb"))
    contract = load()
    sections = (
        OPENING,
        "## Who calls whom\n\nSolid: required. Dashed: optional, with what the answer lacks "
        f"without it. Thick: an event feed that is followed.\n\n```mermaid\n{mermaid(contract)}```\n",
        *(_service(contract, service, words) for service in contract.services),
        _feeds(contract),
        "## Errors\n",
        *(_errors(enum, words) for enum in contract.error_enums),
    )
    return "\n".join(sections)


def _service(contract: Contract, service: Service, words: Mapping[str, str]) -> str:
    name = service.full_name.rpartition(".")[2]
    lines = [f"## {name}\n", f"`{service.full_name}` · workload `{service.name}`\n"]
    lines += [words[service.full_name] + "\n", _policies(contract, service)]
    for method in service.methods:
        lines.append(f"- **{method.name}**: {words[method.path]}{_calls(contract, method)}")
    lines += _tasks(contract, service)
    return "\n".join(lines) + "\n"


def _policies(contract: Contract, service: Service) -> str:
    header = (
        "Method",
        "Deadline",
        "Criticality",
        "Effects",
        "Repeatable",
        "Audited",
        "Open to",
        "Callers",
    )
    rows = [
        (
            method.name,
            duration(method.deadline),
            method.criticality.name.lower(),
            "reads" if method.read_only else "writes",
            "yes" if method.repeatable else "no",
            audited(method),
            f"`{method.scope}`" if method.scope else AUDIENCES[method.audience],
            ", ".join(sources(contract, method)) or "–",
        )
        for method in service.methods
    ]
    return _table(header, rows)


def _tasks(contract: Contract, service: Service) -> Iterator[str]:
    for task in service.tasks:
        feed = f"follows {contract.method(task.follows).short}" if task.follows else "periodic"
        calls = "".join(
            f"; calls {contract.method(call.method).short}, {call.need.name.lower()}: {call.effect}"
            for call in task.calls
        )
        yield f"- Task **{task.name}**: {feed}{calls}."


def _calls(contract: Contract, method: Method) -> str:
    told = [
        f"{contract.method(call.method).short}, {call.need.name.lower()}"
        + (f" (without it: {call.effect})" if call.effect else "")
        for call in method.declared
    ]
    return f" Calls {'; '.join(told)}." if told else ""


def _feeds(contract: Contract) -> str:
    rows = [
        (
            f"`{method.short}`",
            method.output.name,
            f"`{method.scope}`" if method.scope else "–",
            ", ".join(sources(contract, method)) or "–",
        )
        for method in contract.methods.values()
        if method.server_streaming and "after_sequence" in method.input.fields_by_name
    ]
    told = (
        "A reader sends the sequence of the last event it has dealt with and gets all later ones, "
        "in order, then new ones as they come; when the stream ends it resumes."
    )
    header = ("Feed", "Message", "Scope", "Followed by")
    return f"## Event feeds\n\n{told}\n\n{_table(header, rows)}"


def _errors(enum: EnumDescriptor, words: Mapping[str, str]) -> str:
    known = reasons(enum)
    rows = [
        (
            f"`{known[value.number].name}`",
            _status(known[value.number]),
            ", ".join(f"`{key}`" for key in sorted(known[value.number].metadata)) or "–",
            words[f"{enum.full_name}.{value.name}"],
        )
        for value in enum.values
        if value.number
    ]
    domain = next(iter(known.values())).domain
    table = _table(("Reason", "Code", "Metadata", "When"), rows)
    return f"### `{domain}`\n\n{words[enum.full_name]}\n\n{table}"


def _status(reason: Reason) -> str:
    return next(code.name for code in grpc.StatusCode if code.value[0] == reason.code)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines
    )


def main(arguments: Sequence[str]) -> int:
    """Write the page, or say whether it is up to date; return the exit code."""
    if list(arguments) == ["drift"]:
        if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page():
            print(f"{PAGE.relative_to(ROOT)} is not up to date; run `make generate`")
            return 1
    elif arguments:
        print(__doc__)
        return 2
    else:
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
