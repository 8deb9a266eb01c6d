"""Check a dataset: findings with codes, compared with a baseline; and a copy in which faults are mended."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from detkit import checks
from detkit.api._check_result import CheckResult, CheckSettings, only_new, read_baseline
from detkit.api.tables import read
from detkit.api.undoing import Undone, replace_with_bundle, undo
from detkit.api.verbs import Changed, Written, read_source, write_changed
from detkit.caches import cache_folder
from detkit.checks import Context, Headers
from detkit.config import find_config, load_config, section
from detkit.errors import InputError, OutputError, UsageError
from detkit.findings import CODES, Finding, Loss
from detkit.tables import Dataset, Detections

__all__ = [
    "CheckResult",
    "CheckSettings",
    "Mending",
    "Undone",
    "check",
    "check_settings",
    "mend",
    "mend_in_place",
    "undo",
]

#: Rows with these findings were left out by the reader: a copy does not have them.
_LOST = {
    "DK101": "unreadable files",
    "DK102": "unusable rows",
    "DK104": "rows without an image",
    "DK105": "rows without a class",
    "DK301": "rows of an unknown class",
}


@dataclass(frozen=True)
class Mending:
    """What a mended copy changed, and what is still found in it.

    Parameters
    ----------
    before : CheckResult
    changes : tuple of checks.Change
        For each fix the code and what it changed.
    written : Written
        The copy; its losses are what the reader left out and what the format cannot hold.
    after : CheckResult or None
        Of the copy; None for a dry run.
    bundle : str, optional
        Where the source was mended in place: what `undo` takes to put the old files back. None where nothing changed.
    files : tuple of str
        Where the source was mended in place: the files that changed.
    """

    before: CheckResult
    changes: tuple[checks.Change, ...]
    written: Written
    after: CheckResult | None
    bundle: str | None = None
    files: tuple[str, ...] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, schema `detkit.check/1` with `fix`."""
        changes = [{"code": c.code, "name": CODES[c.code][1], **c.loss.to_dict()} for c in self.changes]
        fixed = {
            "target": self.written.target,
            "format": self.written.format,
            "images": self.written.images,
            "boxes": self.written.boxes,
            "changes": changes,
            "losses": [loss.to_dict() for loss in self.written.losses],
            "left": None if self.after is None else self.after.counts(),
        }
        if self.files is not None:
            fixed |= {"in_place": True, "files": list(self.files), "undo": self.bundle}
        return {**self.before.to_dict(), "fix": fixed}


def check(
    source: str | Path | Dataset,
    settings: CheckSettings | None = None,
    *,
    format: str = "auto",
    predictions: str | Path | Detections | None = None,
    predictions_format: str = "auto",
    baseline: str | Path | Mapping[str, Any] | None = None,
    **read_options: Any,
) -> CheckResult:
    """Check a labelled dataset.

    Parameters
    ----------
    source : path-like or Dataset
    settings : CheckSettings, optional
    format : str
    predictions : path-like or Detections, optional
        Of a good model, to name labels that are likely wrong.
    predictions_format : str
    baseline : path-like or mapping, optional
        An earlier result (`detkit.check/1`): only what is new is kept.
    **read_options
        Fields of `ReadOptions`. Unknown fields are not read: no check looks at them.

    Returns
    -------
    CheckResult
        A source that is there and cannot be read is a result, too: with `DK101`, and `is_readable` false.

    Raises
    ------
    InputError
        No such source.
    UsageError
        A selection that fits no code, or a baseline that lists only a part of its findings.

    Examples
    --------
    >>> detkit.check("data.yaml").counts()  # doctest: +SKIP
    {'DK203': 4, 'DK501': 1}
    """
    settings = settings or CheckSettings()
    chosen = checks.select(settings.select, settings.ignore)
    _known_severities(settings.severity)
    known = None if baseline is None else read_baseline(baseline)
    wanted = {"with_extra": False, "find_images": True, **read_options}
    try:
        dataset = source if isinstance(source, Dataset) else read(source, format=format, **wanted)
    except InputError as error:
        if isinstance(source, Dataset) or not Path(source).exists() or _is_about_options(error, source):
            raise
        return _unreadable(error, str(source), format, settings)
    suspects = None
    if predictions is not None:
        suspects = _suspects(dataset, predictions, predictions_format)
    context = _context(dataset, settings, one_split=read_options.get("split") is not None, limited=known is None)
    context.suspects = suspects
    result = _result(dataset, tuple(checks.run(dataset, context, chosen)), settings)
    return result if known is None else only_new(result, known)


def mend(
    source: str | Path | Dataset,
    target: str | Path,
    settings: CheckSettings | None = None,
    *,
    unsafe: bool = False,
    to: str | None = None,
    format: str = "auto",
    overwrite: bool = False,
    dry_run: bool = False,
    read_options: Mapping[str, Any] | None = None,
    write_options: Mapping[str, Any] | None = None,
) -> Mending:
    """Write a copy of a dataset in which faults are mended; the source is never changed.

    Parameters
    ----------
    source : path-like or Dataset
    target : path-like
    settings : CheckSettings, optional
        Only selected codes are mended.
    unsafe : bool
        Apply fixes, too, that may take away or change what somebody meant.
    to : str, optional
        Target format; by default told by the target's suffix, else the source's.
    format : str
    overwrite, dry_run : bool
    read_options, write_options : mapping, optional
        Fields of `ReadOptions` and `WriteOptions`.

    Returns
    -------
    Mending

    Raises
    ------
    InputError, OutputError, UsageError
    """
    settings = settings or CheckSettings()
    chosen = checks.select(settings.select, settings.ignore)
    options = dict(read_options or {})
    dataset = read_source(source, [target], format, options)
    context = _context(dataset, settings, one_split=options.get("split") is not None)
    before = _result(dataset, tuple(checks.run(dataset, context, chosen)), settings)
    mended = checks.mend(dataset, context, chosen, unsafe=unsafe)
    changed = Changed(mended.dataset, tuple(_left_out(dataset)))
    written = write_changed(
        "check", changed, target, to=to, like=dataset, overwrite=overwrite, dry_run=dry_run, write_options=write_options
    )
    after = None
    if not dry_run:
        after = _of_the_copy(target, settings, written.format, options, dataset)
    return Mending(before, mended.changes, written, after)


def mend_in_place(
    source: str | Path,
    settings: CheckSettings | None = None,
    *,
    unsafe: bool = False,
    format: str = "auto",
    dry_run: bool = False,
    read_options: Mapping[str, Any] | None = None,
) -> Mending:
    """Mend a dataset where it is; an undo bundle with the original files is written beside it first.

    Only the records, lines or objects that a fix changes are written anew: rows that the reader leaves out, unknown
    fields and the layout of the file stay as they are.

    Parameters
    ----------
    source : path-like
        A COCO file, a VOC folder or a YOLO set.
    settings : CheckSettings, optional
        Only selected codes are mended.
    unsafe : bool
        Apply fixes, too, that may take away or change what somebody meant.
    format : str
    dry_run : bool
        Everything but writing.
    read_options : mapping, optional
        Fields of `ReadOptions`.

    Returns
    -------
    Mending
        Its `bundle` is what `undo` takes.

    Raises
    ------
    InputError, OutputError
    UsageError
        A format, or a change, that cannot be written without touching anything else.
    """
    settings = settings or CheckSettings()
    chosen = checks.select(settings.select, settings.ignore)
    options = dict(read_options or {})
    dataset = read(source, format=format, **options)
    context = _context(dataset, settings, one_split=options.get("split") is not None)
    before = _result(dataset, tuple(checks.run(dataset, context, chosen)), settings)
    mended = checks.mend(dataset, context, chosen, unsafe=unsafe)
    edits = checks.edits(dataset, mended.dataset, context, voc_offset=options.get("voc_offset", 1))
    counts = len(mended.dataset.images), len(mended.dataset.annotations)
    written = Written("check", str(source), before.format, *counts, dataset.findings, (), {})
    files = tuple(edit.path for edit in edits)
    if dry_run:
        return Mending(before, mended.changes, written, None, None, files)
    bundle = None
    if edits:
        bundle = str(replace_with_bundle(source, [(edit.path, edit.content) for edit in edits]))
        _refuse_other(read(source, format=before.format, **options), mended.dataset, bundle)
    after = check(source, settings, format=before.format, **options)
    return Mending(before, mended.changes, written, after, bundle, files)


def check_settings(start: str | Path | None = None, **given: Any) -> CheckSettings:
    """Settings from the nearest `detkit.toml` or `pyproject.toml`, section `check`, under those that are given.

    Parameters
    ----------
    start : path-like, optional
        Where to look from; by default the working folder.
    **given
        Fields of `CheckSettings`; None leaves what the file says.

    Returns
    -------
    CheckSettings

    Raises
    ------
    InputError
        A setting that does not exist, or of another type.
    """
    path = find_config(start or Path.cwd())
    stated = {} if path is None else section(load_config(path), path, "check")
    known: dict[str, type] = {"select": list, "ignore": list, "severity": dict}
    for name, value in stated.items():
        if name not in known:
            raise InputError(f"`{name}` is no setting; known: {', '.join(known)}", path=path, place="check")
        parts = value if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else [value]
        if not (isinstance(value, known[name]) and set(map(type, parts)) <= {str}):
            kind = "a list of texts" if known[name] is list else "a table of code = severity"
            raise InputError(f"found {value!r}, expected {kind}", path=path, place=f"check.{name}")
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in stated.items()}
    values |= {name: value for name, value in given.items() if value is not None}
    return CheckSettings(**values)


def _context(dataset: Dataset, settings: CheckSettings, *, one_split: bool, limited: bool = True) -> Context:
    return Context(
        dataset,
        fixable=frozenset(code for code, known in checks.codes().items() if known.fix == "safe"),
        limit=settings.limit if limited else None,
        jobs=settings.jobs,
        decode=settings.decode,
        one_split=one_split,
        headers=Headers(cache_folder() if settings.cache else None),
    )


def _result(dataset: Dataset, findings: tuple[Finding, ...], settings: CheckSettings) -> CheckResult:
    source = dataset.source
    path, name = (source.path, source.format) if source else ("", "")
    return CheckResult(path, name, len(dataset.images), len(dataset.annotations), findings, settings)


def _unreadable(error: InputError, path: str, format: str, settings: CheckSettings) -> CheckResult:
    text = str(error).removeprefix(f"{path}: ")
    return CheckResult(path, format, None, None, (Finding("DK101", text, file=error.path or path),), settings)


def _is_about_options(error: InputError, source: str | Path) -> bool:
    """Whether another path than the source's is at fault, such as the folder of images."""
    if error.path is None:
        return False
    here, there = Path(source).absolute(), Path(error.path).absolute()
    return not (there == here or here in there.parents or there in here.parents)


def _suspects(dataset: Dataset, predictions: str | Path | Detections, format: str) -> Any:
    from detkit.api.scoring import evaluate
    from detkit.evaluation import analyses

    result = evaluate(
        dataset, predictions, with_partners=True, predictions_format=format, drop_invalid=True, unmapped="ignore"
    )
    return analyses.analyse("suspects", result)


def _left_out(dataset: Dataset) -> list[Loss]:
    """What reading left out, so that the copy is without it."""
    losses = []
    for code, what in _LOST.items():
        found = [f for f in dataset.findings if f.code == code]
        if found:
            places = tuple(f.where for f in found[:3] if f.where)
            losses.append(Loss(f"{what} ({code})", "left out", sum(f.count for f in found), places))
    return losses


def _of_the_copy(
    target: str | Path, settings: CheckSettings, format: str, options: Mapping[str, Any], dataset: Dataset
) -> CheckResult:
    """What is found in the copy; where it has no images of its own, with those of the source."""
    own = check(target, settings, format=format)
    folders = {os.path.dirname(path) for path in dataset.images.paths if path is not None}  # noqa: PTH120
    given = options.get("images_dir") or (os.path.commonpath(folders) if folders else None)
    if given is None or "DK112" not in own.counts():
        return own
    return check(target, settings, format=format, images_dir=Path(given))


def _refuse_other(found: Dataset, meant: Dataset, bundle: str) -> None:
    """Put everything back where the files, read again, do not say what they were meant to say."""
    a, b = found.annotations, meant.annotations
    alike = len(a) == len(b) and np.array_equal(a.image_index, b.image_index)
    alike = alike and np.array_equal(a.category_index, b.category_index)
    if alike and np.allclose(a.xywh, b.xywh, rtol=1e-6, atol=1e-3, equal_nan=True):
        return
    undo(bundle)
    Path(bundle).unlink(missing_ok=True)
    raise OutputError("the mended files would not read as meant: they are as before", hint="write a copy with `-o`")


def _known_severities(stated: Mapping[str, str]) -> None:
    for code, level in stated.items():
        checks.select((code,), None)
        if level not in ("error", "warning", "info"):
            raise UsageError(f"severity of {code}: found `{level}`, expected error, warning or info")
