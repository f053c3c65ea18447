"""Whole texts of what is refused; nothing is written before everything is checked."""

import ml_dtypes
import numpy as np
import pytest

import xent

H = np.ones((2, 3, 4), np.float32)
W = np.ones((5, 4), np.float32)
T = np.array([[0, 1, 2], [3, 4, 0]])
Q = np.full((2, 3, 5), 0.2, np.float32)
NAMES = {"xent": xent, "np": np, "ml_dtypes": ml_dtypes, "H": H, "W": W, "T": T, "Q": Q}

MESSAGES = [
    (
        "linear_cross_entropy(H, W[:, :3], T)",
        xent.ShapeError,
        (
            "linear_weight has shape (5, 3), hidden (2, 3, 4): linear_weight must have shape (V, 4), one row a "
            "class, at least one."
        ),
    ),
    (
        "linear_cross_entropy(H, W.T, T)",
        xent.ShapeError,
        (
            "linear_weight has shape (4, 5), hidden (2, 3, 4): linear_weight must have shape (V, 4), one row a "
            "class, at least one.\n  If its rows are features, pass linear_weight.T (no copy is made)."
        ),
    ),
    (
        "linear_cross_entropy(H, W[:0], T)",
        xent.ShapeError,
        (
            "linear_weight has shape (0, 4), hidden (2, 3, 4): linear_weight must have shape (V, 4), one row a "
            "class, at least one."
        ),
    ),
    (
        "linear_cross_entropy(H, W[0], T)",
        xent.ShapeError,
        (
            "linear_weight has shape (4,), hidden (2, 3, 4): linear_weight must have shape (V, 4), one row a "
            "class, at least one."
        ),
    ),
    (
        "linear_cross_entropy(H[0, 0, 0], W, T)",
        xent.ShapeError,
        "hidden has shape (): it needs a feature axis.\n  One row of D features has shape (D,).",
    ),
    (
        "linear_cross_entropy(H, W, T, axis=3)",
        xent.OptionError,
        "axis is 3: it must be in [-3, 2] for hidden of shape (2, 3, 4).",
    ),
    (
        "linear_cross_entropy(H, W.astype(ml_dtypes.bfloat16), T)",
        xent.KindError,
        (
            "linear_weight has dtype bfloat16: it must be hidden's dtype, float32.\n  Nothing is cast in silence: "
            "linear_weight.astype(hidden.dtype), or hidden.astype(linear_weight.dtype)."
        ),
    ),
    (
        "linear_cross_entropy(H.astype(int), W, T)",
        xent.KindError,
        "hidden has dtype int64: it must be float16, bfloat16, float32 or float64.",
    ),
    (
        "linear_cross_entropy(H, W.astype(complex), T)",
        xent.KindError,
        "linear_weight has dtype complex128: it must be float16, bfloat16, float32 or float64.",
    ),
    (
        "linear_cross_entropy(np.ma.masked_array(H), W, T)",
        xent.KindError,
        (
            "hidden is a masked array, whose mask would be lost: it must be a plain array.\n"
            "  Mark rows to be left out with ignore_index or a sample_weight of 0."
        ),
    ),
    (
        "linear_cross_entropy(H, W, T, linear_bias=W[0])",
        xent.ShapeError,
        "linear_bias has shape (4,): it must have shape (5,), one number a class.",
    ),
    (
        "linear_cross_entropy(H, W, T, linear_bias=np.zeros(5))",
        xent.KindError,
        (
            "linear_bias has dtype float64: it must be hidden's dtype, float32.\n  Nothing is cast in silence: "
            "linear_bias.astype(hidden.dtype), or hidden.astype(linear_bias.dtype)."
        ),
    ),
    (
        "linear_cross_entropy(H, W, T[:, :2])",
        xent.ShapeError,
        (
            "targets has shape (2, 2), hidden (2, 3, 4), linear_weight (5, 4): class indices must have shape "
            "(2, 3), probabilities (2, 3, 5)."
        ),
    ),
    (
        "linear_cross_entropy(H, W, T[:, :, None])",
        xent.ShapeError,
        (
            "targets has shape (2, 3, 1), hidden (2, 3, 4), linear_weight (5, 4): class indices must have shape "
            "(2, 3), probabilities (2, 3, 5).\n  Drop the last axis: targets[:, :, 0]."
        ),
    ),
    (
        "linear_cross_entropy(H, W, T + 1, shift=1)",
        xent.TargetError,
        (
            "1 of 6 targets is out of range, first targets[1, 1] = 5: with 5 classes a target must lie in [0, 4] or "
            "equal ignore_index (-100).\n  If 5 marks padding, pass ignore_index=5."
        ),
    ),
    (
        "linear_cross_entropy(H, W, -Q, shift=1)",
        xent.TargetError,
        (
            "30 target probabilities are negative, NaN or infinite, first targets[0, 0, 0] = -0.20000000298023224: a "
            "probability row holds finite numbers >= 0 (of any sum)."
        ),
    ),
    ("linear_cross_entropy(H, W, T, shift=-1)", xent.OptionError, "shift is -1: it must be a whole number >= 0."),
    (
        "linear_cross_entropy(H, W, T, shift=True)",
        xent.KindError,
        "shift is a bool, True: it must be a whole number >= 0.",
    ),
    (
        "linear_cross_entropy(H, W, T, shift=4)",
        xent.OptionError,
        "shift is 4: it must be in [0, 3] for sequences of 3 positions.",
    ),
    (
        "linear_cross_entropy(H[0, 0], W, 0, shift=1)",
        xent.ShapeError,
        (
            "hidden has shape (4,): shift=1 needs a sequence axis, the last of the targets' axes.\n"
            "  One sequence of T positions has shape (T, D), its targets (T,)."
        ),
    ),
    (
        "linear_cross_entropy(H, W, T, max_bytes=0)",
        xent.OptionError,
        "max_bytes is 0: it must be None or a whole number >= 1.",
    ),
    (
        "linear_cross_entropy(H, W, T, max_bytes=2.5e8)",
        xent.KindError,
        "max_bytes is a float, 250000000.0: it must be None or a whole number >= 1.",
    ),
    (
        "linear_cross_entropy(H, W, T, max_bytes=1000, threads=1)",
        xent.OptionError,
        "max_bytes is 1000: it must be at least 1050252 for these arrays.",
    ),
    (
        "linear_cross_entropy(H, W, T, sample_weight=[1, 1, 1])",
        xent.ShapeError,
        "sample_weight has shape (3,): it must have shape (2, 3), one weight a row, of the batch shape.",
    ),
    (
        "linear_value_and_grad(H, W, T, out=np.empty_like(H))",
        xent.KindError,
        None,
    ),
    (
        "linear_value_and_grad(H, W, T, out=(np.empty_like(H), W.tolist()))",
        xent.KindError,
        "out[1] is a str, 'list': it must be a numpy.ndarray.",
    ),
    (
        "linear_value_and_grad(H, W, T, out=(np.empty_like(H), np.empty((4, 5), np.float32)))",
        xent.ShapeError,
        "out[1] has shape (4, 5): it must have shape (5, 4), that of linear_weight.",
    ),
    (
        "linear_value_and_grad(H, W, T, out=(np.empty(H.shape), np.empty_like(W)))",
        xent.KindError,
        "out[0] has dtype float64: it must be that of hidden, float32.",
    ),
    (
        "linear_value_and_grad(H, W, T, out=(np.empty_like(H), np.empty((4, 5), np.float32).T))",
        xent.OptionError,
        "out[1] is read-only, or not C-contiguous and aligned: pass np.empty_like(linear_weight).",
    ),
    (
        "linear_value_and_grad(H, W, T, out=(H, np.empty_like(W)))",
        xent.OptionError,
        "out[0] overlaps an argument or another array of out.",
    ),
    (
        "linear_value_and_grad(H, W, T, grad_scale=np.inf)",
        xent.OptionError,
        "grad_scale is inf: it must be a finite number.",
    ),
]


@pytest.mark.parametrize(("call", "kind", "text"), MESSAGES)
def test_the_whole_text(call, kind, text):
    with pytest.raises(kind) as raised:
        eval(f"xent.{call}", NAMES)  # noqa: S307 -- the calls above
    if text is not None:
        assert str(raised.value) == text


def test_out_that_is_no_tuple_is_shown_short():
    with pytest.raises(xent.KindError) as raised:
        xent.linear_value_and_grad(H, W, T, out=[1, 2])
    assert str(raised.value) == "out is a list, [1, 2]: it must be None or a tuple of arrays (d_hidden, d_weight)."
    with pytest.raises(xent.KindError) as raised:
        xent.linear_value_and_grad(H, W, T, linear_bias=W[:, 0].copy(), out=(1, 2))
    assert str(raised.value).endswith("a tuple of arrays (d_hidden, d_weight, d_bias).")


@pytest.mark.parametrize(
    "wrong",
    [{"targets": T + 9}, {"shift": 7}, {"max_bytes": 5}, {"sample_weight": -np.ones((2, 3))}, {"denominator": 1e-320}],
)
def test_nothing_is_written_where_something_is_refused(wrong):
    out = np.full_like(H, 7.0), np.full_like(W, 7.0)
    given = {"targets": T} | wrong
    with pytest.raises(xent.XentError):
        xent.linear_value_and_grad(H, W, given.pop("targets"), out=out, **given)
    assert (out[0] == 7.0).all()
    assert (out[1] == 7.0).all()


def test_out_is_written_and_returned():
    out = np.full_like(H, np.nan), np.full_like(W, np.nan)
    loss, got = xent.linear_value_and_grad(H, W, T, out=out)
    usual, fresh = xent.linear_value_and_grad(H, W, T)
    assert loss == usual
    assert all(a is b and np.array_equal(b, c) for a, b, c in zip(got, out, fresh, strict=True))


def test_what_came_is_left_as_it_was():
    arrays = [H.copy(), W.copy(), T.copy(), Q.copy(), W[:, 0].copy()]
    copies = [array.copy() for array in arrays]
    for array in arrays:
        array.flags.writeable = False
    h, w, t, q, b = arrays
    xent.linear_value_and_grad(h, w, t, linear_bias=b)
    xent.linear_value_and_grad(h, w, q, linear_bias=b, softcap=5.0)
    assert all(np.array_equal(a, c) for a, c in zip(arrays, copies, strict=True))


def test_a_batch_in_which_nothing_counts_is_zero_and_says_so():
    ignored = np.full(T.shape, -100)
    with pytest.warns(xent.EmptyBatchWarning):
        loss, gradients = xent.linear_value_and_grad(H, W, ignored, linear_bias=W[:, 0])
    assert loss == 0.0
    assert not any(g.any() for g in gradients)
    assert xent.linear_cross_entropy(H, W, ignored, denominator=8) == 0.0
    with pytest.warns(xent.EmptyBatchWarning):
        assert xent.linear_cross_entropy(H[:0], W, T[:0]) == 0.0
    with pytest.warns(xent.EmptyBatchWarning):
        assert xent.linear_cross_entropy(H, W, T, shift=3) == 0.0
