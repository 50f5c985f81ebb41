"""A short chaos run of its own, by the command, with values in everything that its samples say."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.observability.canary.birds import Flock
from tests.platform import ROOT

_EXPERIMENT: Final = """
about = "kills, failures and a hang under load, with values that must not be seen"
seconds = 12
[[workload]]
methods = ["records.GetPatient", "records.GetChart", "records.SearchPatients", "billing.GetBalance"]
rate = 20
clients = 4
[[workload]]
methods = ["records.ImportBundle", "triage.StartConversation", "triage.SendMessage", "book"]
rate = 10
clients = 4
[[faults]]
kind = "kill"
target = "records-*"
at = 2.0
[[faults]]
kind = "fail"
target = "scheduling"
parameters = { abort = "INTERNAL" }
at = 4.0
seconds = 2.0
[[faults]]
kind = "stop"
target = "triage-*"
at = 7.0
seconds = 2.0
[[holds]]
measure = "calls"
at_least = 10
"""
_LONGEST: Final = 240.0


def run(folder: Path, flock: Flock) -> subprocess.CompletedProcess[bytes]:
    """Run it; its state folder and its report are left in *folder*."""
    experiments = folder / "experiments"
    experiments.mkdir()
    (experiments / "canary.toml").write_text(_EXPERIMENT, encoding="utf-8")
    (experiments / "samples.toml").write_text(_samples(flock), encoding="utf-8")
    plain = {name: value for name, value in os.environ.items() if "PLEXUS" not in name}
    plain.pop("GRPC_XDS_BOOTSTRAP_CONFIG", None)
    path = os.pathsep.join((str(ROOT), str(ROOT / "clients/python")))
    return subprocess.run(
        [
            *(sys.executable, "-m", "mesh.command", "chaos", "run", "canary", "--keep"),
            *("--experiments", str(experiments), "--report", str(folder / "report")),
        ],
        cwd=ROOT,
        env={**plain, "PYTHONPATH": path, "TMPDIR": str(folder)},
        capture_output=True,
        timeout=_LONGEST,
        check=False,
    )


def forget(folder: Path) -> None:
    """Remove what it left."""
    shutil.rmtree(folder, ignore_errors=True)


def _samples(flock: Flock) -> str:
    text = (ROOT / "tests" / "chaos" / "samples.toml").read_text(encoding="utf-8")
    said = f"My knee has been stiff for three weeks. {flock.text('samples: text')}"
    for before, after in (
        ('"family": "Chaos"', f'"family": "{flock.text("samples: family")}"'),
        ('"given": ["Test"]', f'"given": ["{flock.text("samples: given")}"]'),
        ("1979-04-02", flock.date("samples: birth date")),
        ("Essential hypertension", flock.text("samples: diagnosis")),
        ("Example Health Plan", flock.text("samples: insurer")),
        ("My knee has been stiff for three weeks.", said),
        ('name = "chaos"', f'name = "{flock.text("samples: name")}"'),
        (
            'start_time = "${s}" }',
            f'start_time = "${{s}}", reason = "{flock.text("samples: reason")}" }}',
        ),
    ):
        assert before in text, "the samples have changed"
        text = text.replace(before, after)
    # A time to move to has no reason of its own.
    moved = '"scheduling.RescheduleAppointment"]'
    head, _, tail = text.partition(moved)
    lines = tail.split("\n")
    for number, line in enumerate(lines):
        if line.startswith("request = { appointment_id"):
            lines[number] = line.partition(", reason")[0] + " }" if ", reason" in line else line
            break
    return head + moved + "\n".join(lines)
