"""Draws the waterfall: a bar for each step, beginning where the one before ended. Plain SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from xml.sax.saxutils import escape

_WIDTH: Final = 760
_LEFT: Final = 190
_RIGHT: Final = 90
_ROW: Final = 22
_TOP: Final = 34
_COLOURS: Final[Mapping[str, str]] = {
    "transport": "#7d8590",
    "server": "#2f6f9f",
    "client": "#3f8f5f",
    "together": "#c9a227",
    "everything": "#333333",
}


def waterfall(result: Mapping[str, Any]) -> str:
    """The picture of what `bench.waterfall` wrote."""
    steps: Sequence[Mapping[str, Any]] = result["steps"]
    tops = [0.0]
    for step in steps:
        tops.append(tops[-1] + step["us"])
    scale = (_WIDTH - _LEFT - _RIGHT) / max(*tops, 1.0)
    rows = [
        _row(number, f"{step['where']}: {step['name']}", step["where"], low, step["us"], scale)
        for number, (step, low) in enumerate(zip(steps, tops, strict=False))
    ]
    rows.append(_row(len(steps), "everything", "everything", 0.0, tops[-1], scale))
    height = _TOP + _ROW * len(rows) + 10
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}"'
            ' font-family="sans-serif" font-size="12">',
            f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
            f'<text x="10" y="20" font-weight="bold">CPU of a call in µs, {escape(result["shape"])}'
            "</text>",
            *rows,
            "</svg>\n",
        )
    )


def _row(number: int, title: str, where: str, low: float, us: float, scale: float) -> str:
    y = _TOP + _ROW * number
    left, right = sorted((low, low + us))
    x, width = _LEFT + left * scale, max((right - left) * scale, 1.0)
    return (
        f'<text x="{_LEFT - 8}" y="{y + 14}" text-anchor="end">{escape(title)}</text>'
        f'<rect x="{x:.1f}" y="{y + 3}" width="{width:.1f}" height="{_ROW - 6}"'
        f' fill="{_COLOURS[where]}"/>'
        f'<text x="{x + width + 5:.1f}" y="{y + 14}">{us:.0f}</text>'
    )
