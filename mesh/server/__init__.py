"""The server stack: what stands between the wire and a handler."""

from mesh.server.admission import Admission
from mesh.server.guard import Capture, Guarded, Refusal
from mesh.server.handlers import handlers
from mesh.server.incoming import Parts
from mesh.server.wrapped import wrap
from plexus.client import inbound as current

__all__ = ["Admission", "Capture", "Guarded", "Parts", "Refusal", "current", "handlers", "wrap"]
