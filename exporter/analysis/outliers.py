"""Observations that are far above the usual, by median and MAD, from the counts of a histogram's buckets.

The median absolute deviation does not move when a few observations go astray, as mean and standard deviation do.
"""

from bisect import bisect_left
from collections.abc import Sequence
from math import inf

from exporter.analysis.quantiles import Estimate, limits, quantile

#: What makes the MAD of a normal distribution its standard deviation.
NORMAL = 1.4826
#: An observation is an outlier from so many (scaled) deviations above the median on.
DEVIATIONS = 5.0


def deviation(bounds: Sequence[float], counts: Sequence[int]) -> Estimate:
    """The MAD: the median of all distances from the median, in the unit of *bounds*.

    Error: of each bucket is known how near and how far its observations can be from the median; the true MAD is
    between the medians of the nearest and of the farthest distances. The value is that of the buckets' middles.

    Raises:
        ValueError: there are no observations.
    """
    middle = quantile(bounds, counts, 0.5)
    near, between, far = [], [], []
    for bucket, count in enumerate(counts):
        low, high = limits(bounds, bucket)
        near.append((max(0.0, low - middle.high, middle.low - high), count))
        between.append((abs((low if high == inf else (low + high) / 2) - middle.value), count))
        far.append((max(high - middle.low, middle.high - low), count))
    low, value, high = (_weighted_median(distances) for distances in (near, between, far))
    return Estimate(min(max(value, low), high), low, high)


def _weighted_median(values: Sequence[tuple[float, int]]) -> float:
    """The lower median of values that each occur so many times."""
    left = (sum(count for _, count in values) + 1) // 2
    for value, count in sorted(values):
        left -= count
        if left <= 0:
            return value
    raise ValueError("a median of no values")


def fence(bounds: Sequence[float], counts: Sequence[int], deviations: float = DEVIATIONS) -> Estimate:
    """From where on an observation is an outlier: so many deviations above the median, which both have their error.

    Error: the ends are made of the ends of the two.

    Raises:
        ValueError: there are no observations.
    """
    middle, spread = quantile(bounds, counts, 0.5), deviation(bounds, counts)
    return Estimate(*(m + deviations * NORMAL * d for m, d in zip(middle, spread, strict=True)))


def above(bounds: Sequence[float], counts: Sequence[int], limit: float) -> int:
    """How many observations are surely above *limit*.

    Error: those in the bucket that *limit* is in are left out, so the true number is larger by at most their count.
    """
    return sum(counts[bisect_left(bounds, limit) + 1 :])
