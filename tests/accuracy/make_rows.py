"""python -m tests.accuracy.make_rows: write rows.json, reference rows with their results to 60 digits.

Inputs are exact: hexadecimal floats that the row's dtype holds. Results are decimal text of 60 digits, from the
definition in 720 digits (exact.py) and nothing else, so that any implementation can be held against them.
"""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
from mpmath import mp, mpf

from tests.accuracy.exact import DIGITS, Options, exact_row
from tests.accuracy.families import FAMILIES, VARIANTS, rows_of, soft_rows, weights_of
from tests.accuracy.ulp import DTYPES

FILE = Path(__file__).with_name("rows.json")
SIZES = {"float16": (2, 5), "bfloat16": (2, 5), "float32": (1, 2, 3, 5, 9), "float64": (1, 2, 3, 5, 9)}
BY_HAND = [  # the rows that everybody should know; dtype, logits, target
    ("float32", [20.0, 0.0], 0),
    ("float32", [95.0, 0.0], 0),
    ("float64", [40.0, 0.0], 0),
    ("float64", [744.0, 0.0], 0),
    ("float32", [2.0 + 1e6, -1.0 + 1e6], 0),
    ("float32", [1e8, 1e8, 1e8], 0),
    ("float32", [0.0, 1e30], 0),
    ("float64", [1.0, 2.0, 3.0], 2),
    ("bfloat16", [0.0, -6.0], 0),
    ("float16", [65504.0, -65504.0], 1),
]


def text(value: mpf) -> str:
    """60 digits."""
    return mp.nstr(value, DIGITS, min_fixed=1, max_fixed=0)


def record(name: str, dtype: str, logits: np.ndarray, target, options: Options) -> dict:
    """One row: exact input, expected results."""
    x = logits.astype(np.float64).tolist()
    t = int(target) if np.ndim(target) == 0 else target.astype(np.float64).tolist()
    exact = exact_row(x, t, options)
    changed = {k: v for k, v in asdict(options).items() if v != asdict(Options())[k]}
    if "weight" in changed:
        changed["weight"] = [w.hex() for w in changed["weight"]]
    with mp.workdps(DIGITS + 10):
        return {
            "name": name,
            "dtype": dtype,
            "logits": [v.hex() for v in x],
            "target": t if isinstance(t, int) else [v.hex() for v in t],
            "options": changed,
            "loss": text(exact.loss),
            "grad": [text(g) for g in exact.grad],
        }


def rows() -> list[dict]:
    """All of them, the same at every run."""
    found = [
        record("by hand", dtype, np.array(logits).astype(DTYPES[dtype]), target, Options())
        for dtype, logits, target in BY_HAND
    ]
    for dtype, sizes in SIZES.items():
        for name in FAMILIES:
            for classes in sizes:
                logits, targets = rows_of(name, dtype, classes, 1, seed=7)
                if name != "extreme" or dtype != "float64":
                    found.append(record(name, dtype, logits[0], targets[0], Options()))
    for name, variant in VARIANTS.items():
        for dtype in ("float32", "float64"):
            logits, targets = rows_of(variant.families[-1], dtype, 4, 1, seed=11)
            options = Options(**vars(variant.options) | ({"weight": weights_of(4)} if variant.weighted else {}))
            target = soft_rows(variant.soft, logits, targets)[0] if variant.soft else targets[0]
            found.append(record(name, dtype, logits[0], target, options))
    return found


def main() -> None:
    """Write the file."""
    lines = ",\n".join(json.dumps(r) for r in rows())
    FILE.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    print(f"{FILE.name}: {len(lines.splitlines())} rows, {FILE.stat().st_size} bytes")  # noqa: T201 -- the result


if __name__ == "__main__":
    main()
