"""Which spans of a trace its duration is made of: had one of them been shorter, so had the whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from plexus.mesh.v1.runtime_service_pb2 import Span

_DEEPEST: Final = 100


def critical_path(spans: Sequence[Span]) -> frozenset[str]:
    """The ids of the spans on the critical path of the trace that *spans* are.

    Walked from the end of the root backwards: whoever ended last before a moment is what was waited
    for then, and before its beginning whoever ended last before that.
    """
    known = {span.span_id for span in spans}
    below: dict[str, list[Span]] = defaultdict(list)
    for span in spans:
        below[span.parent_span_id if span.parent_span_id in known else ""].append(span)
    path: set[str] = set()

    def walk(span: Span, until: int, depth: int) -> None:
        path.add(span.span_id)
        for child in sorted(below[span.span_id], key=_end, reverse=True):
            if _start(child) < until and depth < _DEEPEST and child.span_id not in path:
                walk(child, min(until, _end(child)), depth + 1)
                until = min(until, _start(child))

    roots = below[""]
    if roots:
        longest = max(roots, key=_end)
        walk(longest, _end(longest), 0)
    return frozenset(path)


def _start(span: Span) -> int:
    return span.start_time.ToNanoseconds()


def _end(span: Span) -> int:
    return span.end_time.ToNanoseconds()
