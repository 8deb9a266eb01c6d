"""Differences of two versions of a dataset: as plain text, and every changed box as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from shlex import quote
from typing import TYPE_CHECKING, Any

from detkit.reports._table import WIDTH, number, table
from detkit.reports.text import gate_lines
from detkit.wording import folded, plural, printable

if TYPE_CHECKING:
    from detkit.evaluation.gate import GateReport

__all__ = ["rows", "text"]

#: Lines of a list in the text; JSON and CSV have all of them.
_SHOWN = 10
_CHANGES = ("moved", "reclassified", "flags", "outlines", "keypoints")


def rows(columns: Mapping[str, Sequence[Any]]) -> str:
    """Equally long columns as CSV with full precision; None is empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return out.getvalue()


def text(found: Mapping[str, Any], gate: GateReport | None = None) -> str:
    """What happened, counts, agreement, classes, images, verdict; `found` is of schema `detkit.dataset_diff/1`."""
    lines = [
        *(f"{side.upper()} {_name(found[side])}" for side in "ab"),
        "",
        *folded(_headline(found), hang=""),
        "",
        *_counts(found),
        *_of_the_changed(found),
        *_class_changes(found["class_changes"]),
        *_reclassified(found["reclassified"]),
        *_per_class(found["per_class"]),
        *_images(found["image_changes"]),
        *_agreement(found["agreement"], found["iou_threshold"]),
    ]
    if found["images"]["changed"]:
        a, b = (quote(printable(found[side]["path"])) for side in "ab")
        lines += ["", "look at them:", f"  detkit draw {a} -o look-a", f"  detkit draw {b} -o look-b"]
    if gate is not None:
        lines += ["", *gate_lines(gate)]
    return "\n".join(lines) + "\n"


def _name(source: Mapping[str, Any]) -> str:
    return printable(source["path"]) + (f" ({source['format']})" if source["format"] else "")


def _headline(found: Mapping[str, Any]) -> str:
    images, boxes, classes = found["images"], found["boxes"], found["classes"]
    parts = [f"images: {_listed(images, ('added', 'removed', 'resized', 'resplit'))}"]
    parts.append(f"boxes: {_listed(boxes, ('added', 'removed', *_CHANGES))}")
    parts.append(f"classes: {_listed(classes, ('added', 'removed', 'renamed', 'renumbered'))}")
    told = [part for part in parts if not part.endswith(": ")]
    if not told:
        return f"alike: {plural(images['shared'], 'image')}, {plural(boxes['matched'], 'box', 'boxes')}"
    return "; ".join(told)


def _listed(counts: Mapping[str, int], names: Sequence[str]) -> str:
    words = {"resized": "of another size", "resplit": "in another split", "flags": "with other flags",
             "outlines": "with another outline", "keypoints": "with other keypoints"}  # fmt: skip
    return ", ".join(f"{counts[name]} {words.get(name, name)}" for name in names if counts[name])


def _counts(found: Mapping[str, Any]) -> list[str]:
    images, boxes = found["images"], found["boxes"]
    names = ("a", "b", "unchanged", "changed", "removed", "added")
    lines = table(
        ["", "A", "B", *names[2:]],
        [["images", *(str(images[n]) for n in names)], ["boxes", *(str(boxes[n]) for n in names)]],
    )
    if boxes["removed_with_images"] or boxes["added_with_images"]:
        lines.append(
            f"{boxes['removed_with_images']} of the removed and {boxes['added_with_images']} of the added boxes went "
            "or came with their image"
        )
    return lines


def _of_the_changed(found: Mapping[str, Any]) -> list[str]:
    boxes = found["boxes"]
    if not boxes["changed"]:
        return []
    unit = "px" if found["units"] == "pixels" else "of the image"
    what = {
        "moved": f"an edge by more than {found['tolerance']:g} {unit}",
        "reclassified": "has another class",
        "flags": ", ".join(f"{name} {count}" for name, count in found["flags"].items()),
        "outlines": "polygon or mask",
        "keypoints": "place or visibility",
    }
    cells = [[name, str(boxes[name]), what[name]] for name in _CHANGES if boxes[name]]
    return ["", *_remarked(["of the changed boxes", "boxes"], cells)]


def _class_changes(changes: Mapping[str, Any]) -> list[str]:
    parts = [("added", _quoted(changes["added"])), ("removed", _quoted(changes["removed"]))]
    told = [f"{row['from']} is now {row['to']} ({plural(row['boxes'], 'box', 'boxes')})" for row in changes["renamed"]]
    parts.append(("renamed", _some(told)))
    parts.append(("renumbered", _some([f"{row['name']} {row['a']} -> {row['b']}" for row in changes["renumbered"]])))
    told = [f"classes {name}: {printable(text)}" for name, text in parts if text]
    return ["", *(line for text in told for line in folded(text))] if told else []


def _quoted(names: Sequence[str]) -> str:
    return _some([f"`{name}`" for name in names])


def _some(items: Sequence[str]) -> str:
    rest = len(items) - _SHOWN
    return ", ".join(items[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _reclassified(found: Sequence[Mapping[str, Any]]) -> list[str]:
    if not found:
        return []
    cells = [[row["from"], row["to"], str(row["boxes"])] for row in found[:_SHOWN]]
    return [
        "",
        *table(["class in A", "class in B", "boxes"], cells, left=2),
        *_rest(len(found) - _SHOWN, "pairs of classes"),
    ]


def _per_class(found: Sequence[Mapping[str, Any]]) -> list[str]:
    keys = ("a", "b", "removed", "added", "reclassified_from", "reclassified_to", "moved")
    differ = [row for row in found if row["unchanged"] < row["a"] or row["unchanged"] < row["b"]]
    order = sorted(differ, key=lambda row: (-sum(row[key] for key in keys[2:]), -row["a"] - row["b"]))
    header = ["most changed class", "A", "B", "gone", "new", "left", "came", "moved", "F1", "AP"]
    cells = [
        [row["name"], *(str(row[key]) for key in keys), number(row["f1"], 3), number(row["AP"], 3)]
        for row in order[:_SHOWN]
    ]
    return ["", *table(header, cells), *_rest(len(found) - len(cells), "classes")] if cells else []


def _images(changes: Mapping[str, Any]) -> list[str]:
    lines = []
    for name in ("removed", "added"):
        if changes[name]:
            lines += ["", *folded(f"images {name}: {printable(_some(changes[name]))}")]
    changed = changes["changed"]
    if not changed:
        return lines
    header = ["most changed image", "boxes", "removed", "added", "moved", "reclass.", "other"]
    cells = [
        [
            row["image"],
            *(str(row[key]) for key in ("boxes", "removed", "added", "moved", "reclassified")),
            _other(row),
        ]
        for row in changed[:_SHOWN]
    ]
    return [*lines, "", *table(header, cells), *_rest(len(changed) - _SHOWN, "images")]


def _other(row: Mapping[str, Any]) -> str:
    """Size or split, in a few letters; flags, outlines and keypoints as a count."""
    parts = [word for word, key in (("size", "size"), ("split", "splits")) if row[key] is not None]
    rest = max(row["flags"], row["outlines"], row["keypoints"])
    return " ".join([*parts, *([str(rest)] if rest else [])]) or "-"


def _rest(count: int, what: str) -> list[str]:
    return [f"... {count} more {what} (all of them: --format json)"] if count > 0 else []


def _agreement(figures: Mapping[str, float | None], iou_threshold: float) -> list[str]:
    cells = [
        ["F1 of boxes of one class", number(figures["f1"]), f"IoU >= {iou_threshold:g}"],
        ["mean IoU of pairs", number(figures["iou"]), ""],
        ["mAP", number(figures["AP"]), f"B on A {number(figures['AP_of_b'])}, A on B {number(figures['AP_of_a'])}"],
        ["mAP50", number(figures["AP50"]), ""],
        ["Cohen's kappa", number(figures["kappa"]), "all boxes, without a partner: background"],
        ["Cohen's kappa of pairs", number(figures["kappa_matched"]), "classes alone"],
        ["Krippendorff's alpha", number(figures["alpha"]), "as kappa over all boxes"],
    ]
    return ["", *_remarked(["agreement on the shared images", "value"], cells)]


def _remarked(header: Sequence[str], cells: Sequence[Sequence[str]]) -> list[str]:
    """A table of name and value, with a remark behind each row."""
    lines = table(header, [row[:2] for row in cells])
    told = (f"{line}  {printable(row[2])}".rstrip() for line, row in zip(lines[2:], cells, strict=True))
    return [*lines[:2], *(line if len(line) <= WIDTH else line[: WIDTH - 1] + "…" for line in told)]
