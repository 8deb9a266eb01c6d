"""Numba kernels behind thin NumPy functions: overlaps, suppression, matching, accumulation.

Arrays in, arrays out; nothing here knows a dataset. Public functions validate, allocate and call; the compiled
functions are private, release the GIL and are cached on disk. Every array handed to a kernel is contiguous and
read-only unless the kernel writes to it, so that each kernel has one compiled signature.
"""
