"""What a sweep shows: 80 columns, no best value where none is known, sound pages, safe text."""

import csv
import dataclasses
import io
import re

import pytest

from tests.pages import faults
from tests.test_sweep import records
from tests.test_sweep.records import BAD, RECORDS
from xent.core.errors import OptionError
from xent.train import sweep_text
from xent.train.sweep_record import Growth, Sums


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    for name, record in RECORDS.items():
        record().save(folder / f"{name}.html")
    return {name: folder / f"{name}.html" for name in RECORDS}


def test_the_answer_stands_first_and_where_to_go_on_last():
    lines = str(records.whole()).split("\n")
    assert re.match(
        "From batch size 1 to 16 the best learning rate doubles when the batch doubles; from (64|128) on it stays the "
        r"same\. Critical batch size: [56]\d \(seeds \d\d – \d\d\), to a loss of \S+\.",
        " ".join(lines[:3]),
    )
    assert lines[-3:] == [
        " runs/digits-sweep-1/   report.html   sweep.csv   sweep.json",
        " open    runs/digits-sweep-1/report.html",
        " again   xent sweep digits",
    ]


@pytest.mark.parametrize("name", ["whole", "edges", "nothing"])
def test_no_line_is_wider_than_80_columns(name):
    assert max(map(len, str(RECORDS[name]()).split("\n"))) <= 80


def test_a_line_of_the_table_says_what_was_found():
    lines = str(records.whole()).split("\n")
    (row,) = [line for line in lines if line.startswith("      4 ")][:1]
    assert re.fullmatch(r" +4 +\d+ +\d+ – \d+ +\d+ +1/2 +1/2", row)
    assert "  best lr as B^1.00 (seeds 1.00 – 1.00) below critical: B = 1 to 16" in lines


def test_what_lies_on_the_edge_is_called_so_and_not_best():
    text = str(records.edges())
    assert "edge 1/4" in text
    assert re.search(r"edge: \d+ best values in these tables lie at the lowest or the highest", text)
    assert text.startswith(
        "How the best learning rate moves with the batch size cannot be said: it takes 3\n"
        "batch sizes whose best learning rate is known, and there is 1."
    )
    assert "no critical batch size to a loss of" in " ".join(text.split())


def test_where_nothing_was_learned_that_is_the_answer():
    text = " ".join(str(records.nothing()).split())
    assert text.startswith("No loss was reached with every batch size, so batch sizes cannot be compared")


def test_exponents_keep_their_sign():
    assert sweep_text._signed(Growth(-0.5, -1.0, 0.0, 1, 2, "")) == "-0.50 (seeds -1.00 – 0.00)"
    assert sweep_text.moves(-0.5) == "falls as B^-0.50"


def test_the_table_has_a_line_for_each_point_of_the_grid():
    record = records.whole()
    rows = list(csv.DictReader(io.StringIO(sweep_text.csv(record))))
    assert len(rows) == len(record.cells)
    assert (rows[0]["reduction"], rows[0]["batch_size"], float(rows[0]["lr"])) == ("mean", "1", record.cells[0].lr)
    assert float(rows[5]["loss_after_20000_rows"]) == pytest.approx(record.cells[5].at_data.median, rel=1e-6)
    unreached = [cell.to_target[-1].median is None for cell in record.cells]
    assert [row[f"updates_to_{record.targets[-1]:g}"] == "" for row in rows] == unreached
    assert any(unreached)


@pytest.mark.parametrize("name", RECORDS)
def test_every_page_is_sound(pages, name):
    html = pages[name].read_text(encoding="utf-8")
    assert faults(html) == []
    assert len(html) < 600_000


def test_nothing_hostile_gets_into_a_page(pages):
    html = pages["hostile"].read_text(encoding="utf-8")
    assert "<script" not in html
    assert BAD not in html
    assert "&lt;script&gt;" in html
    assert "<script" not in records.hostile()._repr_html_()


def test_a_page_calls_nothing_best_that_lies_on_the_edge(pages):
    html = pages["edges"].read_text(encoding="utf-8")
    assert "<strong>edge </strong>1/4" in html
    assert "No critical batch size" in html


def test_it_is_saved_by_what_the_name_ends_in(tmp_path):
    record = records.edges()
    for name in ("a.json", "a.csv", "a.txt"):
        record.save(tmp_path / name)
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == f"{record}\n"
    with pytest.raises(OptionError, match=r"a\.pdf ends in \.pdf: it must end in \.html, \.json, \.csv or \.txt\.$"):
        record.save(tmp_path / "a.pdf")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_a_page_fits_and_asks_for_nothing(browser, pages, width, dark):
    for path in pages.values():
        with browser.open(path, width=width, dark=dark, script=False) as page:
            page.evaluate("document.querySelectorAll('details').forEach(fold => fold.open = true)")
            assert page.fits()
            assert page.requests == []
            assert page.errors == []


def test_what_a_page_says_of_sums_and_diagonals_is_what_was_found(tmp_path):
    record = dataclasses.replace(records.whole(), collapses_to=0.125)
    other = dataclasses.replace(record, sums=Sums(10, 2, 0.5), collapses_to=None)
    texts = []
    for each in (record, other):
        each.save(tmp_path / "a.html")
        texts.append(" ".join((tmp_path / "a.html").read_text(encoding="utf-8").split()))
    assert "such pairs of runs had the same losses to the last digit kept" in texts[0]
    assert "agree within 5 %" in texts[0]
    assert "A sum with lr did not take the steps of a mean with B·lr: of 10 such pairs of runs, 2 had" in texts[1]
    assert "Here they do not." in texts[1]
    assert "agree within 5 %" not in texts[1]
    assert "2 with the same losses to the last digit kept; elsewhere they differ by up to 0.5" in " ".join(
        str(other).split()
    )
