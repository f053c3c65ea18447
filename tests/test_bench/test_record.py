"""A run as JSON, and as lines for a terminal."""

import json

import pytest

import xent
from tests.test_bench.made import measured, record
from xent.bench.record import Measured, Record
from xent.bench.task import Task
from xent.bench.text import WIDTH

FULL = record(
    measured(Task(4096, 1000), busy=0.3),
    measured(Task(1024, 128000, hidden=2048)),
    Measured(Task(9, 9), skipped="not enough memory: it takes about 4.2 GiB more, and 0.5 are free for all"),
)


def test_json_brings_the_same_record_back(tmp_path):
    FULL.save(tmp_path / "run.json")
    assert Record.load(tmp_path / "run.json") == FULL


def test_json_says_what_follows_from_the_times():
    shape = json.loads(json.dumps(FULL.to_dict(), allow_nan=False))["shapes"][0]
    ours = next(each for each in shape["results"] if each["peer"] == "xent")
    torch = next(each for each in shape["results"] if each["peer"] == "torch")
    assert shape["shape"] == "4096x1000"
    assert shape["reference"] == "copy-1"
    assert ours["seconds"] == [2.0, 2.1, 1.9]
    assert ours["derived"] == {
        "median": 2.0,
        "spread": pytest.approx(0.025),
        "ratio": 2.0,
        "ns_per_element": pytest.approx(2e9 / 4096000),
        "worst_ulp": 0.5,
    }
    assert torch["derived"]["worst_ulp"] == "inf"


SPOILT = [
    (lambda values: values.pop("machine"), "a damaged result of `xent bench`: KeyError: 'machine'."),
    (lambda values: values.update(version=2), "this is no result of `xent bench`, version 1 of its format: "),
    (
        lambda values: values.update(format="x"),
        "this is no result of `xent bench`, version 1 of its format: format 'x'",
    ),
    (lambda values: values.update(peers=[]), "a damaged result of `xent bench`: TypeError: peers is list, not dict."),
    (lambda values: values["shapes"][0]["results"][0]["seconds"].pop(), "not everybody has a time for every round"),
    (lambda values: values["shapes"][0]["results"][0]["seconds"].append(-1), "a time of copy-1 is no positive number"),
    (lambda values: values["shapes"][0]["task"].update(row=2), "a damaged result of `xent bench`: TypeError"),
]


@pytest.mark.parametrize(("spoil", "message"), SPOILT, ids=range(len(SPOILT)))
def test_a_damaged_file_is_said_to_be_one(tmp_path, spoil, message):
    values = FULL.to_dict()
    values = json.loads(json.dumps(values))
    spoil(values)
    path = tmp_path / "spoilt.json"
    path.write_text(json.dumps(values))
    with pytest.raises(xent.DataError) as caught:
        Record.load(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_result_is_saved_by_its_ending(tmp_path):
    FULL.save(tmp_path / "run.txt")
    assert (tmp_path / "run.txt").read_text(encoding="utf-8") == f"{FULL}\n"
    with pytest.raises(xent.DataError, match=r"run\.png: a result is saved as \.json, \.html or \.txt\."):
        FULL.save(tmp_path / "run.png")


def test_lines_fit_a_terminal():
    assert max(map(len, str(FULL).splitlines())) <= WIDTH


TABLE = """\
4096 × 1000 · float32, class indices: loss and gradient
                       time    ±    × copy ns/logit   memory     ULP    sure
  copy, 1 thread     1.00 s   0%      1.00      244
▸ xent               2.00 s   2%      2.00      488   0.0 MB    0.50    0.50
  jax + optax        4.10 s   1%      4.10     1001        ?    0.50     inf
  torch eager        8.10 s   1%      8.10     1978   0.0 MB    0.50     inf
  scikit-learn: HalfMultinomialLoss takes float32 and float64 only
  xent: 2.00 × a copy, the fastest peer (jax + optax) takes 2.00 × as long,
    eager torch 4.00 ×
  others took 30% of the CPUs: the times may be too long"""


def test_the_table_is_this():
    assert TABLE in str(FULL)


def test_a_notebook_shows_the_table_escaped():
    made = record(command="<script>").shapes
    assert "<pre>" in record(*made)._repr_html_()
    hostile = record(peers={"xent": {"label": "<b>"}, "copy-1": {"label": "c"}})
    assert "<b>" not in hostile._repr_html_()
