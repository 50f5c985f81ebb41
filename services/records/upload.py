"""The pieces of an import: joined, checked for belonging together, and digested on the way."""

import hashlib
from collections.abc import Iterator
from typing import Final

from mesh.persistence.once import fingerprint
from plexus.errors import Fault, Violation
from plexus.records.v1 import records_service_pb2 as api
from plexus.records.v1.errors_pb2 import RecordsError
from plexus.type.v1.errors_pb2 import PlatformError
from services.records.fhir import Form

_FORMS: Final = {
    api.IMPORT_FORM_UNSPECIFIED: Form.DETECTED,
    api.IMPORT_FORM_DOCUMENT: Form.DOCUMENT,
    api.IMPORT_FORM_NDJSON: Form.NDJSON,
}


class Upload:
    """One stream of pieces. Raises Fault IMPORT_SOURCE_INVALID if the first states no source."""

    def __init__(self, pieces: Iterator[api.ImportBundleRequest]) -> None:
        first = next(pieces, api.ImportBundleRequest())
        if not first.source:
            raise Fault(RecordsError, RecordsError.RECORDS_ERROR_IMPORT_SOURCE_INVALID)
        self.source = first.source
        self.request_id = first.request_id
        self.form = _FORMS[first.form]
        self._first = first
        self._rest = pieces
        self._digest = hashlib.sha256(f"{first.source}\0{first.form}\0".encode())

    def chunks(self) -> Iterator[bytes]:
        """The content. Raises Fault when a piece belongs to another import."""
        yield self._taken(self._first.content)
        for piece in self._rest:
            self._check(piece)
            yield self._taken(piece.content)

    def drain(self) -> None:
        """Reads the rest, for its digest."""
        for _ in self.chunks():
            pass

    def fingerprint(self) -> bytes:
        """What was sent, wherever it was cut; to be asked for when all chunks were taken."""
        return fingerprint(self._first.DESCRIPTOR.full_name, self._digest.digest())

    def _taken(self, content: bytes) -> bytes:
        self._digest.update(content)
        return content

    def _check(self, piece: api.ImportBundleRequest) -> None:
        if piece.source not in ("", self.source):
            raise Fault(RecordsError, RecordsError.RECORDS_ERROR_IMPORT_SOURCE_INVALID)
        wrong = [
            Violation(
                name, "must be the same in every piece, or in the first alone", "import.piece"
            )
            for name in ("request_id", "form")
            if getattr(piece, name) and getattr(piece, name) != getattr(self._first, name)
        ]
        if wrong:
            raise Fault(
                PlatformError,
                PlatformError.PLATFORM_ERROR_REQUEST_INVALID,
                violations=tuple(wrong),
            )


def unreadable(path: str, cause: str) -> Fault:
    """The fault for content that is not FHIR JSON at all."""
    return Fault(
        RecordsError, RecordsError.RECORDS_ERROR_CONTENT_UNREADABLE, path=path, cause=cause
    )
