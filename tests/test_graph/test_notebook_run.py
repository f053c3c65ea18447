"""A real notebook: nbconvert executes it in a process of its own and exports what an untrusted reader sees."""

import json

from tests.test_graph.test_notebook import Sanitised


def test_a_real_notebook_runs_and_shows_it(tmp_path, monkeypatch):
    """nbconvert executes a notebook in a process of its own; what it stores and what it exports hold the picture."""
    import nbconvert
    import nbformat
    from nbconvert.preprocessors import ExecutePreprocessor

    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    code = "import xent\nxent.explain([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]], [2, 0])"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    ExecutePreprocessor(timeout=120, kernel_name="python3").preprocess(notebook, {"metadata": {"path": str(tmp_path)}})
    data = notebook.cells[0].outputs[0]["data"]
    assert set(data) >= {"text/plain", "text/html", "image/svg+xml"}
    assert "├" in data["text/plain"] or "┼" in data["text/plain"]
    assert Sanitised(data["text/html"]).dropped == []
    page, _ = nbconvert.HTMLExporter(sanitize_html=True).from_notebook_node(notebook)
    assert "data:image/svg+xml;base64," in page
    assert "-0.1674" in page
    assert len(json.dumps(notebook)) < 100_000
