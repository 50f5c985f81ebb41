"""Dashboards as Grafana reads them. Only what is used here of its model is modelled."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tools.observatory.queries import INTERVAL

WIDTH: Final = 24
_HEIGHT: Final = 8
_DATASOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_GREEN, _YELLOW, _RED = "green", "#EAB839", "red"


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL, and what its series are called: `{{label}}` stands for a label's value."""

    expression: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture. *unit* is Grafana's word; *warn* and *bad* are values from which it is not well.

    *kind* is `timeseries`, `stat` (the last value, large) or `table` (the last values, a row each).
    With *stacked* series are drawn upon each other; *most* is the end of the scale.
    """

    title: str
    about: str
    queries: Sequence[Query]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 12
    warn: float | None = None
    bad: float | None = None
    low_is_bad: bool = False
    stacked: bool = False
    most: float | None = None
    decimals: int | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A heading and what stands below it."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice at the head of a dashboard, among *values*."""

    name: str
    label: str
    values: Sequence[str]


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A page. *uid* is its file's name and the end of its address. *marks* draws a line where it is true."""

    uid: str
    title: str
    about: str
    rows: Sequence[Row]
    variables: Sequence[Variable] = ()
    marks: Mapping[str, str] = field(default_factory=dict)
    refresh: str = "10s"
    since: str = "now-1h"


def queries(model: Mapping[str, Any]) -> Iterator[str]:
    """Every query of a dashboard as it was read from its file."""
    for mark in model["annotations"]["list"]:
        if "expr" in mark:
            yield mark["expr"]
    for panel in model["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]


def written(dashboard: Dashboard) -> str:
    """The file of a dashboard."""
    return json.dumps(_model(dashboard), indent=1, ensure_ascii=False) + "\n"


def _model(dashboard: Dashboard) -> dict[str, Any]:
    return {
        "uid": f"plexus-{dashboard.uid}",
        "title": dashboard.title,
        "description": dashboard.about,
        "tags": ["plexus"],
        "schemaVersion": 39,
        "editable": False,
        "graphTooltip": 1,
        "refresh": dashboard.refresh,
        "time": {"from": dashboard.since, "to": "now"},
        "timezone": "browser",
        "annotations": {"list": [_mark(*mark) for mark in dashboard.marks.items()]},
        "links": [
            {
                "title": "Plexus",
                "type": "dashboards",
                "tags": ["plexus"],
                "asDropdown": True,
                "keepTime": True,
            }
        ],
        "templating": {"list": [_SOURCE, *map(_variable, dashboard.variables)]},
        "panels": list(_placed(dashboard.rows)),
    }


_SOURCE: Final = {
    "name": "datasource",
    "label": "Prometheus",
    "type": "datasource",
    "query": "prometheus",
    "current": {},
    "hide": 0,
}


def _variable(variable: Variable) -> dict[str, Any]:
    first = variable.values[0]
    return {
        "name": variable.name,
        "label": variable.label,
        "type": "custom",
        "query": ",".join(variable.values),
        "current": {"text": first, "value": first, "selected": True},
        "options": [
            {"text": value, "value": value, "selected": value == first} for value in variable.values
        ],
        "multi": False,
        "includeAll": False,
    }


def _mark(name: str, expression: str) -> dict[str, Any]:
    return {
        "name": name,
        "datasource": _DATASOURCE,
        "enable": True,
        "iconColor": "red",
        "expr": expression,
        "step": "5s",
        "titleFormat": name,
    }


def _placed(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    number, top = 1, 0
    for row in rows:
        place = {"x": 0, "y": top, "w": WIDTH, "h": 1}
        yield {"id": number, "type": "row", "title": row.title, "gridPos": place, "panels": []}
        number, top, left = number + 1, top + 1, 0
        tallest = 0
        for panel in row.panels:
            if left + panel.width > WIDTH:
                left, top, tallest = 0, top + tallest, 0
            height = _HEIGHT // 2 if panel.kind == "stat" else _HEIGHT
            place = {"x": left, "y": top, "w": panel.width, "h": height}
            yield {"id": number, "gridPos": place, **_panel(panel)}
            number, left, tallest = number + 1, left + panel.width, max(tallest, height)
        top += tallest


def _panel(panel: Panel) -> dict[str, Any]:
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": _DATASOURCE,
        "targets": [
            _target(chr(ord("A") + number), query, instant=panel.kind != "timeseries")
            for number, query in enumerate(panel.queries)
        ],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel),
        **(_TABLE if panel.kind == "table" else {}),
    }


def _target(name: str, query: Query, *, instant: bool) -> dict[str, Any]:
    return {
        "refId": name,
        "datasource": _DATASOURCE,
        "expr": query.expression,
        "legendFormat": query.legend or "__auto",
        "instant": instant,
        "range": not instant,
        **({"format": "table"} if instant and not query.legend else {}),
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    found: dict[str, Any] = {"unit": panel.unit, "thresholds": _thresholds(panel)}
    if panel.kind == "timeseries":
        found["min"] = 0
        found["custom"] = {
            "lineWidth": 1,
            "fillOpacity": 25 if panel.stacked else 0,
            "showPoints": "never",
            "stacking": {"mode": "normal" if panel.stacked else "none"},
            "thresholdsStyle": {"mode": "off" if panel.bad is None else "dashed"},
        }
    if panel.most is not None:
        found["max"] = panel.most
    if panel.decimals is not None:
        found["decimals"] = panel.decimals
    return found


def _thresholds(panel: Panel) -> dict[str, Any]:
    well, ill = (_RED, _GREEN) if panel.low_is_bad else (_GREEN, _RED)
    steps: list[dict[str, Any]] = [{"color": well, "value": None}]
    if panel.warn is not None:
        steps.append({"color": _YELLOW, "value": panel.warn})
    if panel.bad is not None:
        steps.append({"color": ill, "value": panel.bad})
    return {"mode": "absolute", "steps": steps if panel.bad is not None else steps[:1]}


def _options(panel: Panel) -> dict[str, Any]:
    if panel.kind == "stat":
        return {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value"}
    if panel.kind == "table":
        return {"showHeader": True}
    return {
        "legend": {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }


_TABLE: Final = {
    "transformations": [
        {"id": "merge", "options": {}},
        {"id": "organize", "options": {"excludeByName": {"Time": True, "__name__": True}}},
    ]
}

__all__ = ["INTERVAL", "Dashboard", "Panel", "Query", "Row", "Variable", "queries", "written"]
