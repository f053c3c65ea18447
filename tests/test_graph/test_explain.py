"""`xent.explain`: what it takes, what it refuses, in the words of the functions; layers and networks; conventions."""

import math
import warnings

import numpy as np
import pytest

import xent
from tests.contracts.test_messages import MESSAGES, NAMES, said
from xent.graph import explain
from xent.graph.choose import classes_of, cut
from xent.graph.left_out import total_of
from xent.graph.receive import receive

X, T = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]), np.array([2, 0])

# What explain does not take, or what only arrays can be.
ELSEWHERE = ("out=", "returns=", "threads=", "value_and_grad", "grad_scale", "'a'", "None, T")
SHARED = [
    (call, kind, text)
    for call, kind, text in MESSAGES
    if call.startswith("cross_entropy") and issubclass(kind, xent.XentError) and not any(e in call for e in ELSEWHERE)
]


@pytest.mark.parametrize(("call", "kind", "text"), SHARED, ids=[call for call, _, _ in SHARED])
def test_mistakes_are_told_in_the_words_of_the_functions(call, kind, text):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(kind) as raised:
            eval(call.replace("cross_entropy", "explain", 1), {**NAMES, "explain": explain})  # noqa: S307 -- written in the table
    assert str(raised.value) == text


def test_the_table_of_messages_is_not_empty():
    assert len(SHARED) > 25
    assert said(SHARED[0][0])


@pytest.mark.parametrize(
    ("arguments", "options", "kind", "text"),
    [
        ((X, T), {"max_items": 0}, xent.OptionError, "max_items is 0: it must be a whole number >= 1."),
        ((X, T), {"max_classes": 2.0}, xent.KindError, "max_classes is a float, 2.0: it must be a whole number >= 1."),
        ((X, T), {"micro_batches": 3}, xent.OptionError,
         "micro_batches is 3: it must be in [1, 2], or the sizes of the parts."),
        ((X, T), {"ranks": [1, 2]}, xent.OptionError,
         "ranks is [1, 2]: it must be parts that together have the 2 items of the batch."),
        ((X, T), {"ranks": "2"}, xent.KindError,
         "ranks is a str, '2': it must be a whole number >= 1, or the sizes of the parts."),
        (
            (X, T), {"ranks": 2, "micro_batches": 2}, xent.OptionError,
            "micro_batches and ranks are both given: a drawing shows one cut of the batch.\n  Drop one of them.",
        ),
        ((X, T), {"split_mean": 1}, xent.KindError, "split_mean is an int, 1: it must be True or False."),
        ((X, T), {"title": 3}, xent.KindError, "title is an int, 3: it must be text."),
        ((X, T), {"class_names": ["a"]}, xent.ShapeError,
         "class_names has shape (1,): it must have shape (3,), one name a class."),
        (
            (X, T), {"linear_weight": np.ones((3, 2))}, xent.ShapeError,
            "linear_weight has shape (3, 2): it must have shape (3, 3), classes × width of hidden.",
        ),
        (
            (X, T), {"linear_bias": [1.0]}, xent.OptionError,
            "linear_bias is given without linear_weight: x = W·h + b needs both, or W alone.",
        ),
        (
            (X,), {}, xent.KindError,
            ("targets is missing: explain takes logits and targets.\n"
             "  Only a layer of this package knows its own: xent.explain(layer) after layer.forward(x, t)."),
        ),
        (
            ("batch",), {}, xent.KindError,
            ("the first argument is a str, 'batch': it must be logits and targets, a layer of this package, or a "
             "network that ends in one."),
        ),
        (
            (xent.SoftmaxWithLoss(),), {}, xent.StateError,
            ("SoftmaxWithLoss: xent.explain needs a forward(x, t) that succeeded, and there is none yet.\n"
             "  Call loss = layer.forward(x, t) first; it is its derivative that backward returns."),
        ),
        (
            (xent.SoftmaxWithLoss(),), {"reduction": "sum"}, xent.OptionError,
            "reduction is given beside a layer: the layer's own options hold.\n  Set layer.reduction.",
        ),
    ],
)  # fmt: skip
def test_its_own_mistakes(arguments, options, kind, text):
    with pytest.raises(kind) as raised:
        explain(*arguments, **options)
    assert str(raised.value) == text


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f8"])
def test_arrays_of_any_float_dtype_and_lists_are_the_same_batch(dtype):
    assert explain(X.astype(dtype), T).to_dict() == explain(X.tolist(), T.tolist()).to_dict()


def test_bfloat16_and_any_class_axis():
    import ml_dtypes

    assert explain(X.astype(ml_dtypes.bfloat16), T.astype(np.uint8)).loss == explain(X, T).loss
    cube = np.arange(24.0).reshape(2, 3, 4)
    targets = np.array([[0, 1, 2, 0], [2, 1, 0, -100]])
    graph = explain(cube, targets, axis=1)
    assert graph.loss == pytest.approx(float(xent.cross_entropy(cube, targets, axis=1)), rel=1e-15)
    assert "of shape (2, 4)" in graph.to_text(80)


def test_nothing_that_came_is_changed_or_kept():
    x = X.copy()
    graph = explain(x, T)
    x[:] = 0.0
    assert graph.loss == pytest.approx(0.4076059644443804)
    assert graph.check().ok


@pytest.mark.parametrize(
    "options", [{}, {"reduction": "sum"}, {"denominator": 8}, {"label_smoothing": 0.1}, {"weight": [1.0, 2.0, 3.0]}]
)
def test_a_layer_is_drawn_after_its_forward(options):
    layer = xent.SoftmaxWithLoss(**options)
    loss = layer.forward(X, T)
    graph = xent.explain(layer, split_mean=True)
    assert graph.loss == pytest.approx(float(loss), rel=1e-15)
    drawn = [graph.drawing.nodes[f"x{i}"].gradient.rows[0] for i in (0, 1)]
    assert np.allclose(drawn, layer.backward(), rtol=1e-14, atol=1e-18)
    assert graph.check().ok


def test_the_time_layer_of_the_book_is_drawn_with_its_padding():
    layer = xent.book.TimeSoftmaxWithLoss()
    loss = layer.forward(np.array([[*X, [9.0, 9.0, 9.0]]]), np.array([[2, 0, -1]]))
    graph = xent.explain(layer)
    assert graph.loss == pytest.approx(float(loss))
    assert "÷2 of 3" in graph.to_text(100)


class Affine:
    def __init__(self, w, b):
        self.W, self.b, self.x = w, b, None

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b


class Net:
    """A net as the book writes them."""

    def __init__(self):
        g = np.random.default_rng(0)
        self.layers = {
            "Affine1": Affine(g.normal(size=(4, 5)), np.zeros(5)),
            "Affine2": Affine(g.normal(size=(5, 3)), np.ones(3)),
        }
        self.last_layer = xent.book.SoftmaxWithLoss()

    def loss(self, x, t):
        for layer in self.layers.values():
            x = layer.forward(x)
        return self.last_layer.forward(x, t)


def test_a_network_is_drawn_with_its_last_parameters_in_front():
    net, x = Net(), np.random.default_rng(1).normal(size=(6, 4))
    loss = net.loss(x, np.array([0, 1, 2, 0, 1, 2]))
    graph = xent.explain(net)
    w = graph.drawing.nodes["W"]
    assert graph.loss == pytest.approx(float(loss), rel=1e-12)
    assert w.value.shape == (3, 5)
    assert np.allclose(w.gradient.rows, (net.layers["Affine2"].x.T @ net.last_layer.backward()).T)
    assert len(graph.drawing.into["x0"]) == 3
    assert graph.check().ok
    net.layers["Affine2"].W += 1.0
    with pytest.raises(xent.StateError, match="have changed since its last forward"):
        xent.explain(net)


def test_an_item_that_is_not_drawn_adds_the_bits_of_the_definition():
    from xent.core.item import item_of
    from xent.core.spec import Spec

    g = np.random.default_rng(3)
    x = g.normal(0, 20, (40, 7))
    x[3, 2] = -math.inf
    x[4, 0] = math.nan
    t = g.integers(0, 7, 40)
    q = g.random((40, 7))
    for spec in (Spec(), Spec(label_smoothing=0.1), Spec(softcap=3.0), Spec(lse_square_scale=0.1)):
        for targets in (t, q):
            batch = receive(x, targets, spec, weight=g.random(7), sample_weight=g.random(40))
            for i in range(40):
                item = item_of(batch.logits(i), batch.targets[i], spec, batch.weight, batch.sample(i))
                assert total_of(batch, i) == item.total


def test_the_target_and_the_largest_logit_are_always_drawn():
    logits = [0.0] * 50
    logits[33] = 5.0
    q = [0.0] * 50
    q[20] = 1.0
    assert {20, 33} <= set(classes_of(logits, q, 2))
    assert {0, 20, 33, 49} == set(classes_of(logits, q, 4))


def test_a_cut_is_that_of_array_split():
    for n, k in ((10, 3), (7, 7), (9, 2)):
        assert [stop - start for start, stop in cut(n, k, None)[1]] == [len(p) for p in np.array_split(np.arange(n), k)]


# ---------------------------------------------------------------------------------------------------- conventions


def test_conventions_of_a_batch_with_padding():
    x = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    t = np.array([2, 0, -100, 1])
    rows = explain(x, t, ranks=[3, 1]).conventions()
    losses = xent.cross_entropy(x, t, reduction="none")
    assert rows["PyTorch, class indices"].loss == pytest.approx(losses.sum() / 3)
    assert rows["xent, batch"].loss == pytest.approx(losses.sum() / 4)
    assert rows["Keras, sum_over_batch_size"].divisor == 3
    assert rows["the book, volume 1"].loss is None
    assert rows["the book, volume 2, Time"].loss == pytest.approx(losses.sum() / 3)
    assert rows["DDP and FSDP, as they come"].loss == pytest.approx((losses[:2].mean() + losses[3]) / 2)
    assert max(map(len, str(rows).splitlines())) <= 80


def test_conventions_of_weights():
    w, s = [1.0, 2.0, 3.0], [2.0, 0.0]
    rows = explain(X, T, weight=w).conventions()
    assert rows["PyTorch, class indices"].loss == pytest.approx(float(xent.cross_entropy(X, T, weight=w)))
    assert rows["PyTorch, class indices"].divisor == 4.0
    assert rows["PyTorch, probabilities"].divisor == 2
    assert rows["the book, volume 1"].why == "its loss has no weights"
    rows = explain(X, T, sample_weight=s).conventions()
    assert rows["Keras, sum_over_batch_size"].divisor == 2
    assert rows["Keras, mean_with_sample_weight"].divisor == 2.0
    assert rows["PyTorch, class indices"].why == "it has no sample weights"


def test_conventions_where_nothing_counts():
    rows = explain(X, [-100, -100]).conventions()
    assert math.isnan(rows["PyTorch, class indices"].loss)
    assert rows["xent, default"].loss == 0.0
    assert rows["Keras, sum_over_batch_size"].loss == 0.0
    assert rows.to_dict()[3]["loss"] is None


def test_conventions_of_probabilities():
    q = np.array([[0.1, 0.2, 0.7], [1.0, 1.0, 0.0]])
    rows = explain(X, q).conventions()
    assert rows["PyTorch, probabilities"].loss == pytest.approx(float(xent.cross_entropy(X, q, denominator="batch")))
    assert rows["PyTorch, class indices"].why == "the targets are probabilities"
    assert rows["xent, default"].loss == pytest.approx(float(xent.cross_entropy(X, q)))
