from bisect import bisect_left

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.analysis.outliers import DEVIATIONS, NORMAL, above, deviation, fence

BOUNDS = (0.1, 0.2, 0.4, 0.8, 1.6)
times = st.lists(st.floats(min_value=0, max_value=3), min_size=1, max_size=200)


def counted(values: list[float]) -> list[int]:
    """The values counted in the buckets of BOUNDS."""
    counts = [0] * (len(BOUNDS) + 1)
    for value in values:
        counts[bisect_left(BOUNDS, value)] += 1
    return counts


def lower_median(values: list[float]) -> float:
    """The median, the lower of two."""
    return sorted(values)[(len(values) + 1) // 2 - 1]


def mad(values: list[float]) -> float:
    """The median distance from the median."""
    return lower_median([abs(value - lower_median(values)) for value in values])


@settings(deadline=None, max_examples=200)
@given(times)
def test_deviation_bound_holds(values: list[float]) -> None:
    """The MAD of the observations themselves is between the ends, and so is the value."""
    found = deviation(BOUNDS, counted(values))
    assert found.low - 1e-12 <= mad(values) <= found.high + 1e-12
    assert found.low <= found.value <= found.high


@settings(deadline=None, max_examples=200)
@given(times)
def test_fence_bound_holds(values: list[float]) -> None:
    """The true fence is between the ends."""
    found = fence(BOUNDS, counted(values))
    assert found.low - 1e-9 <= lower_median(values) + DEVIATIONS * NORMAL * mad(values) <= found.high + 1e-9


@settings(deadline=None, max_examples=200)
@given(times, st.floats(min_value=0, max_value=3))
def test_above_is_short_by_the_bucket_of_the_limit_at_most(values: list[float], limit: float) -> None:
    """Nothing below the limit is counted, and only its own bucket may be missing."""
    counts = counted(values)
    true = sum(value > limit for value in values)
    found = above(BOUNDS, counts, limit)
    assert found <= true <= found + counts[bisect_left(BOUNDS, limit)]


def test_fence_does_not_move_with_the_outliers() -> None:
    """A tenth of slow requests does not hide itself: all of them are above the fence."""
    counts = (20, 50, 20, 0, 0, 10)
    assert above(BOUNDS, counts, fence(BOUNDS, counts).value) == 10


def test_deviation_of_nothing_is_refused() -> None:
    """No observations have no spread."""
    with pytest.raises(ValueError, match="no observations"):
        deviation(BOUNDS, (0,) * 6)
