"""More than 2**31 logits, without the memory: the rows are one row seen many times, by a stride of zero."""

import math

import numpy as np
import pytest

from tests import mutants
from tests.laws.registry import law


def check(front, rows: int, classes: int, late: int) -> None:
    """The sum of the losses, where only the `late` last rows, all beyond 2**31 logits, have another target."""
    row = np.linspace(-2.0, 3.0, classes, dtype=np.float32)
    logits = np.broadcast_to(row, (rows, classes))
    assert (rows - late) * classes >= 2**31
    targets = np.zeros(rows, np.int64)
    targets[-late:] = classes - 1
    lse = math.log(math.fsum(np.exp(row.astype(np.float64)).tolist()))
    wanted = (rows - late) * (lse + 2.0) + late * (lse - 3.0)

    loss = front.cross_entropy(logits, targets, reduction="sum")

    assert float(loss) == pytest.approx(wanted, rel=1e-7)


@pytest.mark.slow
@law(mutants.Offset32, needs=("layouts",), reference=mutants.Offset64)
def test_many_rows_beyond_2_to_the_31_logits_find_their_own_target(front):
    check(front, rows=2**31 // 1000 + 5000, classes=1000, late=4000)


@pytest.mark.slow
@law(mutants.Offset32, needs=("layouts",), reference=mutants.Offset64)
def test_few_rows_of_very_many_classes_beyond_2_to_the_31_logits_find_their_own_target(front):
    check(front, rows=514, classes=2**22, late=2)
