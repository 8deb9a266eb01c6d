"""Split a dataset: stratified, by groups, in folds, or so that nothing ever moves."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from detkit import files
from detkit.api._group_files import earlier_splits, read_groups
from detkit.api.verbs import Changed, Written, read_source, write_changed
from detkit.errors import UsageError
from detkit.tables import Dataset

if TYPE_CHECKING:
    from detkit.transforms.split import GroupRule, Stratify

__all__ = ["GroupBy", "split"]

GroupBy = str | Path | Mapping[str, str | Sequence[str]]
_NAMES = {2: ("train", "val"), 3: ("train", "val", "test")}


def split(
    source: str | Path | Dataset,
    target: str | Path,
    ratios: str | Mapping[str, float] | None = None,
    *,
    folds: int | None = None,
    stratify: Stratify = "boxes",
    groups: Sequence[GroupBy] = (),
    seed: int = 0,
    stable: bool = False,
    keep: str | Path | Dataset | Mapping[str, Sequence[str]] | None = None,
    lists: Literal["names", "paths"] | None = None,
    fold_folders: bool = False,
    to: str | None = None,
    source_format: str = "auto",
    overwrite: bool = False,
    dry_run: bool = False,
    read_options: Mapping[str, Any] | None = None,
    write_options: Mapping[str, Any] | None = None,
) -> Written:
    """Split a dataset and write it.

    Parameters
    ----------
    source : path-like or Dataset
        Never changed.
    target : path-like
    ratios : str or mapping, optional
        `train=0.8,val=0.2`, or `0.7,0.2,0.1` for train, val and test; by default 0.8 and 0.2.
    folds : int, optional
        Instead of ratios: this many equal splits `fold0`, `fold1`, ...
    stratify : {"boxes", "images", "none"}
    groups : sequence of str, path-like or mapping
        Rules for images that stay together: a file (see `docs/how-to/split.md`), `folder`, `video`, `export-prefix`,
        `bytes`, `@NAME`, a regular expression on file names, or image -> group.
    seed : int
    stable : bool
        By hash: adding images moves none.
    keep : path-like, Dataset or mapping, optional
        An earlier split whose images stay where they are.
    lists : {"names", "paths"}, optional
        Write text lists of file names or of paths instead of a dataset.
    fold_folders : bool
        With `folds`: a dataset for each fold, with `train` and `val`.
    to, source_format, overwrite, dry_run, read_options, write_options
        See `detkit.api.verbs.change`.

    Returns
    -------
    Written
        Sizes, class shares and distances in `details`.

    Raises
    ------
    UsageError
        Ratios, groups or options that do not fit.
    InputError, OutputError
    """
    from detkit.transforms import split as transform

    if folds is None and fold_folders:
        raise UsageError("fold folders need --folds")
    wanted = _wanted(ratios, folds)
    dataset = read_source(source, [target], source_format, read_options)
    kept, gone = (None, []) if keep is None else earlier_splits(keep, dataset.images, list(wanted))
    change = transform.split(
        dataset,
        wanted,
        stratify=stratify,
        rules=[_rule(dataset, group) for group in groups],
        seed=seed,
        stable=stable,
        keep=kept,
    )
    details = {**change.details, "folds": folds}
    changed = Changed(change.dataset, change.losses, (*gone, *change.findings), details)
    if lists is not None:
        return _write_lists(changed, Path(target), lists, folds, overwrite, dry_run)
    options: dict[str, Any] = {"to": to, "like": dataset, "write_options": write_options}
    if fold_folders:
        return _write_folds(changed, Path(target), options, overwrite, dry_run)
    return write_changed("split", changed, target, overwrite=overwrite, dry_run=dry_run, **options)


def _wanted(ratios: str | Mapping[str, float] | None, folds: int | None) -> dict[str, float]:
    if folds is not None:
        if ratios is not None:
            raise UsageError("ratios and folds exclude each other", hint="folds are of equal size")
        if folds < 2:
            raise UsageError(f"folds: found {folds}, expected 2 or more")
        return {f"fold{number}": 1 / folds for number in range(folds)}
    if isinstance(ratios, Mapping):
        return dict(ratios)
    return _parsed(ratios or "train=0.8,val=0.2")


def _parsed(text: str) -> dict[str, float]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    names = _NAMES.get(len(parts), ()) if not any("=" in part for part in parts) else ()
    pairs = [f"{name}={part}" for name, part in zip(names, parts, strict=True)] if names else parts
    found: dict[str, float] = {}
    for pair in pairs:
        name, equals, number = pair.partition("=")
        name = name.strip()
        try:
            if not equals or not name or name in found:
                raise ValueError
            found[name] = float(number)
        except ValueError:
            raise UsageError(
                f"ratios: found `{text}`, expected `train=0.8,val=0.2`, or two or three numbers for train, val, test"
            ) from None
    return found


def _rule(dataset: Dataset, group: GroupBy) -> GroupRule:
    from detkit.transforms.split import group_rule

    if isinstance(group, Mapping):
        return group_rule(dataset, {k: [v] if isinstance(v, str) else list(v) for k, v in group.items()})
    if files.is_file(group):
        return group_rule(dataset, read_groups(Path(group)), str(group))
    return group_rule(dataset, str(group))


def _report(changed: Changed, target: Path, name: str) -> Written:
    count = len(changed.dataset.images), len(changed.dataset.annotations)
    findings = (*changed.dataset.findings, *changed.findings)
    return Written("split", str(target), name, *count, findings, changed.losses, changed.details)


def _write_lists(
    changed: Changed, target: Path, what: str, folds: int | None, overwrite: bool, dry_run: bool
) -> Written:
    from detkit.transforms.split import fold_splits

    dataset = changed.dataset
    if folds is None:
        texts = _texts(dataset, what)
    else:
        texts = {
            f"{fold}/{name}": text
            for fold in dataset.splits
            for name, text in _texts(fold_splits(dataset, fold), what).items()
        }
    report = _report(changed, target, "list")
    if dry_run:
        return report
    with files.atomic_folder(target, overwrite=overwrite) as place:
        for name, text in texts.items():
            (place / name).parent.mkdir(exist_ok=True)
            (place / f"{name}.txt").write_text(text, encoding="utf-8", newline="\n")
        _mark(place, report)
    return report


def _texts(dataset: Dataset, what: str) -> dict[str, str]:
    """Split -> its list, an image a line."""
    images = dataset.images

    def line(position: int) -> str:
        path = images.paths[position]
        name = str(Path(path).absolute()) if what == "paths" and path else images.file_names[position]
        return f"{name or images.ids[position]}\n"

    return {name: "".join(line(int(i)) for i in members) for name, members in dataset.splits.items()}


def _write_folds(changed: Changed, target: Path, options: Mapping[str, Any], overwrite: bool, dry_run: bool) -> Written:
    """A dataset for each fold, all of them or none; what a format loses is the same in each."""
    from detkit.transforms.split import fold_splits

    def write_into(folder: Path) -> Written:
        told = [
            write_changed("split", replace(changed, dataset=fold_splits(changed.dataset, fold)), folder / fold, **more)
            for fold in changed.dataset.splits
        ]
        return replace(told[0], target=str(target))

    more = {**options, "dry_run": dry_run}
    if dry_run:
        return write_into(target)
    with files.atomic_folder(target, overwrite=overwrite) as place:
        report = write_into(place)
        _mark(place, report)
    return report


def _mark(folder: Path, report: Written) -> None:
    """The report of the split, under the name that marks a folder of ours."""
    content = {**report.to_dict(), "target": Path(report.target).name}
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / files.FOLDER_MARK).write_text(text + "\n", encoding="utf-8", newline="\n")
