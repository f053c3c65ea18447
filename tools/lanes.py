"""Runs the tests lane by lane: times, the reason of every skip, a table, and the total as the last line.

    python tools/lanes.py               all lanes
    python tools/lanes.py core laws     these
    python tools/lanes.py --no-skip     a skipped test counts as a failure

A lane that cannot be set up fails. Exit status 0 if all passed, 1 if not, 2 for a lane that does not exist.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

import wheels
from inside import CACHE, ROOT, environment
from setup_env import SetupError

WORKERS = 2
HANGS = 900  # seconds; the longest lane takes a tenth


@dataclass(frozen=True)
class Lane:
    """Some of the tests, and how they are run."""

    name: str
    shows: str
    paths: tuple[str, ...]
    rest: bool = False  # leaves out the folders of tests that other lanes run
    again: bool = False  # runs what other lanes run, in other circumstances
    marked: str = "not browser and not slow"
    only: str = ""  # of the tests those whose name has this word in it
    workers: int = WORKERS
    variables: dict[str, str] = field(default_factory=dict)
    prepare: wheels.Prepare = wheels.nothing


LANES = (
    Lane("core", "each module by itself, and the examples in the docstrings", ("src", "tests"), rest=True),
    Lane("laws", "what holds for any batch, by random search", ("tests/laws", "tests/totals")),
    Lane("accuracy", "errors against 60 digits", ("tests/accuracy",)),
    Lane("kernels", "the kernels' parts, bits and bounds, each by itself", ("tests/kernels",)),
    Lane("safety", "the disk cache, forks and threads, no byte outside an array", ("tests/safety",)),
    Lane("hostile", "input that breaks other libraries", ("tests/hostile",)),
    Lane("contracts", "names, messages, docstrings, cost of the import", ("tests/contracts",)),
    Lane("book", "the book's nets, trained with the drop-in", ("tests/test_book",)),
    Lane(
        "train",
        "xent train, predict and sweep, end to end",
        ("tests/test_cli", "tests/test_train", "tests/test_fit", "tests/test_sweep"),
    ),
    Lane("docs", "the examples and sessions in README and docs", ("README.md", "docs", "tests/docs"), workers=0),
    Lane("examples", "the programs in examples/", ("tests/examples",)),
    Lane("browser", "pages in headless Chromium", ("tests",), marked="browser and not slow", again=True, workers=0),
    Lane(
        "interpreted",
        "a sample, the kernels run as plain Python",
        ("src", "tests/laws", "tests/kernels"),
        again=True,
        variables={"NUMBA_DISABLE_JIT": "1"},
    ),
    Lane("wheel", "the built wheel in a fresh environment", ("tests/wheel",), workers=0, prepare=wheels.plain),
    Lane(
        "lowest",
        "a sample, on the wheel with the lowest versions supported",
        (
            "tests/laws",
            "tests/test_layer.py",
            "tests/test_layer_input.py",
            "tests/test_fit",
            "tests/test_train/test_source.py",
            "tests/test_train/test_table.py",
            "tests/test_train/test_report.py",
            "tests/test_train/test_session.py",
            "tests/test_cli/test_predict_command.py",
            "tests/test_sweep/test_noise.py",
            "tests/test_sweep/test_shown.py",
        ),
        again=True,
        prepare=wheels.lowest,
    ),
    Lane("torch", "PyTorch's front end", ("tests/test_torch", "src/xent/torch", "docs/torch.md"), prepare=wheels.torch),
    Lane(
        "ranks",
        "PyTorch on several processes: counts, steps, shards",
        ("tests/test_ranks", "docs/ranks.md"),
        workers=0,
        prepare=wheels.torch,
    ),
    Lane(
        "torch-laws",
        "the laws, bounds and hostile rows on it",
        ("tests/laws", "tests/accuracy", "tests/hostile"),
        again=True,
        only="torch",
        prepare=wheels.torch,
    ),
    Lane(
        "torch-long",
        "the long grids of PyTorch's front end",
        ("tests/test_torch",),
        marked="slow",
        again=True,
        workers=0,
        prepare=wheels.torch,
    ),
    Lane("acceptance", "the long grids", ("tests",), marked="slow", again=True, workers=0),
)
EXTRA = ("acceptance", "torch-laws", "torch-long")


@dataclass
class Result:
    """What came of a lane."""

    name: str
    seconds: float = 0.0
    passed: int = 0
    failed: int = 0
    skipped: list[str] = field(default_factory=list)

    def row(self) -> str:
        """A line of the final table."""
        return f"{self.name:12} {self.passed:6} {self.failed:6} {len(self.skipped):7} {self.seconds:7.0f} s"


def run(lane: Lane) -> Result:
    """Set a lane up and run it; what pytest says goes to the terminal."""
    print(f"\n== {lane.name}: {lane.shows}", flush=True)
    start = time.monotonic()
    result = Result(lane.name)
    report = CACHE / "lanes" / f"{lane.name}.xml"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    try:
        if missing := [path for path in lane.paths if not (ROOT / path).exists()]:
            raise SetupError(f"there is no {', '.join(missing)}")
        python, variables = lane.prepare()
        command = [python, "-m", "pytest", *arguments(lane), f"--junitxml={report}"]
        variables |= environment(home=True) | lane.variables
        limit = None if lane.name in EXTRA else HANGS
        done = subprocess.run(command, cwd=ROOT, env=variables, timeout=limit, check=False)
        if not report.exists():
            raise SetupError(f"pytest ended without a report, exit status {done.returncode}")
        read(report, result)
    except wheels.LeftOut as left:
        result.skipped.append(str(left))
    except (SetupError, subprocess.TimeoutExpired, ET.ParseError) as error:
        print(f"{lane.name} could not be run: {error}", file=sys.stderr)
        result.failed += 1
    result.seconds = time.monotonic() - start
    for reason in sorted(set(result.skipped)):
        print(f"   {result.skipped.count(reason)} skipped: {reason}")
    print(f"== {lane.name}: {'passed' if not result.failed else 'FAILED'}, {result.seconds:.0f} s", flush=True)
    return result


def arguments(lane: Lane) -> list[str]:
    """The arguments of pytest."""
    left_out = [f"--ignore={path}" for path in others()] if lane.rest else []
    parallel = ["-n", str(lane.workers)] if lane.workers else []
    # the conftest.py of the root is for the documentation, and needs a package that not every environment has
    below = ["--confcutdir=tests"] if all(path.startswith("tests") for path in lane.paths) else []
    chosen = ["-k", lane.only] if lane.only else []
    return ["-q", "--no-header", "-rfE", "-m", lane.marked, *chosen, *parallel, *below, *left_out, *lane.paths]


def others() -> list[str]:
    """The folders of tests that have a lane of their own."""
    lanes = (lane for lane in LANES if not lane.rest and not lane.again)
    return sorted(path for lane in lanes for path in lane.paths if path.startswith("tests/"))


def read(report: Path, result: Result) -> None:
    """Count the cases of pytest's report; no case at all is a failure."""
    cases = list(ET.parse(report).iter("testcase"))  # noqa: S314 -- written by the run just above
    for case in cases:
        skip = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            result.failed += 1
        elif skip is not None:
            result.skipped.append(skip.get("message", "no reason given"))
        else:
            result.passed += 1
    if not cases:
        print("no test was found", file=sys.stderr)
        result.failed += 1


def main(words: Sequence[str]) -> int:
    """Run the lanes asked for; print the table and the total."""
    names = [lane.name for lane in LANES]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lanes", nargs="*", metavar="LANE", help=f"one of {', '.join(names)}")
    parser.add_argument("--no-skip", action="store_true", help="a skipped test is a failure")
    options = parser.parse_args(words)
    if unknown := set(options.lanes) - set(names):
        parser.error(f"no lane {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    wanted = [lane for lane in LANES if (lane.name in options.lanes if options.lanes else lane.name not in EXTRA)]

    results = [run(lane) for lane in wanted]

    print(f"\n{'lane':12} {'passed':>6} {'failed':>6} {'skipped':>7} {'time':>9}")
    for result in results:
        print(result.row())
    for result in results:
        for reason in sorted(set(result.skipped)):
            print(f"skipped in {result.name}, {result.skipped.count(reason)}: {reason}")
    passed, failed = sum(each.passed for each in results), sum(each.failed for each in results)
    skipped = sum(len(each.skipped) for each in results)
    print(f"{sum(each.seconds for each in results):.0f} s")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return int(bool(failed or (skipped and options.no_skip)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
