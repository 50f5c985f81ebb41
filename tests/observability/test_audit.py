"""The audit trail of a running platform: complete, right, and whole; and every tamper with it is found.

A process of its own (`witness`) calls every method, is refused by them, kills replicas in the middle,
and ends in order; what is left on the disk is looked at here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from mesh.audit import anchors, entry, files, tail
from mesh.audit.entry import Entry
from mesh.audit.reading import Reader
from mesh.audit.verify import Evidence, collect
from plexus.contract import load
from tests.mesh.audit.tampers import Quick, tampers
from tests.observability.conftest import Report
from tests.platform import ROOT, plexus

pytestmark = pytest.mark.timeout(900)

TAMPERS = 10_000
SEED = 7

Told = Mapping[str, Any]
Records = Mapping[str, Sequence[Entry]]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state folder that the witness leaves."""
    return tmp_path_factory.mktemp("audited") / "home"


@pytest.fixture(scope="module")
def told(home: Path) -> Told:
    """What the witness did."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PLEXUS_")}
    plain.pop("GRPC_XDS_BOOTSTRAP_CONFIG", None)
    path = os.pathsep.join((str(ROOT), str(ROOT / "clients/python")))
    done = subprocess.run(
        [sys.executable, "-m", "tests.observability.witness", str(home)],
        cwd=ROOT,
        env={**plain, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: Told = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def records(told: Told, home: Path) -> Records:
    """Every record, by trace."""
    found: defaultdict[str, list[Entry]] = defaultdict(list)
    for replica in files.replicas(home / "audit"):
        for journal in files.journals(replica):
            for each in Reader(journal).after(0):
                if each.kind == entry.ACCESS:
                    found[each.fields["trace"]].append(each)
    return found


@pytest.fixture(scope="module")
def evidence(told: Told, home: Path) -> Evidence:
    root = home / "authority" / "ca.pem"
    return collect(home / "audit", home / "control-plane" / anchors.FILE, root)


def test_there_are_as_many_records_as_calls_were_answered(told: Told) -> None:
    """Two who count by themselves: the metrics of the replicas, and their journals."""
    assert told["recorded"] == told["answered"]
    assert sum(told["recorded"].values()) > 100


def test_every_method_was_called_and_refused(told: Told) -> None:
    audited = {m.path for m in load().methods.values() if m.audited and m.scope}
    outcomes = defaultdict(set)
    for call in told["calls"]:
        outcomes[call["method"]].add(call["reason"])
    assert audited <= outcomes.keys()
    for method in audited:
        assert {"", "TOKEN_INVALID", "SCOPE_MISSING"} <= outcomes[method], method


def test_a_call_has_a_record_of_who_and_whom_and_how_it_ended(told: Told, records: Records) -> None:
    audited = {m.path for m in load().methods.values() if m.audited}
    for call in told["calls"]:
        own = [
            each.fields
            for each in records.get(call["trace"], ())
            if each.fields["method"] == call["method"] and each.fields["caller"] == "edge"
        ]
        if call["method"] not in audited:
            assert own == [], call["method"]
            continue
        where = f"{call['method']} {call['outcome']} {call['reason']}"
        ended = [each for each in own if each.get("stream") != "begun"]
        assert ended, where
        for each in ended:
            # A stream that is called off may have come to its end by then.
            assert each["outcome"] == call["outcome"] or "stream" in each, where
            assert (each["reason"], each["subject"]) == (call["reason"], call["subject"]), where
        if call["patients"] is not None:
            named = {patient for each in own for patient in each["patients"]}
            assert named == set(call["patients"]), where


def test_calls_between_services_leave_records_of_the_same_trace(
    told: Told, records: Records
) -> None:
    traces = {
        call["trace"] for call in told["calls"] if call["method"].endswith("/StartConversation")
    }
    pairs = {
        (each.fields["caller"], each.fields["method"].rpartition("/")[2])
        for trace in traces
        for each in records.get(trace, ())
    }
    assert {("edge", "StartConversation"), ("triage", "GetChart")} <= pairs


def test_whoever_was_answered_before_a_kill_has_a_record(told: Told, records: Records) -> None:
    answered = [call for call in told["calls"] if call["method"].endswith("/GetBalance")]
    assert len(answered) > 50
    assert [call["trace"] for call in answered if call["trace"] not in records] == []


def test_a_patients_accesses_are_listed_of_all_services(told: Told, records: Records) -> None:
    patient = told["patient"]
    known = {
        trace
        for trace, each in records.items()
        if any(patient in record.fields["patients"] for record in each)
    }
    listed: Counter[str] = Counter(told["listed"])
    assert listed.keys() <= known
    methods = {
        record.fields["method"].split(".")[1]
        for trace in listed
        for record in records[trace]
        if patient in record.fields["patients"]
    }
    assert methods == {"records", "scheduling", "triage", "billing"}


def test_nothing_is_left_in_memory(told: Told, home: Path) -> None:
    left = [each.name for each in files.replicas(home / "audit") if tail.path_of(each).exists()]
    assert left == []


def test_the_command_finds_everything_whole(evidence: Evidence, home: Path) -> None:
    done = plexus("audit", "verify", "--json", home=home)
    found = json.loads(done.stdout)
    assert (done.returncode, found["findings"]) == (0, [])
    assert len(found["journals"]) == 8


def test_every_one_of_ten_thousand_tampers_is_found(evidence: Evidence, report: Report) -> None:
    quick = Quick()
    whole = quick.verify(evidence)
    assert whole.broken == []
    missed: Counter[str] = Counter()
    detected = 0
    for tamper in tampers(evidence, SEED, TAMPERS):
        if quick.verify(tamper.evidence).broken:
            detected += 1
        else:
            missed[tamper.kind] += 1
    records = sum(verdict.accesses for verdict in whole.verdicts)
    report("audit", records=records, tampers=TAMPERS, detected=detected)
    assert missed == {}
