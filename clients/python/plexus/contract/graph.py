"""The contracts as pictures and text: the call graph, and all that follows for one method.

Pure functions of the contract; the text is plain, without colour.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from plexus.contract.fields import reveals
from plexus.contract.reader import Audience, Call, Contract, Method, Need, Service, Task
from plexus.contract.vocabulary import OWN

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

AUDIENCES = {
    Audience.CALLERS: "declared callers",
    Audience.WORKLOADS: "any workload of the mesh",
    Audience.OPERATOR: "the operator",
    Audience.JOINING: "workloads that join",
    Audience.AUDITED: "every service with audited methods",
}

_NONE = "none"
_SCALARS: dict[int, str] = {
    number: name.removeprefix("TYPE_").lower() for name, number in FieldDescriptorProto.Type.items()
}


@dataclass(frozen=True, slots=True)
class Edge:
    """One arrow: from a method or task, such as `billing.claims`, to a method."""

    source: str
    target: str
    need: Need
    effect: str = ""
    follows: bool = False


def edges(contract: Contract) -> tuple[Edge, ...]:
    """Every declared call and followed feed, by short names, in order."""
    found: list[Edge] = []
    for service in contract.services:
        for method in service.methods:
            found += [_edge(contract, method.short, call) for call in method.declared]
        for task in service.tasks:
            found += _task_edges(contract, service, task)
    return tuple(sorted(found, key=lambda edge: (edge.source, edge.target)))


def mermaid(contract: Contract) -> str:
    """The call graph as a Mermaid flowchart.

    Required calls are solid, optional ones dashed and labelled with what is lost without them;
    followed feeds are thick. Methods that neither call nor are called are left out.
    """
    drawn = edges(contract)
    names = {name for edge in drawn for name in (edge.source, edge.target)}
    tasks = {f"{s.name}.{task.name}" for s in contract.services for task in s.tasks}
    lines = ["flowchart LR"]
    for workload in sorted({_workload(name) for name in names}):
        lines.append(f"  subgraph {workload}")
        for name in sorted(name for name in names if _workload(name) == workload):
            opening, closing = ("([", "])") if name in tasks else ("[", "]")
            lines.append(f"    {_node(name)}{opening}{name.partition('.')[2]}{closing}")
        lines.append("  end")
    lines += [f"  {_node(edge.source)} {_arrow(edge)} {_node(edge.target)}" for edge in drawn]
    return "\n".join(lines) + "\n"


def tree(contract: Contract) -> str:
    """The call graph as text: each workload, what it calls with, and what it calls."""
    drawn = edges(contract)
    lines: list[str] = []
    for workload in sorted(contract.workloads):
        own = [edge for edge in drawn if _workload(edge.source) == workload]
        lines.append(workload if own else f"{workload}  (calls nobody)")
        for source in dict.fromkeys(edge.source for edge in own):
            lines.append(f"  {source.partition('.')[2]}")
            lines += [f"    {_told(edge)}" for edge in own if edge.source == source]
    return "\n".join(lines) + "\n"


def show(contract: Contract, method: str, *, attempts: int) -> str:
    """Everything the contracts say of one method, and what follows from it.

    *method* is `records.GetPatient` or a path; ContractError when there is none. *attempts* is how
    often a repeatable method is tried.
    """
    found = contract.find(method)
    facts = policy(contract, found, attempts=attempts)
    calls = [_told(_edge(contract, found.short, call)) for call in found.declared]
    sections = (
        (found.path, [f"{name:<12} {value}" for name, value in facts.items()]),
        ("calls", calls or [_NONE]),
        (f"request {_streamed(found.input.name, found.client_streaming)}", _fields(found.input)),
        (f"response {_streamed(found.output.name, found.server_streaming)}", _fields(found.output)),
    )
    return "\n".join(
        line for title, lines in sections for line in (title, *(f"  {text}" for text in lines))
    )


def policy(contract: Contract, method: Method, *, attempts: int) -> dict[str, str]:
    """What holds for a method, in words, by name and in the order to show it."""
    return {
        "file": method.file,
        "deadline": duration(method.deadline) if method.deadline else "not stated",
        "criticality": method.criticality.name.lower(),
        "effects": _effects(method),
        "attempts": f"{attempts}, on UNAVAILABLE" if method.repeatable else "1",
        "scope": method.scope or "none: closed to the outside",
        "audience": AUDIENCES[method.audience],
        "callers": ", ".join(sources(contract, method)) or _NONE,
        "audited": audited(method),
    }


def audited(method: Method) -> str:
    """What of a person a method touches and so leaves audit records for, in words."""
    if not method.audited:
        return "no"
    touched = ", ".join(c.name.lower() if c else "unclassified" for c in sorted(method.touches))
    return f"{touched}; names nobody: {method.names_nobody}" if method.names_nobody else touched


def duration(seconds: float) -> str:
    """A duration in the largest unit that divides it: `500 ms`, `2 s`, `10 min`, `24 h`."""
    milliseconds = round(seconds * 1000)
    for unit, size in (("h", 3_600_000), ("min", 60_000), ("s", 1000)):
        if milliseconds % size == 0:
            return f"{milliseconds // size} {unit}"
    return f"{milliseconds:,} ms"


def sources(contract: Contract, method: Method) -> list[str]:
    """The methods and tasks that declare a call to the method or follow it, by short name."""
    return sorted({edge.source for edge in edges(contract) if edge.target == method.short})


def classes(field: FieldDescriptor) -> str:
    """What a field reveals, in words: its own class, or those of the fields inside it."""
    found = sorted(reveals(field))
    return ", ".join(c.name.lower() if c else "unclassified" for c in found) or "nothing"


def kind(field: FieldDescriptor) -> str:
    """The type of a field as its contract writes it, such as `repeated Claim`."""
    message, enum = field.message_type, field.enum_type
    if message is not None:
        name = message.name if message.full_name.startswith(OWN) else message.full_name
    elif enum is not None:
        name = enum.name
    else:
        name = _SCALARS[field.type]
    return f"repeated {name}" if field.is_repeated else name


def _edge(contract: Contract, source: str, call: Call) -> Edge:
    return Edge(source, _short(contract, call.method), call.need, call.effect)


def _task_edges(contract: Contract, service: Service, task: Task) -> Iterator[Edge]:
    source = f"{service.name}.{task.name}"
    if task.follows:
        yield Edge(source, _short(contract, task.follows), Need.UNSPECIFIED, follows=True)
    for call in task.calls:
        yield _edge(contract, source, call)


def _short(contract: Contract, path: str) -> str:
    """The short name, also of a method that does not exist: the check tells, the picture draws."""
    known = contract.methods.get(path)
    return known.short if known else path.replace("/", ".")


def _workload(name: str) -> str:
    return name.partition(".")[0]


def _node(name: str) -> str:
    return name.replace(".", "_")


def _arrow(edge: Edge) -> str:
    if edge.follows:
        return "== follows ==>"
    if edge.need is Need.OPTIONAL:
        return f'-. "{edge.effect.replace(chr(34), "#quot;")}" .->'
    return "-->"


def _told(edge: Edge) -> str:
    if edge.follows:
        return f"follows   {edge.target}"
    lost = f"  (without it: {edge.effect})" if edge.effect else ""
    return f"{edge.need.name.lower():<8}  {edge.target}{lost}"


def _effects(method: Method) -> str:
    if method.read_only:
        return "none: it only reads"
    return "once for each request_id" if method.takes_request_id else "yes"


def _streamed(name: str, is_stream: bool) -> str:
    return f"stream {name}" if is_stream else name


def _fields(message: Descriptor) -> list[str]:
    rows = [(field.name, kind(field), classes(field)) for field in message.fields]
    widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
    return [f"{n:<{widths[0]}}  {k:<{widths[1]}}  {c}" for n, k, c in rows] or [_NONE]
