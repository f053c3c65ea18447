"""How far it is: a live line on a terminal that can redraw one, plain lines anywhere else; always on stderr."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from xent.cli.show import head
from xent.cli.terminal import is_live, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from xent.train.run import Epoch
    from xent.train.session import Listener, Session

_LIVE_EVERY = 0.1  # seconds between redraws
_PLAIN_EVERY = 1.0  # seconds between plain lines


@contextmanager
def progress(out: TextIO) -> Iterator[Listener]:
    """A listener for one training; its first lines go to `out`."""
    bar = progress_bar("{task.description}", "{task.fields[words]}") if is_live(sys.stderr) else None
    if bar is None:
        plain = _Plain(out)
        yield plain
        plain.last()
        return
    with bar:
        live = _Live(out, bar)
        yield live
        bar.remove_task(live.task)


@contextmanager
def counted(what: str, count: int) -> Iterator[Callable[[int, float], None]]:
    """A function to call with how many of `count` are done, and the median accuracy so far."""
    bar = progress_bar("{task.description}", "{task.fields[words]}") if is_live(sys.stderr) else None
    if bar is None:

        def plain(done: int, median: float) -> None:
            say(f"{done} of {count} {what}, median test accuracy so far {median:.4f}", sys.stderr)

        yield plain
        return
    with bar:
        task = bar.add_task(f" 0 of {count} {what}", total=count, words="")

        def live(done: int, median: float) -> None:
            left = clock((time.monotonic() - began) / done * (count - done))
            words = f"median test accuracy {median:.4f}  {left} left"
            bar.update(task, completed=done, description=f" {done} of {count} {what}", words=words)

        began = time.monotonic()
        yield live
        bar.remove_task(task)


class _Live:
    """One line that is redrawn."""

    def __init__(self, out: TextIO, bar: Any) -> None:  # noqa: ANN401  # rich.progress.Progress; rich may be missing
        self.out = out
        self.bar = bar
        self.task: Any = bar.add_task(" reading the data", total=None, words="")
        self.session: Session | None = None
        self.drawn = 0.0
        self.began = time.monotonic()
        self.first = 0  # rows that were done before this process

    def started(self, session: Session) -> None:
        """Data and model are ready."""
        self.session = session
        self.first = session.fit.epoch * session.prepared.train.size
        self.began = time.monotonic()
        self.bar.remove_task(self.task)
        self.bar.stop()  # the head may go to the same terminal
        say(head(session), self.out)
        total = (session.options.epochs or 0) * session.prepared.train.size
        self.task = self.bar.add_task("", total=total, words="")
        self.bar.start()
        self._draw(0)

    def stepped(self, done: int) -> None:
        """Redraw, if it is time."""
        if time.monotonic() - self.drawn >= _LIVE_EVERY:
            self._draw(done)

    def measured(self, epoch: Epoch) -> None:  # noqa: ARG002  # the session holds it
        """An epoch is over."""
        self.stepped(0)

    def _draw(self, done: int) -> None:
        """Show where the training is."""
        session = self.session
        if session is None:
            return
        self.drawn = time.monotonic()
        size, most = session.prepared.train.size, session.options.epochs or 0
        rows = session.fit.epoch * size + done
        words = _figures(session.epochs[-1], session.prepared.unit) if session.epochs else ""
        if rows > self.first:
            speed = (rows - self.first) / max(self.drawn - self.began, 1e-9)
            words = words or f"{_speed(speed)} {session.prepared.unit}/s"
            words += f" ≤ {clock((most * size - rows) / speed)} left"
        description = f" epoch {min(session.fit.epoch + 1, most)}/{most}"
        self.bar.update(self.task, completed=rows, description=description, words=words.strip())


class _Plain:
    """A line now and then."""

    def __init__(self, out: TextIO) -> None:
        self.out = out
        self.unit = "rows"
        self.said = -_PLAIN_EVERY
        self.held: Epoch | None = None  # measured, and not said
        self.most = 0
        self.began = time.monotonic()
        self.first = 0

    def started(self, session: Session) -> None:
        """Data and model are ready."""
        self.unit, self.most = session.prepared.unit, session.options.epochs or 0
        self.first, self.began = session.fit.epoch, time.monotonic()
        say(head(session), self.out)

    def stepped(self, done: int) -> None:
        """Nothing to say within an epoch."""

    def measured(self, epoch: Epoch) -> None:
        """Say how it went, if it is time."""
        self.held = epoch
        if time.monotonic() - self.said >= _PLAIN_EVERY:
            self.last()

    def last(self) -> None:
        """Say what was not said yet."""
        epoch, self.held = self.held, None
        if epoch is None:
            return
        self.said = time.monotonic()
        seconds = (self.said - self.began) / max(epoch.epoch - self.first, 1) * (self.most - epoch.epoch)
        say(f" epoch {epoch.epoch}/{self.most} {_figures(epoch, self.unit)} ≤ {clock(seconds)} left", sys.stderr)


def _figures(epoch: Epoch, unit: str) -> str:
    """Loss, accuracy and speed of an epoch."""
    losses = f"loss {epoch.train_loss:.3f} val {epoch.validation_loss:.3f}"
    return f"{losses} acc {epoch.validation_accuracy:.3f} {_speed(epoch.rows_per_second)} {unit}/s"


def _speed(speed: float) -> str:
    """A speed without digits that only flicker.

    >>> _speed(812_345.6), _speed(1234.5)
    ('812k', '1234')
    """
    return f"{int(speed) // 1000}k" if speed >= 10_000 else str(int(speed))  # noqa: PLR2004  # five digits and more


def clock(seconds: float) -> str:
    """Minutes and seconds, at most.

    >>> clock(75.0), clock(3.2)
    ('1:15', '0:03')
    """
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def progress_bar(left: str, right: str) -> Any | None:  # noqa: ANN401  # rich may be missing
    """A progress bar on stderr that leaves nothing behind; None without rich."""
    try:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn
    except ImportError:
        return None
    console = Console(stderr=True, highlight=False)
    columns = (TextColumn(left, markup=False), BarColumn(bar_width=None), TextColumn(right, markup=False))
    return Progress(*columns, console=console, transient=True, expand=False, refresh_per_second=10)
