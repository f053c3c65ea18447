"""`xent sweep`: parse, sweep, show."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from xent.cli.terminal import filled, is_live, joined, say, visible
from xent.core.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from xent.train.sweep import Going, Listener

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001  # argparse names it no other way

EXAMPLES = """\
examples:
  xent sweep                                  digits, softmax regression
  xent sweep flowers.csv --target species     your own table
  xent sweep --hidden 64 --optimizer adam     another model, another rule
  xent sweep --batch-size 8..512 --lr 1/64..8 --reduction mean
  xent sweep --resume runs/digits-sweep-1     go on after Ctrl-C or a crash
  xent sweep --backend dask --scheduler tcp://10.0.0.5:8786

"""
_PLAIN_EVERY = 5.0  # seconds between plain lines
_RUN = ("out", "resume", "jobs", "backend", "scheduler")  # how it is run; no result depends on it


def add_parser(commands: Subparsers, status: str) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser(
        "sweep",
        help="how the best learning rate moves with the batch size",
        description="Train with every learning rate and batch size of a grid, for a mean and for a\n"
        "sum over the batch, with several seeds; find the best learning rates, the\n"
        "critical batch size and the gradient's noise, and write a folder with them.",
        epilog=EXAMPLES + status,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument(
        "data",
        nargs="?",
        metavar="DATA",
        help="digits (default), iris, wine, breast_cancer, text, or a .csv, .parquet or .npz file",
    )
    group = parser.add_argument_group("data and model")
    group.add_argument("--target", metavar="COLUMN", help="the column that holds the class")
    group.add_argument("--test", metavar="FILE", help="test on this file's rows instead of 15 %% of DATA's")
    group.add_argument("--rows", type=int, metavar="N", help="training rows (tokens) used at most (default 4096)")
    group.add_argument("--hidden", type=_hidden, metavar="N[,N]", help="widths of the hidden layers (default 0: none)")
    group.add_argument("--optimizer", metavar="NAME", help="sgd (default), momentum or adam")
    group = parser.add_argument_group("the grid")
    group.add_argument(
        "--batch-size", type=_sizes, metavar="LIST", help="1,8,64, or doubling 1..64 (default 1, 2, 4 … all rows)"
    )
    group.add_argument(
        "--lr",
        type=_numbers,
        metavar="LIST",
        help="0.1,0.3 or 1/64..8 (default: powers of two, more of them where a best value lies on the edge)",
    )
    group.add_argument("--reduction", type=_words, metavar="LIST", help="mean, sum or mean,sum (default both)")
    group.add_argument("--seeds", type=int, metavar="N", help="runs of each point of the grid (default 5)")
    group.add_argument("--seed", type=int, metavar="N", help="the first of them, and that of the split (default 0)")
    group = parser.add_argument_group("what is compared")
    group.add_argument(
        "--reach",
        type=_numbers,
        metavar="LIST",
        help="training losses to reach in the fewest updates (default: four that every batch size reaches)",
    )
    group.add_argument("--epochs", type=float, metavar="N", help="what equal data is (default 5)")
    group.add_argument("--updates", type=int, metavar="N", help="what equal updates are (default 30)")
    group = parser.add_argument_group("the run")
    group.add_argument("--jobs", type=int, metavar="N", help="processes at once (default: the cores)")
    group.add_argument("--backend", metavar="NAME", help="loky (default): processes here; dask: a Dask cluster")
    group.add_argument(
        "--scheduler", metavar="ADDRESS", help="of the Dask cluster; without it one is started on this machine"
    )
    group.add_argument("--out", type=Path, metavar="DIR", help="folder to write (default runs/NAME-sweep-1, -2, …)")
    group.add_argument("--resume", type=Path, metavar="DIR", help="go on with a sweep that stopped, to the same result")
    group.add_argument("--json", action="store_true", default=False, help="the result as one JSON object on stdout")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Sweep, or go on; exit status 0, or 130 after Ctrl-C."""
    from xent.train import sweep
    from xent.train.sweep_options import SweepOptions
    from xent.train.sweep_workers import Workers

    given = {name: value for name, value in vars(args).items() if name not in ("command", "run", "json")}
    how = {name: given.pop(name) for name in _RUN if name in given}
    folder, out = how.pop("resume", None), how.pop("out", None)
    if folder is not None and (given or out is not None):
        named = ", ".join(
            "DATA" if name == "data" else f"--{name.replace('_', '-')}"
            for name in [*given, *["out"] * (out is not None)]
        )
        raise OptionError(f"--resume does not go with {named}: it goes on with the settings of the sweep.")
    workers = Workers(**how)
    going = None
    try:
        with _progress(sys.stderr) as listener:
            going = sweep.start(SweepOptions(**given), out) if folder is None else sweep.resume(folder)
            result = going.run(listener, workers)
        sweep.finish(result, going.folder or Path())
    except KeyboardInterrupt:
        if going is None or going.folder is None:
            raise
        again = f"xent sweep --resume {shlex.quote(str(going.folder))}"
        say(f"\nstopped; what is done is kept; go on with   {again}", sys.stderr)
        return 130
    say(json.dumps(result.to_dict(), allow_nan=False) if args.json else str(result))
    return 0


@contextmanager
def _progress(out: TextIO) -> Iterator[Listener]:
    """A listener: one line that is redrawn on a terminal, a line now and then elsewhere."""
    from xent.cli.progress import progress_bar

    drawn = progress_bar("{task.description}", "{task.fields[words]}") if is_live(out) else None
    if drawn is None:
        yield _Heard(lambda line: say(line, out), lambda _share, line: say(line, out), _PLAIN_EVERY)
        return
    with drawn:
        task = drawn.add_task(" reading the data", total=1.0, words="")

        def draw(share: float, line: str) -> None:
            drawn.update(
                task, completed=share, description=" " + line.partition("  ")[0], words=line.partition("  ")[2]
            )

        def tell(line: str) -> None:
            drawn.console.print(visible(line), markup=False)

        yield _Heard(tell, draw, 0.0)
        drawn.remove_task(task)


class _Heard:
    """Says how far a sweep is, and how long it will take if all goes on as it did."""

    def __init__(self, tell: Callable[[str], None], draw: Callable[[float, str], None], every: float) -> None:
        self.tell, self.draw, self.every = tell, draw, every
        self.began = self.said = time.monotonic()
        self.first: float | None = None  # share of the work that was done before this process

    def started(self, going: Going) -> None:
        """Data and grid."""
        head = [
            filled(going.prepared.task, rest="  "),
            joined(
                [
                    going.prepared.architecture.words(),
                    f"{len(going.grid())} points of the grid",
                    f"{len(going.seeds)} seed{'s' * (len(going.seeds) != 1)} each",
                ]
            ),
            f"folder {going.folder}",
        ]
        for line in "\n".join(head).split("\n"):
            self.tell(line)

    def progressed(self, done: int, count: int, share: float, words: str) -> None:
        """Points of the grid."""
        from xent.cli.progress import clock

        now = time.monotonic()
        if self.first is None:
            self.first, self.began = share, now
        if share < 1.0 and now - self.said < self.every:
            return
        self.said = now
        left = ""
        if self.first < share < 1.0:
            left = f"  {clock((now - self.began) / (share - self.first) * (1.0 - share))} left"
        self.draw(share, f"{done} of {count} points{left}" + (f"  {words}" if words else ""))


def _hidden(text: str) -> tuple[int, ...]:
    """--hidden's value."""
    from xent.train.options import parse_hidden

    try:
        return parse_hidden(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: give widths like 64 or 64,32, or 0 for none") from None


def _numbers(text: str) -> tuple[float, ...]:
    """A list of numbers."""
    from xent.train.sweep_options import parse_numbers

    try:
        return parse_numbers(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r}: give numbers like 0.1,0.3 or a doubling range like 1/64..8"
        ) from None


def _sizes(text: str) -> tuple[int, ...]:
    """A list of whole numbers."""
    from xent.train.sweep_options import parse_sizes

    try:
        return parse_sizes(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r}: give whole numbers like 1,8,64 or a doubling range like 1..64"
        ) from None


def _words(text: str) -> tuple[str, ...]:
    """A list of words."""
    return tuple(text.split(","))
