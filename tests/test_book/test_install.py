"""install(): which names are replaced, where, what is said, and how it is undone."""

import sys
import types

import pytest

import xent
from xent import book


def names_of(module, *names):
    return tuple(getattr(module, name) for name in names)


def test_volume_1_before_the_net_is_imported(volume, capsys):
    v = volume("volume1")
    layers, functions = v.load("common.layers"), v.load("common.functions")
    done = book.install()
    net = v.load("two_layer_net")

    assert layers.SoftmaxWithLoss is net.SoftmaxWithLoss is xent.SoftmaxWithLoss
    assert names_of(functions, "softmax", "cross_entropy_error", "softmax_loss") == (
        book.softmax,
        book.cross_entropy_error,
        book.softmax_loss,
    )
    assert type(net.TwoLayerNet(4, 3, 2).lastLayer) is xent.SoftmaxWithLoss
    assert layers.Relu.__module__ == "common.layers"
    assert done.to_dict() == {
        "common.functions": ["softmax", "cross_entropy_error", "softmax_loss"],
        "common.layers": ["softmax", "cross_entropy_error", "softmax_loss", "SoftmaxWithLoss"],
    }
    assert capsys.readouterr().out == (
        "xent.book: these names are xent's from now on\n"
        "  common.functions: softmax, cross_entropy_error, softmax_loss\n"
        "  common.layers: softmax, cross_entropy_error, softmax_loss, SoftmaxWithLoss\n"
        "A net that was built before keeps the layer it was built with.\n"
    )
    assert repr(done) == "<Installation: 7 names in 2 modules>"


def test_volume_1_after_the_net_is_imported(volume):
    net = volume("volume1").load("two_layer_net")
    old = net.SoftmaxWithLoss
    early = net.TwoLayerNet(4, 3, 2)
    book.install(quiet=True)

    assert type(net.TwoLayerNet(4, 3, 2).lastLayer) is xent.SoftmaxWithLoss
    assert type(early.lastLayer) is old


def test_volume_2_with_its_time_layer(volume):
    v = volume("volume2")
    net, spiral = v.load("simple_rnnlm"), v.load("two_layer_net")
    done = book.install(quiet=True)

    assert type(net.SimpleRnnlm(5, 3, 3).loss_layer) is book.TimeSoftmaxWithLoss
    assert type(spiral.TwoLayerNet(2, 3, 3).loss_layer) is xent.SoftmaxWithLoss
    assert sys.modules["common.layers"].cross_entropy_error is book.cross_entropy_error
    homes = {"common.functions", "common.layers", "common.time_layers"}
    assert set(done.to_dict()) == homes | {"simple_rnnlm", "two_layer_net"}


def test_another_name_and_a_script_are_followed(volume, monkeypatch):
    layers = volume("volume1").load("common.layers")
    script = types.ModuleType("a_script")
    script.Loss = layers.SoftmaxWithLoss
    script.mine = script.softmax = lambda x: x
    monkeypatch.setitem(sys.modules, "a_script", script)
    book.install(quiet=True)

    assert script.Loss is xent.SoftmaxWithLoss
    assert script.softmax is script.mine


def test_an_object_from_elsewhere_is_left_alone(volume, monkeypatch):
    """common.functions may have `from scipy.special import softmax`: that one is not the book's."""
    v = volume("volume1")
    functions = v.load("common.functions")
    elsewhere = types.ModuleType("elsewhere")
    exec("def softmax(x): return x", vars(elsewhere))  # noqa: S102 -- a function whose module is elsewhere
    monkeypatch.setitem(sys.modules, "elsewhere", elsewhere)
    theirs = functions.softmax = elsewhere.softmax
    book.install(quiet=True)

    assert functions.softmax is elsewhere.softmax is theirs
    assert functions.cross_entropy_error is book.cross_entropy_error


def test_it_can_be_undone(volume):
    v = volume("volume1")
    net = v.load("two_layer_net")
    before = names_of(net, "softmax", "cross_entropy_error", "softmax_loss", "SoftmaxWithLoss")
    done = book.install(quiet=True)
    net.softmax = before[0]  # somebody else's change is kept
    sys.modules["common.layers"].softmax_loss = mine = object()
    done.undo()
    done.undo()

    assert names_of(net, "softmax", "cross_entropy_error", "softmax_loss", "SoftmaxWithLoss") == before
    assert sys.modules["common.layers"].softmax_loss is mine
    assert sys.modules["common.functions"].softmax is before[0]


def test_it_can_be_tried_in_a_with_block(volume):
    net = volume("volume1").load("two_layer_net")
    old = net.SoftmaxWithLoss
    with book.install(quiet=True) as done:
        assert net.SoftmaxWithLoss is xent.SoftmaxWithLoss
        assert len(done.replaced) == 11
        assert str(done.replaced[0]) == "common.functions.softmax"
    assert net.SoftmaxWithLoss is old


def test_a_second_time_replaces_nothing(volume, capsys):
    volume("volume1").load("common.layers")
    book.install(quiet=True)
    again = book.install()

    assert again.replaced == ()
    assert capsys.readouterr().out == "xent.book: the names of common are xent's already; nothing was replaced\n"


def test_a_package_of_another_name(volume, monkeypatch):
    v = volume("volume1")
    package = types.ModuleType("chapters.common.layers")
    exec("class SoftmaxWithLoss: pass", vars(package))  # noqa: S102 -- a class of that module
    monkeypatch.setitem(sys.modules, "chapters.common.layers", package)
    layers = v.load("common.layers")
    old = layers.SoftmaxWithLoss
    book.install("chapters.common", quiet=True)

    assert package.SoftmaxWithLoss is xent.SoftmaxWithLoss
    assert layers.SoftmaxWithLoss is old


def test_nothing_imported_is_an_error(volume):
    volume("volume1")
    with pytest.raises(xent.XentError) as caught:
        book.install()
    assert str(caught.value) == (
        "install() found nothing to replace: none of common.functions, common.layers, common.time_layers is imported.\n"
        "  Import common.layers (or your net) first; for a package of another name pass install(package=...)."
    )


def test_modules_without_the_names_are_an_error(volume, monkeypatch):
    volume("volume1")
    monkeypatch.setitem(sys.modules, "common.layers", types.ModuleType("common.layers"))
    with pytest.raises(xent.XentError) as caught:
        book.install()
    assert str(caught.value) == (
        "install() found nothing to replace: common.layers defines none of SoftmaxWithLoss, TimeSoftmaxWithLoss, "
        "softmax, cross_entropy_error, softmax_loss.\n"
        "  Is it the book's? Otherwise import the layers from xent.book yourself."
    )


def test_a_book_on_cupy_is_an_error_and_nothing_is_replaced(volume, monkeypatch):
    layers = volume("volume2").load("common.layers")
    old = layers.SoftmaxWithLoss
    config = types.ModuleType("common.config")
    config.GPU = True
    monkeypatch.setitem(sys.modules, "common.config", config)
    with pytest.raises(xent.XentError, match=r"^common\.config\.GPU is set, so its arrays are CuPy's; "):
        book.install()
    assert layers.SoftmaxWithLoss is old


def test_what_else_uses_the_names_still_works(volume):
    """SigmoidWithLoss of volume 2 takes the mean loss of two probabilities a row."""
    import numpy as np

    layers = volume("volume2").load("common.layers")
    x, t = np.array([0.5, -2.0, 3.0]), np.array([1, 0, 1])
    before = layers.SigmoidWithLoss().forward(x, t)
    book.install(quiet=True)
    assert layers.SigmoidWithLoss().forward(x, t) == pytest.approx(before, abs=1e-6)
    assert layers.SigmoidWithLoss().forward(x, t) != before
