"""A run against an earlier one: what is worse, and what is only noise."""

import json
from dataclasses import replace

import pytest

from tests.test_bench.made import MACHINE, Part, measured, record
from xent.bench.compare import compare
from xent.bench.record import Measured, Result
from xent.bench.task import Task

SHAPE = Task(4096, 1000)


def run(*ours: float, **changes):
    """A record of one shape, in which ours took so long, and has other results than usual."""
    made = measured(SHAPE, ours or (2.0, 2.1, 1.9))
    results = tuple(replace(each, **changes) if each.peer == "xent" else each for each in made.results)
    return record(replace(made, results=results))


def test_the_same_run_is_the_same():
    compared = compare(run(), run())
    assert compared.ok
    assert str(compared) == (
        "against the earlier run:\n"
        "  same   4096 × 1000, float32, class indices: loss and gradient: 2.00 → 2.00 × copy (+0%)\n"
        "Nothing got worse in 1 shape."
    )


def test_slower_beyond_the_spread_is_worse():
    compared = compare(run(), run(2.4, 2.5, 2.3))
    assert not compared.ok
    assert compared.lines[0].verdict == "worse"
    assert "2.00 → 2.40 × copy (+20%)\n         slower: a quarter of the rounds took less than 2.35 ×" in str(compared)
    assert str(compared).endswith("1 of 1 shapes got worse.")


def test_slower_within_the_spread_is_the_same():
    assert compare(run(1.5, 2.0, 2.9), run(1.6, 2.4, 3.0)).ok


def test_a_steady_machine_makes_no_finding_of_three_percent():
    assert compare(run(2.0, 2.0, 2.0), run(2.06, 2.06, 2.06)).ok
    assert not compare(run(2.0, 2.0, 2.0), run(2.12, 2.12, 2.12)).ok


def test_faster_is_better():
    assert compare(run(), run(1.2, 1.3, 1.25)).lines[0].verdict == "better"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"ordinary": Part(0.4, 0.5, 3.0)}, "less exact: gradient elsewhere 0.50 → 3.00 ULP"),
        ({"confident": Part(0.4, float("inf"), 0.5)}, "less exact: gradient at the target of sure rows 0.50 → inf ULP"),
        ({"extra": 200_000_000}, "more memory: 0.0 MB → 200 MB"),
    ],
)
def test_less_exact_or_larger_is_worse_however_fast(changes, why):
    compared = compare(run(), run(1.0, 1.0, 1.0, **changes))
    assert not compared.ok
    assert compared.lines[0].verdict == "worse"
    assert compared.lines[0].why == (why,)


def test_the_ratio_counts_not_the_seconds():
    slow_machine = Measured(
        SHAPE, tuple(replace(e, seconds=tuple(9 * s for s in e.seconds)) for e in measured(SHAPE).results)
    )
    assert compare(run(), record(slow_machine)).ok


def test_another_machine_and_shapes_that_are_missing_are_said():
    old = record(measured(SHAPE), measured(Task(8, 131072)))
    new = record(measured(SHAPE), machine=MACHINE | {"processor": "Another"})
    text = str(compare(old, new))
    assert "another machine: processor Another, before A processor; ratios may differ for that" in text
    assert "not measured this time: 8 × 131072" in text


def test_ours_without_times_cannot_be_compared_and_is_not_fine():
    failed = record(Measured(SHAPE, (Result("copy-1", (1.0,)), Result("xent", failed="crashed"))))
    compared = compare(run(), failed)
    assert not compared.ok
    assert "  ?      4096 × 1000: xent has no times this time: crashed" in str(compared)
    assert str(compared).endswith("Not everything could be compared.")


def test_nothing_in_common_is_not_fine():
    compared = compare(record(measured(Task(1, 2))), run())
    assert not compared.ok
    assert str(compared).endswith("Nothing could be compared.")


def test_json_holds_the_verdict():
    compared = compare(run(), run(2.4, 2.5, 2.3)).to_dict()
    again = json.loads(json.dumps(compared))
    assert again["ok"] is False
    assert again["lines"][0]["shape"] == "4096x1000"
    assert again["lines"][0]["verdict"] == "worse"
