"""Runs the default `xent sweep` and puts what it found into docs/sweep.md: its drawings and what the terminal shows.

python tools/sweep_pictures.py                 computes (a minute)
python tools/sweep_pictures.py sweep.json      draws what was computed before
"""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

from inside import ROOT
from xent.train import sweep_plots as plots
from xent.train.sweep import Going
from xent.train.sweep_options import SweepOptions
from xent.train.sweep_record import Sweep
from xent.train.sweep_workers import Workers

STYLE = """
  :root { --paper: #ffffff; --line: #d5d9df; --ink: #1b1e23; --soft: #565d68;
    --a: #0b5cad; --b: #b3470f; --good: #1c7344 }
  text { font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif }
  @media (prefers-color-scheme: dark) {
    :root { --paper: #15171b; --line: #3a3f47; --ink: #e7e9ec; --soft: #a4abb6;
      --a: #7db4f5; --b: #f3a56b; --good: #74c794 }
  }
"""
SPACES = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
PAPER = '<rect width="100%" height="100%" fill="var(--paper)"/>'  # a page can be light where the system is dark
SHOWN = re.compile(r"(?<=<!-- xent sweep -->\n\n```text\n).+?(?=^```$)", re.DOTALL | re.MULTILINE)
WHERE = re.compile(r"(?<=<!-- where -->\n).*?(?=\n\n|\Z)", re.DOTALL)
DRAWINGS: dict[str, Callable[[Sweep], str]] = {
    "updates": lambda sweep: plots.updates(sweep, "mean"),
    "best-lr": plots.best_lr,
    "equal-data": lambda sweep: plots.heat(sweep, "mean", "data"),
    "equal-updates": lambda sweep: plots.heat(sweep, "mean", "updates"),
    "sum": lambda sweep: plots.heat(sweep, "sum", "data"),
    "collapse": lambda sweep: plots.collapse(sweep, plots.well_below(sweep)),
    "noise": plots.noise,
}


class Quiet:
    """Says how far it is."""

    def started(self, going: Going) -> None:
        """Data and grid."""
        print(going.prepared.task)

    def progressed(self, done: int, count: int, share: float, words: str) -> None:  # noqa: ARG002  # as a listener hears
        """Points of the grid."""
        if done % 50 == 0 or done == count:
            print(f"{done} of {count}", flush=True)


def alone(svg: str) -> str:
    """A drawing of a page as a file: with colours of its own."""
    named = re.sub(r"^<svg (.*?)>", rf"<svg {SPACES} \1><style>{STYLE}</style>{PAPER}", svg)
    return named.replace(" href=", " xlink:href=") + "\n"


def shown(sweep: Sweep) -> str:
    """What the terminal shows, as far as it does not name a folder."""
    return str(sweep).rpartition("\n\n")[0] + "\n"


def where(sweep: Sweep) -> str:
    """Machine and versions."""
    versions = ", ".join(f"{name} {version}" for name, version in sweep.versions.items())
    return f"Computed in {sweep.seconds:.0f} s by `{sweep.command}` ({sweep.machine}; {versions})."


def main(words: list[str]) -> None:
    """Compute or read, then write."""
    if words:
        sweep = Sweep.from_dict(json.loads(Path(words[0]).read_text(encoding="utf-8")))
    else:
        sweep = Going(SweepOptions(), None).run(Quiet(), Workers())
    for name, draw in DRAWINGS.items():
        (ROOT / "docs" / "sweep" / f"{name}.svg").write_text(alone(draw(sweep)), encoding="utf-8")
    page = ROOT / "docs" / "sweep.md"
    text = SHOWN.sub(lambda _: shown(sweep), page.read_text(encoding="utf-8"))
    page.write_text(WHERE.sub(lambda _: where(sweep), text), encoding="utf-8")
    print("wrote docs/sweep.md and docs/sweep/")


if __name__ == "__main__":
    main(sys.argv[1:])
