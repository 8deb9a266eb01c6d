"""The plots of statistics as PNG and SVG files, drawn by matplotlib without a display."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detkit.reports._figures import NAMED, Plot, grid_of_classes, name_of, size_of_grid, write_figures
from detkit.reports._stats import TITLES, span
from detkit.wording import plural

if TYPE_CHECKING:
    from detkit.transforms.stats import ClassStats, Stats

__all__ = ["write_stats_plots"]


def write_stats_plots(found: Stats, folder: str | Path, *, overwrite: bool = False) -> list[Path]:
    """Paths of the plots written: one .png and one .svg for each that has something to show.

    Parameters
    ----------
    found : Stats
    folder : path-like
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
    named = min(len(found.classes), NAMED)
    plots: dict[str, Plot] = {}
    if any(c.boxes for c in found.classes):
        plots["classes"] = (partial(_classes, found=found), (6.4, max(3.0, 0.2 * named + 1.2)))
    for name, histogram in found.histograms.items():
        if sum(histogram["counts"]):
            plots[name] = (partial(_histogram, found=found, name=name), (6.4, 3.6))
    if any(map(any, found.centres)):
        plots["centres"] = (partial(_centres, found=found), (5.4, 4.4))
    if found.co_occurrence:
        plots["co_occurrence"] = (
            partial(_co_occurrence, found=found),
            size_of_grid([c.name for c in _commonest(found)]),
        )
    return write_figures(plots, Path(folder), overwrite=overwrite)


def _classes(axes: Any, found: Stats) -> None:
    """Boxes of each class, the parts of the splits beside one another in one bar."""
    shown = sorted(found.classes, key=lambda c: -c.boxes)[:NAMED][::-1]
    start = [0] * len(shown)
    for split in [s.name for s in found.splits] or [""]:
        counts = [c.splits[split] if split else c.boxes for c in shown]
        axes.barh(range(len(shown)), counts, left=start, label=name_of(split) or None)
        start = [a + b for a, b in zip(start, counts, strict=True)]
    axes.set_yticks(range(len(shown)), [name_of(c.name) for c in shown], fontsize=7)
    axes.margins(y=0.01)
    axes.set(title="boxes per class" + _of(found, len(shown), "most boxes"), xlabel="boxes")
    axes.grid(axis="x", alpha=0.3)
    if found.splits:
        axes.legend(fontsize="small")


def _of(found: Stats, shown: int, most: str) -> str:
    """Which classes are shown, where not all are."""
    whole = len(found.classes)
    return f": the {shown} with the {most} of {plural(whole, 'class', 'classes')}" if shown < whole else ""


def _histogram(axes: Any, found: Stats, name: str) -> None:
    edges, counts = found.histograms[name]["edges"], found.histograms[name]["counts"]
    filled = [n for n, count in enumerate(counts) if count]
    kept = range(filled[0], filled[-1] + 1)
    axes.bar(range(len(kept)), [counts[n] for n in kept], width=0.95)
    axes.set_xticks(range(len(kept)), [span(name, edges, n) for n in kept], rotation=45, ha="right", fontsize=7)
    of = "images" if name == "boxes_per_image" else "boxes"
    axes.set(title=f"{of} by {TITLES[name].partition(' (')[0]}", xlabel=TITLES[name], ylabel=of)
    axes.grid(axis="y", alpha=0.3)


def _centres(axes: Any, found: Stats) -> None:
    image = axes.imshow(found.centres, cmap="cividis", extent=(0, 1, 1, 0), aspect="auto", vmin=0)
    axes.figure.colorbar(image, ax=axes, label="boxes")
    axes.set(title="centres of boxes", xlabel="x, share of the width", ylabel="y, share of the height")


def _commonest(found: Stats) -> list[ClassStats]:
    """Classes in the most images."""
    return sorted(found.classes, key=lambda c: -c.images)[:NAMED]


def _co_occurrence(axes: Any, found: Stats) -> None:
    """Share of the images of a row's class that show the column's class too."""
    import numpy as np

    classes = _commonest(found)
    place = {c.name: n for n, c in enumerate(classes)}
    matrix = np.zeros((len(classes), len(classes)))
    for a, b, images in found.co_occurrence:
        if a in place and b in place:
            i, j = place[a], place[b]
            matrix[i, j], matrix[j, i] = images / classes[i].images, images / classes[j].images
    # A class with itself says nothing: left blank.
    image = axes.imshow(np.ma.masked_array(matrix, np.eye(len(classes), dtype=bool)), cmap="cividis", vmin=0, vmax=1)
    axes.figure.colorbar(image, ax=axes, label="share of the images of the row's class")
    grid_of_classes(axes, [c.name for c in classes])
    of = _of(found, len(classes), "most images").lstrip(": ")
    axes.set(title="classes in the same image" + (f"\n{of}" if of else ""))
