"""The server stack: what happens to a call on its way in, in order, and why in this order.

Around it stands `handlers.py`, which begins the trace of a sampled call and turns what the stack
raises into a status.
"""

from __future__ import annotations

from collections.abc import Sequence

from mesh.server.answer import Handler, answer
from mesh.server.audit import audit
from mesh.server.authorise import authorise
from mesh.server.disturb import disturb
from mesh.server.incoming import Handle, Layer, Parts
from mesh.server.measure import measure
from mesh.server.parse import parse
from mesh.server.shed import shed
from mesh.server.tell import tell
from mesh.server.validate import validate
from plexus.contract import Method

STACK: Sequence[Layer] = (
    tell,  # outermost: a call has one line, whatever became of it
    measure,  # around all that may refuse: what is refused further in is counted too
    shed,  # before anything that costs: who finds no place is refused for next to nothing
    audit,  # around all that looks at the call: refusals leave a record, and answers before they leave
    authorise,  # before anything of the request is looked at: refusal comes before existence
    parse,  # after authorisation, so that a stranger's bytes reach no parser
    validate,  # last before the handler, which only sees well-formed requests
    disturb,  # stands for the handler; composed only where a chaos run may break things
)


def compose(method: Method, parts: Parts, handler: Handler) -> Handle:
    """The whole way in for one method. Done once for a method, not for a call."""
    handle = answer(method, handler)
    for layer in reversed(STACK):
        handle = layer(method, parts, handle)
    return handle
