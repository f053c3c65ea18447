"""Laws of a batch: what is ignored, weights and copies, micro-batches, threads, order, the gradient's factor."""

import os
from fractions import Fraction

import numpy as np
from hypothesis import strategies as st

from tests import mutants
from tests.fronts import loss_dtype
from tests.laws.bits import assert_same, same_total, same_value
from tests.laws.calls import loss_of, no_empty_warning, normal, run, total_of, ulps_apart
from tests.laws.cases import Batch, batches
from tests.laws.registry import law
from tests.reference import Reference

DOUBLES = st.sampled_from(["float64", "float64", "float32", "float16", "bfloat16"])  # float64 shows a last bit
LARGEST = 4_000 if os.environ.get("NUMBA_DISABLE_JIT") == "1" else 700_000  # logits, where threads are to be worth it
JUNK = [np.nan, np.inf, -np.inf, 0.0, 3.0]


def with_junk_row(batch: Batch, at: int, label: int, junk: list[float]) -> Batch:
    """One more row at `at`, with that label and those logits."""
    row = np.resize(np.array(junk), batch.logits.shape[1]).astype(batch.logits.dtype)
    options = dict(batch.options)
    if options.get("sample_weight") is not None:
        options["sample_weight"] = np.insert(options["sample_weight"], at, 2.0)
    return Batch(np.insert(batch.logits, at, row, axis=0), np.insert(batch.targets, at, label), options)


@law(
    mutants.PaddingCounted,
    mutants.IgnoredByMultiplying,
    mutants.ZLossOnIgnoredRows,
    batch=batches(soft=False, dtypes=DOUBLES),
    junk=st.permutations(JUNK) | st.just([0.0, 3.0]),
    place=st.floats(0, 1),
    denominator=st.sampled_from([None, "weights", "items", 3.5]),
)
def test_an_ignored_row_changes_nothing_whatever_it_holds(front, batch, junk, place, denominator):
    batch = batch.on(front).with_options(denominator=denominator)
    at = int(place * len(batch.logits))
    padded = with_junk_row(batch, at, -100, junk)

    (loss, grad), (padded_loss, padded_grad) = run(front, batch), run(front, padded)

    assert_same(padded_loss, loss, "loss")
    assert_same(np.delete(padded_grad, at, axis=0), grad, "gradient")
    assert_same(padded_grad[at], np.zeros_like(padded_grad[at]), "gradient of the ignored row")
    if front.has("total"):
        assert same_total(total_of(front, padded), total_of(front, batch))


@law(
    mutants.ZeroWeightIsRead,
    needs=("sample_weight",),
    batch=batches(soft=False, dtypes=DOUBLES),
    junk=st.permutations(JUNK),
)
def test_a_row_of_weight_zero_is_never_read(front, batch, junk):
    batch = batch.on(front)
    batch = batch.with_options(sample_weight=batch.options.get("sample_weight", np.ones(len(batch.logits))))
    padded = with_junk_row(batch, 0, 0, junk)
    padded.options["sample_weight"][0] = 0.0

    (loss, grad), (padded_loss, padded_grad) = run(front, batch), run(front, padded)

    assert_same(padded_loss, loss, "loss")
    assert_same(padded_grad[1:], grad, "gradient")
    assert not padded_grad[0].any()


@law(mutants.OnlyMinus100IsIgnored, batch=batches(soft=False, ignored=False, classes=st.sampled_from([2, 3, 8, 65])))
def test_a_real_class_can_be_ignored_and_its_logit_stays(front, batch):
    batch = batch.on(front)
    usual = Batch(batch.logits, np.where(batch.targets == 1, -100, batch.targets), batch.options)

    (loss, grad), (usual_loss, usual_grad) = run(front, batch, ignore_index=1), run(front, usual)

    assert_same(loss, usual_loss, "loss")
    assert_same(grad, usual_grad, "gradient")


@law(
    mutants.SumRoundedBeforeDividing,
    mutants.MeanOfMeans,
    batch=batches(dtypes=DOUBLES),
    copies=st.sampled_from([2, 3, 5]),
)
def test_repeating_every_row_leaves_the_mean(front, batch, copies):
    batch = batch.on(front)
    several = batch.take(np.tile(np.arange(len(batch.logits)), copies))

    (loss, grad), (several_loss, several_grad) = run(front, batch), run(front, several)

    assert_same(several_loss, loss, f"loss of {copies} copies")
    if copies == 2:
        first = several_grad[: len(grad)]
        exact = normal(first)
        assert_same(first[exact] * grad.dtype.type(2), grad[exact], "twice the gradient of half the share")
        assert_same(several_grad[len(grad) :], first, "gradient of the second copy")


@law(
    mutants.WeightedLossRounded,
    mutants.SampleWeightOnLossOnly,
    needs=("sample_weight", "total"),
    batch=batches(dtypes=DOUBLES, sampled=False),
    seed=st.integers(0, 999),
)
def test_a_sample_weight_of_k_is_k_copies(front, batch, seed):
    batch = batch.on(front)
    count = np.random.default_rng(seed).integers(0, 9, len(batch.logits))
    weighted = batch.with_options(sample_weight=count.astype(np.float64))
    copied = batch.take(np.repeat(np.arange(len(count)), count))

    assert same_value(total_of(front, weighted), total_of(front, copied))
    (loss, grad), (copied_loss, copied_grad) = run(front, weighted), run(front, copied)
    assert_same(loss, copied_loss, "loss")
    starts = np.cumsum(count) - count
    for i in np.flatnonzero(count):
        share = copied_grad[starts[i]]
        power_of_two = count[i] & (count[i] - 1) == 0
        if power_of_two and normal(share).all():
            assert_same(grad[i], share * grad.dtype.type(count[i]), f"gradient of row {i}")


@law(
    mutants.WeightedLossRounded,
    needs=("weight",),
    batch=batches(dtypes=DOUBLES, weighted=False, sampled=False, smoothing=0.0, z_loss=0.0, soft=False),
    seed=st.integers(0, 999),
)
def test_a_class_weight_of_k_is_k_copies_of_its_rows(front, batch, seed):
    batch = batch.on(front)
    weight = np.random.default_rng(seed).integers(0, 9, batch.logits.shape[1])
    kept = batch.targets != -100
    count = np.where(kept, weight[np.where(kept, batch.targets, 0)], 1)
    copied = batch.take(np.repeat(np.arange(len(count)), count))

    assert_same(loss_of(front, batch, weight=weight.astype(np.float64)), loss_of(front, copied), "loss")
    if front.has("total"):
        assert same_value(total_of(front, batch, weight=weight.astype(np.float64)), total_of(front, copied))


@law(mutants.FoldInOrder, mutants.SumRoundedBeforeDividing, batch=batches(dtypes=DOUBLES), seed=st.integers(0, 999))
def test_the_order_of_the_rows_does_not_matter(front, batch, seed):
    batch = batch.on(front)
    order = np.random.default_rng(seed).permutation(len(batch.logits))
    shuffled = batch.take(np.tile(order, 3))  # three times: a sum that is rounded before it is divided shows too

    assert_same(loss_of(front, shuffled), loss_of(front, batch), "loss")
    if front.has("denominator"):
        whole = run(front, batch, denominator=7.0)[1]
        assert_same(run(front, batch.take(order), denominator=7.0)[1], whole[order], "gradient")


@law(
    mutants.FoldInOrder,
    needs=("total",),
    batch=batches(dtypes=DOUBLES),
    cuts=st.lists(st.floats(0, 1), max_size=5),
)
def test_the_totals_of_any_micro_batches_add_up_to_the_total_of_the_batch(front, batch, cuts):
    batch = batch.on(front)
    edges = sorted(int(c * len(batch.logits)) for c in cuts)
    pieces = [batch.take(slice(a, b)) for a, b in zip([0, *edges], [*edges, len(batch.logits)], strict=True)]
    totals = [total_of(front, p) for p in pieces]
    whole = total_of(front, batch)

    assert same_total(sum(totals), whole)
    assert same_total(sum(reversed(totals)), whole)
    with no_empty_warning():
        assert_same(np.asarray(whole.loss).astype(loss_dtype(batch.logits)), loss_of(front, batch), "the mean")


@law(
    mutants.OwnCountAlways,
    mutants.GradientOfSum,
    needs=("denominator",),
    batch=batches(dtypes=DOUBLES, rows=st.sampled_from([2, 3, 5, 8])),
    cut=st.floats(0, 1),
    denominator=st.sampled_from([1.0, 2.0, 0.75, 10.0, 12345.0, 7]),
)
def test_micro_batches_with_the_count_of_the_whole_add_up(front, batch, cut, denominator):
    batch = batch.on(front)
    at = int(cut * len(batch.logits))
    loss, grad = run(front, batch, denominator=denominator)
    left_loss, left = run(front, batch.take(slice(0, at)), denominator=denominator)
    right_loss, right = run(front, batch.take(slice(at, None)), denominator=denominator)
    _, summed = run(front, batch, reduction="sum")
    size = loss.dtype.type

    assert_same(np.concatenate([left, right]), grad, "gradient")
    if np.isfinite(loss):
        assert abs(left_loss + right_loss - loss) <= 3 * np.spacing(
            max(abs(loss), abs(left_loss), abs(right_loss), size(0))
        )
    share = summed.astype(np.float64) / denominator
    spacing = np.abs(share) * 2.0 ** (2 - {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}[grad.dtype.name])
    least = (
        float(np.finfo(np.float64).tiny)
        if grad.dtype.itemsize == 8
        else 1e-7
        if grad.dtype.name == "float16"
        else 1e-37
    )
    if batch.targets.ndim > 1 or batch.options.get("label_smoothing") or batch.options.get("lse_square_scale"):
        least += 2.0**-49 * max(np.abs(share).max(initial=0.0), _largest_weight(batch) / denominator)  # a difference
    assert (np.abs(grad.astype(np.float64) - share) <= 2 * spacing + least).all()


def _largest_weight(batch) -> float:
    """The most that multiplies a row."""
    found = 1.0
    for name in ("weight", "sample_weight"):
        if batch.options.get(name) is not None:
            found *= float(np.abs(np.asarray(batch.options[name])).max(initial=0.0))
    return found


@law(mutants.ThreadsSplitTheSum, needs=("threads",), batch=batches(dtypes=DOUBLES), copies=st.sampled_from([1, 3, 300]))
def test_the_number_of_threads_changes_no_bit(front, batch, copies):
    batch = batch.on(front)
    if not isinstance(front, Reference):
        copies = min(copies, 1 + LARGEST // max(1, batch.logits.size))
        batch = batch.take(np.tile(np.arange(len(batch.logits)), copies))
    loss, grad = run(front, batch, threads=1)
    for threads in (2, 3, 16):
        other_loss, other_grad = run(front, batch, threads=threads)
        assert_same(other_loss, loss, f"loss with {threads} threads")
        assert_same(other_grad, grad, f"gradient with {threads} threads")
        if front.has("total"):
            assert same_total(total_of(front, batch, threads=threads), total_of(front, batch, threads=1))


@law(
    mutants.GradientOfSum,
    needs=("denominator",),
    batch=batches(dtypes=DOUBLES),
    power=st.integers(-3, 6),
)
def test_dividing_the_loss_by_a_power_of_two_divides_the_gradient(front, batch, power):
    batch = batch.on(front)
    loss, grad = run(front, batch, reduction="mean", denominator=2.0**power)
    whole_loss, whole = run(front, batch, reduction="sum")
    exact = normal(grad) & normal(whole)

    assert_same(grad[exact], (whole * grad.dtype.type(2.0**-power))[exact], "gradient")
    assert_same(loss, whole_loss * loss.dtype.type(2.0**-power), "loss")


@law(mutants.GradScaleForgotten, needs=("grad_scale",), batch=batches(), scale=st.sampled_from([2.0, 0.5, 1024.0]))
def test_grad_scale_multiplies_the_gradient_and_not_the_loss(front, batch, scale):
    batch = batch.on(front)
    (loss, grad), (scaled_loss, scaled) = run(front, batch), run(front, batch, grad_scale=scale)
    wanted = grad.astype(np.float64) * scale
    in_range = np.abs(wanted) < (60000 if grad.dtype.name == "float16" else 1e38)
    exact = normal(grad) & normal(scaled) & in_range

    assert_same(scaled_loss, loss, "loss")
    assert_same(scaled[exact], wanted[exact].astype(grad.dtype), "gradient")


@law(mutants.SampleWeightOnLossOnly, needs=("sample_weight",), batch=batches(reduction="sum"))
def test_twice_the_sample_weight_is_twice_the_gradient(front, batch):
    batch = batch.on(front)
    weight = batch.options.get("sample_weight", np.ones(len(batch.logits)))
    (loss, grad), (twice_loss, twice) = run(front, batch), run(front, batch, sample_weight=2 * weight)
    exact = normal(grad) & normal(twice)

    assert_same(twice_loss, loss * loss.dtype.type(2), "loss")
    assert_same(twice[exact], (grad * grad.dtype.type(2))[exact], "gradient")


@law(
    mutants.WeightDroppedFromDenominator,
    needs=("sample_weight",),
    batch=batches(dtypes=DOUBLES, z_loss=0.0),
    power=st.sampled_from([-60, -1, 1, 60, 400, 900]),
)
def test_a_common_factor_of_the_sample_weights_leaves_the_mean(front, batch, power):
    batch = batch.on(front)
    weight = batch.options.get("sample_weight", np.ones(len(batch.logits)))
    (loss, grad), (other_loss, other) = run(front, batch), run(front, batch, sample_weight=weight * 2.0**power)

    assert_same(other_loss, loss, f"loss with weights times 2**{power}")
    exact = normal(grad) & normal(other)
    assert_same(other[exact], grad[exact], f"gradient with weights times 2**{power}")


@law(
    mutants.NegativeWeightsClamped,
    needs=("sample_weight",),
    batch=batches(dtypes=DOUBLES, reduction=st.sampled_from(["sum", "none"])),
)
def test_a_negative_sample_weight_turns_loss_and_gradient_around(front, batch):
    batch = batch.on(front)
    weight = batch.options.get("sample_weight", np.ones(len(batch.logits)))
    loss, grad = run(front, batch, sample_weight=weight)
    turned_loss, turned = run(front, batch, sample_weight=-weight)

    assert_same(np.abs(turned_loss), np.abs(loss), "loss")
    assert (np.asarray(turned_loss) <= 0).all() or np.isnan(turned_loss).any()
    assert_same(np.abs(turned), np.abs(grad), "gradient")
    assert ((turned == -grad) | np.isnan(grad.astype(float))).all()


@law(
    mutants.WeightDroppedFromDenominator,
    mutants.PaddingCounted,
    mutants.WeightsInItems,
    mutants.MeanOfMeans,
    needs=("total", "denominator"),
    batch=batches(dtypes=DOUBLES),
    number=st.sampled_from([1, 3.0, 0.1, 1e6]),
)
def test_every_denominator_is_what_its_name_says(front, batch, number):
    batch = batch.on(front)
    total = total_of(front, batch)
    weights = exact_weights(batch)
    ignored = int((batch.targets == -100).sum()) if batch.targets.ndim == 1 else 0
    own = Fraction(total.denominator)
    counts = {
        None: own,
        "weights": own,
        "items": len(batch.logits) - ignored,
        "batch": len(batch.logits),
        number: number,
    }
    whole = run(front, batch, reduction="sum", denominator=None)[1].astype(np.float64)

    indices = batch.targets.ndim == 1
    if indices:
        assert float(total.denominator) == weights.numerator / weights.denominator
    else:  # the weight of a probability row, sum(w q), is a float64
        assert abs(Fraction(total.denominator) - weights) <= 2 * len(batch.logits) * Fraction(2) ** -52 * weights
    for name, count in counts.items():
        loss, grad = run(front, batch, denominator=name)
        wanted = total.loss_over(float(count)) if count and Fraction(float(count)) == count else None
        if name is None or name == "weights":
            wanted = total.loss if count else 0.0
        if wanted is not None:
            assert_same(loss, np.asarray(wanted).astype(loss.dtype)[()], f"denominator={name!r}")
        if not count:
            assert loss == 0
            assert not grad.any()
            continue
        share = whole / float(count)
        digits = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}[grad.dtype.name]
        least = {"float16": 2.0**-23, "bfloat16": 2.0**-132, "float32": 2.0**-148, "float64": 2.0**-1070}[
            grad.dtype.name
        ]
        close = np.abs(grad.astype(np.float64) - share) <= np.abs(share) * 2.0 ** (3 - digits) + least * max(
            1.0, 1 / float(count)
        )
        assert close.all(), f"gradient with denominator={name!r}"


def exact_weights(batch: Batch) -> Fraction:
    """Sum over the rows of s * sum(w q), in exact arithmetic."""
    weight = batch.options.get("weight")
    samples = batch.options.get("sample_weight")
    total = Fraction(0)
    for i, target in enumerate(batch.targets.tolist()):
        if target == -100:
            continue
        pairs = [(1.0, target)] if isinstance(target, int) else [(q, c) for c, q in enumerate(target)]
        row = sum(
            (Fraction(q) * (Fraction(float(weight[c])) if weight is not None else 1) for q, c in pairs), Fraction(0)
        )
        total += row * (Fraction(float(samples[i])) if samples is not None else 1)
    return total


@law(mutants.SumRoundedBeforeDividing, mutants.FoldInOrder, needs=("total",), batch=batches(dtypes=DOUBLES))
def test_the_sum_is_the_exact_sum_of_the_rows_rounded_once(front, batch):
    batch = batch.on(front)
    rows = [total_of(front, batch.take(slice(i, i + 1))) for i in range(len(batch.logits))]
    whole = total_of(front, batch)
    kind = loss_dtype(batch.logits)

    assert same_total(sum(rows, total_of(front, batch.take(slice(0, 0)))), whole)
    assert_same(loss_of(front, batch, reduction="sum"), np.asarray(whole.sum).astype(kind)[()], "sum")
    with no_empty_warning():
        assert_same(loss_of(front, batch, reduction="mean"), np.asarray(whole.loss).astype(kind)[()], "mean")
    each = loss_of(front, batch, reduction="none")
    assert ulps_apart(each, np.array([t.sum for t in rows], np.float64).astype(kind)) <= 1, "losses of the rows"
