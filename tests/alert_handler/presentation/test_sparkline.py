import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alert_handler.presentation.sparkline import HEIGHT, MOST, WIDTH, bounds, described, sparkline

POINTS = st.lists(st.tuples(st.floats(0, 4e9), st.floats(-1e12, 1e12) | st.just(float("nan"))), max_size=400)


@given(POINTS.map(sorted))
@settings(deadline=None, max_examples=50)
def test_line_stays_inside_its_picture(points: list[tuple[float, float]]) -> None:
    """Whatever the values, the markup is well-formed and no point lies outside."""
    picture = sparkline(points, "<b>&", "k")
    if picture:
        line = ET.fromstring(picture)[-1].attrib["points"]  # noqa: S314 -- our own markup
        pairs = [tuple(map(float, pair.split(","))) for pair in line.split()]
        assert 2 <= len(pairs) <= MOST
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in pairs)


@pytest.mark.parametrize("points", [[], [(0, 1.0)], [(0, float("nan")), (1, float("inf")), (2, 1.0)]])
def test_less_than_two_values_are_no_line(points: list[tuple[float, float]]) -> None:
    """Nothing is drawn."""
    assert sparkline(points, "t", "k") == ""


def test_title_is_escaped_and_visible() -> None:
    """It comes from labels."""
    picture = sparkline([(0, 1), (1, 2)], "<script>\x1b", "k")
    assert '<title id="k-title">&lt;script&gt;\\x1b</title>' in picture


@pytest.mark.parametrize(
    ("values", "ends"), [((0.2, 0.9), (0, 1)), ((5, 9), (5, 9)), ((7, 7), (6, 8)), ((-1, 0.5), (-1, 0.5))]
)
def test_ratios_are_drawn_from_0_to_1(values: tuple[float, ...], ends: tuple[float, float]) -> None:
    """So that a full disk looks full; anything else fills the picture."""
    assert bounds([(at, value) for at, value in enumerate(values)]) == ends


def test_description_tells_the_course() -> None:
    """For those who do not see the line."""
    text = described([(0, 0.5), (60, 0.2), (120, 0.75)])
    assert text == "over 2 min from 0.5 to 0.75, lowest 0.2, highest 0.75"
