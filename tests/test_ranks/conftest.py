"""The ranks that a session of tests shares."""

from importlib.util import find_spec

import pytest

from tests.test_ranks.world import World

collect_ignore_glob = [] if find_spec("torch") else ["*"]  # the lane "ranks" has them


@pytest.fixture(scope="session")
def world():
    """Four processes, the ranks of gloo groups of 1, 2, 3 and 4."""
    there = World()
    yield there
    there.close()
