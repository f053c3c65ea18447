"""The engine that trains: model, optimisers, the mini-batch loop with its denominator, and what is kept on disk."""
