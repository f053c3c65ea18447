"""More than 2**31 logits, without the memory: the rows are one row seen many times, by a stride of zero."""

import math

import numpy as np
import pytest

from tests import mutants
from tests.laws.registry import law


@pytest.mark.slow
@law(mutants.Offset32, needs=("layouts",), reference=mutants.Offset64)
def test_rows_beyond_2_to_the_31_logits_find_their_own_target(front):
    classes = 1000
    rows = 2**31 // classes + 5000
    row = np.linspace(-2.0, 3.0, classes, dtype=np.float32)
    logits = np.broadcast_to(row, (rows, classes))
    targets = np.zeros(rows, np.int64)
    targets[-4000:] = classes - 1  # only rows whose offset is beyond 2**31
    lse = math.log(math.fsum(math.exp(v) for v in row.tolist()))
    wanted = (rows - 4000) * (lse + 2.0) + 4000 * (lse - 3.0)

    loss = front.cross_entropy(logits, targets, reduction="sum")

    assert float(loss) == pytest.approx(wanted, rel=1e-7)


@pytest.mark.slow
@law(mutants.Classes32, needs=("layouts",), reference=mutants.Classes64)
def test_one_row_of_more_than_2_to_the_31_classes(front):
    classes = 2**31 + 8
    logits = np.broadcast_to(np.float32(1.5), (1, classes))

    loss = front.cross_entropy(logits, np.array([classes - 1]), reduction="sum")

    assert float(loss) == pytest.approx(math.log(classes), rel=3e-7)
