"""`xent.plan`: the kernel by dtype, classes and options, never by rows; and what else is said."""

import numpy as np
import pytest

import xent


def plan_of(shape, dtype=np.float32, **options):
    return xent.plan(np.zeros(shape, dtype), np.zeros(shape[:-1], int), **options)


@pytest.mark.parametrize(
    ("classes", "dtype", "kernel"),
    [
        (10, "float32", "narrow"), (24, "float32", "narrow"), (25, "float32", "wide"), (10, "float64", "wide"),
        (10, "float16", "wide"), (2048, "float32", "wide"), (2049, "float32", "long"), (131072, "float64", "long"),
    ],
)  # fmt: skip
def test_the_kernel_depends_on_dtype_and_classes(classes, dtype, kernel):
    assert {plan_of((rows, classes), dtype).kernel for rows in (0, 1, 50)} == {kernel}


@pytest.mark.parametrize("options", [{"softcap": 30.0}, {"logit_scale": 2.0}])
def test_caps_and_scales_are_for_the_kernel_that_knows_them(options):
    found = plan_of((4, 10), **options)
    assert found.kernel == "rows"
    assert str(found).startswith(f"rows: {next(iter(options))}: row by row, in float64 inside.")


def test_the_words_of_a_plan():
    assert str(plan_of((100, 10), threads=1)) == (
        "narrow: 10 classes: SIMD across the rows, each lane a row.\n1 thread: 1000 logits."
    )
    big = np.broadcast_to(np.zeros(5000, np.float32), (5000, 5000))
    assert xent.plan(big, np.zeros(5000, int), threads=2, returns=("lse",)).sentences == (
        "long: 5000 classes: SIMD along the row, in tiles of 2048 that stay in the cache.",
        "2 threads: 25000000 logits.",
        "The gradient is larger than the cache: it is written past it.",
        "The logits are not C-contiguous, aligned, of native byte order: they are copied in pieces.",
        "What `returns` asks for is computed by the kernel rows, before the loss.",
    )


def test_probability_rows_are_said():
    q = np.array([[0.5, 0.5], [1.0, 0.0], [0.0, 0.0]])
    soft = "soft: probability rows of 2 classes: SIMD along the row, the targets read twice."
    assert xent.plan(np.zeros((3, 2)), q, threads=1).sentences[2] == f"1 of 2 rows are done apart, by {soft}"
    assert str(xent.plan(np.zeros((1, 2)), q[:1], threads=1)) == f"{soft}\n1 thread: 2 logits."
    weighted = xent.plan(np.zeros((1, 2)), q[:1], weight=[1.0, 2.0])
    assert weighted.kernel == "rows"
    assert str(weighted).startswith("rows: probability rows with class weights, or weights of an unusual size: row by")


def test_a_plan_checks_as_the_loss_does():
    with pytest.raises(xent.TargetError):
        xent.plan(np.zeros((2, 3)), [0, 3])
