"""Families of rows: where losses go wrong, each family for one reason. Logits in float64, to be cast to a dtype."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from tests.accuracy.exact import PLAIN, Options
from tests.accuracy.ulp import DTYPES

Rng = np.random.Generator
Row = tuple[np.ndarray, int]

# nats below the maximum at which the dtype's results turn subnormal and vanish
EDGE = {"float16": (9.0, 17.5), "bfloat16": (86.0, 93.5), "float32": (86.0, 104.0), "float64": (707.0, 746.0)}
# nats below the maximum at which one term is just below the last bit of 1
LAST_BIT = {"float16": 17.33, "bfloat16": 17.33, "float32": 17.33, "float64": 37.43}


def confident(rng: Rng, classes: int, _dtype: str) -> Row:
    """The target leads by 0 to 800 nats: lse - x cancels, p rounds to 1."""
    x, t = rng.standard_normal(classes), int(rng.integers(classes))
    x[t] = x.max() + rng.choice([rng.uniform(0, 60), rng.uniform(0, 800)])
    return x, t


def mistaken(rng: Rng, classes: int, _dtype: str) -> Row:
    """Another class leads: the target's gradient is nearly -1, the others' tiny."""
    x, t = rng.standard_normal(classes), int(rng.integers(classes))
    x[(t + 1) % classes] = x.max() + rng.choice([rng.uniform(0, 60), rng.uniform(0, 800)])
    return x, t


def ties(rng: Rng, classes: int, _dtype: str) -> Row:
    """Several maxima, the target one of them or not."""
    x = rng.integers(-2, 1, classes) * float(rng.choice([0.25, 3.0, 40.0]))
    return x, int(rng.integers(classes))


def near_ties(rng: Rng, classes: int, dtype: str) -> Row:
    """Logits that differ in their last bits only."""
    base = np.full(classes, rng.uniform(1, 90)).astype(DTYPES[dtype])
    steps = rng.integers(0, 4, classes)
    return base.astype(np.float64) + steps * spacing(base[0], dtype), int(rng.integers(classes))


def spacing(x, dtype: str) -> float:
    """Of a dtype's numbers at x."""
    digits = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}[dtype]
    return 2.0 ** (np.frexp(float(x))[1] - digits)


def subnormal(rng: Rng, classes: int, dtype: str) -> Row:
    """Losses and gradients in the dtype's subnormal range, and just above and below it."""
    low, high = EDGE[dtype]
    x, t = -rng.uniform(low, high, classes), int(rng.integers(classes))
    x[rng.integers(classes)] = 0.0
    return x, t


def mixed(rng: Rng, classes: int, _dtype: str) -> Row:
    """All magnitudes from 1e-9 to 500, both signs: no working precision holds the differences."""
    x = np.sign(rng.standard_normal(classes)) * 10.0 ** rng.uniform(-9, 2.7, classes)
    return x, int(rng.integers(classes))


def opposite(rng: Rng, classes: int, dtype: str) -> Row:
    """A small maximum with all its bits, the others far below: x - max loses half a unit of a large number."""
    x = -rng.uniform(20.0, EDGE[dtype][0], classes) if dtype != "float16" else -rng.uniform(1.0, 9.0, classes)
    k = int(rng.integers(classes))
    x[k] = rng.uniform(0.3, 0.4) * 10.0 ** float(rng.integers(-6, 1))
    return x, int(rng.choice([k, rng.integers(classes)]))


def offset(rng: Rng, classes: int, _dtype: str) -> Row:
    """A common offset up to 60000, as unnormalised logits have."""
    x = rng.standard_normal(classes) * rng.choice([1.0, 10.0]) + rng.choice([-1, 1]) * 10.0 ** rng.uniform(2, 4.77)
    return x, int(rng.integers(classes))


def uniform(rng: Rng, classes: int, _dtype: str) -> Row:
    """All equal: log V."""
    return np.full(classes, rng.choice([0.0, 1.5, -700.0, 3e4])), int(rng.integers(classes))


def many_tiny(rng: Rng, classes: int, dtype: str) -> Row:
    """One 1 and V - 1 terms near the last bit of 1: a sum that starts with the 1 loses them all."""
    x = -np.full(classes, LAST_BIT[dtype]) - rng.uniform(0, 0.01, classes) - rng.choice([0.0, 0.7, 2.0])
    k = int(rng.integers(classes))
    x[k] = 0.0
    return x, int(rng.choice([k, rng.integers(classes)]))


def normal(rng: Rng, classes: int, _dtype: str) -> Row:
    """What nets give: normal logits of some width."""
    return rng.standard_normal(classes) * float(rng.choice([0.1, 1.0, 5.0, 30.0])), int(rng.integers(classes))


def missing(rng: Rng, classes: int, _dtype: str) -> Row:
    """Classes at -inf: masked tokens."""
    x, t = rng.standard_normal(classes) * 3, int(rng.integers(classes))
    x[(rng.random(classes) < 0.7) & (np.arange(classes) != t)] = -np.inf
    return x, t


def extreme(rng: Rng, classes: int, dtype: str) -> Row:
    """The dtype's largest numbers (float64: half of them, so that the loss is finite)."""
    top = float({"float16": 65504.0, "bfloat16": 3.3895e38, "float32": 3.4028234e38, "float64": 8.9e307}[dtype])
    return rng.choice([-top, top, 0.0, top / 2], classes), int(rng.integers(classes))


Family = Callable[[Rng, int, str], Row]
FAMILIES: dict[str, Family] = {
    f.__name__.replace("_", " "): f
    for f in (
        confident,
        mistaken,
        ties,
        near_ties,
        subnormal,
        mixed,
        opposite,
        offset,
        uniform,
        many_tiny,
        normal,
        missing,
        extreme,
    )
}


@dataclass(frozen=True)
class Variant:
    """A way to call: options of the row, the families it is tried on, and probability rows or not.

    soft: None for class indices; "spread", "near" (the softmax itself, rounded: the optimum), "one hot",
    "twice" (sums to 2), "tiny" (one 1, the others 1e-17).
    """

    options: Options = PLAIN
    families: tuple[str, ...] = ("confident", "ties", "mixed", "normal", "many tiny", "offset", "subnormal")
    soft: str | None = None
    weighted: bool = False
    names: dict = field(default_factory=dict)


VARIANTS: dict[str, Variant] = {
    "smoothing 0.1": Variant(Options(label_smoothing=0.1)),
    "smoothing 1e-6": Variant(Options(label_smoothing=1e-6)),
    "smoothing 1": Variant(Options(label_smoothing=1.0)),
    "z-loss 1e-4": Variant(Options(lse_square_scale=1e-4)),
    "z-loss 1": Variant(Options(lse_square_scale=1.0)),
    "class weights": Variant(weighted=True),
    "weights, smoothing": Variant(Options(label_smoothing=0.1), weighted=True),
    "sample weight 0.3": Variant(Options(sample_weight=0.3)),
    "cap 30": Variant(Options(softcap=30.0)),
    "cap 5, scale 0.5": Variant(Options(softcap=5.0, logit_scale=0.5)),
    "scale 1.7": Variant(Options(logit_scale=1.7)),
    "scale 2": Variant(Options(logit_scale=2.0)),
    "cap 50, z-loss": Variant(Options(softcap=50.0, lse_square_scale=1e-4)),
    "soft": Variant(soft="spread"),
    "soft, at optimum": Variant(soft="near", families=("normal", "ties", "mixed", "offset")),
    "soft, one-hot": Variant(soft="one hot"),
    "soft, sums to 2": Variant(soft="twice"),
    "soft, tiny rest": Variant(soft="tiny"),
    "soft, missing": Variant(soft="spread", families=("missing",)),
    "soft, everything": Variant(
        Options(label_smoothing=0.1, lse_square_scale=1e-3, sample_weight=2.5), soft="spread", weighted=True
    ),
}


def rows_of(name: str, dtype: str, classes: int, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """`count` rows of a family: (N, V) logits of the dtype and (N,) targets; the same for the same arguments."""
    rng = np.random.default_rng([seed, classes, sorted(FAMILIES).index(name), sorted(DTYPES).index(dtype)])
    pairs = [FAMILIES[name](rng, classes, dtype) for _ in range(count)]
    limit = 6e4 if dtype == "float16" and name != "extreme" else np.inf
    with np.errstate(over="ignore"):
        logits = np.array([np.clip(x, -limit if np.isfinite(x).all() else -np.inf, limit) for x, _ in pairs]).astype(
            DTYPES[dtype]
        )
    return logits, np.array([t for _, t in pairs])


def soft_rows(kind: str, logits: np.ndarray, targets: np.ndarray, seed: int = 0) -> np.ndarray:
    """(N, V) probability rows of float32, or float64 for float64 logits; 0 where a logit is -inf."""
    rng = np.random.default_rng([seed, logits.shape[1], 99])
    n, v = logits.shape
    x = logits.astype(np.float64)
    hot = np.arange(v) == targets[:, None]
    if kind == "near":
        q = np.exp(x - x.max(1, keepdims=True))
        q /= q.sum(1, keepdims=True)
    elif kind == "one hot":
        q = hot.astype(np.float64)
    elif kind == "tiny":
        q = np.where(hot, 1.0, 1e-17)
    else:
        q = rng.dirichlet(np.full(v, 0.3), n) * (2.0 if kind == "twice" else 1.0)
    q[np.isneginf(x)] = 0.0
    return q.astype(np.float64 if logits.dtype == np.float64 else np.float32)


def weights_of(classes: int) -> tuple[float, ...]:
    """Class weights from 0.05 to 20, none of them 0."""
    return tuple((20.0 ** np.random.default_rng(classes).uniform(-1, 1, classes)).tolist())
