"""`detkit warmup`: compile every kernel into the cache ahead of the first run."""

from __future__ import annotations

import time

from detkit.cli import _console

__all__ = ["warmup"]


def warmup() -> None:
    """Compile all kernels, so that the first evaluation does not wait for it (a CI image, a read-only install).

    Example: detkit warmup
    """
    from detkit import kernels

    started = time.perf_counter()
    with _console.working("compiling kernels"):
        compiled = kernels.warm_up()
    fresh = sum(compiled.values())
    _console.out(
        f"{len(compiled)} kernels ready in {time.perf_counter() - started:.1f} s "
        f"({fresh} compiled, {len(compiled) - fresh} from the cache)"
    )
    _console.status(f"cache: {kernels.cache_folder()}")
