"""Suspicious images as COCO JSON: present annotations, and what is suggested beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from detkit.api._relabel_images import RelabelImage, Sheet, write_json

__all__ = ["write"]


def write(sheet: Sheet, target: Path) -> None:
    """Write one COCO object.

    Parameters
    ----------
    sheet : Sheet
    target : Path
    """
    ids = [box.id for image in sheet.images for box in image.boxes if not box.suggested]
    keeps = all(isinstance(i, int) for i in ids) and len(set(ids)) == len(ids)
    following = max(ids, default=0) if keeps else 0
    rows = []
    for image in sheet.images:
        for box in image.boxes:
            if keeps and not box.suggested:
                number = box.id
            else:
                following += 1
                number = following
            row: dict[str, Any] = {
                "id": number,
                "image_id": image.id,
                "category_id": box.category_id,
                "bbox": list(box.xywh),
                "area": box.area,
                "iscrowd": int(box.is_crowd),
            }
            if box.attributes:
                row["attributes"] = dict(box.attributes)
            rows.append(row)
    content = {
        "info": {"description": sheet.title},
        "images": [_image(image) for image in sheet.images],
        "annotations": rows,
        "categories": [{"id": i, "name": name} for i, name in sheet.categories],
    }
    write_json(content, target)


def _image(image: RelabelImage) -> dict[str, Any]:
    row: dict[str, Any] = {"id": image.id, "file_name": image.file_name}
    if image.size is not None:
        row["width"], row["height"] = image.size
    return row
