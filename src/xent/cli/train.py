"""`xent train`: parse, train, show."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xent.cli.terminal import say
from xent.core.errors import OptionError

if TYPE_CHECKING:
    from xent.train.options import Options

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001  # argparse names it no other way

EXAMPLES = """\
examples:
  xent train                                  digits, one hidden layer of 64
  xent train iris --hidden 0                  softmax regression
  xent train flowers.csv --target species     your own table
  xent train text --micro-batches 4           next-token model, batches cut in 4
  xent train --denominator 64                 every row weighs the same
  xent train --repeat 20                      20 splits: median and range
  xent train --resume runs/digits-1           go on after Ctrl-C or a crash

"""


def add_parser(commands: Subparsers, status: str) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser(
        "train",
        help="train a model on a table or on text, with a report",
        description="Train a softmax regression or a multi-layer perceptron in mini-batches, test\n"
        "it on rows that had no say in it, and write a folder with model and report.",
        epilog=EXAMPLES + status,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    add = parser.add_argument
    add(
        "data",
        nargs="?",
        metavar="DATA",
        help="digits (default), iris, wine, breast_cancer, text, or a .csv, .parquet or .npz file",
    )
    group = parser.add_argument_group("data")
    group.add_argument(
        "--target", metavar="COLUMN", help="the column that holds the class; without it the columns are listed"
    )
    group.add_argument("--test", metavar="FILE", help="test on this file's rows instead of 15 %% of DATA's")
    group = parser.add_argument_group("model and steps")
    group.add_argument(
        "--hidden", type=_hidden, metavar="N[,N]", help="widths of the hidden layers, 0 for none (default 64)"
    )
    group.add_argument("--optimizer", metavar="NAME", help="sgd, momentum or adam (default adam)")
    group.add_argument(
        "--lr", type=float, metavar="RATE", help="learning rate (default 0.1, 0.02, 0.005 in that order)"
    )
    group.add_argument(
        "--batch-size", type=int, metavar="N", help="rows in a batch (default 64), or paragraphs of text (16)"
    )
    group.add_argument("--epochs", type=int, metavar="N", help="most epochs (default 300; text 10)")
    group.add_argument(
        "--patience",
        type=int,
        metavar="N",
        help="stop after so many epochs without a better validation loss (default 10, and 200 steps; text 2)",
    )
    group.add_argument("--seed", type=int, metavar="N", help="of split, start values and order of the rows (default 0)")
    group = parser.add_argument_group("the loss")
    group.add_argument("--reduction", metavar="NAME", help="mean (default) or sum of a batch")
    group.add_argument(
        "--denominator",
        type=_denominator,
        metavar="D",
        help="what a mean divides by: weights (default), items, batch, or a number",
    )
    group.add_argument(
        "--label-smoothing",
        type=float,
        metavar="A",
        help="from 0 to 1: (1 - A) of the target, A spread over all classes (default 0)",
    )
    group.add_argument("--class-weight", metavar="balanced", help="weigh classes so that each counts as much in all")
    group.add_argument(
        "--micro-batches",
        type=int,
        metavar="K",
        help="cut every batch in K pieces: same result, less memory (default 1)",
    )
    group = parser.add_argument_group("the run")
    group.add_argument("--out", type=Path, metavar="DIR", help="folder to write (default runs/NAME-1, -2, …)")
    group.add_argument(
        "--resume",
        type=Path,
        metavar="DIR",
        help="go on with a run that stopped, to the same weights; with --epochs to another end",
    )
    group.add_argument(
        "--repeat",
        type=int,
        metavar="N",
        help="train with N seeds, write nothing, show median and range of the test accuracy",
    )
    group.add_argument("--json", action="store_true", default=False, help="the result as one JSON object on stdout")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train, or go on, or repeat; exit status 0, or 130 after Ctrl-C."""
    from xent.train.options import Options

    given = {name: value for name, value in vars(args).items() if name not in ("command", "run", "json")}
    if "repeat" in given:
        _alone(given, "--repeat", {"out", "resume"})
        count = given.pop("repeat")
        return _repeat(Options(**given), count, as_json=args.json)
    if "resume" in given:
        _alone(given, "--resume", set(given) - {"resume", "epochs"})
        return _train(None, given, as_json=args.json)
    out = {"out": given.pop("out")} if "out" in given else {}
    return _train(Options(**given), out, as_json=args.json)


def _train(options: Options | None, given: dict[str, Any], *, as_json: bool) -> int:
    """One run: a new one with `options`, or the one that `given` says to resume."""
    from xent.cli import show
    from xent.cli.progress import progress
    from xent.train import session

    head = sys.stderr if as_json else sys.stdout
    going = None
    try:
        with progress(head) as listener:
            if options is None:
                going = session.resume(given["resume"], given.get("epochs"))
            else:
                going = session.start(options, given.get("out"))
            _, scores, why = going.run(listener)
        result = session.finish(going, scores, why)
    except KeyboardInterrupt:
        if going is None or going.folder is None:
            raise
        again = f"xent train --resume {shlex.quote(str(going.folder))}"
        say(f"\nstopped after epoch {going.fit.epoch}; go on with   {again}", sys.stderr)
        return 130
    if as_json:
        say(json.dumps(result.to_dict(), allow_nan=False))
    else:
        say(show.result(result))
    return 0


def _repeat(options: Options, count: int, *, as_json: bool) -> int:
    """Many seeds."""
    from xent.cli import show
    from xent.cli.progress import counted
    from xent.train.repeat import repeat

    with counted("seeds", count) as on_done:
        result = repeat(options, count, on_done)
    say(json.dumps(result.to_dict(), allow_nan=False) if as_json else show.repeated(result))
    return 0


def _alone(given: dict[str, Any], option: str, odd: set[str]) -> None:
    """OptionError if options were given that do not go with `option`."""
    named = sorted("DATA" if name == "data" else f"--{name.replace('_', '-')}" for name in odd & set(given))
    if named:
        why = (
            "it goes on with the settings of the run; only --epochs may change"
            if option == "--resume"
            else "it writes no folder"
        )
        raise OptionError(f"{option} does not go with {', '.join(named)}: {why}.")


def _hidden(text: str) -> tuple[int, ...]:
    """--hidden's value."""
    from xent.train.options import parse_hidden

    try:
        return parse_hidden(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: give widths like 64 or 64,32, or 0 for none") from None


def _denominator(text: str) -> str | float:
    """--denominator's value."""
    from xent.train.options import DENOMINATORS, parse_denominator

    try:
        return parse_denominator(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: give {', '.join(DENOMINATORS)} or a number above 0") from None
