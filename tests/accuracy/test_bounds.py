"""The promised bounds, on families of rows that break losses, for every dtype and V = 1 ... 131072."""

import numpy as np
import pytest
from mpmath import mp

from tests.accuracy import bounds
from tests.accuracy.batch import exact_batch
from tests.accuracy.exact import Options
from tests.accuracy.families import FAMILIES, VARIANTS, rows_of, soft_rows
from tests.accuracy.measure import Case, arguments, measure, plain_cases, variant_cases
from tests.accuracy.ulp import DTYPES
from tests.fronts import LAYER, NUMPY
from tests.mutants import LseMinusLogit, NoCompensation, SoftAsDifference, SumWithTheOne, TargetBySubtraction

QUICK = (1, 2, 3, 10, 100, 1000)
BUDGET = 400  # logits a family and V: 64 rows at most
WIDE = (32768, 131072)


def wrong(cases, front=NUMPY) -> list[str]:
    """What is beyond its bound, in words."""
    found = []
    for case in cases:
        m = measure(front, case, textbook=False)
        if not (m.ours.ok and m.sum_over <= 1):
            found.append(f"{case.dtype} {case.name}, V = {case.logits.shape[1]}: {m.ours}, sum {m.sum_over:.3g}")
    return found


@pytest.mark.parametrize("dtype", DTYPES)
def test_class_indices_are_within_their_ulps(dtype):
    assert wrong(plain_cases(dtype, QUICK, BUDGET)) == []


@pytest.mark.parametrize("name", VARIANTS)
def test_every_option_is_within_its_bound(name):
    for dtype in DTYPES:
        assert wrong(variant_cases(dtype, (2, 3, 10, 100), BUDGET // 2, (name,))) == []


@pytest.mark.parametrize("classes", WIDE)
@pytest.mark.parametrize("dtype", DTYPES)
def test_very_many_classes_are_within_their_ulps(dtype, classes):
    names = ("many tiny", "normal", "confident")
    assert wrong(Case(n, dtype, *rows_of(n, dtype, classes, 1), Options()) for n in names) == []


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_layer_is_within_the_same_ulps(dtype):
    assert wrong(plain_cases(dtype, (1, 2, 10), 100), LAYER) == []


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_family_at_every_size_is_within_its_ulps(dtype):
    assert wrong(plain_cases(dtype, (1, 2, 3, 5, 10, 64, 100, 1000, 32768, 131072), 4000)) == []


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_option_at_every_size_is_within_its_bound(dtype):
    assert wrong(variant_cases(dtype, (1, 2, 3, 5, 10, 64, 100, 1000, 32768), 4000)) == []


FIELD_OPTIONS = [Options(), Options(softcap=30.0, logit_scale=0.5), Options(logit_scale=1.7)]


@pytest.mark.parametrize("options", FIELD_OPTIONS, ids=["plain", "cap and scale", "scale"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_lse_entropy_and_log_probability_are_within_their_absolute_bound(dtype, options):
    for classes in (1, 2, 10, 100):
        for name in FAMILIES:
            if name == "extreme" and dtype == "float64" and options.logit_scale != 1.0 and options.softcap is None:
                continue  # beyond float64 already when scaled; and beyond what pairs of float64 can hold
            logits, targets = rows_of(name, dtype, classes, 12)
            for wanted in (targets, soft_rows("spread", logits, targets)):
                exact = exact_batch(logits, wanted, options)
                asked = ("lse", "entropy", "log_prob")
                got = NUMPY.cross_entropy(
                    logits, wanted, reduction="none", returns=asked, **arguments(options, len(logits))
                )
                for field in asked:
                    error = bounds.field_over_bound(getattr(got, field), getattr(exact, field), exact.top)
                    assert error <= 1, f"{field}, {dtype} {name}, V = {classes}: {error:.3g} of the bound"


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_z_loss_field_is_the_part_of_the_loss_it_says(dtype):
    logits, targets = rows_of("normal", dtype, 10, 12)
    sample = np.linspace(0.5, 2.0, 12)
    got = NUMPY.cross_entropy(
        logits,
        targets,
        reduction="none",
        returns=("z_loss",),
        lse_square_scale=0.25,
        sample_weight=sample,
        weight=np.full(10, 3.0),
    )
    exact = exact_batch(logits, targets, Options(lse_square_scale=0.25))
    with mp.workdps(40):
        wanted = [z * float(s) for z, s in zip(exact.z_loss, sample, strict=True)]
    assert bounds.field_over_bound(got.z_loss, wanted, np.zeros(12)) <= 1


def test_predictions_are_the_first_largest_logit_and_accuracy_their_share():
    logits = np.array([[1.0, 3.0, 3.0], [0.0, -1.0, -2.0], [5.0, 6.0, 7.0], [1.0, 2.0, 9.0]], np.float32)
    got = NUMPY.cross_entropy(logits, np.array([1, 0, 0, -100]), returns=("predicted", "accuracy"), reduction="none")
    assert got.predicted.tolist() == [1, 0, 2, -1]
    assert float(np.sum(got.accuracy)) == pytest.approx(2.0) or float(got.accuracy) == pytest.approx(2 / 3)


MUTANTS = {
    LseMinusLogit: "loss",
    TargetBySubtraction: "target",
    SumWithTheOne: "loss",
    NoCompensation: "others",
}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.__name__)
def test_the_measure_sees_a_wrong_loss(mutant):
    found = bounds.NOTHING
    for case in plain_cases("float64", (3, 10), 60):
        found = found.worst(measure(mutant(), case, textbook=False).ours)
    assert getattr(found, MUTANTS[mutant]) > 50
    assert not found.ok


def test_the_measure_sees_a_wrong_loss_of_probabilities():
    assert wrong(variant_cases("float64", (3, 10), 400, ("soft, one-hot",)), SoftAsDifference())
