"""`xent bench`: parse, measure or read, show, compare."""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xent.cli.terminal import say
from xent.core.errors import OptionError, missing

if TYPE_CHECKING:
    from xent.bench.record import Record
    from xent.bench.task import Task

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001  # argparse names it no other way

DESCRIPTION = """\
Time the loss with its gradient: xent and every installed peer (NumPy textbook,
SciPy, scikit-learn, torch eager and compiled, jax with optax, TensorFlow).
Each runs in a process of its own; rounds visit everybody in turn, so that a
slow moment slows all. Beside each time stand its ratio to a copy of the logits
in the same run, peak memory, and the worst error in units in the last place."""
EXAMPLES = """\
examples:
  xent bench --quick                        less than a minute
  xent bench                                the shapes of the documentation
  xent bench --shapes 8192x50257,few-rows   your own, and a group
  xent bench --shapes linear                the layer before the loss included
  xent bench --dtype bfloat16 --targets smoothing
  xent bench --html bench.html --json bench.json
  xent bench --compare benchmarks/float32.json     is today's code worse?
  xent bench --read bench.json --html page.html    nothing is measured

groups of shapes (rows x classes, or rows x hidden x classes):
  batches    100x10 4096x10 65536x10 65536x100 65536x1000 2048x32768
             512x131072 256x262144
  few-rows   1x131072 8x131072
  sweep-n    16 to 65536 rows of 1000 classes
  sweep-v    1024 rows of 4 to 65536 classes
  linear     2048x512x32000 1024x2048x128000

With --compare the exit status is 1 if xent got slower than the spread of the
rounds allows, less exact, or takes more memory. Shapes and options are those of
FILE, and no peers are timed unless --peers names them.

"""
DEFAULT = "batches,few-rows,sweep-n,sweep-v"
ROUNDS, QUICK_ROUNDS = 9, 5


def add_parser(commands: Subparsers, status: str) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser(
        "bench",
        help="time, memory and error beside every installed peer's",
        description=DESCRIPTION,
        epilog=EXAMPLES + status,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    group = parser.add_argument_group("what is measured")
    group.add_argument(
        "--shapes", metavar="LIST", help=f"sizes and groups, with commas between, or all (default {DEFAULT})"
    )
    group.add_argument("--quick", action="store_true", help=f"five smaller shapes, {QUICK_ROUNDS} rounds")
    group.add_argument("--dtype", metavar="NAME", help="float32 (default), float64, float16 or bfloat16")
    group.add_argument(
        "--targets",
        metavar="KIND",
        help="indices (default), smoothing (0.1, of indices) or rows (of probabilities)",
    )
    group.add_argument("--loss-only", action="store_true", help="the loss without its gradient")
    group.add_argument("--in-place", action="store_true", help="write the gradient over the logits, where one can")
    group.add_argument(
        "--peers", metavar="LIST", help="some of xent-new, numpy, scipy, sklearn, torch, compile, jax, tensorflow"
    )
    group = parser.add_argument_group("how")
    group.add_argument("--rounds", type=int, metavar="N", help=f"visits to everybody (default {ROUNDS})")
    group.add_argument("--threads", type=int, metavar="N", help="for each peer (default: the CPUs there are)")
    group.add_argument("--seed", type=int, default=0, metavar="N", help="of the batches and of the order (default 0)")
    group.add_argument(
        "--limit", type=float, default=300.0, metavar="SECONDS", help="a peer that takes longer is out (default 300)"
    )
    group = parser.add_argument_group("what becomes of it")
    group.add_argument(
        "--json",
        nargs="?",
        const=True,
        metavar="FILE",
        help="everything, every round's time too; without FILE to stdout",
    )
    group.add_argument("--html", type=Path, metavar="FILE", help="a page with tables and plots")
    group.add_argument("--compare", type=Path, metavar="FILE", help="compare with an earlier run's JSON file")
    group.add_argument("--read", type=Path, metavar="FILE", help="show an earlier run instead of measuring")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure and show; exit status 1 if xent itself failed, or got worse."""
    from xent.bench.compare import compare
    from xent.bench.record import Record

    _check_places(args)
    earlier = None if args.compare is None else Record.load(args.compare)
    on_stdout = args.json is True
    if args.read is not None:
        record = Record.load(args.read)
        if not on_stdout:
            say(str(record))
    else:
        record = _measured(args, earlier, quiet=on_stdout)
    compared = None if earlier is None else compare(earlier, record)
    if on_stdout:
        more = {} if compared is None else {"comparison": compared.to_dict()}
        say(json.dumps(record.to_dict() | more, allow_nan=False))
    elif args.json is not None:
        _save(record, Path(args.json))
    if args.html is not None:
        _save(record, args.html)
    if compared is not None and not on_stdout:
        say(f"\n{compared}")
    return int(bool(_failures(record)) or (compared is not None and not compared.ok))


def _measured(args: argparse.Namespace, earlier: Record | None, *, quiet: bool) -> Record:
    """A new run; shape by shape on stdout unless `quiet`."""
    from xent.bench import rounds, text
    from xent.bench.machine import available
    from xent.cli.bench_progress import progress

    threads = args.threads or (earlier and earlier.machine.get("threads")) or available()
    least = {"--rounds": args.rounds, "--threads": args.threads, "--limit": args.limit}
    for name, value in least.items():
        if value is not None and not value > 0:
            raise OptionError(f"{name} is {value}: it must be above 0.")
    if args.seed < 0:
        raise OptionError(f"--seed is {args.seed}: it must not be negative.")
    names = None if args.peers is None else [name.strip() for name in args.peers.split(",") if name.strip()]
    if earlier is not None and names is None:
        names = []  # xent alone, beside the references
    slow = {"compile": "left out by --quick, for it compiles half a minute; --peers can name it"}
    left_out = slow if args.quick and names is None else {}
    plan = rounds.Plan(
        tasks=_tasks(args, earlier),
        peers=[peer for peer in rounds.choose(names) if peer.name not in left_out],
        rounds=args.rounds or (QUICK_ROUNDS if args.quick else ROUNDS),
        threads=threads,
        seed=args.seed,
        limit=args.limit,
        left_out=left_out,
        command=shlex.join(["xent", *sys.argv[1:]]),
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # clears up
    with progress(None if quiet else sys.stdout) as listener:
        record = rounds.run(plan, listener)
    if not quiet:
        say(f"\n{text.legend(record)}")
    return record


def _tasks(args: argparse.Namespace, earlier: Record | None) -> list[Task]:
    """What is measured: as asked, or as in the run that this one is compared with."""
    from xent.bench import shapes
    from xent.bench.task import DTYPES, TARGETS, Task

    for name, value, allowed in (("--dtype", args.dtype, DTYPES), ("--targets", args.targets, TARGETS)):
        if value is not None and value not in allowed:
            raise OptionError(f"{name} is {value!r}: there are {', '.join(allowed)}.")
    if args.quick and args.shapes is not None:
        raise OptionError("--quick does not go with --shapes: it has shapes of its own; give --rounds 5 instead.")
    if args.loss_only and args.in_place:
        raise OptionError("--loss-only does not go with --in-place: the loss writes no gradient.")
    given: dict[str, Any] = {}
    if args.dtype is not None:
        given["dtype"] = args.dtype
    if args.targets is not None:
        given["targets"] = args.targets
    if args.loss_only:
        given["gradient"] = False
    if args.in_place:
        given["write"] = "inplace"
    if earlier is not None and args.shapes is None and not args.quick:
        return [replace(each.task, **given) for each in earlier.shapes]
    sizes = list(shapes.QUICK) if args.quick else shapes.parse(DEFAULT if args.shapes is None else args.shapes)
    return [Task(rows=each[0], classes=each[-1], hidden=each[1] if len(each) > 2 else 0, **given) for each in sizes]  # noqa: PLR2004  # N × D × V


def _check_places(args: argparse.Namespace) -> None:
    """OptionError for a name that would be refused after an hour of measuring, or for options that say nothing."""
    for name, value, suffix in (("--json", args.json, ".json"), ("--html", args.html, ".html")):
        if value is None or value is True:
            continue
        path = Path(value)
        if path.suffix != suffix:
            raise OptionError(f"{name} {path}: the file's name must end in {suffix}.")
        if not path.parent.is_dir():
            raise OptionError(f"{name} {path}: there is no folder {path.parent}.")
    if args.html is not None and find_spec("matplotlib") is None:
        raise missing("matplotlib", "cli")
    if args.read is not None:
        given = [name for name in ("shapes", "dtype", "targets", "peers", "rounds", "threads") if getattr(args, name)]
        given += [name for name in ("quick", "loss_only", "in_place") if getattr(args, name)]
        if given:
            words = ", ".join(f"--{name.replace('_', '-')}" for name in given)
            raise OptionError(f"--read does not go with {words}: nothing is measured.")


def _save(record: Record, path: Path) -> None:
    record.save(path)
    say(f"wrote {path}", sys.stderr)


def _failures(record: Record) -> list[str]:
    """Where xent itself failed; said on stderr."""
    from xent.bench.peers import OURS

    found = [
        f"xent failed at {each.task.name}: {result.failed}"
        for each in record.shapes
        for result in each.results
        if result.peer == OURS and result.failed
    ]
    for line in found:
        say(line, sys.stderr)
    return found
