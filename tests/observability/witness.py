"""Calls every method of a platform of its own, and is refused by them, and remembers what it did.

    python -m tests.observability.witness HOME

Prints a JSON object: the calls it made, each with what its audit record has to say, how many calls the
replicas say they answered, and what records listed. HOME has the journals, closed in order. It is a
process of its own because a process can be in one mesh only.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

import grpc
from google.protobuf import json_format
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from mesh.audit import entry, files
from mesh.audit.reading import Reader
from mesh.chaos import catalogue, samples
from mesh.chaos.caller import Caller
from mesh.chaos.samples import fill
from mesh.runtime.client import Platform
from plexus.client import Inbound, traceparent, working
from plexus.contract import Contract, Method, load, patients
from plexus.errors import PlexusError
from plexus.mesh.v1.identity_service_pb2 import IssueTokenRequest
from plexus.mesh.v1.identity_service_pb2_grpc import IdentityServiceStub
from plexus.records.v1.records_service_pb2 import ListAccessesRequest
from plexus.records.v1.records_service_pb2_grpc import RecordsServiceStub
from tests.platform import ROOT, running

SUBJECT = "tests"
STRANGER = "app_stranger"
NOBODY = "pat_99999999"
_TIMES = 2
_PATIENCE = 20.0
_PAUSE = 0.02


@dataclass
class Call:
    """A call of the edge, and what its record has to say. *patients* is None when it depends."""

    trace: str
    method: str
    subject: str
    outcome: str
    reason: str
    patients: list[str] | None


class Witness:
    """Makes calls, each in a trace of its own."""

    def __init__(self, platform: Platform, contract: Contract) -> None:
        self._platform = platform
        self._contract = contract
        self._samples = samples.load(ROOT / "tests/chaos" / catalogue.SAMPLES, contract)
        self._chance = Random(4)
        self._caller = Caller(platform.channel, contract, self._samples)
        self.calls: list[Call] = []

    def prepare(self) -> None:
        """What the samples need to exist."""
        self._caller.set_up(self._chance)

    def call_everything(self) -> None:
        """Call every method that can be called from outside, as it is meant to be."""
        for name, sample in self._samples.methods.items():
            method = self._contract.find(name)
            for _ in range(_TIMES):
                known = {
                    **self._caller.variables,
                    **self._caller.prepare(sample, self._chance),
                }
                told = fill(sample.steps[0].request, known, self._samples.texts, self._chance)
                request = json_format.ParseDict(told, GetMessageClass(method.input)())
                self._call(method, request, sample.timeout, sample.take)

    def ask_about(self, patient: str) -> None:
        """Ask every service about one patient."""
        for name in (
            "records.GetPatient",
            "scheduling.ListAppointments",
            "triage.StartConversation",
            "billing.GetBalance",
        ):
            method = self._contract.find(name)
            self._call(method, GetMessageClass(method.input)(patient_id=patient), None, 0)

    def be_refused(self) -> None:
        """Be turned away by every audited method in every way there is."""
        identity = IdentityServiceStub(self._platform.operator_channel())
        narrow = identity.IssueToken(
            IssueTokenRequest(subject=STRANGER, scopes=["scheduling.admin"])
        ).token
        for method in self._contract.methods.values():
            if not (method.audited and method.scope):
                continue
            empty = GetMessageClass(method.input)().SerializeToString()
            self._refused(method, empty, "", "UNAUTHENTICATED", "TOKEN_INVALID")
            self._refused(method, empty, "forged", "UNAUTHENTICATED", "TOKEN_INVALID")
            self._refused(method, empty, narrow, "PERMISSION_DENIED", "SCOPE_MISSING", STRANGER)

    def be_answered_no(self) -> None:
        """Ask for what there is not, and for what is no request."""
        for name, fields, outcome, reason, named in (
            ("records.GetPatient", {"patient_id": NOBODY}, "NOT_FOUND", "PATIENT_NOT_FOUND", True),
            ("records.GetChart", {"patient_id": NOBODY}, "NOT_FOUND", "PATIENT_NOT_FOUND", True),
            (
                "records.ExportPatient",
                {"patient_id": NOBODY},
                "NOT_FOUND",
                "PATIENT_NOT_FOUND",
                True,
            ),
            ("records.GetPatient", {"patient_id": "Zoe"}, *_INVALID, False),
            ("records.SearchPatients", {}, "INVALID_ARGUMENT", "SEARCH_TOO_BROAD", False),
            (
                "billing.GetClaim",
                {"claim_id": "clm_99999999"},
                "NOT_FOUND",
                "CLAIM_NOT_FOUND",
                False,
            ),
            ("billing.GetBalance", {"patient_id": "x"}, *_INVALID, False),
            (
                "triage.SendMessage",
                {"conversation_id": "cnv_99999999", "text": "x"},
                "NOT_FOUND",
                "CONVERSATION_NOT_FOUND",
                False,
            ),
        ):
            method = self._contract.find(name)
            request = json_format.ParseDict(fields, GetMessageClass(method.input)())
            with _traced() as trace, suppress(PlexusError):
                list(self._send(method, request, None, 0))
            patients_named = [NOBODY] if named else []
            self.calls.append(Call(trace, method.path, SUBJECT, outcome, reason, patients_named))

    def call_while(self, stop: threading.Event) -> None:
        """Ask for a balance again and again; only what was answered is remembered."""
        method = self._contract.find("billing.GetBalance")
        while not stop.wait(_PAUSE):
            request = GetMessageClass(method.input)(patient_id=NOBODY)
            with _traced() as trace:
                try:
                    list(self._send(method, request, None, 0))
                except PlexusError:
                    continue
            self.calls.append(Call(trace, method.path, SUBJECT, "OK", "", [NOBODY]))

    def _call(self, method: Method, request: Message, timeout: float | None, take: int) -> None:
        with _traced() as trace:
            responses = list(self._send(method, request, timeout, take))
        if not method.audited:
            named: list[str] | None = []
        elif method.server_streaming and take:
            # How many answers were under way when the stream was called off is a matter of luck.
            named = None
        else:
            asked = [] if method.client_streaming else [request]
            named = sorted(patients(*asked, *responses))
        outcome = "CANCELLED" if method.server_streaming and take else "OK"
        self.calls.append(Call(trace, method.path, SUBJECT, outcome, "", named))

    def _send(
        self, method: Method, request: Message, timeout: float | None, take: int
    ) -> Iterator[Message]:
        channel = self._platform.channel(method.service)
        kind = (
            f"{'stream' if method.client_streaming else 'unary'}_"
            f"{'stream' if method.server_streaming else 'unary'}"
        )
        send = getattr(channel, kind)(
            method.wire_path,
            request_serializer=GetMessageClass(method.input).SerializeToString,
            response_deserializer=GetMessageClass(method.output).FromString,
        )
        answer = send(iter([request]) if method.client_streaming else request, timeout=timeout)
        if not method.server_streaming:
            yield answer
            return
        for number, response in enumerate(answer, 1):
            yield response
            if number == take:
                answer.cancel()
                return

    def _refused(
        self,
        method: Method,
        content: bytes,
        token: str,
        outcome: str,
        reason: str,
        subject: str = "",
    ) -> None:
        raw: Any = self._platform.channel(method.service)._channel
        kind = (
            f"{'stream' if method.client_streaming else 'unary'}_"
            f"{'stream' if method.server_streaming else 'unary'}"
        )
        send = getattr(raw, kind)(f"/{method.path}")
        head = traceparent.new_head()
        metadata = [("traceparent", f"{head}{1:016x}-00")]
        if token:
            metadata.append(("authorization", f"Bearer {token}"))
        told = iter([content]) if method.client_streaming else content
        try:
            answer = send(told, timeout=10, metadata=metadata)
            if method.server_streaming:
                list(answer)
            raise AssertionError(f"{method.path} answers whom it should refuse")
        except grpc.RpcError:
            trace = traceparent.trace_id_of(f"{head}{1:016x}-00")
            self.calls.append(Call(trace, method.path, subject, outcome, reason, []))


_INVALID = ("INVALID_ARGUMENT", "REQUEST_INVALID")


@contextmanager
def _traced() -> Iterator[str]:
    """Calls made inside are of one trace, whose id is given."""
    header = f"{traceparent.new_head()}{traceparent.new_span_id():016x}-00"
    work = Inbound(name="witness", calls={}, deadline=float("inf"), traceparent=header)
    with working(work):
        yield traceparent.trace_id_of(header)


def counted(platform: Platform, contract: Contract) -> dict[str, int]:
    """How many calls of audited methods the replicas say they have answered, by method and outcome."""
    found: Counter[str] = Counter()
    for replica in platform.status().replicas:
        for row in replica.calls:
            if contract.method(row.method).audited:
                found[f"{row.method} {row.outcome}"] += row.count
    return dict(found)


def in_journals(platform: Platform) -> dict[str, int]:
    """How many calls have ended, by the journals, by method and outcome."""
    found: Counter[str] = Counter()
    for replica in files.replicas(platform.home.path / "audit"):
        for journal in files.journals(replica):
            for each in Reader(journal).after(0):
                if each.kind == entry.ACCESS and each.fields.get("stream") != "begun":
                    found[f"{each.fields['method']} {each.fields['outcome']}"] += 1
    return dict(found)


def at_rest(platform: Platform, contract: Contract) -> tuple[dict[str, int], dict[str, int]]:
    """What the replicas and what the journals say, when it has not changed for a while."""
    deadline = time.monotonic() + _PATIENCE
    before = (counted(platform, contract), in_journals(platform))
    while True:
        time.sleep(2.0)
        now = (counted(platform, contract), in_journals(platform))
        if now == before or time.monotonic() > deadline:
            return now
        before = now


def listed(platform: Platform, patient: str) -> list[str]:
    """The traces of the accesses to a patient, as records lists them, until all services have told."""
    stub = RecordsServiceStub(platform.channel("records"))
    deadline = time.monotonic() + _PATIENCE
    while True:
        accesses = stub.ListAccesses(
            ListAccessesRequest(patient_id=patient, page_size=1000)
        ).accesses
        services = {each.service for each in accesses}
        own = any(each.method.endswith("/ListAccesses") for each in accesses)
        if (own and len(services) == 4) or time.monotonic() > deadline:
            return [each.trace_id for each in accesses]
        time.sleep(0.2)


def kill_while_calling(platform: Platform, witness: Witness) -> None:
    """Kill a replica that answers calls; whoever was answered has a record."""
    stop = threading.Event()
    callers = [threading.Thread(target=witness.call_while, args=(stop,)) for _ in range(4)]
    for caller in callers:
        caller.start()
    for victim in ("billing-1", "billing-2"):
        time.sleep(1.0)
        platform.signal(victim, signal.SIGKILL)
        platform.wait_ready(["billing"])
    stop.set()
    for caller in callers:
        caller.join()


def main() -> None:
    """Do all of it, and tell."""
    contract = load()
    with running(Path(sys.argv[1])) as platform:
        witness = Witness(platform, contract)
        witness.prepare()
        witness.call_everything()
        witness.be_refused()
        witness.be_answered_no()
        answered, recorded = at_rest(platform, contract)
        patient = next(
            each.patients[0]
            for each in witness.calls
            if each.patients and each.method.endswith("/StartConversation")
        )
        witness.ask_about(patient)
        found = listed(platform, patient)
        kill_while_calling(platform, witness)
    print(
        json.dumps(
            {
                "calls": [asdict(call) for call in witness.calls],
                "answered": answered,
                "recorded": recorded,
                "patient": patient,
                "listed": found,
            }
        )
    )


if __name__ == "__main__":
    main()
