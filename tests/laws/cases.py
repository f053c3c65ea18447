"""Batches for the laws: small, with the rows that break losses, built from a seed so that a failure is one line."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.accuracy.ulp import DTYPES
from tests.fronts import Front

CLASSES = [1, 2, 3, 4, 5, 7, 8, 9, 10, 15, 16, 17, 31, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 300]
ROWS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 33]
KINDS = ["normal", "confident", "wrong", "ties", "offset", "mixed", "missing", "far"]
BROKEN = ["nan", "plus_inf", "all_missing"]

ANY_ROWS, ANY_CLASSES, ANY_KIND = st.sampled_from(ROWS), st.sampled_from(CLASSES), st.sampled_from(KINDS)
ANY_DTYPE = st.sampled_from(sorted(DTYPES))
EITHER = st.booleans()
SOMETIMES_SMOOTH = st.sampled_from([0.0, 0.0, 0.1, 1.0])
SOMETIMES_Z = st.sampled_from([0.0, 0.0, 1e-3])


@dataclass(frozen=True)
class Batch:
    """One call: logits (N, V), targets (N,) or (N, V), options."""

    logits: np.ndarray
    targets: np.ndarray
    options: dict[str, Any]

    def on(self, front: Front) -> "Batch":
        """The batch with what the front end takes: its dtypes, its options."""
        logits, targets, options = self.logits, self.targets, dict(self.options)
        if logits.dtype.name not in front.dtypes:
            logits = logits.astype(np.float32)
        if targets.ndim == 2 and not front.soft:
            targets = targets.argmax(1)
        if not front.has("sample_weight") and (np.asarray(options.get("sample_weight", 0)) < 0).any():
            options.pop("reduction", None)
        return Batch(logits, targets, {k: v for k, v in options.items() if k in front.options})

    def with_options(self, **changes: Any) -> "Batch":
        """Some options changed."""
        return replace(self, options=self.options | changes)

    def take(self, rows) -> "Batch":
        """Some of its rows."""
        options = dict(self.options)
        if options.get("sample_weight") is not None:
            options["sample_weight"] = options["sample_weight"][rows]
        return Batch(self.logits[rows], self.targets[rows], options)

    def __repr__(self) -> str:
        with np.printoptions(threshold=40, floatmode="unique"):
            x = self.logits.astype(float)
            return f"Batch({self.logits.dtype.name} {x.shape}\n{x!r}\ntargets {self.targets!r}, {self.options!r})"

    def _repr_pretty_(self, printer, _cycle) -> None:
        """For Hypothesis."""
        printer.text(repr(self))


def row_of(kind: str, classes: int, rng: np.random.Generator) -> tuple[np.ndarray, int]:  # noqa: C901 -- a table of kinds
    """One row of float64 logits, and a class for its target."""
    x = rng.standard_normal(classes) * rng.choice([0.1, 1.0, 4.0])
    t = int(rng.integers(classes))
    if kind == "confident":
        x[t] = x.max() + 10.0 ** rng.uniform(0, 2.9)
    elif kind == "wrong":
        x[(t + 1) % classes] = x.max() + 10.0 ** rng.uniform(0, 2.9)
    elif kind == "ties":
        x = rng.integers(-1, 2, classes) * float(rng.choice([0.5, 3.0]))
    elif kind == "offset":
        x += float(rng.choice([-1.0, 1.0])) * float(rng.choice([100.0, 1e4, 3e4]))
    elif kind == "mixed":
        x = np.sign(x) * 10.0 ** rng.uniform(-7, 2, classes)
    elif kind == "missing":
        x = np.where((rng.random(classes) < 0.4) & (np.arange(classes) != t), -np.inf, x)
    elif kind == "far":
        x *= 200.0
    elif kind == "nan":
        x[rng.integers(classes)] = np.nan
    elif kind == "plus_inf":
        x[rng.integers(classes)] = np.inf
    elif kind == "all_missing":
        x = np.full(classes, -np.inf)
    return x, t


@st.composite
def batches(
    draw,
    *,
    rows=ANY_ROWS,
    classes=ANY_CLASSES,
    dtypes=ANY_DTYPE,
    kinds=ANY_KIND,
    soft=EITHER,
    ignored=EITHER,
    weighted=EITHER,
    sampled=EITHER,
    smoothing=SOMETIMES_SMOOTH,
    z_loss=SOMETIMES_Z,
    transformed=False,
    reduction="mean",
) -> Batch:
    """A batch and its options; every argument is a strategy, or a value that holds throughout."""

    def one(what):
        return draw(what) if isinstance(what, st.SearchStrategy) else what

    n, v, dtype = one(rows), one(classes), DTYPES[one(dtypes)]
    while n * v > 2500:
        n //= 2
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    pairs = [row_of(one(kinds), v, rng) for _ in range(n)]
    with np.errstate(over="ignore"):
        logits = np.array([x for x, _ in pairs], np.float64).reshape(n, v).astype(dtype)
    targets: np.ndarray = np.array([t for _, t in pairs], np.int64).reshape(n)
    options: dict[str, Any] = {"reduction": one(reduction)}
    if one(soft):
        q = rng.dirichlet(np.full(v, 0.5), n) * rng.choice([1.0, 1.0, 0.5, 2.0], (n, 1)) if n else np.zeros((n, v))
        q[np.isneginf(logits.astype(np.float64))] = 0.0
        targets = q.astype(np.float32 if dtype.itemsize < 8 else np.float64)
    elif one(ignored):
        targets = np.where(rng.random(n) < 0.3, -100, targets)
    if one(weighted):
        options["weight"] = rng.choice([0.0, 0.1, 0.75, 1.0, 2.5], v)
    if one(sampled):
        options["sample_weight"] = rng.choice([0.0, 0.3, 1.0, 1.0, 7.0], n)
    if a := one(smoothing):
        options["label_smoothing"] = a
    if z := one(z_loss):
        options["lse_square_scale"] = z
    if one(transformed):
        options["softcap"] = float(rng.choice([5.0, 30.0]))
        options["logit_scale"] = float(rng.choice([0.5, 1.0, 1.7]))
    return Batch(logits, targets, options)


def plain(**changes) -> st.SearchStrategy[Batch]:
    """Class indices, no weights, no smoothing, no z-loss, nothing ignored."""
    return batches(
        **{"soft": False, "ignored": False, "weighted": False, "sampled": False, "smoothing": 0.0, "z_loss": 0.0}
        | changes
    )


def broken_rows() -> st.SearchStrategy[Batch]:
    """Rows that have no loss among others that have one."""
    return batches(kinds=st.sampled_from(KINDS + BROKEN), smoothing=0.0)
