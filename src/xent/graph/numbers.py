"""Numbers as a drawing writes them: four decimals where they say something, a power of ten where they do not."""

import math

SMALL, LARGE = 5e-5, 1e5  # beyond these, four decimals show only zeros, or too many digits
WHOLE = 1e6


def short(value: float, digits: int = 4) -> str:
    """The value in as few characters as say it.

    >>> short(0.40760596), short(-3.0), short(4.2e-18), short(0.0), short(123456.7), short(math.inf)
    ('0.4076', '-3.0000', '4.2e-18', '0', '1.2e+05', 'inf')
    """
    if value == 0.0:
        return "0"
    if not math.isfinite(value):
        return str(value)
    if not SMALL <= abs(value) < LARGE:
        return f"{value:.1e}"
    whole = len(str(int(abs(value))))
    return f"{value:.{max(0, min(digits, digits + 1 - whole))}f}"


def plain(value: float) -> str:
    """A weight or a count: whole where it is whole.

    >>> plain(2.0), plain(0.5), plain(1 / 3), plain(1e30)
    ('2', '0.5', '0.3333', '1e+30')
    """
    if value == int(value) if math.isfinite(value) else False:
        return f"{value:.0f}" if abs(value) < WHOLE else f"{value:.4g}"
    return f"{value:.4g}"


def fraction(numerator: float, denominator: float) -> str:
    """A weight over the divisor.

    >>> fraction(1.0, 2.0), fraction(3.0, 1.0), fraction(0.0, 2.0), fraction(1.0, 0.0)
    ('1/2', '3', '0', '0')
    """
    if numerator == 0.0 or denominator == 0.0:
        return "0"
    return plain(numerator) if denominator == 1.0 else f"{plain(numerator)}/{plain(denominator)}"


def sums(terms: list[str], most: int = 4) -> str:
    """Terms joined by plus signs, the middle left out where there are many.

    >>> sums(["a", "b"]), sums(list("abcdef"))
    ('a + b', 'a + b + c + … + f')
    """
    kept = terms if len(terms) <= most + 1 else [*terms[: most - 1], "…", terms[-1]]
    return " + ".join(kept) if kept else "0"
