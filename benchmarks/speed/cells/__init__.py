"""The cells: every module here has a tuple CELLS. A new group of cells is a new file, and nothing else changes."""

from __future__ import annotations

import importlib
import pkgutil

from speed.cell import Cell


def all_cells() -> tuple[Cell, ...]:
    """The cells of every module, modules by name."""
    modules = sorted(found.name for found in pkgutil.iter_modules(__path__))
    return tuple(cell for name in modules for cell in importlib.import_module(f"{__name__}.{name}").CELLS)
