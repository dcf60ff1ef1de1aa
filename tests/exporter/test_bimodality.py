import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from exporter.analysis.bimodality import TWO_HUMPS, bimodality


def exact(values: list[float]) -> float:
    """Sarle's coefficient of the values themselves."""
    mean = sum(values) / len(values)
    second, third, fourth = (sum((value - mean) ** power for value in values) / len(values) for power in (2, 3, 4))
    return (third**2 / second**3 + 1) * second**2 / fourth


def test_bimodality_of_two_values_is_one() -> None:
    """Fast and slow and nothing between: 1, whatever the share of each."""
    assert bimodality((0, 70, 0, 0, 0, 30, 0)).value == pytest.approx(1)


def test_bimodality_of_one_hump_is_below_that_of_two() -> None:
    """A hump is near 1/3, a flat distribution near 5/9, two humps are above."""
    assert bimodality((1, 6, 15, 20, 15, 6, 1)).value < 0.4
    assert bimodality((10,) * 100).value == pytest.approx(TWO_HUMPS, abs=0.001)
    assert bimodality((5, 40, 5, 1, 5, 30, 5)).value > TWO_HUMPS


@pytest.mark.parametrize("counts", [(), (0, 0), (0, 5, 0)])
def test_bimodality_of_what_does_not_vary_is_refused(counts: tuple[int, ...]) -> None:
    """One value or none has no shape."""
    with pytest.raises(ValueError, match="one value"):
        bimodality(counts)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 11), st.floats(-0.5, 0.5)), min_size=2, max_size=60))
def test_bimodality_bound_holds_wherever_in_its_bucket_each_value_is(places: list[tuple[int, float]]) -> None:
    """The coefficient of values spread within their buckets is between the ends."""
    counts = [sum(bucket == number for bucket, _ in places) for number in range(12)]
    values = [bucket + offset for bucket, offset in places]
    assume(len({bucket for bucket, _ in places}) > 1)
    assume(max(values) - min(values) > 1e-3)
    found = bimodality(counts)
    assert found.low - 1e-9 <= exact(values) <= found.high + 1e-9
    assert 0 <= found.low <= found.value <= found.high <= 1 + 1e-9


@settings(deadline=None, max_examples=100)
@given(st.lists(st.integers(0, 40), min_size=2, max_size=60).filter(lambda values: len(set(values)) > 1))
def test_bimodality_of_bucket_numbers_is_exact(values: list[int]) -> None:
    """Counting in buckets loses nothing of the buckets' numbers."""
    found = bimodality([values.count(number) for number in range(41)])
    assert found.value == pytest.approx(exact([float(value) for value in values]))
