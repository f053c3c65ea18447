"""Batches with every option, as arguments of `xent.explain`; and the fields of a drawing to spoil."""

from hypothesis import strategies as st

logit = st.one_of(
    st.floats(-8, 8), st.sampled_from([0.0, 1.0, -1.0, 30.0, -40.0, 700.0, -1e3, 5e-324, 1e-9]), st.floats(-1e3, 1e3)
)
small = st.floats(-3, 3)
weight = st.one_of(st.sampled_from([0.0, 1.0, 2.0, 0.5]), st.floats(1e-3, 1e3))


@st.composite
def batches(draw, *, most=6, classes=6):  # noqa: C901 -- one line an option
    """(logits, targets, options): ignored rows, weights, smoothing, probabilities, caps, parts, a layer in front."""
    n, v = draw(st.integers(1, most)), draw(st.integers(1, classes))
    options = {"reduction": draw(st.sampled_from(["mean", "mean", "mean", "sum", "none"]))}
    linear = draw(st.integers(0, 4)) == 0
    width = draw(st.integers(1, 4)) if linear else v
    entry = small if linear else logit
    logits = draw(st.lists(st.lists(entry, min_size=width, max_size=width), min_size=n, max_size=n))
    if linear:
        options["linear_weight"] = draw(
            st.lists(st.lists(small, min_size=width, max_size=width), min_size=v, max_size=v)
        )
        if draw(st.booleans()):
            options["linear_bias"] = draw(st.lists(small, min_size=v, max_size=v))
    if draw(st.integers(0, 2)) == 0:
        probability = st.one_of(st.just(0.0), st.floats(0.01, 1.0))
        targets = draw(st.lists(st.lists(probability, min_size=v, max_size=v), min_size=n, max_size=n))
    else:
        targets = draw(st.lists(st.sampled_from([*range(v), -100]), min_size=n, max_size=n))
    if draw(st.booleans()):
        options["weight"] = draw(st.lists(weight, min_size=v, max_size=v))
    if draw(st.booleans()):
        options["sample_weight"] = draw(st.lists(weight, min_size=n, max_size=n))
    if draw(st.integers(0, 2)) == 0:
        options["label_smoothing"] = draw(st.sampled_from([0.1, 0.5, 1.0]))
    if draw(st.integers(0, 3)) == 0:
        options["softcap"] = draw(st.sampled_from([0.5, 5.0, 30.0]))
    if draw(st.integers(0, 3)) == 0:
        options["logit_scale"] = draw(st.sampled_from([0.25, 0.3, 2.0]))
    if draw(st.integers(0, 3)) == 0:
        options["lse_square_scale"] = draw(st.sampled_from([1e-4, 0.1]))
    if options["reduction"] == "mean" and draw(st.booleans()):
        options["denominator"] = draw(st.sampled_from(["weights", "items", "batch", 7, 2.5]))
    cut = draw(st.integers(0, 3))
    if cut < 2:
        options[("micro_batches", "ranks")[cut]] = draw(st.integers(1, n))
    options["split_mean"] = draw(st.booleans())
    options["max_items"] = draw(st.sampled_from([1, 3, 8]))
    options["max_classes"] = draw(st.sampled_from([2, 8]))
    return logits, targets, options
