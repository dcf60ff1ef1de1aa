from bisect import bisect_left
from math import ceil, inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.analysis.quantiles import Estimate, quantile, tail_quotient

BOUNDS = (0.1, 0.2, 0.4, 0.8, 1.6)
times = st.lists(st.floats(min_value=0, max_value=3), min_size=1, max_size=200)
shares = st.sampled_from([0.5, 0.9, 0.95, 0.99, 0.999, 1.0])


def counted(values: list[float]) -> list[int]:
    """The values counted in the buckets of BOUNDS."""
    counts = [0] * (len(BOUNDS) + 1)
    for value in values:
        counts[bisect_left(BOUNDS, value)] += 1
    return counts


def exact(values: list[float], share: float) -> float:
    """The quantile of the values themselves."""
    return sorted(values)[max(1, ceil(share * len(values))) - 1]


@settings(deadline=None, max_examples=200)
@given(times, shares)
def test_quantile_is_wrong_by_less_than_its_bucket(values: list[float], share: float) -> None:
    """The true quantile is between the ends, which are the limits of one bucket."""
    found = quantile(BOUNDS, counted(values), share)
    assert found.low <= exact(values, share) <= found.high
    assert abs(found.value - exact(values, share)) <= found.high - found.low
    assert bisect_left((0.0, *BOUNDS, inf), found.high) - bisect_left((0.0, *BOUNDS, inf), found.low) == 1


def test_quantile_is_interpolated_within_its_bucket() -> None:
    """The second of four observations is halfway through the bucket of all."""
    assert quantile((1.0, 2.0), (0, 4, 0), 0.5) == Estimate(1.5, 1.0, 2.0)


def test_quantile_is_never_above_its_bucket() -> None:
    """The largest of six in a bucket is its limit, not the trifle more that floats make of it."""
    assert quantile((1.23, 7.54), (0, 6, 0), 1.0).value == 7.54


def test_quantile_above_the_last_limit_has_no_upper_end() -> None:
    """What is above all limits is somewhere above the last."""
    assert quantile((1.0,), (0, 3), 0.99) == Estimate(1.0, 1.0, inf)


@pytest.mark.parametrize("counts", [(), (0, 0)])
def test_quantile_of_nothing_is_refused(counts: tuple[int, ...]) -> None:
    """No observations have no quantile."""
    with pytest.raises(ValueError, match="no observations"):
        quantile((1.0,), counts, 0.5)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.floats(min_value=0.001, max_value=3), min_size=1, max_size=200))
def test_tail_quotient_bound_holds(values: list[float]) -> None:
    """The true quotient of p99 and median is between the ends, and so is the value."""
    found = tail_quotient(BOUNDS, counted(values))
    assert found.low <= exact(values, 0.99) / exact(values, 0.5) <= found.high
    assert found.low <= found.value <= found.high


def test_tail_quotient_tells_a_long_tail() -> None:
    """Two slow requests of a hundred are ten times the median."""
    assert tail_quotient((0.1, 1.0, 2.0), (98, 0, 2, 0)).value > 10
