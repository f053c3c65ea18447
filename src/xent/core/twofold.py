"""Sums, differences, products and quotients of floats together with their rounding errors.

`two_sum`, `two_diff` and `two_product` return `(high, low)` with `high + low` equal to the exact result and `high` its
float64 rounding, unless something overflows or, for a product, falls below 2**-969; the others to first order. Plain
Python on floats; kernels compile this text.

Source: Knuth 1997, The Art of Computer Programming 2, 4.2.2 (sum); Dekker 1971, doi:10.1007/BF01397083 (product).
"""

SPLITTER = 134217729.0  # 2**27 + 1: cuts a float64 into two halves of 26 bits
SPLIT_LIMIT = 1e300  # above it a split would overflow


def two_sum(a: float, b: float) -> tuple[float, float]:
    """`a + b` and its rounding error.

    >>> two_sum(1.0, 2.0**-60)
    (1.0, 8.673617379884035e-19)
    """
    high = a + b
    part = high - a
    return high, (a - (high - part)) + (b - part)


def two_diff(a: float, b: float) -> tuple[float, float]:
    """`a - b` and its rounding error.

    >>> two_diff(1.0, 2.0**-60)
    (1.0, -8.673617379884035e-19)
    """
    high = a - b
    part = high - a
    return high, (a - (high - part)) - (b + part)


def two_product(a: float, b: float) -> tuple[float, float]:
    """`a * b` and its rounding error; an error of 0 where a factor is too large to be split (above 1e300).

    >>> two_product(1.0 + 2.0**-30, 1.0 + 2.0**-30)
    (1.0000000018626451, 8.673617379884035e-19)
    """
    high = a * b
    if not (abs(a) < SPLIT_LIMIT and abs(b) < SPLIT_LIMIT and abs(high) < SPLIT_LIMIT):
        return high, 0.0
    part = SPLITTER * a
    a_high = part - (part - a)
    a_low = a - a_high
    part = SPLITTER * b
    b_high = part - (part - b)
    b_low = b - b_high
    return high, ((a_high * b_high - high) + a_high * b_low + a_low * b_high) + a_low * b_low


def two_quotient(a: float, b_high: float, b_low: float) -> tuple[float, float]:
    """`a / (b_high + b_low)` and what its rounding lost, to first order; 0 where that is not finite.

    >>> two_quotient(1.0, 3.0, 0.0)
    (0.3333333333333333, 1.850371707708594e-17)
    """
    high = a / b_high
    product, error = two_product(high, b_high)
    low = ((a - product) - error - high * b_low) / b_high
    return high, low if abs(low) < SPLIT_LIMIT else 0.0


def times(a: float, a_lost: float, b_high: float, b_low: float) -> tuple[float, float]:
    """`a·(1 - a_lost) × (b_high + b_low)`, for small a_lost and b_low.

    >>> sum(times(3.0, 0.0, 0.3333333333333333, 1.850371707708594e-17))
    1.0
    """
    high, low = two_product(a, b_high)
    return high, low + a * (b_low - a_lost * b_high)
