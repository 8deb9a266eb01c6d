from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest

from anchor_cases import dataset, random_dataset
from detkit.anchors.assign import assign, slots_of
from detkit.anchors.cluster import cluster
from detkit.anchors.levels import Levels, split_levels
from detkit.anchors.network import network_boxes
from detkit.errors import UsageError


def naive(boxes, levels):
    """(image, level, column, row, anchor) -> objects as (IoU, -row) by plain loops."""
    found = defaultdict(list)
    outside = 0
    for n in range(len(boxes)):
        (x, y), (w, h) = boxes.centre[n], boxes.wh[n]
        if not (0 <= x < boxes.image_size[0] and 0 <= y < boxes.image_size[1]):
            outside += 1
            continue
        best = (-1.0, None)
        for level, part in enumerate(levels.anchors):
            for place, (aw, ah) in enumerate(part):
                inner = min(w, aw) * min(h, ah)
                iou = inner / (w * h + aw * ah - inner)
                if iou > best[0]:
                    best = (iou, (level, place))
        level, place = best[1]
        stride = levels.strides[level]
        found[int(boxes.image_index[n]), level, int(x // stride), int(y // stride), place].append((best[0], -n))
    return found, outside


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("resize", ["letterbox", "stretch"])
def test_collisions_and_cells_equal_brute_force(seed, resize):
    boxes = network_boxes(random_dataset(seed), (256, 128), resize)
    levels = split_levels(cluster(boxes.wh, 6), (8, 16, 32))
    expected, outside = naive(boxes, levels)
    use = assign(boxes, levels)
    assert use.outside == outside
    assert use.collided == sum(len(found) - 1 for found in expected.values())
    assert use.collided > 0
    assert use.images_with_collisions == len({key[0] for key, found in expected.items() if len(found) > 1})
    sizes = Counter(len(found) for found in expected.values())
    assert list(use.per_slot) == [sizes[n] for n in range(1, max(sizes) + 1)]
    cells = Counter()
    for key, found in expected.items():
        cells[key[:4]] += len(found)
    sizes = Counter(cells.values())
    assert list(use.per_cell) == [sizes[n] for n in range(1, max(sizes) + 1)]
    for n, level in enumerate(use.levels):
        mine = {key: found for key, found in expected.items() if key[1] == n}
        assert level.objects == sum(map(len, mine.values()))
        assert level.collided == sum(len(found) - 1 for found in mine.values())
        assert level.cells == len({key[:4] for key in mine})
        assert level.most_in_cell == max((cells[key[:4]] for key in mine), default=0)
    slots = slots_of(boxes, levels)
    assert sorted(slots.box[slots.keeps].tolist()) == sorted(-max(found)[1] for found in expected.values())


def test_the_object_most_like_the_anchor_stays_and_of_equals_the_first():
    levels = Levels((32,), (np.array([[20.0, 20.0]]),))
    rows = [[0, 0, 0, 0, 10, 10], [0, 0, 0, 0, 20, 20], [0, 1, 0, 0, 20, 20], [0, 0, 40, 0, 9, 9]]
    slots = slots_of(network_boxes(dataset(rows, [(64, 64)]), (64, 64)), levels)
    assert slots.keeps.tolist() == [False, True, False, True]
    assert slots.partners.tolist() == [3, 3, 3, 1]


def test_a_centre_outside_the_input_has_no_cell():
    levels = Levels((32,), (np.array([[20.0, 20.0]]),))
    rows = [[0, 0, 60, 0, 10, 10], [0, 0, 59, 0, 10, 10], [0, 0, 58.9, 0, 10, 10], [0, 0, -6, 0, 10, 10]]
    use = assign(network_boxes(dataset(rows, [(64, 64)]), (64, 64)), levels)
    assert use.outside == 3  # a centre on the right edge is outside, too
    assert use.levels[0].objects == 1


def test_the_size_must_be_a_multiple_of_the_stride():
    levels = Levels((8, 32), (np.array([[20.0, 20.0]]), np.array([[30.0, 30.0]])))
    with pytest.raises(UsageError, match="100x64 is no multiple of the stride 8") as caught:
        levels.grids((100, 64))
    assert caught.value.hint == "for instance --image-size 128x64"
    assert levels.grids((96, 64)) == [(12, 8), (3, 2)]


def test_no_boxes():
    use = assign(network_boxes(dataset([]), (64, 64)), Levels((32,), (np.array([[20.0, 20.0]]),)))
    assert (use.objects, use.collided, use.per_cell, use.per_slot) == (0, 0, (), ())
