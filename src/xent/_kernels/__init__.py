"""How the definition is computed fast: private, chosen by `select`."""
