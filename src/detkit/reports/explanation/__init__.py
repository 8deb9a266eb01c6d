"""How an explanation is shown: tables of classes and images, as text or Markdown.

A package of its own beside the renderers: it draws no `Evaluation`, so it is none of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from json import dumps
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from detkit.reports import render_gate
from detkit.reports._table import WIDTH, number, table
from detkit.reports._workflow_commands import command
from detkit.wording import plural, printable

if TYPE_CHECKING:
    from detkit.evaluation.gate import GateReport

__all__ = ["markdown", "text", "with_verdict"]

_CLASSES_SHOWN = 20


def with_verdict(
    verdict: GateReport, found: Mapping[str, Any] | None, format: str = "text", *, details: bool = False
) -> str:
    """A verdict and what moved its metrics, in a rendering of verdicts; JUnit and GitLab have no place for the latter.

    In JSON it stands under `explanation`, for GitHub it is a notice.
    """
    if found is not None and format == "json":
        return dumps({**verdict.to_dict(), "explanation": found}, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    shown = render_gate(verdict, format, details=details)
    if found is None or format not in _RENDERINGS:
        return shown
    if format == "text":  # a terminal shows the end of a long text: there the verdict stays
        table, _, line = shown.rstrip("\n").rpartition("\n")
        return f"{table}\n\n{text(found)}\n{line}\n"
    return f"{shown}{_BETWEEN[format]}{_RENDERINGS[format](found)}"


def text(found: Mapping[str, Any]) -> str:
    """Lines for a terminal of 80 columns; `found` is of schema `detkit.explanation/1`."""
    lines: list[str] = []
    for one in found["metrics"]:
        lines += [printable(_headline(one)), ""]
        if rows := _classes(one):
            lines += [*table(_CLASS_HEADER, rows), *_left_out(one), ""]
    lines += _images_as_text(found)
    for note in found["notes"]:
        lines += wrap(f"note: {printable(note)}", WIDTH, subsequent_indent="  ", break_long_words=False)
    return "\n".join(lines).rstrip("\n") + "\n"


def markdown(found: Mapping[str, Any]) -> str:
    """The same for a step summary."""
    from detkit.reports.markdown import grid

    lines: list[str] = []
    for one in found["metrics"]:
        lines += [f"**{_escape(_headline(one))}**", ""]
        if rows := _classes(one):
            lines += [*grid(_CLASS_HEADER, rows), "", *_left_out(one), ""]
    images = found["images"]
    if images is not None:
        lines += [f"{_escape(_images_headline(images))}", ""]
        if images["most_new_errors"]:
            lines += [*grid(*_image_table(images)), ""]
    lines += [f"- {_escape(note)}" for note in found["notes"]]
    return "\n".join(lines).rstrip("\n") + "\n"


_CLASS_HEADER = ("class", "baseline", "now", "change", "of the mean", "truths")
_IMAGE_HEADER = ("image", "TP was", "is", "FP was", "is", "FN was", "is", "new errors")
_NAMED_HEADER = ("image", "id", *_IMAGE_HEADER[1:])


def _headline(one: Mapping[str, Any]) -> str:
    change = "" if one["delta"] is None else f" ({one['delta']:+.4f})"
    return f"{one['metric']}: {number(one['before'])} in the baseline, {number(one['after'])} now{change}"


def _classes(one: Mapping[str, Any]) -> list[list[str]]:
    """The largest falls, then the largest gains."""
    return [
        [
            row["name"],
            number(row["before"]),
            number(row["after"]),
            f"{row['delta']:+.4f}",
            "-" if row["share"] is None else f"{row['share']:+.4f}",
            "-" if row["ground_truths"] is None else str(row["ground_truths"]),
        ]
        for row in _shown(one["classes"])
    ]


def _shown(rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Sorted from the largest fall to the largest gain: the ends matter, the middle moved least."""
    if len(rows) <= _CLASSES_SHOWN:
        return rows
    fell = min(sum(row["delta"] < 0 for row in rows), _CLASSES_SHOWN - 5)
    return [*rows[:fell], *rows[len(rows) - (_CLASSES_SHOWN - fell) :]]


def _left_out(one: Mapping[str, Any]) -> list[str]:
    hidden = len(one["classes"]) - len(_shown(one["classes"]))
    less = plural(hidden, "class that moved less is", "classes that moved less are")
    parts = [f"{less} left out (all of them: --format json)"] if hidden else []
    parts += [f"{plural(one['unmoved'], 'class', 'classes')} did not move"] if one["unmoved"] else []
    return ["; ".join(parts)] if parts else []


def _images_as_text(found: Mapping[str, Any]) -> list[str]:
    images = found["images"]
    if images is None:
        return []
    lines = [_images_headline(images)]
    if images["most_new_errors"]:
        lines += ["", *table(*_image_table(images))]
    return [*lines, ""]


def _images_headline(images: Mapping[str, Any]) -> str:
    scores = images["scores"]
    return (
        f"images: {images['worse']} with more errors, {images['better']} with fewer, {images['same']} with as many\n"
        f"(IoU {images['iou']:g}, score >= {scores['before']:g} in the baseline and {scores['after']:g} now: best F1)"
    )


def _image_table(images: Mapping[str, Any]) -> tuple[Sequence[str], list[list[str]]]:
    """Header and rows; with a column for the id beside the file name, where the truth has names."""
    listed = images["most_new_errors"]
    named = any(row.get("file_name") for row in listed)
    rows = [
        [
            *([row.get("file_name") or "-", str(row["image_id"])] if named else [str(row["image_id"])]),
            *(str(row[side][key]) for key in ("tp", "fp", "fn") for side in ("before", "after")),
            f"+{row['new_errors']}",
        ]
        for row in listed
    ]
    return _NAMED_HEADER if named else _IMAGE_HEADER, rows


def _escape(shown: str) -> str:
    from detkit.reports.markdown import escape

    return " ".join(map(escape, shown.split("\n")))


def _notices(found: Mapping[str, Any]) -> str:
    lines = []
    for one in found["metrics"]:
        fell = [f"{row['name']} {row['delta']:+.4f}" for row in one["classes"][:5] if row["delta"] < 0]
        lines.append(command("notice", "detkit explain", "; ".join([_headline(one), *fell])))
    return "\n".join(lines) + "\n" if lines else ""


_RENDERINGS = {"text": text, "markdown": markdown, "github": _notices}
_BETWEEN = {"markdown": "\n", "github": ""}
