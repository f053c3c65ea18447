"""The short way of plain batches: the bits of the long way, and nothing of it where something is not plain."""

import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import xent
from xent import _plain
from xent._kernels.cpu import launch, plain

DTYPES = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16, "float32": np.float32, "float64": np.float64}
ON_BORDERS = [1, 2, 10, 24, 25, 100, 1000, 2048, 2049, 5000]


@pytest.fixture
def taken(monkeypatch):
    """The short way, small batches included, counted."""
    found = []

    def watched(*given):
        found.append((loss := _plain.plain_mean(*given)) is not None)
        return loss

    monkeypatch.setattr("xent._plain.small_mean", lambda *_given: None)
    monkeypatch.setattr("xent.numpy.plain_mean", watched)
    return found


def batch(seed, dtype, classes, rows=None):
    rng = np.random.default_rng(seed)
    n = rows or int(rng.integers(1, 200))
    logits = (rng.standard_normal((n, classes)) * 10.0 ** rng.integers(-3, 3)).astype(DTYPES[dtype])
    targets = rng.integers(0, classes, n)
    targets[rng.random(n) < 0.1] = -100
    targets[0] = 0
    return logits, targets


def assert_same(logits, targets, **options):
    """Loss, gradient, and both in place: the bits of the long way, which threads=1 takes."""
    loss, grad = xent.value_and_grad(logits, targets, threads=1, **options)
    short_loss, short_grad = xent.value_and_grad(logits, targets, **options)
    assert type(short_loss) is type(loss)
    assert short_loss.tobytes() == loss.tobytes()
    assert short_grad.tobytes() == grad.tobytes()
    assert xent.cross_entropy(logits, targets, **options).tobytes() == loss.tobytes()
    over = logits.copy()
    assert xent.value_and_grad(over, targets, out=over, **options)[0].tobytes() == loss.tobytes()
    assert over.tobytes() == grad.tobytes()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("classes", ON_BORDERS)
def test_both_ways_give_the_same_bits(taken, classes, dtype, smoothing):
    assert_same(*batch(classes, dtype, classes), label_smoothing=smoothing)
    assert taken == [True, True, True]


@settings(deadline=None)  # the first call of a kernel compiles it
@given(st.integers(0, 2**31), st.sampled_from(sorted(DTYPES)), st.integers(1, 3000), st.integers(1, 40))
def test_so_they_do_for_any_shape(seed, dtype, classes, rows):
    assert_same(*batch(seed, dtype, classes, rows))


def test_several_threads_add_up_to_the_same_bits(taken, monkeypatch):
    monkeypatch.setattr(launch, "available", lambda: 4)
    logits, targets = batch(1, "float32", 1000, 600)
    assert len(launch.cut_rows(600, 250, None)) == 4
    assert_same(logits, targets)
    assert taken == [True, True, True]


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32])
def test_labels_of_any_integers(taken, dtype):
    logits, targets = batch(2, "float32", 30)
    labels = np.abs(targets).astype(dtype) % 30
    assert_same(logits, labels)
    assert taken == [True, True, True]
    assert_same(logits, labels, ignore_index=3)  # whether the dtype can hold it is asked on the long way


@pytest.mark.parametrize("scale", [1e-300, 5e-324, 1e300])
def test_means_at_the_ends_of_float64(taken, scale):
    logits = np.array([[0.0, -745.0], [0.0, -scale if scale > 1.0 else -744.0], [0.0, -scale]])
    with np.errstate(over="ignore"):
        assert_same(logits, np.array([0, 0, 1]))
    assert taken == [True, True, True]


def test_many_rows_are_done_in_chunks(taken):
    """And rows that are ignored, in some of them."""
    logits, targets = batch(7, "float32", 3, 2 * _plain.CHUNK + 77)
    targets[: _plain.CHUNK] = 1
    assert_same(logits, targets)
    assert taken == [True, True, True]


def test_a_row_without_a_loss_is_nan_and_one_without_its_class_infinite(taken):
    for dtype in (np.float32, np.float64):
        logits = np.zeros((3, 100), dtype)
        logits[0, 0] = -np.inf
        assert xent.cross_entropy(logits, np.array([0, 1, 2])) == np.inf
        logits[1, 0] = np.nan
        assert math.isnan(xent.cross_entropy(logits, np.array([0, 1, 2])))
    assert taken == [True] * 4


@pytest.mark.parametrize("label", [100, -1, -101, 2**40, -(2**63), 2**63 - 1])
@pytest.mark.parametrize("ignore_index", [-100, None, 7])
def test_a_bad_label_is_an_error_and_writes_nothing(taken, label, ignore_index):
    logits, targets = np.ones((3, 100), np.float32), np.array([0, 1, label])
    out = np.full((3, 100), 7.0, np.float32)
    with pytest.raises(xent.TargetError, match="out of range"):
        xent.value_and_grad(logits, targets, out=out, ignore_index=ignore_index)
    assert (out == 7.0).all()
    assert taken == [False]


def test_an_empty_mean_warns_on_either_way(taken):
    with pytest.warns(xent.EmptyBatchWarning):
        assert xent.cross_entropy(np.ones((2, 300), np.float32), np.array([-100, -100])) == 0.0
    assert taken == [False]


def test_an_out_that_overlaps_is_an_error(taken):
    room = np.zeros(6 * 100 + 1, np.float32)
    with pytest.raises(xent.OptionError, match="overlaps"):
        xent.value_and_grad(room[:600].reshape(6, 100), np.arange(6), out=room[1:].reshape(6, 100))
    memory = np.zeros(1200, np.int64)
    with pytest.raises(xent.OptionError, match="overlaps"):
        xent.value_and_grad(np.zeros((6, 200)), memory[:6], out=memory.view(np.float64).reshape(6, 200))
    assert taken == [False, False]


NOT_PLAIN = {
    "strides": lambda x, t: (x[:, ::2], t % 50),
    "order": lambda x, t: (np.asfortranarray(x), t),
    "byte order": lambda x, t: (x.astype(">f4"), t),
    "lists": lambda x, t: (x.tolist(), t),
    "list of labels": lambda x, t: (x, t.tolist()),
    "reversed labels": lambda x, t: (x, t[::-1]),
    "uint64": lambda x, t: (x, t.astype(np.uint64)),
    "axes": lambda x, t: (x.reshape(2, 3, 100), t.reshape(2, 3)),
}


@pytest.mark.parametrize("change", NOT_PLAIN)
def test_what_is_not_plain_takes_the_long_way(taken, change):
    rng = np.random.default_rng(5)
    logits, targets = NOT_PLAIN[change](rng.standard_normal((6, 100)).astype(np.float32), np.arange(6))
    loss, grad = xent.value_and_grad(logits, targets)
    assert not any(taken)
    wide = xent.value_and_grad(np.asarray(logits, np.float64), np.asarray(targets))
    assert np.allclose(loss, wide[0], rtol=1e-6)
    assert np.allclose(grad, wide[1], rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"label_smoothing": 1.5}, "label_smoothing"), ({"label_smoothing": math.nan}, "label_smoothing"),
        ({"ignore_index": 2.0}, "ignore_index"), ({"ignore_index": True}, "ignore_index"),
    ],
)  # fmt: skip
def test_a_bad_option_is_an_error(taken, options, text):
    with pytest.raises((xent.OptionError, xent.KindError), match=text):
        xent.cross_entropy(np.ones((2, 300), np.float32), np.array([0, 1]), **options)
    assert taken == [False]


def test_wrong_ways_of_adding_would_be_seen(taken, monkeypatch):
    """The test above of several threads fails where one thread's sum is lost, or a rounded sum is taken."""
    monkeypatch.setattr(launch, "available", lambda: 4)
    logits, targets = batch(1, "float32", 1000, 600)

    def forgets(losses, limbs):
        limbs[:] = 0
        return plain.add_losses(losses[1:], limbs)

    receive, _, mean_of = _plain._compiled("float32")
    monkeypatch.setattr(_plain, "_compiled", lambda _name: (receive, forgets, mean_of))
    with pytest.raises(AssertionError):
        assert_same(logits, targets)
