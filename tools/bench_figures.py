"""Writes README's table and picture of the times, and the tables of docs/speed.md, from the runs in benchmarks/.

    python tools/bench_figures.py

tests/test_bench/test_figures.py checks that the pages say what the runs say.
"""

import re
from pathlib import Path

from inside import ROOT
from xent._page import colours
from xent._page.page import sheet
from xent.bench import plots
from xent.bench.peers import OURS
from xent.bench.record import Measured, Record
from xent.bench.text import duration, number, ulps

FOLDER = ROOT / "benchmarks"
README = ("100x10", "65536x10", "65536x100", "65536x1000", "2048x32768", "512x131072", "8x131072")
HEADS = {
    "float32": "float32, class indices",
    "linear": "With the linear layer before the loss",
    "smoothing": "Label smoothing 0.1",
    "rows": "Probability rows",
    "loss_only": "The loss only",
    "float64": "float64",
    "bfloat16": "bfloat16",
    "float16": "float16",
    "in_place": "The gradient written over the logits",
}
INTRO = (
    "Loss and gradient, float32, as measured by `xent bench`: times of others as multiples of xent's, errors in units\n"
    "in the last place. [Speed](docs/speed.md) has the method, more shapes and dtypes, and how to compare."
)
PICTURE = "![time of each peer over that of a copy of the logits, by shape]"
PLACES = {  # where a page without the block gets it: before which line, below what
    "README.md": ("## What it does not do", f"## Speed\n\n{INTRO}\n\n{PICTURE}(docs/speed.svg)"),
    "speed.md": ("## Is today's code worse?", f"## Results\n\n{PICTURE}(speed.svg)"),
}
BLOCK = "<!-- {0}: written by tools/bench_figures.py -->\n"


def runs() -> dict[str, Record]:
    """The committed runs, by name, in the order of the page."""
    return {name: Record.load(path) for name in HEADS if (path := FOLDER / f"{name}.json").exists()}


def rows(measured: list[Measured], record: Record) -> list[str]:
    """Lines of a table in Markdown: ours, and how many times as long others take."""
    lines = []
    for each in measured:
        ours, best, eager = each.of(OURS), each.best_peer, each.of("torch")
        ratio = None if ours is None else each.ratio(ours)
        if ours is None or ratio is None:
            continue
        fastest = "" if best is None else f"{number(each.faster(ours, best))} × ({record.label(best.peer)})"
        torch = "" if eager is None else f"{number(each.faster(ours, eager))} ×"
        errors = ulps(ours.worst) + ("" if best is None else f" · {_power(ulps(best.worst))}")
        name = each.task.name.replace(" ", "\N{NO-BREAK SPACE}")
        lines.append(f"| {name} | {duration(ours.median)} | {number(ratio)} | {fastest} | {torch} | {errors} |")
    return lines


def table(measured: list[Measured], record: Record, first: str = "rows × classes") -> str:
    """A whole table."""
    against = "× products" if any(each.task.hidden for each in measured) else "× copy"
    head = f"| {first} | xent | {against} | fastest peer takes | torch takes | worst error, ULP: xent · that peer |"
    return "\n".join([head, "|---|--:|--:|--:|--:|--:|", *rows(measured, record)]) + "\n"


def conditions(record: Record) -> str:
    """Machine, versions, day."""
    here = record.machine
    versions: dict[str, str] = {}
    for about in record.peers.values():
        versions |= about.get("versions", {})
    shown = ", ".join(f"{name} {version}" for name, version in versions.items())
    busiest = max((each.busy or 0.0 for each in record.shapes), default=0.0)
    busy = f" Others took up to {busiest:.0%} of the CPUs meanwhile." if busiest > 0.1 else ""  # noqa: PLR2004  # as the run says
    caches = ", ".join(f"{level} {size}" for level, size in here["caches"].items())
    return (
        f"{record.options['rounds']} interleaved rounds on {record.started[:10]}; {here['processor']}, "
        f"{here['threads']} threads, {caches}; {here['python']}, {shown}.{busy}"
    )


def readme(record: Record) -> str:
    """README's block."""
    by_key = {each.task.key: each for each in record.shapes}
    chosen = [by_key[key] for key in README if key in by_key]
    return f"{table(chosen, record)}\nMedian of {conditions(record)}\n"


def page(records: dict[str, Record]) -> str:
    """The block of docs/speed.md."""
    parts = []
    for name, record in records.items():
        plain = [each for each in record.shapes if not each.skipped]
        command = record.command.split(" --json")[0]
        lines = "rows × hidden × classes" if name == "linear" else "rows × classes"
        parts.append(f"### {HEADS[name]}\n\n{table(plain, record, lines)}\n`{command}`. {conditions(record)}\n")
    return "\n".join(parts)


def picture(record: Record) -> str:
    """Time over that of a copy, a file of its own that follows the reader's light or dark setting."""
    by_key = {each.task.key: each for each in record.shapes}
    chosen = [by_key[key] for key in README if key in by_key]
    drawn = str(plots.times(record, chosen, prefix="t-"))
    box = re.search(r'viewBox="([^"]*)"', drawn)
    if box is None:
        raise ValueError("there is nothing to draw")
    inner = drawn.partition(">")[2]
    dark = re.findall(r"--(\w+): (#[0-9a-f]{6})", sheet().partition("prefers-color-scheme: dark")[2].partition("}")[0])
    light = "; ".join(f"--{name}: {value}" for name, value in colours().items())
    ratios = [f"{each.task.name} {number(each.ratio(ours) or 0)}" for each in chosen if (ours := each.of(OURS))]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box[1]}" role="img" aria-labelledby="title desc">',
            '<title id="title">Time of loss and gradient of each peer, times that of a copy of the logits</title>',
            f'<desc id="desc">xent: {"; ".join(ratios)}</desc>',
            "<style>",
            f"  :root {{ {light} }}",
            f"  @media (prefers-color-scheme: dark) {{ :root {{ {'; '.join(f'--{k}: {v}' for k, v in dark)} }} }}",
            '  text { font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif }',
            "</style>",
            '<rect width="100%" height="100%" fill="var(--paper)"/>',
            inner,
            "",
        ]
    )


def _power(text: str) -> str:
    """2e+07 as 2·10⁷."""
    digits, _, power = text.partition("e+")
    return f"{digits}·10{str(int(power)).translate(str.maketrans('0123456789', '⁰¹²³⁴⁵⁶⁷⁸⁹'))}" if power else text


def put(path: Path, name: str, block: str) -> None:
    """Replace a block between its marks."""
    text = path.read_text(encoding="utf-8")
    start, end = BLOCK.format(name), f"<!-- /{name} -->"
    if start not in text:
        before, heading = PLACES[path.name]
        head, middle, rest = text.partition(before)
        text = f"{head.rstrip()}\n\n{heading}\n\n{start}{end}\n\n{middle}{rest}".rstrip() + "\n"
    head, _, rest = text.partition(start)
    new = f"{head}{start}\n{block}\n{end}{rest.partition(end)[2]}"
    if new != text:
        path.write_text(new, encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")


def main() -> None:
    """Write them all."""
    records = runs()
    put(ROOT / "README.md", "speed", readme(records["float32"]))
    put(ROOT / "docs" / "speed.md", "speed", page(records))
    drawing = ROOT / "docs" / "speed.svg"
    drawing.write_text(picture(records["float32"]), encoding="utf-8")
    print(f"wrote {drawing.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
