"""A run: peers in their own processes, interleaved rounds, errors beside times, and peers that misbehave."""

import os
from dataclasses import replace

import pytest

import xent
from tests.test_bench.made import ABSENT, ODD, OURS, SLOW, WRONG, run_with
from xent.bench import machine, rounds
from xent.bench.peers import PEERS
from xent.bench.task import Task

SMALL = Task(12, 7)


@pytest.fixture(scope="module")
def ran():
    """One run for many tests: ours, a slow peer, a wrong one, one that is not there."""
    with pytest.MonkeyPatch.context() as patch:
        yield run_with(patch, [SMALL, Task(3, 40)], [OURS, SLOW, WRONG, ABSENT])


def test_everybody_has_a_time_for_every_round_and_a_ratio_to_the_copy(ran):
    for measured in ran[0].shapes:
        assert [each.peer for each in measured.results] == ["copy-1", "xent", "slow", "wrong"]
        assert all(len(each.seconds) == 3 and min(each.seconds) > 0 for each in measured.results)
        assert measured.reference.peer == "copy-1"
        assert measured.ratio(measured.of("copy-1")) == 1.0


def test_a_slow_peer_is_seen_to_be_slow(ran):
    for measured in ran[0].shapes:
        assert 0.02 < measured.of("slow").median < 0.2
        assert measured.of("xent").median < 0.02
        assert measured.faster(measured.of("xent"), measured.of("slow")) > 1


def test_an_error_of_a_part_in_ten_thousand_stands_beside_the_time(ran):
    for measured in ran[0].shapes:
        wrong, right = measured.of("wrong"), measured.of("slow")
        assert wrong.median < right.median
        assert right.worst <= 0.51
        assert 400 < wrong.ordinary.worst < 3000  # 1e-4 is 840 to 1678 ULP
        assert wrong.ordinary.loss <= 0.5


def test_ours_is_exact_on_both_batches(ran):
    for measured in ran[0].shapes:
        ours = measured.of("xent")
        assert max(ours.ordinary.loss, ours.confident.loss) <= 2
        assert ours.worst <= 3


def test_a_peer_that_is_not_installed_is_a_line(ran):
    assert ran[0].missing() == {"absent": "no_such_package is not installed"}
    assert "not in it: nobody (no_such_package is not installed)" in str(ran[0])


def test_the_record_says_who_what_and_on_what(ran):
    record = ran[0]
    assert record.peers["slow"]["call"] == "time.sleep(0.02); softmax"
    assert record.peers["xent"]["versions"]["xent"] == xent.__version__
    assert record.options["rounds"] == 3
    assert record.machine["threads"] == 1
    assert record.seconds > 0


def test_the_listener_hears_every_shape_and_steps_that_grow(ran):
    heard = ran[1]
    assert heard.shapes == [("12 × 7", 0, 2), ("3 × 40", 1, 2)]
    assert len(heard.done) == 2
    for (_, before, count), (_, after, _) in zip(heard.steps, heard.steps[1:], strict=False):
        assert 0 <= before <= count
        assert after == 0 or after >= before


@pytest.mark.parametrize(
    ("does", "failed"),
    [
        ("crash", "crashed with status 7 while asked to 'load': a last word"),
        ("hang", "hung: no answer to 'load' in 2 s"),
        ("raise", "ValueError: no such"),
    ],
)
def test_a_peer_that_fails_is_a_line_and_the_others_go_on(monkeypatch, does, failed):
    monkeypatch.setenv("PEER_DOES", does)
    peers = [OURS, ODD] if does != "hang" else [ODD, SLOW]
    limit = 2.0 if does == "hang" else 60.0
    if does == "hang":
        monkeypatch.setattr(rounds, "OURS", "slow")  # ours may have to compile first
    record, _ = run_with(monkeypatch, [SMALL, Task(5, 5)], peers, limit=limit)
    for measured in record.shapes:
        odd = next(each for each in measured.results if each.peer == "odd")
        assert odd.failed == failed
        assert odd.seconds == ()
        assert len(measured.results[-1].seconds or measured.results[1].seconds) == 3
        assert f"an odd peer: failed: {failed}" in str(record)


def test_a_peer_that_refuses_says_why(monkeypatch):
    monkeypatch.setenv("PEER_DOES", "refuse")
    record, _ = run_with(monkeypatch, [SMALL], [OURS, ODD])
    assert record.shapes[0].results[-1].refused == "it does not take Mondays"
    assert "an odd peer: it does not take Mondays" in str(record)


def test_what_a_peer_prints_is_no_answer(monkeypatch):
    monkeypatch.setenv("PEER_DOES", "talk")
    record, _ = run_with(monkeypatch, [SMALL], [OURS, ODD])
    assert record.shapes[0].of("odd").median > 0.02


KINDS = [
    Task(9, 6, dtype="float64"),
    Task(9, 6, dtype="float16"),
    Task(9, 6, targets="smoothing"),
    Task(9, 6, targets="rows"),
    Task(9, 6, gradient=False),
    Task(9, 6, write="inplace"),
    Task(6, 11, hidden=4),
]


@pytest.fixture(scope="module")
def kinds():
    """Every kind of task by ours and the textbook."""
    textbook = next(peer for peer in PEERS if peer.name == "numpy")
    with pytest.MonkeyPatch.context() as patch:
        record, _ = run_with(patch, KINDS, [OURS, textbook], rounds=2)
    return dict(zip(KINDS, record.shapes, strict=True))


@pytest.mark.parametrize("task", KINDS[:-1], ids=lambda task: f"{task.words()} {task.write}")
def test_ours_and_the_textbook_do_every_kind_of_task(kinds, task):
    ours, other = kinds[task].of("xent"), kinds[task].of("numpy")
    assert ours.worst <= 6
    assert other.ordinary.worst < 2000
    assert (ours.ordinary.others is None) == (not task.gradient)
    if task.gradient and task.targets == "indices":
        assert other.confident.worst > 100 * ours.worst  # p - 1 and lse - x_t lose their digits


def test_a_linear_task_is_measured_against_its_products(kinds):
    measured = kinds[KINDS[-1]]
    assert measured.reference.peer == "products"
    assert measured.of("numpy").ordinary.worst < 100
    ours = next(each for each in measured.results if each.peer == "xent")
    if hasattr(xent, "linear_value_and_grad"):
        assert ours.ordinary.worst < 100
    else:
        assert ours.refused == "this version of xent has no linear_value_and_grad"


def test_shapes_that_do_not_fit_into_memory_are_left_out_with_the_reason(monkeypatch):
    monkeypatch.setattr(machine, "memory", lambda: (2**40, 2**29))
    record, _ = run_with(monkeypatch, [Task(2**14, 2**14)], [OURS, SLOW])
    assert record.shapes[0].skipped == ("not enough memory: it takes about 4.2 GiB more, and 0.5 are free for all")
    assert "not measured: not enough memory" in str(record)


def test_with_less_memory_the_last_peers_are_left_out(monkeypatch):
    here, each = rounds._needed(SMALL)
    monkeypatch.setattr(machine, "memory", lambda: (2**40, here + 2 * each))
    record, _ = run_with(monkeypatch, [SMALL], [OURS, SLOW])
    assert record.shapes[0].of("xent") is not None
    assert record.shapes[0].results[-1].refused.startswith("not enough memory")


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (None, [peer.name for peer in PEERS]),
        (["torch"], ["xent", "torch"]),
        (["jax", "numpy"], ["xent", "numpy", "jax"]),
    ],
)
def test_peers_are_chosen_by_name_and_ours_always(names, found):
    assert [peer.name for peer in rounds.choose(names)] == found


def test_an_unknown_peer_is_named():
    with pytest.raises(xent.OptionError) as caught:
        rounds.choose(["torhc"])
    assert str(caught.value) == (
        "--peers has 'torhc': there are xent, xent-new, numpy, scipy, sklearn, torch, compile, jax, tensorflow."
    )


def test_no_process_and_no_file_is_left(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    seen = []
    start = rounds.Process.__init__

    def noting(self, *arguments):
        start(self, *arguments)
        seen.append(self.process.pid)

    monkeypatch.setattr(rounds.Process, "__init__", noting)
    run_with(monkeypatch, [SMALL], [OURS, replace(SLOW, name="other")], rounds=1)
    assert len(seen) == 3
    for process in seen:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
    assert list(tmp_path.iterdir()) == []
