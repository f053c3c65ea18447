"""The softmax cross-entropy loss and its gradient, for Python."""

__version__ = "0.1.0"
