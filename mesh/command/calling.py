"""`plexus call`: any method of any contract, JSON in and JSON out."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mesh.command.terminal import console, platform
from mesh.runtime.errors import Mistake

if TYPE_CHECKING:
    from mesh.runtime.client import Platform
    from plexus.client import Channel
    from plexus.contract import Method


def call(
    ctx: typer.Context,
    method: Annotated[
        str, typer.Argument(help="Such as records.GetPatient.", show_default=False)
    ] = "",
    request: Annotated[
        str,
        typer.Argument(
            metavar="[JSON]",
            help="The request; `-` reads it from standard input, `@FILE` from a file. For a stream "
            "of requests: one after the other, or a list.",
        ),
    ] = "{}",
    timeout: Annotated[
        float | None,
        typer.Option(min=0.001, help="In seconds.", show_default="what the contract says"),
    ] = None,
    trace: Annotated[
        bool, typer.Option("--trace", help="Record a trace, and print its id to standard error.")
    ] = False,
    field: Annotated[
        str,
        typer.Option(
            metavar="PATH",
            help="Print one field only, such as slots.0.start_time: a text without its quotes.",
        ),
    ] = "",
    listed: Annotated[bool, typer.Option("--list", help="List every method instead.")] = False,
) -> None:
    """Call a method of a service through the mesh, as an outside caller with every scope.

    Responses are printed as JSON; a stream of them one to a line.
    """
    from plexus.contract import load

    if listed:
        _list()
        return
    if not method:
        raise Mistake("no method is named", "write it as in `plexus call records.GetPatient '{…}'`")
    found = load().find(method)
    requests = _requests(found, _text(request))
    with platform(ctx) as here, _traced(trace) as trace_id:
        try:
            for response in _answers(_channel(here, found), found, requests, timeout):
                told = _field(response, field) if field else _json(response, found.server_streaming)
                print(told, flush=True)
        finally:
            if trace_id:
                typer.echo(f"trace {trace_id}", err=True)


def _list() -> None:
    from rich.table import Table

    from plexus.contract import load

    table = Table("method", "scope", "deadline", "streams", box=None, header_style="bold")
    for method in sorted(load().methods.values(), key=lambda m: m.short):
        streams = [
            *(["requests"] if method.client_streaming else []),
            *(["responses"] if method.server_streaming else []),
        ]
        deadline = f"{method.deadline:g} s"
        table.add_row(method.short, method.scope or "-", deadline, ", ".join(streams))
    console().print(table)


def _channel(here: Platform, method: Method) -> Channel:
    """The way to a method: the mesh itself is not reached through the mesh."""
    if method.path.startswith("plexus.mesh.v1.RuntimeService/"):
        return here.runtime_channel()
    if method.service == "mesh":
        return here.operator_channel()
    return here.channel(method.service)


def _answers(
    channel: Channel, method: Method, requests: list[Any], timeout: float | None
) -> Iterator[Any]:
    from google.protobuf.message_factory import GetMessageClass

    kind = (
        f"{'stream' if method.client_streaming else 'unary'}_"
        f"{'stream' if method.server_streaming else 'unary'}"
    )
    make = getattr(channel, kind)
    send = make(
        method.wire_path,
        request_serializer=GetMessageClass(method.input).SerializeToString,
        response_deserializer=GetMessageClass(method.output).FromString,
    )
    answer = send(iter(requests) if method.client_streaming else requests[0], timeout=timeout)
    if method.server_streaming:
        yield from answer
    else:
        yield answer


def _text(stated: str) -> str:
    if stated == "-":
        return sys.stdin.read()
    if not stated.startswith("@"):
        return stated
    try:
        return Path(stated[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise Mistake(f"{stated[1:]} cannot be read: {why}", "check the path") from None


def _requests(method: Method, text: str) -> list[Any]:
    found = list(_values(text))
    if method.client_streaming and len(found) == 1 and isinstance(found[0], list):
        found = found[0]
    if not method.client_streaming and len(found) != 1:
        raise Mistake(
            f"{method.short} takes one request, and {len(found)} were given",
            "give one JSON object, {} when it has no fields",
        )
    return [_message(method, value) for value in found]


def _values(text: str) -> Iterable[Any]:
    decoder = json.JSONDecoder()
    position = 0
    while rest := text[position:].lstrip():
        position = len(text) - len(rest)
        try:
            value, position = decoder.raw_decode(text, position)
        except json.JSONDecodeError as error:
            raise Mistake(
                f"the request is not JSON: line {error.lineno} column {error.colno}: {error.msg}",
                'quote the whole of it for the shell, as in \'{"patient_id": "pat_…"}\'',
            ) from None
        yield value


def _message(method: Method, value: Any) -> Any:
    from google.protobuf import json_format
    from google.protobuf.message_factory import GetMessageClass

    message = GetMessageClass(method.input)()
    if not isinstance(value, dict):
        raise Mistake("the request is not a JSON object", "put its fields in { }")
    try:
        return json_format.ParseDict(value, message)
    except json_format.ParseError as error:
        # Its first line names the field; what follows lists fields, or repeats the value.
        raise Mistake(
            str(error).splitlines()[0].rstrip(". "),
            f"`plexus contract show {method.short}` tells the fields",
        ) from None


def _json(message: Any, one_line: bool) -> str:
    from google.protobuf import json_format

    told = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return json.dumps(told, ensure_ascii=False, indent=None if one_line else 2)


def _field(message: Any, path: str) -> str:
    """The value at *path*, whose parts are names of fields and places in lists; Mistake."""
    from google.protobuf import json_format

    found: Any = json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    for part in path.split("."):
        try:
            found = found[int(part)] if isinstance(found, list) else found[part]
        except (LookupError, TypeError, ValueError):
            raise Mistake(
                f"the answer has nothing at {path}: {part} is not there",
                "leave --field out to see what there is",
            ) from None
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)


def _traced(wanted: bool) -> Any:
    if not wanted:
        return nullcontext("")
    from mesh.runtime.tracing import traced

    return traced()
