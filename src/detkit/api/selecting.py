"""Parts and other classes of a dataset: filter, remap, sample."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from detkit import config, files
from detkit.api._pair_file import read_pairs
from detkit.api.verbs import Changed, Written, change
from detkit.errors import InputError, UsageError
from detkit.tables import Dataset

if TYPE_CHECKING:
    from detkit.transforms.remap import Case, Coco

__all__ = ["filter", "remap", "sample"]


def filter(  # noqa: A001 - the name of the command; this room does not use the built-in
    source: str | Path | Dataset,
    target: str | Path,
    where: str | None = None,
    *,
    images_where: str | None = None,
    classes: Sequence[str] | None = None,
    drop_empty: bool = False,
    **options: Any,
) -> Written:
    """Write the part of a dataset that conditions leave.

    Parameters
    ----------
    source : path-like or Dataset
    target : path-like
    where, images_where : str, optional
        Conditions on boxes and on images, see `docs/how-to/merge-and-filter.md`.
    classes : sequence of str, optional
    drop_empty : bool
        Leave out images without boxes.
    **options
        See `detkit.api.verbs.change`.

    Returns
    -------
    Written

    Raises
    ------
    UsageError, InputError, OutputError
    """

    def do(dataset: Dataset) -> Changed:
        from detkit.transforms.filter import filter_dataset

        return _changed(
            filter_dataset(dataset, where=where, images_where=images_where, classes=classes, drop_empty=drop_empty)
        )

    return change("filter", source, target, do, **options)


def remap(
    source: str | Path | Dataset,
    target: str | Path,
    names: Mapping[str, str | None] | str | Path | None = None,
    *,
    drop: Sequence[str] = (),
    case: Case | None = None,
    coco: Coco | None = None,
    order: str | Sequence[str] = "source",
    **options: Any,
) -> Written:
    """Write a dataset with other classes.

    Parameters
    ----------
    source : path-like or Dataset
    target : path-like
    names : mapping, path-like or str, optional
        Old name (or id) -> new name or None; a JSON, YAML, TOML or two-column CSV file of that; or `old=new,old=new`.
    drop, case, coco, order
        See `detkit.transforms.remap.remap`.
    **options
        See `detkit.api.verbs.change`.

    Returns
    -------
    Written

    Raises
    ------
    UsageError, InputError, OutputError
    """
    mapping = names if names is None or isinstance(names, Mapping) else _mapping(names)

    def do(dataset: Dataset) -> Changed:
        from detkit.transforms import remap as transform

        return _changed(transform.remap(dataset, mapping, drop=drop, case=case, coco=coco, order=order))

    return change("remap", source, target, do, **options)


def sample(
    source: str | Path | Dataset,
    target: str | Path,
    count: int | None = None,
    *,
    share: float | None = None,
    per_class: int | None = None,
    stratify: Literal["boxes", "images", "none"] = "none",
    seed: int = 0,
    **options: Any,
) -> Written:
    """Write some of a dataset's images.

    Parameters
    ----------
    source : path-like or Dataset
    target : path-like
    count, share, per_class, stratify, seed
        See `detkit.transforms.sample.sample`.
    **options
        See `detkit.api.verbs.change`.

    Returns
    -------
    Written

    Raises
    ------
    UsageError, InputError, OutputError
    """

    def do(dataset: Dataset) -> Changed:
        from detkit.transforms import sample as transform

        return _changed(
            transform.sample(dataset, count, share=share, per_class=per_class, stratify=stratify, seed=seed)
        )

    return change("sample", source, target, do, **options)


def _changed(found: Any) -> Changed:
    return Changed(found.dataset, found.losses, found.findings, found.details)


def _mapping(given: str | Path) -> dict[str, str | None]:
    """Old class -> new one, from a file or from `old=new` pairs."""
    if not files.is_file(given):
        return _pairs(str(given))
    path = Path(given)
    if path.suffix.lower() == ".csv":
        return {old: new or None for old, new in read_pairs(path, "old and new name")}
    found: dict[str, str | None] = {}
    for name, value in config.load_config(path).items():
        if isinstance(value, dict | list | bool):
            raise InputError("expected old name -> new name", path=path, place=f"`{name}`")
        found[str(name)] = None if value is None else str(value)
    return found


def _pairs(text: str) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for part in next(csv.reader([text], skipinitialspace=True), []):
        old, equals, new = part.partition("=")
        if not equals or not old.strip():
            raise UsageError(
                f"map: found `{part}`, which is no file and no `old=new`", hint="such as --map car=vehicle,van=vehicle"
            )
        if old.strip() in found:
            raise UsageError(f"map: class `{old.strip()}` is named twice")
        found[old.strip()] = new.strip() or None
    return found
