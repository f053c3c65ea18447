"""The text of Python's own language reference made ready: paragraphs as sequences of tokens, split by paragraph."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xent.core.errors import DataError, OptionError
from xent.fit.columns import grouped
from xent.fit.model import Architecture
from xent.fit.tokens import Vocabulary, paragraphs_of, tokens_of
from xent.fit.trained import Preparation
from xent.train.prepared import Prepared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xent.train.options import Options

CLASSES = 2048  # the vocabulary, "rare" and "end" included
CONTEXT = 3  # tokens that the next one is predicted from
EMBEDDING = 32  # numbers a token becomes
LONGEST = 64  # tokens; a longer paragraph is cut, its pieces keeping their context
SAME = 32  # words; paragraphs that begin with the same ones are the same paragraph
SHARE = 0.1  # of the paragraphs for validation, and for the test


def reference_text() -> list[tuple[str, ...]]:
    """The paragraphs of `pydoc_data.topics` as tokens, in order, each once. DataError where this Python lacks it.

    Many paragraphs stand in several topics, with other marks or another end; one in training and in the test would be
    no test. So of those that begin with the same `SAME` words the first is taken.
    """
    try:
        from pydoc_data.topics import topics
    except ImportError:
        raise DataError(
            "this Python came without pydoc_data, the text of its language reference.\n"
            "  Use a Python with its standard library whole, or other data: xent train digits"
        ) from None
    parts = (tuple(tokens_of(part)) for name in sorted(topics) for part in paragraphs_of(topics[name]))
    once: dict[tuple[str, ...], tuple[str, ...]] = {}
    for part in parts:
        once.setdefault(tuple(token for token in part if token[0].isalnum())[:SAME], part)
    return list(filter(None, once.values()))


def prepare_text(options: Options) -> Prepared:
    """The next-token task. OptionError for an option that text has no use for."""
    for name, value in (("--target", options.target), ("--test", options.test)):
        if value is not None:
            raise OptionError(f"{name} is for tables: text predicts each next token of its own paragraphs.")
    texts = reference_text()
    order = np.random.default_rng([options.seed, 0]).permutation(len(texts))
    held = round(SHARE * len(texts))
    parts = {"test": order[:held], "validation": order[held : 2 * held], "train": order[2 * held :]}
    chosen = {name: np.sort(part) for name, part in parts.items()}
    vocabulary = Vocabulary.learn((texts[i] for i in chosen["train"]), CLASSES)
    examples = {name: vocabulary.sequences((texts[i] for i in part), CONTEXT, LONGEST) for name, part in chosen.items()}
    counts = np.bincount(examples["train"].flat()[1], minlength=len(vocabulary.tokens))
    digest = hashlib.sha256("\n\n".join(" ".join(tokens) for tokens in texts).encode())
    digest.update(b"".join(part.astype("<i8").tobytes() for part in chosen.values()))
    lengths = [len(texts[i]) for i in chosen["train"]]
    rare = counts[0] / counts.sum()
    tokens = sum(part.size for part in examples.values())
    return Prepared(
        title="text",
        kind="text",
        task=f"text (Python's language reference): {len(texts)} paragraphs, {grouped(tokens)} tokens, "
        f"{len(vocabulary.tokens)} classes",
        split=f"by paragraph, seed {options.seed}",
        notes=(
            (
                f"paragraphs have {min(lengths)} to {max(lengths)} tokens, half of them at most "
                f"{int(np.median(lengths))}; cut at {LONGEST}, padded in a batch"
            ),
            f"all but the {len(vocabulary.tokens) - 2} commonest tokens are one class, {rare:.1%} of those in training",
        ),
        train=examples["train"],
        validation=examples["validation"],
        test=examples["test"],
        preparation=Preparation(None, vocabulary, CONTEXT, vocabulary.tokens),
        architecture=Architecture(
            CONTEXT, options.hidden or (), len(vocabulary.tokens), len(vocabulary.tokens) + 1, EMBEDDING
        ),
        features=CONTEXT,
        counts=counts,
        fingerprint=digest.hexdigest(),
        describe=_Describe([texts[i] for i in chosen["test"]], chosen["test"].tolist()),
    )


@dataclass(frozen=True)
class _Describe:
    """Describes test tokens by what stands before them."""

    texts: Sequence[Sequence[str]]
    places: Sequence[int]

    def __call__(self, row: int) -> tuple[int, str, None]:
        """See `Prepared.describe`."""
        for text, place in zip(self.texts, self.places, strict=True):
            if row <= len(text):  # a target more than tokens: "end"
                before = text[max(0, row - 8) : row]
                return place + 1, ("… " if row > 8 else "") + " ".join(before), None  # noqa: PLR2004  # as many as fit a line
            row -= len(text) + 1
        raise IndexError(row)
