"""The plots of a report as PNG and SVG files, drawn by matplotlib without a display."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detkit.errors import UsageError
from detkit.reports._figures import COLOURS, NAMED, Plot, grid_of_classes, name_of, size_of_grid, write_figures
from detkit.wording import plural

if TYPE_CHECKING:
    from detkit.evaluation.result import Evaluation

__all__ = ["write_plots"]

_SIZE = (6.4, 4.4)
#: Curves of single classes that a plot can hold apart, and classes of a matrix that has room for its figures.
_CLASSES, _FIGURES = 10, 15
#: Lines of the first classes, of the next, ...
_DASHES = ("-", "--", ":")
_TRUE, _FALSE = COLOURS[0], COLOURS[1]


def write_plots(result: Evaluation, folder: str | Path, *, overwrite: bool = False) -> list[Path]:
    """Paths of the plots written: one .png and one .svg for each analysis that has a plot.

    Parameters
    ----------
    result : Evaluation
        With analyses.
    folder : path-like
    overwrite : bool

    Returns
    -------
    list of Path

    Raises
    ------
    UsageError
        The result has no analysis with a plot.
    MissingExtraError
        matplotlib is not installed.
    OutputError
        A file exists.
    """
    plots: dict[str, Plot] = {}
    for analysis, shown in _PLOTS.items():
        found = result.analyses.get(analysis)
        if found is not None:
            size = size_of_grid(_named(found)[1]) if analysis == "confusion" else _SIZE
            plots |= {name: (partial(plot, found=found), size) for name, plot in shown.items()}
    if not plots:
        raise UsageError(f"no analysis with a plot: {', '.join(_PLOTS)}", hint="name one with --analyses")
    return write_figures(plots, Path(folder), overwrite=overwrite)


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def _points(row: Mapping[str, Any]) -> tuple[list[float], list[float]]:
    """Precision and recall at the scores of a curve."""
    precision = [_share(tp, tp + fp) for tp, fp in zip(row["tp"], row["fp"], strict=True)]
    return precision, [_share(tp, row["truths"]) for tp in row["tp"]]


def _frame(axes: Any, title: str, x: str, y: str) -> None:
    axes.set(title=title, xlabel=x, ylabel=y, xlim=(0, 1), ylim=(0, 1.02))
    axes.grid(alpha=0.3)


def _curve(axes: Any, x: list[float], y: list[float], **style: Any) -> None:
    """A line; a dot where there is one point alone."""
    axes.plot(x, y, marker="o" if len(x) == 1 else None, clip_on=len(x) > 1, **style)


def _pr(axes: Any, found: Mapping[str, Any]) -> None:
    rows = [row for row in found["classes"] if row["truths"] and row["score"]]
    few = len(rows) <= _CLASSES
    for n, row in enumerate(rows):
        precision, recall = _points(row)
        style: dict[str, Any] = {"color": "0.75", "linewidth": 0.5}
        if few:
            dash = _DASHES[n // len(COLOURS)]
            style = {"color": COLOURS[n % len(COLOURS)], "linewidth": 1.2, "linestyle": dash}
        _curve(axes, recall, precision, label=name_of(row["name"]) if few else None, **style)
    if not few:
        axes.plot([], [], color="0.75", linewidth=1, label=f"each of {len(rows)} classes")
    precision, recall = _points(found["overall"])
    _curve(axes, recall, precision, color="black", linewidth=2, label="all classes")
    _frame(axes, f"precision against recall, IoU >= {found['iou_threshold']:g}", "recall", "precision")
    if few:
        axes.figure.legend(loc="outside right upper", fontsize="small")
    else:
        axes.legend(fontsize="small")


def _confidence(axes: Any, found: Mapping[str, Any]) -> None:
    row, square = found["overall"], found["beta"] ** 2
    precision, recall = _points(row)
    f = [
        _share((1 + square) * tp, tp + fp + square * row["truths"]) for tp, fp in zip(row["tp"], row["fp"], strict=True)
    ]
    name = f"F{found['beta']:g}"
    for label, values, style in (("precision", precision, "-"), ("recall", recall, "--"), (name, f, ":")):
        _curve(axes, row["score"], values, linestyle=style, linewidth=2, label=label)
    axes.axvline(found["score_threshold"], color="0.4", linewidth=1)
    title = f"all classes, IoU >= {found['iou_threshold']:g}; line: score {found['score_threshold']:.4g}"
    _frame(axes, title, "score threshold", f"precision, recall, {name}")
    axes.legend()


def _scores(axes: Any, found: Mapping[str, Any]) -> None:
    edges, bins = found["histogram_edges"], found["overall"]["histogram"]
    axes.stairs(bins["tp"], edges, fill=True, alpha=0.4, color=_TRUE, label="true positives")
    axes.stairs(bins["fp"], edges, linewidth=1.5, color=_FALSE, label="false positives")
    title = f"scores of true and false positives, IoU >= {found['iou_threshold']:g}"
    axes.set(title=title, xlabel="score", ylabel="detections, logarithmic", yscale="symlog", xlim=(edges[0], edges[-1]))
    axes.set_ylim(0, 2 * max(1, *bins["tp"], *bins["fp"]))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.grid(axis="y", alpha=0.3)
    axes.figure.legend(loc="outside lower center", ncols=2)


def _named(found: Mapping[str, Any]) -> tuple[list[int], list[str]]:
    """Positions in the matrix that a plot has room for, and their names; the background last."""
    names = [*(row["name"] for row in found["classes"]), "background"]
    wrong = [0] * len(names)
    for cell in found["cells"]:
        if cell["truth"] != cell["prediction"]:
            wrong[cell["truth"]] += cell["count"]
            wrong[cell["prediction"]] += cell["count"]
    last = len(names) - 1
    kept = [*sorted(sorted(range(last), key=lambda k: -wrong[k])[:NAMED]), last]
    return kept, [names[k] for k in kept]


def _matrix(axes: Any, found: Mapping[str, Any]) -> None:
    import numpy as np

    kept, names = _named(found)
    whole = len(found["classes"])
    matrix = np.zeros((whole + 1, whole + 1))
    for cell in found["cells"]:
        matrix[cell["truth"], cell["prediction"]] = cell["count"]
    share = (matrix / np.maximum(matrix.sum(1, keepdims=True), 1))[np.ix_(kept, kept)]
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    axes.figure.colorbar(image, ax=axes, label="share of the row: of the truth's class")
    grid_of_classes(axes, names)
    if len(kept) <= _FIGURES:
        for i, j in np.argwhere(share > 0):
            count, colour = matrix[kept[i], kept[j]], "white" if share[i, j] > 0.5 else "black"
            axes.text(j, i, f"{count:.0f}", ha="center", va="center", fontsize=7, color=colour)
    title = f"confusion, score >= {found['score_threshold']:.4g}, IoU >= {found['iou_threshold']:g}"
    if len(kept) <= whole:
        title += f"\nthe {NAMED} of {plural(whole, 'class', 'classes')} with the most confusions"
    axes.set(title=title, xlabel="prediction", ylabel="truth")


def _errors(axes: Any, found: Mapping[str, Any]) -> None:
    rows = [row for row in found["types"] if row["dAP"] is not None]
    bars = axes.bar([row["type"] for row in rows], [row["dAP"] for row in rows])
    axes.bar_label(bars, [f"{row['dAP']:.4f}" for row in rows], padding=2, fontsize="small")
    axes.set(title="AP won when the errors of one kind are fixed", xlabel="kind of error", ylabel="dAP")
    values = [0.0, *(row["dAP"] for row in rows)]
    axes.set_ylim(1.12 * min(values), 1.12 * max(values) or 1)
    axes.grid(axis="y", alpha=0.3)
    axes.tick_params("x", rotation=30)


def _reliability(axes: Any, found: Mapping[str, Any]) -> None:
    bins = [row for row in found["bins"] if row["count"]]
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=1, label="as sure as right")
    axes.plot([row["confidence"] for row in bins], [row["accuracy"] for row in bins], "o-", clip_on=False, label="bins")
    title = f"reliability, score >= {found['score_threshold']:.4g}, IoU >= {found['iou_threshold']:g}"
    _frame(axes, title, "mean confidence", "share of hits")
    axes.legend(fontsize="small")


#: Analysis -> file name -> how it is drawn.
_PLOTS: Mapping[str, Mapping[str, Callable[..., None]]] = {
    "curves": {"precision_recall": _pr, "confidence": _confidence, "scores": _scores},
    "confusion": {"confusion": _matrix},
    "errors": {"errors": _errors},
    "calibration": {"reliability": _reliability},
}
