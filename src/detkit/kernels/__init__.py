"""Numba kernels behind thin NumPy functions: overlaps, suppression, matching, accumulation.

Arrays in, arrays out; nothing here knows a dataset. Public functions validate, allocate and call; the compiled
functions are private, release the GIL and are cached on disk. Every array handed to a kernel is contiguous and
read-only unless the kernel writes to it, so that each kernel has one compiled signature.
"""

from __future__ import annotations

__all__ = ["are_kept", "cache_folder", "warm_up"]


def warm_up() -> dict[str, bool]:
    """Call every kernel once on tiny input, so that each is compiled and cached.

    Returns
    -------
    dict of str to bool
        Kernel name -> whether it had to be compiled (False: loaded from the cache).
    """
    from detkit.kernels._warm import warm_up as warm

    return warm()


def cache_folder() -> str:
    """Where compiled kernels are kept, or `nowhere` where no folder can be written."""
    from detkit.kernels._warm import cache_folder as folder

    return folder()


def are_kept() -> bool:
    """Whether a process before this one kept compiled kernels; without, the first calls take seconds."""
    from detkit.kernels import _store

    return _store.folder().is_dir()
