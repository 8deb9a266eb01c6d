"""Inputs of the bad-input table: a good truth and good predictions, and helpers that spoil them."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

CATEGORIES = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}, {"id": 3, "name": "horse"}]
#: image, category, box: three images of 100 x 80 pixels, two objects each.
OBJECTS = [
    (11, 1, [10, 10, 30, 20]),
    (11, 2, [50, 30, 40, 40]),
    (12, 2, [5, 5, 20, 60]),
    (12, 3, [60, 10, 30, 30]),
    (13, 1, [20, 20, 50, 50]),
    (13, 3, [0, 0, 15, 15]),
]


def truth(**changes: Any) -> dict[str, Any]:
    """A COCO truth of three images and six boxes."""
    return {
        "images": [{"id": i, "file_name": f"{i}.jpg", "width": 100, "height": 80} for i in (11, 12, 13)],
        "categories": [dict(c) for c in CATEGORIES],
        "annotations": [
            {"id": n, "image_id": i, "category_id": c, "bbox": list(b), "area": b[2] * b[3], "iscrowd": 0}
            for n, (i, c, b) in enumerate(OBJECTS, 1)
        ],
        **changes,
    }


def predictions(**changes: Any) -> list[dict[str, Any]]:
    """COCO results: every truth found exactly, with scores from 0.9 down; each record with changes."""
    return [
        {"image_id": i, "category_id": c, "bbox": list(b), "score": 0.9 - 0.05 * n, **changes}
        for n, (i, c, b) in enumerate(OBJECTS)
    ]


def one_wrong(**changes: Any) -> list[dict[str, Any]]:
    """Good results whose third record is spoilt; a value of None removes the field."""
    records = predictions()
    records[2] = {k: v for k, v in {**records[2], **changes}.items() if v is not None}
    return records


def yolo_lines(image: int, *, score: bool = True, first: int = 0) -> str:
    """YOLO rows of one image."""
    rows = []
    for n, (i, c, (x, y, w, h)) in enumerate(OBJECTS):
        if i == image:
            tail = f" {0.9 - 0.05 * n:g}" if score else ""
            rows.append(f"{c - 1 + first} {(x + w / 2) / 100:g} {(y + h / 2) / 80:g} {w / 100:g} {h / 80:g}{tail}\n")
    return "".join(rows)


def yolo_folder(prefix: str, *, score: bool = True, first: int = 0) -> dict[str, str]:
    """Files of a folder of YOLO rows."""
    return {f"{prefix}/{i}.txt": yolo_lines(i, score=score, first=first) for i in (11, 12, 13)}


def voc_xml(image: int, objects: str | None = None, size: str = "<width>100</width><height>80</height>") -> str:
    """A VOC annotation of one image."""
    if objects is None:
        objects = "".join(
            f"<object><name>{CATEGORIES[c - 1]['name']}</name><bndbox><xmin>{x + 1}</xmin><ymin>{y + 1}</ymin>"
            f"<xmax>{x + w}</xmax><ymax>{y + h}</ymax></bndbox></object>"
            for i, c, (x, y, w, h) in OBJECTS
            if i == image
        )
    return f"<annotation><filename>{image}.jpg</filename><size>{size}<depth>3</depth></size>{objects}</annotation>"


def voc_folder(prefix: str) -> dict[str, str]:
    """Files of a VOC folder."""
    return {f"{prefix}/Annotations/{i}.xml": voc_xml(i) for i in (11, 12, 13)}


def zipped(members: dict[str, Any]) -> bytes:
    """A zip archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, encoded(content))
    return out.getvalue()


def tarred(members: dict[str, Any]) -> bytes:
    """A tar archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in members.items():
            info, raw = tarfile.TarInfo(name), encoded(content)
            info.size = len(raw)
            archive.addfile(info, io.BytesIO(raw))
    return out.getvalue()


def encoded(content: Any) -> bytes:
    """Bytes as they are, text as UTF-8, anything else as JSON."""
    if isinstance(content, bytes):
        return content
    return (content if isinstance(content, str) else json.dumps(content)).encode()


def lay(folder: Path, files: dict[str, Any]) -> None:
    """Write files below a folder; None makes an empty folder."""
    for name, content in files.items():
        place = folder / name
        if content is None:
            place.mkdir(parents=True, exist_ok=True)
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(encoded(content))
