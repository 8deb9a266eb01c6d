"""Tasks of Label Studio as rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from detkit.errors import InputError
from detkit.findings import Finding
from detkit.formats._base import Kind, ReadOptions
from detkit.formats._collect import Collector, Item
from detkit.formats._images import displayed_size
from detkit.formats._json_file import as_number, as_numbers, as_points, read_many
from detkit.formats._label_studio_points import HIDDEN, NAMES, Points
from detkit.formats._label_studio_tasks import Task, image_names, keeps_prefix, results_of, tasks_of
from detkit.formats._labelme_read import json_below
from detkit.formats._manifest import read_manifest
from detkit.formats._turned import bounds, corners_around_first
from detkit.tables import Categories

__all__ = ["read_label_studio"]

_TRUE = frozenset(("true", "1", "yes"))
#: Results that say something of another region with the same id.
_OF_REGION = frozenset(("choices", "textarea", "number", "rating", "taxonomy", "datetime"))
#: The control that detkit writes oriented boxes with: there a box is oriented also where it is not turned.
ORIENTED = "oriented"

Size = tuple[float, float]


def read_label_studio(
    path: Path, options: ReadOptions, kind: Kind
) -> tuple[Collector, Categories | None, Points, Mapping[str, Any] | None]:
    """Everything in Label Studio's tasks at a path, and the classes and keypoint names that `detkit.json` lists.

    Parameters
    ----------
    path : Path
        A JSON file, or a folder with such files.
    options : ReadOptions
    kind : {"dataset", "detections"}
        Whether annotations or predictions are read.

    Returns
    -------
    collected : Collector
    stated : Categories or None
    points : Points
    names : mapping of str to list of str, or None

    Raises
    ------
    InputError
        No tasks.
    """
    root = path if path.is_dir() else path.parent
    files = [file for _, file in json_below(path)] if path.is_dir() else [path]
    collected = Collector(path, "label_studio", options, (root / "images", root, root / "media", root / "upload"))
    tasks: list[tuple[Path, Task]] = []
    for file, value in zip(files, read_many(files, options.jobs), strict=True):
        found = None if isinstance(value, InputError) else tasks_of(value)
        if isinstance(value, InputError):
            message = value.message.removeprefix(f"{file}: ")
            collected.findings.append(Finding("DK101", message, file=str(file)))
        if found:
            collected.sources.append(file)
            tasks += [(file, task) for task in found]
    if not tasks:
        first = f"; {collected.findings[0].where}: {collected.findings[0].message}" if collected.findings else ""
        raise InputError(f"no tasks with `data` and `annotations` or `predictions`{first}", path=path)
    names, points = image_names([task.image for _, task in tasks]), Points()
    for (file, task), (name, full) in zip(tasks, names, strict=True):
        _add_task(collected, points, file, task, name, full, kind)
    manifest = read_manifest(root, "label_studio") if path.is_dir() else None
    if manifest is not None:
        collected.sources.append(manifest.path)
        stated = manifest.content.get(NAMES)
        return collected, manifest.categories, points, stated if isinstance(stated, dict) else None
    return collected, None, points, None


def _add_task(collected: Collector, points: Points, file: Path, task: Task, name: str, full: str, kind: Kind) -> None:
    entry = _annotation(task, collected) if kind == "dataset" else _prediction(task, collected)
    if entry is None:
        collected.skipped["tasks without an annotation" if kind == "dataset" else "tasks without a prediction"] += 1
        return
    found = _file(task, collected, name, full)
    size = _size(task, entry, name, found, collected)
    position = collected.image(name, size, found)
    collected.paths[position] = found
    labels, about, complete = _by_region(entry)
    parts: dict[str, Item] = {}
    regions: dict[str, Item] = {}
    for number, result in results_of(entry):
        region = str(result.get("id", ""))
        if region in complete and not _labels_in(result["value"]) and result.get("type") in ("rectangle", "polygon"):
            # The same region once more, without its label.
            continue
        if str(result.get("type", "")).startswith("keypoint"):
            hidden = about.get(region, {}).get(HIDDEN) is True
            problem = _point(points, result, labels.get(region, []), size, hidden)
            if problem is not None:
                message = f"image `{name}`, result {number}: {problem}"
                collected.bad(message, file, image=name, annotation=number)
            continue
        item = _item(collected, file, name, number, result, labels.get(region, []), size)
        if item is None:
            continue
        _describe(item, about.get(region, {}))
        if kind == "detections":
            score = as_number(result.get("score", entry.get("score")))
            item.score = float("nan") if score is None else score
        if not _joined(parts, item, region, result.get("parentID")):
            collected.add(position, item)
            collected.suspicious(item, file, image=name, annotation=number)
            regions.setdefault(region, item)
    points.settle(regions, collected)


def _point(
    points: Points, result: Mapping[str, Any], labels: Sequence[str], size: Size | None, hidden: bool
) -> str | None:
    """Take a keypoint; what is wrong with it is returned."""
    own = _labels_in(result["value"]) or list(labels)
    if not own:
        return "a keypoint without a label"
    if size is None:
        return "coordinates are percents and the size of the image is unknown"
    return points.add(result["value"], own[0], result.get("parentID"), size, hidden)


def _file(task: Task, collected: Collector, name: str, full: str) -> str | None:
    """The image's file: with the prefix of its upload, else without, unless two uploads would be that file."""
    finder = collected.finder
    before = dict(finder.fallbacks)
    found = finder.find(full) or (finder.find(name) if name != full else None)
    if found is not None and keeps_prefix(task.image, name) and Path(found).name != name:
        finder.fallbacks.clear()
        finder.fallbacks.update(before)
        return None
    return found


def _annotation(task: Task, collected: Collector) -> Mapping[str, Any] | None:
    """The annotation that counts: the ground truth, else the first one that was not skipped."""
    valid = [a for a in task.annotations if not a.get("was_cancelled")]
    if len(valid) > 1:
        collected.skipped["further annotations of the same image"] += len(valid) - 1
    return next((a for a in valid if a.get("ground_truth")), valid[0] if valid else None)


def _prediction(task: Task, collected: Collector) -> Mapping[str, Any] | None:
    """The predictions of the model that is listed last, as one entry."""
    if not task.predictions:
        return None
    version = task.predictions[-1].get("model_version")
    chosen = [p for p in task.predictions if p.get("model_version") == version]
    if len(chosen) < len(task.predictions):
        collected.skipped["predictions of other model versions"] += len(task.predictions) - len(chosen)
    results = [{"score": p.get("score"), **r} for p in chosen for _, r in results_of(p)]
    return {"result": results, "score": chosen[-1].get("score")}


def _size(task: Task, entry: Mapping[str, Any], name: str, found: str | None, collected: Collector) -> Size | None:
    """Size of the image, which percents need: of its results, of the task, of the options, of the image file."""
    stated = [(r.get("original_width"), r.get("original_height")) for _, r in results_of(entry)]
    for pair in [*stated, (task.data.get("width"), task.data.get("height"))]:
        numbers = as_numbers(pair, 2)
        if numbers is not None and min(numbers) > 0:
            return numbers[0], numbers[1]
    if collected.options.image_sizes is not None:
        return collected.options.image_sizes.find(name)
    if found is not None and collected.options.read_sizes:
        try:
            return displayed_size(found)
        except InputError:
            return None
    return None


def _by_region(entry: Mapping[str, Any]) -> tuple[dict[str, list[str]], dict[str, dict[str, Any]], set[str]]:
    """Labels of each region, what else is said of it, and the regions that have label and place in one result."""
    labels: dict[str, list[str]] = {}
    about: dict[str, dict[str, Any]] = {}
    complete: set[str] = set()
    for _, result in results_of(entry):
        region, value = str(result.get("id", "")), result["value"]
        own = _labels_in(value)
        if own:
            labels.setdefault(region, own)
            complete |= {region} if "x" in value or "points" in value else set()
        kind = str(result.get("type", ""))
        if kind in _OF_REGION:
            stated = value.get("text" if kind == "textarea" else kind)
            single = stated[0] if isinstance(stated, list) and len(stated) == 1 else stated
            if kind == "choices" and single in ("true", "false"):
                single = single == "true"
            about.setdefault(region, {})[str(result.get("from_name", kind))] = single
    return labels, about, complete


def _labels_in(value: Mapping[str, Any]) -> list[str]:
    """Labels that a result states, in any control's field (`rectanglelabels`, `labels`, ...)."""
    found = (v for key, stated in value.items() if key.endswith("labels") and isinstance(stated, list) for v in stated)
    return [v for v in found if isinstance(v, str) and v]


def _item(
    collected: Collector,
    file: Path,
    name: str,
    number: int,
    result: Mapping[str, Any],
    labels: Sequence[str],
    size: Size | None,
) -> Item | None:
    """One region, or None where it is none or cannot be used; the reason is reported."""
    value, kind = result["value"], str(result.get("type", ""))
    is_box = {"x", "y", "width", "height"} <= value.keys()
    if kind in _OF_REGION or kind == "relation" or (kind == "labels" and not is_box and "points" not in value):
        return None
    if (not is_box and "points" not in value) or kind.startswith(("ellipse", "brush")):
        collected.skipped[f"results of type `{kind}`"] += 1
        return None

    def bad(message: str) -> Item | None:
        collected.bad(f"image `{name}`, result {number}: {message}", file, image=name, annotation=number)
        return None

    own = _labels_in(value) or list(labels)
    if not own:
        return bad("a region without a label")
    if size is None:
        return bad("coordinates are percents and the size of the image is unknown")
    if len(own) > 1:
        message = f"a region has {len(own)} labels, the first one counts: {', '.join(own[:3])}"
        collected.findings.append(Finding("DK106", message, file=str(file), image=name, annotation=number))
    if result.get("image_rotation"):
        collected.findings.append(
            Finding("DK106", "`image_rotation` is not applied", file=str(file), image=name, annotation=number)
        )
    item = _box(value, size, str(result.get("from_name", ""))) if is_box else _polygon(value, size)
    if isinstance(item, str):
        return bad(item)
    item.name = own[0]
    return item


def _box(value: Mapping[str, Any], size: Size, control: str) -> Item | str:
    numbers = as_numbers([value["x"], value["y"], value["width"], value["height"]], 4)
    degrees = as_number(value.get("rotation", 0) or 0)
    if numbers is None or degrees is None:
        return "`x`, `y`, `width`, `height` and `rotation` are not finite numbers"
    x, y, w, h = (round(n * size[i % 2] / 100, 9) for i, n in enumerate(numbers))
    if not degrees % 360 and control != ORIENTED:
        return Item("", (x, y, w, h))
    # The sides are unrounded: a corner far from the first one would show the difference.
    exact = [n * size[i % 2] / 100 for i, n in enumerate(numbers)]
    corners = corners_around_first(exact[0], exact[1], exact[2], exact[3], degrees)
    return Item("", bounds(np.array(corners)), [[v for point in corners for v in point]], is_oriented=True)


def _polygon(value: Mapping[str, Any], size: Size) -> Item | str:
    points = as_points(value.get("points"))
    if points is None or len(points) < 3:
        return "`points` is not a list of three or more finite x, y"
    ring = np.round(points * np.array(size) / 100, 9)
    return Item("", bounds(ring), [ring.ravel().tolist()])


def _describe(item: Item, about: Mapping[str, Any]) -> None:
    """Attributes of a region; `difficult` and `is_crowd` are flags."""
    stated = {k: v for k, v in about.items() if v is not None}
    item.is_ignored = str(stated.pop("difficult", "")).lower() in _TRUE
    item.is_crowd = str(stated.pop("is_crowd", "")).lower() in _TRUE
    item.attributes = stated


def _joined(parts: dict[str, Item], item: Item, region: str, parent: Any) -> bool:
    """Whether a polygon was added to the one it is a part of (its parent has the same label)."""
    first = parts.get(str(parent)) if parent else None
    if item.shape is None or item.is_oriented:
        return False
    if first is None or first.name != item.name:
        parts[region] = item
        return False
    first.shape = [*first.shape, *item.shape]
    first.xywh = bounds(np.array([v for ring in first.shape for v in ring], np.float64).reshape(-1, 2))
    return True
