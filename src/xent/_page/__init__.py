"""One HTML page for everything that is shown in a browser. Standard library only."""
