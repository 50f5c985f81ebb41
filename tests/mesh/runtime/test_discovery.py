"""Prometheus finds every process by one file."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from mesh.runtime.discovery import Discovery
from mesh.runtime.home import Home


def kept(name: str, service: str = "") -> Any:
    return SimpleNamespace(name=name, service=service)


def test_processes_are_listed_where_they_said_they_listen(tmp_path: Path) -> None:
    ports = tmp_path / "prometheus" / "ports"
    ports.mkdir(parents=True)
    processes = [kept("control-plane"), kept("records-1", "records"), kept("jaeger")]
    discovery = Discovery(Home.at(tmp_path), "0.0.0.0:0", lambda: processes)
    file = tmp_path / "prometheus" / "targets.json"
    discovery.write()
    assert json.loads(file.read_text()) == []
    for name, port in (("control-plane", 1001), ("records-1", 1002), ("forgotten", 1003)):
        (ports / name).write_text(str(port))
    discovery.write()
    assert json.loads(file.read_text()) == [
        {
            "targets": ["127.0.0.1:1001"],
            "labels": {"job": "control-plane", "instance": "control-plane"},
        },
        {"targets": ["127.0.0.1:1002"], "labels": {"job": "records", "instance": "records-1"}},
    ]
    processes.pop(1)
    discovery.write()
    assert len(json.loads(file.read_text())) == 1
