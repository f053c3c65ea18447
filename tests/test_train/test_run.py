"""The record of a run goes to JSON and back, and refuses what is not one."""

import json

import pytest

from xent.train.run import Confused, Divided, Divisor, Epoch, Evaluation, PerClass, Run, Worst


def a_run() -> Run:
    """A run with every kind of field filled."""
    test = Evaluation(
        0.1,
        1.1,
        0.9,
        0.8,
        0.95,
        9,
        10,
        0.5,
        "a",
        0.69,
        ((5, 0), (1, 4)),
        (Confused("b", "a", 1),),
        (PerClass("a", 5, 6, 5 / 6, 1.0, 10 / 11), PerClass("b", 5, 4, None, None, None)),
        (Worst(7, "b", "a", 2.5, 0.08, ((0.0, 1.0), (0.5, 0.25)), ""), Worst(9, "b", "a", 2.0, 0.1, None, "x 1")),
    )
    divided = Divided(
        "mean", "items", "rule", "rows", 2, 1, (Divisor(64.0, 1), Divisor(41.0, 1)), 41, 52.5, 64, 41, 1.56, ""
    )
    return Run(
        title="t.csv",
        source="a/t.csv",
        kind="table",
        task="t",
        classes=("a", "b"),
        features=3,
        rows={"train": 7, "validation": 1, "test": 2},
        split="stratified, seed 0",
        notes=("note",),
        model="m",
        parameters=8,
        optimizer="Adam, lr 0.005",
        settings={"lr": 0.005, "denominator": None, "hidden": "64", "seed": 0},
        command="xent train",
        next_commands=("xent predict",),
        folder="runs/t-1",
        epochs=(Epoch(1, 1.0, 1.1, 0.5, 0.4, 2.0, 3.0, 0.1, 1e5),),
        best_epoch=1,
        stopped_because="1 epoch done",
        test=test,
        divided=divided,
        versions={"numpy": "2"},
        machine="m",
        started="s",
        seconds=1.5,
    )


def test_a_run_is_equal_after_a_trip_through_json() -> None:
    run = a_run()

    back = Run.from_dict(json.loads(json.dumps(run.to_dict(), allow_nan=False)))

    assert back == run
    assert back.test.worst[0].image == ((0.0, 1.0), (0.5, 0.25))


def test_a_changed_field_makes_another_run() -> None:
    values = a_run().to_dict()
    values["test"]["worst"][0]["image"][1][0] = 0.75

    assert Run.from_dict(values) != a_run()


def test_a_record_names_the_fields_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match=r"^Divisor: fields that are missing or unknown: batch, batches$"):
        Divisor.from_dict({"divisor": 1.0, "batch": 2})
