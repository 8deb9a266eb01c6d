"""How alike splits are, as plain text: sizes and distances, then classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from detkit.reports._table import number, table
from detkit.wording import percent, plural

__all__ = ["text"]

_CLASSES = 25
_COLUMNS = 4
#: What the columns hold, below each table.
_SPLITS_READ = (
    "absent: classes without a box; distance: share of the boxes that would need",
    "another class to be as the whole; at random: the mean of random splits",
)
_CLASSES_READ = (
    "whole, splits: the class's share of the boxes there; gap: how far at most a",
    "split's part of the class's boxes is from its ratio",
)


def text(details: Mapping[str, Any]) -> str:
    """Tables of the `details` that splitting returns.

    The first has a line a split, the second a line a class: its share of all boxes, then of the boxes of each split,
    and the largest gap between its boxes' share in a split and the split's ratio, beside that of chance.
    """
    splits, classes = details["splits"], details["classes"]
    groups = details["groups"]
    lines = [_method(details), ""]
    header = ["split", "ratio", "images", "no boxes", "boxes", "absent", "distance", "at random"]
    rows = [
        [
            *(s["name"], f"{s['ratio']:.4g}", str(s["images"]), str(s["negatives"]), str(s["boxes"])),
            *(str(len(s["absent"])), number(s["distance"]), number(s["random_distance"])),
        ]
        for s in splits
    ]
    lines += [*table(header, rows), *_SPLITS_READ]
    if groups["of_several_images"]:
        lines.append(f"groups: {groups['count']}, {groups['of_several_images']} of several images, largest "
                     f"{groups['largest']}; cut: {details['leaks']['groups']}")  # fmt: skip
    named = [s["name"] for s in splits][:_COLUMNS]
    with_boxes = sorted((c for c in classes if c["boxes"]), key=lambda c: -c["boxes"])
    rows = [_class(c, named) for c in with_boxes[:_CLASSES]]
    lines += ["", *table(["class", "boxes", "whole", *named, "gap", "at random"], rows), *_CLASSES_READ]
    left = []
    if len(with_boxes) > _CLASSES:
        left.append(plural(len(with_boxes) - _CLASSES, "more class", "more classes"))
    if len(splits) > len(named):
        left.append(plural(len(splits) - len(named), "more split"))
    if left:
        lines.append(f"and {', '.join(left)}: --json has them all")
    least = 1 / min(s["ratio"] for s in splits)
    common = [c for c in with_boxes if c["boxes"] >= least - 1e-9]
    mean = [_mean([c[key] for c in common]) for key in ("gap", "random_gap")]
    what = (
        "all classes"
        if len(common) == len(with_boxes)
        else f"{plural(len(common), 'class', 'classes')} of {least:.0f} boxes or more"
    )
    lines.append(f"mean gap over {what}: {percent(mean[0])}, at random {percent(mean[1])}")
    return "\n".join(lines) + "\n"


def _method(details: Mapping[str, Any]) -> str:
    method = details["method"]
    way = {
        "stable": "stable: by hash of each group's name, adding images moves none",
        "random": "random",
        "stratified": f"stratified by {method['stratify']}",
    }[method["way"]]
    kept = (
        f", {plural(method['kept'], 'image kept where it was', 'images kept where they were')}"
        if method["kept"]
        else ""
    )
    return f"{way}, seed {method['seed']}{kept}"


def _class(row: Mapping[str, Any], named: Sequence[str]) -> list[str]:
    parts = [percent(row["splits"][name]["share"]) for name in named]
    whole = [row["name"], str(row["boxes"]), percent(row["share"])]
    return [*whole, *parts, percent(row["gap"]), percent(row["random_gap"])]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
