"""Every law holds on the Reference and fails on each of its mutants: only then is it believed."""

import pytest

from tests import mutants
from tests.laws import (
    registry,
    test_arrays,
    test_batches,
    test_definition,
    test_large,
    test_merge,
    test_rows,
)
from tests.reference import Reference

MODULES = [test_arrays, test_batches, test_definition, test_large, test_merge, test_rows]
LAWS = registry.LAWS
CASES = [(law, mutant) for law in LAWS.values() for mutant in law.mutants]


def all_mutants() -> set[type]:
    """Every class of mutants.py that is a wrong loss."""
    return {getattr(mutants, name) for name in mutants.__all__} - {mutants.Offset64}


@pytest.mark.parametrize("law", [law for law in LAWS.values() if law.on_reference], ids=lambda law: law.name)
def test_the_law_holds_on_the_reference(law):
    law.run(law.reference(), examples=15)


@pytest.mark.parametrize(("law", "mutant"), CASES, ids=lambda x: getattr(x, "name", None) or x.__name__)
def test_the_law_fails_on_its_mutant(law, mutant):
    with pytest.raises(AssertionError):
        law.run(mutant(), examples=300)


def test_every_law_is_registered_with_a_mutant():
    for module in MODULES:
        for name, test in vars(module).items():
            if name.startswith("test_") and callable(test):
                assert LAWS[name].mutants, f"{module.__name__}.{name} has no mutant"


def test_a_law_without_a_mutant_is_refused():
    with pytest.raises(TypeError, match="name at least one"):
        registry.law()


def test_every_mutant_fails_some_law():
    used = {mutant for law in LAWS.values() for mutant in law.mutants}
    assert all_mutants() - used == {mutants.OtherFormula}, "OtherFormula is a part of other mutants"


def test_the_reference_is_no_mutant():
    assert Reference not in {mutant for law in LAWS.values() for mutant in law.mutants}
