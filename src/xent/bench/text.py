"""A run as lines for a terminal, of at most 80 columns."""

import math
import textwrap

from xent.bench import stats
from xent.bench.machine import BUSY
from xent.bench.peers import COPIES, OURS, PRODUCTS
from xent.bench.record import Measured, Record, Result

WIDTH = 80
_NAME = 18  # columns
_HEAD = f"{'':{_NAME}} {'time':>8} {'±':>4} {'× {0}':>9} {'ns/logit':>8} {'memory':>8} {'ULP':>7} {'sure':>7}"
_BIG, _HUGE, _TEN_MB = 100.0, 10_000.0, 10_000_000


def table(record: Record) -> str:
    """The whole run: machine, who is missing, a block a shape, what the columns mean."""
    blocks = [head(record), *(block(record, measured) for measured in record.shapes), legend(record)]
    return "\n\n".join(blocks)


def head(record: Record) -> str:
    """What it ran on, and who took part."""
    here = record.machine
    caches = ", ".join(f"{level} {size}" for level, size in (here.get("caches") or {}).items())
    words = [
        f"{here.get('processor')}, {here.get('threads')} threads of {here.get('cores')} CPUs",
        caches,
        " ".join(here.get("vectors") or ()),
        str(here.get("system", "")),
        str(here.get("python", "")),
    ]
    versions: dict[str, str] = {}
    for about in record.peers.values():
        versions |= about.get("versions", {})
    lines = [_filled(" · ".join(filter(None, words)))]
    if versions:
        lines.append(_filled(" · ".join(f"{name} {number}" for name, number in versions.items())))
    lines += [f"not in it: {record.label(name)} ({why})" for name, why in record.missing().items()]
    return "\n".join(lines)


def block(record: Record, measured: Measured) -> str:
    """One shape: who, how long, how far off."""
    title = f"{measured.task.name} · {measured.task.words()}"
    if measured.skipped:
        return f"{title}\n" + _filled(f"not measured: {measured.skipped}", "  ")
    timed = sorted((each for each in measured.results if each.seconds), key=lambda each: each.median)
    unit = "products" if measured.task.hidden else "copy"
    lines = [title, _HEAD.replace("× {0}".rjust(9), f"× {unit}".rjust(9))]
    lines += [_row(record, measured, each) for each in timed]
    lines += [
        _filled(f"{record.label(each.peer)}: {why}", "  ") for each in measured.results if (why := _why_not(each))
    ]
    lines += [_filled(sentence, "  ") for sentence in remarks(record, measured)]
    return "\n".join(lines)


def remarks(record: Record, measured: Measured) -> list[str]:
    """What follows for us, and what speaks against the times."""
    found = []
    ours, best, eager = measured.of(OURS), measured.best_peer, measured.of("torch")
    if ours is not None:
        ratio = measured.ratio(ours)
        words = [] if ratio is None else [f"{number(ratio)} × {'the products' if measured.task.hidden else 'a copy'}"]
        if best is not None:
            long = number(measured.faster(ours, best))
            words.append(f"the fastest peer ({record.label(best.peer)}) takes {long} × as long")
        if eager is not None and eager is not best:
            words.append(f"eager torch {number(measured.faster(ours, eager))} ×")
        found.append(f"xent: {', '.join(words)}" if words else "xent: nobody to compare with")
    if measured.is_busy and measured.busy is not None:
        found.append(f"others took {measured.busy:.0%} of the CPUs: the times may be too long")
    return found


def legend(record: Record) -> str:
    """What the columns say."""
    rounds = record.options.get("rounds", 0)
    sentences = [
        f"time: median of {rounds} interleaved rounds; ±: half the distance of the quartiles.",
        "× copy: median of the rounds' ratios to the faster copy of the logits (linear layers: to the bare products).",
        "memory: the most that a call takes beyond what is given to it.",
        "ULP: worst error of loss and gradient, in units in the last place; sure: where targets win by 12 to 40 nats.",
    ]
    if rounds < stats.FEWEST:
        sentences.append(f"{rounds} rounds are few: state a median of {stats.FEWEST} or more.")
    if (most := max((each.busy or 0.0 for each in record.shapes), default=0.0)) > BUSY:
        sentences.append(f"The machine was busy with other work, up to {most:.0%}: measure again on a quiet one.")
    return "\n".join(_filled(each) for each in sentences)


def _row(record: Record, measured: Measured, each: Result) -> str:
    reference = each.peer in COPIES or each.peer == PRODUCTS
    ratio = measured.ratio(each)
    mark = "▸ " if each.peer == OURS else "  "
    cells = [
        f"{mark + record.label(each.peer):{_NAME}}",
        f"{duration(each.median):>8}",
        f"{each.spread:>4.0%}",
        f"{'' if ratio is None else number(ratio):>9}",
        f"{number(each.median / measured.task.elements * 1e9):>8}",
        f"{'' if reference else size(each.extra):>8}",
        f"{'' if reference else ulps(each.ordinary.worst if each.ordinary else None):>7}",
        f"{'' if reference else ulps(each.confident.worst if each.confident else None):>7}",
    ]
    return " ".join(cells).rstrip()


def _why_not(each: Result) -> str | None:
    return f"failed: {each.failed}" if each.failed else each.refused


def duration(seconds: float) -> str:
    """Seconds for people.

    >>> duration(7.15e-6), duration(0.04123), duration(9.2), duration(3e-7)
    ('7.15 µs', '41.2 ms', '9.20 s', '0.300 µs')
    """
    for scale, unit in ((1.0, "s"), (1e-3, "ms")):
        if seconds >= scale:
            return f"{number(seconds / scale)} {unit}"
    return f"{number(seconds * 1e6)} µs"


def number(value: float) -> str:
    """Three digits.

    >>> number(1.2345), number(1234.5), number(0.05), number(12.34)
    ('1.23', '1234', '0.0500', '12.3')
    """
    if not math.isfinite(value):
        return str(value)
    if value == 0 or value >= _BIG:
        return f"{value:.0f}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}"


def size(count: int | None) -> str:
    """Bytes for people.

    >>> size(0), size(300 * 2**20), size(None), size(5 * 2**30)
    ('0 MB', '315 MB', '?', '5369 MB')
    """
    if count is None:
        return "?"
    return f"{count / 1e6:.1f} MB" if 0 < count < _TEN_MB else f"{count / 1e6:.0f} MB"


def ulps(value: float | None) -> str:
    """An error.

    >>> ulps(0.5012), ulps(123.4), ulps(8.4e6), ulps(float("inf")), ulps(None)
    ('0.50', '123', '8e+06', 'inf', '')
    """
    if value is None:
        return ""
    if math.isinf(value):
        return "inf"
    return f"{value:.2f}" if value < _BIG else f"{value:.0f}" if value < _HUGE else f"{value:.0e}"


def _filled(text: str, indent: str = "") -> str:
    return textwrap.fill(text, WIDTH, initial_indent=indent, subsequent_indent=indent + "  ", break_on_hyphens=False)
