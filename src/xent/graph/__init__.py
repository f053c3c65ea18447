"""The computation graph of a batch, with every number on it: `xent.explain`."""

from xent.graph.conventions import Convention, Conventions
from xent.graph.entry import explain
from xent.graph.graph import Graph
from xent.graph.report import Check, Wrong

__all__ = ["Check", "Convention", "Conventions", "Graph", "Wrong", "explain"]
