"""Quantiles and what is made of them, from the counts of a histogram's buckets.

A bucket tells only between which limits its observations are, so each result is an `Estimate`: a value and the two
ends between which the true one lies for certain. The error is never more than the distance of the ends.

*bounds* are the upper limits of the buckets, ascending; *counts* has one more entry, for what is above the last.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from math import ceil, inf
from typing import NamedTuple


class Estimate(NamedTuple):
    """A value of which is known that the true one is from *low* to *high*."""

    value: float
    low: float
    high: float


def limits(bounds: Sequence[float], bucket: int) -> tuple[float, float]:
    """Between what the observations of *bucket* are: above the first (0 too in the lowest), up to the second."""
    low = bounds[bucket - 1] if bucket else 0.0
    return low, bounds[bucket] if bucket < len(bounds) else inf


def quantile(bounds: Sequence[float], counts: Sequence[int], share: float) -> Estimate:
    """The smallest observation that at least *share* (above 0, up to 1) of all do not exceed; none may be negative.

    Error: the ends are the limits of one bucket, and the true quantile is in it. The value is interpolated between
    them, so it is wrong by less than the bucket's width; above the last limit it is that limit, and *high* infinite.

    Raises:
        ValueError: there are no observations.
    """
    cumulative = list(accumulate(counts))
    if not cumulative or not cumulative[-1]:
        raise ValueError("a quantile of no observations")
    rank = max(1, ceil(share * cumulative[-1]))
    bucket = bisect_left(cumulative, rank)
    low, high = limits(bounds, bucket)
    if high == inf:
        return Estimate(low, low, high)
    into = (rank - cumulative[bucket] + counts[bucket]) / counts[bucket]
    return Estimate(min(high, low + (high - low) * into), low, high)  # the sum of floats may be a trifle above


def tail_quotient(bounds: Sequence[float], counts: Sequence[int], tail: float = 0.99) -> Estimate:
    """How many times the median the *tail* quantile is: about 2 for well-behaved requests, above 10 for a long tail.

    Error: the true quotient is from the tail bucket's lower limit over the median bucket's upper one to the reverse;
    with limits that double, it is wrong by less than four times. The value is at least 1.

    Raises:
        ValueError: there are no observations.
    """
    middle = quantile(bounds, counts, 0.5)
    far = quantile(bounds, counts, tail)
    high = far.high / middle.low if middle.low else inf
    return Estimate(far.value / middle.value, max(1.0, far.low / middle.high), high)
