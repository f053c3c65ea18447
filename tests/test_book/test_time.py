"""TimeSoftmaxWithLoss: the contract of volume 2's layer, without its traps."""

import copy

import ml_dtypes
import numpy as np
import pytest

import xent
from xent.book import TimeSoftmaxWithLoss

RANDOM = np.random.default_rng(5)
XS = RANDOM.normal(size=(3, 4, 6))
TS = RANDOM.integers(0, 6, (3, 4))
TS[0, 2:] = TS[2, 0] = -1  # 9 of 12 count


def after(xs, ts, **options):
    layer = TimeSoftmaxWithLoss(**options)
    layer.loss = layer.forward(xs, ts)
    return layer


class DividesByAll(TimeSoftmaxWithLoss):
    """Padding counted."""

    def forward(self, xs, ts):
        return super().forward(xs, ts) * 9 / 12

    def backward(self, dout=1):
        return super().backward(dout) * 9 / 12


def divides_by_the_positions_that_count(kind):
    layer = kind()
    loss = layer.forward(XS, TS)
    counts = TS != -1
    assert loss == pytest.approx(xent.cross_entropy(XS[counts], TS[counts]), rel=1e-15, abs=0)
    expected = np.zeros_like(XS)
    expected[counts] = xent.value_and_grad(XS[counts], TS[counts])[1]
    np.testing.assert_array_equal(layer.backward(), expected)


def test_it_divides_by_the_positions_that_count():
    divides_by_the_positions_that_count(TimeSoftmaxWithLoss)
    with pytest.raises(AssertionError):
        divides_by_the_positions_that_count(DividesByAll)


def test_it_agrees_with_the_books_layer(volume):
    theirs = volume("volume2").load("common.time_layers").TimeSoftmaxWithLoss()
    ours = TimeSoftmaxWithLoss()

    assert ours.forward(XS, TS) == pytest.approx(theirs.forward(XS, TS), rel=1e-15, abs=0)
    assert type(ours.forward(XS, TS)) is type(theirs.forward(XS, TS))
    for mine, other in zip(ours.cache, theirs.cache, strict=True):
        np.testing.assert_allclose(np.asarray(mine, float), np.asarray(other, float), rtol=1e-14)
    np.testing.assert_allclose(ours.backward(2.0), theirs.backward(2.0), rtol=0, atol=1e-16)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ml_dtypes.bfloat16])
def test_the_loss_is_float64_and_the_gradient_has_the_logits_dtype(dtype):
    layer = after(XS.astype(dtype), TS)
    gradient = layer.backward()

    assert type(layer.loss) is np.float64
    assert layer.loss == xent.total(XS.astype(dtype), TS, ignore_index=-1).loss
    assert gradient.dtype == dtype
    assert gradient.shape == XS.shape
    assert gradient.flags.writeable
    assert gradient.flags.c_contiguous


def test_an_ignored_position_is_never_read():
    clean, dirty = XS.copy(), XS.copy()
    dirty[0, 2] = np.nan
    dirty[0, 3] = [0, 0, 0, 0, 0, -2000]
    dirty[2, 0] = -np.inf

    assert after(dirty, TS).loss == after(clean, TS).loss
    np.testing.assert_array_equal(after(dirty, TS).backward(), after(clean, TS).backward())
    assert not after(dirty, TS).backward()[TS == -1].any()


def test_where_all_is_ignored_loss_and_gradient_are_0():
    layer = TimeSoftmaxWithLoss()
    with pytest.warns(xent.EmptyBatchWarning):
        loss = layer.forward(XS, np.full((3, 4), -1))
    assert loss == 0.0
    assert type(loss) is np.float64
    np.testing.assert_array_equal(layer.backward(), np.zeros_like(XS))  # said once, by forward


def test_backward_can_run_twice_and_can_be_written_into():
    layer = after(XS, TS)
    first = layer.backward()
    kept = first.copy()
    first[...] = 3.0
    layer.cache[1][...] = 0.0  # the book's own backward works in there

    np.testing.assert_array_equal(layer.backward(), kept)
    np.testing.assert_array_equal(layer.backward(-2), -2 * kept)


def test_it_is_the_derivative():
    layer, grad = TimeSoftmaxWithLoss(), np.zeros_like(XS)
    for place in np.ndindex(XS.shape):
        up, down = XS.copy(), XS.copy()
        up[place] += 1e-5
        down[place] -= 1e-5
        grad[place] = (layer.forward(up, TS) - layer.forward(down, TS)) / 2e-5
    np.testing.assert_allclose(after(XS, TS).backward(), grad, rtol=0, atol=1e-10)


LABELS = np.abs(TS)
ONE_HOT = np.eye(6, dtype="int32")[LABELS]


@pytest.mark.parametrize(
    "ts",
    [
        LABELS.astype("uint8"),  # cannot hold -1, so nothing is ignored
        LABELS.astype("uint64"),
        LABELS.tolist(),
        LABELS[..., None],
        LABELS.ravel(),
        LABELS.astype(float),
        ONE_HOT,
        ONE_HOT.astype(bool),
        ONE_HOT.astype(float),
        ONE_HOT.astype("float32"),
    ],
)
def test_every_form_of_a_target_gives_the_same_bits(ts):
    layer = after(XS, ts)
    assert layer.loss == after(XS, LABELS).loss
    np.testing.assert_array_equal(layer.backward(), after(XS, LABELS).backward())
    np.testing.assert_array_equal(layer.cache[0], LABELS.ravel())
    assert layer.cache[2].all()
    assert layer.cache[2].shape == (12,)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int64"])
def test_minus_100_is_ignored_too(dtype):
    ts = TS.astype(dtype)
    ts[0, 2:] = -100
    given = ts.copy()

    assert after(XS, ts).loss == after(XS, TS).loss
    np.testing.assert_array_equal(after(XS, ts).cache[2], TS.ravel() != -1)
    np.testing.assert_array_equal(ts, given)
    assert after(XS, ts, ignore_label=-1).loss == after(XS, np.where(ts == -1, -100, ts), ignore_label=None).loss


def test_ignore_label_can_be_set_and_may_be_a_class():
    layer = TimeSoftmaxWithLoss()
    layer.ignore_label = 0
    ts = np.where(TS == -1, 0, TS)
    counts = ts != 0

    assert layer.forward(XS, ts) == xent.total(XS[counts], ts[counts]).loss
    with pytest.raises(xent.TargetError):
        layer.forward(XS, TS)  # -1 is no class now
    layer.ignore_label = "padding"
    with pytest.raises(xent.KindError, match="ignore_index is a str, 'padding'"):
        layer.forward(XS, TS)


def test_what_is_there_before_a_forward_and_after_one_that_failed():
    layer = TimeSoftmaxWithLoss()
    assert (layer.params, layer.grads, layer.cache, layer.ignore_label) == ([], [], None, -1)

    layer.forward(XS, TS)
    with pytest.raises(xent.TargetError):
        layer.forward(XS, TS + 6)
    assert layer.cache is None
    with pytest.raises(xent.XentError, match=r"^TimeSoftmaxWithLoss: backward\(\) needs a forward"):
        layer.backward()


def test_it_can_be_copied():
    layer = after(XS, TS)
    np.testing.assert_array_equal(copy.deepcopy(layer).backward(), layer.backward())


def test_other_shapes_are_refused():
    with pytest.raises(xent.ShapeError) as caught:
        TimeSoftmaxWithLoss().forward(XS[0], TS[0])
    assert str(caught.value) == (
        "xs has shape (4, 6): TimeSoftmaxWithLoss takes (N, T, V).\n  SoftmaxWithLoss takes any number of axes."
    )
    with pytest.raises(xent.ShapeError):
        TimeSoftmaxWithLoss().forward(XS, TS[:2])
    with pytest.raises(xent.TargetError, match=r"^ts has the logits' shape, \(3, 4, 6\)"):
        TimeSoftmaxWithLoss().forward(XS, 2 * ONE_HOT)
