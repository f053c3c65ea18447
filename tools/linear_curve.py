"""Times the loss behind a linear layer against its three bare matrix products, by how much memory it may take.

    python tools/linear_curve.py            measure: benchmarks/linear_curve.json; then as --draw
    python tools/linear_curve.py --cpu      the same by CPU time of one thread: for a machine that others use as well
    python tools/linear_curve.py --draw     from that file: docs/linear_curve.svg and the table in docs/linear.md

Rounds are interleaved, and the fastest of each is taken. Products and xent both write into given arrays.
"""

import argparse
import io
import json
import os
import sys
import time
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

import xent
from inside import ROOT
from sweep_pictures import alone
from xent._call import Run, run
from xent._linear import call, cuts, whole_rows
from xent._linear.door import Problem
from xent._page import colours, themed
from xent.bench import machine, memory

SHAPES = ((1024, 2048, 128000), (2048, 512, 32000))  # rows, features, classes
MIB = (16, 32, 64, 128, 256, 512)
RESULTS, PICTURE, PAGE = ROOT / "benchmarks/linear_curve.json", ROOT / "docs/linear_curve.svg", ROOT / "docs/linear.md"
BEGIN, END = "<!-- measured by tools/linear_curve.py -->\n", "<!-- end -->\n"
Record = dict[str, Any]


class Clock:
    """Seconds spent in the loss itself, between the products; and how the last call was cut."""

    def __init__(self, *, cpu: bool) -> None:
        self.seconds, self.cut = 0.0, cuts.Cut(0, 0, 0, 0)
        self.now = time.process_time if cpu else time.perf_counter
        self.threads = 1 if cpu else None

    def timed(self, *given: Any) -> Run:  # noqa: ANN401  # as `_call.run`
        """Run the loss of some whole rows."""
        start = self.now()
        done = run(*given)
        self.seconds += self.now() - start
        return done

    def noted(self, problem: Problem, costs: cuts.Costs, *, gradient: bool) -> cuts.Cut:
        """Cut a call."""
        self.cut = cuts.cut(problem, costs, gradient=gradient)
        return self.cut


def measure(rounds: int, shapes: tuple[tuple[int, ...], ...], *, cpu: bool) -> Record:
    """Every shape with every limit."""
    clock, watch = Clock(cpu=cpu), machine.Watch()
    with patch.object(whole_rows, "run", clock.timed), patch.object(call, "cut", clock.noted):
        found = [measure_shape(shape, rounds, clock) for shape in shapes]
    threads = machine.available()
    versions = {name: version(name) for name in ("numpy", "numba")} | {"xent": xent.__version__, "blas": blas()}
    others = watch.others(0.0, threads)
    return {"machine": machine.describe(threads), "versions": versions, "at": machine.now(), "others": others,
            "rounds": rounds, "cpu": cpu, "shapes": found}  # fmt: skip


def blas() -> str:
    """Name and version of NumPy's BLAS."""
    found: Any = np.show_config(mode="dicts")
    chosen = found["Build Dependencies"]["blas"]
    return f"{chosen['name']} {chosen['version']}"


def measure_shape(shape: tuple[int, ...], rounds: int, clock: Clock) -> Record:
    """One shape, every limit, in interleaved rounds; the memory of each in the first."""
    rows, features, classes = shape
    rng = np.random.default_rng(0)
    hidden = rng.standard_normal((rows, features), np.float32)
    weight = rng.standard_normal((classes, features), np.float32) * np.float32(3 / features**0.5)
    targets = rng.integers(0, classes, rows)
    out = np.zeros_like(hidden), np.zeros_like(weight)
    logits = np.zeros((rows, classes), np.float32)

    def bare() -> None:
        np.matmul(hidden, weight.T, out=logits)
        np.matmul(logits, weight, out=out[0])
        np.matmul(logits.T, hidden, out=out[1])

    def ours(mib: int) -> None:
        xent.linear_value_and_grad(hidden, weight, targets, max_bytes=mib * 2**20, out=out, threads=clock.threads)

    for limit in (None, 2**22):  # kernels of whole rows and of tiles are loaded
        some = weight[:6000]
        xent.linear_value_and_grad(hidden[:200], some, targets[:200] % 6000, max_bytes=limit)
    times: dict[str, list[float]] = {name: [] for name in ("bare", *map(str, MIB))}
    loss: dict[int, list[float]] = {mib: [] for mib in MIB}
    cut: dict[int, cuts.Cut] = {}
    extra: dict[int, int | None] = {}
    for done, mib in product(range(rounds), (0, *MIB)):
        progress(f"{rows}×{features}×{classes}: round {done + 1} of {rounds}, {f'{mib} MiB' if mib else 'products'}")

        def timed(mib: int = mib) -> None:
            clock.seconds, start = 0.0, clock.now()
            ours(mib) if mib else bare()
            times[str(mib or "bare")].append(clock.now() - start)

        if mib and not done:
            extra[mib] = memory.peak_extra(timed)
        if len(times[str(mib or "bare")]) == done:
            timed()
        if mib:
            loss[mib].append(clock.seconds)
            cut[mib] = clock.cut
    found = [
        {
            "mib": mib,
            "seconds": times[str(mib)],
            "loss_seconds": loss[mib],
            "tiles": cut[mib].tiles,
            "rows": cut[mib].rows,
            "classes": cut[mib].classes,
            "extra": extra[mib],
        }
        for mib in MIB
    ]
    return {"shape": shape, "bare_seconds": times["bare"], "limits": found}


def progress(text: str) -> None:
    """One line on stderr, written over."""
    print(f"\r\033[K{text}" if sys.stderr.isatty() else text, end="" if sys.stderr.isatty() else "\n", file=sys.stderr)


def ratios(shape: Record, limit: Record) -> tuple[float, float]:
    """Time over that of the products: all of it, and without the loss itself."""
    bare = min(shape["bare_seconds"])
    without = min(ours - loss for ours, loss in zip(limit["seconds"], limit["loss_seconds"], strict=True))
    return min(limit["seconds"]) / bare, without / bare


def table(record: Record) -> str:
    """For the page."""
    lines = []
    for shape in record["shapes"]:
        rows, features, classes = shape["shape"]
        whole = rows * classes * 4 / 2**20
        bare = min(shape["bare_seconds"])
        lines += [
            f"N = {rows}, D = {features}, V = {classes}, float32; the products alone: {bare:.2f} s, {whole:.0f} MiB.",
            "",
            "| `max_bytes` | taken | at once | time over the products | without the loss itself |",
            "|---|---|---|---|---|",
        ]
        for limit in shape["limits"]:
            total, outside = ratios(shape, limit)
            taken = "–" if limit["extra"] is None else f"{limit['extra'] / 2**20:.0f} MiB"
            way = f"{limit['rows']} rows" + (f" × {limit['classes']} classes" if limit["tiles"] else "")
            without = "–" if limit["tiles"] else f"{outside:.2f}"
            lines.append(f"| {limit['mib']} MiB | {taken} | {way} | {total:.2f} | {without} |")
        lines.append("")
    about, versions = record["machine"], record["versions"]
    kind = "CPU time of one thread" if record["cpu"] else f"{about['threads']} threads"
    busy = (
        ""
        if record["others"] is None or record["cpu"]
        else f" Other work took {record['others']:.0%} of the CPUs meanwhile."
    )
    lines.append(f"Fastest of {record['rounds']} interleaved rounds, {record['at'][:10]}: {about['processor']},")
    lines.append(f"{kind}, {about['system']}, {about['python']}, NumPy {versions['numpy']} with")
    lines.append(f"{versions['blas']}, Numba {versions['numba']}.{busy}")
    return "\n".join([*lines, ""])


def picture(record: Record) -> str:
    """The curve of each shape, in the page's colours."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    colour = colours()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "xent", "font.size": 10}):
        figure = Figure(figsize=(5.2, 3.4), layout="constrained")
        axes = figure.add_subplot()
        for shape, name in zip(record["shapes"], ("a", "b"), strict=False):
            found = [(limit["mib"], *ratios(shape, limit), limit["tiles"]) for limit in shape["limits"]]
            label = "×".join(map(str, shape["shape"]))
            axes.plot([f[0] for f in found], [f[1] for f in found], "o-", color=colour[name], label=label)
            rows = [f for f in found if not f[3]]
            axes.plot(
                [f[0] for f in rows], [f[2] for f in rows], "--", color=colour[name], label="without the loss itself"
            )
        axes.set_xscale("log", base=2)
        axes.set_xticks(MIB, [str(mib) for mib in MIB])
        axes.set_ylim(bottom=0.0)
        axes.axhline(1.0, color=colour["soft"], linewidth=1.0, dashes=(3, 2))
        axes.set_xlabel("max_bytes, MiB", color=colour["soft"])
        axes.set_ylabel("time over the three bare products", color=colour["soft"])
        axes.grid(color=colour["line"], linewidth=0.6)
        axes.tick_params(colors=colour["soft"])
        for side, spine in axes.spines.items():
            spine.set_visible(side in {"left", "bottom"})
            spine.set_color(colour["soft"])
        axes.legend(frameon=False, labelcolor=colour["ink"])
        figure.patch.set_visible(False)
        axes.patch.set_visible(False)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    return alone(themed(text.getvalue(), "time of the linear loss over its products, by max_bytes", "linear-"))


def draw(record: Record) -> None:
    """The picture, and the table in the page."""
    write(PICTURE, picture(record))
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    write(PAGE, before + BEGIN + "\n" + table(record) + "\n" + END + rest.split(END)[1])


def write(path: Path, text: str) -> None:
    """Under another name first: a file is whole or as it was."""
    new = path.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)


def main() -> int:
    """Measure and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draw", action="store_true", help="only draw what was measured")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (default: 5)")
    parser.add_argument("--cpu", action="store_true", help="one thread, its CPU time")
    parser.add_argument("--only", type=int, choices=range(len(SHAPES)), help="one shape; written nowhere, printed")
    options = parser.parse_args()
    if options.cpu and os.environ.get("OPENBLAS_NUM_THREADS") != "1":  # it is read when NumPy is imported
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | {"OPENBLAS_NUM_THREADS": "1"})  # noqa: S606  # this very program
    if options.only is not None:
        print(table(measure(options.rounds, (SHAPES[options.only],), cpu=options.cpu)))
        return 0
    if not options.draw:
        RESULTS.parent.mkdir(exist_ok=True)
        write(RESULTS, json.dumps(measure(options.rounds, SHAPES, cpu=options.cpu), indent=1) + "\n")
    draw(json.loads(RESULTS.read_text(encoding="utf-8")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
