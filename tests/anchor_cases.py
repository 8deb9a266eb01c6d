"""Small datasets for the tests of anchors."""

from __future__ import annotations

import numpy as np

from detkit.ragged import id_array
from detkit.tables import Categories, Dataset, Images


def dataset(rows, sizes=((640, 640),), *, classes=("a", "b"), **rest):
    """Rows of (image, class, x, y, w, h); `rest` as `Dataset.build` takes it."""
    rows = np.array(rows, dtype=np.float64).reshape(-1, 6)
    images = Images(
        id_array(range(1, len(sizes) + 1)), tuple(f"{n}.jpg" for n in range(len(sizes))), np.array(sizes, np.float64)
    )
    return Dataset.build(
        images,
        Categories.from_names(classes),
        image_index=rows[:, 0],
        category_index=rows[:, 1],
        xywh=rows[:, 2:],
        **rest,
    )


def random_dataset(seed, images=6, most=30, classes=3):
    """Images of many sizes, boxes anywhere inside, some of them alike so that cells are shared."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(60, 900, (images, 2))
    rows = []
    for image in range(images):
        for _ in range(int(rng.integers(0, most))):
            w, h = np.minimum(rng.lognormal(3.4, 0.8, 2), sizes[image])
            x, y = rng.random(2) * (sizes[image] - [w, h])
            rows.append([image, rng.integers(classes), x, y, w, h])
            if rng.random() < 0.3:
                rows.append([image, rng.integers(classes), x + 0.5, y + 0.25, w, h])
    return dataset(rows, sizes, classes=tuple("abcdefg"[:classes]))
