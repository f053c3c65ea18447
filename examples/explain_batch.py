"""The graph of a batch: printed, checked, and with what others would divide by.

Run it: python examples/explain_batch.py
"""

import numpy as np

import xent

# Five tokens, the last one padding; the model is sure of the third and wrong about the second.
logits = np.array([[2.0, 0.5, -1.0], [1.5, 0.0, 0.3], [-2.0, 6.0, 0.0], [0.1, 0.2, 0.3], [0.0, 0.0, 0.0]])
targets = np.array([0, 1, 1, 2, -100])

graph = xent.explain(logits, targets, class_names=["red", "green", "blue"])
report = graph.check()  # every number once more, gradients by finite differences
print(graph.to_text(80))
assert report.ok

print()
print(graph.conventions())

# The same numbers as the functions give.
loss, grad = xent.value_and_grad(logits, targets)
drawn = [graph.drawing.nodes[f"x{i}"].gradient.rows[0] for i in range(5)]
assert abs(graph.loss - loss) < 1e-15
assert np.allclose(drawn, grad, rtol=1e-14)

# A net of one layer: four gradients flow into one W, the padded token sends none.
hidden = np.random.default_rng(0).normal(size=(5, 4))
weight = np.random.default_rng(1).normal(size=(3, 4))
net = xent.explain(hidden, targets, linear_weight=weight)
assert np.allclose(net.drawing.nodes["W"].gradient.rows, xent.value_and_grad(hidden @ weight.T, targets)[1].T @ hidden)
print("\n" + net.drawing.nodes["W"].backward)

# graph.save("batch.html") is the same with buttons; in a notebook `graph` alone shows the picture.
