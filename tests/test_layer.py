"""SoftmaxWithLoss: what forward and backward promise, and that every promise can be broken (by a mutant)."""

import copy
import pickle
import threading

import ml_dtypes
import numpy as np
import pytest

import xent
from tests.accuracy.exact import exact_row

ROWS = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
LABELS = np.array([2, 0])
ONE_HOT = np.array([[0, 0, 1], [1, 0, 0]])
SOFT = np.array([[0.1, 0.2, 0.7], [0.5, 0.3, 0.2]])
RANDOM = np.random.default_rng(1)
X = RANDOM.normal(size=(7, 5))
T = RANDOM.integers(0, 5, 7)


def layer_after(x, t, **options):
    layer = xent.SoftmaxWithLoss(**options)
    layer.forward(x, t)
    return layer


# wrong layers ---------------------------------------------------------------------------------------------------------


class DividesByClasses(xent.SoftmaxWithLoss):
    """The gradient divided by the number of classes instead of rows, as the book's of one row alone."""

    def backward(self, dout=1):
        classes = self.y.shape[-1]
        return super().backward(dout) * (self.y.size / classes) / classes


class SumGradient(xent.SoftmaxWithLoss):
    """A mean loss with the gradient of the sum: y − t."""

    def backward(self, dout=1):
        return super().backward(dout) * len(self.y)


class IgnoresDout(xent.SoftmaxWithLoss):
    """Volume 1."""

    def backward(self, dout=1):
        return super().backward(1)


class Destructive(xent.SoftmaxWithLoss):
    """Hands out its own array and works in it."""

    def forward(self, x, t):
        loss = super().forward(x, t)
        self.own = super().backward() / 2
        return loss

    def backward(self, dout=1):
        self.own *= 2 * dout
        return self.own


class KeepsItsInput(xent.SoftmaxWithLoss):
    """Does not copy: backward is the derivative at whatever the arrays hold by then."""

    def forward(self, x, t):
        loss = super().forward(x, t)
        self._pass.logits, self._pass.targets = x, t
        return loss


class AddsDelta(xent.SoftmaxWithLoss):
    """The book's loss."""

    def forward(self, x, t):
        super().forward(x, t)
        return xent.book.cross_entropy_error(self.y, t, delta=1e-7)


class ArgmaxOfSoft(xent.SoftmaxWithLoss):
    """Volume 2: probability targets lose all but their largest entry."""

    def forward(self, x, t):
        return super().forward(x, np.argmax(t, axis=-1) if np.shape(t) == np.shape(x) else t)


class SubtractsOne(xent.SoftmaxWithLoss):
    """p − 1 at the target, also where p rounds to 1."""

    def backward(self, dout=1):
        gradient = self.y.copy()
        gradient[np.arange(len(gradient)), self.t] -= 1
        return gradient * dout / len(gradient)


class KeepsTheOldPass(xent.SoftmaxWithLoss):
    """A forward that raises leaves the batch before it in place."""

    def forward(self, x, t):
        before = self._pass
        try:
            return super().forward(x, t)
        except xent.XentError:
            self._pass = before
            raise


# laws of one layer: each is a function of a class, and is shown to fail on the wrong layers ---------------------------


def numerical(layer, x, t, h=1e-5):
    """Derivative of forward by central differences, in float64."""
    grad = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[place] += h
        down[place] -= h
        grad[place] = (np.sum(layer.forward(up, t)) - np.sum(layer.forward(down, t))) / (2 * h)
    return grad


def backward_is_the_derivative(kind, x=X, t=T, **options):
    layer = kind(**options)
    expected = numerical(layer, x, t)
    layer.forward(x, t)
    np.testing.assert_allclose(layer.backward(), expected, rtol=0, atol=2e-9)


def dout_multiplies(kind):
    layer = kind()
    layer.forward(X, T)
    np.testing.assert_array_equal(layer.backward(2.0), 2.0 * layer.backward())
    np.testing.assert_array_equal(layer.backward(-0.5), -0.5 * layer.backward())


def backward_can_run_twice(kind):
    layer = kind()
    layer.forward(X, T)
    first = layer.backward()
    kept = first.copy()
    first[...] = 7.0  # the book's Relu writes into it
    np.testing.assert_array_equal(layer.backward(), kept)


def later_writes_change_nothing(kind):
    x, t = X.copy(), T.copy()
    layer = kind()
    layer.forward(x, t)
    expected = layer.backward()
    x += 1.0 + np.arange(5)
    t[...] = 0
    np.testing.assert_array_equal(layer.backward(), expected)


def one_row_is_a_batch_of_one(kind):
    layer = kind()
    loss = layer.forward(ROWS[0], ONE_HOT[0])
    assert loss == kind().forward(ROWS[:1], ONE_HOT[:1])
    np.testing.assert_allclose(layer.backward(), layer.y - ONE_HOT[0], rtol=1e-15)


def confident_rows_are_exact(kind):
    x = np.array([[40.0, 0.0], [0.0, 40.0]])
    layer = kind()
    loss = float(layer.forward(x, np.array([0, 1])))
    exact = exact_row([40.0, 0.0], 0)
    assert loss == pytest.approx(float(exact.loss), rel=1e-15, abs=0)
    assert layer.backward()[0, 0] == pytest.approx(float(exact.grad[0]) / 2, rel=1e-15, abs=0)


def soft_targets_stay_soft(kind):
    layer = kind()
    exact = [exact_row(list(x), list(q)) for x, q in zip(ROWS, SOFT, strict=True)]
    assert float(layer.forward(ROWS, SOFT)) == pytest.approx(float(sum(e.loss for e in exact)) / 2, rel=1e-15, abs=0)
    expected = np.array([[float(g) for g in e.grad] for e in exact]) / 2
    np.testing.assert_allclose(layer.backward(), expected, rtol=1e-13)


def a_failed_forward_leaves_nothing(kind):
    layer = kind()
    layer.forward(X, T)
    with pytest.raises(xent.TargetError):
        layer.forward(X, T + 5)
    assert layer.loss is None
    assert layer.t is None
    assert layer.y is None
    with pytest.raises(xent.XentError, match="needs a forward"):
        layer.backward()


LAWS = {
    backward_is_the_derivative: [SumGradient, DividesByClasses],
    dout_multiplies: [IgnoresDout],
    backward_can_run_twice: [Destructive],
    later_writes_change_nothing: [KeepsItsInput],
    one_row_is_a_batch_of_one: [DividesByClasses],
    confident_rows_are_exact: [AddsDelta, SubtractsOne],
    soft_targets_stay_soft: [ArgmaxOfSoft],
    a_failed_forward_leaves_nothing: [KeepsTheOldPass],
}
CAUGHT = [(law, mutant) for law, mutants in LAWS.items() for mutant in mutants]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_the_layer_keeps(law):
    law(xent.SoftmaxWithLoss)


@pytest.mark.parametrize(("law", "mutant"), CAUGHT, ids=lambda part: part.__name__)
def test_a_wrong_layer_is_caught_by(law, mutant):
    with pytest.raises(AssertionError):
        law(mutant)


# every option has its own derivative ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"reduction": "sum"},
        {"reduction": "none"},
        {"denominator": 64},
        {"denominator": 0.37},
        {"denominator": "items", "weight": [1.0, 2.0, 0.0, 0.5, 3.0]},
        {"denominator": "batch", "ignore_index": 1},
        {"weight": [1.0, 2.0, 0.0, 0.5, 3.0]},
        {"ignore_index": 1},
        {"label_smoothing": 0.1},
    ],
    ids=str,
)
@pytest.mark.parametrize("shape", [(7, 5), (1, 7, 5), (7, 1, 5)])
def test_backward_is_the_derivative_under_every_option(options, shape):
    backward_is_the_derivative(xent.SoftmaxWithLoss, X.reshape(shape), T.reshape(shape[:-1]), **options)


def test_the_divisor_of_backward_is_that_of_forward():
    y = layer_after(X, T).y
    difference = y - np.eye(5)[T]

    for options, divisor in [({}, 7), ({"reduction": "sum"}, 1), ({"denominator": 64}, 64), ({"reduction": "none"}, 1)]:
        np.testing.assert_allclose(
            layer_after(X, T, **options).backward(), difference / divisor, rtol=1e-13, atol=1e-18
        )


def test_micro_batches_with_one_denominator_add_up_to_the_batch():
    whole = layer_after(X, T)
    parts = [layer_after(X[rows], T[rows], denominator=7) for rows in (slice(0, 4), slice(4, 6), slice(6, 7))]

    assert sum(part.loss for part in parts) == pytest.approx(whole.loss, rel=1e-15, abs=0)
    np.testing.assert_array_equal(np.concatenate([part.backward() for part in parts]), whole.backward())
    assert sum(part.total for part in parts) == whole.total
    means = [layer_after(X[rows], T[rows]).loss for rows in (slice(0, 4), slice(4, 6), slice(6, 7))]
    assert np.mean(means) != pytest.approx(whole.loss, rel=1e-3)


def test_options_can_be_set_and_hold_from_the_next_forward_on():
    layer = layer_after(X, T)
    mean = layer.backward()
    layer.reduction = "sum"

    np.testing.assert_array_equal(layer.backward(), mean)
    layer.forward(X, T)
    np.testing.assert_allclose(layer.backward(), 7 * mean, rtol=1e-15)


def test_a_class_weight_that_is_written_to_later_changes_nothing():
    weight = np.ones(5)
    layer = layer_after(X, T, weight=weight)
    before = layer.backward()
    weight[:] = [5, 4, 3, 2, 1]
    np.testing.assert_array_equal(layer.backward(), before)


def test_with_reduction_none_dout_may_be_one_number_a_row():
    layer = layer_after(X, T, reduction="none")
    dout = np.arange(7) - 2.0

    np.testing.assert_array_equal(layer.backward(dout), layer.backward() * dout[:, None])
    np.testing.assert_array_equal(layer.backward(dout.astype(int)), layer.backward(dout))
    np.testing.assert_array_equal(layer.backward(np.ones((1, 1))), layer.backward())


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ml_dtypes.bfloat16])
def test_a_row_of_douts_keeps_the_dtype(dtype):
    layer = layer_after(X.astype(dtype), T, reduction="none")
    assert layer.backward(np.linspace(0, 1, 7)).dtype == dtype


def test_a_dout_that_is_not_finite_reaches_the_gradient():
    layer = layer_after(X, T)
    assert np.isnan(layer.backward(np.nan)).all()
    assert np.isinf(layer.backward(np.inf)).all()
    assert not layer.backward(0).any()


# attributes -----------------------------------------------------------------------------------------------------------


def test_before_a_forward_there_is_nothing():
    layer = xent.SoftmaxWithLoss()

    assert layer.loss is None
    assert layer.y is None
    assert layer.t is None
    assert layer.params == []
    assert layer.grads == []


def test_what_is_there_after_a_forward():
    layer = xent.SoftmaxWithLoss()
    t = ONE_HOT.copy()
    loss = layer.forward(ROWS, t)

    assert layer.loss is loss
    assert layer.t is t
    np.testing.assert_allclose(layer.y, np.exp(ROWS) / np.exp(ROWS).sum(1, keepdims=True), rtol=1e-15)
    assert layer.y is layer.y
    assert layer.total == xent.total(ROWS, LABELS)
    assert layer.params == []
    assert layer.grads == []
    assert xent.SoftmaxWithLoss().params is not layer.params


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 4, 3), (2, 1, 4, 3)])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4", ml_dtypes.bfloat16])
def test_shapes_and_dtypes(shape, dtype):
    x, t = RANDOM.normal(size=shape).astype(dtype), np.zeros(shape[:-1], int)
    layer = xent.SoftmaxWithLoss()
    loss = layer.forward(x, t)
    native = np.dtype(dtype).newbyteorder("=")

    assert isinstance(loss, np.float64 if native == np.float64 else np.float32)
    for array in (layer.y, layer.backward()):
        assert array.shape == shape
        assert array.dtype == native
        assert array.flags.c_contiguous
        assert array.flags.writeable
        assert array.flags.owndata or array.base.flags.owndata


@pytest.mark.parametrize("layout", ["F", "reversed", "sliced", "broadcast", "read-only"])
def test_any_layout_gives_the_same_bits_and_is_not_written_to(layout):
    wide = np.repeat(X, 2, axis=1)
    x = {
        "F": np.asfortranarray(X),
        "reversed": X[::-1, ::-1].copy()[::-1, ::-1],
        "sliced": wide[:, ::2],
        "broadcast": np.broadcast_to(X[0], (7, 5)),
        "read-only": X.copy(),
    }[layout]
    x.flags.writeable = False
    before, layer = x.tobytes(), layer_after(x, T)

    plain = layer_after(np.ascontiguousarray(x), T)
    assert layer.loss == plain.loss
    np.testing.assert_array_equal(layer.backward(), plain.backward())
    assert layer.backward().flags.c_contiguous
    assert x.tobytes() == before


def test_logits_that_are_one_row_many_times_are_not_spread_out():
    rows = 10**4  # 80 MB, were they copied row by row
    logits = np.broadcast_to(RANDOM.normal(size=1000), (rows, 1000))
    layer = xent.SoftmaxWithLoss()
    layer.forward(logits, np.zeros(rows, np.int64))
    copy_of_it = layer._pass.logits

    assert copy_of_it.shape == logits.shape
    assert copy_of_it.strides == logits.strides
    assert not np.shares_memory(copy_of_it, logits)
    np.testing.assert_array_equal(copy_of_it[-1], logits[0])


def test_losses_of_rows_have_the_shape_of_the_rows():
    losses = xent.SoftmaxWithLoss(reduction="none").forward(np.zeros((2, 4, 3)), np.zeros((2, 4), int))
    np.testing.assert_allclose(losses, np.full((2, 4), np.log(3)), rtol=1e-15)
    assert xent.SoftmaxWithLoss(reduction="none").forward([0.0, 0.0], 1).shape == ()


def test_forward_is_pure():
    layer = xent.SoftmaxWithLoss()
    assert len({float(layer.forward(X, T)) for _ in range(20)}) == 1
    layer.forward(X, T)
    kept = layer.backward()
    layer.forward(X + 1.5, T[::-1])
    layer.forward(X, T)
    np.testing.assert_array_equal(layer.backward(), kept)


def test_a_layer_can_be_copied_pickled_and_printed():
    layer = layer_after(X, T, reduction="sum", ignore_index=None)

    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):  # noqa: S301 -- written one call earlier
        np.testing.assert_array_equal(twin.backward(), layer.backward())
    assert repr(layer) == "SoftmaxWithLoss(reduction='sum', ignore_index=None)"
    assert repr(xent.SoftmaxWithLoss(weight=np.ones(3), denominator=5)).startswith(
        "SoftmaxWithLoss(denominator=5, weight="
    )


def test_layers_of_two_threads_do_not_meet():
    results = {}

    def work(seed):
        x = np.random.default_rng(seed).normal(size=(50, 11))
        layer = xent.SoftmaxWithLoss()
        results[seed] = all(
            (layer.forward(x, np.full(50, 3)), layer.backward().tobytes())[1]
            == layer_after(x, np.full(50, 3)).backward().tobytes()
            for _ in range(30)
        )

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == dict.fromkeys(range(4), True)
