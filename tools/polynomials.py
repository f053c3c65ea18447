"""Compute the polynomials of `_kernels/cpu/exp.py` and `log.py`: least relative error, by Remez exchange.

Run: .venv/bin/python tools/polynomials.py
"""

from collections.abc import Callable

import mpmath as mp

GRID = 4000
Function = Callable[[mp.mpf], mp.mpf]


def least_error(f: Function, weight: Function, lo: mp.mpf, hi: mp.mpf, degree: int) -> tuple[list[mp.mpf], mp.mpf]:
    """Coefficients, constant first, of the polynomial that makes the largest |weight·(f - polynomial)| least."""
    n = degree + 2
    nodes = [(lo + hi) / 2 + (hi - lo) / 2 * mp.cos(mp.pi * (n - 1 - i) / (n - 1)) for i in range(n)]
    grid = [lo + (hi - lo) * mp.mpf(i) / GRID for i in range(GRID + 1)]
    for _ in range(12):
        matrix, values = mp.matrix(n, n), mp.matrix(n, 1)
        for i, x in enumerate(nodes):
            for k in range(degree + 1):
                matrix[i, k] = x**k
            matrix[i, degree + 1], values[i] = (-1) ** i / weight(x), f(x)
        solved = mp.lu_solve(matrix, values)
        coefficients = [solved[k] for k in range(degree + 1)]
        error = [weight(x) * (f(x) - mp.polyval(coefficients[::-1], x)) for x in grid]
        peaks = alternating(grid, error)
        while len(peaks) > n:
            peaks.pop(0 if abs(peaks[0][1]) < abs(peaks[-1][1]) else -1)
        if len(peaks) < n:
            break
        nodes = [x for x, _ in peaks]
    return coefficients, max(map(abs, error))


def alternating(grid: list[mp.mpf], error: list[mp.mpf]) -> list[tuple[mp.mpf, mp.mpf]]:
    """The largest error between any two changes of its sign."""
    peaks: list[tuple[mp.mpf, mp.mpf]] = []
    for x, e in zip(grid, error, strict=True):
        if not peaks or peaks[-1][1] * e < 0:
            peaks.append((x, e))
        elif abs(e) > abs(peaks[-1][1]):
            peaks[-1] = (x, e)
    return peaks


def rest_of_exp(r: mp.mpf) -> mp.mpf:
    """P in exp(r) = 1 + r + r²·P(r)."""
    return (mp.expm1(r) - r) / r**2 if abs(r) > mp.mpf(10) ** -15 else mp.mpf(1) / 2 + r / 6


def rest_of_log(z: mp.mpf) -> mp.mpf:
    """Q in log((1 + s)/(1 - s)) = 2s + s·z·Q(z), z = s²."""
    s = mp.sqrt(z)
    return (2 * mp.atanh(s) - 2 * s) / (s * z) if z > mp.mpf(10) ** -15 else mp.mpf(2) / 3


def main() -> None:
    """Print every polynomial, highest power first, and its error in units of its dtype."""
    mp.mp.dps = 50
    half = mp.log(2) / 2 * mp.mpf("1.0001")
    for name, degree, unit in (("P_32", 4, 24), ("P_64", 9, 53)):
        found, error = least_error(rest_of_exp, lambda r: max(r * r, mp.mpf(10) ** -8) / mp.exp(r), -half, half, degree)
        show(name, found, error, unit)
    s = (mp.sqrt(2) - 1) / (mp.sqrt(2) + 1) * mp.mpf("1.0001")
    found, error = least_error(rest_of_log, lambda z: max(z, mp.mpf(10) ** -8), mp.mpf(0), s * s, 6)
    show("Q", found, error, 53)


def show(name: str, coefficients: list[mp.mpf], error: mp.mpf, unit: int) -> None:
    """One polynomial as Python."""
    print(f"{name} = ({', '.join(mp.nstr(c, 20) for c in reversed(coefficients))})")
    print(f"# error {mp.nstr(error * 2**unit, 3)} · 2**-{unit}")


if __name__ == "__main__":
    main()
