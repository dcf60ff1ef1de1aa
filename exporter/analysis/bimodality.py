"""Whether requests are of two kinds, fast and slow, from the counts of a histogram's buckets."""

from collections.abc import Sequence
from math import inf

from exporter.analysis.quantiles import Estimate

#: A flat distribution has 5/9; above it two humps are likely.
TWO_HUMPS = 5 / 9


def bimodality(counts: Sequence[int]) -> Estimate:
    """Sarle's coefficient of the numbers of the buckets: (skewness squared + 1) / kurtosis, 0 to 1.

    It is 1 when there are two values only, 5/9 for a flat distribution, 1/3 for the normal one. Buckets stand for
    steps of one size, as limits that grow by a factor make them: the logarithm of the time is judged.

    Error: none for the numbers of the buckets. Where within its bucket each observation is, nobody knows; were it
    told as a fraction of a step, the coefficient would be from *low* to *high* (by Minkowski's inequality: moving
    each of n values by at most half a step moves the p-th root of their p-th central moment by at most one).

    Raises:
        ValueError: the observations are in fewer than two buckets, so nothing varies.
    """
    total = sum(counts)
    mean = sum(bucket * count for bucket, count in enumerate(counts)) / (total or 1)
    second, third, fourth = (
        sum(count * (bucket - mean) ** power for bucket, count in enumerate(counts)) / (total or 1)
        for power in (2, 3, 4)
    )
    if second <= 0:
        raise ValueError("the bimodality of one value")
    return Estimate(min(1.0, (third**2 / second**3 + 1) * second**2 / fourth), *_ends(second, third, fourth))


def _ends(second: float, third: float, fourth: float) -> tuple[float, float]:
    """Between what the coefficient is when each value is moved by up to half a step; moments are central.

    The coefficient is (third squared + second cubed) / (second * fourth).
    """
    # The standard deviation moves by at most 1/2, the fourth root of the fourth moment by at most 1, and the third
    # moment by at most 1 * 3/2 of both second moments' sum, since |a^3 - b^3| <= |a - b| * 3/2 * (a^2 + b^2).
    least, most = max(0.0, second**0.5 - 0.5) ** 2, (second**0.5 + 0.5) ** 2
    flattest, steepest = max(0.0, fourth**0.25 - 1) ** 4, (fourth**0.25 + 1) ** 4
    moved = 1.5 * (second + most)
    skew_least, skew_most = max(0.0, abs(third) - moved), abs(third) + moved
    low = skew_least**2 / (most * steepest) + least**2 / steepest
    high = skew_most**2 / (least * flattest) + most**2 / flattest if least and flattest else inf
    return low, min(1.0, high)
