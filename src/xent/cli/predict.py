"""`xent predict`: parse, predict, print."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from xent.cli.terminal import filled, say

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001  # argparse names it no other way

EXAMPLES = """\
examples:
  xent predict runs/flowers-1 new.csv                  class and its probability
  xent predict runs/flowers-1 new.csv --proba --out p.csv
  xent predict runs/text-1 paragraphs.txt              the token after each one

The same row gets the same bits in every process and among any other rows.

"""


def add_parser(commands: Subparsers, status: str) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser(
        "predict",
        help="use what `xent train` wrote on new rows",
        description="Predict the class of each row of a file with a model that `xent train` wrote.",
        epilog=EXAMPLES + status,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="a folder that `xent train` wrote")
    parser.add_argument(
        "file",
        metavar="FILE",
        help="a .csv, .parquet or .npz file with the columns of the training, or a built-in set; "
        "a .txt file for a model of text",
    )
    parser.add_argument("--proba", action="store_true", help="the probability of every class, with all digits")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the table there instead of to stdout")
    parser.add_argument("--json", action="store_true", help="JSON instead of a .csv table")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print or write the predictions; exit status 0."""
    from xent.fit.files import write
    from xent.fit.store import load
    from xent.train.predicting import predict_file

    prediction = predict_file(load(args.folder), args.file)
    for note in prediction.notes:
        say(filled(note, "  ", "    "), sys.stderr)
    if args.json:
        text = json.dumps(prediction.to_dict(proba=args.proba), allow_nan=False) + "\n"
    else:
        text = prediction.to_csv(proba=args.proba)
    if args.out is None:
        sys.stdout.write(text)
    else:
        write(args.out, text)
        say(f"{args.out}: {len(prediction.predicted)} rows", sys.stderr)
    return 0
