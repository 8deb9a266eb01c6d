from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from anchor_cases import dataset, random_dataset
from detkit.anchors.assign import slots_of
from detkit.anchors.levels import Levels, split_levels
from detkit.anchors.network import network_boxes
from detkit.anchors.targets import decode, dense, encode, from_dense
from detkit.anchors.targets_file import read_targets, write_targets
from detkit.errors import InputError, OutputError

LEVELS = split_levels([[12, 14], [30, 18], [25, 60], [70, 50]], (8, 32))
ONE = Levels((32,), (np.array([[16.0, 16.0], [64.0, 32.0]]),))


def naive(table, levels, size, encoding):
    """(image, level) -> tensor, by plain loops over objects; needs images that are letterboxed with whole borders."""
    boxes = network_boxes(table, size)
    slots = slots_of(boxes, levels)
    grids = {}
    for image in range(len(table.images)):
        for level, stride in enumerate(levels.strides):
            shape = (size[1] // stride, size[0] // stride, len(levels.anchors[level]), 5 + len(table.categories))
            grids[image, level] = np.zeros(shape)
    for n in np.flatnonzero(slots.keeps):
        row = table.annotations.xywh[boxes.rows[slots.box[n]]]
        image = int(boxes.image_index[slots.box[n]])
        scale = min(size / table.images.sizes[image])
        border = [round((size[i] - round(table.images.sizes[image][i] * scale)) / 2 - 0.1) for i in (0, 1)]
        x, y = (row[i] * scale + row[2 + i] * scale / 2 + border[i] for i in (0, 1))
        w, h = row[2:] * scale
        stride = levels.strides[slots.level[n]]
        unit = (stride, stride) if encoding == "cell" else size
        cell = grids[image, int(slots.level[n])][int(y // stride), int(x // stride), int(slots.anchor[n])]
        cell[:5] = [1, x / stride - x // stride, y / stride - y // stride, w / unit[0], h / unit[1]]
        cell[5 + table.annotations.category_index[boxes.rows[slots.box[n]]]] = 1
    return grids


def test_the_textbook_example():
    """One box in the middle of a cell, half a cell wide: pc bx by bw bh and the class."""
    table = dataset([[0, 1, 32 + 8, 8, 16, 16]], [(96, 64)])
    found = encode(table, ONE, (96, 64), resize="stretch")
    grid = dense(found, 0, 0)
    assert grid.shape == (64 // 32, 96 // 32, 2, 5 + 2)
    assert grid[0, 1, 0].tolist() == [1, 0.5, 0.5, 0.5, 0.5, 0, 1]
    assert grid.sum() == grid[0, 1, 0].sum()
    image = dense(encode(table, ONE, (96, 64), resize="stretch", encoding="image"), 0, 0)
    assert image[0, 1, 0].tolist() == [1, 0.5, 0.5, 16 / 96, 16 / 64, 0, 1]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("encoding", ["cell", "image"])
def test_tensors_equal_plain_loops(seed, encoding):
    table = random_dataset(seed)
    found = encode(table, LEVELS, (256, 192), encoding=encoding)
    for (image, level), grid in naive(table, LEVELS, np.array((256, 192)), encoding).items():
        assert dense(found, level, image) == pytest.approx(grid, abs=1e-9)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("resize", ["letterbox", "letterbox-topleft", "stretch"])
@pytest.mark.parametrize("encoding", ["cell", "image"])
def test_boxes_come_back_but_for_the_collided(seed, resize, encoding):
    table = random_dataset(seed)
    found = encode(table, LEVELS, (256, 192), resize=resize, encoding=encoding)
    boxes = network_boxes(table, (256, 192), resize)
    slots = slots_of(boxes, LEVELS)
    kept = boxes.rows[slots.box[slots.keeps]]
    assert found.collided == len(table.annotations) - len(kept) > 0
    back, truth = decode(found).annotations, table.annotations
    key = lambda rows, pick: sorted(  # noqa: E731
        (int(rows.image_index[n]), int(rows.category_index[n]), *rows.xywh[n].tolist()) for n in pick
    )
    got, expected = np.array(key(back, range(len(back)))), np.array(key(truth, kept))
    assert got[:, :2].tolist() == expected[:, :2].tolist()
    assert np.abs(got[:, 2:] - expected[:, 2:]).max() == found.largest_error < 1e-9
    assert (found.box[:, :2] >= 0).all()
    assert (found.box[:, :2] < 1).all()


def test_from_dense_is_the_inverse_of_dense():
    found = encode(random_dataset(1), LEVELS, (256, 192))
    grids = [(i, n, dense(found, n, i)) for i in range(len(found.images)) for n in range(2)]
    again = from_dense(found, grids)
    for name in ("image_index", "level", "row", "column", "anchor", "category_index", "box"):
        assert np.array_equal(getattr(again, name), getattr(found, name)), name
    assert len(from_dense(found, [])) == 0
    with pytest.raises(InputError, match="a tensor of stride 8 has shape"):
        from_dense(found, [(0, 0, grids[1][2])])


@pytest.mark.parametrize("arrangement", ["batch", "per-image", "sparse"])
def test_files_hold_everything(tmp_path, arrangement):
    table = random_dataset(2)
    found = encode(table, LEVELS, (256, 192), encoding="image")
    for name in ("a.npz", "b.npz"):
        write_targets(found, tmp_path / name, arrangement=arrangement)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    again = read_targets(tmp_path / "a.npz")
    assert again.to_dict() == found.to_dict()
    assert decode(again).annotations.xywh.tolist() == decode(found).annotations.xywh.tolist()
    assert again.images.file_names == table.images.file_names
    assert again.images.ids.tolist() == table.images.ids.tolist()
    with np.load(tmp_path / "a.npz") as plain:
        meta = json.loads(str(plain["meta"]))
        assert meta["schema"] == "detkit.targets/1"
        if arrangement == "batch":
            assert plain["stride_8"].shape == (len(table.images), 24, 32, 2, 5 + 3)
            assert plain["stride_8"][1].tolist() == dense(found, 0, 1).tolist()
        elif arrangement == "per-image":
            assert plain["stride_32/1"].tolist() == dense(found, 1, 1).tolist()
        else:
            assert plain["box"].shape == (len(found), 4)
    with pytest.raises(OutputError, match="exists already"):
        write_targets(found, tmp_path / "a.npz")


def test_ids_of_both_kinds_stay_apart(tmp_path):
    table = dataset([[0, 0, 1, 1, 20, 20]], [(64, 64), (64, 64)])
    ids = np.array([7, "7"], dtype=object)
    table = replace(table, images=replace(table.images, ids=ids))
    write_targets(encode(table, ONE, (64, 64)), tmp_path / "t.npz", arrangement="sparse")
    assert read_targets(tmp_path / "t.npz").images.ids.tolist() == [7, "7"]


def test_nothing_to_encode(tmp_path):
    found = encode(dataset([]), ONE, (64, 64))
    assert len(found) == 0
    assert dense(found, 0, 0).sum() == 0
    write_targets(found, tmp_path / "t.npz")
    assert len(decode(read_targets(tmp_path / "t.npz")).annotations) == 0


def test_other_files_are_refused(tmp_path):
    (tmp_path / "text.npz").write_text("nothing")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    np.savez(tmp_path / "later.npz", meta=np.array('{"schema": "detkit.targets/9"}'))
    for name in ("text", "other", "later"):
        with pytest.raises(InputError, match="not a targets file of detkit"):
            read_targets(tmp_path / f"{name}.npz")
