"""The committed reference rows: what they hold is the definition, and every front end is within its bounds of it."""

import json

import numpy as np
import pytest
from mpmath import mp, mpf

from tests.accuracy import bounds
from tests.accuracy.batch import Wide, exact_batch
from tests.accuracy.exact import Options
from tests.accuracy.make_rows import FILE, rows
from tests.accuracy.measure import arguments
from tests.accuracy.ulp import DTYPES
from tests.fronts import FRONTS

ROWS = json.loads(FILE.read_text(encoding="utf-8"))


def parts(record: dict):
    """Logits (1, V), targets, options, and the expected results as an exact batch."""
    logits = np.array([[float.fromhex(v) for v in record["logits"]]]).astype(DTYPES[record["dtype"]])
    target = record["target"]
    wide = np.float64 if record["dtype"] == "float64" else np.float32
    targets = np.array([target]) if isinstance(target, int) else np.array([[float.fromhex(q) for q in target]], wide)
    given = dict(record["options"])
    if "weight" in given:
        given["weight"] = tuple(float.fromhex(w) for w in given["weight"])
    return logits, targets, Options(**given)


def expected(record: dict, logits, targets, options):
    """The committed numbers in place of the quick oracle's."""
    exact = exact_batch(logits, targets, options)
    with mp.workdps(70):
        exact.loss = [mpf(record["loss"])]
        wide = Wide.of_numbers([mpf(g) for g in record["grad"]])
    exact.grad = Wide(wide.hi[None], wide.lo[None], wide.exponent[None])
    return exact


def test_the_committed_rows_are_what_the_script_writes():
    assert rows() == ROWS


def test_the_inputs_are_exact_in_their_dtype():
    for record in ROWS:
        for v in record["logits"]:
            x = float.fromhex(v)
            assert float(np.array(x).astype(DTYPES[record["dtype"]])) == x


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("front", FRONTS, ids=str)
def test_every_reference_row_is_within_its_bound(front, dtype):
    wrong = []
    for k, record in enumerate(ROWS):
        logits, targets, options = parts(record)
        given = arguments(options, 1)
        if record["dtype"] != dtype or not front.has(*given):
            continue
        loss = front.cross_entropy(logits, targets, reduction="none", **given)
        _, grad = front.value_and_grad(logits, targets, reduction="sum", **given)
        found = bounds.check(logits, targets, loss, grad, options, exact=expected(record, logits, targets, options))
        if not found.ok:
            wrong.append(f"row {k} ({record['name']}): {found}")
    assert wrong == []


def test_a_reference_row_that_is_a_little_off_is_seen():
    record = dict(next(r for r in ROWS if r["name"] == "by hand" and r["dtype"] == "float64"))
    logits, targets, options = parts(record)
    with mp.workdps(70):
        record["loss"] = mp.nstr(mpf(record["loss"]) * (1 + mpf(2) ** -49), 60)
    loss = FRONTS[0].cross_entropy(logits, targets, reduction="none")
    _, grad = FRONTS[0].value_and_grad(logits, targets, reduction="sum")
    assert not bounds.check(logits, targets, loss, grad, options, exact=expected(record, logits, targets, options)).ok
