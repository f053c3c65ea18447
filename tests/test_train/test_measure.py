"""What the test rows say, against scikit-learn's and SciPy's figures."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from xent.core.batch import Total
from xent.fit.examples import Rows
from xent.fit.loop import Scores
from xent.fit.model import Architecture
from xent.fit.trained import Preparation
from xent.train.measure import evaluate, frequency_loss, wilson
from xent.train.prepared import Prepared


def describe(row: int) -> tuple[int, str, None]:
    return row + 1, f"row {row}", None


def prepared(targets: np.ndarray, classes: int, counts=None) -> Prepared:
    rows = Rows(np.zeros((len(targets), 1)), targets)
    names = tuple(f"c{i}" for i in range(classes))
    return Prepared(
        "t",
        "table",
        "t",
        "s",
        (),
        rows,
        rows,
        rows,
        Preparation(None, None, 0, names),
        Architecture(1, (), classes),
        1,
        np.bincount(targets, minlength=classes) if counts is None else counts,
        "",
        describe,
    )


def scores(losses: np.ndarray, predicted: np.ndarray) -> Scores:
    return Scores(sum(map(Total.of_row, losses.tolist()), Total.zero()), losses, predicted)


def evaluated(rows: int, classes: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    targets, predicted = rng.integers(0, classes, (2, rows))
    predicted = np.where(rng.random(rows) < 0.6, targets, predicted)
    losses = rng.exponential(size=rows)
    return targets, predicted, losses, evaluate(prepared(targets, classes), scores(losses, predicted))


def test_figures_are_those_of_scikit_learn():
    targets, predicted, losses, found = evaluated(300, 7)
    precision, recall, f1, support = precision_recall_fscore_support(targets, predicted, labels=range(7))

    np.testing.assert_array_equal(found.confusion, confusion_matrix(targets, predicted, labels=range(7)))
    np.testing.assert_allclose([c.precision for c in found.per_class], precision)
    np.testing.assert_allclose([c.recall for c in found.per_class], recall)
    np.testing.assert_allclose([c.f1 for c in found.per_class], f1)
    assert [c.support for c in found.per_class] == support.tolist()
    assert found.correct == int((targets == predicted).sum())
    assert found.accuracy == found.correct / 300
    assert found.loss == pytest.approx(losses.mean(), rel=1e-14)
    assert found.perplexity == pytest.approx(math.exp(losses.mean()), rel=1e-14)


def test_the_most_confused_pairs_come_first_and_hold_every_mistake():
    targets, predicted, _, found = evaluated(100, 3)

    assert sum(pair.count for pair in found.most_confused) == int((targets != predicted).sum())
    assert [p.count for p in found.most_confused] == sorted((p.count for p in found.most_confused), reverse=True)
    first = found.most_confused[0]
    assert first.count == int(((targets == int(first.target[1])) & (predicted == int(first.predicted[1]))).sum())


def test_the_worst_rows_are_those_with_the_highest_loss():
    targets, predicted, losses, found = evaluated(100, 3)
    order = np.argsort(-losses)[:24]

    assert [w.row for w in found.worst] == (order + 1).tolist()
    assert [w.loss for w in found.worst] == losses[order].tolist()
    assert [w.words for w in found.worst] == [f"row {i}" for i in order]
    assert [w.target for w in found.worst] == [f"c{targets[i]}" for i in order]
    assert [w.predicted for w in found.worst] == [f"c{predicted[i]}" for i in order]
    assert [w.probability for w in found.worst] == pytest.approx(np.exp(-losses[order]))


def test_classes_that_never_come_have_no_figure():
    targets = np.array([0, 0, 1])
    found = evaluate(prepared(targets, 4), scores(np.ones(3), np.array([0, 2, 2])))

    assert [(c.precision, c.recall, c.f1) for c in found.per_class] == [
        (1.0, 0.5, 2 / 3),
        (None, 0.0, 0.0),
        (0.0, None, 0.0),
        (None, None, None),
    ]


def test_many_classes_are_cut_to_what_can_be_looked_at():
    found = evaluated(5000, 200)[-1]

    assert found.confusion is None
    assert len(found.per_class) == 50
    assert len(found.most_confused) == 20
    assert min(c.support for c in found.per_class) >= 25


def test_no_mistake_is_no_pair():
    targets = np.array([0, 1])

    assert evaluate(prepared(targets, 2), scores(np.zeros(2), targets)).most_confused == ()


@pytest.mark.parametrize(("correct", "count"), [(0, 1), (1, 1), (0, 270), (259, 270), (270, 270), (3323, 8990)])
def test_the_interval_is_wilsons(correct, count):
    low, high = binomtest(correct, count).proportion_ci(method="wilson")

    assert wilson(correct, count) == pytest.approx((low, high), abs=1e-12)


def test_the_baselines_are_the_commonest_class_and_the_frequencies():
    targets = np.array([0, 1, 1, 2])
    found = evaluate(prepared(targets, 3, counts=np.array([1, 2, 5])), scores(np.ones(4), targets))

    assert (found.baseline_class, found.baseline_accuracy) == ("c2", 0.25)
    assert found.baseline_loss == pytest.approx(-(math.log(1 / 8) + 2 * math.log(2 / 8) + math.log(5 / 8)) / 4)


def test_a_class_that_training_never_had_leaves_the_frequencies_finite():
    assert frequency_loss(np.array([0, 3]), np.array([0])) == pytest.approx(math.log(5))
