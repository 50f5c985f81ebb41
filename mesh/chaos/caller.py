"""Calls any method by its sample, and tells what its caller saw."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from random import Random
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from mesh.chaos.model import FAILURES, Observation
from mesh.chaos.samples import (
    NothingThere,
    Sample,
    Samples,
    Step,
    Variables,
    fill,
    fresh,
    is_done,
    kept,
)
from plexus.client import Channel
from plexus.contract import Contract, Method
from plexus.errors import PlexusError

_POLL = 0.1
_PATIENCE = 15.0

_ALONE = Sample("", ())

See = Callable[[Observation], None]


class CannotPrepare(Exception):
    """What comes before a call did not go well; the text says which call and why."""


class Caller:
    """Makes the calls of samples through the mesh. Safe to use from many threads."""

    def __init__(
        self, channel: Callable[[str], Channel], contract: Contract, samples: Samples
    ) -> None:
        self._channel = channel
        self._contract = contract
        self._samples = samples
        self._sends: dict[str, Any] = {}
        self._lock = threading.Lock()
        self.variables: Variables = {}

    def set_up(self, chance: Random) -> None:
        """Do the setup, and keep its variables; CannotPrepare."""
        for times, steps in self._samples.setup:
            for _ in range(times):
                found = self._follow(steps, fresh(chance), chance, patience=_PATIENCE)
                for name, value in found.items():
                    self.variables[name] = (*self.variables.get(name, ()), *_many(value))

    def prepare(self, sample: Sample, chance: Random, see: See | None = None) -> Variables:
        """What the sample needs beforehand, done; its variables. CannotPrepare.

        Where nobody is to *see* how the calls go, one that fails is made again, and after one that is
        refused, because somebody else had the slot, all of it is done anew.
        """
        patience = _PATIENCE if see is None else 0.0
        until = time.monotonic() + patience
        while True:
            variables = fresh(chance)
            try:
                variables.update(self._follow(sample.prepare, variables, chance, see, patience))
            except CannotPrepare:
                if time.monotonic() >= until:
                    raise
            else:
                return variables

    def follow(self, steps: Sequence[Step], variables: Variables, chance: Random) -> Variables:
        """Do *steps*, waiting where they wait; the variables they keep. CannotPrepare."""
        return self._follow(steps, variables, chance)

    def is_done(self, steps: Sequence[Step], variables: Variables, chance: Random) -> bool:
        """Whether the last of *steps* finds what it waits for, now."""
        with suppress(PlexusError):
            return all(is_done(step, self._answer(step, variables, chance)) for step in steps)
        return False

    def play(self, sample: Sample, variables: Variables, chance: Random, see: See) -> None:
        """Do what the sample says, and tell *see* of each call and of the journey as a whole."""
        seen: list[Observation] = []
        known = {**self.variables, **variables}
        for step in sample.steps:
            observed, response = self._observe(step, sample, known, chance)
            seen.append(observed)
            see(observed)
            if response is None:
                break
            try:
                known.update(kept(step, response, chance))
            except NothingThere:
                break
        if sample.is_journey:
            see(_whole(sample.name, seen))

    def _observe(
        self, step: Step, sample: Sample, known: Variables, chance: Random
    ) -> tuple[Observation, Message | None]:
        method = self._contract.find(step.call)
        request = self._request(method, step, known, chance)
        timeout = None if sample.is_journey else sample.timeout
        longest = min(method.deadline, timeout or method.deadline)
        outcome, reason, response = "OK", "", None
        began = time.monotonic()
        try:
            response = self._send(method, request, timeout, sample.take)
        except PlexusError as error:
            outcome, reason = error.code().name, error.reason
        ended = time.monotonic()
        late = outcome == "DEADLINE_EXCEEDED" or ended - began > longest
        lacking = _lacking(response, self._contract)
        return Observation(method.short, began, ended, outcome, reason, lacking, late), response

    def _follow(
        self,
        steps: Sequence[Step],
        variables: Variables,
        chance: Random,
        see: See | None = None,
        patience: float = 0.0,
    ) -> Variables:
        known = {**self.variables, **variables}
        found: Variables = {}
        for step in steps:
            response = self._patiently(step, known, chance, see, patience)
            try:
                new = kept(step, response, chance)
            except NothingThere as error:
                raise CannotPrepare(f"{step.call} answers without {error}") from None
            found.update(new)
            known.update(new)
        return found

    def _patiently(
        self, step: Step, known: Variables, chance: Random, see: See | None, patience: float
    ) -> Message:
        began = time.monotonic()
        while True:
            observed, response = self._observe(step, _ALONE, known, chance)
            if see is not None:
                see(observed)
            if response is not None and (not step.until or is_done(step, response)):
                return response
            waited = time.monotonic() - began
            refused = response is None and observed.outcome not in FAILURES
            if response is None and (refused or waited > patience):
                raise CannotPrepare(f"{step.call} fails with {observed.reason}")
            if waited > _PATIENCE:
                raise CannotPrepare(f"{step.call} waits in vain for {step.until}")
            time.sleep(_POLL)

    def _answer(self, step: Step, variables: Variables, chance: Random) -> Message:
        method = self._contract.find(step.call)
        known = {**self.variables, **variables}
        found: Message = self._send(method, self._request(method, step, known, chance), None, 1)
        return found

    def _request(self, method: Method, step: Step, known: Variables, chance: Random) -> Message:
        told = fill(step.request, known, self._samples.texts, chance)
        message: Message = GetMessageClass(method.input)()
        return json_format.ParseDict(told, message)

    def _send(self, method: Method, request: Message, timeout: float | None, take: int) -> Any:
        send = self._sends.get(method.path) or self._open(method)
        if not method.server_streaming:
            return send(iter([request]) if method.client_streaming else request, timeout=timeout)
        responses = send(request, timeout=timeout)
        try:
            return _last(responses, take)
        finally:
            responses.cancel()

    def _open(self, method: Method) -> Any:
        with self._lock:
            kind = (
                f"{'stream' if method.client_streaming else 'unary'}_"
                f"{'stream' if method.server_streaming else 'unary'}"
            )
            make = getattr(self._channel(method.service), kind)
            self._sends[method.path] = make(
                method.wire_path,
                request_serializer=GetMessageClass(method.input).SerializeToString,
                response_deserializer=GetMessageClass(method.output).FromString,
            )
            return self._sends[method.path]


def _last(responses: Iterator[Any], take: int) -> Any:
    """The last of the first *take* responses, of all of them when it is 0; None of none."""
    last = None
    for number, last in enumerate(responses, start=1):  # noqa: B007
        if number == take:
            break
    return last


def _lacking(response: Message | None, contract: Contract) -> tuple[str, ...]:
    told = getattr(response, "degradations", ())
    return tuple(contract.method(each.dependency).short for each in told)


def _whole(name: str, seen: Sequence[Observation]) -> Observation:
    last = seen[-1]
    return Observation(
        name,
        seen[0].started,
        last.ended,
        last.outcome,
        last.reason,
        tuple(sorted({each for one in seen for each in one.degraded})),
        any(one.late for one in seen),
    )


def _many(value: Any) -> tuple[Any, ...]:
    if isinstance(value, str | int | float):
        return (value,)
    return tuple(value)
