"""Calls for the tests: arrays and options by name, small, from a seed."""

from typing import Any

import numpy as np
from ml_dtypes import bfloat16

from xent._linear.cuts import Cut

DTYPES = {"float16": np.float16, "bfloat16": bfloat16, "float32": np.float32, "float64": np.float64}
N, T, D, V = 3, 7, 6, 29  # N sequences of T positions

# How a call may be cut, in rows and classes at once, room in bytes, rows of d_hidden in a copy at once.
CUTS = {
    "whole": None,
    "rows": lambda item: Cut(4, V, 2 * D * item, 0),
    "one row": lambda item: Cut(1, V, D * item, 0),
    "tiles": lambda item: Cut(5, 8, 3 * D * item, N * T, tiles=True),
    "tiles of classes": lambda item: Cut(N * T, 7, 2**12, N * T, tiles=True),
    "tiles, d_hidden apart": lambda item: Cut(4, 10, 2 * D * item, 6, tiles=True),
    "tiles of rows": lambda item: Cut(5, V, 2 * D * item, N * T, tiles=True),
}

OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "sum": {"reduction": "sum"},
    "none": {"reduction": "none"},
    "bias": {"linear_bias": True},
    "weights": {"weight": True, "sample_weight": True, "linear_bias": True},
    "smoothing": {"label_smoothing": 0.1, "linear_bias": True},
    "smoothing and weights": {"label_smoothing": 0.3, "weight": True, "sample_weight": True},
    "z-loss": {"lse_square_scale": 0.01, "sample_weight": True},
    "cap": {"softcap": 3.0, "logit_scale": 1.5},
    "everything": {
        "weight": True, "sample_weight": True, "label_smoothing": 0.2, "lse_square_scale": 0.01, "softcap": 4.0,
        "logit_scale": 0.7, "linear_bias": True, "reduction": "none", "grad_scale": 3.0,
    },
    "items": {"denominator": "items", "weight": True},
    "batch": {"denominator": "batch", "shift": 1},
    "number": {"denominator": 13.5, "grad_scale": 8.0},
    "shift": {"shift": 1, "linear_bias": True, "sample_weight": True},
    "shift 2, none": {"shift": 2, "reduction": "none"},
    "ignore 3": {"ignore_index": 3},
}  # fmt: skip


def arrays(dtype: str, kind: str, options: dict[str, Any], seed: int = 0) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """((hidden, weight, targets), options) with arrays in place of True. kind: indices, ignored, probabilities."""
    rng = np.random.default_rng(seed)
    made = DTYPES[dtype]
    hidden, weight = rng.standard_normal((N, T, D)).astype(made), rng.standard_normal((V, D)).astype(made)
    targets: Any = rng.integers(0, V, (N, T))
    if kind == "ignored":
        targets[0, :3], targets[2, 5] = -100, -100
    if kind == "probabilities":
        targets = (rng.dirichlet(np.full(V, 0.3), (N, T)) * rng.choice([0.5, 1.0, 2.0], (N, T, 1))).astype(np.float32)
        targets[1, 2] = 0.0  # counts for nothing
        targets[2, 4] = np.eye(V, dtype=np.float32)[5]
    drawn = {
        "linear_bias": rng.standard_normal(V).astype(made),
        "weight": rng.choice([0.0, 0.5, 1.0, 2.5], V),
        "sample_weight": rng.choice([0.0, 0.5, 1.0, 3.0], (N, T)),
    }
    return (hidden, weight, targets), {k: drawn[k] if v is True else v for k, v in options.items()}
