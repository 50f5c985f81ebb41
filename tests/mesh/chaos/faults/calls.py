"""A client of a platform under fault, as a process of its own: one command a line on standard input.

`{"call": METHOD, "request": {…}}` makes one call; `{"load": METHOD, "request": {…}}` makes calls
without a pause, in two threads, until `{"stop": true}`. Each command is answered by one line of JSON.
Methods go by short names. A call's outcome is the reason of its error, else the status, else OK.
"""

from __future__ import annotations

import json
import sys
import threading
import time
import uuid
from collections import Counter
from typing import Any

from google.protobuf import json_format
from google.protobuf.message_factory import GetMessageClass

from mesh.runtime.client import Platform
from plexus.contract import load
from plexus.errors import PlexusError


class Client:
    """Makes calls, and counts how they end."""

    def __init__(self, home: str) -> None:
        self._platform = Platform(home, subject="tests")
        self._contract = load()
        self._counts: Counter[str] = Counter()
        self._slowest = 0.0
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    def obey(self, told: dict[str, Any]) -> dict[str, Any]:
        if "call" in told:
            outcome, seconds = self._call(told["call"], told["request"])
            return {"outcome": outcome, "seconds": seconds}
        if "load" in told:
            self._counts, self._slowest = Counter(), 0.0
            self._stop.clear()
            arguments = (told["load"], told["request"])
            self._threads = [threading.Thread(target=self._load, args=arguments) for _ in range(2)]
            for thread in self._threads:
                thread.start()
        elif told.get("stop"):
            self._stop.set()
            for thread in self._threads:
                thread.join()
        with self._lock:
            return {"counts": dict(self._counts), "slowest": self._slowest}

    def _load(self, name: str, request: dict[str, Any]) -> None:
        while not self._stop.is_set():
            outcome, seconds = self._call(name, request)
            with self._lock:
                self._counts[outcome] += 1
                self._slowest = max(self._slowest, seconds)

    def _call(self, name: str, stated: dict[str, Any]) -> tuple[str, float]:
        method = self._contract.find(name)
        message: Any = json_format.ParseDict(stated, GetMessageClass(method.input)())
        if method.takes_request_id:
            message.request_id = uuid.uuid4().hex
        send = self._platform.channel(method.service).unary_unary(
            method.wire_path,
            request_serializer=type(message).SerializeToString,
            response_deserializer=GetMessageClass(method.output).FromString,
        )
        began = time.monotonic()
        try:
            send(message)
            outcome = "OK"
        except PlexusError as error:
            outcome = error.reason
        return outcome, time.monotonic() - began


def main() -> None:
    """Obey until the input ends."""
    client = Client(sys.argv[1])
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(client.obey(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
