"""Median, spread and ratio of the times of a run. A round is one visit to everybody, so rounds can be compared."""

import math
from collections.abc import Sequence

FEWEST = 9
"""Rounds that a median is stated of."""


def quantile(values: Sequence[float], q: float) -> float:
    """Linear between the two nearest. ValueError for no values.

    >>> quantile([1.0, 2.0, 4.0], 0.5), quantile([1.0, 2.0, 4.0], 0.75)
    (2.0, 3.0)
    """
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    place = q * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def median(values: Sequence[float]) -> float:
    """The middle one.

    >>> median([3.0, 1.0, 2.0]), median([1.0, 2.0])
    (2.0, 1.5)
    """
    return quantile(values, 0.5)


def spread(values: Sequence[float]) -> float:
    """Half the distance of the quartiles, as a part of the median: half of all rounds lie within it.

    >>> spread([9.0, 10.0, 10.0, 10.0, 13.0]), spread([8.0, 9.0, 10.0, 11.0, 12.0])
    (0.0, 0.1)
    """
    middle = median(values)
    return (quantile(values, 0.75) - quantile(values, 0.25)) / 2 / middle if middle else 0.0


def ratio(values: Sequence[float], reference: Sequence[float]) -> float:
    """Median of the rounds' own ratios: a machine that slows down, slows both.

    >>> ratio([2.0, 20.0, 6.0], [1.0, 10.0, 2.0])
    2.0
    """
    return median([value / other for value, other in zip(values, reference, strict=True)])
