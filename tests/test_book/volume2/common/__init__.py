"""The modules of volume 2 that its nets import: same names and calls, own code."""
