"""The hostile table: threads and processes. Rows 83-84."""

import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tests.hostile.table import row


@row("83")
def test_several_python_threads_may_call_at_once(front):
    rng = np.random.default_rng(0)
    logits, targets = rng.standard_normal((4000, 50)).astype(np.float32), rng.integers(0, 50, 4000)
    loss, grad = front.value_and_grad(logits, targets)
    with ThreadPoolExecutor(4) as pool:
        for other, other_grad in pool.map(lambda _: front.value_and_grad(logits, targets), range(16)):
            assert other == loss
            assert_array_equal(other_grad, grad)


CHILD = """
    import multiprocessing, os, sys
    import numpy as np
    from tests import fronts

    front = next(f for f in fronts.FRONTS if f.name == sys.argv[1])
    rng = np.random.default_rng(0)
    logits, targets = rng.standard_normal((20000, 50)), rng.integers(0, 50, 20000)


    def digest(_=0):
        loss, grad = front.value_and_grad(logits, targets)
        return float(loss).hex(), hash(grad.tobytes()), float(front.cross_entropy(logits, targets)).hex()


    if __name__ == "__main__":
        os.environ["PYTHONHASHSEED"] = "0"
        before = digest()
        with multiprocessing.get_context("fork").Pool(2) as pool:
            answers = pool.map(digest, range(4), 1)
        assert [a[0] for a in answers] == [before[0]] * 4, (before, answers)
        assert [a[2] for a in answers] == [before[2]] * 4
        assert [a[1] for a in answers] == [before[1]] * 4
        assert digest() == before
        print("same bits")
"""


@row("84")
@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="no fork on this system")
def test_a_forked_child_gives_the_same_bits(front):
    import os

    environment = os.environ | {"XENT_NUM_THREADS": "2", "PYTHONHASHSEED": "0", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CHILD), front.name],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        check=False,
    )
    assert done.stdout == "same bits\n", done.stderr
