"""Text as tokens: the words and marks, the vocabulary of the training text, and the context of each token."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import numpy as np

from xent.core.errors import DataError
from xent.fit.examples import Sequences

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

RARE = "<rare>"  # class 0: every token that is not in the vocabulary
END = "<end>"  # class 1: the paragraph is over
_TOKEN = re.compile(r"\w+|([^\w\s])\1*")
_LONGEST_RUN = 3  # of one mark: a ruler of 40 dashes is the token of three


def tokens_of(text: str) -> list[str]:
    """Words, and runs of one mark, in lower case.

    >>> tokens_of("If x // 2: raise Odd. -------")
    ['if', 'x', '//', '2', ':', 'raise', 'odd', '.', '---']
    """
    found = (match for match in _TOKEN.finditer(text.lower()))
    return [m[0][:_LONGEST_RUN] if m[1] else m[0] for m in found]


def paragraphs_of(text: str) -> list[str]:
    r"""Runs of lines without an empty one between them.

    >>> paragraphs_of("a\nb\n\n\n  c\n")
    ['a\nb', '  c']
    """
    return [part.strip("\n") for part in re.split(r"\n[ \t\r]*\n", text) if part.strip()]


@dataclass(frozen=True)
class Vocabulary:
    """The tokens a model knows; a class each.

    >>> some = Vocabulary.learn([["a", "b", "a"], ["a", "c"]], size=4)
    >>> some.tokens, some.encode(["a", "x"]).tolist()
    (('<rare>', '<end>', 'a', 'b'), [2, 0])
    >>> inputs, targets = some.window(["a", "x", "b"], context=2)
    >>> inputs.tolist(), targets.tolist()  # in inputs, 0 is "nothing" and a token is its class + 1
    ([[0, 0], [0, 3], [3, 1], [1, 4]], [2, 0, 3, 1])
    """

    tokens: tuple[str, ...]
    _places: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the order and index the tokens. DataError for a list that is no vocabulary."""
        if self.tokens[:2] != (RARE, END) or len(set(self.tokens)) != len(self.tokens):
            raise DataError(f"the vocabulary is damaged: it must start with {RARE} and {END} and hold each token once.")
        object.__setattr__(self, "_places", {token: i for i, token in enumerate(self.tokens)})

    @classmethod
    def learn(cls, texts: Iterable[Sequence[str]], size: int) -> Self:
        """The `size` - 2 commonest tokens of `texts` (of equals the first by name), after "rare" and "end"."""
        counts = Counter(token for text in texts for token in text)
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        return cls((RARE, END, *(token for token, _ in ranked[: size - 2])))

    def encode(self, tokens: Sequence[str]) -> Ints:
        """The class of each token (T,)."""
        return np.array([self._places.get(token, 0) for token in tokens], dtype=np.int64)

    def window(self, tokens: Sequence[str], context: int) -> tuple[Ints, Ints]:
        """Inputs (T + 1, context) and targets (T + 1,): every token, then "end", each with the tokens before it."""
        targets = np.append(self.encode(tokens), 1)
        padded = np.concatenate([np.zeros(context, dtype=np.int64), targets[:-1] + 1])
        return np.lib.stride_tricks.sliding_window_view(padded, context).copy(), targets

    def sequences(self, texts: Iterable[Sequence[str]], context: int, longest: int) -> Sequences:
        """Examples to learn from: texts of more than `longest` targets are cut, the pieces keeping their context."""
        inputs, targets = [], []
        for text in texts:
            x, t = self.window(text, context)
            inputs += [x[start : start + longest] for start in range(0, len(t), longest)]
            targets += [t[start : start + longest] for start in range(0, len(t), longest)]
        return Sequences(inputs, targets)
