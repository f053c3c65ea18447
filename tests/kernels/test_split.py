"""A row whose tiles are shared by threads has the bits of a row that one thread does, however the tiles are shared."""

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import xent
from tests.accuracy.ulp import DTYPES
from tests.kernels.test_row_alone import kernels, law, placed
from tests.laws.bits import assert_same
from xent._kernels.cpu import fast, split
from xent._kernels.cpu import threads as pool
from xent._kernels.cpu.select import TILE

every = pytest.mark.parametrize("dtype", sorted(DTYPES))
CLASSES = [TILE + 1, 2 * TILE - 1, 2 * TILE, 3 * TILE + 16, 5 * TILE + 77]
OPTIONS = [{}, {"label_smoothing": 0.1}, {"lse_square_scale": 1e-3}]


@pytest.fixture
def always(monkeypatch):
    """Share rows however few classes they have; counts how often that was done."""
    monkeypatch.setattr(split, "WAKING", 0)
    shared = []
    real = split.run
    monkeypatch.setattr(split, "run", lambda *a, **o: (shared.append(o["count"]), real(*a, **o)))
    return shared


def shapes_of_rows(classes: int) -> dict[str, np.ndarray]:
    """Rows in which the reference of a tile's terms changes on the way, and rows that are nothing."""
    rng = np.random.default_rng(classes)
    x = rng.standard_normal(classes) * 3
    tile = np.arange(classes) // TILE
    peak, hole = x.copy(), x.copy()
    peak[-1] += 40.0
    hole[: TILE + 3] = -np.inf
    nan, all_low = x.copy(), np.full(classes, -np.inf)
    nan[classes // 2] = np.nan
    return {
        "normal": x,
        "rising": x + 30.0 * tile,
        "creeping": x + 8.0 * tile,
        "creeping, far": x + 8.0 * tile + 600.0,
        "falling": x - 30.0 * tile,
        "up and down": x + 25.0 * (tile % 2),
        "far": x + 5000.0 * (tile == 1),
        "sure of the last": peak + 60.0 * (np.arange(classes) == classes - 1),
        "first tile at -inf": hole,
        "ties": np.round(x / 3),
        "NaN": nan,
        "-inf": all_low,
    }


@every
@pytest.mark.parametrize("classes", CLASSES)
@pytest.mark.parametrize("options", OPTIONS, ids=["plain", "smooth", "z"])
def test_special_rows_have_the_same_bits_for_any_number_of_threads(dtype, classes, options, always, monkeypatch):
    rows = shapes_of_rows(classes)
    with np.errstate(over="ignore"):
        logits = np.array(list(rows.values())).astype(DTYPES[dtype])
    for i, name in enumerate(rows):
        target = np.array([(0, classes // 2, classes - 1)[i % 3]])
        x = logits[i : i + 1]
        losses, grad = kernels(x, target, threads=1, **options)
        for threads in (2, 3, 4, 16):
            if threads == 3 and dtype != "float64":
                monkeypatch.setattr(fast, "PAST_THE_CACHE", 0)
            got, got_grad = kernels(x, target, threads=threads, **options)
            assert_same(got, losses, f"loss, {name}, {threads} threads")
            assert_same(got_grad, grad, f"gradient, {name}, {threads} threads")
            loss = xent.cross_entropy(x, target, reduction="none", threads=threads, **options)
            assert_same(np.asarray(loss), losses, f"loss alone, {name}")
            in_place = x.copy()
            kernels(in_place, target, threads=threads, out=in_place, **options)
            assert_same(in_place, grad, f"in place, {name}")
    assert set(always) == {2, 3, 4, 16}


draws = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**32 - 1),
        "kind": st.sampled_from(["indices", "indices", "weights"]),
        "classes": st.sampled_from(CLASSES),
        "rows": st.integers(1, 3),
        "dtype": st.sampled_from(sorted(DTYPES)),
        "layout": st.sampled_from(["C", "C", "C", "rows reversed", "sliced"]),
        "out_layout": st.sampled_from(["C", "C", "C", "F"]),
        "offset": st.sampled_from(range(0, 64, 8)),
        "out_offset": st.sampled_from(range(0, 64, 8)),
        "threads": st.integers(1, 16),
        "in_place": st.booleans(),
        "shuffled": st.booleans(),
        "past": st.booleans(),
        "smoothing": st.sampled_from([0.0, 0.0, 0.1]),
        "z": st.sampled_from([0.0, 0.0, 1e-3]),
    }
)


def search(monkeypatch: pytest.MonkeyPatch, examples: int) -> None:
    """The law of rows alone, on rows that are shared."""

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @given(draw=draws)
    def tried(draw):
        law(kernels, draw, monkeypatch)

    tried()


def test_the_bits_of_a_shared_row_depend_on_the_row_alone(always, monkeypatch):
    search(monkeypatch, 40)
    assert len(always) > 20


@pytest.mark.slow
def test_the_bits_of_a_shared_row_depend_on_the_row_alone_in_a_long_search(always, monkeypatch):
    search(monkeypatch, 2000)


def test_a_guess_that_nobody_looks_at_is_seen(always, monkeypatch):
    """A mutant: the states of a run are kept whatever was before it."""
    rows = shapes_of_rows(CLASSES[-1])
    x, target = np.array([rows["creeping, far"]]).astype(np.float32), np.array([5])
    whole = kernels(x, target, threads=1)
    assert_same(kernels(x, target, threads=16)[1], whole[1], "gradient")
    real = split._compiled

    def careless(name):
        states, end, gradient = real(name)
        return (lambda x, first, known, *rest: None if known else states(x, first, known, *rest)), end, gradient

    monkeypatch.setattr(split, "_compiled", careless)
    with pytest.raises(AssertionError):
        assert_same(kernels(x, target, threads=16)[1], whole[1], "gradient")


def test_the_short_way_of_a_plain_call_shares_rows_too(always, monkeypatch):
    from xent._kernels.cpu import launch

    x = (np.random.default_rng(0).standard_normal((2, CLASSES[-1])) * 3).astype(np.float32)
    targets = np.array([3, -100])
    alone = xent.value_and_grad(x, targets)
    before = len(always)
    monkeypatch.setattr(launch, "available", lambda: 5)
    shared = xent.value_and_grad(x, targets)
    assert always[before:] == [5]
    assert_same(shared[0], alone[0], "loss")
    assert_same(shared[1], alone[1], "gradient")


def test_rows_are_shared_only_where_that_is_worth_the_waking():
    plan = {n: xent.plan(np.broadcast_to(np.float32(0), (n, 2**20)), np.zeros(n, int), threads=16) for n in (1, 4, 16)}
    said = "Few rows of very many classes: one after the other, each by all threads."
    assert [(said in p.sentences, p.threads) for p in plan.values()] == [(False, 1), (False, 4), (False, 16)]
    row = np.zeros((1, 2**20), np.float32)
    found = xent.plan(row, [0], threads=16)
    assert (said in found.sentences, found.threads) == (True, 16)
    assert said not in xent.plan(row[:, : 2**17], [0], threads=16).sentences


def test_an_error_in_a_shared_row_comes_back_to_the_caller(always, monkeypatch):
    def failing(job, pieces):
        raise MemoryError

    monkeypatch.setattr(pool, "run", failing)
    x, _ = placed(np.zeros((1, CLASSES[0]), np.float32), "C", 0)
    with pytest.raises(MemoryError):
        kernels(x, np.array([0]), threads=4)
