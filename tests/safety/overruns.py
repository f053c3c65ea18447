"""A child process that tries every kernel on random shapes and labels, to find reads and writes outside arrays.

    python -m tests.safety.overruns --cases 500                with fences around the arrays of every kernel
    NUMBA_BOUNDSCHECK=1 python -m tests.safety.overruns ...    with every index checked, too
    python -m tests.safety.overruns --first 812 --cases 1      one case again

A case is made of a number. The case being worked on is kept in --log, for whoever finds the process dead. Says as JSON
what was tried. With --mistake a kernel is changed on purpose first.
"""

import argparse
import json
import os
import re
import sys
import warnings
from typing import Any

import numpy as np

from tests.safety import fences
from tests.safety.children import changed, replace

CPU = "xent._kernels.cpu"
LABELS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", ">i2", ">i8", ">u4"]
DTYPES = ["float32", "float16", "bfloat16", "float64"]
KINDS = ["indices"] * 12 + ["small", "plain", "split", "probabilities", "probabilities", "rows", "linear", "layer"]
MOST = 30_000  # logits of a case

LOADED, STORED = "if {}:\n            return", "if {}:\n            given = [value"
MAXIMUM = "range(x.shape[0]{}):\n        if x[j] != x[j]:\n            return -1"
# In which module what is changed into what; on which kind of batch that has to be seen.
MISTAKES = {
    "a tail is loaded whole": ("machine", LOADED.format("self.mask is None"), LOADED.format("True"), "wide"),
    "a tail is stored whole": ("machine", STORED.format("self.mask is not None"), STORED.format("False"), "wide"),
    "an element too early": ("machine", "(pointer, [place])", "(pointer, [builder.sub(place, place.type(1))])", "long"),
    "a square is turned whole": ("turn", "sub(self.classes, column)", "sub(self.number(16), self.number(0))", "narrow"),
    "the logit below the target's": ("narrow", "= xs[max(targets[r], 0), r]", "= xs[targets[r] + 1, r]", "narrow"),
    "the target's neighbour is read": ("wide", "copies[r])[t]", "copies[r])[t + 1]", "wide"),
    "the target's neighbour is written": ("wide", "grad[lo + r, t] = ", "grad[lo + r, t + 1] = ", "wide"),
    "the target's neighbour in its tile": ("long", "x[t - lo]", "x[t - lo + 1]", "long"),
    "the target's neighbour in a run of tiles": ("tiles", "put(out, t - lo, g_t", "put(out, t - lo + 1, g_t", "split"),
    "a class too many for the maximum": ("rows", MAXIMUM.format(""), MAXIMUM.format(" + 1"), "rows"),
    "the weight of the next row": ("targets", "row_weight[i] if alone", "row_weight[i + 1] if alone", "probabilities"),
    "the mass of the next row": ("soft", "mass[i], 0.0", "mass[i + 1], 0.0", "probabilities"),
    "a limb far away": ("sums", "limbs[k + 2] +=", "limbs[k + 60] +=", "wide"),
    "a logit too many of a block": ("linear", "xj = np.float64(x[i, j])", "xj = np.float64(x[i, j + 1])", "linear"),
    "the next target": ("small", "t = targets[i]", "t = targets[i + 1]", "small"),
    "the next loss": ("plain", "run_deposit(limbs, losses[i])", "run_deposit(limbs, losses[i + 1])", "plain"),
}  # fmt: skip


def make_mistake(name: str) -> None:
    """Have a module of kernels be one with a mistake."""
    module, old, new, _ = MISTAKES[name]
    wrong = changed(f"{CPU}.{module}", old, new)
    replace(sys.modules[f"{CPU}.{module}"], wrong)
    sys.modules[f"{CPU}.{module}"] = wrong


def border(rng: np.random.Generator, kind: str, dtypes: list[str]) -> tuple[int, int, str]:
    """Rows, classes and dtype near the border of a block."""
    if kind == "narrow":
        classes, rows, dtype = int(rng.integers(1, 25)), near(rng, [16, 32, 128, 256]), "float32"
    elif kind == "small":
        classes, rows, dtype = int(rng.integers(1, 25)), near(rng, [1, 16, 128]), "float32"
    elif kind == "long":
        classes, rows = near(rng, [2048, 2064, 4096, 6144, 8192]), int(rng.integers(1, 4))
        classes, dtype = max(classes, 2049), str(rng.choice(dtypes))
    elif kind == "split":
        rows, classes, dtype = 1, max(near(rng, [4096, 6144, 8192, 16384]), 2049), str(rng.choice(dtypes))
    else:
        classes, dtype = near(rng, [8, 16, 24, 32, 64, 128, 256, 512, 1024, 2040, 2048]), str(rng.choice(dtypes))
        rows = near(rng, [1, 8, max(1, 8192 // classes), 2 * max(1, 8192 // classes)])
    return max(1, min(rows, MOST // classes)), classes, dtype


def near(rng: np.random.Generator, borders: list[int]) -> int:
    """A number up to 17 away from a border, mostly 1."""
    return max(1, int(rng.choice(borders)) + int(rng.choice([0, -1, 1, rng.integers(-17, 18)])))


def logits_of(rng: np.random.Generator, rows: int, classes: int, dtype: str) -> np.ndarray:
    """Logits with infinities and NaN here and there, at some offset in memory."""
    kind = kind_of(dtype)
    x = rng.standard_normal((rows, classes)) * rng.choice([0.1, 3.0, 300.0])
    for odd in (-np.inf, np.inf, np.nan):
        if rng.random() < 0.2:
            x[rng.random((rows, classes)) < 0.05] = odd
    room = np.empty(rows * classes * kind.itemsize + 64, np.uint8)
    offset = int(rng.integers(64)) if rng.random() < 0.3 else 0
    found = room[offset : offset + x.size * kind.itemsize].view(kind).reshape(x.shape)
    with np.errstate(over="ignore"):
        found[:] = x
    return found


def labels_of(rng: np.random.Generator, rows: int, classes: int, kind: str) -> tuple[np.ndarray, int | None, bool]:
    """Labels of some integer dtype, what is ignored, and whether all are in order."""
    dtype = np.dtype(kind or str(rng.choice(LABELS)))
    info = np.iinfo(dtype)
    least, most = int(info.min), int(info.max)
    labels = [int(t) for t in rng.integers(0, min(classes, most), rows, endpoint=False)]
    ignored: int | None = [-100, None, 0, classes - 1, -1, classes, most, least][int(rng.integers(8))]
    if ignored is not None and not least <= ignored <= most:
        ignored = -100
    for value in (classes - 1, 0, -100 if ignored is None else ignored):
        if rng.random() < 0.4 and least <= value <= most:
            labels[int(rng.integers(rows))] = value
    if rng.random() < 0.3:
        odd = [classes, classes + 1, -1, -2, -classes, -99, -101, most, least, most - 1, least + 1, classes + 2**31]
        value = odd[int(rng.integers(len(odd)))]
        if least <= value <= most:
            labels[int(rng.integers(rows))] = value
    fine = all(0 <= t < classes or t == ignored for t in labels)
    return np.array(labels, dtype), ignored, fine


def probabilities_of(rng: np.random.Generator, rows: int, classes: int, dtypes: list[str]) -> np.ndarray:
    """Probability rows of some dtype, some of them empty, some with one entry."""
    q = rng.dirichlet(np.ones(classes), rows)
    q[rng.random(rows) < 0.2] = 0.0
    alone = rng.random(rows) < 0.3
    q[alone] = np.eye(classes)[rng.integers(classes, size=int(alone.sum()))]
    return q.astype(kind_of(str(rng.choice(dtypes))))


def kind_of(dtype: str) -> np.dtype:
    """NumPy's dtype."""
    import ml_dtypes

    return np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)


class Case:
    """One call."""

    def __init__(self, number: int, seed: int, kind: str, dtypes: list[str]) -> None:
        rng = self.rng = np.random.default_rng([seed, number])
        self.kind = kind or str(rng.choice(KINDS))
        shape = (
            self.kind if self.kind in {"narrow", "small", "long", "wide"} else "wide" if self.kind == "plain" else ""
        )
        rows, classes, dtype = border(
            rng, shape or str(rng.choice(["narrow", "wide", "wide", "long", "small"])), dtypes
        )
        self.logits = logits_of(rng, rows, classes, dtype)
        self.targets, self.ignored, self.fine = labels_of(rng, rows, classes, "int64" if self.kind == "small" else "")
        self.options: dict[str, Any] = {"ignore_index": self.ignored}
        if self.kind == "probabilities":
            self.targets, self.fine = probabilities_of(rng, rows, classes, dtypes), True
            self.options = {}
        plain = self.kind in {"small", "plain"} or rng.random() < 0.3
        if not plain:
            self.more_options(rows, classes)
        if self.kind == "split":
            self.options["threads"] = 3
        self.place = str(rng.choice(["fresh", "over", "none", "given"]))
        self.past = bool(rng.random() < 0.5)

    def more_options(self, rows: int, classes: int) -> None:
        """Some of everything else."""
        rng, options = self.rng, self.options
        if self.kind == "rows":
            options["softcap"] = 20.0
        if rng.random() < 0.3:
            options["label_smoothing"] = 0.1
        if rng.random() < 0.3:
            options["lse_square_scale"] = 1e-3
        if rng.random() < 0.3:
            options["weight"] = rng.choice([0.0, 0.5, 2.0], classes)
        if rng.random() < 0.3:
            options["sample_weight"] = rng.choice([0.0, 0.5, 2.0], rows)
        if rng.random() < 0.1:
            options["returns"] = ("lse", "entropy", "log_prob", "predicted")
        if rng.random() < 0.3:
            options["reduction"] = str(rng.choice(["sum", "none"]))
        if rng.random() < 0.5:
            options["threads"] = int(rng.integers(1, 4))

    def run(self, xent: Any) -> list[Any]:
        """The results; or the name of the error, if it wrote nothing."""
        rng = np.random.default_rng(0)
        logits, targets = self.logits.copy(), self.targets.copy()
        before = logits.copy()
        try:
            if self.kind == "linear":
                return self.linear(xent, rng)
            if self.kind == "layer":
                layer = xent.SoftmaxWithLoss()
                loss = layer.forward(logits, targets)
                return [loss, layer.y, layer.backward()]
            if self.place == "none":
                found = xent.cross_entropy(logits, targets, **self.options)
                return list(found) if isinstance(found, tuple) else [found]
            out = {"fresh": None, "over": logits, "given": np.full_like(logits, 7)}[self.place]
            loss, grad = xent.value_and_grad(logits, targets, out=out, **self.options)
            return [*(loss if isinstance(loss, tuple) else (loss,)), grad]
        except xent.TargetError:
            assert before.tobytes() == logits.tobytes(), "a refused call wrote"
            return ["refused"]

    def linear(self, xent: Any, rng: np.random.Generator) -> list[Any]:
        """The linear loss, in tiles; few classes a weight."""
        dtype = np.float64 if self.logits.dtype == np.float64 else np.float32
        rows, classes = min(self.logits.shape[0], 40), self.logits.shape[1]
        hidden, weight = rng.standard_normal((rows, 5)).astype(dtype), rng.standard_normal((classes, 5)).astype(dtype)
        names = ("ignore_index", "label_smoothing", "softcap", "returns")
        options = {k: v for k, v in self.options.items() if k in names}
        if self.past:  # in tiles
            options["max_bytes"] = least_bytes(xent, hidden, weight, self.targets[:rows], options) + 60 * classes
        loss, grads = xent.linear_value_and_grad(hidden, weight, self.targets[:rows], **options)
        return [*(loss if isinstance(loss, tuple) else (loss,)), *grads]

    def expects_refusal(self) -> bool | None:
        """Whether the labels are out of range; None: it depends on more."""
        if self.kind in {"linear", "layer"}:
            return None
        return not self.fine


def least_bytes(xent: Any, *arrays: Any) -> int:
    """What `max_bytes` has to be at least, from the message that says so."""
    *arrays, options = arrays
    try:
        xent.linear_value_and_grad(*arrays, max_bytes=1, **options)
    except xent.OptionError as error:
        return int(re.findall(r"at least (\d+)", str(error))[0])
    raise AssertionError("a byte was enough")


def check(case: Case, xent: Any, fast: Any, *, compared: bool) -> None:
    """The case on fenced arrays; then as it is, which has to give the same bits."""
    from tests.laws.bits import same

    fast.PAST_THE_CACHE, fast.LONG_ENOUGH = (0, 0) if case.past else (2**24, 512)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fences.Fenced.on = True
        found = case.run(xent)
        if not compared:
            return
        fences.Fenced.on = False
        plain = case.run(xent)
    refused = isinstance(found[0], str)
    wanted = case.expects_refusal()
    assert wanted is None or refused == wanted, f"refused: {refused}, {case.targets}, ignoring {case.ignored}"
    assert len(found) == len(plain)
    for a, b in zip(found, plain, strict=True):
        whole = np.asarray(a).dtype.kind not in "fV"  # V: bfloat16
        equal = np.array_equal(a, b) if whole else same(a, b)
        assert equal, f"{case.kind} {case.logits.shape} {case.options}: other bits"


def main(words: list[str]) -> None:
    """Try cases; say what was tried."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", default="")
    parser.add_argument("--dtypes", nargs="+", default=DTYPES, choices=DTYPES)
    parser.add_argument("--log")
    parser.add_argument("--no-fences", action="store_true")
    parser.add_argument("--mistake", choices=sorted(MISTAKES))
    options = parser.parse_args(words)
    if options.mistake:
        make_mistake(options.mistake)
    if not options.no_fences:
        fences.fence_kernels()
    import xent
    from xent import _small
    from xent._kernels.cpu import fast, launch, split

    _small.CALLS, launch.SERIAL, split.WAKING = 0, 1, 0
    log = None if options.log is None else os.open(options.log, os.O_WRONLY | os.O_CREAT, 0o600)
    for number in range(options.first, options.first + options.cases):
        if log is not None:
            os.pwrite(log, f"{number:12}".encode(), 0)
        check(Case(number, options.seed, options.kind, options.dtypes), xent, fast, compared=not options.mistake)
    seen = {name: sorted(places) for name, places in fences.Fenced.seen.items()}
    print(json.dumps({"cases": options.cases, "calls": fences.Fenced.calls, "seen": seen}))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
