"""Counts of a table as plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detkit.reports._table import table

if TYPE_CHECKING:
    from detkit.transforms.stats import Stats

__all__ = ["text"]

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
