"""Counts of a table as plain text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from detkit.reports._table import table

if TYPE_CHECKING:
    from detkit.transforms.stats import Stats

__all__ = ["details", "text"]

_WORDS = {
    "crowds": "crowds",
    "ignored": "difficult (ignored)",
    "outlines": "with outlines",
    "keypoints": "with keypoints",
    "without_area": "without area",
    "one_pixel_wide_or_high": "one pixel wide or high",
    "sticking_out": "sticking out of the image",
}


def text(found: Stats) -> str:
    """Totals, splits, classes."""
    spread = found.boxes_per_image
    lines = [f"{found.images} images ({found.negatives} without boxes), {found.boxes} boxes"]
    if spread:
        lines.append(
            f"boxes per image: min {spread['min']:g}, median {spread['median']:g}, mean {spread['mean']:.2f}, "
            f"max {spread['max']:g}"
        )
    if found.scores:
        scores = found.scores
        lines.append(f"scores: min {scores['min']:.4g}, median {scores['median']:.4g}, max {scores['max']:.4g}")
    flags = [f"{count} {_WORDS[name]}" for name, count in found.flags.items() if count]
    if flags:
        lines.append(f"boxes: {', '.join(flags)}")
    if found.units == "normalised":
        lines.append("coordinates are shares of the image: sizes are unknown")
    if found.splits:
        rows = [[s.name, str(s.images), str(s.negatives), str(s.boxes)] for s in found.splits]
        lines += ["", *table(["split", "images", "negatives", "boxes"], rows)]
    sized = bool(found.classes) and bool(found.classes[0].sizes)
    header = ["class", "boxes", "images", *(["small", "medium", "large", "median w x h"] if sized else [])]
    rows = []
    for c in found.classes:
        row = [c.name, str(c.boxes), str(c.images)]
        if sized:
            size = "-" if c.median_width is None else f"{c.median_width:.4g} x {c.median_height:.4g}"
            row += [*(str(c.sizes[s]) for s in ("small", "medium", "large")), size]
        rows.append(row)
    return "\n".join([*lines, "", *table(header, rows)]) + "\n"


#: Cells of a bar, pairs of classes that are shown, and shades of the map of centres.
_BAR, _SHOWN, _SHADES = 40, 15, " .:-=+*#%@"
_TITLES = {
    "size": "size (square root of the area, pixels)",
    "image_share": "size (square root of the share of the image)",
    "aspect": "aspect (width / height)",
    "boxes_per_image": "boxes per image",
}


def details(found: Stats) -> str:
    """How boxes are spread: over splits and classes, sizes, aspects, places, pairs of classes."""
    lines: list[str] = []
    if len(found.splits) > 1:
        names = [s.name for s in found.splits]
        rows = [[c.name, *(str(c.splits[name]) for name in names)] for c in found.classes]
        lines += ["", *table(["boxes of class in split", *names[:6]], [row[:7] for row in rows])]
    for name, histogram in found.histograms.items():
        if sum(histogram["counts"]):
            lines += ["", _TITLES[name], *_bars(histogram["edges"], histogram["counts"])]
    if found.centres and any(map(any, found.centres)):
        lines += ["", "centres of boxes, darkest where most are", *_map(found.centres)]
    if found.co_occurrence:
        shown = found.co_occurrence[:_SHOWN]
        rows = [[f"{a} + {b}", str(count)] for a, b, count in shown]
        lines += ["", *table(["classes in one image", "images"], rows)]
        more = len(found.co_occurrence) + found.co_occurrence_left_out - len(shown)
        if more:
            lines.append(f"and {more} more pairs (--format json)")
    return "\n".join(lines[1:]) + "\n" if lines else ""


def _bars(edges: Sequence[float], counts: Sequence[float]) -> list[str]:
    """A line a bin, without the empty ones at both ends."""
    filled = [n for n, count in enumerate(counts) if count]
    most, lines = max(counts), []
    for n in range(filled[0], filled[-1] + 1):
        last = n + 1 == len(edges)
        span = f">= {edges[n]:.3g}" if last else f"{edges[n]:.3g} to {edges[n + 1]:.3g}"
        bar = "#" * max(round(_BAR * counts[n] / most), int(counts[n] > 0))
        lines.append(f"  {span:>14}  {counts[n]:>9.0f}  {bar}".rstrip())
    return lines


def _map(centres: Sequence[Sequence[int]]) -> list[str]:
    """A row of the grid a line, two characters a cell."""
    most = max(map(max, centres))
    shades = len(_SHADES) - 1
    return ["  |" + "".join(2 * _SHADES[-(-shades * count // most)] for count in row) + "|" for row in centres]
