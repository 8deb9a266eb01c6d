"""CVAT's XML files as rows: images as they stand, tracks frame by frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from detkit.errors import InputError
from detkit.findings import Finding
from detkit.formats._base import ReadOptions
from detkit.formats._collect import Collector, Item, named_like
from detkit.formats._cvat_tracks import Seen, frames_of_track
from detkit.formats._cvat_xml import MOST_FRAMES, NO_REGION, SHAPES, Meta, Task, elements, meta_of, shape_of, xml_below
from detkit.formats._images import walk_images
from detkit.formats._numbers import parse_exact
from detkit.formats._turned import bounds
from detkit.wording import examples

__all__ = ["read_cvat"]


@dataclass
class _Picture:
    """One image or frame before names are settled."""

    name: str
    folder: str
    task: Task
    subset: str
    size: tuple[float, float] | None
    items: list[Item] = field(default_factory=list)


@dataclass
class _File:
    """Content of one XML file."""

    path: Path
    meta: Meta = field(default_factory=Meta)
    pictures: list[_Picture] = field(default_factory=list)
    tracks: list[tuple[Task, str, list[Seen]]] = field(default_factory=list)
    interpolated: int = 0


def read_cvat(path: Path, options: ReadOptions) -> tuple[Collector, tuple[str, ...]]:
    """Everything in CVAT's XML at a path, and the labels of its tasks in order.

    Parameters
    ----------
    path : Path
        An XML file, or a folder such as an export unpacks to.
    options : ReadOptions

    Returns
    -------
    collected : Collector
    labels : tuple of str

    Raises
    ------
    InputError
        No XML of CVAT's, or none that can be read.
    """
    root = path if path.is_dir() else path.parent
    collected = Collector(path, "cvat", options, (root / "images", root, root.parent / "images"))
    read: list[_File] = []
    found = xml_below(path)
    for file in found:
        try:
            read.append(_read_file(file, root, collected))
        except InputError as error:
            if len(found) == 1:
                raise
            message = error.message.removeprefix(f"{file}: ")
            collected.findings.append(Finding("DK101", message, file=str(file)))
    if not read:
        shown = f": {collected.findings[0].where}: {collected.findings[0].message}" if collected.findings else ""
        raise InputError(f"no .xml file of CVAT{shown}", path=path)
    for content in read:
        _add_frames(content, collected)
    _add_pictures([p for content in read for p in content.pictures], collected)
    _complete_occluded(collected)
    labels = tuple(dict.fromkeys(label for content in read for label in content.meta.labels))
    return collected, labels


def _read_file(file: Path, root: Path, collected: Collector) -> _File:
    content = _File(file)
    folder = file.parent.relative_to(root).as_posix()
    for element in elements(file):
        if element.tag == "meta":
            content.meta = meta_of(element)
        elif element.tag == "image":
            _read_image(content, element, "" if folder == "." else folder, collected)
        else:
            _read_track(content, element, collected)
    collected.sources.append(file)
    return content


def _read_image(content: _File, element: Any, folder: str, collected: Collector) -> None:
    task = content.meta.task(element.get("task_id"))
    width, height = (parse_exact(element.get(side, "")) for side in ("width", "height"))
    size = (float(width), float(height)) if width and height and width > 0 and height > 0 else None
    name = (element.get("name") or f"frame_{element.get('id', '0').zfill(6)}").replace("\\", "/")
    picture = _Picture(name, folder, task, element.get("subset") or task.subset, size)
    groups: dict[tuple[str, int], Item] = {}
    for number, child in enumerate(element):
        item = _item(content, child, child.get("label", ""), size, collected, (name, number))
        if item is not None and not _joined(groups, item):
            picture.items.append(item)
    several = [item.name for item in groups.values() if len(item.shape) > 1]
    if several:
        message = f"polygons with the same label and `group_id` are read as parts of one object: {examples(several)}"
        collected.findings.append(Finding("DK107", message, file=str(content.path), image=name, count=len(several)))
    content.pictures.append(picture)


def _read_track(content: _File, element: Any, collected: Collector) -> None:
    task = content.meta.task(element.get("task_id"))
    label, track = element.get("label", ""), parse_exact(element.get("id", ""))
    seen: list[Seen] = []
    for number, child in enumerate(element):
        frame = parse_exact(child.get("frame", ""))
        place = (f"track {element.get('id', '?')}", number)
        if child.tag in SHAPES and (frame is None or not 0 <= frame <= MOST_FRAMES):
            found = f"{place[0]}, shape {number}: `frame` is `{child.get('frame', '')[:40]}`"
            collected.bad(f"{found}, expected 0 to {MOST_FRAMES:,}", content.path, annotation=number)
            continue
        item = _item(content, child, label, task.size, collected, place)
        if item is None or frame is None:
            continue
        if track is not None:
            item.attributes = {**item.attributes, "track_id": int(track)}
        seen.append(Seen(int(frame), item, child.get("outside") == "1", child.get("keyframe", "1") == "1"))
    if seen:
        content.tracks.append((task, element.get("subset") or task.subset, seen))


def _item(
    content: _File, element: Any, label: str, size: Any, collected: Collector, place: tuple[str, int]
) -> Item | None:
    if element.tag not in SHAPES:
        if element.tag in NO_REGION:
            collected.skipped[f"<{element.tag}> elements"] += element.get("outside") != "1"
        return None
    item = shape_of(element, label, content.meta, size)
    if isinstance(item, str):
        message = f"{place[0]}, <{element.tag}> {place[1]}: {item}"
        collected.bad(message, content.path, image=place[0], annotation=place[1])
        return None
    collected.from_shapes += element.tag in ("ellipse", "cuboid")
    collected.suspicious(item, content.path, image=place[0], annotation=place[1])
    return item


def _joined(groups: dict[tuple[str, int], Item], item: Item) -> bool:
    """Whether a polygon was added to an earlier one of the same label and group."""
    group = item.attributes.get("group_id")
    if group is None or not isinstance(item.shape, list) or item.is_oriented:
        return False
    first = groups.setdefault((item.name, group), item)
    if first is item:
        return False
    first.shape = [*first.shape, *item.shape]
    first.xywh = bounds(np.array([v for ring in first.shape for v in ring], np.float64).reshape(-1, 2))
    return True


def _add_frames(content: _File, collected: Collector) -> None:
    """Frames of the video tasks of a file: all that the meta data count, with the rows of the tracks."""
    if not content.tracks and content.pictures:
        return
    pictures: dict[tuple[str, int], _Picture] = {}
    for task in content.meta.tasks.values():
        for frame in task.frames or ():
            pictures[task.id, frame] = _frame(task, frame, task.subset)
    is_dense = any(not s.is_keyframe for _, _, seen in content.tracks for s in seen)
    for task, subset, seen in content.tracks:
        last = task.frames[-1] if task.frames else None
        for frame, item, is_made in frames_of_track(seen, task.step, last, is_dense=is_dense):
            key = (task.id, frame)
            if key not in pictures:
                pictures[key] = _frame(task, frame, subset)
            pictures[key].items.append(item)
            content.interpolated += is_made
    order = {own: n for n, own in enumerate(content.meta.tasks)}
    made = [pictures[key] for key in sorted(pictures, key=lambda key: (order.get(key[0], -1), key[1]))]
    _name_by_order(made, content, collected)
    content.pictures += made
    if content.interpolated:
        message = "rows on frames that the file leaves out are interpolated (outlines stay as on the frame before)"
        collected.findings.append(Finding("DK107", message, file=str(content.path), count=content.interpolated))


def _frame(task: Task, frame: int, subset: str) -> _Picture:
    return _Picture(f"frame_{frame:06d}", "", task, subset, task.size)


def _name_by_order(pictures: Sequence[_Picture], content: _File, collected: Collector) -> None:
    """Give frames the names of image files where no file is called like a frame and there is one for each."""
    folder = content.path.parent / "images"
    if not pictures or not folder.is_dir():
        return
    images = walk_images(folder)
    if len(images) != len(pictures) or any(p.stem.lower().startswith("frame_") for p in images):
        return
    for picture, image in zip(pictures, images, strict=True):
        picture.name = image.relative_to(folder).as_posix()
    message = "frames are named after the image files in their sorted order"
    collected.findings.append(Finding("DK110", message, file=str(folder), count=len(images)))


def _add_pictures(pictures: Sequence[_Picture], collected: Collector) -> None:
    """Images with names that tell them apart: as stated, else with subset, task or folder before them."""
    names = [p.name for p in pictures]
    prefixes = (
        [p.subset for p in pictures],
        [p.task.name or p.task.id for p in pictures],
        [p.folder for p in pictures],
    )
    for before in prefixes:
        counts = Counter(names)
        names = [
            f"{prefix}/{name}" if counts[name] > 1 and prefix else name
            for prefix, name in zip(before, names, strict=True)
        ]
    subsets = {p.subset for p in pictures}
    with_splits = bool(subsets - {"", "default", "Default"})
    folders: dict[Path, dict[str, str]] = {}
    for picture, name in zip(pictures, names, strict=True):
        found = _image_file(picture, name, folders, collected)
        shown = named_like(found, name)
        if found is None and picture.name.startswith("frame_") and "." not in picture.name:
            shown = f"{name}.png"
        split = picture.subset if with_splits and picture.subset else None
        position = collected.image(shown, picture.size, found, split)
        for item in picture.items:
            collected.add(position, item)


def _image_file(picture: _Picture, name: str, folders: dict[Path, dict[str, str]], collected: Collector) -> str | None:
    """The image of a picture: below `images`, in a folder of its subset where the export has those."""
    for folder in collected.finder.folders if picture.subset else ():
        below = folder / picture.subset
        if below not in folders:
            files = walk_images(below) if below.is_dir() else []
            named = [(p.relative_to(below).as_posix(), p) for p in files]
            folders[below] = {key: str(p) for n, p in named for key in (n[: -len(p.suffix)], n)}
        if picture.name in folders[below]:
            return folders[below][picture.name]
    return collected.finder.find(picture.name) or (collected.finder.find(name) if name != picture.name else None)


def _complete_occluded(collected: Collector) -> None:
    """Every shape states whether it is occluded: where any is, the others are not (no column where none is)."""
    if any("occluded" in row.attributes for row in collected.rows):
        for row in collected.rows:
            row.attributes = {**row.attributes, "occluded": row.attributes.get("occluded", 0.0)}
