"""Computes and draws docs/batch.svg: the graph of a batch of two rows, forward in ink, backward in red.

Every number comes from xent; the picture is one file that follows the reader's light or dark setting.
"""

from inside import ROOT

X = [[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]
T = [2, 0]

STYLE = """
  text { font: 18px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #1f2328 }
  .word { font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif }
  .box { fill: #fff8ec; stroke: #b8772a; stroke-width: 1.4 }
  .op { fill: #e9f2fc; stroke: #3b74b5; stroke-width: 1.4 }
  .go { stroke: #57606a; stroke-width: 1.6; fill: none }
  .back { stroke: #c4162a; stroke-width: 1.6; fill: none; stroke-dasharray: 5 3 }
  .tip { fill: #57606a } .backtip { fill: #c4162a }
  .grad { fill: #c4162a }
  .small { font-size: 16px } .mid { text-anchor: middle } .end { text-anchor: end }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .box { fill: #2b2418; stroke: #d29a4a }
    .op { fill: #17253a; stroke: #6ea8e6 }
    .go { stroke: #9aa4af } .tip { fill: #9aa4af }
    .back { stroke: #ff8182 } .backtip { fill: #ff8182 } .grad { fill: #ff8182 }
  }
"""


def numbers(x: float, y: float, row: list[float], kind: str = "") -> str:
    """Numbers in columns, each right-aligned, with a true minus sign; whatever the reader's font, nothing collides."""
    columns = [
        f'<text x="{x + 84 * (c + 1)}" y="{y}" class="{kind} end">{f"{number:.4f}".replace("-", "−")}</text>'
        for c, number in enumerate(row)
    ]
    return "".join(columns)


def text(x: float, y: float, words: str, kind: str = "") -> str:
    """A line of text."""
    return f'<text x="{x}" y="{y}" class="{kind}" xml:space="preserve">{words}</text>'


def box(x: float, y: float, width: float, height: float, kind: str = "box") -> str:
    """A rounded rectangle."""
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="9" class="{kind}"/>'


def forward(path: str) -> str:
    """An arrow of the forward pass."""
    return f'<path d="{path}" class="go" marker-end="url(#tip)"/>'


def backward(path: str) -> str:
    """An arrow of the backward pass."""
    return f'<path d="{path}" class="back" marker-end="url(#backtip)"/>'


def draw() -> str:
    """The whole picture, computed."""
    import numpy as np

    import xent

    logits, targets = np.array(X), np.array(T)
    losses = xent.cross_entropy(logits, targets, reduction="none")
    loss, gradient = xent.value_and_grad(logits, targets)
    layer = xent.SoftmaxWithLoss()
    layer.forward(logits, targets)
    if layer.y is None:
        raise AssertionError("a forward leaves y")
    share = float(gradient[0, 2] / (layer.y[0, 2] - 1.0))  # what each row gets
    n = round(1.0 / share)

    parts = []
    for i, top in enumerate((46, 224)):
        go, back = top + 36, top + 66
        parts += [
            text(24, top - 14, f"row {i}, target {T[i]}", "word"),
            box(24, top, 312, 96),
            text(40, top + 40, "x"),
            numbers(68, top + 40, X[i]),
            text(40, top + 74, "∂x", "grad"),
            numbers(68, top + 74, gradient[i].tolist(), "grad"),
            forward(f"M336 {go} H444"),
            text(390, go - 10, "softmax", "word mid"),
            backward(f"M446 {back} H340"),
            text(390, back + 24, f"(y − t)/{n}", "grad word small mid"),
            box(446, top, 296, 96),
            text(462, top + 40, "y"),
            numbers(474, top + 40, layer.y[i].tolist()),
            text(462, top + 74, "t"),
            numbers(474, top + 74, [float(c == T[i]) for c in range(3)]),
            forward(f"M742 {go} H836"),
            text(788, go - 10, "−log y[t]", "word small mid"),
            backward(f"M838 {back} H746"),
            box(838, top, 140, 96),
            text(854, top + 40, "l"),
            numbers(878, top + 40, [losses[i]]),
            text(854, top + 74, "∂l", "grad"),
            numbers(878, top + 74, [share], "grad"),
        ]
    parts += [
        forward("M978 82 C 1030 84, 1030 150, 1058 164"),
        forward("M978 260 C 1030 262, 1030 216, 1058 202"),
        backward("M1070 146 C 1060 108, 1030 112, 982 112"),
        backward("M1070 220 C 1060 292, 1030 290, 982 290"),
        text(1060, 116, f"1/{n}", "grad"),
        text(1060, 272, f"1/{n}", "grad"),
        '<circle cx="1092" cy="183" r="38" class="op"/>',
        text(1092, 179, "mean", "word mid"),
        text(1092, 201, f"÷ {n}", "mid"),
        forward("M1130 174 H1172"),
        backward("M1174 194 H1134"),
        box(1174, 135, 140, 96),
        text(1190, 175, "L"),
        numbers(1214, 175, [float(loss)]),
        text(1190, 209, "∂L", "grad"),
        numbers(1214, 209, [1.0], "grad"),
        text(24, 366, f"→ forward: L is the mean of the rows' losses, so the last node divides by {n}.", "word"),
        text(
            24,
            394,
            f"← backward, dashed (∂: derivative of L): the same node hands 1/{n} to each row, so ∂x = (y − t)/{n}.",
            "word grad",
        ),
    ]
    marker = (
        '<marker id="{0}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 8 4 0 8z" class="{0}"/></marker>'
    )
    return "\n".join(
        [
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1338 414" role="img" aria-labelledby="title desc">',
            '<title id="title">Graph of a batch: two rows of nodes, one mean node, gradients in red</title>',
            (
                f'<desc id="desc">Logits {X}, targets {T}: losses {losses.round(4).tolist()}, their mean {loss:.4f}; '
                f"gradient by the logits {gradient.round(4).tolist()}, which is (softmax − one-hot)/{n}.</desc>"
            ),
            f"<style>{STYLE}</style>",
            f"<defs>{marker.format('tip')}{marker.format('backtip')}</defs>",
            *parts,
            "</svg>\n",
        ]
    )


if __name__ == "__main__":
    path = ROOT / "docs" / "batch.svg"
    path.write_text(draw(), encoding="utf-8")
    print(f"wrote {path.relative_to(ROOT)}")
