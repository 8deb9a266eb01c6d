"""Distributions that plug something into detkit, planted on the search path."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from detkit import distributions, registry

__all__ = ["describe", "plugged_in"]


def describe(folder: Path, group: str, name: str, value: str) -> None:
    """Make a folder on the search path say that a distribution with one entry point is installed there."""
    info = folder / "example-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: example\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {value}\n", encoding="utf-8")


@contextmanager
def plugged_in(folder: Path, group: str, name: str, value: str) -> Iterator[None]:
    """Within the block this process sees such a distribution."""
    describe(folder, group, name, value)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        _forget()
        yield
    _forget()


def _forget() -> None:
    for cached in (registry.names, registry.load, distributions.may_plug_in):
        cached.cache_clear()
