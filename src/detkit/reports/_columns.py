"""Columns to a file: CSV, or Parquet where pyarrow is installed."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from detkit import files
from detkit.errors import MissingExtraError, UsageError

__all__ = ["write_columns"]


def write_columns(columns: Mapping[str, Sequence[Any]], target: Path, *, overwrite: bool) -> None:
    """Write equally long columns; the suffix says how. None is an empty cell or a null."""
    suffix = target.suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise UsageError(f"{target}: match tables are written as .csv or .parquet")
    if suffix == ".csv":
        with (
            files.atomic_file(target, overwrite=overwrite) as place,
            place.open("w", newline="", encoding="utf-8") as f,
        ):
            writer = csv.writer(f, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(zip(*columns.values(), strict=True))
        return
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("pyarrow", "parquet") from None
    with files.atomic_file(target, overwrite=overwrite) as place:
        pyarrow.parquet.write_table(pyarrow.table({k: list(v) for k, v in columns.items()}), place)
