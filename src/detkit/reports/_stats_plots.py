"""The plots of statistics as PNG and SVG files, drawn by matplotlib without a display."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detkit import files
from detkit.errors import MissingExtraError
from detkit.reports._table import printable

if TYPE_CHECKING:
    from detkit.transforms.stats import Stats

__all__ = ["write_stats_plots"]

_DPI = 150
#: Classes that a plot can name.
_CLASSES = 40
_LABELS = {
    "size": ("size", "square root of the area, pixels"),
    "image_share": ("image_share", "square root of the share of the image"),
    "aspect": ("aspect", "width / height"),
    "boxes_per_image": ("boxes_per_image", "boxes per image"),
}


def write_stats_plots(found: Stats, folder: Path, *, overwrite: bool = False) -> list[Path]:
    """Paths of the plots written: one .png and one .svg for each that has something to show.

    Parameters
    ----------
    found : Stats
    folder : Path
    overwrite : bool

    Returns
    -------
    list of Path

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    OutputError
        A file exists.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "report") from error
    plots: dict[str, tuple[Callable[[Any, Stats], None], tuple[float, float]]] = {}
    if any(c.boxes for c in found.classes):
        plots["classes"] = (_classes, (6.4, max(3.0, 0.2 * min(len(found.classes), _CLASSES) + 1.2)))
    for name, histogram in found.histograms.items():
        if sum(histogram["counts"]):
            plots[_LABELS[name][0]] = (_histogram(name), (6.4, 3.6))
    if any(map(any, found.centres)):
        plots["centres"] = (_centres, (5.4, 4.4))
    if found.co_occurrence:
        plots["co_occurrence"] = (_co_occurrence, (6.8, 6.0))
    for name in plots:
        for suffix in (".png", ".svg"):
            files.refuse_existing(folder / f"{name}{suffix}", overwrite=overwrite)
    written = []
    # The same counts give the same bytes: no date, and ids of SVG parts from a fixed salt.
    # All of them appear when the last one is drawn: a full disk leaves none.
    with ExitStack() as stack, mpl.rc_context({"svg.hashsalt": "detkit", "svg.fonttype": "none"}):
        for name, (plot, size) in plots.items():
            figure = Figure(figsize=size, layout="constrained")
            plot(figure.add_subplot(), found)
            for suffix, metadata in ((".png", {"Software": None}), (".svg", {"Date": None})):
                target = folder / f"{name}{suffix}"
                place = stack.enter_context(files.atomic_file(target, overwrite=overwrite))
                figure.savefig(place, format=suffix[1:], dpi=_DPI, metadata=metadata)
                written.append(target)
    return written


def _name(text: str) -> str:
    """A class name as plain text: matplotlib reads dollar signs as formulas."""
    return printable(text).replace("$", r"\$")


def _classes(axes: Any, found: Stats) -> None:
    """Boxes of each class, the parts of the splits beside one another in one bar."""
    shown = sorted(found.classes, key=lambda c: -c.boxes)[:_CLASSES][::-1]
    names = [_name(c.name) for c in shown]
    start = [0] * len(shown)
    for split in [s.name for s in found.splits] or [""]:
        counts = [c.splits[split] if split else c.boxes for c in shown]
        axes.barh(range(len(shown)), counts, left=start, label=_name(split) or None)
        start = [a + b for a, b in zip(start, counts, strict=True)]
    axes.set_yticks(range(len(shown)), names, fontsize=7)
    of = f" (the {len(shown)} most frequent of {len(found.classes)})" if len(shown) < len(found.classes) else ""
    axes.set(title=f"boxes per class{of}", xlabel="boxes")
    axes.grid(axis="x", alpha=0.3)
    if found.splits:
        axes.legend(fontsize="small")


def _histogram(name: str) -> Callable[[Any, Stats], None]:
    def plot(axes: Any, found: Stats) -> None:
        edges, counts = found.histograms[name]["edges"], found.histograms[name]["counts"]
        filled = [n for n, count in enumerate(counts) if count]
        kept = range(filled[0], filled[-1] + 1)
        spans = [f">= {edges[n]:.3g}" if n + 1 == len(edges) else f"{edges[n]:.3g}-{edges[n + 1]:.3g}" for n in kept]
        axes.bar(range(len(kept)), [counts[n] for n in kept], width=0.95)
        axes.set_xticks(range(len(kept)), spans, rotation=45, ha="right", fontsize=7)
        axes.set(xlabel=_LABELS[name][1], ylabel="images" if name == "boxes_per_image" else "boxes")
        axes.grid(axis="y", alpha=0.3)

    return plot


def _centres(axes: Any, found: Stats) -> None:
    image = axes.imshow(found.centres, cmap="cividis", extent=(0, 1, 1, 0), aspect="auto")
    axes.figure.colorbar(image, ax=axes, label="boxes")
    axes.set(title="centres of boxes", xlabel="x, share of the width", ylabel="y, share of the height")


def _co_occurrence(axes: Any, found: Stats) -> None:
    """Share of the images of a row's class that show the column's class too."""
    import numpy as np

    classes = sorted(found.classes, key=lambda c: -c.images)[:_CLASSES]
    place = {c.name: n for n, c in enumerate(classes)}
    matrix = np.zeros((len(classes), len(classes)))
    for a, b, images in found.co_occurrence:
        if a in place and b in place:
            i, j = place[a], place[b]
            matrix[i, j], matrix[j, i] = images / classes[i].images, images / classes[j].images
    image = axes.imshow(matrix, cmap="cividis", vmin=0, vmax=1)
    axes.figure.colorbar(image, ax=axes, label="share of the images of the row's class")
    size = max(4, min(8, 160 / len(classes)))
    names = [_name(c.name) for c in classes]
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=size)
    axes.set_yticks(range(len(names)), names, fontsize=size)
    axes.set(title="classes in the same image")
