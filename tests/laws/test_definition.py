"""The definition: every result against exact arithmetic, and the gradient against difference quotients of the loss."""

import numpy as np
from hypothesis import strategies as st
from mpmath import mp, mpf

from tests import mutants
from tests.accuracy import bounds
from tests.accuracy.exact import WORKING, Options, exact_loss
from tests.accuracy.ulp import unit
from tests.laws.calls import run
from tests.laws.cases import Batch, batches
from tests.laws.registry import law

ALL_CHOICES = {
    "transformed": st.booleans(),
    "rows": st.sampled_from([1, 2, 3, 5]),
    "classes": st.sampled_from([1, 2, 3, 5, 9, 17, 65]),
    "dtypes": st.sampled_from(["float32", "float64", "float64", "float16", "bfloat16"]),
}


def row_options(batch: Batch, i: int) -> Options:
    """What the oracle needs of the batch's options for row i."""
    options = batch.options
    weight, samples = options.get("weight"), options.get("sample_weight")
    return Options(
        weight=None if weight is None else tuple(float(w) for w in weight),
        sample_weight=1.0 if samples is None else float(samples[i]),
        **{k: options[k] for k in ("label_smoothing", "lse_square_scale", "softcap", "logit_scale") if k in options},
    )


def counts(batch: Batch, i: int) -> bool:
    """Whether row i is in the loss at all."""
    target, options = batch.targets[i], row_options(batch, i)
    if target.ndim == 0:
        return (
            target != -100
            and options.sample_weight != 0
            and (options.weight is None or options.weight[int(target)] != 0)
        )
    weight = np.ones(len(target)) if options.weight is None else np.array(options.weight)
    return options.sample_weight * float((weight * target.astype(np.float64)).sum()) != 0


@law(
    mutants.LseMinusLogit,
    mutants.TargetBySubtraction,
    mutants.SumWithTheOne,
    mutants.NoCompensation,
    mutants.SumInOrder,
    mutants.LastClassDropped,
    mutants.SmoothingOverOthers,
    mutants.SoftGradWithoutMass,
    mutants.CapWithoutDerivative,
    mutants.ZLossGradientForgotten,
    mutants.SampleWeightOnLossOnly,
    on_reference=False,  # float64 in plain Python: a hair outside the bound for float64 in places
    share=3,
    batch=batches(**ALL_CHOICES),
)
def test_every_row_is_within_its_bound_of_the_exact_value(front, batch):
    batch = batch.on(front)
    losses = run(front, batch, reduction="none")[0]
    _, grad = run(front, batch, reduction="sum")
    for i in range(len(batch.logits)):
        if not counts(batch, i):
            assert losses[i] == 0
            assert not grad[i].any()
            continue
        found = bounds.check(
            batch.logits[i : i + 1], batch.targets[i : i + 1], losses[i : i + 1], grad[i : i + 1], row_options(batch, i)
        )
        assert found.ok, f"row {i}: {found}"


@law(
    mutants.CapWithoutDerivative,
    mutants.ZLossGradientForgotten,
    mutants.SoftGradWithoutMass,
    mutants.SampleWeightOnLossOnly,
    mutants.UphillGradient,
    mutants.GradientOfSum,
    needs=("denominator",),
    batch=batches(**ALL_CHOICES | {"rows": st.sampled_from([1, 2]), "classes": st.sampled_from([1, 2, 3, 5])}),
    denominator=st.sampled_from([None, 3.0]),
)
def test_the_gradient_is_the_difference_quotient_of_the_exact_loss(front, batch, denominator):
    batch = batch.on(front)
    if denominator:
        _, grad = run(front, batch, denominator=denominator)
    else:
        _, grad = run(front, batch, reduction="sum")
    u = unit(grad.dtype.name)
    with mp.workdps(WORKING // 6):
        h = mpf(10) ** -40
        for i in range(len(batch.logits)):
            if not counts(batch, i):
                continue
            options = row_options(batch, i)
            x = [mpf(v) for v in batch.logits[i].astype(np.float64).tolist()]
            t = int(batch.targets[i]) if batch.targets.ndim == 1 else batch.targets[i].astype(np.float64).tolist()
            if not mp.isfinite(exact_loss(x, t, options)):
                continue
            for j in range(len(x)):
                if not mp.isfinite(x[j]):
                    continue
                up, down = ([*x[:j], x[j] + step, *x[j + 1 :]] for step in (h, -h))
                slope = (exact_loss(up, t, options) - exact_loss(down, t, options)) / (2 * h * (denominator or 1))
                # a relative 8 u of everything that may have been subtracted, the worst of all entry bounds
                scale = options.sample_weight * (
                    max(options.weight or (1,)) * np.sum(np.asarray(t) * 0 + 1.0 if isinstance(t, int) else t) + 1
                )
                z = (
                    2
                    * options.lse_square_scale
                    * (max(abs(float(v)) for v in x if mp.isfinite(v)) + 5)
                    * options.sample_weight
                )
                allowed = 8 * u * float(scale + z) * max(1.0, options.logit_scale)
                assert abs(float(grad[i, j]) - float(slope)) <= allowed, (
                    f"entry {i}, {j}: {grad[i, j]!r} against {float(slope)!r}"
                )


@law(
    mutants.ZLossGradientForgotten,
    batch=batches(rows=1, classes=st.sampled_from([2, 3]), z_loss=0.5, soft=False, ignored=False),
    on_reference=True,
    needs=("lse_square_scale",),
)
def test_the_z_loss_pulls_every_logit_down(front, batch):
    """With z large and the loss' own part small, the gradient's sum is 2 z lse: far from 0."""
    batch = batch.on(front)
    batch = Batch(
        np.abs(batch.logits) + batch.logits.dtype.type(1), batch.targets, {"lse_square_scale": 0.5, "reduction": "sum"}
    )
    finite = np.isfinite(batch.logits.astype(np.float64)).all()
    if finite and batch.logits.astype(np.float64).max() < 1e3:
        _, grad = run(front, batch)
        top = float(batch.logits.astype(np.float64).max())
        assert float(grad.astype(np.float64).sum()) >= 0.98 * top
