"""The layer of *Deep Learning from Scratch* in a small net, and the book's own gradient check, made 1000 × tighter.

Run it: python examples/book_layer.py
"""

import numpy as np

from xent.book import SoftmaxWithLoss

rng = np.random.default_rng(0)


class TwoLayerNet:
    """Affine, ReLU, affine, softmax with loss."""

    def __init__(self, inputs: int, hidden: int, classes: int) -> None:
        self.params = {
            "W1": 0.1 * rng.normal(size=(inputs, hidden)),
            "b1": np.zeros(hidden),
            "W2": 0.1 * rng.normal(size=(hidden, classes)),
            "b2": np.zeros(classes),
        }
        self.last_layer = SoftmaxWithLoss()

    def loss(self, x: np.ndarray, t: np.ndarray) -> float:
        """Mean loss of a batch."""
        self.x, self.hidden = x, np.maximum(x @ self.params["W1"] + self.params["b1"], 0.0)
        return self.last_layer.forward(self.hidden @ self.params["W2"] + self.params["b2"], t)

    def gradient(self, x: np.ndarray, t: np.ndarray) -> dict[str, np.ndarray]:
        """Derivative of the loss by every parameter; the division by N is in the layer, once for all of them."""
        self.loss(x, t)
        d_scores = self.last_layer.backward()
        d_hidden = d_scores @ self.params["W2"].T * (self.hidden > 0.0)
        return {
            "W1": x.T @ d_hidden,
            "b1": d_hidden.sum(axis=0),
            "W2": self.hidden.T @ d_scores,
            "b2": d_scores.sum(axis=0),
        }


def numerical_gradient(net: TwoLayerNet, parameter: np.ndarray, x: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Central differences, h = 1e-4 as in the book."""
    result = np.zeros_like(parameter)
    for place in np.ndindex(parameter.shape):
        kept = parameter[place]
        parameter[place] = kept + 1e-4
        up = net.loss(x, t)
        parameter[place] = kept - 1e-4
        down = net.loss(x, t)
        parameter[place] = kept
        result[place] = (up - down) / 2e-4
    return result


x, t = rng.normal(size=(8, 6)), np.eye(4)[rng.integers(0, 4, 8)]  # one-hot, as the book's data
net = TwoLayerNet(6, 10, 4)
for name, gradient in net.gradient(x, t).items():
    difference = np.abs(gradient - numerical_gradient(net, net.params[name], x, t)).mean()
    print(f"{name}  mean |backward - numerical| {difference:.1e}")
    assert difference < 1e-9

first = net.loss(x, t)
for _ in range(300):
    for name, gradient in net.gradient(x, t).items():
        net.params[name] -= 0.5 * gradient
last = net.loss(x, t)
print(f"loss {first:.4f} -> {last:.4f} in 300 steps, each divided by {net.last_layer.total.denominator:.0f} rows")
assert last < 0.1
