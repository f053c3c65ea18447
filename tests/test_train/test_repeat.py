"""Many seeds: each one's result is that of its own training, in whatever order they end."""

import statistics

import pytest

from xent.core.errors import DataError, OptionError
from xent.train.options import Options
from xent.train.repeat import Silent, repeat
from xent.train.session import Session, prepare


def test_seeds_are_those_of_single_trainings():
    heard = []
    options = Options("iris", epochs=3, seed=5)
    found = repeat(options, 3, lambda done, median: heard.append((done, median)))
    alone = []
    for seed in (5, 6, 7):
        asked, data = prepare(Options("iris", epochs=3, seed=seed))
        fit, scores, _ = Session(asked, data, None).run(Silent())
        alone.append((scores.accuracy(data.test.targets), scores.total.loss, fit.epoch))

    assert list(zip(found.accuracies, found.losses, found.epochs, strict=True)) == alone
    assert found.seeds == (5, 6, 7)
    assert (found.median, found.lowest, found.highest) == (
        statistics.median(a for a, _, _ in alone),
        min(a for a, _, _ in alone),
        max(a for a, _, _ in alone),
    )
    assert [done for done, _ in heard] == [1, 2, 3]
    assert heard[-1][1] == found.median
    assert found.command == "xent train iris --epochs 3 --seed 5 --repeat 3"


def test_a_mistake_is_found_before_anything_starts():
    with pytest.raises(DataError, match=r"^there is no file no\.csv\."):
        repeat(Options("no.csv"), 2, lambda *_: None)
    with pytest.raises(OptionError, match=r"^--repeat is 0: it must be a whole number above 0\.$"):
        repeat(Options(), 0, lambda *_: None)


@pytest.mark.slow
def test_over_20_seeds_the_default_has_a_median_accuracy_of_at_least_97_percent():
    assert repeat(Options(), 20, lambda *_: None).median >= 0.97
