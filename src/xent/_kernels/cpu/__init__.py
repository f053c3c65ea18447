"""Kernels for the CPU, compiled by Numba from their own text and from that of `xent.core`."""
