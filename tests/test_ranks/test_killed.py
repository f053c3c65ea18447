"""A rank that is killed ends the others with an error, within their group's timeout."""

import numpy as np

from tests.test_ranks import cases
from tests.test_ranks.world import World


def test_killing_one_of_two_ranks_ends_the_other_with_an_error():
    world = World(2)
    try:
        logits, targets = [np.zeros((2, 3))] * 2, [np.zeros(2, np.int64)] * 2
        before = [float(a[0]) for a in world.run(2, cases.loss_over_ranks, logits, targets)]
        np.testing.assert_allclose(before, np.log(3), rtol=1e-15)
        world.ask([0], 2, cases.loss_over_ranks, logits, targets)
        world.ask([1], 2, cases.die)
        (answer,) = world.answers([0])
        assert isinstance(answer, cases.Raised)
        assert answer.kind in {"RuntimeError", "DistBackendError", "DistNetworkError"}
        world.processes[1].join(60)
        assert world.processes[1].exitcode == -9
    finally:
        world.close()
