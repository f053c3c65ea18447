"""Nets of the shape of both volumes' train with the drop-in as with a textbook layer; their gradient check tightens.

The textbook layers are those of volume1/ and volume2/ beside this file. Both runs draw the same random numbers, so what
differs is the layer alone: the loss by the 1e-7 that the book adds to every probability, the gradient by rounding.
"""

import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.datasets import load_digits

import xent
from xent import book

STEPS, BATCH, RATE = 3000, 100, 0.1
FIRST_TEST_ROW = 1500  # of 1797: an epoch is then a whole number of batches


def digits(labels):
    """((x, t) for training, (x, t) for testing): pixels in [0, 1], float32; labels uint8, or one-hot float64."""
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    x, t = (data.data[order] / 16).astype("float32"), data.target[order].astype("uint8")
    if labels == "one-hot":
        t = np.eye(10)[t]
    return (x[:FIRST_TEST_ROW], t[:FIRST_TEST_ROW]), (x[FIRST_TEST_ROW:], t[FIRST_TEST_ROW:])


def spiral():
    """300 points on the arms of a spiral, and their class as one-hot int32."""
    rng = np.random.default_rng(1984)
    radius = np.tile(np.arange(100) / 100, 3)
    arm = np.repeat(np.arange(3), 100)
    angle = 4 * (arm + radius) + 0.2 * rng.standard_normal(300)
    return np.c_[radius * np.sin(angle), radius * np.cos(angle)], np.eye(3, dtype="int32")[arm]


def tokens(count):
    """Words and marks of Python's own reference, which every Python carries, as indices; and how many differ."""
    topics = pytest.importorskip("pydoc_data.topics").topics
    words = re.findall(r"\w+|[^\w\s]", " ".join(topics[key] for key in sorted(topics)).lower())[:count]
    index = {word: i for i, word in enumerate(dict.fromkeys(words))}
    return np.array([index[word] for word in words], "int32"), len(index)


# what is trained ------------------------------------------------------------------------------------------------------


def two_layer_net(volume, swap, labels="index", steps=STEPS):
    """Volume 1, chapter 5: the training script's loop on digits."""
    v = volume("volume1")
    swap(v.load("common.layers"))
    (x, t), test = digits(labels)
    np.random.seed(1)  # noqa: NPY002 -- the nets draw from the global generator, as the book's
    net = v.load("two_layer_net").TwoLayerNet(64, 50, 10)
    losses, accuracies = [], []
    for step in range(steps):
        rows = np.random.choice(len(x), BATCH)  # noqa: NPY002 -- the same
        grads = net.gradient(x[rows], t[rows])
        for key in grads:
            net.params[key] -= RATE * grads[key]
        losses.append(net.loss(x[rows], t[rows]))
        if step % (len(x) // BATCH) == 0:
            accuracies.append((net.accuracy(x, t), net.accuracy(*test)))
    return SimpleNamespace(losses=losses, accuracies=accuracies, params=list(net.params.values()), layer=net.lastLayer)


def multi_layer_net(volume, swap, labels="index"):
    """Volume 1, chapter 6: three layers, weight decay, Trainer and Adam on digits."""
    v = volume("volume1")
    swap(v.load("common.layers"))
    np.random.seed(1)  # noqa: NPY002 -- the nets draw from the global generator
    net = v.load("common.multi_layer_net").MultiLayerNet(64, [50, 50], 10, weight_decay_lambda=0.001)
    train, test = digits(labels)
    trainer = v.load("common.trainer").Trainer(net, *train, *test, v.load("common.optimizer").Adam(0.01))
    trainer.train()
    accuracies = list(zip(trainer.train_acc_list, trainer.test_acc_list, strict=True))
    accuracies.append((net.accuracy(*train), net.accuracy(*test)))
    params = list(net.params.values())
    return SimpleNamespace(losses=trainer.train_loss_list, accuracies=accuracies, params=params, layer=net.last_layer)


def spiral_net(volume, swap):
    """Volume 2, chapter 1: 300 epochs over the spiral, one-hot int32 labels."""
    v = volume("volume2")
    swap(v.load("common.layers"))
    np.random.seed(1)  # noqa: NPY002 -- the nets draw from the global generator
    net, optimizer = v.load("two_layer_net").TwoLayerNet(2, 10, 3), v.load("common.trainer").SGD(1.0)
    x, t = spiral()
    losses, accuracies = [], []
    for _ in range(300):
        total = 0
        for rows in np.random.permutation(300).reshape(10, 30):  # noqa: NPY002 -- the same
            total += net.forward(x[rows], t[rows])
            net.backward()
            optimizer.update(net.params, net.grads)
        losses.append(total / 10)
        accuracies.append((net.predict(x).argmax(1) == t.argmax(1)).mean())
    return SimpleNamespace(losses=losses, accuracies=accuracies, params=net.params, layer=net.loss_layer)


def simple_rnnlm(volume, swap):
    """Volume 2, chapter 5: a recurrent language model in float32, perplexity by epoch; every ninth label is padding."""
    v = volume("volume2")
    swap(v.load("common.time_layers"))
    index, vocabulary = tokens(4000)
    targets = index[1:].copy()
    targets[::9] = -1
    np.random.seed(1)  # noqa: NPY002 -- the nets draw from the global generator
    net = v.load("simple_rnnlm").SimpleRnnlm(vocabulary, 100, 100)
    trainer = v.load("common.trainer")
    perplexities = trainer.RnnlmTrainer(net, trainer.SGD(0.1)).fit(index[:-1], targets, 4, 10, 5, 1.0)
    return SimpleNamespace(losses=perplexities, accuracies=[], params=net.params, layer=net.loss_layer)


def keep(_):
    """Leave the textbook's layer in place."""


def install(_):
    """What learners do."""
    book.install(quiet=True)


def put(kind):
    """A wrong layer in place of the textbook's."""
    return lambda module: setattr(module, "SoftmaxWithLoss", kind)


# same training --------------------------------------------------------------------------------------------------------


def check_same(ours, theirs, loss_apart, weight_apart=1e-12):
    """The accuracies are equal at every epoch, losses and weights closer than this."""
    assert ours.accuracies == theirs.accuracies
    assert np.abs(np.subtract(ours.losses, theirs.losses)).max() <= loss_apart
    for mine, other in zip(ours.params, theirs.params, strict=True):
        assert np.abs(mine - other).max() <= weight_apart
    assert ours.losses != theirs.losses  # otherwise it was the textbook's layer twice


@pytest.mark.parametrize(("labels", "steps"), [("index", STEPS), ("one-hot", STEPS // 3)])
def test_two_layer_net(volume, labels, steps):
    theirs, ours = (two_layer_net(volume, swap, labels, steps) for swap in (keep, install))

    assert type(theirs.layer).__module__ == "common.layers"
    assert type(ours.layer) is xent.SoftmaxWithLoss
    check_same(ours, theirs, loss_apart=1.2e-6)
    assert len(ours.accuracies) == -(-steps // 15)
    assert ours.accuracies[-1][1] > 0.95
    assert ours.losses[0] > 2
    assert ours.losses[-1] < 0.2


@pytest.mark.parametrize("labels", ["index", "one-hot"])
def test_multi_layer_net_with_trainer_weight_decay_and_adam(volume, capsys, labels):
    theirs, ours = multi_layer_net(volume, keep, labels), multi_layer_net(volume, install, labels)

    assert type(ours.layer) is xent.SoftmaxWithLoss
    check_same(ours, theirs, loss_apart=4e-6)  # its first steps have targets of probability 0.02 and less: 1e-7/p
    assert ours.accuracies[-1][1] > 0.95
    assert len(re.findall(r"^train loss:\d\.\d+$", capsys.readouterr().out, re.MULTILINE)) == 40


def test_spiral_net(volume):
    theirs, ours = spiral_net(volume, keep), spiral_net(volume, install)

    assert type(ours.layer) is xent.SoftmaxWithLoss
    check_same(ours, theirs, loss_apart=1.2e-6, weight_apart=1e-11)
    assert ours.accuracies[-1] > 0.9
    assert ours.losses[0] > 1.1
    assert ours.losses[-1] < 0.25


def test_simple_rnnlm(volume):
    theirs, ours = simple_rnnlm(volume, keep), simple_rnnlm(volume, install)

    assert type(ours.layer) is book.TimeSoftmaxWithLoss
    np.testing.assert_allclose(ours.losses, theirs.losses, rtol=1e-6)  # float32 weights: rounding, 320 steps long
    assert type(ours.losses[0]) is type(theirs.losses[0]) is np.float64
    assert ours.losses[-1] < 0.65 * ours.losses[0]


class SumGradient(xent.SoftmaxWithLoss):
    """y − t with a mean loss."""

    def backward(self, dout=1):
        return super().backward(dout) * len(self.y)


class DividesByClasses(xent.SoftmaxWithLoss):
    """(y − t)/C."""

    def backward(self, dout=1):
        return super().backward(dout) * len(self.y) / self.y.shape[-1]


class HandsOutItsOwn(xent.SoftmaxWithLoss):
    """Returns y itself, worked over: so the y that is left is wrong, and so is the second backward."""

    def backward(self, dout=1):
        gradient = self.y
        gradient -= np.eye(gradient.shape[-1])[self.t]
        gradient *= dout / len(gradient)
        gradient *= 1 + 1e-9
        return gradient


@pytest.mark.parametrize("kind", [SumGradient, DividesByClasses, HandsOutItsOwn])
def test_a_wrong_layer_trains_otherwise(volume, kind):
    theirs, wrong = two_layer_net(volume, keep, steps=60), two_layer_net(volume, put(kind), steps=60)
    with pytest.raises(AssertionError):
        check_same(wrong, theirs, loss_apart=1.2e-6)


# the gradient check ---------------------------------------------------------------------------------------------------


def mean_difference(numerical, analytic):
    """Mean |numerical − analytic| of every parameter."""
    return {key: np.abs(numerical[key] - analytic[key]).mean() for key in numerical}


def check_two_layer_net(volume, swap):
    """Chapter 5's gradient check: h = 1e-4, the first 3 rows."""
    v = volume("volume1")
    swap(v.load("common.layers"))
    np.random.seed(0)  # noqa: NPY002 -- the nets draw from the global generator
    net = v.load("two_layer_net").TwoLayerNet(64, 50, 10)
    (x, t), _ = digits("one-hot")
    return mean_difference(net.numerical_gradient(x[:3], t[:3]), net.gradient(x[:3], t[:3]))


def check_multi_layer_net(volume, swap):
    """The same, with index labels and weight decay."""
    v = volume("volume1")
    swap(v.load("common.layers"))
    slope = v.load("common.gradient").numerical_gradient
    np.random.seed(0)  # noqa: NPY002 -- the nets draw from the global generator
    net = v.load("common.multi_layer_net").MultiLayerNet(64, [20], 10, weight_decay_lambda=0.001)
    (x, t), _ = digits("index")
    numerical = {key: slope(lambda _: net.loss(x[:3], t[:3]), param) for key, param in net.params.items()}
    return mean_difference(numerical, net.gradient(x[:3], t[:3]))


def check_spiral_net(volume, swap):
    """The same for volume 2's net; the numerical gradient is volume 1's, which its readers have by then."""
    slope = volume("volume1").load("common.gradient").numerical_gradient
    v = volume("volume2")
    swap(v.load("common.layers"))
    np.random.seed(0)  # noqa: NPY002 -- the nets draw from the global generator
    net, (x, t) = v.load("two_layer_net").TwoLayerNet(2, 10, 3), spiral()
    names = ("W1", "b1", "W2", "b2")
    numerical = [slope(lambda _: net.forward(x[:3], t[:3]), param) for param in net.params]
    net.forward(x[:3], t[:3])
    net.backward()
    return mean_difference(dict(zip(names, numerical, strict=True)), dict(zip(names, net.grads, strict=True)))


CHECKS = [check_two_layer_net, check_multi_layer_net, check_spiral_net]


def tightened(check, volume, swap):
    """How many times smaller the check's error gets, by parameter."""
    theirs, ours = check(volume, keep), check(volume, swap)
    return {key: theirs[key] / ours[key] for key in theirs}


@pytest.mark.parametrize("check", CHECKS)
def test_the_gradient_check_tightens_300_times(volume, check):
    ratio = tightened(check, volume, install)
    assert ratio["b2"] >= 300
    assert ratio["W2"] >= 300


class AddsDelta(xent.SoftmaxWithLoss):
    """The book's loss with our gradient."""

    def forward(self, x, t):
        super().forward(x, t)
        return book.cross_entropy_error(self.y, t, delta=1e-7)


@pytest.mark.parametrize("kind", [AddsDelta, SumGradient])
@pytest.mark.parametrize("check", CHECKS)
def test_with_a_wrong_layer_it_does_not(volume, check, kind):
    ratio = tightened(check, volume, put(kind))
    assert ratio["b2"] < 2
    assert ratio["W2"] < 2


# other uses of the layer ----------------------------------------------------------------------------------------------


def test_two_loss_layers_on_the_same_scores(volume):
    """Skip-gram of volume 2, chapter 3: losses and gradients of two layers are added."""
    kind = volume("volume2").load("common.layers").SoftmaxWithLoss
    scores, context = (
        np.random.default_rng(4).normal(size=(6, 7)),
        np.eye(7, dtype="int32")[np.arange(12).reshape(6, 2) % 7],
    )
    before, results = scores.copy(), []
    for layers in ([kind(), kind()], [xent.SoftmaxWithLoss(), xent.SoftmaxWithLoss()]):
        loss = sum(layer.forward(scores, context[:, i]) for i, layer in enumerate(layers))
        results.append((loss, sum(layer.backward(1) for layer in layers)))

    assert results[1][0] == pytest.approx(results[0][0], abs=1e-5)  # 1e-7/p
    np.testing.assert_allclose(results[1][1], results[0][1], atol=1e-16)
    np.testing.assert_array_equal(scores, before)


def test_float16_scores(volume):
    """Volume 1, chapter 8 runs its net in float16."""
    theirs = volume("volume1").load("common.layers").SoftmaxWithLoss()
    x, t = np.random.default_rng(4).normal(size=(6, 7)).astype("float16"), np.arange(6)
    ours = xent.SoftmaxWithLoss()

    assert ours.forward(x, t) == pytest.approx(theirs.forward(x, t), rel=2e-3)
    assert ours.backward().dtype == theirs.backward().dtype == np.float16
    assert "common.layers" in sys.modules
