"""softmax, cross_entropy_error and softmax_loss: exact, and with delta=1e-7 the book's numbers."""

import math

import numpy as np
import pytest
from mpmath import mp, mpf

import xent
from xent import book
from xent._book import textbook

RANDOM = np.random.default_rng(3)
X = RANDOM.normal(scale=4, size=(50, 7))
T = RANDOM.integers(0, 7, 50)


def exact_probabilities(row):
    with mp.workdps(60):
        terms = [mp.exp(mpf(float(x))) for x in row]
        return [term / mp.fsum(terms) for term in terms]


def ulps(came, exact):
    """Distance in units in the last place of came's dtype."""
    return abs(mpf(float(came)) - exact) / mpf(float(np.spacing(np.abs(came))))


# softmax --------------------------------------------------------------------------------------------------------------


def worst_of(softmax, x):
    """The largest error of a softmax over rows x, in ULP."""
    pairs = (zip(ps, exact_probabilities(row), strict=True) for row, ps in zip(x, softmax(x), strict=True))
    return max(ulps(p, exact) for row in pairs for p, exact in row)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_softmax_is_within_2_ulp(dtype):
    x = np.concatenate([X, 20 * X[:10], X[:10] * 1e-9]).astype(dtype)
    assert worst_of(book.softmax, x) <= 2
    assert worst_of(textbook.softmax, x) > 2


@pytest.mark.parametrize("shape", [(7,), (50, 7), (5, 10, 7), (5, 2, 5, 7), (0, 7)])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f8"])
def test_softmax_works_along_the_last_axis(shape, dtype):
    x = np.resize(X, shape).astype(dtype)
    x.flags.writeable = False
    y = book.softmax(x)

    assert y.shape == shape
    assert y.dtype == np.dtype(dtype).newbyteorder("=")
    assert y.flags.writeable
    assert y.flags.c_contiguous
    np.testing.assert_allclose(y.sum(-1, dtype=float), 1.0, rtol=4e-3 if dtype == "float16" else 1e-6)
    np.testing.assert_array_equal(y.reshape(-1, 7), book.softmax(x.reshape(-1, 7)))


def test_softmax_takes_whole_numbers_and_lists():
    assert book.softmax(np.array([1010, 1000, 990])).dtype == np.float64
    np.testing.assert_array_equal(book.softmax([1010, 1000, 990]), book.softmax(np.array([1010.0, 1000.0, 990.0])))


def test_softmax_of_hopeless_rows_is_nan_in_those_rows_only():
    y = book.softmax(np.array([[np.inf, 0.0], [np.nan, 0.0], [-np.inf, -np.inf], [0.0, -np.inf]]))
    assert np.isnan(y[:3]).all()
    np.testing.assert_array_equal(y[3], [1.0, 0.0])


@pytest.mark.parametrize(("x", "error"), [(1.0, xent.ShapeError), (["a"], xent.KindError), ([1j], xent.KindError)])
def test_softmax_refuses(x, error):
    with pytest.raises(error):
        book.softmax(x)


# cross_entropy_error --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cross_entropy_error_is_within_1_ulp(dtype):
    y = book.softmax(X.astype(dtype))
    with mp.workdps(60):
        exact = -mp.fsum(mp.log(mpf(float(y[i, t]))) for i, t in enumerate(T)) / len(T)
    loss = book.cross_entropy_error(y, T)

    assert type(loss) is y.dtype.type
    assert ulps(loss, exact) <= 1
    assert ulps(book.cross_entropy_error(y, T, delta=1e-7), exact) > 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("form", ["index", "one-hot", "one-hot float", "one row", "one row, label"])
@pytest.mark.parametrize("volume_name", ["volume1", "volume2"])
def test_with_its_delta_it_is_the_book_bit_for_bit(volume, volume_name, dtype, form):
    functions = volume(volume_name).load("common.functions")
    y = functions.softmax(X.astype(dtype))
    t = {"index": T, "one-hot": np.eye(7, dtype=int)[T], "one-hot float": np.eye(7)[T]}.get(form)
    if form.startswith("one row"):
        y, t = y[0], np.array(T[0]) if form.endswith("label") else np.eye(7)[T[0]]

    ours = book.cross_entropy_error(y, t, delta=1e-7)
    assert ours == functions.cross_entropy_error(y, t)
    assert type(ours) is type(functions.cross_entropy_error(y, t))
    assert book.cross_entropy_error(y, t) != ours


@pytest.mark.parametrize("volume_name", ["volume1", "volume2"])
def test_the_books_loss_from_logits_is_within_4_ulp_with_the_delta(volume, volume_name):
    layers = volume(volume_name).load("common.layers")
    theirs = layers.SoftmaxWithLoss().forward(X, T)
    ours = book.cross_entropy_error(book.softmax(X), T, delta=1e-7)
    assert abs(ours - theirs) <= 4 * np.spacing(theirs)


def test_probabilities_as_targets_are_weights():
    y, q = np.array([[0.5, 0.25, 0.25], [1.0, 0.0, 0.0]]), np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])
    loss = (0.5 * math.log(2) + 0.5 * math.log(4)) / 2
    assert book.cross_entropy_error(y, q) == pytest.approx(loss, rel=1e-15, abs=0)
    assert book.cross_entropy_error(y, q, delta=1e-7) == pytest.approx(loss, rel=1e-6, abs=0)


def test_a_target_of_probability_0_costs_infinitely_much_and_other_zeros_nothing():
    y = np.array([[1.0, 0.0]])
    assert book.cross_entropy_error(y, [1]) == math.inf
    assert math.copysign(1, book.cross_entropy_error(y, [0])) == 1
    assert book.cross_entropy_error(y, [0]) == 0.0
    assert book.cross_entropy_error(y, [1], delta=1e-7) == pytest.approx(-math.log(1e-7))
    assert math.isnan(book.cross_entropy_error(np.array([[np.nan, 0.5]]), [0]))


def test_every_form_of_a_target_gives_the_same_bits():
    y = book.softmax(X)
    one_hot = np.eye(7, dtype=int)[T]
    indices = [T, T[:, None], T.tolist(), T.astype(float), T.astype("uint64")]
    losses = {float(book.cross_entropy_error(y, t)) for t in [*indices, one_hot, one_hot == 1, one_hot.astype(float)]}
    losses.add(float(book.cross_entropy_error(y.reshape(5, 10, 7), T.reshape(5, 10))))
    assert len(losses) == 1


def test_no_rows_cost_nothing_with_a_warning():
    with pytest.warns(xent.EmptyBatchWarning):
        assert book.cross_entropy_error(np.zeros((0, 3)), np.zeros(0, int)) == 0.0


MISTAKES = [
    (
        (np.array([[2.0, -1.0]]), [0], 0.0),
        xent.OptionError,
        (
            "2 of 2 numbers in y are no probabilities, first y[0, 0] = 2.0: they must lie in [0, 1].\n"
            "  For logits, before the softmax, use softmax_loss(x, t)."
        ),
    ),
    (
        (np.array([[0.5, 0.5]]), [2], 0.0),
        xent.TargetError,
        (
            "1 of 1 targets is out of range, first targets[0] = 2: with 2 classes a target must lie in [0, 1].\n"
            "  If 2 marks padding, pass ignore_index=2."
        ),
    ),
    (
        (np.array([[0.5, 0.5]]), [0, 1], 0.0),
        xent.ShapeError,
        "t has shape (2,), y (1, 2): a row of y needs one label, or as many entries as y.",
    ),
    ((np.array([[0.5, 0.5]]), [0], -1.0), xent.OptionError, "delta is -1.0: it must be a number in [0, 1]."),
    ((0.5, 0, 0.0), xent.ShapeError, "y is a single number: probabilities are (N, C), or (C,) for one row."),
]


@pytest.mark.parametrize(("arguments", "error", "text"), MISTAKES)
def test_a_mistake_is_said_in_whole(arguments, error, text):
    y, t, delta = arguments
    with pytest.raises(error) as caught:
        book.cross_entropy_error(y, t, delta=delta)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("y", "t", "error"),
    [
        (["a", "b"], 0, xent.KindError),
        (np.array([[0.5, 0.5]]), [True], xent.KindError),
        (np.array([[0.5, 0.5]]), [[-0.5, 1.5]], xent.TargetError),
        (np.array([[0.5, 0.5]]), [[np.nan, 1.0]], xent.TargetError),
        (np.array([[0.5, 0.5]]), [[1, 1]], xent.TargetError),
    ],
)
def test_other_mistakes_are_refused_too(y, t, error):
    with pytest.raises(error):
        book.cross_entropy_error(y, t)


# softmax_loss ---------------------------------------------------------------------------------------------------------


def test_softmax_loss_is_the_layers_loss():
    assert book.softmax_loss(X, T) == xent.SoftmaxWithLoss().forward(X, T)
    assert book.softmax_loss(X[0], T[0]) == xent.cross_entropy(X[:1], T[:1])
    assert book.softmax_loss([[1000.0, 0.0]], [1]) == 1000.0
