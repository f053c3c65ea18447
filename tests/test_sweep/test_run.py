"""A sweep from data to record: the same with any workers, after any interruption, and wider where it has to be."""

import dataclasses
import json
import signal
import subprocess
import time

import pytest

from tests.test_cli.command import XENT, environment, xent_command
from xent.core.errors import DataError, OptionError, XentError
from xent.train import sweep as sweeps
from xent.train.descent import Cell
from xent.train.sweep_options import SweepOptions
from xent.train.sweep_record import Sweep
from xent.train.sweep_workers import Workers

SMALL = SweepOptions("iris", batch_size=(1, 4, 16, 64), lr=(0.0625, 0.25, 1.0, 4.0), seeds=2, epochs=4, updates=12)
COMMAND = (
    "iris",
    "--batch-size",
    "1,4,16,64",
    "--lr",
    "1/16,1/4,1,4",
    "--seeds",
    "2",
    "--epochs",
    "4",
    "--updates",
    "12",
)
ONE = Workers(jobs=1)


class Quiet:
    """Hears what is done."""

    def __init__(self):
        self.heard = []

    def started(self, going):
        self.heard.append((0, len(going.grid()), 0.0, "started"))

    def progressed(self, done, count, share, words):
        self.heard.append((done, count, share, words))


def same(one, other):
    """Whether two sweeps found the same."""
    fleeting = {"seconds": 0.0, "started": "", "folder": ""}
    return dataclasses.replace(one, **fleeting) == dataclasses.replace(other, **fleeting)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep") / "small"
    listener = Quiet()
    result = sweeps.start(SMALL, folder).run(listener, ONE)
    sweeps.finish(result, folder)
    return folder, result, listener


def test_the_record_holds_what_was_asked_for(done):
    folder, result, listener = done
    assert len(result.cells) == 2 * 4 * 4
    assert result.batch_sizes == (1, 4, 16, 64)
    assert result.rows == 128
    assert result.data_rows == 512
    assert [c.kind for c in result.comparisons if c.reduction == "sum"][-2:] == ["data", "updates"]
    assert result.initial_loss == pytest.approx(1.0986, abs=1e-4)
    assert result.sums.pairs == result.sums.equal > 0
    assert listener.heard[0][3] == "started"
    shares = [share for _, _, share, _ in listener.heard]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert sorted(p.name for p in folder.iterdir()) == [
        "cells",
        "options.json",
        "report.html",
        "sweep.csv",
        "sweep.json",
    ]


def test_the_record_goes_to_json_and_back(done):
    folder, result, _ = done
    again = Sweep.from_dict(json.loads((folder / "sweep.json").read_text(encoding="utf-8")))
    assert dataclasses.replace(again, settings={}) == dataclasses.replace(result, settings={})
    assert SweepOptions.from_settings(again.settings) == SMALL


def test_more_workers_change_nothing(done, tmp_path):
    assert same(sweeps.start(SMALL, tmp_path / "two").run(Quiet(), Workers(jobs=2)), done[1])


def test_what_is_missing_is_computed_and_nothing_else(done, tmp_path, monkeypatch):
    folder = tmp_path / "again"
    sweeps.start(SMALL, folder).run(Quiet(), ONE)
    gone = sorted((folder / "cells").iterdir())[::3]
    for path in gone:
        path.rename(path.with_name(f".{path.name}.1.part"))
    computed = []
    real = sweeps.descend_as

    def counted(problem, cell, *settings):
        computed.append(cell)
        return real(problem, cell, *settings)

    monkeypatch.setattr(sweeps, "descend_as", counted)
    result = sweeps.resume(folder).run(Quiet(), ONE)

    assert same(result, done[1])
    assert sorted(f"{c.reduction}-{c.batch_size}-{c.lr!r}.json" for c in computed) == [path.name for path in gone]
    assert not list((folder / "cells").glob(".*"))


def test_killed_at_any_moment_it_goes_on_to_the_same(done, tmp_path):
    for wanted in (1, 9):
        folder = tmp_path / str(wanted)
        process = subprocess.Popen(
            [*XENT, "sweep", *COMMAND, "--jobs", "1", "--out", folder.name], cwd=tmp_path, env=environment(),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 60
        while len(list((folder / "cells").glob("*.json"))) < wanted:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert same(sweeps.resume(folder).run(Quiet(), ONE), done[1])


def test_the_grid_grows_where_a_best_lies_on_its_edge_unless_it_was_given(monkeypatch):
    monkeypatch.setitem(sweeps.__dict__, "WIDER", 2)
    monkeypatch.setattr("xent.train.sweep_options.EXPONENTS", {("sgd", "mean"): (-1, 1)})
    options = SweepOptions("iris", batch_size=(1, 64), reduction=("mean",), seeds=1, epochs=2, updates=5)
    going = sweeps.Going(options, None)
    result = going.run(Quiet(), ONE)
    tried = {size: [c.lr for c in result.cells if c.batch_size == size] for size in (1, 64)}
    assert tried[1][0] < 0.5
    assert tried[64][-1] > 2.0
    given = sweeps.Going(dataclasses.replace(options, lr=(0.5, 1.0)), None)
    assert {c.lr for c in given.run(Quiet(), ONE).cells} == {0.5, 1.0}


def test_a_sum_that_was_treated_as_a_mean_would_be_seen(monkeypatch):
    real = sweeps.descend_as

    def as_mean(problem, cell, *settings):
        return cell, real(problem, Cell("mean", cell.batch_size, cell.lr), *settings)[1]

    monkeypatch.setattr(sweeps, "descend_as", as_mean)
    result = sweeps.Going(dataclasses.replace(SMALL, batch_size=(4, 16)), None).run(Quiet(), ONE)
    assert result.sums.equal == 0


@pytest.mark.parametrize("data", ["text", "hidden"])
def test_text_and_hidden_layers_work(data):
    options = SweepOptions(
        "text" if data == "text" else "iris", rows=60, hidden=(8,) if data == "hidden" else (), optimizer="adam",
        batch_size=(4, 16, 32), lr=(0.001, 0.01, 0.1), seeds=1, epochs=1, updates=6, reduction=("mean",),
    )  # fmt: skip
    result = sweeps.Going(options, None).run(Quiet(), ONE)
    assert result.rows == 60
    assert result.unit == ("tokens" if data == "text" else "rows")
    assert all(each.curved is None for each in result.noise)
    assert len(result.cells) == 9


# What cannot be used.


def test_a_folder_that_cannot_go_on_is_said_so(tmp_path):
    with pytest.raises(DataError, match=r"^.*nothing is no folder of a sweep: it has no options\.json\.$"):
        sweeps.resume(tmp_path / "nothing")
    folder = tmp_path / "small"
    going = sweeps.start(SMALL, folder)
    with pytest.raises(
        DataError, match=r"small is there already: give another --out, or go on with --resume .*small\.$"
    ):
        sweeps.start(SMALL, folder)
    cell = folder / "cells" / "mean-1-0.25.json"
    going.run(Quiet(), ONE)
    whole = cell.read_text(encoding="utf-8")
    for spoilt in ("{}", whole.replace('"lr": 0.25', '"lr": 0.5'), '{"losses": [["a"]], "accuracies": [1]}'):
        cell.write_text(spoilt, encoding="utf-8")
        with pytest.raises(DataError, match=r"mean-1-0\.25\.json is damaged: delete it, and it is computed again\.$"):
            sweeps.resume(folder).run(Quiet(), ONE)
    about = folder / "options.json"
    values = json.loads(about.read_text(encoding="utf-8"))
    about.write_text(json.dumps({**values, "fingerprint": "another"}), encoding="utf-8")
    with pytest.raises(DataError, match=r"^iris is not what it was when .*small was begun: sweep it anew\.$"):
        sweeps.resume(folder)
    about.write_text(json.dumps({**values, "settings": {"data": "iris"}}), encoding="utf-8")
    with pytest.raises(DataError, match=r"options\.json is damaged: the settings of the sweep are damaged"):
        sweeps.resume(folder)


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(
        OptionError, match=r"^--batch-size is 129: it must be at most the number of training rows, 128\.$"
    ):
        sweeps.Going(SweepOptions("iris", batch_size=(1, 129)), None)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"jobs": 0}, "--jobs is 0: it must be a whole number above 0."),
        ({"backend": "ray"}, "--backend is ray: it must be loky | dask."),
        ({"scheduler": "tcp://127.0.0.1:1"}, "--scheduler goes with --backend dask only."),
    ],
)
def test_workers_that_cannot_be_are_refused(given, message):
    with pytest.raises(OptionError) as error:
        Workers(**given)
    assert str(error.value) == message


# A cluster.


def test_a_dask_cluster_finds_the_same(done, tmp_path):
    pytest.importorskip("distributed", reason="the extra dask is not installed")
    run = xent_command("sweep", *COMMAND, "--backend", "dask", "--jobs", "1", "--out", "dask", "--json", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    found = Sweep.from_dict(json.loads(run.stdout))
    assert same(dataclasses.replace(found, settings=done[1].settings), done[1])


def test_a_scheduler_that_does_not_answer_is_said_so(monkeypatch):
    pytest.importorskip("distributed", reason="the extra dask is not installed")
    monkeypatch.setattr("xent.train.sweep_workers.WAIT", 0.2)
    workers = Workers(backend="dask", scheduler="tcp://127.0.0.1:9")
    with (
        pytest.raises(XentError, match=r"^the Dask scheduler at tcp://127\.0\.0\.1:9 does not answer: "),
        workers.ready(),
    ):
        pass


# The default, whole.


@pytest.mark.slow
def test_the_default_sweep_says_what_the_documentation_says(tmp_path):
    began = time.monotonic()
    result = sweeps.start(SweepOptions(), tmp_path / "digits").run(Quiet(), Workers())
    assert time.monotonic() - began < 120

    mean, total = result.comparison("mean", "target"), result.comparison("sum", "target")
    assert mean.below.exponent == pytest.approx(1.0, abs=0.05)
    assert mean.above.exponent == pytest.approx(0.0, abs=0.3)
    assert total.below.exponent == pytest.approx(0.0, abs=0.05)
    assert 100 < mean.critical.batch_size < 1000
    assert result.sums.pairs == result.sums.equal >= 50
    assert result.collapses_to >= 1 / 64
    knees = [c.critical.batch_size for c in result.comparisons if c.kind == "target" and c.reduction == "mean"]
    assert knees == sorted(knees)
    scales = [each.scale.median for each in result.noise]
    assert scales == sorted(scales)
    assert scales[-1] > 10 * scales[0]
