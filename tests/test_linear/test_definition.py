"""Loss and gradients against the definition in extended precision, within stated bounds, however the work is cut."""

import numpy as np
import pytest

import xent
from tests.test_linear import properties
from tests.test_linear.cases import CUTS, DTYPES, OPTIONS, V, arrays
from tests.test_linear.definition import RETURNS, Definition, Options
from tests.test_linear.properties import compare
from xent._linear import call, cuts

KINDS = ("indices", "ignored", "probabilities")
GRID = [
    (kind, name)
    for kind in KINDS
    for name, options in OPTIONS.items()
    if kind == "indices" or "ignore_index" not in options
]


def force(monkeypatch, name):
    """Cut every call in one way; but whole rows of halves, all at once or not at all (see test_cuts.py)."""
    usual = cuts.cut

    def cut(problem, costs, *, gradient):
        wanted = CUTS[name]
        found = None if wanted is None else wanted(problem.work.itemsize)
        twice_rounded = found and gradient and costs.d_weight and not found.tiles
        return usual(problem, costs, gradient=gradient) if found is None or twice_rounded else found

    monkeypatch.setattr(call, "cut", cut)


@pytest.fixture(params=CUTS)
def cut_as(request, monkeypatch):
    """Every way of cutting."""
    force(monkeypatch, request.param)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("kind", "name"), GRID)
def test_loss_and_gradients_are_within_their_bounds(dtype, kind, name, monkeypatch):
    inputs, options = arrays(dtype, kind, OPTIONS[name])
    exact = Definition().solve(*inputs, Options(**options))
    for way in CUTS:
        force(monkeypatch, way)
        compare(xent.linear_value_and_grad(*inputs, **options), exact, way)


@pytest.mark.parametrize(("kind", "name"), GRID)
def test_the_loss_alone_is_that_of_loss_and_gradients(kind, name, monkeypatch):
    inputs, options = arrays("float64", kind, OPTIONS[name])
    options.pop("grad_scale", None)
    for way in CUTS:
        force(monkeypatch, way)
        loss, _ = xent.linear_value_and_grad(*inputs, **options)
        assert np.array_equal(loss, xent.linear_cross_entropy(*inputs, **options)), way


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_returns_asks_for_is_that_of_the_logits(kind, dtype, cut_as):
    (h, w, t), options = arrays(dtype, kind, OPTIONS["everything"] | {"returns": RETURNS})
    bias, _ = options.pop("linear_bias"), options.pop("grad_scale")
    usual = xent.cross_entropy(h.astype(float) @ w.T.astype(float) + bias, t, **options)
    got = xent.linear_cross_entropy(h, w, t, linear_bias=bias, **options)
    again = xent.linear_value_and_grad(h, w, t, linear_bias=bias, **options)[0]
    assert got._fields == ("loss", *RETURNS)
    for name in got._fields:
        ours, theirs = getattr(got, name), getattr(usual, name)
        assert np.allclose(
            ours, theirs, rtol=1e-12 if dtype == "float64" else 2e-5, atol=1e-12 if dtype == "float64" else 1e-5
        ), name
        assert np.array_equal(ours, getattr(again, name)), name
        assert np.shape(ours) == np.shape(theirs), name


def test_equal_logits_give_equal_bits_however_rows_are_cut(monkeypatch):
    rng = np.random.default_rng(5)
    h, w = rng.integers(-4, 5, (21, 6)).astype(np.float32), rng.integers(-4, 5, (V, 6)).astype(np.float32)
    t = rng.integers(0, V, 21)  # whole numbers: the products are exact, so BLAS gives the same logits every time
    whole = xent.value_and_grad(h @ w.T, t, returns=("lse",))
    losses = [xent.linear_cross_entropy(h, w, t, returns=("lse",))]
    for rows in (1, 2, 5, 20):
        monkeypatch.setattr(
            call, "cut", lambda problem, costs, gradient, rows=rows: CUTS["rows"](4).__class__(rows, V, 64, 0)
        )
        losses.append(xent.linear_value_and_grad(h, w, t, returns=("lse",))[0])
    for each in losses:
        assert each.loss.tobytes() == whole[0].loss.tobytes()
        assert each.lse.tobytes() == whole[0].lse.tobytes()


@pytest.mark.parametrize(
    "holds",
    [
        properties.keeps_confident_rows,
        properties.never_reads_rows_that_do_not_count,
        properties.keeps_a_broken_row_to_itself,
        properties.shifts_each_sequence_by_itself,
    ],
    ids=lambda holds: holds.__name__,
)
def test_the_property_holds_however_the_call_is_cut(holds, cut_as):
    holds(xent.linear_value_and_grad)


def test_a_bias_of_minus_infinity_leaves_a_class_out(cut_as):
    (h, w, t), _ = arrays("float64", "indices", {})
    t[t == 4] = 5
    bias = np.zeros(V)
    bias[4] = -np.inf
    left = np.delete(np.arange(V), 4)
    loss, gradients = xent.linear_value_and_grad(h, w, t, linear_bias=bias)
    usual, usual_gradients = xent.linear_value_and_grad(h, w[left], np.searchsorted(left, t), linear_bias=bias[left])
    assert np.allclose(loss, usual, rtol=1e-13)
    assert np.allclose(gradients[0], usual_gradients[0], rtol=1e-11, atol=1e-15)
    assert not gradients[1][4].any()
    assert gradients[2][4] == 0


def test_one_target_left_out_makes_that_loss_infinite_and_no_gradient(cut_as):
    (h, w, t), _ = arrays("float64", "indices", {})
    bias = np.zeros(V)
    bias[t[0, 0]] = -np.inf
    losses, gradients = xent.linear_value_and_grad(h, w, t, linear_bias=bias, reduction="none")
    assert losses[0, 0] == np.inf
    assert np.array_equal(np.isinf(losses), t == t[0, 0])
    assert all(np.isfinite(g).all() for g in gradients)


def test_gradients_are_the_slopes_of_the_loss():
    (h, w, t), options = arrays(
        "float64", "probabilities", OPTIONS["everything"] | {"reduction": "mean", "shift": 1, "grad_scale": 1.0}
    )
    rng = np.random.default_rng(1)
    _, gradients = xent.linear_value_and_grad(h, w, t, **options)
    step = 1e-5
    for place, name in enumerate(("hidden", "weight", "linear_bias")):
        given = {"hidden": h, "weight": w, "linear_bias": options["linear_bias"]}
        way = rng.standard_normal(given[name].shape)

        def loss_at(s, name=name, way=way, given=given):
            moved = given | {name: given[name] + s * way}
            changed = options | {"linear_bias": moved["linear_bias"]}
            changed.pop("grad_scale")
            return xent.linear_cross_entropy(moved["hidden"], moved["weight"], t, **changed)

        slope = (loss_at(step) - loss_at(-step)) / (2 * step)
        assert slope == pytest.approx((gradients[place] * way).sum(), rel=1e-7)
