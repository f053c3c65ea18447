"""Wrong drawings on purpose: each is caught by `check`, and the number that is wrong is pointed at in every form."""

from dataclasses import replace

import pytest

import xent
from xent.core.batch import Total
from xent.core.item import item_of
from xent.graph import build, ends
from xent.graph.model import scalar, vector

X = [[1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [0.5, 0.0, -1.0], [1.0, 1.0, 0.0]]
T = [2, 0, -100, 1]
OPTIONS = {"weight": [1.0, 2.0, 0.5], "sample_weight": [1.0, 3.0, 1.0, 0.5]}


def wrong_divisor(patch):
    """Divided by all items, the ignored one too."""
    patch(build, "divisor_of", lambda batch, _: (batch.count, 1))


def divisor_without_sample_weights(patch):
    patch(
        build, "divisor_of", lambda batch, _: sum(batch.weight[t] for t in batch.targets if t >= 0).as_integer_ratio()
    )


def no_division_back(patch):
    """y − t: forward divides, backward does not."""
    patch(build.Builder, "share", lambda _, weight: weight)


def no_division_in_the_logits_gradient(patch):
    def item(batch_item):
        return replace(batch_item, gradient=tuple(g * 4.5 for g in batch_item.gradient))

    patch(build, "item_of", lambda *a: item(item_of(*a)))


def missing_sample_weight(patch):
    patch(build, "item_of", lambda xs, t, spec, w, _s: item_of(xs, t, spec, w, 1.0))


def missing_class_weight(patch):
    patch(build, "item_of", lambda xs, t, spec, _w, s: item_of(xs, t, spec, None, s))


def ignored_item_counted(patch):
    patch(build, "item_of", lambda xs, t, spec, w, s: item_of(xs, max(t, 0), spec, w, s))


def p_instead_of_p_minus_t(patch):
    def item(found):
        return replace(found, gradient=tuple(found.probabilities))

    patch(build, "item_of", lambda *a: item(item_of(*a)))


def wrong_target(patch):
    patch(build, "item_of", lambda xs, t, spec, w, s: item_of(xs, t if t < 0 else (t + 1) % 3, spec, w, s))


def sum_loses_an_item(patch):
    real = build.Builder._totals

    def totals(self, drawn):
        return [each + Total.of_row(-0.125, 1.0, 1.0, 0.0, 1e-300) for each in real(self, drawn)]

    patch(build.Builder, "_totals", totals)


def log2_instead_of_log(patch):
    patch(build, "item_of", lambda *a: replace(item_of(*a), loss=item_of(*a).loss / 0.6931471805599453))


def softmax_over_the_wrong_thing(patch):
    def item(found):
        return replace(found, probabilities=tuple(p / 2 for p in found.probabilities))

    patch(build, "item_of", lambda *a: item(item_of(*a)))


def l_is_not_what_flowed_in(patch):
    real = ends._collect

    def collect(builder, into):
        real(builder, into)
        builder.edges[-1] = replace(builder.edges[-1], gradient=scalar(1.0), factor="1")

    patch(ends, "_collect", collect)


MUTANTS = [
    wrong_divisor,
    divisor_without_sample_weights,
    no_division_back,
    no_division_in_the_logits_gradient,
    missing_sample_weight,
    missing_class_weight,
    ignored_item_counted,
    p_instead_of_p_minus_t,
    wrong_target,
    sum_loses_an_item,
    log2_instead_of_log,
    softmax_over_the_wrong_thing,
    l_is_not_what_flowed_in,
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
@pytest.mark.parametrize("form", [{}, {"split_mean": True}, {"micro_batches": 2}], ids=["mean", "split", "parts"])
def test_a_wrong_number_is_caught_and_pointed_at(mutant, form, monkeypatch):
    assert xent.explain(X, T, **OPTIONS, **form).check().ok
    mutant(monkeypatch.setattr)
    graph = xent.explain(X, T, **OPTIONS, **form)
    report = graph.check()

    assert not report.ok
    assert not report
    assert "numbers are wrong" in str(report)
    assert str(report.wrong[0]) in str(report)
    for drawn in (graph.to_text(80), graph.to_text(50), graph.to_svg(), graph.to_html()):
        assert "✗" in drawn
    assert graph.to_dict()["check"]["ok"] is False


def test_each_number_of_a_drawing_is_compared(monkeypatch):
    """Spoil one entry after the other: each is found, at its place."""
    graph = xent.explain(X, T, **OPTIONS, split_mean=True)
    drawing = graph.drawing
    for name, node in drawing.nodes.items():
        for what in ("value", "gradient"):
            numbers = getattr(node, what)
            spoilt = tuple(v + 0.25 for v in numbers.rows[0])
            wrong = scalar(spoilt[0]) if numbers.shape == (1, 1) else vector(spoilt, numbers.places)
            graph._drawing = replace(drawing, nodes={**drawing.nodes, name: replace(node, **{what: wrong})}, into={})
            report = graph.check()
            assert {(w.name, w.what) for w in report.wrong} == {(name, what)}
            assert len(report.wrong) == len(spoilt)
    for at, edge in enumerate(drawing.edges):
        spoilt = replace(edge, gradient=vector([v - 0.5 for v in edge.gradient.rows[0]], edge.gradient.places))
        graph._drawing = replace(drawing, edges=(*drawing.edges[:at], spoilt, *drawing.edges[at + 1 :]), into={})
        assert {(w.name, w.target) for w in graph.check().wrong} == {(edge.source, edge.target)}
        assert "✗" in graph.to_svg()


def test_a_fraction_that_is_written_wrongly_is_found():
    graph = xent.explain(X, T, **OPTIONS)
    edge = next(e for e in graph.drawing.edges if e.factor == "2/4.5" or e.factor.startswith("1/"))
    others = [e for e in graph.drawing.edges if e is not edge]
    graph._drawing = replace(graph.drawing, edges=(replace(edge, factor="1/7"), *others), into={})
    assert [w.what for w in graph.check().wrong] == ["factor"]
