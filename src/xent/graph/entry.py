"""`xent.explain`: what is to be drawn, from arrays, from a layer, or from a small network."""

from collections.abc import Sequence
from typing import Any

from xent.core import errors
from xent.core.spec import Denominator, Spec, check_whole, quotes_options
from xent.graph.build import View
from xent.graph.graph import Graph
from xent.graph.receive import receive

MOST_WORDS = "a whole number >= 1"


@quotes_options
def explain(  # noqa: D417 -- the options are described once, in core.spec
    logits: Any,  # noqa: ANN401 -- an array of any library, lists, a layer, a network
    targets: Any = None,  # noqa: ANN401 -- as logits
    /,
    *,
    weight: object = None,
    sample_weight: object = None,
    ignore_index: int | None = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
    denominator: Denominator | float | None = None,
    axis: int = -1,
    lse_square_scale: float = 0.0,
    softcap: float | None = None,
    logit_scale: float = 1.0,
    linear_weight: object = None,
    linear_bias: object = None,
    micro_batches: int | Sequence[int] | None = None,
    ranks: int | Sequence[int] | None = None,
    split_mean: bool = False,
    max_items: int = 8,
    max_classes: int = 8,
    class_names: Sequence[str] | None = None,
    title: str = "",
) -> Graph:
    """The computation graph of a batch: values forward, gradients backward, and what they are divided by.

    There is one copy of each activation for every item, one node for a parameter however many items use it, and one
    node for the mean, whose derivative 1/N is on every way back.

    Args:
        logits: (..., V) as the functions take them, lists, or arrays of any library that has `tolist`. Read. Instead of
            logits and targets: a layer of this package after its forward, whose options then hold; or a network of the
            book, with its last affine layer in front.
        targets: class indices, or probability rows of the logits' shape. Read.
        <options>
        linear_weight: (V, D) or None: a linear layer in front, x = W·h + b; `logits` are then its inputs h, (..., D).
            Read.
        linear_bias: (V,) or None: its bias. Read.
        micro_batches: the number of parts the batch is cut into, or their sizes: one sum each, then the one division.
        ranks: the same, called ranks.
        split_mean: draw the mean as two nodes, sum and division.
        max_items: how many items are drawn at most; the others are in every sum.
        max_classes: the same of the classes of an item, and of the inputs of a linear layer.
        class_names: a name for each class, or None. Shown beside the target.
        title: what the batch is called.

    Returns:
        xent.graph.Graph: print it, `save` it, show it in a notebook; `check`, `conventions`, `to_dict`.

    Raises:
        TargetError, ShapeError, KindError, OptionError: as the functions; StateError: a layer without a forward.

    Error:
        Every number is a float64 of the definition in plain Python; `check` derives each one again (tests/test_graph).

    Example:
        >>> graph = explain([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]], [2, 0])
        >>> print(round(graph.loss, 12))
        0.407605964444
    """
    given = {
        "weight": weight, "sample_weight": sample_weight, "ignore_index": ignore_index,
        "label_smoothing": label_smoothing, "reduction": reduction, "denominator": denominator, "axis": axis,
        "lse_square_scale": lse_square_scale, "softcap": softcap, "logit_scale": logit_scale,
        "linear_weight": linear_weight, "linear_bias": linear_bias,
    }  # fmt: skip
    if targets is None:
        logits, targets, given = _of_layer(logits, given)
    spec = Spec(
        ignore_index=given.pop("ignore_index"),  # type: ignore[arg-type]  # Spec checks it; so for those below
        label_smoothing=given.pop("label_smoothing"),  # type: ignore[arg-type]
        reduction=given.pop("reduction"),  # type: ignore[arg-type]
        axis=given.pop("axis"),  # type: ignore[arg-type]
        lse_square_scale=given.pop("lse_square_scale"),  # type: ignore[arg-type]
        softcap=given.pop("softcap"),  # type: ignore[arg-type]
        logit_scale=given.pop("logit_scale"),  # type: ignore[arg-type]
    )
    batch = receive(logits, targets, spec, **given)
    names = _names(class_names, batch.classes)
    if not isinstance(split_mean, bool):
        raise errors.bad_kind("split_mean", split_mean, "True or False")
    if not isinstance(title, str):
        raise errors.bad_kind("title", title, "text")
    items, classes = _most("max_items", max_items), _most("max_classes", max_classes)
    return Graph(batch, View(split_mean, micro_batches, ranks, items, classes, names, title))


def _most(name: str, came: object) -> int:
    """A whole number >= 1."""
    number = check_whole(name, came, MOST_WORDS)
    if number < 1:
        raise errors.bad_option(name, came, MOST_WORDS)
    return number


def _names(came: Sequence[str] | None, classes: int) -> tuple[str, ...]:
    """A name for every class, as text."""
    if came is None:
        return ()
    names = [came] if isinstance(came, str) else list(came)
    if isinstance(came, str) or len(names) != classes:
        raise errors.wrong_shape("class_names", (len(names),), (classes,), "one name a class")
    return tuple(map(str, names))


DEFAULTS: dict[str, object] = {
    "weight": None, "sample_weight": None, "ignore_index": -100, "label_smoothing": 0.0, "reduction": "mean",
    "denominator": None, "axis": -1, "lse_square_scale": 0.0, "softcap": None, "logit_scale": 1.0,
    "linear_weight": None, "linear_bias": None,
}  # fmt: skip


def _of_layer(came: Any, given: dict[str, object]) -> tuple[object, object, dict[str, object]]:  # noqa: ANN401 -- a layer or a network
    """Logits (or hidden rows), targets and options of a layer's last forward. KindError, OptionError, StateError."""
    layer, affine = _parts(came)
    if layer is None:
        if hasattr(came, "tolist") or isinstance(came, (list, tuple)):
            raise errors.KindError(
                "targets is missing: explain takes logits and targets.\n"
                "  Only a layer of this package knows its own: xent.explain(layer) after layer.forward(x, t)."
            )
        wanted = "logits and targets, a layer of this package, or a network that ends in one"
        raise errors.bad_kind("the first argument", came, wanted)
    for name, value in given.items():
        if value is not DEFAULTS[name] and (not isinstance(value, (int, float, str)) or value != DEFAULTS[name]):
            raise errors.OptionError(
                f"{name} is given beside a layer: the layer's own options hold.\n  Set layer.{name}."
            )
    logits, targets, options = layer._explained()  # noqa: SLF001 -- made for this
    options = {**given, **options}
    if affine is not None:
        weight, bias, hidden = affine
        _unchanged(weight, bias, hidden, logits)
        return hidden, targets, {**options, "linear_weight": weight.T, "linear_bias": bias}
    return logits, targets, options


def _parts(came: Any) -> tuple[Any, Any]:  # noqa: ANN401 -- as _of_layer
    """The loss layer, and (W, b, input) of the affine layer before it; None for what is not there."""
    if hasattr(came, "_explained"):
        return came, None
    for name in ("last_layer", "lastLayer", "loss_layer"):
        layer = getattr(came, name, None)
        if not hasattr(layer, "_explained"):
            continue
        layers = getattr(came, "layers", ())
        last = list(layers.values() if hasattr(layers, "values") else layers)[-1:]
        if last and getattr(last[0], "x", None) is not None:
            params = getattr(last[0], "params", None) or [getattr(last[0], "W", None), getattr(last[0], "b", None)]
            if len(params) == 2 and params[0] is not None:  # noqa: PLR2004 -- W and b
                return layer, (*params, last[0].x)
        return layer, None
    return None, None


def _unchanged(weight: Any, bias: Any, hidden: Any, logits: Any) -> None:  # noqa: ANN401 -- arrays
    """StateError where the parameters are no longer those of the forward."""
    again = hidden @ weight + bias
    if again.shape != logits.shape or abs(again - logits).max(initial=0.0) > 1e-4 * (
        1.0 + abs(logits).max(initial=0.0)
    ):
        raise errors.StateError(
            "the network's W and b have changed since its last forward, so they are not those of its loss.\n"
            "  Call its loss (or gradient) once more, then explain."
        )
