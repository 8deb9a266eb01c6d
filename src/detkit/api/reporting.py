"""Write a report of an evaluation: one page, Markdown, or JSON, with pictures of the worst images."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from detkit import files, reports
from detkit.errors import UsageError

if TYPE_CHECKING:
    from detkit.evaluation.comparison import Comparison
    from detkit.evaluation.gate import GateReport
    from detkit.evaluation.result import Evaluation

__all__ = ["REPORT_SUFFIXES", "analyses_of", "render_report", "report", "report_format", "report_kinds"]

#: What a file's name tells about the report in it.
REPORT_SUFFIXES = {
    ".html": "html",
    ".htm": "html",
    ".md": "markdown",
    ".json": "json",
    ".txt": "text",
    ".csv": "csv",
    ".xml": "junit",
}


def report_format(target: str | Path, format: str | None = None) -> str:
    """Which renderer writes a target: the one named, else the one its suffix tells.

    Parameters
    ----------
    target : path-like
    format : str, optional

    Returns
    -------
    str

    Raises
    ------
    UsageError
        Unknown name, or a suffix that tells nothing.
    """
    known = reports.names()
    if format is not None:
        if format not in known:
            raise UsageError(f"unknown report format `{format}`; known: {', '.join(known)}")
        return format
    found = REPORT_SUFFIXES.get(Path(target).suffix.lower())
    if found is None:
        raise UsageError(
            f"{target}: the name does not tell the report's format",
            hint=f"end it in {', '.join(REPORT_SUFFIXES)}, or name it with --format",
        )
    return found


def report(
    result: Evaluation,
    target: str | Path,
    *,
    format: str | None = None,
    gate: GateReport | None = None,
    title: str | None = None,
    pictures: int = 24,
    images_dir: str | Path | None = None,
    comparison: Comparison | None = None,
    overwrite: bool = False,
) -> None:
    """Write a report of an evaluation.

    Parameters
    ----------
    result : Evaluation
        From `evaluate(..., analyses=["all"])`.
    target : path-like
        Appears whole or not at all.
    format : str, optional
        `html`, `markdown`, `json`, ...; by default told by the suffix.
    gate : GateReport, optional
    title : str, optional
        Of the page.
    pictures : int
        Worst images at most; 0 for none.
    images_dir : path-like, optional
        Folder of the image files; by default beside the truth.
    comparison : Comparison, optional
        With a second model, from `compare`.
    overwrite : bool

    Raises
    ------
    UsageError
        Unknown format.
    OutputError
        The target exists.

    Examples
    --------
    >>> result = detkit.evaluate("truth.json", "found.json", analyses=["all"])  # doctest: +SKIP
    >>> detkit.report(result, "report.html")  # doctest: +SKIP
    """
    text = render_report(
        report_format(target, format),
        result,
        gate,
        title=title,
        pictures=pictures,
        images_dir=images_dir,
        comparison=comparison,
    )
    with files.atomic_file(target, overwrite=overwrite) as place:
        place.write_text(text, encoding="utf-8")


def report_kinds() -> tuple[str, ...]:
    """What a report may be: a rendering of the result, or one of its analyses as JSON."""
    from detkit.evaluation import analyses

    return (*reports.names(), *analyses.names())


def analyses_of(kinds: Iterable[str]) -> tuple[str, ...]:
    """Analyses that reports of these kinds show: a page all of them, an analysis itself.

    Parameters
    ----------
    kinds : iterable of str

    Returns
    -------
    tuple of str
        Names for `EvaluationSettings.analyses`.
    """
    wanted = tuple(kinds)
    if "html" in wanted:
        return ("all",)
    return tuple(kind for kind in wanted if kind not in reports.names())


def render_report(
    kind: str,
    result: Evaluation,
    gate: GateReport | None = None,
    *,
    title: str | None = None,
    pictures: int = 24,
    images_dir: str | Path | None = None,
    comparison: Comparison | None = None,
) -> str:
    """The text of a report; parameters as `report`, and the kind, one of `report_kinds`.

    Raises
    ------
    UsageError
        Unknown kind, or an analysis that the result does not hold.
    """
    if kind in result.analyses:
        return json.dumps(result.analyses[kind], indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    if kind != "html":
        return reports.render(kind, result, gate)
    gallery = None
    if pictures and result.analyses:
        from detkit.api._gallery import build_gallery

        gallery = build_gallery(result, pictures, None if images_dir is None else Path(images_dir))
    return reports.render_page(
        result, gate, title=title, gallery=gallery, comparison=None if comparison is None else comparison.to_dict()
    )
