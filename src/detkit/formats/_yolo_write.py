"""Writing YOLO folders: images, labels, data.yaml, and beside them what labels cannot hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from detkit.errors import InputError, UsageError
from detkit.files import write_small
from detkit.findings import Loss
from detkit.formats._base import WriteOptions
from detkit.formats._images import place
from detkit.formats._loss import absent_files
from detkit.formats._sidecar import write_images_table, write_manifest
from detkit.formats._text_oriented import quadrangle_rows
from detkit.formats._yolo_lines import group, known_sizes, lines_of, number_lines, shares
from detkit.formats._yolo_places import Places, first_names, places_of, safe_names
from detkit.tables import Categories, Dataset, Detections, Shapes

__all__ = ["write_dataset", "write_predictions"]


def write_dataset(dataset: Dataset, target: Path, options: WriteOptions) -> list[Loss]:
    """Write a dataset, see `formats.yolo.write`."""
    if options.crowds == "difficult":
        raise UsageError("YOLO has no difficult flag for crowds", hint="pass `--crowds drop` or `--crowds keep`")
    _check_names(dataset.categories)
    places = places_of(dataset)
    rows = lines_of(dataset, options)
    for folder in ("images", *places.folders.values()):
        (target / folder).mkdir(parents=True, exist_ok=True)
        (target / folder.replace("images", "labels", 1)).mkdir(parents=True, exist_ok=True)
    _write_texts(target, places.labels, group(rows.lines, rows.image_index, len(dataset.images)))
    for split, files in places.lists.items():
        text = "".join(f"./{file}\n" for file in files)
        _write(target / f"{split}.txt", text)
    _write_yaml(target / "data.yaml", _description(dataset, places, rows.kpt_shape))
    write_images_table(target, places.images, places.names, dataset.images)
    write_manifest(
        target,
        "dataset",
        dataset.images,
        dataset.categories,
        task=rows.task,
        splits=dict(places.keys),
        unassigned=places.unassigned,
    )
    return [
        *places.losses,
        *rows.losses,
        *_lost_fields(dataset, rows.kpt_shape),
        *_place_images(dataset, target, places, options),
    ]


def write_predictions(detections: Detections, target: Path, options: WriteOptions) -> list[Loss]:
    """Write predictions, see `formats.yolo.write_detections`."""
    _check_names(detections.categories)
    corners = quadrangle_rows(detections.shapes) if options.shapes == "keep" else None
    losses = _lost_outlines(detections, options, oriented=corners is not None)
    names, renamed = safe_names(detections.images)
    files = [_text_name(name) for name in names]
    first: dict[str, int] = {}
    for position, file in enumerate(files):
        other = first.setdefault(file, position)
        if other != position:
            pair = [f"`{detections.images.file_names[i]}`" for i in (other, position)]
            raise InputError(f"{pair[0]} and {pair[1]} would share the file `{file}`", hint="rename one of them")
    sizes = None
    if detections.units == "pixels":
        sizes = _sizes_of_predictions(detections)
    if corners is None:
        numbers = shares(detections.xywh, sizes)
    else:
        numbers = (corners if sizes is None else corners / sizes[:, None]).reshape(-1, 8)
    columns = zip(detections.category_index.tolist(), number_lines(numbers), detections.score.tolist(), strict=True)
    lines = [f"{number} {row} {score!r}" for number, row, score in columns]
    _write_texts(target, files, group(lines, detections.image_index, len(detections.images)))
    if detections.categories.has_names:
        _write_yaml(target / "data.yaml", {"names": dict(enumerate(detections.categories.names))})
    if not np.isnan(detections.images.sizes).all():
        write_images_table(target, names, names, detections.images)
    write_manifest(
        target, "detections", detections.images, detections.categories, task="detect" if corners is None else "obb"
    )
    return [*losses, *renamed]


def _sizes_of_predictions(detections: Detections) -> Any:
    try:
        return known_sizes(detections.images, detections.image_index)
    except InputError as error:
        raise InputError(
            error.message, hint="name the truth with `--truth`, or give the sizes with `--image-sizes`"
        ) from None


def _lost_outlines(detections: Detections, options: WriteOptions, *, oriented: bool) -> list[Loss]:
    """What rows have no place for: they hold a box, oriented where all of them are, a score and nothing else."""
    losses = []
    shapes, keypoints = detections.shapes, detections.keypoints
    if keypoints is not None and keypoints.lengths().any():
        losses.append(Loss("keypoints", "dropped", int(np.count_nonzero(keypoints.lengths()))))
    if shapes is not None and not oriented and options.shapes == "keep":
        outlined = (shapes.kind == Shapes.RLE) | (shapes.rings.lengths() > 0)
        if outlined.any():
            where = first_names(detections.images, detections.image_index[outlined])
            losses.append(Loss("outlines", "turned into boxes", int(outlined.sum()), where))
    return losses


def _check_names(categories: Categories) -> None:
    seen: dict[str, int] = {}
    for position, name in enumerate(categories.names):
        other = seen.setdefault(name, position)
        if other != position:
            ids = categories.ids
            raise InputError(
                f"two classes are named `{name}` (ids {ids[other]} and {ids[position]}), and YOLO has only names",
                hint="merge or rename them with `detkit remap`",
            )


def _description(dataset: Dataset, places: Places, kpt_shape: tuple[int, int] | None) -> dict[str, Any]:
    content: dict[str, Any] = {"path": "."}
    if not places.folders:
        # Ultralytics wants both; the manifest says that there are no splits.
        content |= {"train": "images", "val": "images"}
    for split, folder in places.folders.items():
        content[places.keys[split]] = f"{split}.txt" if places.lists else folder
    if places.unassigned is not None:
        content[places.unassigned] = f"images/{places.unassigned}"
    if kpt_shape is not None:
        content["kpt_shape"] = list(kpt_shape)
        if isinstance(dataset.info.get("flip_idx"), list):
            content["flip_idx"] = list(dataset.info["flip_idx"])
    return {**content, "nc": len(dataset.categories), "names": dict(enumerate(dataset.categories.names))}


def _lost_fields(dataset: Dataset, kpt_shape: tuple[int, int] | None) -> list[Loss]:
    """What `data.yaml` says of keypoints in other words, or not at all without keypoints."""
    written = {} if kpt_shape is None else {"kpt_shape": list(kpt_shape), "flip_idx": dataset.info.get("flip_idx")}
    lost = [name for name in ("kpt_shape", "flip_idx") if dataset.info.get(name) not in (None, written.get(name))]
    return [Loss("top-level fields", "dropped (rows have other keypoints)", len(lost), tuple(lost))] if lost else []


def _place_images(dataset: Dataset, target: Path, places: Places, options: WriteOptions) -> list[Loss]:
    mode = options.place_images or "link"
    if mode == "leave":
        return []
    place(dataset.images, ((i, target / file) for i, file in enumerate(places.images)), mode)
    return absent_files(dataset, ())


def _write_texts(target: Path, names: Sequence[str], texts: Sequence[str]) -> None:
    made: set[str] = set()
    root = f"{target}/"
    for file, text in zip(names, texts, strict=True):
        folder = file.rpartition("/")[0]
        if folder not in made:
            (target / folder).mkdir(parents=True, exist_ok=True)
            made.add(folder)
        write_small(root + file, text.encode("utf-8", "surrogateescape"))


def _write(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8", "surrogateescape"))


def _write_yaml(path: Path, content: Mapping[str, Any]) -> None:
    import yaml

    text = yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True, width=2**20)
    _write(path, text)


def _text_name(name: str) -> str:
    folder, separator, last = name.rpartition("/")
    return f"{folder}{separator}{last.rpartition('.')[0] or last}.txt"
