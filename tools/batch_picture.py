"""Draws docs/batch.svg: the graph of a batch of two rows, as `xent.explain` draws it."""

from inside import ROOT

X = [[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]
T = [2, 0]


def draw() -> str:
    """The picture, computed and checked."""
    import xent

    graph = xent.explain(X, T)
    if not graph.check():
        raise AssertionError(str(graph.report))
    return graph.to_svg()


if __name__ == "__main__":
    path = ROOT / "docs" / "batch.svg"
    path.write_text(draw(), encoding="utf-8")
    print(f"wrote {path.relative_to(ROOT)}")
