"""The loss for PyTorch."""
