"""Columns to a file: CSV, or Parquet where pyarrow is installed."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from detkit import files
from detkit.errors import MissingExtraError, UsageError

__all__ = ["refuse_columns", "write_columns"]


def refuse_columns(target: str | Path) -> None:
    """Raise where no columns can be written to a target: before they are made.

    Parameters
    ----------
    target : path-like

    Raises
    ------
    UsageError
        Another suffix than .csv and .parquet.
    MissingExtraError
        Parquet without pyarrow.
    """
    suffix = Path(target).suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise UsageError(f"{target}: match tables are written as .csv or .parquet")
    if suffix == ".parquet" and find_spec("pyarrow") is None:
        raise MissingExtraError("pyarrow", "parquet")


def write_columns(columns: Mapping[str, Sequence[Any]], target: str | Path, *, overwrite: bool = False) -> None:
    """Write equally long columns as .csv or .parquet.

    Parameters
    ----------
    columns : mapping of str to sequence
        None is an empty cell or a null.
    target : path-like
    overwrite : bool

    Raises
    ------
    UsageError
        Another suffix.
    MissingExtraError
        Parquet without pyarrow.
    """
    target = Path(target)
    refuse_columns(target)
    if target.suffix.lower() == ".csv":
        with (
            files.atomic_file(target, overwrite=overwrite) as place,
            place.open("w", newline="", encoding="utf-8") as f,
        ):
            writer = csv.writer(f, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(zip(*columns.values(), strict=True))
        return
    import pyarrow
    import pyarrow.parquet

    with files.atomic_file(target, overwrite=overwrite) as place:
        pyarrow.parquet.write_table(pyarrow.table({k: list(v) for k, v in columns.items()}), place)
