"""The loss behind a last linear layer: checks, how the work is cut, and the two ways of doing it."""
