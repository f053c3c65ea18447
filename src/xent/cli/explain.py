"""`xent explain`: parse, draw, print."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xent.cli.terminal import say
from xent.core.errors import OptionError

if TYPE_CHECKING:
    from xent.graph import Graph

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001  # argparse names it no other way

DESCRIPTION = """\
Draw the computation graph of a batch: values forward, gradients backward, and
what they are divided by. Every number is checked by finite differences."""
EXAMPLES = """\
examples:
  xent explain                                  two items, three classes
  xent explain --why                            why divide by the batch size?
  xent explain --logits '1 2 3; 3 2 1' --targets '2 0'
  xent explain --targets '2 -100'               an ignored item
  xent explain iris --rows 4                    real flowers, a layer in front
  xent explain batch.npz --out graph.html       arrays logits and targets
  xent explain batch.csv --micro-batches 4      columns of logits, and target

The exit status is 1 if a number of the drawing is wrong.

"""


def add_parser(commands: Subparsers, status: str) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser(
        "explain",
        help="draw the graph of a batch; --why divide by the batch size?",
        description=DESCRIPTION,
        epilog=EXAMPLES + status,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("source", nargs="?", metavar="BATCH", help="a .csv, .npy or .npz file, or iris, or digits")
    parser.add_argument(
        "--why", action="store_true", help="why the gradient is divided by the batch size, measured now"
    )
    batch = parser.add_argument_group("the batch")
    batch.add_argument("--logits", metavar="ROWS", help="such as '1 2 3; 3 2 1'")
    batch.add_argument("--targets", metavar="CLASSES", help="such as '2 0'; or rows of probabilities, apart by ;")
    batch.add_argument("--rows", type=_whole, metavar="N", help="take N rows (iris, digits: 4)")
    loss = parser.add_argument_group("the loss")
    loss.add_argument("--reduction", choices=("mean", "sum", "none"), help="mean (default), sum, or none")
    loss.add_argument(
        "--denominator", metavar="D", help="what a mean divides by: weights (default), items, batch, a number"
    )
    loss.add_argument("--ignore-index", type=int, metavar="T", help="the target that marks a row to leave out (-100)")
    loss.add_argument("--label-smoothing", type=float, metavar="A", help="from 0 to 1 (default 0)")
    loss.add_argument("--weight", metavar="WEIGHTS", help="of the classes, such as '1 2 0.5'")
    loss.add_argument("--sample-weight", metavar="WEIGHTS", help="of the rows")
    loss.add_argument("--lse-square-scale", type=float, metavar="S", help="z-loss: adds S·lse²")
    loss.add_argument("--softcap", type=float, metavar="C", help="the logits become C·tanh(x/C)")
    loss.add_argument("--logit-scale", type=float, metavar="S", help="the logits become S·x")
    shown = parser.add_argument_group("the drawing")
    shown.add_argument("--micro-batches", type=_cut, metavar="K", help="cut the batch in K parts; or sizes: 3,1")
    shown.add_argument("--ranks", type=_cut, metavar="R", help="the same, called ranks")
    shown.add_argument("--split-mean", action="store_true", help="two nodes for the mean: sum, then division")
    shown.add_argument("--items", type=_whole, metavar="N", help="draw at most N items (default 8)")
    shown.add_argument("--classes", type=_whole, metavar="N", help="draw at most N classes of an item (default 8)")
    shown.add_argument("--conventions", action="store_true", help="also this batch's loss by PyTorch's rule, Keras', …")
    shown.add_argument("--ascii", action="store_true", help="ASCII characters alone")
    shown.add_argument("--out", type=Path, metavar="FILE", help="write .html, .svg, .txt, .json, .md or .mmd instead")
    shown.add_argument("--json", action="store_true", help="everything as one JSON object on stdout")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print or write the drawing; exit status 1 if a number of it is wrong."""
    from xent.graph import explain
    from xent.train.explained import given

    batch = given(args.source, args.logits, args.targets, args.rows)
    options = _options(args)
    if args.why:
        return _why(args, batch, options)
    graph = explain(batch.logits, batch.targets, **{**batch.options, **options})
    report = graph.check()
    if args.out is not None:
        graph.save(args.out)
    if args.json:
        say(json.dumps(graph.to_dict(), ensure_ascii=False, allow_nan=False))
    elif args.out is not None:
        say(f"{args.out}: {graph!r}", sys.stderr)
    else:
        _print(_drawn(graph, args))
        if args.conventions:
            _print("\n" + str(graph.conventions()))
        if args.source is None and args.logits is None and not options:
            _print("  why divide at all?  xent explain --why")
    return 0 if report.ok else 1


def _why(args: argparse.Namespace, batch: Any, options: dict[str, Any]) -> int:  # noqa: ANN401 -- xent.train.explained.Given
    """Print or write the answer."""
    from xent.graph.save import save
    from xent.train.why import why
    from xent.train.why_page import why_page
    from xent.train.why_text import text

    if args.out is not None and args.out.suffix.lower() not in {".html", ".json", ".txt"}:
        raise OptionError(f"--out is {args.out}: with --why it must end in .html, .json or .txt.")
    answer = why(batch, options, own=args.source is not None or args.logits is not None)
    reports = [graph.check() for graph in (answer.mean, answer.sum)]
    record = json.dumps(answer.to_dict(), ensure_ascii=False, allow_nan=False)
    if args.out is not None:
        kind = args.out.suffix.lower()
        plain = text(answer, (answer.mean.to_text(80), answer.sum.to_text(80))) + "\n"
        save(
            args.out, {".html": lambda: why_page(answer), ".json": lambda: record + "\n", ".txt": lambda: plain}[kind]()
        )
    if args.json:
        say(record)
    elif args.out is not None:
        say(f"{args.out}: why the gradient is divided by the batch size", sys.stderr)
    else:
        _print(text(answer, (_drawn(answer.mean, args), _drawn(answer.sum, args))))
    return 0 if all(report.ok for report in reports) else 1


def _options(args: argparse.Namespace) -> dict[str, Any]:
    """What was given, by the names of `xent.explain`."""
    from xent.train.explained import numbers

    named = {
        "reduction": args.reduction, "ignore_index": args.ignore_index, "label_smoothing": args.label_smoothing,
        "lse_square_scale": args.lse_square_scale, "softcap": args.softcap, "logit_scale": args.logit_scale,
        "micro_batches": args.micro_batches, "ranks": args.ranks, "max_items": args.items, "max_classes": args.classes,
    }  # fmt: skip
    options = {name: value for name, value in named.items() if value is not None}
    for name in ("weight", "sample_weight"):
        if getattr(args, name) is not None:
            option = f"--{name.replace('_', '-')}"
            options[name] = [float(v) for v in numbers(option, getattr(args, name), one_row_is_a_list=True)]
    if args.denominator is not None:
        options["denominator"] = args.denominator
        if args.denominator not in {"weights", "items", "batch"}:
            try:
                options["denominator"] = float(args.denominator)
            except ValueError:
                words = "give weights, items, batch or a number above 0"
                raise OptionError(f"--denominator is {args.denominator!r}: {words}.") from None
    if args.split_mean:
        options["split_mean"] = True
    return options


def _drawn(graph: Graph, args: argparse.Namespace) -> str:
    """For this terminal: its width, its characters, its colours; 80 columns and no colour when piped."""
    live = sys.stdout.isatty() and os.environ.get("TERM", "") not in {"dumb", ""} and not os.environ.get("NO_COLOR")
    width = shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() or "COLUMNS" in os.environ else 80
    unicode = not args.ascii and _encodes(graph.to_text(width))
    return graph.to_text(width, unicode=unicode, colour=live)


def _encodes(text: str) -> bool:
    """Whether stdout can write this without replacing anything."""
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _print(text: str) -> None:
    """Write lines that hold no control characters but our own colours: names were made visible where they came in."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _whole(word: str) -> int:
    """A whole number >= 1."""
    if not word.isdigit() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word!r}: give a whole number of at least 1")
    return int(word)


def _cut(word: str) -> int | list[int]:
    """A number of parts, or their sizes."""
    try:
        sizes = [int(part) for part in word.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{word!r}: give a number of parts like 4, or sizes like 3,1") from None
    return sizes[0] if len(sizes) == 1 else sizes
