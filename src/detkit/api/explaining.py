"""Say what moved a judged metric against the baseline, from two results and, where saved, their matches."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from detkit import files
from detkit.api.gating import plain_result
from detkit.errors import InputError

if TYPE_CHECKING:
    from detkit.evaluation.gate import GateReport
    from detkit.evaluation.result import Evaluation

__all__ = ["explain_verdict", "find_matches", "load_matches"]


def explain_verdict(
    verdict: GateReport,
    result: Evaluation | Mapping[str, Any],
    baseline: Evaluation | Mapping[str, Any],
    *,
    paths: tuple[Path | None, Path | None] = (None, None),
) -> dict[str, Any]:
    """What moved the metrics that a verdict speaks of.

    Parameters
    ----------
    verdict : GateReport
        Of this one result.
    result, baseline : Evaluation or mapping
        Of the same truth; an evaluation brings its matches along, a mapping names the file they were saved to.
    paths : (Path or None, Path or None)
        Where the two were read from: saved matches are looked for beside them too.

    Returns
    -------
    dict
        Schema `detkit.explanation/1`: `metrics`, one entry a statistic; `images`, None without matches; `notes`.

    Raises
    ------
    CannotJudgeError
        The results hold no values per class.
    """
    from detkit.evaluation.explanation import explain, statistics_of

    if verdict.problems:
        return _content([], None, ["the two results cannot be compared: see the verdict"])
    now, before = plain_result(result), plain_result(baseline)
    notes: list[str] = []
    matches = _matches_of(result, paths[0], "the result", notes)
    old_matches = _matches_of(baseline, paths[1], "the baseline", notes)
    names = statistics_of(verdict.to_dict()["rules"], now)
    found = [explain(now, before, name, matches=matches, baseline_matches=old_matches).to_dict() for name in names]
    images = found[0]["images"] if found and found[0]["images"]["iou"] is not None else None
    notes += dict.fromkeys(note for one in found for note in one["notes"])
    return _content([{k: v for k, v in one.items() if k not in ("images", "notes")} for one in found], images, notes)


def find_matches(result: Mapping[str, Any], path: Path | None = None) -> Path | None:
    """Where the matches of a result lie, as the result names them or beside the file it was read from.

    Parameters
    ----------
    result : mapping
    path : Path, optional
        The result's own file.

    Returns
    -------
    Path or None
        None where none were saved; the named path where no file is found.
    """
    named = result.get("matches")
    if not isinstance(named, Mapping) or not isinstance(named.get("path"), str):
        return None
    place = Path(named["path"])
    beside = [] if path is None else [path.parent / place, path.parent / place.name]
    return next((p for p in (place, *beside) if p.is_file()), place)


def load_matches(path: Path, sha256: str | None = None) -> dict[str, NDArray[Any]]:
    """Saved matches as arrays by name.

    Parameters
    ----------
    path : Path
        Written by `detkit eval --save-matches`.
    sha256 : str, optional
        What the result says of the file.

    Returns
    -------
    dict of str to array

    Raises
    ------
    InputError
        Not there, another file than the result speaks of, or no matches.
    """
    if not path.is_file():
        raise InputError("no such file: the saved matches are missing", path=path)
    if sha256 is not None and files.sha256_of([path]) != sha256:
        raise InputError("is not the file that the result speaks of: its SHA-256 differs", path=path)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise InputError(f"not saved matches: {error}", path=path) from error


def _matches_of(result: Any, path: Path | None, whose: str, notes: list[str]) -> dict[str, NDArray[Any]] | None:
    """The matches, None with a note where there are none: classes are explained without them."""
    if hasattr(result, "scored"):
        from detkit.evaluation.matches import compact

        return compact(result)
    place = find_matches(result, path)
    if place is None:
        notes.append(f"{whose} has no saved matches, so images are not compared (detkit eval --save-matches FILE)")
        return None
    try:
        return load_matches(place, result["matches"].get("sha256"))
    except InputError as error:
        notes.append(f"images are not compared: {error.message}")
        return None


def _content(metrics: list[dict[str, Any]], images: Any, notes: list[str]) -> dict[str, Any]:
    return {"schema": "detkit.explanation/1", "metrics": metrics, "images": images, "notes": notes}
