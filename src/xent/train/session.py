"""One training from data to report: start or resume it, an epoch at a time, and write its folder.

After every epoch checkpoint.safetensors is replaced as a whole, so a run killed at any moment goes on from its last
epoch, to the same weights as if nothing had happened. metrics.jsonl follows the checkpoint; a resume repairs it.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import importlib.metadata
import json
import math
import os
import platform
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from xent.core.errors import DataError, OptionError
from xent.fit import store
from xent.fit.files import write, write_json
from xent.fit.loop import Fit, Objective, score
from xent.fit.model import Model
from xent.fit.optimizers import optimizer
from xent.fit.threads import one_blas_thread
from xent.train.dividing import divided
from xent.train.measure import evaluate
from xent.train.options import Options, patience_of
from xent.train.run import Epoch, Run
from xent.train.source import TEXT
from xent.train.table import prepare_table
from xent.train.text import prepare_text

if TYPE_CHECKING:
    from xent.fit.loop import Pass, Scores
    from xent.train.prepared import Prepared

METRICS, RUN, REPORT = "metrics.jsonl", "run.json", "report.html"
_PACKAGES = ("numpy", "numba", "scikit-learn", "polars", "safetensors")


class Listener(Protocol):
    """Hears how a training goes on."""

    def started(self, session: Session) -> None:
        """Data and model are ready; training begins, or goes on after `session.fit.epoch` epochs."""

    def stepped(self, done: int) -> None:
        """So many training rows (tokens) of this epoch are done."""

    def measured(self, epoch: Epoch) -> None:
        """An epoch is over, and kept."""


class Session:
    """Data, model and what was measured so far; `run` does the rest."""

    def __init__(self, options: Options, prepared: Prepared, folder: Path | None) -> None:
        self.options = options  # resolved: no None that has a default
        self.prepared = prepared
        self.folder = folder  # None: nothing is written
        self.fit = _new_fit(options, prepared)
        self.patience = options.patience or patience_of(math.ceil(len(prepared.train) / self.fit.batch_size))
        self.epochs: list[Epoch] = []
        self.started = dt.datetime.now().astimezone().isoformat(timespec="seconds")

    def run(self, listener: Listener) -> tuple[Fit, Scores, str]:
        """Train to the end, put the best weights into the model; their scores on the test rows, and why it stopped."""
        listener.started(self)
        with one_blas_thread():
            while not (why := self.stopped()):
                self._epoch(listener)
            self.fit.model.vector[...] = self.fit.best
            return self.fit, score(self.fit.model, self.prepared.test), why

    def stopped(self) -> str:
        """Why training is over; "" while it is not."""
        epochs = self.options.epochs or 0
        if self.fit.epoch - self.fit.best_epoch >= self.patience:
            return f"no better validation loss for {self.patience} epoch{'s' * (self.patience != 1)}"
        if self.fit.epoch >= epochs:
            return f"{epochs} epoch{'s' * (epochs != 1)} done"
        return ""

    def _epoch(self, listener: Listener) -> None:
        """Train, validate, keep, tell."""
        began = time.perf_counter()
        done = self.fit.train_epoch(self.prepared.train, listener.stepped)
        scores = score(self.fit.model, self.prepared.validation)
        self.fit.keep_best(scores.total.loss)
        epoch = self._measured(done, scores, time.perf_counter() - began)
        self.epochs.append(epoch)
        if self.folder is not None:
            measured = [e.to_dict() for e in self.epochs]
            store.save_checkpoint(self.folder, self.fit, measured, self.prepared.fingerprint)
            with (self.folder / METRICS).open("a", encoding="utf-8") as file:
                file.write(_line(epoch))
        listener.measured(epoch)

    def _measured(self, done: Pass, scores: Scores, seconds: float) -> Epoch:
        """The record of the epoch that was just done."""
        return Epoch(
            epoch=self.fit.epoch,
            train_loss=done.total.loss,
            validation_loss=scores.total.loss,
            train_accuracy=done.correct / done.size,
            validation_accuracy=scores.accuracy(self.prepared.validation.flat()[1]),
            gradient_norm_median=float(np.median(done.norms)),
            gradient_norm_max=float(done.norms.max()),
            seconds=seconds,
            rows_per_second=done.size / done.seconds,
        )


def prepare(options: Options) -> tuple[Options, Prepared]:
    """The data, ready, and the options with their defaults filled in. DataError, OptionError."""
    text = options.data == TEXT
    options = options.resolved("text" if text else "table")
    return options, prepare_text(options) if text else prepare_table(options)


def start(options: Options, out: Path | None) -> Session:
    """A new training, its folder made and described. DataError, OptionError: data or folder cannot be used."""
    options, prepared = prepare(options)
    folder = _new_folder(out, Path(options.data).stem)
    session = Session(options, prepared, folder)
    _describe(session, folder)
    return session


def resume(folder: Path, epochs: int | None) -> Session:
    """A training that stopped, from its last epoch; `epochs` may say a new end. DataError if it cannot go on."""
    meta = store.read_meta(folder)
    try:
        options = Options.from_settings(meta["settings"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{folder / store.META} is damaged: {error}") from None
    if epochs is not None:
        options = dataclasses.replace(options, epochs=epochs)
    options, prepared = prepare(options)
    session = Session(options, prepared, folder)
    for left in folder.glob(".*.part"):  # what a kill left half-written
        left.unlink()
    measured = store.resume_checkpoint(folder, session.fit, prepared.fingerprint)
    try:
        session.epochs = [Epoch.from_dict(values) for values in measured]
    except (ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{folder / store.CHECKPOINT} is damaged: {error}.") from None
    session.started = str(meta.get("started", session.started))
    write(folder / METRICS, "".join(map(_line, session.epochs)))
    _describe(session, folder)
    return session


def finish(session: Session, scores: Scores, why: str) -> Run:
    """Write model, record and report of a training that is over; the record."""
    from xent.train import report

    folder = session.folder
    if folder is None:
        raise DataError("this training has no folder to write to.")
    options, prepared, fit = session.options, session.prepared, session.fit
    store.save_model(folder, fit)
    divisors, last = fit.divisors(prepared.train, fit.epoch)
    where = folder.as_posix()
    more = "new.txt" if prepared.kind == "text" else f"new{Path(options.data).suffix.lower() or '.csv'}"
    run = Run(
        title=prepared.title,
        source=options.data,
        kind=prepared.kind,
        task=prepared.task,
        classes=prepared.class_names,
        features=prepared.features,
        rows={"train": prepared.train.size, "validation": prepared.validation.size, "test": prepared.test.size},
        split=prepared.split,
        notes=prepared.notes,
        model=prepared.architecture.words(),
        parameters=len(fit.model.vector),
        optimizer=fit.optimizer.words(),
        settings={**options.settings(), "patience": session.patience},
        command=command(options),
        next_commands=(f"xent predict {_quoted(where)} {more}",),
        folder=where,
        epochs=tuple(session.epochs),
        best_epoch=fit.best_epoch,
        stopped_because=why,
        test=evaluate(prepared, scores),
        divided=divided(options, prepared.unit, divisors, last),
        versions=versions(),
        machine=f"{platform.system()} {platform.machine()}, {cores()} cores",
        started=session.started,
        seconds=sum(e.seconds for e in session.epochs),
    )
    write_json(folder / RUN, run.to_dict())
    write(folder / REPORT, report.render(run))
    return run


def command(options: Options) -> str:
    """The shortest command that gives the same run: without what is the default of this kind of data."""
    kind = "text" if options.data == TEXT else "table"
    plain = Options(data=options.data, optimizer=options.optimizer).resolved(kind)
    usual: dict[str, Any] = {
        f.name: None
        for f in dataclasses.fields(options)
        if f.default is None and getattr(plain, f.name) == getattr(options, f.name)
    }
    return dataclasses.replace(options, **usual).command()


def versions() -> dict[str, str]:
    """What the result may depend on."""
    from xent import __version__

    found = {"python": platform.python_version(), "xent": __version__}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _new_fit(options: Options, prepared: Prepared) -> Fit:
    """Start values, optimiser and objective."""
    model = Model(prepared.architecture)
    model.initialise(np.random.default_rng([options.seed, 0, 1]))
    weight = None
    if options.class_weight == "balanced":
        weight = prepared.counts.sum() / (len(prepared.counts) * np.maximum(prepared.counts, 1).astype(np.float64))
    objective = Objective(options.reduction, options.denominator, weight, options.label_smoothing)
    return Fit(
        model,
        optimizer(options.optimizer, len(model.vector), options.lr),
        objective,
        batch_size=options.batch_size or 1,
        micro_batches=options.micro_batches,
        seed=options.seed,
    )


def _new_folder(out: Path | None, stem: str) -> Path:
    """Make the folder of a run: `out`, or the next free one of runs/NAME-1, runs/NAME-2 and so on."""
    try:
        if out is not None:
            if out.exists() and (not out.is_dir() or any(out.iterdir())):
                raise OptionError(f"{out} is there already: give another --out, or go on with --resume {out}.")
            out.mkdir(parents=True, exist_ok=True)
            return out
        Path("runs").mkdir(exist_ok=True)
        number = 1
        while True:
            folder = Path("runs") / f"{stem}-{number}"
            try:
                folder.mkdir()
            except FileExistsError:
                number += 1
            else:
                return folder
    except OSError as error:
        raise DataError(
            f"{out or 'runs'} cannot be made: {error.strerror}. Give a folder that can be written: --out DIR."
        ) from None


def _describe(session: Session, folder: Path) -> None:
    """Write model.json: all that predict and resume need beside the weights."""
    about = store.describe(session.prepared.preparation, session.prepared.architecture)
    extra = {"settings": session.options.settings(), "versions": versions(), "started": session.started}
    write_json(folder / store.META, {**about, **extra})


def _line(epoch: Epoch) -> str:
    """A line of metrics.jsonl."""
    return json.dumps(epoch.to_dict()) + "\n"


def _quoted(text: str) -> str:
    """A path for a command line."""
    import shlex

    return shlex.quote(text)
