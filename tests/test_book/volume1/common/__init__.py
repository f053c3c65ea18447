"""The modules of volume 1 that its nets import: same names and calls, own code."""
