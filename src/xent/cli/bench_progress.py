"""How far a benchmark is, on stderr; each shape's table on stdout as soon as it is done."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from xent.cli.terminal import is_live, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xent.bench.record import Measured, Record
    from xent.bench.rounds import Listener
    from xent.bench.task import Task


@contextmanager
def progress(out: TextIO | None) -> Iterator[Listener]:
    """A listener for a run; tables go to `out`, if there is one."""
    bar = _bar() if is_live(sys.stderr) else None
    if bar is None:
        yield _Plain(out)
        return
    with bar:
        yield _Live(out, bar)


class _Plain:
    """A line a shape, where lines cannot be redrawn."""

    def __init__(self, out: TextIO | None) -> None:
        self.out = out
        self.first = True

    def shape(self, task: Task, place: int, count: int) -> None:
        """A shape begins."""
        say(f"shape {place + 1} of {count}: {task.name}", sys.stderr)

    def step(self, words: str, done: int, count: int) -> None:
        """Too often to be said."""

    def measured(self, record: Record, measured: Measured) -> None:
        """Show the table."""
        from xent.bench import text

        if self.out is not None:
            if self.first:
                say(text.head(record), self.out)
            say(f"\n{text.block(record, measured)}", self.out)
        self.first = False


class _Live(_Plain):
    """One line that is redrawn."""

    def __init__(self, out: TextIO | None, bar: Any) -> None:  # noqa: ANN401  # rich.progress.Progress; rich may be missing
        super().__init__(out)
        self.bar = bar
        self.task: Any = bar.add_task("", total=1, words="")
        self.place, self.name = 0, ""

    def shape(self, task: Task, place: int, count: int) -> None:
        """A shape begins."""
        self.place, self.name = place, f" {place + 1}/{count} {task.name}"
        self.bar.update(self.task, description=self.name, completed=place, total=count, words="")

    def step(self, words: str, done: int, count: int) -> None:
        """Redraw."""
        self.bar.update(self.task, completed=self.place + done / count, words=words)

    def measured(self, record: Record, measured: Measured) -> None:
        """Show the table, which may go to the same terminal."""
        self.bar.stop()
        super().measured(record, measured)
        self.bar.start()


def _bar() -> Any | None:  # noqa: ANN401  # rich may be missing
    """A progress bar on stderr that leaves nothing behind; None without rich."""
    try:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
    except ImportError:
        return None
    console = Console(stderr=True, highlight=False)
    left, right = TextColumn("{task.description}", markup=False), TextColumn("{task.fields[words]}", markup=False)
    columns = (left, BarColumn(bar_width=20), TimeElapsedColumn(), right)
    return Progress(*columns, console=console, transient=True, expand=False, refresh_per_second=10)
