"""The shapes by name, and how --shapes is read."""

from xent.core.errors import OptionError

Sizes = tuple[int, ...]  # N, V; or N, D, V for a linear layer before the loss

GROUPS: dict[str, tuple[Sizes, ...]] = {
    # a tiny batch, a classifier's, an image net's, and language models with up to 262144 tokens
    "batches": (
        (100, 10),
        (4096, 10),
        (65536, 10),
        (65536, 100),
        (65536, 1000),
        (2048, 32768),
        (512, 131072),
        (256, 262144),
    ),
    "few-rows": ((1, 131072), (8, 131072)),
    "sweep-n": tuple((4**k, 1000) for k in range(2, 9)),  # 16 … 65536 rows
    "sweep-v": tuple((1024, 4**k) for k in range(1, 9)),  # 4 … 65536 classes
    "linear": ((2048, 512, 32000), (1024, 2048, 128000)),
}
QUICK: tuple[Sizes, ...] = ((100, 10), (65536, 10), (16384, 100), (8192, 1000), (64, 131072))
"""Of each kind one, small enough for all of them in less than a minute."""
MOST = 2**40  # logits: far beyond any machine, so that a slip is said before memory is asked for


def parse(text: str) -> list[Sizes]:
    """The shapes in "65536x1000,few-rows": sizes N×V or N×D×V and names of groups, each shape once. OptionError.

    >>> parse("100x10,few-rows")
    [(100, 10), (1, 131072), (8, 131072)]
    """
    found: list[Sizes] = []
    for word in filter(None, (part.strip() for part in text.split(","))):
        found += everything() if word == "all" else GROUPS.get(word) or [_sizes(word)]
    if not found:
        raise OptionError(f"--shapes is {text!r}: it names no shape. Give sizes like 65536x1000, or names of groups.")
    return list(dict.fromkeys(found))


def everything() -> list[Sizes]:
    """All groups, each shape once."""
    return list(dict.fromkeys(sizes for group in GROUPS.values() for sizes in group))


def _sizes(word: str) -> Sizes:
    try:
        sizes = tuple(map(int, word.replace("×", "x").split("x")))
    except ValueError:
        sizes = ()
    if len(sizes) not in (2, 3) or min(sizes) < 1:
        raise OptionError(
            f"--shapes has {word!r}: give rows × classes (65536x1000), rows × hidden × classes (1024x2048x128000), "
            f"or one of {', '.join(GROUPS)}, all."
        )
    if sizes[0] * sizes[-1] > MOST:
        raise OptionError(f"--shapes has {word!r}: more than 2**40 logits.")
    return sizes
