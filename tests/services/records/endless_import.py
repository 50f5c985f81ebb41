"""Imports a file and never comes to its end: `python -m … DATABASE_URL FILE`. To be killed."""

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from mesh.persistence import Database
from plexus.records.v1 import records_service_pb2 as api
from tests.services.records.conftest import SOURCE, RecordsServer


def pieces(content: bytes) -> Iterator[api.ImportBundleRequest]:
    """The content, and then nothing, for ever."""
    form = api.IMPORT_FORM_NDJSON
    yield api.ImportBundleRequest(source=SOURCE, request_id="r1", form=form, content=content)
    threading.Event().wait()


def main() -> None:
    """Imports."""
    url, file = sys.argv[1:]
    records = RecordsServer(Database(url))
    records.calls.upload("ImportBundle", pieces(Path(file).read_bytes()), None)


if __name__ == "__main__":
    main()
