"""A language model's last layer: the loss of every next character, without the table of characters × positions.

Run it: python examples/linear_loss.py
"""

import numpy as np

import xent

text = "the loss of the batch is the mean of the losses of its rows; " * 8
letters = sorted(set(text))
tokens = np.array([letters.index(c) for c in text]).reshape(4, -1)  # 4 sequences

# One vector a character (in a real model: a transformer's output), and the layer that turns it into logits.
rng = np.random.default_rng(0)
table, weight = rng.normal(0.0, 0.3, (len(letters), 32)), rng.normal(0.0, 0.3, (len(letters), 32))
bias = np.zeros(len(letters))

# shift=1: position i predicts the character at i + 1 of its own sequence; the tokens themselves are the targets.
for step in range(201):
    hidden = table[tokens]
    loss, (d_hidden, d_weight, d_bias) = xent.linear_value_and_grad(hidden, weight, tokens, linear_bias=bias, shift=1)
    if step % 50 == 0:
        print(f"step {step:3}: loss {loss:.4f} nats a character")
    d_table = np.zeros_like(table)
    np.add.at(d_table, tokens, d_hidden)
    table -= 2.0 * d_table
    weight -= 2.0 * d_weight
    bias -= 2.0 * d_bias
assert loss < 0.95  # as low as pairs of letters go; a guess costs log 17 = 2.8

# The same number from logits that are held: N×V numbers, which in a real model is most of the memory.
logits = hidden[:, :-1] @ weight.T + bias
again, _ = xent.linear_value_and_grad(hidden, weight, tokens, linear_bias=bias, shift=1)
print(f"with all logits: {xent.cross_entropy(logits, tokens[:, 1:]):.4f}, without: {again:.4f} after the last step")
