"""Laws of one row: shift, one-hot, permutation, ranges, missing classes, neighbours."""

import math

import numpy as np
from hypothesis import strategies as st

from tests import mutants
from tests.accuracy.ulp import tiny, unit
from tests.laws.bits import assert_near, assert_same
from tests.laws.calls import loss_of, run, ulps_apart
from tests.laws.cases import BROKEN, Batch, batches, broken_rows, plain, row_of
from tests.laws.registry import law
from tests.reference import Reference

LOSS_ULPS = {"float32": 2, "float64": 3}
GRAD_ULPS = {"float16": 1, "bfloat16": 1, "float32": 4, "float64": 3}
REACH = {"float16": 400, "bfloat16": 40, "float32": 2.0**20, "float64": 2.0**45}  # quarters up to here are exact


@law(
    mutants.LseMinusLogit,
    mutants.NoMaximum,
    batch=batches(z_loss=0.0, kinds=st.sampled_from(["normal", "missing", "ties"])),
    shift=st.floats(-1, 1),
)
def test_a_shift_by_an_exact_constant_changes_a_few_last_bits_at_most(front, batch, shift):
    batch = batch.on(front)
    dtype = batch.logits.dtype
    quarters = np.clip(np.rint(batch.logits.astype(np.float64) * 4) / 4, -16, None)
    quarters = np.where(np.isneginf(batch.logits.astype(np.float64)), -np.inf, np.minimum(quarters, 16))
    step = math.trunc(shift * (REACH[dtype.name] - 20))
    here = Batch(quarters.astype(dtype), batch.targets, batch.options)
    there = Batch((quarters + step).astype(dtype), batch.targets, batch.options)

    (loss, grad), (moved_loss, moved_grad) = run(front, here), run(front, there)

    assert_near(moved_loss, loss, f"loss, shifted by {step}")
    assert_near(moved_grad, grad, f"gradient, shifted by {step}")


@law(
    mutants.SoftAsDifference,
    mutants.TargetBySubtraction,
    needs=("soft",),
    batch=batches(soft=False),
    q_type=st.sampled_from(["float16", "float32", "float64"]),
)
def test_a_one_hot_row_of_probabilities_is_its_index(front, batch, q_type):
    batch = batch.on(front)
    one_hot = (batch.targets[:, None] == np.arange(batch.logits.shape[1])).astype(q_type)  # an ignored row: all 0
    soft = Batch(batch.logits, one_hot, batch.options)

    (loss, grad), (soft_loss, soft_grad) = run(front, batch), run(front, soft)

    assert_same(soft_loss, loss, "loss")
    assert_same(soft_grad, grad, "gradient")
    if front.has("total"):
        assert_same(loss_of(front, soft), loss_of(front, batch), "loss alone")


@law(
    mutants.LastClassDropped,
    mutants.BlockBorderOffByOne,
    mutants.LabelsThroughFloat,
    batch=plain(reduction="none"),
    seed=st.integers(0, 99),
)
def test_permuting_the_classes_permutes_the_gradient(front, batch, seed):
    batch = batch.on(front)
    order = np.random.default_rng(seed).permutation(batch.logits.shape[1])
    place = np.argsort(order)
    other = Batch(batch.logits[:, order], place[batch.targets], batch.options)

    (loss, grad), (other_loss, other_grad) = run(front, batch), run(front, other)

    assert ulps_apart(loss, other_loss) <= 2 * LOSS_ULPS[np.asarray(loss).dtype.name]
    assert ulps_apart(other_grad, grad[:, order]) <= 2 * GRAD_ULPS[grad.dtype.name]


@law(mutants.TargetBySubtraction, batch=plain(reduction=st.sampled_from(["sum", "mean"]), ignored=st.booleans()))
def test_the_gradient_of_a_row_sums_to_zero(front, batch):
    batch = batch.on(front)
    _, grad = run(front, batch)
    for row in grad.astype(np.float64):
        if np.isfinite(row).all():
            bound = 2 * unit(grad.dtype.name) * math.fsum(np.abs(row)) + row.size * tiny(grad.dtype.name)
            assert abs(math.fsum(row)) <= bound


@law(
    mutants.SoftGradWithoutMass,
    needs=("soft",),
    batch=batches(
        soft=True, z_loss=0.0, reduction="sum", weighted=False, sampled=False, smoothing=st.sampled_from([0.0, 0.1])
    ),
)
def test_the_gradient_of_a_probability_row_sums_to_zero_within_what_was_subtracted(front, batch):
    batch = batch.on(front)
    _, grad = run(front, batch)
    for row, q in zip(grad.astype(np.float64), batch.targets.astype(np.float64), strict=True):
        # the entry bound is 4u (mass p + q): over the row, 4u * 2 mass
        assert abs(math.fsum(row)) <= 8 * unit(grad.dtype.name) * math.fsum(q) + row.size * tiny(grad.dtype.name)


@law(mutants.UphillGradient, mutants.ProbabilityPlusEpsilon, batch=plain(reduction="none"))
def test_the_loss_is_not_negative_and_the_gradient_is_in_range(front, batch):
    batch = batch.on(front)
    losses, grad = run(front, batch)
    rows = np.arange(len(grad))
    at_target = grad[rows, batch.targets].astype(np.float64)
    others = grad.astype(np.float64)
    others[rows, batch.targets] = 0.0

    assert (losses >= 0).all()
    assert ((at_target >= -1) & (at_target <= 0)).all()
    assert ((others >= 0) & (others <= 1)).all()


@law(
    mutants.LastClassDropped,
    mutants.SmoothingAddsMass,
    batch=plain(reduction="none", smoothing=st.sampled_from([0.0, 0.1, 1.0])),
    level=st.sampled_from([0.0, 1.5, -100.0, 1024.0]),
)
def test_equal_logits_cost_log_of_the_number_of_classes(front, batch, level):
    batch = batch.on(front)
    classes = batch.logits.shape[1]
    flat = Batch(np.full_like(batch.logits, level), batch.targets, batch.options)
    losses, grad = run(front, flat)
    wanted = np.full_like(losses, math.log(classes))
    factor = 2 if batch.options.get("label_smoothing") else 1

    assert ulps_apart(losses, wanted) <= factor * LOSS_ULPS[losses.dtype.name] + 0.5
    if factor == 1:
        others = np.ones(classes, bool)
        for row, t in zip(grad, batch.targets.tolist(), strict=True):
            others[:] = True
            others[t] = False
            assert (
                ulps_apart(row[others], np.full(classes - 1, 1 / classes).astype(row.dtype))
                <= GRAD_ULPS[row.dtype.name] + 0.5
            )


@law(
    mutants.UpsideDown,
    batch=plain(reduction="none", kinds=st.sampled_from(["confident", "normal", "ties", "offset"])),
    step=st.floats(0, 8, allow_subnormal=False),
)
def test_raising_the_targets_logit_never_raises_the_loss(front, batch, step):
    batch = batch.on(front)
    rows = np.arange(len(batch.logits))
    raised = batch.logits.copy()
    raised[rows, batch.targets] = (raised[rows, batch.targets].astype(np.float64) + step).astype(raised.dtype)
    before, after = loss_of(front, batch), loss_of(front, Batch(raised, batch.targets, batch.options))
    rise = np.where(after > before, after, before)

    assert ulps_apart(rise, before) <= 2 * LOSS_ULPS[before.dtype.name]


@law(
    mutants.MissingClassIsNan,
    mutants.ZeroTimesInfinity,
    mutants.LastClassDropped,
    batch=batches(smoothing=0.0, weighted=False, sampled=False, z_loss=0.0, ignored=False, reduction="none"),
)
def test_an_appended_class_at_minus_infinity_changes_nothing(front, batch):
    batch = batch.on(front)
    column = np.full((len(batch.logits), 1), -np.inf, batch.logits.dtype)
    targets = batch.targets
    if targets.ndim == 2:
        targets = np.hstack([targets, np.zeros((len(targets), 1), targets.dtype)])
    wider = Batch(np.hstack([batch.logits, column]), targets, batch.options)

    (loss, grad), (wider_loss, wider_grad) = run(front, batch), run(front, wider)

    factor = 4 if targets.ndim == 2 else 2
    assert ulps_apart(wider_loss, loss) <= factor * LOSS_ULPS[loss.dtype.name]
    assert (wider_grad[:, -1] == 0).all()
    if targets.ndim == 1:
        assert ulps_apart(wider_grad[:, :-1], grad) <= 2 * GRAD_ULPS[grad.dtype.name]


@law(
    mutants.RowsSeeEachOther,
    mutants.TailRowsDifferently,
    batch=broken_rows(),
    copies=st.sampled_from([1, 2, 7, 40]),
    reduction=st.sampled_from(["none", "sum"]),
)
def test_a_rows_bits_depend_on_the_row_alone(front, batch, copies, reduction):
    batch = batch.on(front).with_options(reduction=reduction)
    count = len(batch.logits)
    copies = 1 if isinstance(front, Reference) else copies
    many = batch.take(np.tile(np.arange(count)[::-1], copies))
    loss, grad = run(front, many)
    for i in range(count):
        alone_loss, alone_grad = run(front, batch.take(slice(i, i + 1)))
        for k in range(copies):
            at = k * count + count - 1 - i
            assert_same(grad[at], alone_grad[0], f"gradient of row {i} at {at} of {len(grad)}")
            if reduction == "none":
                assert_same(loss[at], alone_loss[0], f"loss of row {i} at {at} of {len(grad)}")


@law(
    mutants.NanDroppedByMax,
    mutants.RowsSeeEachOther,
    batch=batches(kinds=st.sampled_from(["normal", "missing", "far"]), ignored=False, weighted=False, sampled=False),
    kinds=st.lists(st.sampled_from(BROKEN), min_size=1, max_size=3),
    seed=st.integers(0, 99),
)
def test_a_row_without_a_loss_is_nan_throughout_and_the_others_keep_their_bits(front, batch, kinds, seed):
    batch = batch.on(front).with_options(reduction="none")
    rng = np.random.default_rng(seed)
    loss, grad = run(front, batch)
    broken = batch.logits.copy()
    places = rng.permutation(len(broken))[: len(kinds)]
    for i, kind in zip(places, kinds, strict=False):
        broken[i] = row_of(kind, broken.shape[1], rng)[0].astype(broken.dtype)
        loss[i], grad[i] = np.nan, np.nan

    broken_loss, broken_grad = run(front, Batch(broken, batch.targets, batch.options))

    assert_same(broken_loss, loss, "loss")
    assert_same(broken_grad, grad, "gradient")


@law(
    mutants.FieldsChangeThePath,
    needs=("returns",),
    batch=broken_rows(),
    fields=st.permutations(["lse", "entropy", "log_prob", "z_loss", "accuracy", "predicted", "sum", "denominator"]),
    count=st.integers(1, 8),
)
def test_asking_for_more_does_not_change_loss_or_gradient(front, batch, fields, count):
    batch = batch.on(front)
    loss, grad = run(front, batch)
    more, more_grad = run(front, batch, returns=tuple(fields[:count]))

    assert_same(more.loss, loss, "loss")
    assert_same(more_grad, grad, "gradient")
    assert more._fields == ("loss", *fields[:count])


PER_ROW = ("lse", "entropy", "log_prob", "accuracy", "predicted")


@law(
    mutants.FieldsOfRowsThatDoNotCount,
    needs=("returns",),
    batch=batches(),
    reduction=st.sampled_from(["mean", "sum", "none"]),
)
def test_fields_of_a_row_are_the_rows_own_and_0_where_it_does_not_count(front, batch, reduction):
    batch = batch.on(front)
    got = run(front, batch, reduction=reduction, returns=PER_ROW)[0]
    for i in range(len(batch.logits)):
        row = batch.take(slice(i, i + 1))
        alone = run(front, row, reduction="none", returns=(*PER_ROW, "denominator"))[0]
        counts = run(front, row, reduction="mean", returns=("denominator",))[0].denominator != 0
        for name in PER_ROW:
            field = getattr(got, name)
            assert field.shape == batch.logits.shape[:-1]
            assert_same(field[i], getattr(alone, name)[0], name)
            if not counts:
                assert field[i] == (-1 if name == "predicted" else 0), name


@law(
    mutants.ZLossFieldIsTheSum,
    needs=("returns", "lse_square_scale"),
    batch=batches(z_loss=st.sampled_from([1e-3, 0.5]), smoothing=0.0),
)
def test_the_z_loss_field_follows_the_reduction(front, batch):
    batch = batch.on(front)
    each = run(front, batch, reduction="none", returns=("z_loss",))[0].z_loss
    whole = run(front, batch, reduction="sum", returns=("z_loss",))[0].z_loss
    mean = run(front, batch, returns=("z_loss", "denominator"))[0]
    kind = np.asarray(whole).dtype
    close = 1e-5 if kind == np.float32 else 1e-13

    assert each.shape == (len(batch.logits),)
    assert abs(float(whole) - math.fsum(each.tolist())) <= close * float(whole)
    if mean.denominator:
        assert abs(float(mean.z_loss) - float(whole) / float(mean.denominator)) <= close * float(mean.z_loss)
    else:
        assert mean.z_loss == 0


@law(mutants.LossOnlyIsAnotherFormula, batch=broken_rows(), reduction=st.sampled_from(["mean", "sum", "none"]))
def test_the_loss_alone_is_the_loss_with_the_gradient(front, batch, reduction):
    batch = batch.on(front).with_options(reduction=reduction)
    assert_same(loss_of(front, batch), run(front, batch)[0], "loss")


@law(mutants.BackwardAccumulates, needs=("twice",), batch=broken_rows())
def test_going_backward_twice_gives_the_same_gradient(front, batch):
    batch = batch.on(front)
    from tests.laws.calls import no_empty_warning

    with no_empty_warning():
        first, second = front.backward_twice(batch.logits, batch.targets, **batch.options)
    assert_same(second, first, "gradient")
    assert not np.shares_memory(first, second)
