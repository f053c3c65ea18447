"""Tables for tests: flowers with an empty cell here and there, and ways to write them to a file."""

import csv
from pathlib import Path

import numpy as np

NAMES = ("setosa", "versicolor", "virginica")


def flowers(rows: int = 90, seed: int = 0) -> dict[str, list]:
    """Columns of a small table whose classes can be learned."""
    rng = np.random.default_rng(seed)
    codes = np.arange(rows) % 3
    petal = codes * 2.0 + rng.standard_normal(rows)
    return {
        "petal": [round(float(x), 3) for x in petal],
        "sepal": [round(float(x), 3) for x in rng.standard_normal(rows)],
        "colour": [("white", "blue")[int(c == 2 and rng.random() < 0.8)] for c in codes],
        "species": [NAMES[c] for c in codes],
    }


def write_csv(path: Path, columns: dict[str, list], delimiter: str = ",") -> Path:
    """Write columns as a table; None is an empty cell."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*(["" if v is None else v for v in cells] for cells in columns.values()), strict=True))
    return path
