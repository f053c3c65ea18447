"""The definition: one row, one batch, one target, every option, every message. Standard library only."""
