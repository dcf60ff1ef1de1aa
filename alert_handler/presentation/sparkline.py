"""A series as a small inline SVG: attributes and classes only, with a title and a description for screen readers."""

import math
from collections.abc import Sequence

from markupsafe import Markup

from alert_handler.presentation.wording import duration
from chassis.logs import clean

WIDTH = 160
HEIGHT = 36
_MARGIN = 2
#: More points than pixels show nothing more.
MOST = 160

Points = Sequence[tuple[float, float]]

_SVG = Markup(
    '<svg class="spark" role="img" aria-labelledby="{key}-title {key}-desc" viewBox="0 0 {width} {height}" '
    'width="{width}" height="{height}" focusable="false"><title id="{key}-title">{title}</title>'
    '<desc id="{key}-desc">{text}</desc><polyline points="{line}"/></svg>'
)


def sparkline(points: Points, title: str, key: str) -> Markup:
    """The series as SVG; *key* makes its ids unique on the page. Nothing for less than two finite points."""
    finite = [(at, value) for at, value in points if math.isfinite(value)]
    finite = finite[:: len(finite) // MOST + 1]
    if len(finite) < 2:
        return Markup("")
    line, text = polyline(finite, *bounds(finite)), described(finite)
    return _SVG.format(key=key, width=WIDTH, height=HEIGHT, title=clean(title), text=text, line=line)


def bounds(points: Points) -> tuple[float, float]:
    """Lower and upper end of the scale: ratios are drawn on 0 to 1, so that a full disk looks full."""
    values = [value for _, value in points]
    low, high = min(values), max(values)
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    return (low, high) if high > low else (low - 1, high + 1)


def polyline(points: Points, low: float, high: float) -> str:
    """The points in the picture's coordinates."""
    start, span = points[0][0], (points[-1][0] - points[0][0]) or 1.0
    width, height = WIDTH - 2 * _MARGIN, HEIGHT - 2 * _MARGIN
    pairs = (
        (_MARGIN + (at - start) / span * width, _MARGIN + (1 - (value - low) / (high - low)) * height)
        for at, value in points
    )
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in pairs)


def described(points: Points) -> str:
    """The series in words."""
    values = [value for _, value in points]
    span = duration(points[-1][0] - points[0][0])
    return f"over {span} from {values[0]:.4g} to {values[-1]:.4g}, lowest {min(values):.4g}, highest {max(values):.4g}"
