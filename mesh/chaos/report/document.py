"""The run as JSON: the figures by their keys, then everything they were computed from."""

from __future__ import annotations

import json
from typing import Any

from mesh.chaos.matrix import Row
from mesh.chaos.model import Cell, Seen, Verdict
from mesh.chaos.report.outcome import Outcome

_MOST_FAILURES = 30


def document(outcome: Outcome) -> str:
    """build/chaos/report.json."""
    told: dict[str, Any] = {key: dict(figures) for key, figures in outcome.figures.items()}
    told |= {
        "held": outcome.held,
        "shortfalls": [str(each) for each in outcome.shortfalls],
        "seed": outcome.seed,
        "began": outcome.began.isoformat(timespec="seconds"),
        "seconds": round(outcome.seconds, 1),
        "whole": outcome.whole,
        "experiments": [_experiment(each) for each in outcome.verdicts],
        "matrix": {
            "columns": list(outcome.matrix.columns),
            "rows": [_row(row) for row in outcome.matrix.rows],
        },
    }
    return json.dumps(told, indent=1) + "\n"


def _experiment(verdict: Verdict) -> dict[str, Any]:
    experiment, seen = verdict.experiment, verdict.seen
    return {
        "name": experiment.name,
        "about": experiment.about,
        "seed": experiment.seed,
        "skipped": verdict.skipped,
        "calls": sum("." in each.method for each in seen.observations) if seen else 0,
        "figures": dict(verdict.figures),
        "faults": [
            {
                "kind": str(happened.spec.kind),
                "target": happened.spec.target,
                "at": round(happened.began - seen.began, 2),
                "until": round(happened.ended - seen.began, 2),
            }
            for happened in (seen.happenings if seen else ())
            if seen
        ],
        "failures": _failures(seen) if seen else [],
        "shortfalls": [str(each) for each in verdict.shortfalls],
    }


def _failures(seen: Seen) -> list[dict[str, Any]]:
    """Which calls had no answer or a late one, how often, from when to when; the most frequent first."""
    found: dict[tuple[str, str, str], list[float]] = {}
    for each in seen.observations:
        if each.failed or each.late:
            key = (each.method, each.outcome, each.reason)
            found.setdefault(key, []).append(each.started - seen.began)
    ranked = sorted(found.items(), key=lambda one: -len(one[1]))[:_MOST_FAILURES]
    return [
        {
            "method": method,
            "outcome": outcome,
            "reason": reason,
            "count": len(moments),
            "first": round(min(moments), 2),
            "last": round(max(moments), 2),
        }
        for (method, outcome, reason), moments in ranked
    ]


def _row(row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "fault": row.fault,
        "where": row.where,
        "about": row.about,
        "cells": {column: _cell(cell) for column, cell in row.cells.items()},
    }


def _cell(cell: Cell) -> dict[str, Any]:
    told: dict[str, Any] = {"declared": str(cell.declared), "seen": str(cell.seen)}
    if cell.why:
        told["why"] = cell.why
    return {**told, **cell.numbers}
