"""python -m tests.accuracy.table: the worst error of loss and gradient by family of rows, kernel and dtype.

In ULP of the result's dtype (0.5 is a correctly rounded result), against exact arithmetic, with NumPy's textbook
formula (lse - x, p - 1, in the logits' dtype) on the same rows beside it. For probability rows, smoothing and z-loss
the gradient is a difference; its error is given as a percentage of its bound. See bounds.py for the bounds. Then the
same by kernel: every kernel and dtype that there is.

Exit status: 0 all within their bounds, 1 not.
"""

import argparse
import json
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import version
from itertools import chain

from tests.accuracy import bounds, by_kernel
from tests.accuracy.by_kernel import Line
from tests.accuracy.families import FAMILIES
from tests.accuracy.measure import ALL, SMALL, Case, Measured, gather, measure, plain_cases, variant_cases
from tests.accuracy.ulp import DTYPES
from tests.fronts import FRONTS, Front

Found = tuple[dict[tuple[str, str], Measured], dict[tuple[str, str], Line]]  # by family or option, by kernel
HEAD = f"{'family':<19}{'loss':>7}{'target':>8}{'others':>8}   |{'loss':>9}{'target':>9}{'others':>9}"


def number(value: float) -> str:
    """Three digits at most, in seven characters.

    >>> number(0.4987), number(17.3), number(1.68e7), number(float("inf"))
    ('0.50', '17.3', '1.7e7', 'inf')
    """
    if value == float("inf"):
        return "inf"
    if value < 10:
        return f"{value:.2f}"
    return f"{value:.1f}" if value < 1000 else f"{value:.1e}".replace("e+0", "e").replace("e+", "e")


def cases(dtype: str, *, full: bool) -> Iterator[Case]:
    """What is measured of one dtype."""
    if full:
        return chain(plain_cases(dtype, ALL, 4000), variant_cases(dtype, ALL[:-1], 4000))
    few = (c for c in plain_cases(dtype, ALL[-2:], 1) if c.name in ("many tiny", "normal", "confident"))
    return chain(plain_cases(dtype, SMALL, 300), few, variant_cases(dtype, SMALL[:-1], 300))


def collect(front: Front, some: Iterator[Case], dtype: str) -> Found:
    """Everything of one dtype, by family or option and by kernel."""
    measured, lines = [], []
    for case in some:
        m = measure(front, case)
        measured.append(m)
        lines += [by_kernel.line_of(case, by_kernel.kernel_of(case), m.ours, m.sum_over), *by_kernel.besides(case)]
    for case in by_kernel.long_cases(dtype):
        m = measure(front, case, textbook=False)
        lines.append(by_kernel.line_of(case, by_kernel.kernel_of(case), m.ours, m.sum_over))
    return gather(iter(measured)), by_kernel.gather(iter(lines))


def lines(dtype: str, found: dict[tuple[str, str], Measured], kernels: dict[tuple[str, str], Line]) -> list[str]:
    """One dtype's tables, at most 80 columns."""
    loss = bounds.LOSS["float64" if dtype == "float64" else "float32"]
    out = ["", f"{dtype + ' logits, worst error in ULP: xent':<42}   | NumPy textbook", HEAD, "-" * 76]
    rows = [m for m in found.values() if m.name in FAMILIES]
    out += [row(m) for m in rows]
    out.append(f"{'bound':<19}{loss:>7g}{bounds.TARGET[dtype]:>8g}{bounds.OTHERS[dtype]:>8g}   |")
    sums = max(m.sum_over for m in rows)
    out += [
        f"{'worst |sum g|':<19}{sums:>7.0%} of its bound",
        "",
        f"{'option':<19}{'loss':>7}{'target':>8}{'others':>8}{'soft g':>8}",
    ]
    out.append("-" * 50)
    out += [row(m) for m in found.values() if m.name not in FAMILIES]
    last = f"{loss:>5g}-{2 * loss:<1g}{bounds.TARGET[dtype]:>8g}{bounds.OTHERS[dtype]:>8g}{'100%':>8}"
    out.append(f"{'bound':<19}{last}")
    out += ["", f"{'kernel':<8}{'classes':>12}{'rows':>8}{'loss':>8}{'target':>8}{'others':>8}{'soft g':>8}", "-" * 60]
    out += [line(each) for each in kernels.values()]
    out.append(f"{'bound':<28}{last}")
    return out


def line(each: Line) -> str:
    """One kernel."""
    classes = f"{each.least}-{each.most}"
    ulps = "".join(f"{number(error):>8}" for error in each.ours[:3])
    soft = f"{each.ours.soft:>8.0%}" if each.ours.soft else ""
    return f"{each.kernel:<8}{classes:>12}{each.rows:>8}{ulps}{soft}{'' if each.ok else '  OVER'}"


def row(m: Measured) -> str:
    """One family or option."""
    flag = "" if m.ours.ok and m.sum_over <= 1 else "  OVER"
    if m.name in FAMILIES:
        parts = "".join(f"{number(v):>{w}}" for v, w in zip(m.ours[:3], (7, 8, 8), strict=True))
        return f"{m.name:<19}{parts}   |{''.join(f'{number(v):>9}' for v in m.textbook[:3])}{flag}"
    soft = m.ours.soft
    middle = f"{'':>16}{soft:>8.0%}" if soft else f"{number(m.ours.target):>8}{number(m.ours.others):>8}"
    return f"{m.name:<19}{number(m.ours.loss):>7}{middle}{flag}"


def main(arguments: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.accuracy.table", description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--full", action="store_true", help=f"every family and option at V = 1 ... {ALL[-1]}, more rows (minutes)"
    )
    parser.add_argument("--json", action="store_true", help="for machines, on stdout")
    parser.add_argument("--dtype", choices=sorted(DTYPES), action="append", help="only this one (may be repeated)")
    parser.add_argument(
        "--front", choices=[f.name for f in FRONTS], default=FRONTS[0].name, help="which front end (%(default)s)"
    )
    args = parser.parse_args(arguments)
    front = next(f for f in FRONTS if f.name == args.front)
    everything: list[Measured] = []
    kernels: list[Line] = []
    python = f"{platform.python_implementation()} {platform.python_version()}"
    where = f"{python}, NumPy {version('numpy')}, {platform.machine()}"
    if not args.json:
        print(f"xent's {front.name} front end, V = 1 ... {ALL[-1]}, against exact arithmetic; {where}")  # noqa: T201 -- the result
    for dtype in args.dtype or DTYPES:
        print(f"measuring {dtype} ...", file=sys.stderr, flush=True)  # noqa: T201 -- the result
        found, of_kernels = collect(front, cases(dtype, full=args.full), dtype)
        everything += found.values()
        kernels += of_kernels.values()
        if not args.json:
            print("\n".join(lines(dtype, found, of_kernels)), flush=True)  # noqa: T201 -- the result
    over = [m for m in everything if not (m.ours.ok and m.sum_over <= 1)] + [k for k in kernels if not k.ok]
    if args.json:
        record = [m._asdict() | {"ours": m.ours._asdict(), "textbook": m.textbook._asdict()} for m in everything]
        by_name = [k._asdict() | {"ours": k.ours._asdict()} for k in kernels]
        head = {"front": front.name, "machine": where, "full": args.full}
        json.dump(head | {"rows": record, "kernels": by_name, "within": not over}, sys.stdout, indent=1)
        print()  # noqa: T201 -- the result
    else:
        print(f"\n{'all within their bounds' if not over else f'{len(over)} beyond their bound, marked OVER'}")  # noqa: T201 -- the result
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
