"""Anchors of a dataset as plain text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from detkit.reports._table import number, table
from detkit.wording import folded, percent, plural, printable

__all__ = ["targets_text", "text"]

_CLASSES_SHOWN = 10
_LEFT_OUT = {
    "crowds": "crowds",
    "ignored": "ignored",
    "without_area": "without area",
    "without_image_size": "of images of unknown size",
}
_METRICS = {"iou": "1 - IoU at a shared corner", "ratio": "1 - worse side ratio"}


def text(found: Mapping[str, Any]) -> str:
    """Anchors, how they fit, sweep, cells, worst classes; `found` is of schema `detkit.anchors/1`."""
    parts = [_head(found), _anchors(found), _fit(found), _sweep(found), _cells(found), _classes(found)]
    note = (
        "YOLOv8 and later, YOLOX, FCOS and DETR have no anchors. Ready to paste: --to yolov5, yolov7, darknet, mmdet."
    )
    return "\n\n".join("\n".join(lines) for lines in [*parts, folded(note, hang="")] if lines) + "\n"


def _head(found: Mapping[str, Any]) -> list[str]:
    settings = found["settings"]
    width, height = settings["image_size"]
    splits = f"; splits {', '.join(found['splits'])}" if found["splits"] else ""
    first = f"{plural(found['boxes'], 'box', 'boxes')} of {plural(found['images'], 'image')}{splits}, as a network of"
    lines = [f"{first} {width}x{height} sees them ({settings['resize']})"]
    lines.append(
        f"distance {_METRICS[settings['metric']]}, {plural(settings['restarts'], 'restart')}, seed {settings['seed']}"
    )
    lines += _left_out(found["left_out"])
    if found["tiny"]:
        lines.append(f"{plural(found['tiny'], 'box has', 'boxes have')} a side below 3 network pixels")
    evolution = found["evolution"]
    if evolution is not None:
        lines.append(
            f"{plural(evolution['generations'], 'generation')}: fitness {evolution['before']:.4f} before, "
            f"{evolution['after']:.4f} after"
        )
    return [row for line in lines for row in folded(printable(line), hang="")]


def _left_out(counts: Mapping[str, int]) -> list[str]:
    named = [f"{count} {_LEFT_OUT[name]}" for name, count in counts.items() if count]
    return [f"left out: {', '.join(named)}"] if named else []


def _anchors(found: Mapping[str, Any]) -> list[str]:
    rows = [
        [
            str(row["stride"]),
            f"{row['width']:.1f}",
            f"{row['height']:.1f}",
            str(row["boxes"]),
            percent(row["boxes"] / found["boxes"]),
            number(row["mean_iou"]),
        ]
        for row in found["per_anchor"]
    ]
    return table(["stride", "width", "height", "best of boxes", "share", "their mean IoU"], rows, left=0)


def _fit(found: Mapping[str, Any]) -> list[str]:
    sides = [found] if found["given"] is None else [found["given"], found]
    threshold = f"{found['settings']['ratio_threshold']:g}"
    rows = [
        ["mean best IoU", *(number(s["mean_best_iou"]) for s in sides)],
        ["best possible recall (BPR)", *(number(s["bpr"]) for s in sides)],
        ["anchors above threshold (AAT)", *(number(s["aat"], 2) for s in sides)],
        ["fitness (YOLOv5)", *(number(s["fitness"]) for s in sides)],
        [f"boxes no anchor covers (ratio {threshold} or more)", *(str(s["uncovered"]) for s in sides)],
        ["objects lost to collisions", *(str(s["assignment"]["collided"]) for s in sides)],
    ]
    header = ["of all boxes", "found"] if len(sides) == 1 else ["of all boxes", "given", "found"]
    return table(header, rows)


def _sweep(found: Mapping[str, Any]) -> list[str]:
    sweep = found["sweep"]
    if sweep is None:
        return []
    rows = [
        [
            str(row["k"]),
            number(row["mean_best_iou"]),
            number(row["bpr"]),
            number(row["aat"], 2),
            number(row["fitness"]),
            "<- knee" if row["k"] == sweep["knee"] else "",
        ]
        for row in sweep["rows"]
    ]
    return table(["k", "mean best IoU", "BPR", "AAT", "fitness", ""], rows, left=0)


def _cells(found: Mapping[str, Any]) -> list[str]:
    use = found["assignment"]
    rows = [
        [
            str(level["stride"]),
            "x".join(map(str, level["grid"])),
            *(str(level[name]) for name in ("objects", "cells", "most_in_cell", "collided")),
        ]
        for level in use["levels"]
    ]
    lines = table(["stride", "grid", "objects", "cells in use", "most in a cell", "collided"], rows, left=0)
    shared = [f"{n} in {count}" for n, count in enumerate(use["per_slot"], 1) if count]
    text = f"objects per cell and anchor: {', '.join(shared) or 'none'}"
    if use["collided"]:
        text += (
            f"; {plural(use['collided'], 'object')} in {plural(use['images_with_collisions'], 'image')} "
            f"({percent(use['collided'] / use['objects'])}) would be lost where each cell and anchor holds one"
        )
    if use["outside"]:
        text += f"; {plural(use['outside'], 'object')} with the centre outside the input"
    return [*lines, *folded(text, hang="")]


def _classes(found: Mapping[str, Any]) -> list[str]:
    classes = found["per_class"]
    before = {} if found["given"] is None else {c["name"]: c for c in found["given"]["per_class"]}
    rows = [
        [
            c["name"],
            str(c["boxes"]),
            *([number(before[c["name"]]["mean_best_iou"])] if before else []),
            number(c["mean_best_iou"]),
            number(c["bpr"]),
            str(c["uncovered"]),
        ]
        for c in classes[:_CLASSES_SHOWN]
    ]
    header = ["class (worst first)", "boxes", *(["IoU given"] if before else []), "mean best IoU", "BPR", "uncovered"]
    lines = table(header, rows)
    if len(classes) > len(rows):
        lines.append(f"... {len(classes) - len(rows)} more classes (all of them: --format json)")
    return lines


def targets_text(found: Mapping[str, Any]) -> str:
    """The tensors of each level, and what found no place; `found` is of schema `detkit.targets/1`."""
    rows = [
        [str(level["stride"]), " x ".join(map(str, level["shape"])), str(level["objects"])] for level in found["levels"]
    ]
    lines = table(["stride", "rows x columns x anchors x numbers", "objects"], rows, left=0)
    unit = "px" if found["units"] == "pixels" else "shares"
    error = f"the way back is exact to {found['largest_error']:.1g} {unit}"
    lines.append(f"{plural(found['objects'], 'object')} of {plural(found['images'], 'image')} have a place; {error}")
    if found["collided"]:
        lines.append(f"{plural(found['collided'], 'object')} lost to another one in the same cell and anchor")
    if found["outside"]:
        lines.append(f"{plural(found['outside'], 'object')} with the centre outside the input")
    return "\n".join([*lines, *_left_out(found["left_out"])]) + "\n"
