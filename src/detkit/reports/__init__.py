"""Renderers of results, one a file: `render(result, gate=None)` gives the text of the report.

They import only result types; where text goes is for the caller to say. What is no evaluation (statistics, overlaps,
one class's accumulation table, columns) has a function of its own here.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from json import dumps  # not `import json`: this room has a module of that name
from typing import TYPE_CHECKING, Any

from detkit import registry
from detkit.errors import UsageError
from detkit.reports._columns import refuse_columns, write_columns
from detkit.reports._gallery import DrawnBox, Gallery, Picture
from detkit.reports._verdict import conclusion as verdict_line

if TYPE_CHECKING:
    from detkit.evaluation.gate import GateReport
    from detkit.evaluation.result import Evaluation
    from detkit.reports._plots import write_plots
    from detkit.reports._stats_plots import write_stats_plots
    from detkit.transforms.stats import Stats

__all__ = [
    "CLASS_RENDERINGS",
    "DrawnBox",
    "Gallery",
    "Picture",
    "names",
    "refuse_columns",
    "render",
    "render_anchors",
    "render_bench",
    "render_changes",
    "render_class",
    "render_comparison",
    "render_differences",
    "render_gate",
    "render_model",
    "render_overlaps",
    "render_page",
    "render_split",
    "render_stats",
    "render_targets",
    "verdict_line",
    "write_columns",
    "write_plots",
    "write_stats_plots",
]

_ROOM = "detkit.reports"
#: What the accumulation table of a class is rendered as.
CLASS_RENDERINGS = ("text", "json", "markdown", "csv")
#: The renderer that leaves rows out where there are many, unless it is asked for details.
_SHORTENED = "text"


def __getattr__(name: str) -> Any:
    """The writers of plots, from the modules they live in: few commands draw."""
    home = {"write_plots": "_plots", "write_stats_plots": "_stats_plots"}.get(name)
    if home is None:
        raise AttributeError(f"module 'detkit.reports' has no attribute {name!r}")
    return getattr(importlib.import_module(f"detkit.reports.{home}"), name)


def names() -> tuple[str, ...]:
    """Names of all renderers."""
    return registry.names(_ROOM)


def render(name: str, result: Evaluation, gate: GateReport | None = None, *, details: bool = False) -> str:
    """A result (and the verdict on it) as text in one of the known renderings.

    Parameters
    ----------
    name : str
        `text`, `json`, `markdown`, `csv`, ...
    result : Evaluation
    gate : GateReport, optional
    details : bool
        Every class and every row of the verdict; only `text` leaves some out.

    Returns
    -------
    str
        With a final newline.

    Raises
    ------
    UsageError
        Unknown name.
    """
    more = {"details": True} if details and name == _SHORTENED else {}
    text: str = registry.load(_ROOM, name).render(result, gate, **more)
    return text


def render_page(
    result: Evaluation,
    gate: GateReport | None = None,
    *,
    title: str | None = None,
    gallery: Gallery | None = None,
    comparison: Mapping[str, Any] | None = None,
) -> str:
    """The HTML page with pictures and a comparison.

    Parameters
    ----------
    result : Evaluation
    gate : GateReport, optional
    title : str, optional
    gallery : Gallery, optional
    comparison : mapping, optional
        Schema `detkit.comparison/1`.

    Returns
    -------
    str
    """
    from detkit.reports._comparison import tables
    from detkit.reports.html import render as page

    shown = () if comparison is None else tables(comparison)
    return page(result, gate, title=title, gallery=gallery, comparison=shown)


def render_class(result: Evaluation, category: str, format: str = "text") -> str:
    """The textbook accumulation table of one class.

    Parameters
    ----------
    result : Evaluation
        Scored with partners.
    category : str
        Name of the class.
    format : {"text", "json", "markdown", "csv"}

    Returns
    -------
    str
        With a final newline.

    Raises
    ------
    UsageError
        Unknown class, or another rendering.
    """
    from detkit.reports._accumulation import render_class as table

    if format not in CLASS_RENDERINGS:
        raise UsageError(f"the table of a class has no rendering `{format}`; known: {', '.join(CLASS_RENDERINGS)}")
    return table(result, category, format)


def render_gate(verdict: GateReport, format: str = "text", *, details: bool = False) -> str:
    """A verdict by itself.

    Parameters
    ----------
    verdict : GateReport
    format : {"text", "json", "markdown", "junit", "github", "gitlab"}
    details : bool
        Every row, where text shows the passing ones of a rule on `class.*` as one line.

    Returns
    -------
    str
        With a final newline.
    """
    if format == "json":
        return _as_json(verdict.to_dict())
    more = {"details": True} if details and format == _SHORTENED else {}
    lines: list[str] = registry.load(_ROOM, format).gate_lines(verdict, **more)
    return "\n".join(lines).rstrip("\n") + "\n"


def render_split(details: Mapping[str, Any]) -> str:
    """What splitting a dataset did to its classes, as plain text; `details` as `detkit.split` returns them."""
    from detkit.reports._split import text

    return text(details)


def render_stats(found: Stats, format: str = "text", *, details: bool = False, all_classes: bool = False) -> str:
    """Counts of a table.

    Parameters
    ----------
    found : Stats
    format : {"text", "json"}
    details : bool
        With distributions too; JSON always has them.
    all_classes : bool
        Every class however many there are, not only the most and the least frequent; JSON always has them.

    Returns
    -------
    str
        With a final newline.
    """
    from detkit.reports import _stats

    if format == "json":
        return _as_json(found.to_dict())
    text = _stats.text(found, all_classes=all_classes)
    return text + ("\n" + _stats.details(found, all_classes=all_classes) if details else "")


def render_overlaps(found: Any, format: str = "text") -> str:
    """Overlaps of two box files.

    Parameters
    ----------
    found : BoxOverlaps
        From `detkit.iou`.
    format : {"text", "json", "csv"}

    Returns
    -------
    str
        With a final newline.
    """
    from detkit.reports import _overlaps

    if format == "json":
        return _as_json(_overlaps.summary(found))
    return _overlaps.rows(found) if format == "csv" else _overlaps.text(found)


def render_differences(found: Mapping[str, Any], gate: GateReport | None = None, format: str = "text") -> str:
    """Differences of two predictions, or of two versions of a dataset (and the verdict on them).

    Parameters
    ----------
    found : mapping
        Schema `detkit.diff/1` or `detkit.dataset_diff/1`.
    gate : GateReport, optional
    format : {"text", "json"}

    Returns
    -------
    str
        With a final newline.
    """
    from detkit.reports import _dataset_differences, _differences

    if format == "json":
        return _as_json({**found, **({} if gate is None else {"gate": gate.to_dict()})})
    of_datasets = found["schema"] == "detkit.dataset_diff/1"
    return _dataset_differences.text(found, gate) if of_datasets else _differences.text(found, gate)


def render_changes(columns: Mapping[str, Sequence[Any]]) -> str:
    """Every changed box of two versions of a dataset as CSV; `columns` as `detkit.api.diff_listing` gives them."""
    from detkit.reports import _dataset_differences

    return _dataset_differences.rows(columns)


def render_comparison(found: Mapping[str, Any], gate: GateReport | None = None, format: str = "text") -> str:
    """Differences between models on one truth (and the verdict on them).

    Parameters
    ----------
    found : mapping
        Schema `detkit.comparison/1`.
    gate : GateReport, optional
    format : {"text", "json", "markdown"}

    Returns
    -------
    str
        With a final newline.
    """
    from detkit.reports import _comparison

    if format == "json":
        return _as_json({**found, **({} if gate is None else {"gate": gate.to_dict()})})
    return _comparison.markdown(found, gate) if format == "markdown" else _comparison.text(found, gate)


def render_anchors(found: Mapping[str, Any], format: str = "text") -> str:
    """Anchors of a dataset, and how they fit.

    Parameters
    ----------
    found : mapping
        Schema `detkit.anchors/1`.
    format : {"text", "json"}

    Returns
    -------
    str
        With a final newline.
    """
    from detkit.reports import _anchors

    return _as_json(found) if format == "json" else _anchors.text(found)


def render_targets(found: Mapping[str, Any]) -> str:
    """What training targets hold, schema `detkit.targets/1`, as text."""
    from detkit.reports import _anchors

    return _anchors.targets_text(found)


def render_bench(found: Mapping[str, Any], format: str = "text") -> str:
    """How fast a detector is.

    Parameters
    ----------
    found : mapping
        Schema `detkit.bench/1`.
    format : {"text", "json"}

    Returns
    -------
    str
        With a final newline.
    """
    from detkit.reports import _bench

    return _as_json(found) if format == "json" else _bench.text(found)


def render_model(found: Mapping[str, Any], format: str = "text") -> str:
    """What a model file says of itself.

    Parameters
    ----------
    found : mapping
        Schema `detkit.model/1`.
    format : {"text", "json"}

    Returns
    -------
    str
        With a final newline.
    """
    from detkit.reports import _model

    return _as_json(found) if format == "json" else _model.text(found)


def _as_json(content: Mapping[str, Any]) -> str:
    return dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
