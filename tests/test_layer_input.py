"""SoftmaxWithLoss: every form of its input gives the same bits; every mistake is said in whole."""

import re

import ml_dtypes
import numpy as np
import pytest

import xent

ROWS = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
LABELS = np.array([2, 0])
ONE_HOT = np.array([[0, 0, 1], [1, 0, 0]])
SOFT = np.array([[0.1, 0.2, 0.7], [0.5, 0.3, 0.2]])


def layer_after(x, t, **options):
    layer = xent.SoftmaxWithLoss(**options)
    layer.forward(x, t)
    return layer


FORMS = {
    "indices": LABELS,
    "uint8": LABELS.astype("uint8"),
    "int8": LABELS.astype("int8"),
    "uint64": LABELS.astype("uint64"),
    "big-endian": LABELS.astype(">i4"),
    "column": LABELS[:, None],
    "list": [2, 0],
    "tuple": (2, 0),
    "column of lists": [[2], [0]],
    "floats": LABELS.astype(float),
    "float16": LABELS.astype("float16"),
    "list of floats": [2.0, 0.0],
    "float column": LABELS[:, None].astype("float32"),
    "one-hot": ONE_HOT,
    "one-hot bool": ONE_HOT.astype(bool),
    "one-hot uint8": ONE_HOT.astype("uint8"),
    "one-hot int32": ONE_HOT.astype("int32"),
    "one-hot float64": ONE_HOT.astype(float),
    "one-hot float32": ONE_HOT.astype("float32"),
    "one-hot float16": ONE_HOT.astype("float16"),
    "one-hot bfloat16": ONE_HOT.astype(ml_dtypes.bfloat16),
    "one-hot list": ONE_HOT.tolist(),
    "one-hot Fortran": np.asfortranarray(ONE_HOT),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_target_gives_the_same_bits(form, dtype):
    layer, plain = layer_after(ROWS.astype(dtype), FORMS[form]), layer_after(ROWS.astype(dtype), LABELS)

    assert layer.loss == plain.loss
    np.testing.assert_array_equal(layer.backward(), plain.backward())
    assert layer.backward().dtype == dtype
    assert layer.t is FORMS[form]


@pytest.mark.parametrize(
    "t", [2, np.array(2), np.int64(2), [2], np.array([2]), 2.0, [0, 0, 1], [[0, 0, 1]], np.array([0.0, 0, 1])]
)
def test_one_row_takes_its_target_in_every_form(t):
    layer, batch = layer_after(ROWS[0], t), layer_after(ROWS[:1], [2])

    assert layer.loss == batch.loss
    np.testing.assert_array_equal(layer.backward(), batch.backward()[0])
    assert layer.total.denominator == 1.0


def test_a_table_of_one_row_takes_a_single_label():
    assert layer_after(ROWS[:1], 2).loss == layer_after(ROWS[:1], [2]).loss


@pytest.mark.parametrize("form", ["indices", "column", "floats", "one-hot", "one-hot bool", "one-hot float64"])
def test_sequences_are_rows_like_any_other(form):
    x, t = np.tile(ROWS, (3, 1, 1)), np.tile(FORMS[form], (3,) + (1,) * FORMS[form].ndim)
    layer = layer_after(x, t)

    assert layer.loss == layer_after(ROWS, LABELS).loss
    np.testing.assert_allclose(
        layer.backward(), np.tile(layer_after(ROWS, LABELS).backward() / 3, (3, 1, 1)), rtol=1e-15
    )


def test_a_square_of_integers_is_one_hot_and_never_labels():
    x = np.arange(9.0).reshape(3, 3) % 4
    layer = layer_after(x, np.eye(3, dtype=int)[[2, 0, 1]])
    assert layer.loss == layer_after(x, [2, 0, 1]).loss


@pytest.mark.parametrize("t", [[0, 0], [[0], [0]], [[1], [1]], [[True], [True]], [[1.0], [1.0]], [0.0, 0.0]])
def test_with_one_class_every_reading_is_that_class(t):
    layer = layer_after([[1.0], [2.0]], t)
    assert layer.loss == 0.0
    assert layer.total.denominator == 2.0
    np.testing.assert_array_equal(layer.backward(), np.zeros((2, 1)))


def test_with_one_class_other_labels_are_still_wrong():
    with pytest.raises(xent.TargetError, match="out of range"):
        layer_after([[1.0], [2.0]], [1, 0])
    with pytest.raises(xent.TargetError, match="out of range"):
        layer_after([[1.0], [2.0]], [[2], [0]])


def test_integer_one_hot_can_be_ignored_by_class():
    layer = layer_after(ROWS, ONE_HOT, ignore_index=2)
    assert layer.total.denominator == 1.0
    assert not layer.backward()[0].any()


def test_a_list_of_whole_numbers_is_taken_as_logits():
    assert layer_after([[1, 2, 3], [3, 2, 1]], LABELS).loss == layer_after(ROWS, LABELS).loss


@pytest.mark.parametrize("shape", [(0, 3), (2, 0, 3)])
@pytest.mark.parametrize("one_hot", [True, False])
def test_a_mean_over_no_rows_is_0_and_warns(shape, one_hot):
    layer = xent.SoftmaxWithLoss()
    with pytest.warns(xent.EmptyBatchWarning, match="nothing in this batch counts"):
        loss = layer.forward(np.zeros(shape), np.zeros(shape if one_hot else shape[:-1], int))
    assert loss == 0.0
    assert layer.backward().shape == shape  # said once, by forward


def test_an_empty_list_of_labels_fits_no_rows():
    assert layer_after(np.zeros((0, 3)), [], reduction="sum").loss == 0.0


def test_a_mean_over_ignored_rows_is_0_and_warns():
    layer = xent.SoftmaxWithLoss(ignore_index=-1)
    with pytest.warns(xent.EmptyBatchWarning):
        assert layer.forward(np.full((2, 3), np.nan), np.array([-1, -1])) == 0.0
    np.testing.assert_array_equal(layer.backward(), np.zeros((2, 3)))  # said once, by forward


# errors, whole texts --------------------------------------------------------------------------------------------------


class OnAGpu:
    """What a CuPy array looks like from outside."""

    __cuda_array_interface__: dict[str, int] = {}  # noqa: RUF012 -- the attribute's being there is what counts

    def __array__(self, *_, **__):
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")


OnAGpu.__module__, OnAGpu.__qualname__, OnAGpu.__name__ = "cupy._core.core", "ndarray", "ndarray"

MISTAKES = [
    (
        (OnAGpu(), LABELS),
        xent.KindError,
        (
            "x is a cupy.ndarray, which lies on a GPU: this layer takes NumPy arrays.\n"
            "  Copy it: cupy.asnumpy(x); in the book's own code set GPU = False in common/config.py."
        ),
    ),
    (
        (ROWS, OnAGpu()),
        xent.KindError,
        (
            "t is a cupy.ndarray, which lies on a GPU: this layer takes NumPy arrays.\n"
            "  Copy it: cupy.asnumpy(t); in the book's own code set GPU = False in common/config.py."
        ),
    ),
    ((1.0, 0), xent.ShapeError, "x is a single number: logits are (N, C), or (C,) for one row."),
    (
        ([[1.0, 2.0], [3.0]], LABELS),
        xent.ShapeError,
        "x is a list whose parts differ in length: all rows must have one length.",
    ),
    (
        (np.ma.masked_less(ROWS, 2), LABELS),
        xent.KindError,
        (
            "x is a masked array, whose mask would be lost: it must be a plain array.\n"
            "  Mark rows to be left out with ignore_index or a sample_weight of 0."
        ),
    ),
    (
        (ROWS, [2.0, 0.5]),
        xent.KindError,
        (
            "t holds labels as float64, and 1 of 2 labels is no whole number of at most 2**53, first t[1] = 0.5: "
            "a label is the index of a class."
        ),
    ),
    (
        (ROWS, np.array([np.nan, np.inf], "float32")),
        xent.KindError,
        (
            "t holds labels as float32, and 2 of 2 labels are no whole number of at most 2**53, first t[0] = nan: "
            "a label is the index of a class."
        ),
    ),
    (
        (ROWS[0], 0.5),
        xent.KindError,
        (
            "t holds labels as float64, and 1 of 1 label is no whole number of at most 2**53, first t = 0.5: "
            "a label is the index of a class."
        ),
    ),
    (
        (ROWS, [[0, 1, 1], [1, 0, 0]]),
        xent.TargetError,
        (
            "t has the logits' shape, (2, 3), and dtype int64, so it must be one-hot: one 1 in every row, and else 0. "
            "1 of 2 rows is not, first t[0] = [0, 1, 1].\n  For probabilities pass floats: t.astype(float)."
        ),
    ),
    (
        (np.zeros((1, 2, 20)), np.full((1, 2, 20), 2, "uint8")),
        xent.TargetError,
        (
            "t has the logits' shape, (1, 2, 20), and dtype uint8, so it must be one-hot: one 1 in every row, and "
            "else 0. 2 of 2 rows are not, first t[0, 0] = [2, 2, 2, 2, ..., 2, 2, 2, 2].\n"
            "  For probabilities pass floats: t.astype(float)."
        ),
    ),
    (
        (ROWS[0], [0, 0, 0]),
        xent.TargetError,
        (
            "t has the logits' shape, (3,), and dtype int64, so it must be one-hot: one 1 in every row, and else 0. "
            "1 of 1 row is not, first t = [0, 0, 0].\n  For probabilities pass floats: t.astype(float)."
        ),
    ),
    (
        (ROWS, [2, 3]),
        xent.TargetError,
        (
            "1 of 2 targets is out of range, first targets[1] = 3: with 3 classes a target must lie in [0, 2] or "
            "equal ignore_index (-100).\n  If 3 marks padding, pass ignore_index=3."
        ),
    ),
    (
        (ROWS, [2, -1]),
        xent.TargetError,
        (
            "1 of 2 targets is out of range, first targets[1] = -1: with 3 classes a target must lie in [0, 2] or "
            "equal ignore_index (-100).\n  If -1 marks padding, pass ignore_index=-1."
        ),
    ),
]


@pytest.mark.parametrize(("arguments", "error", "text"), MISTAKES)
def test_a_mistake_is_said_in_whole(arguments, error, text):
    with pytest.raises(error) as caught:
        xent.SoftmaxWithLoss().forward(*arguments)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("x", "t", "error"),
    [
        (ROWS, 2, xent.ShapeError),  # one label for two rows
        (ROWS, [2, 0, 1], xent.ShapeError),
        (ROWS, np.zeros((2, 2), int), xent.ShapeError),
        (ROWS, [True, False], xent.KindError),
        (ROWS, ["2", "0"], xent.KindError),
        (ROWS, [None, 1], xent.KindError),
        (ROWS, -SOFT, xent.TargetError),
        (ROWS * 1j, LABELS, xent.KindError),
        (ROWS.astype(int), LABELS, xent.KindError),
        (ROWS > 1, LABELS, xent.KindError),
        (np.zeros((2, 0)), LABELS, xent.ShapeError),
    ],
)
def test_other_mistakes_are_the_functions_own(x, t, error):
    with pytest.raises(error):
        xent.SoftmaxWithLoss().forward(x, t)


def test_backward_and_total_need_a_forward():
    for asked, call in [("backward()", lambda layer: layer.backward()), ("total", lambda layer: layer.total)]:
        with pytest.raises(xent.XentError) as caught:
            call(xent.SoftmaxWithLoss())
        assert str(caught.value) == (
            f"SoftmaxWithLoss: {asked} needs a forward(x, t) that succeeded, and there is none yet.\n"
            "  Call loss = layer.forward(x, t) first; it is its derivative that backward returns."
        )


def test_a_wrong_dout_is_said_in_whole():
    layer = layer_after(ROWS, LABELS)
    with pytest.raises(xent.ShapeError) as caught:
        layer.backward(np.ones(2))
    assert str(caught.value) == "dout has shape (2,): forward returned a single number, so dout must be one."
    layer = layer_after(ROWS, LABELS, reduction="none")
    with pytest.raises(xent.ShapeError) as caught:
        layer.backward(np.ones(3))
    assert str(caught.value) == (
        "dout has shape (3,): forward returned losses of shape (2,), so dout must have it, or be one number."
    )
    with pytest.raises(xent.KindError) as caught:
        layer.backward("1")
    assert str(caught.value) == "dout is a str, '1': it must be a real number."
    with pytest.raises(xent.KindError, match=re.escape("dout is a complex, 1j: it must be a real number.")):
        layer.backward(1j)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"reduction": "average"}, xent.OptionError),
        ({"reduction": ["mean"]}, xent.KindError),
        ({"reduction": "sum", "denominator": 5}, xent.OptionError),
        ({"denominator": 0}, xent.OptionError),
        ({"denominator": "rows"}, xent.OptionError),
        ({"denominator": [1]}, xent.KindError),
        ({"ignore_index": 0.5}, xent.KindError),
        ({"label_smoothing": 1.5}, xent.OptionError),
    ],
)
def test_a_bad_option_is_refused_when_the_layer_is_made_and_when_it_is_set(options, error):
    with pytest.raises(error):
        xent.SoftmaxWithLoss(**options)
    layer = xent.SoftmaxWithLoss()
    for name, value in options.items():
        setattr(layer, name, value)
    with pytest.raises(error):
        layer.forward(ROWS, LABELS)


@pytest.mark.parametrize("weight", [[1.0, 2.0], [-1.0, 1.0, 1.0], [np.nan, 1.0, 1.0], "x"])
def test_a_bad_weight_is_refused(weight):
    with pytest.raises(xent.XentError):
        xent.SoftmaxWithLoss(weight=weight).forward(ROWS, LABELS)


def test_ignore_index_does_not_go_with_probabilities():
    with pytest.raises(xent.OptionError, match="ignore_index is -1"):
        xent.SoftmaxWithLoss(ignore_index=-1).forward(ROWS, SOFT)
