"""Export the most suspicious labels of an evaluation, to be looked at again in an annotation tool."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from detkit import files
from detkit.errors import UsageError
from detkit.wording import plural

if TYPE_CHECKING:
    from detkit.evaluation.analyses.suspects import Suspects
    from detkit.evaluation.result import Evaluation

__all__ = ["SUSPECT_FORMATS", "SuspectExport", "export_suspects", "suspect_format"]

SUSPECT_FORMATS = ("coco", "cvat", "labelme")
_SUFFIXES = {".json": "coco", ".xml": "cvat", "": "labelme"}


@dataclass(frozen=True)
class SuspectExport:
    """What was written: the format, how many images, and how many suspects of each kind."""

    path: Path
    format: str
    images: int
    suspects: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "path": str(self.path),
            "format": self.format,
            "images": self.images,
            "suspects": dict(self.suspects),
        }


def suspect_format(target: str | Path, format: str | None = None) -> str:
    """Which format a target is written in: the one named, else the one its suffix tells.

    Parameters
    ----------
    target : path-like
    format : {"coco", "cvat", "labelme"}, optional
        By default `coco` for .json, `cvat` for .xml, `labelme` for a folder.

    Returns
    -------
    str

    Raises
    ------
    UsageError
        Unknown name, or a suffix that tells nothing.
    """
    known = ", ".join(SUSPECT_FORMATS)
    if format is not None:
        if format not in SUSPECT_FORMATS:
            raise UsageError(f"unknown format of suspects `{format}`; known: {known}")
        return format
    found = _SUFFIXES.get(Path(target).suffix.lower())
    if found is None:
        raise UsageError(
            f"{target}: the name does not tell the format of the suspects",
            hint=f"end it in .json (coco) or .xml (cvat), give a folder (labelme), or name one: {known}",
        )
    return found


def export_suspects(
    result: Evaluation,
    target: str | Path,
    *,
    format: str | None = None,
    limit: int = 100,
    overwrite: bool = False,
) -> SuspectExport:
    """Write the images of the most suspicious labels, with their present boxes and what is suggested.

    The worst of each kind (overlooked, swapped, badly located) come first, then the second worst of each. A suspicious
    annotation has the attributes `suspect` and `score`; a suggestion is a box of its own, with `suggested`, `action`
    and, where it is about an annotation, `truth_id` too. Of two labels of one object no box is suggested: both are
    marked. Boxes only: outlines are not written.

    Parameters
    ----------
    result : Evaluation
        Scored with `with_partners=True`, or with analyses.
    target : path-like
        Appears whole or not at all; a folder for `labelme`.
    format : {"coco", "cvat", "labelme"}, optional
        COCO JSON, CVAT for images 1.1, LabelMe JSON files; by default told by the suffix.
    limit : int
        Suspects at most, 1 or more.
    overwrite : bool

    Returns
    -------
    SuspectExport

    Raises
    ------
    UsageError
        Unknown format, a limit below 1, boxes or images without sizes in pixels, or a result without partners.
    OutputError
        The target exists.

    Examples
    --------
    >>> result = detkit.evaluate("truth.json", "found.json", with_partners=True)  # doctest: +SKIP
    >>> detkit.export_suspects(result, "relabel.json", limit=50).suspects  # doctest: +SKIP
    {'overlooked': 17, 'swapped': 17, 'badly located': 16}
    """
    from detkit import formats
    from detkit.api._relabel import relabel_dataset
    from detkit.evaluation import analyses

    chosen = suspect_format(target, format)
    if limit < 1:
        raise UsageError(f"at most {plural(limit, 'suspect')}: expected 1 or more")
    target = Path(target)
    files.refuse_existing(target, overwrite=overwrite)
    found = cast("Suspects", analyses.analyse("suspects", result))
    worst = found.worst(limit)
    data = relabel_dataset(result, worst, f"{plural(len(worst), 'suspicious label')} found by detkit", chosen)
    # Images stay where they are: LabelMe's files say the way to them.
    options = formats.WriteOptions(place_images="leave", crowds="keep")
    formats.write_dataset(data, target, chosen, options, overwrite=overwrite)
    counts = Counter(suspect["kind"] for suspect in worst)
    return SuspectExport(target, chosen, len(data.images), {kind: counts[kind] for kind in found.kinds})
