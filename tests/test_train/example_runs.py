"""Records of training runs for tests of the report: real digits and iris by a small regression, and hostile ones.

They are made here, by a dozen lines of NumPy, so that what the report shows can be checked without `xent train`.
"""

import dataclasses
import itertools
import math

import numpy as np
from sklearn.datasets import load_digits, load_iris

from xent.train.run import Confused, Divided, Divisor, Epoch, Evaluation, PerClass, Run, Worst


def digits(**changes) -> Run:
    """Softmax regression on the digits: pictures, a short last batch."""
    data = load_digits()
    run = _fitted(
        "digits", data.data / 16, data.target, tuple("0123456789"), batch=64, epochs=60, images=data.images / 16
    )
    return dataclasses.replace(run, **changes)


def iris(**changes) -> Run:
    """Three classes, four numbers a row, one batch size that divides the rows."""
    data = load_iris()
    features = (data.data - data.data.mean(0)) / data.data.std(0)
    names = [name.removesuffix(" (cm)") for name in data.feature_names]
    words = [", ".join(f"{name} {value:g}" for name, value in zip(names, row, strict=True)) for row in data.data]
    run = _fitted("iris", features, data.target, tuple(data.target_names), batch=15, epochs=25, words=words)
    return dataclasses.replace(run, **changes)


def text(classes: int = 2000, **changes) -> Run:
    """A next-token model: many classes, no matrix, many different divisors. The figures are drawn by chance."""
    rng = np.random.default_rng(0)
    words = [
        "the",
        "value",
        "of",
        "is",
        "a",
        "an",
        "object",
        "returned",
        "module",
        "statement",
        "if",
        "expression",
        "in",
    ]
    names = ("<unk>", ".", ",", *words, *(f"word_{i}" for i in range(classes)))[:classes]
    pairs = rng.integers(0, min(classes, 200), (20, 2))
    count, correct = 8412, 1733
    per_class = tuple(
        PerClass(names[i], 400 // (i + 1), 300 // (i + 1), 0.3 / (1 + i / 30), 0.2 / (1 + i / 20), 0.24 / (1 + i / 25))
        for i in range(min(classes, 50))
    )
    run = Run(
        title="text",
        source="text",
        kind="text",
        task=f"text: 2608 paragraphs, 114 989 tokens, {classes} words",
        classes=names,
        features=3,
        rows={"train": 91_212, "validation": 8_903, "test": count},
        split="whole paragraphs, seed 0",
        notes=("1.7 % of the tokens are rare and count as <unk>",),
        model="embedding of 32, one hidden layer of 64 (ReLU)",
        parameters=200_032,
        optimizer="momentum 0.9, lr 1",
        settings={"epochs": 8, "batch_size": 16, "micro_batches": 4, "lr": 1.0, "patience": None},
        command="xent train text --micro-batches 4 --seed 0",
        next_commands=("xent predict runs/text-1 new.txt",),
        folder="runs/text-1",
        epochs=_history(8, 7.6, 5.2),
        best_epoch=8,
        stopped_because="8 epochs done",
        test=Evaluation(
            loss=5.31,
            perplexity=math.exp(5.31),
            accuracy=correct / count,
            low=0.1976,
            high=0.2148,
            correct=correct,
            count=count,
            baseline_accuracy=0.0712,
            baseline_class="the",
            baseline_loss=6.02,
            confusion=None,
            most_confused=tuple(Confused(names[a], names[b], 40 - i) for i, (a, b) in enumerate(pairs)),
            per_class=per_class,
            worst=tuple(
                Worst(
                    int(rng.integers(1, 2608)),
                    names[i % classes],
                    names[2 % classes],
                    12.1 - i / 10,
                    math.exp(-12.1 + i / 10),
                    None,
                    "the value of " * 5 + "an expression in",
                )
                for i in range(24)
            ),
        ),
        divided=Divided(
            reduction="mean",
            denominator=None,
            rule="each batch's loss is its mean: the sum over its tokens / the tokens that count",
            unit="tokens",
            batches=131,
            micro_batches=4,
            divisors=(),
            lowest=212.0,
            median=701.0,
            highest=1893.0,
            last=9,
            ratio=1893 / 212,
            advice="--denominator 701 weighs all tokens alike",
        ),
        versions={"python": "3.11.7", "xent": "0.1.0", "numpy": "2.4.6"},
        machine="Linux x86_64, 2 cores",
        started="2026-03-01T12:00:00+01:00",
        seconds=58.2,
    )
    return dataclasses.replace(run, **changes)


def hostile(**changes) -> Run:
    """What a file may hold: markup, quotes, control and direction characters, names of 10 000 characters, NaN, inf."""
    names = (
        "<script>alert(1)</script>",
        "\" onmouseover='alert(1)",
        "a\u202eb\u2066c\u200f",
        "nul\x00bell\x07\n\ud800",
        "x" * 10_000,
        "</style></title><!--",
        "{{ 7 * 7 }}{% raw %}",
        "&amp;&lt;",
        "\u05e2\u05d1\u05e8\u05d9\u05ea \u200f\u0627\u0628\u062c\u062f",
        "$\\frac{1}{0}$ %s {0}",
        "",
    )
    base = digits()
    count = len(names)
    confusion = tuple(tuple(3 if i == j else (i + j) % 2 for j in range(count)) for i in range(count))
    epochs = [
        dataclasses.replace(e, train_loss=v, gradient_norm_max=v)
        for e, v in zip(base.epochs, [math.nan, math.inf, 1.0], strict=False)
    ]
    test = dataclasses.replace(
        base.test,
        confusion=confusion,
        baseline_class=names[0],
        loss=math.inf,
        perplexity=math.inf,
        baseline_loss=math.nan,
        most_confused=tuple(Confused(a, b, 1) for a, b in itertools.pairwise(names)),
        per_class=tuple(PerClass(name, 3, 0, None, 0.0, None) for name in names),
        worst=tuple(Worst(i + 1, a, names[0], math.inf, 0.0, None, a * 3) for i, a in enumerate(names)),
    )
    run = dataclasses.replace(
        base,
        title=names[0],
        source=names[0],
        task=names[5],
        classes=names,
        epochs=tuple(epochs),
        best_epoch=3,
        test=test,
        notes=names,
        split=names[1],
        model=names[5],
        optimizer=names[6],
        settings={"target": names[0], names[1]: names[4]},
        command=f"xent train '{names[0]}' --target '{names[2]}'",
        next_commands=(f"xent predict '{names[5]}'",),
        folder=names[5],
        versions={"python": names[0]},
        machine=names[0],
        stopped_because=names[0],
    )
    return dataclasses.replace(run, **changes)


def _history(count: int, start: float, end: float, seed: int = 1) -> tuple[Epoch, ...]:
    rng = np.random.default_rng(seed)
    falls = end + (start - end) * np.exp(-4 * np.arange(count) / count)
    return tuple(
        Epoch(
            i + 1,
            float(v * 0.98),
            float(v),
            float(1 - v / (start + 1)),
            float(1 - v / (start + 0.8)),
            float(0.3 + rng.random() / 10),
            float(1 + rng.random()),
            0.01,
            120_000.0,
        )
        for i, v in enumerate(falls)
    )


def long_history(count: int) -> tuple[Epoch, ...]:
    """Noisy epochs, as many as asked: nothing a curve could leave out unseen."""
    rng = np.random.default_rng(2)
    return tuple(
        dataclasses.replace(
            e, train_loss=e.train_loss + rng.random() / 5, validation_loss=e.validation_loss + rng.random() / 5
        )
        for e in _history(count, 2.3, 0.1)
    )


def _fitted(title, features, targets, classes, *, batch, epochs, images=None, words=None) -> Run:
    rng = np.random.default_rng(0)
    order = rng.permutation(len(targets))
    cut, cut2 = int(0.7 * len(order)), int(0.85 * len(order))
    train, validation, test = order[:cut], order[cut:cut2], order[cut2:]
    inputs = np.hstack([features, np.ones((len(features), 1))])
    weights = np.zeros((inputs.shape[1], len(classes)))

    def probabilities(rows):
        logits = inputs[rows] @ weights
        e = np.exp(logits - logits.max(1, keepdims=True))
        return e / e.sum(1, keepdims=True)

    def measured(rows):
        p = probabilities(rows)
        losses = -np.log(p[np.arange(len(rows)), targets[rows]])
        return p, losses, float(np.mean(p.argmax(1) == targets[rows]))

    history = []
    for epoch in range(1, epochs + 1):
        rng.shuffle(train)
        norms = []
        for start in range(0, len(train), batch):
            rows = train[start : start + batch]
            gradient = inputs[rows].T @ (probabilities(rows) - np.eye(len(classes))[targets[rows]]) / len(rows)
            norms.append(float(np.linalg.norm(gradient)))
            weights -= 0.5 * gradient
        (_, train_losses, train_accuracy), (_, losses, accuracy) = measured(train), measured(validation)
        history.append(
            Epoch(
                epoch,
                float(train_losses.mean()),
                float(losses.mean()),
                train_accuracy,
                accuracy,
                float(np.median(norms)),
                max(norms),
                0.002,
                640_000.0,
            )
        )
    best = min(history, key=lambda e: e.validation_loss)
    p, losses, accuracy = measured(test)
    predicted = p.argmax(1)
    confusion = np.zeros((len(classes), len(classes)), int)
    np.add.at(confusion, (targets[test], predicted), 1)
    off = [
        (int(confusion[i, j]), i, j)
        for i in range(len(classes))
        for j in range(len(classes))
        if i != j and confusion[i, j]
    ]
    counts = np.bincount(targets[train], minlength=len(classes))
    common = int(counts.argmax())
    z, n = 1.96, len(test)
    middle, half = (
        (accuracy + z * z / 2 / n) / (1 + z * z / n),
        z / (1 + z * z / n) * math.sqrt(accuracy * (1 - accuracy) / n + z * z / 4 / n / n),
    )
    evaluation = Evaluation(
        loss=float(losses.mean()),
        perplexity=float(np.exp(losses.mean())),
        accuracy=accuracy,
        low=middle - half,
        high=middle + half,
        correct=int((predicted == targets[test]).sum()),
        count=n,
        baseline_accuracy=float(np.mean(targets[test] == common)),
        baseline_class=classes[common],
        baseline_loss=float(-np.log(counts / counts.sum())[targets[test]].mean()),
        confusion=tuple(tuple(int(v) for v in row) for row in confusion),
        most_confused=tuple(Confused(classes[i], classes[j], c) for c, i, j in sorted(off, key=lambda o: -o[0])[:20]),
        per_class=tuple(_of_class(confusion, k, classes[k]) for k in range(len(classes))),
        worst=tuple(
            Worst(
                int(test[i]) + 1,
                classes[targets[test[i]]],
                classes[predicted[i]],
                float(losses[i]),
                float(p[i, targets[test[i]]]),
                tuple(map(tuple, images[test[i]].tolist())) if images is not None else None,
                words[test[i]] if words else "",
            )
            for i in np.argsort(-losses)[:24]
        ),
    )
    full, last = divmod(len(train), batch)
    kinds = [Divisor(float(batch), full)] + ([Divisor(float(last), 1)] if last else [])
    divided = Divided(
        reduction="mean",
        denominator=None,
        rule="each batch's loss is its mean: the sum over its rows / the rows that count",
        unit="rows",
        batches=full + bool(last),
        micro_batches=1,
        divisors=tuple(kinds),
        lowest=kinds[-1].divisor,
        median=float(batch),
        highest=float(batch),
        last=last or batch,
        ratio=batch / kinds[-1].divisor,
        advice=f"--denominator {batch} weighs all rows alike" if last else "",
    )
    return Run(
        title=title,
        source=title,
        kind="table",
        task=f"{title}: {len(targets)} rows, {features.shape[1]} features, {len(classes)} classes",
        classes=classes,
        features=features.shape[1],
        rows={"train": len(train), "validation": len(validation), "test": n},
        split="stratified, seed 0",
        notes=(),
        model="softmax regression",
        parameters=weights.size,
        optimizer="SGD, lr 0.5",
        settings={
            "hidden": 0,
            "optimizer": "sgd",
            "lr": 0.5,
            "batch_size": batch,
            "epochs": epochs,
            "patience": 10,
            "label_smoothing": 0.0,
            "class_weight": None,
            "micro_batches": 1,
            "seed": 0,
        },
        command=f"xent train {title} --hidden 0 --optimizer sgd --lr 0.5 --seed 0",
        next_commands=(f"xent predict runs/{title}-1 new.csv", f"xent train --resume runs/{title}-1"),
        folder=f"runs/{title}-1",
        epochs=tuple(history),
        best_epoch=best.epoch,
        stopped_because=f"{epochs} epochs done",
        test=evaluation,
        divided=divided,
        versions={"python": "3.11.7", "xent": "0.1.0", "numpy": "2.4.6", "scikit-learn": "1.9.1"},
        machine="Linux x86_64, 2 cores",
        started="2026-03-01T12:00:00+01:00",
        seconds=1.9,
    )


def _of_class(confusion: np.ndarray, k: int, name: str) -> PerClass:
    right, support, predicted = (int(v) for v in (confusion[k, k], confusion[k].sum(), confusion[:, k].sum()))
    precision, recall = right / predicted if predicted else None, right / support if support else None
    return PerClass(
        name, support, predicted, precision, recall, 2 * right / (support + predicted) if support + predicted else None
    )
