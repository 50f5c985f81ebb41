"""Puts a chart together from the parts that its resources left in the store."""

from collections.abc import Iterable, Mapping

from plexus.records.v1.chart_pb2 import Chart
from plexus.type.v1.code_pb2 import Code
from services.records.domain.coverages import distinct
from services.records.messages import fill_in
from services.records.store.reading import Part


def unnamed(parts: Iterable[Part]) -> set[str]:
    """The keys of what names are still to come from."""
    return {part.names_by for part in parts if part.names_by}


def assemble(parts: Iterable[Part], labels: Mapping[str, bytes]) -> Chart:
    """One chart of all *parts*, in their order, each named by *labels* (key to Code) where it
    lacks a name; a coverage that is told several times stands once."""
    # Serialized messages that stand one after the other are one message: repeated fields grow.
    chart = Chart.FromString(b"".join(_named(part, labels) for part in parts))
    if chart.coverages:
        coverages = distinct(chart.coverages)
        del chart.coverages[:]
        chart.coverages.extend(coverages)
    return chart


def _named(part: Part, labels: Mapping[str, bytes]) -> bytes:
    label = labels.get(part.names_by) if part.names_by else None
    if label is None:
        return part.message
    chart = Chart.FromString(part.message)
    fill_in(chart, Code.FromString(label))
    return chart.SerializeToString()
