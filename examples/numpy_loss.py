"""The loss on NumPy arrays: value, gradient, and totals that add up however the batch is cut.

Run it: python examples/numpy_loss.py
"""

import numpy as np

import xent

rng = np.random.default_rng(0)
logits, targets = rng.normal(0.0, 3.0, (12, 5)), rng.integers(0, 5, 12)

# Value and gradient: (softmax - onehot) / N, because the loss is the mean of N rows.
loss, grad = xent.value_and_grad(logits, targets)
print(f"loss of 12 rows {loss:.6f}, gradient {grad.shape}")

# The same batch in two micro-batches of 10 and 2 rows. The mean of their means is another number ...
parts = slice(0, 10), slice(10, 12)
means = [xent.cross_entropy(logits[part], targets[part]) for part in parts]
print(f"mean of means   {np.mean(means):.6f}, which is wrong")

# ... but totals are exact sums: they add up to the bit, in any order, and are divided once.
totals = [xent.total(logits[part], targets[part]) for part in parts]
print(f"sum of totals   {sum(totals).loss:.6f}, {sum(totals)}")
assert sum(totals).loss == sum(reversed(totals)).loss == loss

# Gradients of micro-batches need the denominator of the whole.
pieces = [xent.value_and_grad(logits[part], targets[part], denominator=12)[1] for part in parts]
assert np.array_equal(np.concatenate(pieces), grad)
print("gradients of the micro-batches: the same bits as those of the whole")

# A confident row: others return 0 here, and a gradient of 0.
loss, grad = xent.value_and_grad(np.array([[40.0, 0.0]]), [0])
print(f"a row won by a margin of 40: loss {loss:.4e}, gradient {grad[0, 0]:.4e} at the target")
assert loss > 0.0 > grad[0, 0]
