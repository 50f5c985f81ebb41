"""Those who call: with values in every request, with spoiled ones, with no right to."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from random import Random
from typing import Any, Final

import grpc
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from mesh.chaos.caller import Caller, CannotPrepare
from mesh.chaos.samples import Samples, Step, Variables, fresh
from plexus.contract import Contract, Method
from plexus.errors import PlexusError, from_rpc
from tests.observability.canary.birds import Flock
from tests.observability.canary.bundles import broken, bundle
from tests.observability.canary.requests import seeded, spoiled
from tests.observability.canary.wire import Metadata, Wire

# A message larger than a server reads, with a value at its front.
_OVERSIZE = 17 * 1024 * 1024
_LONGEST = 3.0

# Ids of the right form that nothing has.
_UNKNOWN = {
    "patient": "pat_00000000",
    "clinic": "cli_00000000",
    "idle_clinic": "cli_00000000",
    "type": "apt_00000000",
    "idle": "pra_00000000",
    "p": "pra_00000000",
    "t": "apt_00000000",
    "s": "2030-01-07T09:00:00Z",
    "a": "app_00000000",
    "appointment": "app_00000000",
    "claim": "clm_00000000",
    "c": "clm_00000000",
    "talk": "cnv_00000000",
    "conversation": "cnv_00000000",
}

# What the edge may not call and no sample says: one workload tells another.
_AMONG_SERVICES: Final[Mapping[str, Any]] = {
    "records.RecordAccesses": {
        "journal_id": "jnl_00000000",
        "through_sequence": 1,
        "accesses": [
            {
                "sequence": 1,
                "access": {"time": "2026-01-01T00:00:00Z", "method": "called", "outcome": "OK"},
                "patient_ids": ["pat_00000000"],
            }
        ],
    },
}


class Seeding(Caller):
    """Makes the calls of samples, each with values in every field that may hold them."""

    def __init__(
        self, wire: Wire, contract: Contract, samples: Samples, flock: Flock, token: Any
    ) -> None:
        super().__init__(lambda _: None, contract, samples)  # type: ignore[arg-type, return-value]
        self._wire = wire
        self._flock = flock
        self._token = token
        self._turn = 0

    def metadata(self) -> Metadata:
        """Those of a good call; every other one is of a trace that is not recorded."""
        self._turn += 1
        return (
            ("authorization", f"Bearer {self._token()}"),
            ("traceparent", f"00-{self._turn:032x}-{self._turn:016x}-0{self._turn % 2}"),
        )

    def valid(self, method: Method, variables: Variables, chance: Random) -> Message:
        """A request of the method that is in order but for what *variables* do not say."""
        sample = self._samples.methods.get(method.short)
        step = sample.steps[0] if sample else Step(method.short, _AMONG_SERVICES[method.short])
        return self._request(method, step, {**fresh(chance), **_UNKNOWN, **variables}, chance)

    def _request(self, method: Method, step: Step, known: Variables, chance: Random) -> Message:
        message = super()._request(method, step, known, chance)
        if method.short == "records.ImportBundle":
            request: Any = message
            request.content = json.dumps(bundle(self._flock)).encode()
            return message
        return seeded(message, self._flock)

    def _send(self, method: Method, request: Message, timeout: float | None, take: int) -> Any:
        try:
            content = self._wire.send(
                method, request.SerializeToString(), self.metadata(), timeout, take
            )
        except grpc.RpcError as error:
            raise from_rpc(error) from None
        return None if content is None else GetMessageClass(method.output).FromString(content)


class Hostile:
    """Sends what nobody should."""

    def __init__(self, seeding: Seeding, wire: Wire, samples: Samples, flock: Flock) -> None:
        self._seeding = seeding
        self._wire = wire
        self._samples = samples
        self._flock = flock

    def spoil(self, method: Method, chance: Random, wire: Wire | None = None) -> None:
        """Every spoiled request of the method there is, and one that is whole."""
        for variables in (self._prepared(method, chance), {}):
            valid = self._seeding.valid(method, variables, chance)
            self._try(method, valid.SerializeToString(), self._seeding.metadata(), wire)
            for content in spoiled(valid, self._flock):
                self._try(method, content, self._seeding.metadata(), wire)
            if method.short == "records.ImportBundle":
                for piece in broken(self._flock):
                    request: Any = type(valid)()
                    request.CopyFrom(valid)
                    request.content = piece
                    request.request_id = ""
                    self._try(method, request.SerializeToString(), self._seeding.metadata())

    def _prepared(self, method: Method, chance: Random) -> Variables:
        known = dict(self._seeding.variables)
        sample = self._samples.methods.get(method.short)
        if sample is not None:
            with suppress(CannotPrepare):
                known.update(self._seeding.prepare(sample, chance))
        return known

    def intrude(self, method: Method, chance: Random) -> None:
        """Calls without a right to, with headers that say more than they should."""
        content = self._seeding.valid(method, self._seeding.variables, chance).SerializeToString()
        for metadata in self._headers(method):
            self._try(method, content, metadata)
        word = self._flock.text(f"{method.short}: oversize").encode()
        self._try(method, word + bytes(_OVERSIZE), self._seeding.metadata())

    def knock(self, method: Method, stranger: Wire, chance: Random) -> None:
        """The same call from a workload that no contract lets make it."""
        valid = self._seeding.valid(method, self._seeding.variables, chance)
        with suppress(grpc.RpcError):
            stranger.send(method, valid.SerializeToString(), self._seeding.metadata(), _LONGEST)

    def _headers(self, method: Method) -> Iterator[Metadata]:
        word = self._flock.text(f"{method.short}: header")
        claims = base64.urlsafe_b64encode(json.dumps({"sub": word, "name": word}).encode())
        good = self._seeding.metadata()
        yield ()
        yield (("authorization", f"Bearer {word}"),)
        yield (("authorization", word),)
        yield (("authorization", f"Bearer {claims.decode()}.{claims.decode()}.{claims.decode()}"),)
        yield (good[0], ("traceparent", f"00-{word}-{word}-01"))
        yield (*good, ("tracestate", f"x={word}"), ("baggage", f"patient={word}"))
        yield (*good, ("x-patient", word), ("x-patient-bin", word.encode()))

    def _try(
        self, method: Method, content: bytes, metadata: Metadata, wire: Wire | None = None
    ) -> None:
        timeout = _LONGEST if method.server_streaming else None
        with suppress(grpc.RpcError):
            (wire or self._wire).send(method, content, metadata, timeout)


def play(seeding: Seeding, samples: Samples, chance: Random) -> None:
    """Call every method as its sample says, and play every journey, whatever comes of it."""
    for sample in samples.all.values():
        with suppress(CannotPrepare, PlexusError):
            variables = seeding.prepare(sample, chance, see=lambda _: None)
            seeding.play(sample, variables, chance, lambda _: None)
