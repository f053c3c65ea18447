"""What must hold of a linear loss, as functions of it: they are run on ours, and on wrong ones, which must fail."""

import warnings

import numpy as np

from tests.test_linear.cases import N, T, arrays
from tests.test_linear.definition import Definition, Options


def assert_within(got, exact, bound, what):
    got = np.asarray(got).astype(np.longdouble)
    assert got.shape == exact.shape, what
    error = np.abs(got - exact)
    assert (error <= bound).all(), f"{what}: {float((error / bound).max()):.3g} times the bound"


def compare(got, exact, way=""):
    """(loss, gradients) against the definition's, within its bounds."""
    (loss, gradients), (exact_loss, exact_gradients, bound) = got, exact
    assert_within(loss, np.asarray(exact_loss), bound.loss, f"{way}: loss")
    assert len(gradients) == len(exact_gradients)
    names = ("d_hidden", "d_weight", "d_bias")[: len(gradients)]
    for name, ours, e, b in zip(names, gradients, exact_gradients, bound.gradients, strict=True):
        assert_within(ours, e, b, f"{way}: {name}")


def is_the_definition(value_and_grad, dtype, kind, options):
    """One call of the grid."""
    inputs, given = arrays(dtype, kind, options)
    compare(value_and_grad(*inputs, **given), Definition().solve(*inputs, Options(**given)))


def keeps_confident_rows(value_and_grad):
    """A loss of 1e-13 and a gradient of 1e-26 are there."""
    h, w = np.array([[30.0, 0.0], [0.0, 60.0]], np.float32), np.eye(2, dtype=np.float32)
    loss, (d_hidden, _) = value_and_grad(h, w, np.array([0, 1]), reduction="sum")
    assert np.float32(loss) == np.float32(np.exp(-30.0))
    assert np.float32(d_hidden[1, 1]) == np.float32(-np.exp(-60.0))


def never_reads_rows_that_do_not_count(value_and_grad):
    """NaN in ignored rows of hidden reaches nothing."""
    (h, w, t), options = arrays("float32", "ignored", {"linear_bias": True})
    h[t == -100] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss, gradients = value_and_grad(h, w, t, **options)
    assert np.isfinite(loss)
    assert all(np.isfinite(np.asarray(g).astype(float)).all() for g in gradients)
    assert not gradients[0][t == -100].any()


def keeps_a_broken_row_to_itself(value_and_grad):
    """A row that is not finite spoils its own loss and row of d_hidden; d_weight is a sum over all rows."""
    (h, w, t), _ = arrays("float32", "indices", {})
    h[1, 3, 2] = np.inf
    with np.errstate(all="ignore"):
        losses, (d_hidden, d_weight) = value_and_grad(h, w, t, reduction="none")
    broken = np.zeros((N, T), bool)
    broken[1, 3] = True
    assert np.array_equal(np.isnan(losses), broken)
    assert np.array_equal(np.isnan(d_hidden).all(-1), broken)
    assert np.array_equal(np.isnan(d_hidden).any(-1), broken)
    assert np.isnan(d_weight).all()


def shifts_each_sequence_by_itself(value_and_grad):
    """shift is hidden[:, :-1] and targets[:, 1:], with 0 as gradient of the rest."""
    (h, w, t), options = arrays("float64", "ignored", {"sample_weight": True})
    for shift in (1, 2, T):
        loss, (d_hidden, d_weight) = value_and_grad(h, w, t, shift=shift, denominator=5, **options)
        sliced = options | {"sample_weight": options["sample_weight"][:, shift:]}
        usual = value_and_grad(h[:, : T - shift], w, t[:, shift:], denominator=5, **sliced)
        assert np.allclose(float(loss), float(usual[0]), rtol=1e-13)
        assert np.allclose(d_hidden[:, : T - shift].astype(float), usual[1][0].astype(float), rtol=1e-12, atol=1e-16)
        assert np.allclose(d_weight.astype(float), usual[1][1].astype(float), rtol=1e-12, atol=1e-16)
        assert not d_hidden[:, T - shift :].any()
