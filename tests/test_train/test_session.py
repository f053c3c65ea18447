"""A training that stops anywhere, by a kill too, goes on to the same weights and measurements to the bit."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.test_train.tables import flowers, write_csv
from xent.core.errors import DataError, OptionError
from xent.fit import files, store
from xent.train import report, session
from xent.train.options import Options
from xent.train.repeat import Silent
from xent.train.run import Run

TIMES = ("seconds", "rows_per_second", "started")


class Killed(BaseException):
    """The process is gone: nothing in it can be caught or tidied."""


@pytest.fixture
def options(tmp_path):
    """A short training on a small table; the working directory is the test's own."""
    path = write_csv(tmp_path / "flowers.csv", flowers())
    return Options(str(path), target="species", epochs=4, hidden=(8,), batch_size=16, class_weight="balanced")


@pytest.fixture(autouse=True)
def plain_report(monkeypatch):
    """Drawing takes a second and is tested elsewhere."""
    monkeypatch.setattr(report, "render", lambda run: f"<title>{run.title}</title>")


def train(options: Options, folder: Path) -> Run:
    going = session.start(options, folder)
    _, scores, why = going.run(Silent())
    return session.finish(going, scores, why)


def resume(folder: Path, epochs: int | None = None) -> Run:
    going = session.resume(folder, epochs)
    _, scores, why = going.run(Silent())
    return session.finish(going, scores, why)


def timeless(record):
    """A record without what two runs cannot share."""
    if isinstance(record, dict):
        return {k: timeless(v) for k, v in record.items() if k not in (*TIMES, "folder", "next_commands")}
    return [timeless(v) for v in record] if isinstance(record, list) else record


def result(folder: Path) -> dict:
    """Everything a folder holds, but times."""
    tensors = {name: store.read_tensors(folder / name, 2**20) for name in (store.MODEL, store.CHECKPOINT)}
    lines = (folder / session.METRICS).read_text().splitlines()
    return {
        "files": sorted(path.name for path in folder.iterdir()),
        "arrays": {f"{name} {key}": a.tobytes() for name, (arrays, _) in tensors.items() for key, a in arrays.items()},
        "notes": [timeless(note) for _, note in tensors.values()],
        "metrics": [timeless(json.loads(line)) for line in lines],
        "run": timeless(json.loads((folder / session.RUN).read_text())),
        "model": timeless(json.loads((folder / store.META).read_text())),
    }


def test_the_folder_holds_what_a_run_is(options, tmp_path):
    run = train(options, tmp_path / "run")

    assert result(tmp_path / "run")["files"] == [
        "checkpoint.safetensors", "metrics.jsonl", "model.json", "model.safetensors", "report.html", "run.json",
    ]  # fmt: skip
    assert Run.from_dict(json.loads((tmp_path / "run" / "run.json").read_text())) == run
    assert [e.epoch for e in run.epochs] == [1, 2, 3, 4]
    assert run.rows == {"train": 62, "validation": 14, "test": 14}


def test_the_same_options_give_the_same_bits(options, tmp_path):
    train(options, tmp_path / "a")
    train(options, tmp_path / "b")

    assert result(tmp_path / "a") == result(tmp_path / "b")


def crash_after(monkeypatch, count: int) -> list[str]:
    """Let the process die at the `count`-th moment at which a file is or was touched; the moments so far."""
    moments: list[str] = []

    def moment(what: str) -> None:
        moments.append(what)
        if len(moments) == count:
            raise Killed(what)

    class Paths(type(Path())):
        """Paths whose writes can be the last thing that happens."""

        def open(self, mode="r", *args, **kwargs):
            moment(f"before {mode} {self.name}")
            file = super().open(mode, *args, **kwargs)
            if "a" in mode:
                write = file.write

                class Appending:
                    def __enter__(self):
                        return self

                    def __exit__(self, *_):
                        file.close()

                    def write(self, text):
                        write(text)
                        file.flush()
                        moment("after appending")

                return Appending()
            return file

        def replace(self, target):
            moment(f"before replacing {target.name}")
            replaced = super().replace(target)
            moment(f"after replacing {target.name}")
            return replaced

    monkeypatch.setattr(session, "Path", Paths)
    return moments


def test_a_run_killed_at_any_write_goes_on_to_the_same_bits(options, tmp_path, monkeypatch):
    train(options, tmp_path / "whole")
    whole = result(tmp_path / "whole")
    count, outcomes = 0, []
    while True:
        count += 1
        folder = tmp_path / f"run{count}"
        with monkeypatch.context() as patch:
            moments = crash_after(patch, count)
            try:
                train(options, session.Path(folder))
                break
            except Killed as killed:
                outcomes.append(str(killed))
        if not (folder / store.META).exists():
            with pytest.raises(DataError, match=r"holds no training: model\.json is not there\.$"):
                resume(folder)
            continue
        resume(folder)
        assert result(folder) == whole, moments[-1]

    assert len(outcomes) > 30
    assert {"after appending", "before replacing checkpoint.safetensors", "after replacing run.json"} <= set(outcomes)


def test_a_resume_that_forgot_the_optimizer_would_be_seen(options, tmp_path, monkeypatch):
    train(options, tmp_path / "whole")
    train(Options(**{**options_of(options), "epochs": 2}), tmp_path / "part")
    restore = store.resume_checkpoint

    def forgetful(folder, fit, fingerprint):
        measured = restore(folder, fit, fingerprint)
        for array in fit.optimizer.state().values():
            array[...] = 0
        return measured

    monkeypatch.setattr(store, "resume_checkpoint", forgetful)
    resume(tmp_path / "part", epochs=4)

    assert result(tmp_path / "part")["arrays"] != result(tmp_path / "whole")["arrays"]


def options_of(options: Options) -> dict:
    return {name: getattr(options, name) for name in Options.__slots__}


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_more_epochs_go_on_to_the_bits_of_a_longer_run(options, tmp_path, optimizer):
    asked = {**options_of(options), "optimizer": optimizer}
    train(Options(**{**asked, "epochs": 7}), tmp_path / "long")
    train(Options(**{**asked, "epochs": 3}), tmp_path / "short")
    resume(tmp_path / "short", epochs=7)

    assert result(tmp_path / "short") == result(tmp_path / "long")


def test_a_finished_run_resumed_is_the_same_run(options, tmp_path):
    train(options, tmp_path / "run")
    before = result(tmp_path / "run")
    resume(tmp_path / "run")

    assert result(tmp_path / "run") == before


def test_early_stopping_keeps_the_best_epoch(options, tmp_path):
    run = train(Options(**{**options_of(options), "epochs": 500, "patience": 3, "lr": 0.05}), tmp_path / "run")
    losses = [e.validation_loss for e in run.epochs]

    assert run.stopped_because == "no better validation loss for 3 epochs"
    assert run.best_epoch == len(losses) - 3 == 1 + int(np.argmin(losses))


def test_changed_data_is_refused(options, tmp_path):
    train(Options(**{**options_of(options), "epochs": 2}), tmp_path / "run")
    columns = flowers()
    columns["petal"][3] = 0.125
    write_csv(Path(options.data), columns)
    with pytest.raises(DataError, match=r"^.*belongs to other rows than there are now:\n"):
        session.resume(tmp_path / "run", 4)


@pytest.mark.parametrize("size", [0, 5, 100, -1])
def test_a_damaged_checkpoint_is_refused(options, tmp_path, size):
    train(options, tmp_path / "run")
    path = tmp_path / "run" / store.CHECKPOINT
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DataError, match=r"checkpoint\.safetensors is damaged: "):
        session.resume(tmp_path / "run", None)


@pytest.mark.parametrize("change", [{"settings": {}}, {"settings": {"data": "x"}}, {"settings": 3}], ids=str)
def test_damaged_settings_are_refused(options, tmp_path, change):
    train(options, tmp_path / "run")
    path = tmp_path / "run" / store.META
    files.write_json(path, {**files.read_json(path), **change})
    with pytest.raises(DataError, match=r"model\.json is damaged: "):
        session.resume(tmp_path / "run", None)


def test_a_folder_is_never_written_over(options, tmp_path):
    train(options, tmp_path / "run")
    with pytest.raises(OptionError) as error:
        session.start(options, tmp_path / "run")

    assert str(error.value) == (
        f"{tmp_path / 'run'} is there already: give another --out, or go on with --resume {tmp_path / 'run'}."
    )


def test_runs_are_numbered(options, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folders = [session.start(options, None).folder for _ in range(3)]

    assert [f.as_posix() for f in folders] == ["runs/flowers-1", "runs/flowers-2", "runs/flowers-3"]


def test_a_folder_that_cannot_be_made_is_named(options, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError) as error:
        session.start(options, tmp_path / "file" / "run")

    assert str(error.value) == (
        f"{tmp_path / 'file' / 'run'} cannot be made: Not a directory. Give a folder that can be written: --out DIR."
    )


@pytest.mark.parametrize("delay", [None, 0.0, 0.3])
def test_a_process_killed_while_it_trains_goes_on_to_the_same_bits(options, tmp_path, delay):
    """A real SIGKILL: at once when an epoch is kept, or a random moment after."""
    asked = Options(**{**options_of(options), "epochs": 200, "patience": 200})
    train(asked, tmp_path / "whole")
    folder = tmp_path / "run"
    program = (
        "import sys, json; from pathlib import Path; from xent.train import session, report, repeat, options\n"
        "report.render = lambda run: f'<title>{run.title}</title>'\n"
        "going = session.start(options.Options.from_settings(json.loads(sys.argv[1])), Path(sys.argv[2]))\n"
        "_, scores, why = going.run(repeat.Silent()); session.finish(going, scores, why)"
    )
    command = [sys.executable, "-c", program, json.dumps(asked.settings()), str(folder)]
    process = subprocess.Popen(command, cwd=tmp_path, env=os.environ)
    metrics = folder / session.METRICS
    wanted = random.Random(str(delay)).randrange(1, 30)  # noqa: S311  # a moment, not a secret
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if metrics.exists() and metrics.read_bytes().count(b"\n") >= wanted:
            break
    time.sleep(random.random() * delay if delay else 0.0)  # noqa: S311  # a moment, not a secret
    process.send_signal(signal.SIGKILL)

    assert process.wait() == -signal.SIGKILL
    resume(folder)

    assert result(folder) == result(tmp_path / "whole")
