"""`xent explain` as a user runs it: batches from everywhere, mistakes in one message, output in every form."""

import json
import subprocess
import sys

import numpy as np
import pytest

from tests.test_cli.command import environment, on_terminal, xent_command
from tests.test_graph.test_forms import DEFAULT
from xent.cli import main
from xent.graph import build


@pytest.fixture
def explain(capsys, monkeypatch, tmp_path):
    """Status, stdout and stderr of `xent explain` in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def run(*args) -> tuple[int, str, str]:
        try:
            status = main(["explain", *map(str, args)])
        except SystemExit as stop:
            status = int(stop.code or 0)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def test_the_default_batch_answers_at_a_glance(explain):
    status, out, err = explain()
    assert (status, err) == (0, "")
    head, _, foot = DEFAULT.rpartition("\n\n")
    assert out.startswith(head)
    assert "✓ all 61 numbers agree with finite differences" in out
    assert out.endswith(foot + "\n  why divide at all?  xent explain --why\n")


def test_it_answers_in_half_a_second_without_numba_or_any_extra(tmp_path):
    """Processor time, which other programs on the machine change less; the start of Python included."""
    program = (
        "import sys, time\n"
        "from xent.cli import main; main(['explain'])\n"
        "names = {name.partition('.')[0] for name in sys.modules}\n"
        "assert not names & {'rich', 'polars', 'sklearn', 'matplotlib', 'jinja2', 'joblib', 'numba', 'scipy'}, names\n"
        "print(time.process_time(), file=sys.stderr)"
    )
    took = []
    for _ in range(5):
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment(), cwd=tmp_path, capture_output=True, text=True, check=True
        )
        took.append(float(done.stderr))
    assert min(took) < 0.75  # 0.3 s on a quiet machine


def test_numbers_from_the_command_line(explain):
    _, out, _ = explain("--logits", "1 2 3; 3 2 1", "--targets", "2 0")
    assert "mean" in out
    assert "0.4076" in out
    _, out, _ = explain("--logits", "1,2,3;3,2,1", "--targets", ".1 .2 .7; 1 0 0")
    assert "q   " in out


def test_files(explain, tmp_path):
    x, t = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [0.0, 0.0, 1.0]]), np.array([2, 0, 1])
    np.savez(tmp_path / "a.npz", logits=x, targets=t, sample_weight=[1.0, 1.0, 0.0])
    np.save(tmp_path / "a.npy", x)
    (tmp_path / "a.csv").write_text("red,green,blue,target\n1,2,3,blue\n3,2,1,red\n0,0,1,1\n")
    assert "÷2 (weights)" in explain("a.npz")[1].replace("÷ ", "÷")
    assert "÷3" in explain("a.npy", "--targets", "2 0 1")[1]
    status, out, _ = explain("a.csv")
    assert status == 0
    assert "a.csv: 3 items, 3 classes, targets 2 blue, 0 red and 1 green" in out.replace("\n  ", " ")
    assert "÷2" in explain("a.csv", "--rows", "2")[1].replace("÷ 2", "÷2")


def test_real_sets_come_with_a_layer_in_front(explain):
    status, out, _ = explain("iris", "--rows", 4)
    assert status == 0
    assert out.startswith("iris, 4 of 150 rows: 4 items, 3 classes")
    assert "∂W = ∂x0·h0ᵀ + ∂x1·h1ᵀ + ∂x2·h2ᵀ + ∂x3·h3ᵀ: 4 gradients, added" in out
    assert explain("digits")[0] == 0


def test_every_option_reaches_the_drawing(explain):
    out = explain("--targets", "2 -100", "--denominator", "batch", "--split-mean")[1]
    assert "ignored, t=-100" in out
    out = explain("--ignore-index", "2", "--label-smoothing", ".1", "--weight", "1 2 3", "--sample-weight", "1 2")[1]
    assert "ignored, t=2" in out
    assert "x'" in explain("--softcap", "5", "--logit-scale", "2", "--lse-square-scale", ".1")[1]
    assert "in 2 micro-batches" in explain("--micro-batches", "2")[1]
    assert "rank 1" in explain("--ranks", "1,1")[1]
    assert "L0" in explain("--reduction", "none")[1]
    assert "÷64 (given)" in explain("--denominator", "64")[1].replace("÷ ", "÷")
    assert "not drawn" in explain("digits", "--rows", "9", "--items", "2", "--classes", "3")[1]
    assert "PyTorch, class indices" in explain("--conventions")[1]
    assert explain("--ascii")[1].isascii()


@pytest.mark.parametrize(
    ("args", "status", "message"),
    [
        (["--logits", "1 2"], 2, "xent: --logits needs --targets: one class a row, such as --targets '2 0'."),
        (["--logits", "1 x", "--targets", "0"], 2, "--logits holds 'x': it must be numbers, rows apart by semicolons."),
        (["--logits", "1 2;;3 4", "--targets", "0 0"], 2, "it has an empty row. Write rows like '1 2 3; 3 2 1'."),
        (["--targets", "2 7"], 1, "xent: 1 of 2 targets is out of range, first targets[1] = 7"),
        (["--denominator", "rows"], 2, "--denominator is 'rows': give weights, items, batch or a number above 0."),
        (["--micro-batches", "3"], 2, "xent: micro_batches is 3: it must be in [1, 2], or the sizes of the parts."),
        (["--micro-batches", "x"], 2, "--micro-batches: 'x': give a number of parts like 4, or sizes like 3,1"),
        (["--rows", "0"], 2, "argument --rows: '0': give a whole number of at least 1"),
        (["iris", "--targets", "0"], 2, "xent: --targets does not go with iris: its classes are known."),
        (["a.csv", "--logits", "1 2"], 2, "xent: --logits does not go with a.csv: a batch comes from one place."),
        (["no.csv"], 1, "xent: there is no file no.csv."),
        (["flowers"], 1, "xent: there is no file flowers. It is no built-in set either: digits, iris."),
        (["."], 1, "xent: . is no file that ends in .csv, .npy, .npz."),
        (["--out", "a.png"], 2, "the extension is '.png': it must be one of .svg, .html, .txt, .json, .md, .mmd."),
        (["--why", "--out", "a.svg"], 2, "xent: --out is a.svg: with --why it must end in .html, .json or .txt."),
        (["--why", "--reduction", "sum"], 2, "xent: --why compares the mean with the sum: leave --reduction out."),
        (["--out", "no/a.svg"], 1, "xent: no/a.svg cannot be written: No such file or directory."),
    ],
    ids=str,
)  # fmt: skip
def test_a_mistake_is_one_message(explain, args, status, message):
    found, out, err = explain(*args)
    assert (found, out) == (status, "")
    assert message in err.replace("\n  ", " ")
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"a,b\n1,2\n", "a.csv has no column called target: it has a, b."),
        ("a.csv", b"a,b,target\n1,2\n", "a.csv: line 2 has 2 cells, the header has 3."),
        ("a.csv", b"a,b,target\n1,x,0\n", "a.csv: line 2 holds 'x' in column b: a number is expected."),
        ("a.csv", b"a,b,target\n1,2,c\n", "a.csv: line 2 holds 'c' in column target"),
        ("a.csv", b"a,b\n", "a.csv needs a header and at least one row."),
        ("a.csv", b"\xff\xfe", "a.csv is not UTF-8: save it so."),
        ("a.npy", b"nothing", "a.npy is no .npy file that can be read"),
        ("a.npz", b"PK\x03\x04", "a.npz is no .npz file that can be read"),
    ],
)
def test_a_bad_file_says_what_is_wrong_with_it(explain, tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    status, out, err = explain(name)
    assert (status, out) == (1, "")
    assert message in err.replace("\n  ", " ")


def test_a_pickle_is_never_loaded(explain, tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object), allow_pickle=True)
    status, _, err = explain("a.npy", "--targets", "0")
    assert status == 1
    assert "is no .npy file that can be read" in err


@pytest.mark.parametrize("kind", ["html", "svg", "txt", "json", "md", "mmd"])
def test_it_is_written_where_it_was_asked_for(explain, tmp_path, kind):
    status, out, err = explain("--out", f"g.{kind}")
    assert (status, out) == (0, "")
    assert err.startswith(f"g.{kind}: <xent.Graph")
    assert "0.4076" in (tmp_path / f"g.{kind}").read_text(encoding="utf-8")


def test_json_is_one_object(explain):
    record = json.loads(explain("--json")[1])
    assert record["check"]["ok"]
    assert record["loss"] == pytest.approx(0.4076059644443804)
    record = json.loads(explain("--why", "--json")[1])
    assert [claim["right"] for claim in record["claims"]] == [True, True, False]
    assert json.loads(explain("--json", "no.csv")[1])["error"]["status"] == 1


def test_why_shows_both_graphs_and_the_table(explain, tmp_path):
    status, out, err = explain("--why")
    assert (status, err) == (0, "")
    assert out.count("numbers agree with finite differences") == 2
    assert "✗ 2 times too long" in out
    assert explain("--why", "--out", "why.html")[0] == 0
    assert (tmp_path / "why.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_wrong_number_is_status_1(explain, monkeypatch):
    monkeypatch.setattr(build, "divisor_of", lambda batch, _: (batch.count + 1, 1))
    status, out, _ = explain()
    assert status == 1
    assert "✗" in out


def test_on_a_terminal_it_is_coloured_and_no_colour_is_respected(tmp_path):
    status, written = on_terminal("explain", cwd=tmp_path)
    assert status == 0
    assert b"\x1b[31m" in written
    assert b"\x1b[" not in on_terminal("explain", cwd=tmp_path, NO_COLOR="1")[1]


def test_a_pipe_gets_plain_text_and_an_old_encoding_ascii(tmp_path):
    assert "\x1b" not in xent_command("explain", cwd=tmp_path).stdout
    found = xent_command("explain", "--why", cwd=tmp_path, PYTHONIOENCODING="cp932")
    assert found.returncode == 0
    assert "-+-> /2 -> L" in found.stdout


def test_every_command_that_the_answer_names_works(explain):
    import shlex

    from xent.train.why_text import MORE

    for _, command in MORE:
        program, name, *args = shlex.split(command)
        assert program == "xent"
        if name == "explain":
            assert explain(*args)[0] == 0, command
