"""FastAPI on uvicorn, called by httpx: the same charts as JSON.

    python -m bench.peers.web serve DOCUMENTS
    python -m bench.peers.web call URL

Runs in an environment of its own (`bench.peers.installed`), so it imports nothing of this tree but the
load. As FastAPI's documentation has it: an `async` path operation with a response model, which pydantic
turns into JSON in Rust (custom response classes are deprecated for being slower), one worker, uvicorn's
`standard` extra (uvloop, httptools), access log off. As httpx's documentation has it: one client for
all calls, which keeps its connections, and the answer read into the same models. It is the synchronous
client: the asynchronous one took more CPU, from one caller and from sixteen.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from bench import load

_PATIENTS = {"200 B": "pat_bench0200", "10 kB": "pat_bench10000"}
_DEADLINE = 1.0


class Code(BaseModel):
    """A code of a terminology."""

    system: str
    code: str
    display: str = ""


class HumanName(BaseModel):
    """A name."""

    family: str
    given: list[str]
    use: str = ""


class Date(BaseModel):
    """A day."""

    year: int
    month: int = 0
    day: int = 0


class Patient(BaseModel):
    """A patient."""

    id: str
    names: list[HumanName]
    birth_date: Date
    sex: str


class Condition(BaseModel):
    """A diagnosis."""

    id: str
    code: Code
    clinical_status: str


class Quantity(BaseModel):
    """A measured value."""

    value: float
    unit: str


class ObservationValue(BaseModel):
    """What was observed."""

    quantity: Quantity


class Observation(BaseModel):
    """An observation."""

    id: str
    code: Code
    status: str
    effective_time: str
    value: ObservationValue


class Chart(BaseModel):
    """Everything known of a patient."""

    patient: Patient
    conditions: list[Condition]
    observations: list[Observation]


class GetChartResponse(BaseModel):
    """A chart."""

    chart: Chart


def serve(documents: Path) -> None:
    """Serve until standard input ends; `port` is what is said first."""
    import uvicorn  # type: ignore[import-not-found]
    from fastapi import FastAPI, HTTPException  # type: ignore[import-not-found]

    stated = json.loads(documents.read_text(encoding="utf-8"))
    charts = {patient: GetChartResponse.model_validate(stated[patient]) for patient in stated}
    app = FastAPI()

    async def get_chart(patient_id: str) -> GetChartResponse:
        if patient_id not in charts:
            raise HTTPException(status_code=404)
        return charts[patient_id]

    # Annotations are words here; FastAPI takes the return type for the model of the response.
    app.add_api_route("/charts/{patient_id}", get_chart, response_model=GetChartResponse)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
    serving = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    serving.start()
    while not server.started and serving.is_alive():
        time.sleep(0.01)
    load.obey(lambda _: None, ready={"port": listener.getsockname()[1]})
    server.should_exit = True
    serving.join()


def call(url: str) -> None:
    """Call when told to."""
    import httpx  # type: ignore[import-not-found]

    client = httpx.Client(base_url=url, timeout=_DEADLINE)

    def get_chart(path: str) -> GetChartResponse:
        answer = client.get(path)
        answer.raise_for_status()
        return GetChartResponse.model_validate_json(answer.content)

    def chosen(command: Mapping[str, Any]) -> load.Call:
        return partial(get_chart, f"/charts/{_PATIENTS[command['size']]}")

    load.obey(load.answering(chosen))


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(Path(sys.argv[2]))
    else:
        call(sys.argv[2])
