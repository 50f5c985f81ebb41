"""No patient in any telemetry: unmistakable values go in everywhere, and are looked for everywhere else."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from random import Random
from typing import Any
from urllib.parse import quote

import pytest

from plexus.contract import load
from tests.observability.canary.birds import Flock
from tests.observability.conftest import Report
from tests.platform import ROOT

pytestmark = pytest.mark.timeout(1500)

Told = dict[str, Any]
SEED = "PLEXUS_CANARY_SEED"
SERVICES = ("records", "scheduling", "triage", "billing")


@pytest.fixture(scope="module")
def told(report: Report) -> Told:
    """What was played, searched and found, by a process of its own."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PLEXUS_")}
    plain.pop("GRPC_XDS_BOOTSTRAP_CONFIG", None)
    path = os.pathsep.join((str(ROOT), str(ROOT / "clients/python")))
    seed = [os.environ[SEED]] if SEED in os.environ else []
    done = subprocess.run(
        [sys.executable, "-m", "tests.observability.canary", *seed],
        cwd=ROOT,
        env={**plain, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: Told = json.loads(done.stdout)
    report(
        "canary",
        **{
            name: found[name]
            for name in ("seed", "values", "fields", "calls", "spans", "places_searched", "hits")
        },
        missing=found["missing"],
        planted_and_found=len(found["planted"]),
    )
    return found


def test_no_value_is_found_anywhere(told: Told) -> None:
    assert told["found"] == [], f"with {SEED}={told['seed']}"
    assert told["hits"] == 0


@pytest.mark.parametrize(
    "method", [m.short for m in load().methods.values() if m.service in SERVICES]
)
def test_every_method_took_values_in_and_refused_some(told: Told, method: str) -> None:
    outcomes = dict(told["outcomes"].get(method, {}))
    assert outcomes.pop("OK", 0) > 0
    assert sum(outcomes.values()) > 0


def test_every_kind_of_place_was_searched(told: Told) -> None:
    assert told["places"].keys() == {
        *("log", "file of the platform", "spans sent", "trace kept", "metrics", "error"),
        *("command", "chaos output", "chaos report", "chaos platform", "report"),
    }


@pytest.mark.parametrize(
    ("place", "form"),
    [
        ("log", "plain"),
        ("file of the platform", "hexadecimal"),
        ("spans sent", "plain"),
        ("trace kept", "plain"),
        ("error", "plain"),
        ("command", "plain"),
        ("chaos report", "plain"),
        ("report", "plain"),
    ],
)
def test_a_value_that_is_put_there_is_found(told: Told, place: str, form: str) -> None:
    assert form in told["planted"].get(place, ())


@pytest.mark.parametrize(
    "encoded",
    [
        str,
        str.lower,
        str.upper,
        json.dumps,
        quote,
        repr,
        lambda text: text.encode().hex(),
        lambda text: text.encode().hex().upper(),
        lambda text: base64.b64encode(text.encode()).decode(),
        lambda text: base64.b64encode(f"x{text}".encode()).decode(),
        lambda text: base64.urlsafe_b64encode(f"xy{text}yx".encode()).decode(),
        lambda text: "".join(f"\\u{ord(letter):04x}" for letter in text),
        lambda text: "".join(f"%{ord(letter):02X}" for letter in text),
        lambda text: str(list(text.encode())),
        lambda text: text[:12],
    ],
)
def test_a_text_is_found_however_it_was_written(encoded: Callable[[str], str]) -> None:
    flock = Flock(Random(1))
    written = encoded(flock.text("here"))
    assert flock.traces().hits(f"before {written} after".encode())


def test_dates_and_numbers_are_found_however_they_were_written() -> None:
    flock = Flock(Random(1))
    year, month, day = flock.date("here").split("-")
    number = str(flock.number("there"))
    forms = [
        f"{year}-{month}-{day}T10:00:00Z",
        f"{year}/{month}/{day}",
        f"{month}/{day}/{year}",
        f"{day}.{month}.{year}",
        f"datetime.date({year}, {int(month)}, {int(day)})",
        f"year: {year} month: {int(month)}",
        json.dumps({"year": int(year)}),
        number,
        f"-{number}",
        f"USD {number[:-2]}.{number[-2:]}",
    ]
    missed = [place for place, form in enumerate(forms) if not flock.traces().hits(form.encode())]
    assert missed == []


def test_what_nobody_put_there_is_not_found() -> None:
    flock = Flock(Random(1))
    flock.date("here"), flock.number("there"), flock.text("anywhere")
    innocent = b"2026-11-22T15:06:39Z 1763824000123456789 canary 1999-01-01 year: 1984 Q2FuYXJ5"
    assert flock.traces().hits(innocent) == []
