"""Make `fixtures/formats/parquet/`: small files as other programs write them, and a folder of our own shards.

Run: python tools/make_parquet_cases.py
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from detkit import formats
from detkit.tables import Categories, Detections, Images, id_array

HERE = Path(__file__).resolve().parents[1] / "fixtures" / "formats" / "parquet"
BOX = pa.list_(pa.float64())


def foreign() -> dict[str, pa.Table]:
    columns = {"image_id": [7, 7, 3], "score": [0.5, 0.25, 1.0]}
    four = [[1.0, 2.0, 3.0, 4.0], [5.5, 6.0, 7.0, 8.25], [0.0, 0.0, 9.0, 9.0]]
    x, y, w, h = (list(side) for side in zip(*four, strict=True))
    return {
        "list_of_four": pa.table({**columns, "category_id": [18, 1, 18], "bbox": pa.array(four, BOX)}),
        "corners": pa.table(
            {
                "file_name": ["b.jpg", "b.jpg", "sub/a.jpg"],
                "label": ["dog", "cat", "dog"],
                "x1": x,
                "y1": y,
                "x2": [a + b for a, b in zip(x, w, strict=True)],
                "y2": [a + b for a, b in zip(y, h, strict=True)],
                "confidence": pa.array([0.5, 0.25, 1.0], pa.float32()),
                "model": ["m", "m", "m"],
            }
        ),
        "class_numbers": pa.table({**columns, "class": [2, 0, 2], "x": x, "y": y, "w": w, "h": h}),
        "bad_rows": pa.table(
            {
                "image_id": pa.array([7, None, 3, 3, 4, 4]),
                "category_id": pa.array([1, 1, None, 1, 1, 1]),
                "bbox": pa.array([four[0], four[0], four[0], [1.0, 2.0, 3.0], None, [1.0, 2.0, None, 4.0]], BOX),
                "score": [0.5, 0.5, 0.5, 0.5, 0.5, float("nan")],
            }
        ),
        "missing_column": pa.table({"image_id": [1], "bbox": pa.array([four[0]], BOX)}),
    }


def ours() -> Detections:
    images = Images(id_array([5, 9, 12]), ("a.jpg", "b.jpg", "none.jpg"), np.array([[640, 480], [333, 251], [8, 8]]))
    return Detections.build(
        images,
        Categories(id_array([1, 90]), ("person", "toothbrush"), ("person", "indoor")),
        image_index=[0, 0, 1],
        category_index=[0, 1, 1],
        xywh=[[1.5, 2, 3, 4], [0.1, 0.2, 0.3, 0.4], [10, 20, 30, 40]],
        score=[0.9, 0.125, 0.3333333333333333],
    )


def main() -> None:
    shutil.rmtree(HERE, ignore_errors=True)
    for case, table in foreign().items():
        (HERE / case).mkdir(parents=True)
        pq.write_table(table, HERE / case / "p.parquet")
    found = ours()
    (HERE / "shards").mkdir()
    formats.stream_detections(
        [found],
        HERE / "shards",
        "parquet",
        images=found.images,
        categories=found.categories,
        counts=np.diff(found.offsets),
        rows=2,
    )
    print(f"wrote {HERE}")


if __name__ == "__main__":
    main()
