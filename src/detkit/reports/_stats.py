"""Counts of a table as plain text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from detkit.reports._table import number, table
from detkit.wording import plural

if TYPE_CHECKING:
    from detkit.transforms.stats import ClassStats, Stats

__all__ = ["TITLES", "details", "span", "text"]

_WORDS = {
    "crowds": "crowd",
    "ignored": "difficult (ignored)",
    "outlines": "with outlines",
    "keypoints": "with keypoints",
    "without_area": "without area",
    "one_pixel_wide_or_high": "one pixel wide or high",
    "sticking_out": "sticking out of the image",
}


#: Classes that are listed all; of more than that so many of the most frequent, and of the least.
_CLASSES, _MOST, _LEAST = 30, 20, 5


def text(found: Stats, *, all_classes: bool = False) -> str:
    """Totals, splits, classes; of many classes the most and the least frequent, unless all are asked for."""
    spread = found.boxes_per_image
    images, boxes = plural(found.images, "image"), plural(found.boxes, "box", "boxes")
    lines = [f"{images} ({found.negatives} without boxes), {boxes}"]
    if spread:
        lines.append(
            f"boxes per image: min {spread['min']:g}, median {spread['median']:.1f}, mean {spread['mean']:.2f}, "
            f"max {spread['max']:g}"
        )
    if found.scores:
        named = [f"{name} {number(found.scores[name])}" for name in ("min", "median", "max")]
        lines.append(f"scores: {', '.join(named)}")
    flags = [f"{count} {_WORDS[name]}" for name, count in found.flags.items() if count]
    if flags:
        lines.append(f"boxes: {', '.join(flags)}")
    if found.units == "normalised":
        lines.append("coordinates are shares of the image: sizes are unknown")
    if found.splits:
        rows = [[s.name, str(s.images), str(s.negatives), str(s.boxes)] for s in found.splits]
        lines += ["", *table(["split", "images", "negatives", "boxes"], rows)]
    header = ["class", "boxes", "images"]
    sized = bool(found.classes) and bool(found.classes[0].sizes)
    if sized:
        header += ["small", "medium", "large", "median w x h"]
    sides = _sides(found.classes)
    rows = []
    for c, side in zip(found.classes, sides, strict=True):
        sizes = [*(str(c.sizes[s]) for s in ("small", "medium", "large")), side] if sized else []
        rows.append([c.name, str(c.boxes), str(c.images), *sizes])
    return "\n".join([*lines, "", *_classes(header, rows, found.classes, all_classes=all_classes)]) + "\n"


def _sides(classes: Sequence[ClassStats]) -> list[str]:
    """Median width and height of each class, one below the other."""
    pairs = [(number(c.median_width, 1), number(c.median_height, 1)) for c in classes]
    wide, high = (max((len(pair[k]) for pair in pairs), default=0) for k in (0, 1))
    return [f"{w:>{wide}} x {h:>{high}}" if w != "-" else "-" for w, h in pairs]


def _classes(
    header: Sequence[str], rows: Sequence[Sequence[str]], classes: Sequence[ClassStats], *, all_classes: bool
) -> list[str]:
    """A table with a row a class: all in the source's order, or of many the most and the least frequent."""
    if all_classes or len(rows) <= _CLASSES:
        return table(header, rows)
    order = sorted(range(len(rows)), key=lambda i: -classes[i].boxes)
    between = order[_MOST:-_LEAST]
    shown = [rows[i] for i in (*order[:_MOST], *order[-_LEAST:])]
    lines = table([f"{header[0]} (most boxes first)", *header[1:]], shown)
    counts = f"{classes[between[-1]].boxes} to {classes[between[0]].boxes} boxes each"
    # Header and rule stand before the rows.
    lines.insert(2 + _MOST, f"... {len(between)} more classes, {counts} (all of them: --all-classes)")
    return lines


#: Cells of a bar, pairs of classes that are shown, and shades of the map of centres.
_BAR, _SHOWN, _SHADES = 40, 15, " .:-=+*#%@"
#: What a histogram counts, and in which unit.
TITLES = {
    "size": "size (square root of the area, pixels)",
    "image_share": "size (square root of the share of the image)",
    "aspect": "aspect (width / height)",
    "boxes_per_image": "boxes per image",
}


def details(found: Stats, *, all_classes: bool = False) -> str:
    """How boxes are spread: over splits and classes, sizes, aspects, places, pairs of classes."""
    lines: list[str] = []
    if len(found.splits) > 1:
        names = [s.name for s in found.splits]
        rows = [[c.name, *(str(c.splits[name]) for name in names)] for c in found.classes]
        header = ["boxes of class in split", *names[:6]]
        lines += ["", *_classes(header, [row[:7] for row in rows], found.classes, all_classes=all_classes)]
    for name, histogram in found.histograms.items():
        if sum(histogram["counts"]):
            lines += ["", TITLES[name], *_bars(name, histogram["edges"], histogram["counts"])]
    if found.centres and any(map(any, found.centres)):
        lines += ["", "centres of boxes, darkest where most are", *_map(found.centres)]
    if found.co_occurrence:
        shown = found.co_occurrence[:_SHOWN]
        rows = [[f"{a} + {b}", str(count)] for a, b, count in shown]
        lines += ["", *table(["classes in one image", "images"], rows)]
        more = len(found.co_occurrence) + found.co_occurrence_left_out - len(shown)
        if more:
            lines.append(f"... {plural(more, 'more pair')} (all of them: --format json)")
    return "\n".join(lines[1:]) + "\n" if lines else ""


def span(name: str, edges: Sequence[float], n: int) -> str:
    """What a bin of a histogram holds: from its edge to below the next; of whole numbers the first and the last."""
    low = f"{edges[n]:.3g}"
    if n + 1 == len(edges):
        return f">= {low}"
    if name != "boxes_per_image":
        return f"{low} to {edges[n + 1]:.3g}"
    high = f"{edges[n + 1] - 1:.3g}"
    return low if low == high else f"{low} to {high}"


def _bars(name: str, edges: Sequence[float], counts: Sequence[float]) -> list[str]:
    """A line a bin, without the empty ones at both ends."""
    filled = [n for n, count in enumerate(counts) if count]
    most, lines = max(counts), []
    for n in range(filled[0], filled[-1] + 1):
        bar = "#" * max(round(_BAR * counts[n] / most), int(counts[n] > 0))
        lines.append(f"  {span(name, edges, n):>14}  {counts[n]:>9.0f}  {bar}".rstrip())
    return lines


def _map(centres: Sequence[Sequence[int]]) -> list[str]:
    """A row of the grid a line, two characters a cell."""
    most = max(map(max, centres))
    shades = len(_SHADES) - 1
    return ["  |" + "".join(2 * _SHADES[-(-shades * count // most)] for count in row) + "|" for row in centres]
