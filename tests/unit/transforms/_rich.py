"""Datasets with every optional column, and what a row holds in a form that can be compared."""

from __future__ import annotations

from typing import Any

import numpy as np

from detkit.ragged import Ragged, Shapes, id_array
from detkit.tables import Categories, Dataset, Images


def rich(
    images: int = 6,
    classes: int = 3,
    seed: int = 0,
    *,
    prefix: str = "img",
    first_id: int = 1,
    own_ids: bool = True,
    splits: bool = True,
    boxes: int | None = None,
) -> Dataset:
    """Random rows: outlines of three kinds, keypoints, orientation, attributes of four types, unknown fields."""
    rng = np.random.default_rng(seed)
    count = images * 3 if boxes is None else boxes
    xywh = rng.integers(1, 50, (count, 4)).astype(np.float64) + rng.random((count, 4))
    outlines: list[Any] = []
    for n in range(count):
        x, y = float(n), float(n + 1)
        ring = [x, y, x + 5, y, x + 5, y + 5]
        outlines.append([None, [ring], [ring, [*ring[2:], 1.5, 2.5]], {"size": [9, 9], "counts": f"run{n}"}][n % 4])
    return Dataset.build(
        Images(
            id_array(range(first_id, first_id + images)),
            tuple(f"{prefix}_{n:03d}.jpg" for n in range(images)),
            np.tile([[100.0, 80.0]], (images, 1)),
            has_own_ids=own_ids,
            extra={n: {"license": n % 2 + 1, "scene": f"s{n // 2}"} for n in range(images)},
        ),
        Categories(
            id_array(range(10, 10 + classes)),
            tuple(f"class {k}" for k in range(classes)),
            tuple("thing" for _ in range(classes)),
            own_ids,
            extra={0: {"colour": "red"}},
        ),
        image_index=rng.integers(0, max(images, 1), count),
        category_index=rng.integers(0, classes, count),
        xywh=xywh,
        area=xywh[:, 2] * 2,
        is_crowd=rng.random(count) < 0.2,
        is_ignored=rng.random(count) < 0.2,
        ids=np.arange(count) + 1000,
        shapes=Shapes.from_rows(outlines),
        keypoints=Ragged.from_rows([[[n, n, 2]] * (n % 3) for n in range(count)], (3,)),
        num_keypoints=np.arange(count) % 3,
        is_oriented=np.arange(count) % 2 == 0,
        attributes={
            "occluded": rng.random(count) < 0.5,
            "score": np.where(np.arange(count) % 5 == 0, np.nan, rng.random(count)),
            "pose": np.array([["Left", "Right", ""][n % 3] for n in range(count)]),
            "mixed": np.array([[None, 1, "one"][n % 3] for n in range(count)], dtype=object),
        },
        extra={n: {"note": f"row {n}"} for n in range(0, count, 2)},
        splits={"train": np.arange(0, images, 2), "val": np.arange(1, images, 2)} if splits else {},
        info={"info": {"year": 2020}, "licenses": [{"id": 1, "name": "A"}, {"id": 2, "name": "B"}]},
    )


def rows_of(dataset: Dataset, *, ids: bool = True) -> list[tuple[Any, ...]]:
    """Every box with all that belongs to it: comparable, in table order."""
    table = dataset.annotations
    found = []
    for n in range(len(table)):
        shapes = table.shapes
        outline: Any = None
        if shapes is not None:
            outline = (int(shapes.kind[n]), [r.tolist() for r in shapes.polygons(n)], dict(shapes.rle.get(n, {})))
        found.append(
            (
                dataset.images.file_names[int(table.image_index[n])],
                dataset.categories.names[int(table.category_index[n])],
                tuple(table.xywh[n].tolist()),
                float(table.area[n]),
                (bool(table.is_crowd[n]), bool(table.is_ignored[n])),
                table.ids.tolist()[n] if ids else None,
                str(outline),
                None if table.keypoints is None else str(table.keypoints[n].tolist()),
                None if table.num_keypoints is None else int(table.num_keypoints[n]),
                None if table.is_oriented is None else bool(table.is_oriented[n]),
                str({k: v[n] if v[n] == v[n] else None for k, v in table.attributes.items()}),
                str(table.extra.get(n)),
            )
        )
    return found
