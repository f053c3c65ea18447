"""Measures the runs that benchmarks/ holds, one file a kind; then tools/bench_figures.py writes tables and picture.

    python tools/benchmarks.py                   all of them: about half an hour on two quiet cores
    python tools/benchmarks.py float32 linear    these
    python tools/benchmarks.py --even-busy       also keeps a run during which others used the machine; it says so

The peers are those installed beside this Python. Exit status 1 if a run failed or is not kept.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence

from inside import CACHE, ROOT, environment

FOLDER = ROOT / "benchmarks"
LARGE = "65536x1000,2048x32768"
RUNS = {
    "float32": (),
    "linear": ("--shapes", "linear", "--peers", "torch"),
    "smoothing": ("--shapes", LARGE, "--targets", "smoothing", "--peers", "torch,jax"),
    "rows": ("--shapes", LARGE, "--targets", "rows", "--peers", "torch,jax"),
    "loss_only": ("--shapes", LARGE, "--loss-only", "--peers", "torch,jax"),
    "float64": ("--shapes", LARGE, "--dtype", "float64", "--peers", "torch,jax"),
    "bfloat16": ("--shapes", LARGE, "--dtype", "bfloat16", "--peers", "torch,jax"),
    "float16": ("--shapes", LARGE, "--dtype", "float16", "--peers", "torch,jax"),
    "in_place": ("--shapes", LARGE, "--in-place", "--peers", "numpy"),
}
BUSY = 0.1


def measure(name: str, *, even_busy: bool) -> bool:
    """Run one and put it into benchmarks/, unless the machine was busy with something else."""
    from xent.bench.record import Record

    new = CACHE / f"bench-{name}.json"
    command = [sys.executable, "-m", "xent", "bench", *RUNS[name], "--json", str(new.relative_to(ROOT))]
    print(f"== {name}: xent bench {' '.join(RUNS[name])}", flush=True)
    done = subprocess.run(command, cwd=ROOT, env=environment(), check=False)
    if done.returncode:
        print(f"{name}: exit status {done.returncode}", file=sys.stderr)
        return False
    busiest = max((each.busy or 0.0 for each in Record.load(new).shapes), default=0.0)
    if busiest > BUSY and not even_busy:
        print(
            f"{name}: others took up to {busiest:.0%} of the CPUs: not kept, see {new.relative_to(ROOT)}",
            file=sys.stderr,
        )
        return False
    new.replace(FOLDER / f"{name}.json")
    return True


def main(words: Sequence[str]) -> int:
    """Measure the runs of these names, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="RUN", help=f"some of {', '.join(RUNS)}")
    parser.add_argument("--even-busy", action="store_true", help="keep a run although others used the machine")
    options = parser.parse_args(words)
    if unknown := [name for name in options.names if name not in RUNS]:
        parser.error(f"no run {', '.join(unknown)}; there are {', '.join(RUNS)}")
    sys.path.insert(0, str(ROOT / "src"))
    FOLDER.mkdir(exist_ok=True)
    kept = [measure(name, even_busy=options.even_busy) for name in options.names or RUNS]
    return int(not all(kept))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
