"""Every property fails a wrong implementation that it is there for, and holds on the definition."""

import numpy as np
import pytest

from tests.test_linear import properties, wrong
from tests.test_linear.cases import OPTIONS
from tests.test_linear.definition import Definition
from tests.test_linear.properties import is_the_definition

CAUGHT = [  # wrong loss, dtype, kind of targets, options
    (wrong.ShiftAcrossSequences, "float32", "indices", "shift"),
    (wrong.LastPositionsAreRows, "float32", "indices", "batch"),
    (wrong.SampleWeightStays, "float32", "indices", "shift"),
    (wrong.MeanOfChunkMeans, "float32", "ignored", "plain"),
    (wrong.MeanOfChunkMeans, "float32", "indices", "weights"),
    (wrong.IgnoredAreCounted, "float32", "ignored", "plain"),
    (wrong.LastChunkOverwrites, "float32", "indices", "sum"),
    (wrong.LogitsInHalf, "bfloat16", "indices", "plain"),
    (wrong.LogitsInHalf, "float16", "indices", "none"),
    (wrong.RoundedEveryChunk, "bfloat16", "indices", "plain"),
    (wrong.BiasForgotten, "bfloat16", "indices", "bias"),
    (wrong.BiasGradientIsAMean, "float32", "indices", "bias"),
    (wrong.LastClassesDropped, "float16", "indices", "plain"),
    (wrong.CapWithoutSlope, "bfloat16", "indices", "cap"),
    (wrong.GradScaleOnTheLoss, "float32", "indices", "number"),
]
PROPERTIES = [
    (properties.keeps_confident_rows, wrong.LseMinusLogit),
    (properties.never_reads_rows_that_do_not_count, wrong.SkippedByMultiplying),
    (properties.keeps_a_broken_row_to_itself, wrong.OneBadRowSpoilsAll),
    (properties.shifts_each_sequence_by_itself, wrong.ShiftAcrossSequences),
    (properties.shifts_each_sequence_by_itself, wrong.SampleWeightStays),
]


@pytest.mark.parametrize(("mutant", "dtype", "kind", "name"), CAUGHT)
def test_the_grid_fails_it(mutant, dtype, kind, name):
    is_the_definition(Definition().value_and_grad, dtype, kind, OPTIONS[name])
    with pytest.raises(AssertionError):
        is_the_definition(mutant().value_and_grad, dtype, kind, OPTIONS[name])


@pytest.mark.parametrize(("holds", "mutant"), PROPERTIES)
def test_the_property_fails_it(holds, mutant):
    with np.errstate(all="ignore"):
        with pytest.raises(AssertionError):
            holds(mutant().value_and_grad)
        holds(Definition().value_and_grad)


def test_every_wrong_loss_is_used():
    written = {c for c in vars(wrong).values() if isinstance(c, type) and issubclass(c, Definition)} - {Definition}
    assert written == {row[0] for row in CAUGHT} | {row[1] for row in PROPERTIES}
