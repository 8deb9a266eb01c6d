"""Every dataset format converted to every other: what comes back, what does not, and what the losses say of it.

The contract test and the page `docs/reference/formats/index.md` (`tools/make_matrix.py`) are made of these functions.
A source holds all that its format can; outlines of different kinds exclude one another in some formats, so a source
has a flavour for each kind.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import detkit
from conversion_sources import FILES, SIZES, source
from detkit import formats, masks
from detkit.findings import Loss
from detkit.tables import Dataset, Shapes

SOURCES = formats.names("dataset")
TARGETS = formats.names("dataset", "write")


# --- conversions


@dataclass(frozen=True)
class Outcome:
    """One conversion: both tables, what was said to be lost, whether the source's files are as they were."""

    before: Dataset
    after: Dataset
    losses: tuple[Loss, ...]
    is_source_untouched: bool


def place_of(folder: Path, name: str) -> Path:
    """Where a format writes a dataset in a folder."""
    holds = formats.capabilities(name)
    return folder / ("out" if holds.folder else f"out{holds.file_suffixes[0]}")


def write_source(folder: Path, name: str, flavour: str) -> tuple[Path, Dataset]:
    """A source's files, and the table they are read as."""
    for number, (file, size) in enumerate(zip(FILES, SIZES, strict=True)):
        photo = folder / "photos" / file
        photo.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, (60 * number, 0, 0)).save(photo)
    place = place_of(folder, name)
    detkit.write(source(name, flavour, folder / "photos"), place, format=name, place_images="copy")
    return place, detkit.read(place, format=name)


def convert(place: Path, before: Dataset, name: str, to: str, folder: Path) -> Outcome:
    """A source converted through the public function and read back."""
    folder.mkdir(parents=True, exist_ok=True)
    target, as_it_was = place_of(folder, to), digest(place)
    done = detkit.convert(place, target, to, source_format=name, kind="dataset")
    return Outcome(before, detkit.read(target, format=to), done.losses, digest(place) == as_it_was)


def digest(place: Path) -> dict[str, str]:
    """Hash of each file of a dataset."""
    files = [place] if place.is_file() else [p for p in place.rglob("*") if p.is_file()]
    return {str(p.relative_to(place)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


# --- what came back


def images(data: Dataset) -> dict[str, tuple[float, ...]]:
    """File name -> size."""
    return dict(zip(data.images.file_names, map(tuple, data.images.sizes.tolist()), strict=True))


def photos(data: Dataset) -> dict[str, str | None]:
    """File name -> hash of the image file, None where there is none."""
    files = zip(data.images.file_names, data.images.paths, strict=True)
    return {name: hashlib.sha256(Path(path).read_bytes()).hexdigest() if path else None for name, path in files}


def boxes(data: Dataset) -> list[tuple[Any, ...]]:
    """File name, class, box of each row, in order of the names and of the rows in an image."""
    rows = data.annotations
    names = [data.categories.names[c] for c in rows.category_index]
    found = zip(_file_of(data), names, rows.xywh.tolist(), strict=True)
    return _in_order(data, [(file, name, *box) for file, name, box in found])


def kept(outcome: Outcome, to: str) -> Dataset:
    """The source without the rows that the target leaves out by default: crowds, where it has none."""
    rows = outcome.before.annotations
    if "crowds" in formats.capabilities(to).holds:
        return outcome.before
    return outcome.before.take_rows(np.flatnonzero(~rows.is_crowd))


#: What is compared, in the order of the letters of the page, and the words of a loss that covers a difference.
WORDS: dict[str, tuple[str, ...]] = {
    "boxes": ("boxes that differ from",),
    "crowds": ("crowd",),
    "ignored": ("difficult (ignored) flags",),
    "polygons": ("polygon", "outline"),
    "rle": ("mask",),
    "keypoints": ("keypoint",),
    "oriented": ("oriented boxes",),
    "area": ("stated areas",),
    "attributes": ("attribute",),
    "extra": (" field `",),
    "info": ("top-level fields",),
    "splits": ("splits",),
    "supercategories": ("supercategories",),
    "category_ids": ("category ids",),
    "image_ids": ("image ids",),
    "annotation_ids": ("annotation ids",),
}
#: How two writers count lists and the like, without the names of their attributes.
_NO_TEXT = "attribute values that are no text"
#: Words of further losses that a difference explains.
_ALSO = {"oriented": ("polygons", "outline"), "rle": ("objects without polygons",), "attributes": (_NO_TEXT,)}

#: (outlines of the source, target) -> how far edges may be off, in pixels, and why. All other boxes are identical.
BOXES_DIFFER: dict[tuple[str, str], tuple[float, str]] = {
    ("rle", "yolo"): (
        1.0,
        "masks become polygons through the centres of their outermost pixels, and the polygon gives the box; counted",
    ),
}
#: Target -> what a dataset has after the conversion though the source did not state it, and why.
ADDED: dict[str, dict[str, str]] = {
    "bdd100k": {"polygons": "corners of oriented boxes stay as polygons"},
    "coco": {"category_ids": "COCO states ids: they are numbered", "image_ids": "COCO states ids: they are numbered"},
    "cvat": {"attribute group_id": "holds the parts of one outline together"},
    "dota": {"oriented": "each row is four corners"},
    "labelme": {
        "annotation field direction": "X-AnyLabeling states the angle of an oriented box",
        "annotation field group_id": "holds the parts of one outline together",
    },
    "lvis": {
        "category_ids": "LVIS states ids: they are numbered",
        "image_ids": "LVIS states ids: they are numbered",
        "category field frequency": "LVIS' protocol needs it: counted",
        "category field image_count": "what the frequency comes from",
        "category field instance_count": "what the frequency comes from",
        "image field neg_category_ids": "a dataset without the lists is taken as labelled for all its classes",
        "image field not_exhaustive_category_ids": "as `neg_category_ids`",
    },
    "openimages": {"image field pos_category_ids": "image-level labels are stated as both lists"},
    "supervisely": {"polygons": "corners of oriented boxes stay as polygons"},
    "via": {"polygons": "corners of oriented boxes stay as polygons"},
    "voc": {
        "attribute truncated": "VOC tools expect the flag: 0 where it is not known",
        "image field depth": "VOC tools expect it: 3 where it is not known",
    },
    "widerface": {
        f"attribute {name}": "a row has all marks or none: 0 where it is not known, counted"
        for name in ("blur", "expression", "illumination", "occlusion", "pose")
    },
    "yolo": {"polygons": "masks are traced", "info": "data.yaml states the shape of keypoints"},
}
#: (source, target, what) -> a loss that is not said, and why. Each is a fault to mend.
SILENT: dict[tuple[str, str, str], str] = {}
#: (target, or None for any; words of a loss) -> why it is said though what is compared here comes back.
SAID_ANYWAY: dict[tuple[str | None, str], str] = {
    ("widerface", "marks that are not stated"): "marks are written as 0: see what a format adds",
}


def differences(outcome: Outcome, name: str, to: str) -> dict[str, set[str]]:
    """What of the source did not come back: feature -> the words, one of which a loss must have.

    Only what the source states counts: ids that were numbered while reading are none.
    """
    before, after = kept(outcome, to), outcome.after
    lost: dict[str, set[str]] = {feature: set() for feature in WORDS}
    if boxes(before) != boxes(after):
        lost["boxes"].update(WORDS["boxes"])
    for feature, column in COLUMNS.items():
        if column(before) is not None and column(before) != column(after):
            lost[feature].update(WORDS[feature])
    if len(before.annotations) < len(outcome.before.annotations):
        lost["crowds"].update(WORDS["crowds"])
    if "annotation_ids" not in formats.capabilities(name).holds:
        lost["annotation_ids"].clear()
    lost["attributes"] = {f"attribute `{n}`" for n, v in attributes(before).items() if attributes(after).get(n) != v}
    lost["extra"] = {f"{what} field `{n}`" for what, n in _missing_fields(before, after)}
    return {feature: words for feature, words in lost.items() if words}


def uncovered(outcome: Outcome, lost: Mapping[str, set[str]]) -> list[str]:
    """Differences that no loss names, as `feature: words`: each attribute and field by its own name."""
    said = [loss.what for loss in outcome.losses]
    silent = []
    for feature, words in lost.items():
        each = [(word,) for word in sorted(words)] if feature in ("attributes", "extra") else [tuple(words)]
        silent += [f"{feature}: {' or '.join(w)}" for w in each if not _is_said(w, said)]
    return silent


def _is_said(words: tuple[str, ...], said: list[str]) -> bool:
    if words[0].startswith("attribute `"):
        words = (*words, _NO_TEXT)
    return any(word in what for word in words for what in said)


def is_known_fault(silent: str, name: str, to: str) -> bool:
    """Whether a difference that no loss names is a known one, see `SILENT`."""
    return (name, to, silent.partition(": ")[2]) in SILENT


def unfounded(outcome: Outcome, lost: Mapping[str, set[str]]) -> list[str]:
    """Losses that name what has come back after all."""
    words = {word for group in lost.values() for word in group} | {w for f in lost for w in _ALSO.get(f, ())}
    return [str(loss) for loss in outcome.losses if not any(word in loss.what for word in words)]


def explained(loss: str, to: str) -> bool:
    """Whether an unfounded loss is a known one, see `SAID_ANYWAY`."""
    return any(target in (None, to) and words in loss for target, words in SAID_ANYWAY)


def added(outcome: Outcome, to: str) -> set[str]:
    """What the result states and the source did not."""
    before, after = kept(outcome, to), outcome.after
    columns = {
        feature
        for feature, column in COLUMNS.items()
        if feature != "annotation_ids" and column(before) is None and column(after) is not None
    }
    named = {f"attribute {name}" for name in attributes(after).keys() - attributes(before).keys()}
    fields = {f"{what} field {name}" for what, name in _fields(after).keys() - _fields(before).keys()}
    return columns | named | fields


def box_error(outcome: Outcome, to: str) -> float:
    """How far edges are off at most, in pixels; infinite where rows, images or classes differ."""
    before, after = boxes(kept(outcome, to)), boxes(outcome.after)
    if [row[:2] for row in before] != [row[:2] for row in after]:
        return float("inf")
    return max((abs(x - y) for a, b in zip(before, after, strict=True) for x, y in zip(a[2:], b[2:], strict=True)),
               default=0.0)  # fmt: skip


def _file_of(data: Dataset) -> list[str]:
    return [data.images.file_names[i] for i in data.annotations.image_index]


def _in_order(data: Dataset, column: Any) -> list[Any]:
    names = _file_of(data)
    return [column[i] for i in sorted(range(len(names)), key=lambda i: (names[i], i))]


def _stated(column: list[Any]) -> list[Any] | None:
    """The column, or None where it says nothing."""
    return column if any(value not in (None, False, []) for value in column) else None


def _rings(data: Dataset, is_oriented: bool) -> list[Any] | None:
    """Corners of each row, to the tenth of a millionth of a pixel: turned boxes go through sines."""
    rows = data.annotations
    if rows.shapes is None or (rows.is_oriented is not None and bool(rows.is_oriented.any())) is not is_oriented:
        return None
    corners = [[np.round(ring, 7).tolist() for ring in rows.shapes.polygons(i)] if rows.shapes.kind[i] != Shapes.RLE
               else [] for i in range(len(rows))]  # fmt: skip
    if is_oriented:  # which corner is the first says nothing
        corners = [[sorted(ring) for ring in rings] for rings in corners]
    return _stated(_in_order(data, corners))


def _masks(data: Dataset) -> list[Any] | None:
    shapes = data.annotations.shapes
    if shapes is None:
        return None
    found = [_pixels(shapes.rle[i]) if shapes.kind[i] == Shapes.RLE else None for i in range(len(shapes))]
    return _stated(_in_order(data, found))


def _pixels(rle: Mapping[str, Any]) -> tuple[tuple[int, ...], bytes]:
    """Size and pixels of a mask: one mask has many run lengths, some of them zero."""
    height, width = rle["size"]
    return (height, width), np.packbits(masks.decode(masks.to_rle(rle, height, width))).tobytes()


def _keypoints(data: Dataset) -> list[Any] | None:
    points = data.annotations.keypoints
    return None if points is None else _stated(_in_order(data, [points[i].tolist() for i in range(len(points))]))


def _areas(data: Dataset) -> list[Any] | None:
    rows = data.annotations
    plain = rows.xywh[:, 2] * rows.xywh[:, 3]
    return None if np.allclose(rows.area, plain) else _in_order(data, rows.area.tolist())


def _supercategories(data: Dataset) -> dict[str, Any] | None:
    found = dict(zip(data.categories.names, data.categories.supercategories, strict=True))
    return found if any(v is not None for v in found.values()) else None


def _category_ids(data: Dataset) -> dict[str, Any] | None:
    own = data.categories.has_own_ids
    return dict(zip(data.categories.names, data.categories.ids.tolist(), strict=True)) if own else None


def _image_ids(data: Dataset) -> dict[str, Any] | None:
    own = data.images.has_own_ids
    return dict(zip(data.images.file_names, data.images.ids.tolist(), strict=True)) if own else None


COLUMNS: dict[str, Callable[[Dataset], Any]] = {
    "crowds": lambda d: _stated(_in_order(d, d.annotations.is_crowd.tolist())),
    "ignored": lambda d: _stated(_in_order(d, d.annotations.is_ignored.tolist())),
    "polygons": lambda d: _rings(d, is_oriented=False),
    "rle": _masks,
    "keypoints": _keypoints,
    "oriented": lambda d: _rings(d, is_oriented=True),
    "area": _areas,
    "info": lambda d: dict(d.info) or None,
    "splits": lambda d: {k: sorted(d.images.file_names[i] for i in v) for k, v in d.splits.items()} or None,
    "supercategories": _supercategories,
    "category_ids": _category_ids,
    "image_ids": _image_ids,
    "annotation_ids": lambda d: _in_order(d, d.annotations.ids.tolist()),
}


def attributes(data: Dataset) -> dict[str, list[Any]]:
    """Attribute columns that state something; 1, 1.0 and True are one value, None, NaN and no text are none."""
    found = {name: _in_order(data, [_value(v) for v in column]) for name, column in data.annotations.attributes.items()}
    return {name: column for name, column in found.items() if any(value is not None for value in column)}


def _value(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    if value is None or value == "" or value != value:
        return None
    return float(value) if isinstance(value, bool | int) else value


def _missing_fields(before: Dataset, after: Dataset) -> Iterator[tuple[str, str]]:
    """What has the field (image, category, annotation) and its name."""
    ours, theirs = _fields(before), _fields(after)
    for key in ours:
        if ours[key] != theirs.get(key):
            yield key[0], key[1]


def _fields(data: Dataset) -> dict[tuple[str, str], list[Any]]:
    found: dict[tuple[str, str], list[Any]] = {}
    of_rows = _in_order(data, [data.annotations.extra.get(i, {}) for i in range(len(data.annotations))])
    of_images = [data.images.extra.get(i, {}) for i in np.argsort(data.images.file_names)]
    of_classes = [data.categories.extra.get(i, {}) for i in range(len(data.categories))]
    for what, rows in (("image", of_images), ("category", of_classes), ("annotation", of_rows)):
        for name in {name for row in rows for name in row}:
            found[what, name] = [row.get(name) for row in rows]
    return found
