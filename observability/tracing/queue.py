"""Spans on their way out: a bounded queue, and one thread that sends what is in it.

OpenTelemetry's own batch processor does this, too. It looks every so often whether there is anything,
writes to the log for every span that finds no room, and its flush takes as long as the receiver
likes; a replica that drains while its receiver hangs would be killed before it is done.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

MOST: Final = 4096
"""Spans that wait at most: some megabytes."""

_BATCH: Final = 512
# Seconds from a span's end to its being sent, so that others may go with it.
_PAUSE: Final = 0.2

_log = logging.getLogger(__name__)
# It tells of every try that fails; here it is told once.
logging.getLogger("opentelemetry.exporter.otlp.proto.grpc.exporter").setLevel(logging.CRITICAL)


class SpanQueue(SpanProcessor):
    """Takes ended spans in at once, whatever becomes of them. *sent* counts those that arrived, *lost*
    those that nobody was sent: when there are too many, the oldest go first."""

    def __init__(
        self,
        exporter: SpanExporter,
        *,
        most: int = MOST,
        batch: int = _BATCH,
        pause: float = _PAUSE,
    ) -> None:
        self._exporter = exporter
        self._waiting: deque[ReadableSpan] = deque(maxlen=most)
        self._most = most
        self._batch = batch
        self._pause = pause
        self._awake = threading.Event()
        self._sent = threading.Condition()
        self._sending = False
        self._hurried = False
        self._ended = False
        self._fails = False
        self._lost_before = 0
        self.lost = 0
        self.sent = 0
        threading.Thread(target=self._run, name="spans", daemon=True).start()

    def __len__(self) -> int:
        return len(self._waiting)

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing."""

    def on_end(self, span: ReadableSpan) -> None:
        """Take a span in. Never waits, never raises."""
        if len(self._waiting) >= self._most:
            self.lost += 1
        self._waiting.append(span)
        if not self._awake.is_set():
            self._awake.set()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Wait until everything is sent, for so long at most; whether it is."""
        self._hurried = True
        self._awake.set()
        with self._sent:
            return self._sent.wait_for(
                lambda: not self._waiting and not self._sending, timeout_millis / 1000
            )

    def shutdown(self) -> None:
        """Send no more."""
        self._ended = True
        self._awake.set()
        self._exporter.shutdown()

    def _run(self) -> None:
        while not self._ended:
            self._awake.wait()
            if not self._hurried:
                time.sleep(self._pause)
            self._awake.clear()
            while self._waiting and not self._ended:
                self._send()
            self._hurried = False

    def _send(self) -> None:
        self._sending = True
        batch = [self._waiting.popleft() for _ in range(min(self._batch, len(self._waiting)))]
        try:
            result = self._exporter.export(batch)
        except Exception:  # noqa: BLE001 - whatever it was, the spans are gone and the calls go on
            result = SpanExportResult.FAILURE
        if result is not SpanExportResult.SUCCESS:
            self.lost += len(batch)
        else:
            self.sent += len(batch)
        self._tell(result is not SpanExportResult.SUCCESS)
        with self._sent:
            self._sending = False
            self._sent.notify_all()

    def _tell(self, fails: bool) -> None:
        if fails and not self._fails:
            _log.warning(
                "spans cannot be sent; calls go on, and the latest %d spans wait", self._most
            )
        elif self._fails and not fails:
            _log.warning("spans are sent again; %d were lost", self.lost - self._lost_before)
            self._lost_before = self.lost
        self._fails = fails
