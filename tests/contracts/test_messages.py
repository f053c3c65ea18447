"""The whole text of every message of the functions: what came, where, what is allowed, what to do."""

import inspect
import warnings
from pathlib import Path

import numpy as np
import pytest

import xent
from xent.core import errors

X = np.zeros((4, 3))
T = np.array([0, 1, 2, 0])
Q = np.full((4, 3), 1 / 3)
BIG = np.zeros((8, 3))
FROZEN = np.zeros((4, 3))
FROZEN.flags.writeable = False
NAMES = {name: getattr(xent, name) for name in xent.__all__ if name != "load"} | {
    "X": X,
    "T": T,
    "Q": Q,
    "BIG": BIG,
    "FROZEN": FROZEN,
    "np": np,
}

MESSAGES = [
    (
        "cross_entropy(X, T, label_smoothing=-0.1)",
        xent.OptionError,
        "label_smoothing is -0.1: it must be a number in [0, 1].",
    ),
    (
        "cross_entropy(X, T, label_smoothing='a little')",
        xent.KindError,
        "label_smoothing is a str, 'a little': it must be a number in [0, 1].",
    ),
    (
        "cross_entropy(X, T, reduction='average')",
        xent.OptionError,
        "reduction is 'average': it must be one of 'mean', 'sum', 'none'.",
    ),
    (
        "cross_entropy(X, T, denominator=0)",
        xent.OptionError,
        'denominator is 0: it must be None, "weights", "items", "batch" or a finite number > 0.',
    ),
    (
        "cross_entropy(X, T, denominator='rows')",
        xent.OptionError,
        'denominator is \'rows\': it must be None, "weights", "items", "batch" or a finite number > 0.',
    ),
    (
        "cross_entropy(X, T, denominator=8, reduction='sum')",
        xent.OptionError,
        ('denominator is 8: it must be None with reduction="sum".\n  Only a mean is divided: drop one of them.'),
    ),
    (
        "cross_entropy(X, T, denominator=1e-320)",
        xent.OptionError,
        (
            "the mean would be divided by 1e-320: the sum of the weights, or the denominator, must lie in "
            "[2**-1000, 2**1024).\n  Multiply all weights by one number: the mean does not change."
        ),
    ),
    (
        "cross_entropy(X, T, denominator=True)",
        xent.KindError,
        ('denominator is a bool, True: it must be None, "weights", "items", "batch" or a finite number > 0.'),
    ),
    (
        "cross_entropy(X, T, returns='lse')",
        xent.KindError,
        ("returns is a str, 'lse': it must be a tuple of names.\n  For example returns=('lse',)."),
    ),
    (
        "cross_entropy(X, T, returns=('loss',))",
        xent.OptionError,
        (
            "returns[0] is 'loss': it must be one of 'lse', 'entropy', 'log_prob', 'z_loss', "
            "'accuracy', 'predicted', 'sum', 'denominator'."
        ),
    ),
    (
        "cross_entropy(X, T, threads=0)",
        xent.OptionError,
        "threads is 0: it must be None or a whole number >= 1.",
    ),
    (
        "cross_entropy(X, T, axis=2)",
        xent.OptionError,
        "axis is 2: it must be in [-2, 1] for logits of shape (4, 3).",
    ),
    (
        "cross_entropy(X, T, axis=1.0)",
        xent.KindError,
        "axis is a float, 1.0: it must be a whole number.",
    ),
    (
        "cross_entropy(X, T, softcap=0.0)",
        xent.OptionError,
        "softcap is 0.0: it must be a finite number > 0.",
    ),
    (
        "cross_entropy(X, T, logit_scale=float('nan'))",
        xent.OptionError,
        "logit_scale is nan: it must be a finite number > 0.",
    ),
    (
        "cross_entropy(X, T, lse_square_scale=-1.0)",
        xent.OptionError,
        "lse_square_scale is -1.0: it must be a finite number >= 0.",
    ),
    (
        "cross_entropy(X, T, ignore_index=1.5)",
        xent.KindError,
        "ignore_index is a float, 1.5: it must be None or a whole number.",
    ),
    (
        "cross_entropy(X, T.astype(np.uint8), ignore_index=-1)",
        xent.OptionError,
        "ignore_index is -1: it must be None, -100 or a value of the targets' dtype uint8 in [0, 255].",
    ),
    (
        "cross_entropy(X, Q, ignore_index=0)",
        xent.OptionError,
        (
            "ignore_index is 0: it must be None or -100 with probability targets.\n"
            "  A row of zeros counts for nothing; or pass sample_weight with 0 in the rows to be left out."
        ),
    ),
    (
        "cross_entropy(X.astype(int), T)",
        xent.KindError,
        (
            "logits has dtype int64: it must be float16, bfloat16, float32 or float64.\n"
            "  If these are logits: logits.astype(np.float32)."
        ),
    ),
    (
        "cross_entropy(X.astype(complex), T)",
        xent.KindError,
        "logits has dtype complex128: it must be float16, bfloat16, float32 or float64.",
    ),
    (
        "cross_entropy([[1.0, 'a'], [2.0, 3.0]], [0, 0])",
        xent.KindError,
        "logits has dtype <U32: it must be float16, bfloat16, float32 or float64.",
    ),
    (
        "cross_entropy(None, T)",
        xent.KindError,
        "logits has dtype object: it must be numbers in one rectangular array.",
    ),
    (
        "cross_entropy(np.ma.array(X), T)",
        xent.KindError,
        (
            "logits is a masked array, whose mask would be lost: it must be a plain array.\n"
            "  Mark rows to be left out with ignore_index or a sample_weight of 0."
        ),
    ),
    (
        "cross_entropy(np.zeros((4, 0)), T)",
        xent.ShapeError,
        "logits has shape (4, 0): the class axis must hold at least one class.",
    ),
    (
        "cross_entropy(1.0, T)",
        xent.ShapeError,
        ("logits has shape (): it needs a class axis.\n  One row of V logits has shape (V,)."),
    ),
    (
        "cross_entropy(X, T[:3])",
        xent.ShapeError,
        ("targets has shape (3,), logits (4, 3): class indices must have shape (4,), probabilities the logits' shape."),
    ),
    (
        "cross_entropy(X, T[:, None])",
        xent.ShapeError,
        (
            "targets has shape (4, 1), logits (4, 3): class indices must have shape (4,), probabilities the "
            "logits' shape.\n"
            "  Drop the last axis: targets[:, 0]."
        ),
    ),
    (
        "cross_entropy(X, T.astype(float))",
        xent.KindError,
        (
            "targets has dtype float64: it must be an integer dtype for class indices (or floats of the "
            "logits' shape).\n"
            "  If they are whole numbers: targets.astype(int)."
        ),
    ),
    (
        "cross_entropy(X, T == 0)",
        xent.KindError,
        ("targets has dtype bool: it must be an integer dtype for class indices (or floats of the logits' shape)."),
    ),
    (
        "cross_entropy(X, np.eye(3, dtype=int)[T])",
        xent.KindError,
        (
            "targets has the logits' shape and dtype int64: it looks like one-hot.\n"
            "  Pass targets.argmax(axis) for class indices, or floats for probabilities: "
            "targets.astype(logits.dtype)."
        ),
    ),
    (
        "cross_entropy(X, [0, 1, 3, -1])",
        xent.TargetError,
        (
            "2 of 4 targets are out of range, first targets[2] = 3: with 3 classes a target must lie in [0, "
            "2] or equal ignore_index (-100).\n"
            "  If 3 marks padding, pass ignore_index=3."
        ),
    ),
    (
        "cross_entropy(X[:, :1], T)",
        xent.TargetError,
        (
            "2 of 4 targets are out of range, first targets[1] = 1: with 1 class a target must be 0 or equal "
            "ignore_index (-100).\n"
            "  If 1 marks padding, pass ignore_index=1."
        ),
    ),
    (
        "cross_entropy(X, -Q)",
        xent.TargetError,
        (
            "12 target probabilities are negative, NaN or infinite, first targets[0, 0] = "
            "-0.3333333333333333: a probability row holds finite numbers >= 0 (of any sum)."
        ),
    ),
    (
        "cross_entropy(X, Q * np.nan)",
        xent.TargetError,
        (
            "12 target probabilities are negative, NaN or infinite, first targets[0, 0] = nan: a probability "
            "row holds finite numbers >= 0 (of any sum)."
        ),
    ),
    (
        "cross_entropy(X, T, weight=[1.0, 2.0])",
        xent.ShapeError,
        "weight has shape (2,): it must have shape (3,), one weight a class.",
    ),
    (
        "cross_entropy(X, T, weight=[1.0, -2.0, 1.0])",
        xent.OptionError,
        "weight[1] = -2.0: a class weight must be >= 0.",
    ),
    (
        "cross_entropy(X, T, weight=[1.0, np.inf, 1.0])",
        xent.OptionError,
        "weight[1] = inf: a weight must be finite.",
    ),
    (
        "cross_entropy(X, T, sample_weight=T == 0)",
        xent.KindError,
        (
            "sample_weight has dtype bool: it must be an integer dtype, float16, bfloat16, float32 or float64.\n"
            "  For a mask: sample_weight=sample_weight.astype(float)."
        ),
    ),
    (
        "cross_entropy(X, T, sample_weight=[1.0, -1.0, 1.0, 1.0])",
        xent.OptionError,
        ('sample_weight[1] = -1.0: negative weights need a number as denominator, or reduction="sum" or "none".'),
    ),
    (
        "cross_entropy(X, T, sample_weight=[[1.0], [1.0], [1.0], [1.0]])",
        xent.ShapeError,
        "sample_weight has shape (4, 1): it must have shape (4,), one weight a row, of the batch shape.",
    ),
    (
        "value_and_grad(X, T, out=np.zeros((4, 2)))",
        xent.ShapeError,
        "out has shape (4, 2): it must have shape (4, 3), the logits' shape.",
    ),
    (
        "value_and_grad(X, T, out=np.zeros((4, 3), np.float32))",
        xent.KindError,
        "out has dtype float32: it must be the logits' dtype, float64.",
    ),
    (
        "value_and_grad(X, T, out=FROZEN)",
        xent.OptionError,
        (
            "out is read-only.\n"
            "  Pass the logits themselves, or a writable array of their shape and dtype that overlaps "
            "nothing."
        ),
    ),
    (
        "value_and_grad(BIG[:4], T, out=BIG[1:5])",
        xent.OptionError,
        (
            "out overlaps the logits without being the logits.\n"
            "  Pass the logits themselves, or a writable array of their shape and dtype that overlaps "
            "nothing."
        ),
    ),
    (
        "value_and_grad(X, Q, out=Q)",
        xent.OptionError,
        (
            "out overlaps the targets or the weights.\n"
            "  Pass the logits themselves, or a writable array of their shape and dtype that overlaps "
            "nothing."
        ),
    ),
    (
        "value_and_grad(X, T, out=np.lib.stride_tricks.as_strided(np.zeros(15), (4, 3), (8, 8)))",
        xent.OptionError,
        (
            "out has elements that share memory (a broadcast or overlapping view).\n"
            "  Pass the logits themselves, or a writable array of their shape and dtype that overlaps "
            "nothing."
        ),
    ),
    (
        "value_and_grad(X, T, grad_scale=float('inf'))",
        xent.OptionError,
        "grad_scale is inf: it must be a finite number.",
    ),
    (
        "Total.from_dict({'sum': 1})",
        xent.DataError,
        "this is not what Total.to_dict() wrote (grid -1152): {'sum': 1}",
    ),
    (
        "total(X, T, sample_weight=[1.0, -1.0, 1.0, 1.0]).loss",
        xent.OptionError,
        (
            "1 row has a negative sample_weight: the sum of such weights is no denominator.\n"
            "  Read total.sum, or divide by a number: total.loss_over(D)."
        ),
    ),
    (
        "total(X, T).loss_over(0)",
        xent.OptionError,
        "denominator is 0: it must be a finite number > 0.",
    ),
    (
        "total(X, T).loss_over('weights')",
        xent.KindError,
        "denominator is a str, 'weights': it must be a finite number > 0.",
    ),
    (
        "Total.zero().loss",
        xent.EmptyBatchWarning,
        (
            "nothing in this batch counts (no rows, or every row is ignored or has weight 0): the mean is 0.\n"
            "  Where empty micro-batches are expected, pass the whole batch's count as denominator=."
        ),
    ),
    (
        "cross_entropy(X, [-100] * 4)",
        xent.EmptyBatchWarning,
        (
            "nothing in this batch counts (no rows, or every row is ignored or has weight 0): the mean is 0.\n"
            "  Where empty micro-batches are expected, pass the whole batch's count as denominator=."
        ),
    ),
    (
        "SoftmaxWithLoss().backward()",
        xent.StateError,
        (
            "SoftmaxWithLoss: backward() needs a forward(x, t) that succeeded, and there is none yet.\n"
            "  Call loss = layer.forward(x, t) first; it is its derivative that backward returns."
        ),
    ),
    (
        "SoftmaxWithLoss(reduction='average')",
        xent.OptionError,
        "reduction is 'average': it must be one of 'mean', 'sum', 'none'.",
    ),
]


def said(call: str) -> Exception:
    """What a call raises; a warning is raised too."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            eval(call, dict(NAMES))  # noqa: S307 -- the calls are written above
        except Exception as error:  # noqa: BLE001 -- it is compared as a whole
            return error
    pytest.fail(f"{call} raised nothing")


@pytest.mark.parametrize(("call", "kind", "text"), MESSAGES, ids=[call for call, _, _ in MESSAGES])
def test_the_whole_text(call, kind, text):
    error = said(call)
    assert (type(error), str(error)) == (kind, text)


BUILT_ELSEWHERE = {
    "missing": "tests/wheel: an extra is not installed",
    "interpreted": "below: Numba is not installed",
    "too_large_to_interpret": "below: the same, with a large batch",
}


def test_every_message_of_the_module_is_in_the_table(monkeypatch):
    used = set()

    def watch(name, build):
        def watched(*arguments, **options):
            used.add(name)
            return build(*arguments, **options)

        return watched

    builders = {name for name, build in vars(errors).items() if inspect.isfunction(build)}
    for name in builders:
        monkeypatch.setattr(errors, name, watch(name, getattr(errors, name)))
    for call, _, _ in MESSAGES:
        said(call)
    assert builders - used == set(BUILT_ELSEWHERE)


def test_the_documentation_shows_the_tree_of_the_module():
    tree = inspect.cleandoc(errors.__doc__).partition("Exception\n")[2]
    shown = (Path(__file__).resolve().parents[2] / "docs" / "errors.md").read_text(encoding="utf-8")
    assert inspect.cleandoc("    Exception\n" + tree) in shown


def test_without_numba():
    assert str(errors.interpreted()) == (
        "Numba is not installed (it may have no wheel for this Python): xent runs its kernels as plain Python, right "
        "but some hundred times slower."
    )
    assert str(errors.too_large_to_interpret(10**9, 10**6)) == (
        "1000000000 elements are too many for kernels that run as plain Python (at most 1000000): "
        "install Numba, or switch its JIT on (NUMBA_DISABLE_JIT=0)."
    )
