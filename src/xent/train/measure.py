"""What the test rows say: accuracy with its interval, the baseline, which classes were mixed up, the worst rows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from xent.train.run import Confused, Evaluation, PerClass, Worst

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xent.fit.loop import Scores
    from xent.train.prepared import Describe, Prepared

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

MOST_CLASSES_IN_MATRIX = 50
MOST_CLASSES_IN_TABLE = 100
CLASSES_SHOWN = 50  # of more than that
PAIRS_SHOWN = 20
WORST_SHOWN = 24
Z95 = 1.959963984540054  # 97.5 % quantile of the normal distribution


def evaluate(prepared: Prepared, scores: Scores) -> Evaluation:
    """Everything about the test, from each row's loss and predicted class."""
    targets = prepared.test.flat()[1]
    names = prepared.class_names
    correct = int((scores.predicted == targets).sum())
    low, high = wilson(correct, len(targets))
    commonest = int(prepared.counts.argmax())
    return Evaluation(
        loss=scores.total.loss,
        perplexity=math.exp(min(scores.total.loss, 700.0)),
        accuracy=correct / len(targets),
        low=low,
        high=high,
        correct=correct,
        count=len(targets),
        baseline_accuracy=float((targets == commonest).mean()),
        baseline_class=names[commonest],
        baseline_loss=frequency_loss(prepared.counts, targets),
        confusion=_matrix(targets, scores.predicted, len(names)),
        most_confused=_most_confused(targets, scores.predicted, names),
        per_class=_per_class(targets, scores.predicted, names),
        worst=_worst(targets, scores, names, prepared.describe),
    )


def wilson(correct: int, count: int) -> tuple[float, float]:
    """95 % interval of a share, by Wilson's score.

    Source: Wilson 1927, doi:10.1080/01621459.1927.10502953.

    >>> [round(end, 4) for end in wilson(259, 270)]
    [0.9285, 0.9771]
    """
    share, z = correct / count, Z95
    middle = share + z * z / (2 * count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def frequency_loss(counts: Ints, targets: Ints) -> float:
    """Cross-entropy of always answering the training frequencies; 1 is added to every count if one is 0.

    >>> round(frequency_loss(np.array([3, 1]), np.array([0, 0, 0, 1])), 4)
    0.5623
    """
    smooth = counts + float(counts.min() == 0)
    return float(-np.log(smooth / smooth.sum())[targets].mean())


def _matrix(targets: Ints, predicted: Ints, classes: int) -> tuple[tuple[int, ...], ...] | None:
    """Counts [target][predicted]; None for too many classes to look at."""
    if classes > MOST_CLASSES_IN_MATRIX:
        return None
    flat = np.bincount(targets * classes + predicted, minlength=classes * classes)
    return tuple(tuple(map(int, line)) for line in flat.reshape(classes, classes))


def _most_confused(targets: Ints, predicted: Ints, names: Sequence[str]) -> tuple[Confused, ...]:
    """The pairs mixed up most often."""
    wrong = targets != predicted
    pairs, counts = np.unique(np.stack([targets[wrong], predicted[wrong]]), axis=1, return_counts=True)
    ranked = np.argsort(-counts, kind="stable")[:PAIRS_SHOWN]
    return tuple(Confused(names[pairs[0, i]], names[pairs[1, i]], int(counts[i])) for i in ranked)


def _per_class(targets: Ints, predicted: Ints, names: Sequence[str]) -> tuple[PerClass, ...]:
    """Precision, recall and F1 of each class, or of those with most test rows."""
    support = np.bincount(targets, minlength=len(names))
    guessed = np.bincount(predicted, minlength=len(names))
    hits = np.bincount(targets[targets == predicted], minlength=len(names))
    shown = np.arange(len(names))
    if len(names) > MOST_CLASSES_IN_TABLE:
        shown = np.sort(np.argsort(-support, kind="stable")[:CLASSES_SHOWN])
    return tuple(_one_class(names[i], int(support[i]), int(guessed[i]), int(hits[i])) for i in shown.tolist())


def _one_class(name: str, support: int, guessed: int, hits: int) -> PerClass:
    """One line of the table."""
    return PerClass(
        name=name,
        support=support,
        predicted=guessed,
        precision=hits / guessed if guessed else None,
        recall=hits / support if support else None,
        f1=2 * hits / (support + guessed) if support + guessed else None,
    )


def _worst(targets: Ints, scores: Scores, names: Sequence[str], describe: Describe) -> tuple[Worst, ...]:
    """The test rows with the highest loss."""
    ranked = np.argsort(-scores.losses, kind="stable")[:WORST_SHOWN]
    found = []
    for i in map(int, ranked):
        place, words, picture = describe(i)
        loss = float(scores.losses[i])
        found.append(
            Worst(place, names[int(targets[i])], names[int(scores.predicted[i])], loss, math.exp(-loss), picture, words)
        )
    return tuple(found)
