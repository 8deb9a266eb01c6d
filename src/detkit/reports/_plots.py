"""The plots of a report as PNG and SVG files, drawn by matplotlib without a display."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detkit import files
from detkit.errors import MissingExtraError, UsageError
from detkit.reports._table import printable

if TYPE_CHECKING:
    from detkit.evaluation.result import Evaluation

__all__ = ["write_plots"]

_SIZE = (6.4, 4.4)
_DPI = 150
#: Curves of single classes that a plot can hold apart, and classes a matrix can name.
_CLASSES, _MATRIX = 10, 40


def write_plots(result: Evaluation, folder: Path, *, overwrite: bool = False) -> list[Path]:
    """Paths of the plots written: one .png and one .svg for each analysis that has a plot.

    Parameters
    ----------
    result : Evaluation
        With analyses.
    folder : Path
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
    drawn = [
        (name, plot, result.analyses[analysis])
        for analysis, plots in _PLOTS.items()
        if analysis in result.analyses
        for name, plot in plots.items()
    ]
    if not drawn:
        raise UsageError(f"no analysis with a plot: {', '.join(_PLOTS)}", hint="name one with --analyses")
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "report") from error
    written = []
    # The same result gives the same bytes: no date, and ids of SVG parts from a fixed salt.
    # All of them appear when the last one is drawn: a full disk leaves none.
    with ExitStack() as stack, mpl.rc_context({"svg.hashsalt": "detkit", "svg.fonttype": "none"}):
        for name, plot, found in drawn:
            figure = Figure(figsize=_SIZE, layout="constrained")
            plot(figure.add_subplot(), found)
            for suffix, metadata in ((".png", {"Software": None}), (".svg", {"Date": None})):
                target = folder / f"{name}{suffix}"
                place = stack.enter_context(files.atomic_file(target, overwrite=overwrite))
                figure.savefig(place, format=suffix[1:], dpi=_DPI, metadata=metadata)
                written.append(target)
    return written


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def _points(row: Mapping[str, Any]) -> tuple[list[float], list[float]]:
    """Precision and recall at the scores of a curve."""
    precision = [_share(tp, tp + fp) for tp, fp in zip(row["tp"], row["fp"], strict=True)]
    return precision, [_share(tp, row["truths"]) for tp in row["tp"]]


def _name(text: str) -> str:
    """A class name as plain text: matplotlib reads dollar signs as formulas."""
    return printable(text).replace("$", r"\$")


def _frame(axes: Any, title: str, x: str, y: str) -> None:
    axes.set(title=title, xlabel=x, ylabel=y, xlim=(0, 1), ylim=(0, 1.02))
    axes.grid(alpha=0.3)


def _pr(axes: Any, found: Mapping[str, Any]) -> None:
    rows = [row for row in found["classes"] if row["truths"] and row["score"]]
    few = len(rows) <= _CLASSES
    for row in rows:
        precision, recall = _points(row)
        style = {"label": _name(row["name"]), "linewidth": 1} if few else {"color": "0.75", "linewidth": 0.5}
        axes.plot(recall, precision, **style)
    precision, recall = _points(found["overall"])
    axes.plot(recall, precision, color="black", linewidth=2, label="all classes")
    _frame(axes, f"precision against recall, IoU >= {found['iou_threshold']:g}", "recall", "precision")
    axes.legend(fontsize="small")


def _confidence(axes: Any, found: Mapping[str, Any]) -> None:
    row, square = found["overall"], found["beta"] ** 2
    precision, recall = _points(row)
    f = [
        _share((1 + square) * tp, tp + fp + square * row["truths"]) for tp, fp in zip(row["tp"], row["fp"], strict=True)
    ]
    for label, values, style in (("precision", precision, "-"), ("recall", recall, "--"), ("F", f, ":")):
        axes.plot(row["score"], values, style, label=label if label != "F" else f"F{found['beta']:g}")
    axes.axvline(found["score_threshold"], color="0.4", linewidth=1)
    title = f"all classes, IoU >= {found['iou_threshold']:g}; line: score {found['score_threshold']:.4g}"
    _frame(axes, title, "score threshold", "")
    axes.legend()


def _scores(axes: Any, found: Mapping[str, Any]) -> None:
    edges, bins = found["histogram_edges"], found["overall"]["histogram"]
    axes.stairs(bins["fp"], edges, label="false positives")
    axes.stairs(bins["tp"], edges, fill=True, alpha=0.6, label="true positives")
    axes.set(title="scores of true and false positives", xlabel="score", ylabel="detections", yscale="symlog")
    axes.legend()


def _matrix(axes: Any, found: Mapping[str, Any]) -> None:
    import numpy as np

    names = [*(row["name"] for row in found["classes"]), "background"]
    matrix = np.zeros((len(names), len(names)))
    for cell in found["cells"]:
        matrix[cell["truth"], cell["prediction"]] = cell["count"]
    wrong = matrix.sum(0) + matrix.sum(1) - 2 * np.diag(matrix)
    kept = np.sort(np.argsort(-wrong[:-1], kind="stable")[:_MATRIX])
    kept = np.append(kept, len(names) - 1)
    rows = np.maximum(matrix.sum(1, keepdims=True), 1)
    image = axes.imshow((matrix / rows)[np.ix_(kept, kept)], cmap="Blues", vmin=0, vmax=1)
    axes.figure.colorbar(image, ax=axes, label="share of the truth's class")
    size = max(3, min(8, 160 / len(kept)))
    labels = [_name(names[k]) for k in kept]
    axes.set_xticks(range(len(kept)), labels, rotation=90, fontsize=size)
    axes.set_yticks(range(len(kept)), labels, fontsize=size)
    title = f"score >= {found['score_threshold']:.4g}, IoU >= {found['iou_threshold']:g}"
    axes.set(title=title, xlabel="prediction", ylabel="truth")


def _errors(axes: Any, found: Mapping[str, Any]) -> None:
    rows = [row for row in found["types"] if row["dAP"] is not None]
    axes.bar([row["type"] for row in rows], [row["dAP"] for row in rows])
    axes.set(title="AP won when errors of a kind are fixed", ylabel="dAP")
    axes.tick_params("x", rotation=30)


def _reliability(axes: Any, found: Mapping[str, Any]) -> None:
    bins = [row for row in found["bins"] if row["count"]]
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=1)
    axes.plot([row["confidence"] for row in bins], [row["accuracy"] for row in bins], "o-")
    _frame(axes, "reliability", "mean confidence", "share of hits")


#: Analysis -> file name -> how it is drawn.
_PLOTS: Mapping[str, Mapping[str, Callable[[Any, Mapping[str, Any]], None]]] = {
    "curves": {"precision_recall": _pr, "confidence": _confidence, "scores": _scores},
    "confusion": {"confusion": _matrix},
    "errors": {"errors": _errors},
    "calibration": {"reliability": _reliability},
}
