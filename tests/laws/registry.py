"""What a law is: one text that every front end must satisfy and at least one wrong loss must fail.

    @law(mutants.FoldInOrder, needs=("threads",), batch=batches())
    def test_the_sum_does_not_depend_on_the_order(front, batch): ...

runs on every front end that has what it needs. test_mutants.py runs the same text on the Reference, where it must hold,
and on each of its mutants, where it must fail.
"""

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.fronts import FRONTS, Front
from tests.reference import Reference

USUAL = 25
EXAMPLES = int(os.environ.get("XENT_EXAMPLES", USUAL))  # a law's examples; a long search asks for hundreds
SETTINGS: dict[str, Any] = {
    "deadline": None,
    "derandomize": EXAMPLES <= USUAL,  # a long search draws anew every time
    "database": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    "print_blob": True,
}


@dataclass(frozen=True)
class Law:
    """A law's name, text, strategies, the wrong losses that must fail it, and what a front end needs for it."""

    name: str
    check: Callable[..., None]
    strategies: dict[str, Any]
    mutants: tuple[type[Front], ...]
    needs: tuple[str, ...]
    on_reference: bool
    reference: type[Front]

    def run(self, front: Front, examples: int) -> None:
        """The law on one front end, without shrinking; AssertionError where it fails."""
        if not self.strategies:
            self.check(front=front)
            return
        chosen = settings(
            **SETTINGS | {"derandomize": True, "print_blob": False},
            max_examples=examples,
            phases=[Phase.explicit, Phase.generate],
            report_multiple_bugs=False,
        )
        chosen(given(**self.strategies)(_fresh(self.check)))(front=front)


LAWS: dict[str, Law] = {}


def law(
    *mutants: type[Front],
    needs: tuple[str, ...] = (),
    share: float = 1.0,
    on_reference: bool = True,
    fronts: tuple[Front, ...] = FRONTS,
    reference: type[Front] = Reference,
    **strategies,
):
    """Register a law and run it on every front end that has what it needs; `share` of the usual number of examples."""
    if not mutants:
        raise TypeError("a law is believed after it has failed a mutant: name at least one")

    def register(check):
        LAWS[check.__name__] = Law(check.__name__, check, strategies, mutants, needs, on_reference, reference)
        test = _fresh(check)
        if strategies:
            test = settings(**SETTINGS, max_examples=max(3, int(EXAMPLES * share)))(given(**strategies)(test))
        return pytest.mark.parametrize("front", [f for f in fronts if f.has(*needs)], ids=str)(test)

    return register


def _fresh(check):
    """A function of its own for Hypothesis to mark: the registered text stays as it was written."""

    @functools.wraps(check)
    def run(**kwargs):
        check(**kwargs)

    return run
