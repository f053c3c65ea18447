"""A training loop of one's own: softmax regression on real digits, whole batches against micro-batches.

Run it: python examples/train_from_python.py   (it needs scikit-learn for the data: pip install "xent[cli]")
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import xent

images, digits = load_digits(return_X_y=True)
x, x_test, t, t_test = train_test_split(images / 16.0, digits, test_size=297, stratify=digits, random_state=0)


def train(micro_batches: int) -> np.ndarray:
    """Weights (65, 10) after 20 epochs of plain gradient descent in batches of 100, each cut into micro-batches."""
    rng = np.random.default_rng(0)
    inputs, weights = np.hstack([x, np.ones((len(x), 1))]), np.zeros((65, 10))
    for _ in range(20):
        order = rng.permutation(len(inputs))
        for start in range(0, len(order), 100):
            batch = order[start : start + 100]
            gradient = np.zeros_like(weights)
            for part in np.array_split(batch, micro_batches):
                # The denominator of the whole batch: then the parts simply add up.
                _, d_logits = xent.value_and_grad(inputs[part] @ weights, t[part], denominator=len(batch))
                gradient += inputs[part].T @ d_logits
            weights -= 1.0 * gradient
    return weights


weights, cut = train(1), train(3)
logits = np.hstack([x_test, np.ones((len(x_test), 1))]) @ weights
result = xent.cross_entropy(logits, t_test, returns=("accuracy",))
print(f"test: loss {result.loss:.3f}, accuracy {result.accuracy.mean():.3f} of {len(t_test)} digits")
difference = np.abs(weights - cut).max() / np.abs(weights).max()
print(f"three micro-batches instead of one: weights differ by {difference:.0e}")
assert result.accuracy.mean() > 0.9
assert difference < 1e-10
