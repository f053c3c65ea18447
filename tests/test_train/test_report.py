"""report.html: sound, self-contained, quick, and it says this run's numbers, whatever the run."""

import dataclasses
import hashlib
import json
import math
import re
import subprocess
import sys

import numpy as np
import pytest

from tests.pages import Tree, faults
from tests.test_train import example_runs
from xent.train import panels, plots, report
from xent.train.run import Confused, Divisor, Epoch, PerClass, Run, Worst

DIGITS = example_runs.digits()


def changed(run: Run, **changes) -> Run:
    """The run with fields changed; those that are not the run's own are its test's or its division's."""
    parts = {"divided": run.divided, "test": run.test}
    for part, record in parts.items():
        names = {f.name for f in dataclasses.fields(record)} & set(changes) - {f.name for f in dataclasses.fields(Run)}
        parts[part] = dataclasses.replace(record, **{name: changes.pop(name) for name in names})
    return dataclasses.replace(run, **(parts | changes))


def many_classes(count: int) -> Run:
    base = example_runs.text(count)
    return changed(base, kind="table", per_class=tuple(PerClass(f"c{i}", 3, 2, 0.5, 0.3, 0.4) for i in range(50)))


def two_classes() -> Run:
    return changed(
        example_runs.iris(), classes=("no", "yes"), confusion=((5, 1), (0, 17)),
        per_class=(PerClass("no", 6, 5, 1.0, 5 / 6, 10 / 11), PerClass("yes", 17, 18, 17 / 18, 1.0, 34 / 35)),
    )  # fmt: skip


def perfect() -> Run:
    confusion = tuple(tuple(27 if i == j else 0 for j in range(10)) for i in range(10))
    return changed(
        DIGITS, correct=270, accuracy=1.0, low=0.986, high=1.0, confusion=confusion, most_confused=(), worst=()
    )


def lost() -> Run:
    epochs = tuple(
        dataclasses.replace(
            e, train_loss=math.nan, validation_loss=math.inf, gradient_norm_median=math.nan, gradient_norm_max=math.nan
        )
        for e in DIGITS.epochs[:3]
    )  # fmt: skip
    return changed(
        DIGITS, epochs=epochs, best_epoch=1, loss=math.nan, perplexity=math.nan, stopped_because="the loss is NaN"
    )


def large() -> Run:
    """As much of everything as a record can hold: noise for pictures, long names, thousands of remarks."""
    noise = np.random.default_rng(0).random((200, 200))
    classes = tuple(f"class {i} " + "ü" * 300 for i in range(50))
    confusion = tuple(tuple(range(i, i + 50)) for i in range(50))
    image = tuple(map(tuple, noise.tolist()))
    return changed(
        DIGITS,
        classes=classes,
        confusion=confusion,
        notes=("remark " * 100,) * 3000,
        epochs=example_runs.long_history(20_000),
        per_class=tuple(PerClass(name, 3, 2, 0.5, 0.3, 0.4) for name in classes * 2),
        most_confused=tuple(Confused(name, classes[0], 3) for name in classes[:20]),
        worst=tuple(Worst(i, classes[0], classes[1], 1.0, 0.3, image, "") for i in range(24)),
        settings={f"option {i}": "v" * 500 for i in range(60)},
        next_commands=("xent predict " + "p" * 5000,) * 5,
    )


RUNS = {
    "digits": DIGITS,
    "iris": example_runs.iris(),
    "text": example_runs.text(),
    "3000 classes": many_classes(3000),
    "two classes": two_classes(),
    "hostile": example_runs.hostile(),
    "perfect": perfect(),
    "one epoch": changed(DIGITS, epochs=DIGITS.epochs[:1], best_epoch=1),
    "2000 epochs": changed(DIGITS, epochs=example_runs.long_history(2000), best_epoch=1999),
    "NaN": lost(),
    "sum": changed(
        DIGITS, reduction="sum", divisors=(), unit="", advice="", ratio=1.0, lowest=1.0, median=1.0, highest=1.0
    ),
    "weights": changed(
        DIGITS, unit="weight", divisors=(), lowest=38.25, median=63.5, highest=70.125, ratio=70.125 / 38.25
    ),
    "smoothing": changed(DIGITS, settings={**DIGITS.settings, "label_smoothing": 0.1}),
    "no test rows": changed(
        DIGITS,
        count=0,
        correct=0,
        accuracy=math.nan,
        low=math.nan,
        high=math.nan,
        loss=math.nan,
        perplexity=math.nan,
        baseline_accuracy=math.nan,
        baseline_loss=math.nan,
        confusion=((0,) * 10,) * 10,
        most_confused=(),
        worst=(),
        per_class=tuple(PerClass(str(i), 0, 0, None, None, None) for i in range(10)),
    ),
    "large": large(),
    "no better than chance": changed(DIGITS, low=0.05, baseline_accuracy=0.97),
}


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {name: report.render(run) for name, run in RUNS.items()}


@pytest.mark.parametrize("name", RUNS)
def test_the_page_is_sound(pages, name):
    assert faults(pages[name]) == []


@pytest.mark.parametrize("name", RUNS)
def test_the_page_is_small(pages, name):
    assert len(pages[name].encode()) < (600_000 if name == "digits" else 1_000_000)


@pytest.mark.parametrize("name", [name for name in RUNS if name != "hostile"])
def test_the_page_leaves_no_hole_in_its_sentences(pages, name):
    """None, an undefined name, a doubled or missing blank: what a template gets wrong."""
    tree = Tree(pages[name])
    tree.texts = [(where, "name" if where == "bdi" else data) for where, data in tree.texts]

    assert not re.search(r"\bNone\b|Undefined|\[\]", tree.text())
    assert not re.search(r"[a-z]\.[A-Z]| ,| \.[^\w.]", tree.text())


@pytest.fixture(scope="module")
def elsewhere() -> tuple[str, float]:
    """Hash of the digits' page made in a fresh process, and the seconds that took, imports included."""
    program = (
        "import time; start = time.perf_counter()\n"
        "import hashlib, json, sys; from xent.train import report; from xent.train.run import Run\n"
        "page = report.render(Run.from_dict(json.load(sys.stdin)))\n"
        "print(hashlib.sha256(page.encode()).hexdigest(), time.perf_counter() - start)"
    )
    given = json.dumps(DIGITS.to_dict())
    done = subprocess.run([sys.executable, "-c", program], input=given, check=True, capture_output=True, text=True)
    digest, seconds = done.stdout.split()
    return digest, float(seconds)


def test_the_same_run_gives_the_same_bytes_in_another_process(pages, elsewhere):
    assert hashlib.sha256(pages["digits"].encode()).hexdigest() == elsewhere[0]


def test_the_page_is_made_in_time(elsewhere):
    assert elsewhere[1] < 5.0  # 1.2 on two cores, most of it imports; what a test may assert where others run beside it


def test_a_record_from_disk_gives_the_same_page(pages):
    assert report.render(Run.from_dict(DIGITS.to_dict())) == pages["digits"]


def words(page: str) -> str:
    return Tree(page).text()


def test_the_answer_comes_first(pages):
    test = DIGITS.test
    said = words(pages["digits"])

    lead = said[: said.index("How it learned")]
    assert f"digits: accuracy {test.accuracy:.3f}" in lead
    assert f"Of 270 test rows that had no say in training or stopping, the model gets {test.correct} right." in lead
    assert f"Always answering the commonest class, “{test.baseline_class}”, would get" in lead
    assert f"95 % interval {test.low:.3f} – {test.high:.3f}" in lead
    assert f"{test.loss:.3f} {test.baseline_loss:.3f} by class frequencies alone" in lead


def test_a_model_that_may_be_no_better_is_told_so(pages):
    said = words(pages["no better than chance"])

    assert "That is not clearly more than always answering the commonest class" in said
    assert "and the interval does not exclude it" in said


def test_stopping_is_explained():
    stopped = changed(DIGITS, best_epoch=50, stopped_because="no better validation loss for 10 epochs")
    said = words(report.render(stopped))

    assert "Training ended after epoch 60: no better validation loss for 10 epochs." in said
    assert (
        f"The weights kept are those of epoch 50, where the validation loss was {DIGITS.epochs[49].validation_loss:.3f}"
        in said
    )
    assert "more epochs may lower it" not in said
    assert "so more epochs may lower it" in words(report.render(changed(DIGITS, best_epoch=60)))


def test_this_runs_division_is_worked_out(pages):
    said = words(pages["digits"])
    worst = DIGITS.test.worst[0]
    alone = worst.probability - 1

    assert "has 20 batches. Each batch's loss is its mean: the sum over its rows / the rows that count." in said
    assert "19 64 rows 1.00 × 1 41 rows 1.56 ×" in said
    assert "where the divisor is smallest, one weighs 1.56 times as much as where it is largest." in said
    assert (
        "The last batch of an epoch holds the 41 rows that are left over. --denominator 64 weighs all rows alike."
        in said
    )
    assert f"{worst.probability:.3f} − 1 = −{-alone:.3f}" in said
    assert f"divided by 64 −{-alone / 64:.3g}" in said
    assert f"divided by 41 −{-alone / 41:.3g}" in said
    kept = next(e for e in DIGITS.epochs if e.epoch == DIGITS.best_epoch).gradient_norm_median
    assert (
        f"a median length of {kept:.3g}; a sum’s, at the same weights, is 64 times as long, about {kept * 64:.3g}"
        in said
    )
    assert "the sum takes the same steps as the mean, to rounding, if its learning rate is divided by 64." in said


def test_adam_is_told_apart():
    said = words(report.render(changed(DIGITS, optimizer="Adam, lr 0.005")))

    assert (
        "with the sum it would want the same learning rate. Plain gradient descent would want one 64 times smaller"
        in said
    )


def test_padding_and_micro_batches_are_explained_for_text(pages):
    said = words(pages["text"])

    assert "Each batch is computed in 4 micro-batches, and each of these is divided by the whole batch’s number" in said
    assert "A padded place has the target ignore_index" in said
    assert "largest 1893 tokens 1.00 × median 701 tokens 2.70 × smallest 212 tokens 8.93 ×" in said
    assert "padded" not in words(pages["digits"])


def test_padding_that_is_counted_is_not_said_to_change_nothing():
    said = words(report.render(changed(example_runs.text(), denominator="batch")))

    assert (
        "but --denominator batch counts it all the same, so a token weighs less in a batch with more padding." in said
    )
    assert "changes neither" not in said


def test_weights_are_not_printed_to_the_last_digit(pages):
    said = words(pages["weights"])

    assert "largest 70.12 of weight 1.00 × median 63.5 of weight 1.10 × smallest 38.25 of weight 1.83 ×" in said
    assert "with the median divisor of this run, it is: L = (ℓ₁ + ℓ₂ + ℓ₃ + …) / 63.5" in said


def test_batches_divided_alike_are_told_so():
    run = changed(DIGITS, divisors=(Divisor(64.0, 20),), ratio=1.0, lowest=64.0, advice="")
    said = words(report.render(run))

    assert "Every batch is divided by the same number, so every row weighs the same." in said
    assert "there the two differ" not in said


def test_a_sum_is_not_said_to_be_divided(pages):
    said = words(pages["sum"])

    assert "This run’s batches are summed, so nothing is divided" in said
    assert "divided by 64" not in said
    assert "This is the gradient of a sum" in said


def test_label_smoothing_is_in_the_target(pages):
    worst = DIGITS.test.worst[0]

    assert "t is 0.91 for the target and 0.01 for each other class (label smoothing 0.1)" in words(pages["smoothing"])
    assert f"{worst.probability:.3f} − 0.91 = −{0.91 - worst.probability:.3f}" in words(pages["smoothing"])


def test_losses_that_are_not_finite_are_shown_as_such(pages):
    said = words(pages["NaN"])

    assert "Not finite: the loss of 3 epochs is NaN or infinite, first in epoch 1." in said
    assert "nats per row NaN" in said
    assert "1 kept NaN ∞" in said
    assert "∞ NaN by class frequencies alone" in words(pages["hostile"])


def test_names_from_the_data_are_text_and_nothing_else(pages):
    hostile, tame = Tree(pages["hostile"]), Tree(pages["digits"])

    assert {name for name, _ in hostile.tags} <= {name for name, _ in tame.tags}
    assert {key for _, a in hostile.tags for key in a} <= {key for _, a in tame.tags for key in a}
    said = hostile.text()
    for shown in ("<script>alert(1)</script>", "\" onmouseover='alert(1)", "a\\u202eb\\u2066c\\u200f", "{{ 7 * 7 }}"):
        assert shown in said
    assert "(9940 more characters)" in said
    assert "x" * 401 not in pages["hostile"]
    pages["hostile"].encode("utf-8")
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069]", pages["hostile"])


def test_the_worst_digits_are_pictures(pages):
    tree = Tree(pages["digits"])

    assert len(tree.all("img")) == len(DIGITS.test.worst)
    assert tree.all("img")[0]["alt"] == f"picture of row {DIGITS.test.worst[0].row}"
    assert tree.all("img")[0]["src"].startswith("data:image/png;base64,")


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 5000), (5000, 1), (28, 28), (640, 427)])
def test_a_picture_of_any_size_becomes_a_small_one(height, width):
    image = tuple(tuple(math.nan if (i + j) % 7 == 0 else 0.5 for j in range(width)) for i in range(height))
    made = panels.card(Worst(1, "a", "b", 1.0, 0.4, image, ""), "row")

    (attributes,) = Tree(made).all("img")
    assert max(int(attributes["width"]), int(attributes["height"])) <= 64
    assert len(made) < 10_000


def test_a_row_without_a_picture_is_words(pages):
    tree = Tree(pages["iris"])

    assert tree.all("img") == []
    assert example_runs.iris().test.worst[0].words in tree.text()


def test_many_classes_show_pairs_and_the_hardest_classes_first(pages):
    said = words(pages["3000 classes"])

    assert "Confusion matrix" not in said
    assert said.index("Most confused pairs") < said.index("by class, hardest first")
    assert "Listed are the 50 classes with most test rows; 2950 more are left out." in said
    assert "Confusion matrix" in words(pages["two classes"])


def test_a_cell_of_the_matrix_is_tinted_by_its_share_of_its_row():
    made = panels.matrix([[1, 99, 0], [0, 5, 5], [0, 0, 0]], ["a", "b", "c"])

    kinds = [a.get("class") for a in Tree(made).all("td")][1:]
    assert kinds == ["right t1", "wrong t5", "none", "none", "right t3", "wrong t3", "none", "none", "none"]


def test_a_run_without_mistakes_says_so(pages):
    assert "Nowhere on the test rows: all 270 are right." in words(pages["perfect"])


def test_every_command_can_be_marked_at_once(pages):
    tree = Tree(pages["digits"])

    assert len([a for a in tree.all("pre") if a["class"] == "command"]) == 1 + len(DIGITS.next_commands)
    for command in (DIGITS.command, *DIGITS.next_commands):
        assert command in tree.text()


def test_a_long_history_is_thinned_in_the_table_and_says_so(pages):
    table = pages["2000 epochs"].split("Epoch by epoch")[-1].split("</table>")[0]

    assert table.count("<tr>") <= 43
    assert "metrics.jsonl has them all" in table
    assert ">1999<span" in table
    assert ">2000</th>" in table


def curve(values: list[float], **options) -> str:
    line = plots.Curve("train", "a", None, values)
    return plots.by_epoch(range(1, len(values) + 1), [line], label="x", prefix="p-", **{"title": "loss", **options})


def test_a_spike_in_a_long_curve_is_not_lost():
    flat = [1.0] * 5000
    high = flat.copy()
    high[3333] = 19.0

    assert ">15<" not in curve(flat)
    assert any(values[i] == 19.0 for values in [high] for i in plots._thinned(high))
    assert len(plots._thinned(high)) <= 800


def test_nothing_finite_is_no_drawing():
    assert curve([math.nan, math.inf, -math.inf]) == ""
    assert plots.interval(math.nan, 0.0, 1.0, 0.5, label="x", prefix="p-") == ""


def test_one_finite_value_is_a_point():
    assert Tree(curve([math.nan, 2.0, math.nan])).all("use")[-1].get("fill") == "var(--a)"
    assert Tree(curve([1.0, 2.0, 3.0])).all("use")[-1].get("fill") != "var(--a)"


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([1.0, 0.1], ""),
        ([1.0, 0.04], ", log axis"),
        ([1.0, 0.0], ""),
        ([1e299, 5e-324, 1e305], ", log axis"),
    ],
)
def test_a_wide_range_is_drawn_on_a_logarithmic_axis_and_says_so(values, scale):
    assert f">loss{scale}<" in curve(values)


def test_an_accuracy_near_one_has_one_on_its_axis():
    assert ">1.00<" in curve([0.9, 0.97], title="accuracy")
    assert ">1.0" not in curve([0.1, 0.2], title="accuracy")


def test_the_kept_epoch_is_marked():
    assert ">epoch 2 kept<" in curve([3.0, 1.0, 2.0], kept=2)


def test_an_epoch_needs_nothing_but_its_numbers():
    epoch = Epoch(1, 1.0, 1.0, 0.5, 0.5, 0.1, 0.2, 0.0, math.inf)

    assert "–" in Tree(panels.epochs([epoch], 1)).text()
