"""The newest records of calls as they were written, so that who tells of them need not read them again."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple


class Record(NamedTuple):
    """What is told of: an entry's place and its own fields, of a remembered one without its kind."""

    sequence: int
    fields: Mapping[str, Any]


class Recent:
    """As many as *most*, each given out once. The journal has them all: this may lack any."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._records: deque[Record] = deque()
        self._whole_after = 0

    def begin(self, sequence: int) -> None:
        """Forget everything. What follows *sequence* will be added, if it is the record of a call."""
        with self._lock:
            self._records.clear()
            self._whole_after = sequence

    def add(self, sequence: int, fields: Mapping[str, Any]) -> None:
        """Remember one, in its turn. The oldest is forgotten for it when there are too many."""
        with self._lock:
            if len(self._records) >= self._most:
                self._whole_after = self._records.popleft().sequence
            self._records.append(Record(sequence, fields))

    def take(self, after: int, until: int, most: int, patients: int) -> list[Record] | None:
        """Give out those after *after* up to *until*, until they are *most* or name so many *patients*;
        None when some are not here."""
        taken: list[Record] = []
        with self._lock:
            if after < self._whole_after:
                return None
            records = self._records
            while records and records[0].sequence <= until and len(taken) < most and patients > 0:
                record = records.popleft()
                self._whole_after = record.sequence
                if record.sequence > after:
                    taken.append(record)
                    patients -= len(record.fields["patients"])
        return taken
