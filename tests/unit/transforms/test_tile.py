"""Datasets cut into tiles, and predictions on tiles put back together."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detkit import masks
from detkit.errors import CannotJudgeError, InputError, UsageError
from detkit.ragged import Ragged, id_array
from detkit.tables import Categories, Dataset, Detections, Images, Shapes
from detkit.transforms._outlines import clip_quadrangle, clip_rings, crop_mask, paste_mask, ring_area
from detkit.transforms.tile import JoinSettings, TileIndex, TileSettings, cut, windows_of
from detkit.transforms.untile import join


def dataset(rows, sizes=((100, 60),), *, names=None, classes=("a", "b"), **columns):
    """A dataset from rows (image, class, box)."""
    image, category, xywh = zip(*rows, strict=True) if rows else ((), (), ())
    names = names or tuple(f"im{n}.jpg" for n in range(len(sizes)))
    rest = {key: columns.pop(key) for key in ("splits", "units") if key in columns}
    return Dataset.build(
        Images(id_array(range(1, len(sizes) + 1)), names, np.array(sizes, dtype=np.float64)),
        Categories.from_names(classes),
        image_index=image,
        category_index=category,
        xywh=np.reshape(xywh, (-1, 4)),
        **columns,
        **rest,
    )


# --- the grid


@given(
    st.tuples(st.integers(1, 3000), st.integers(1, 3000)),
    st.tuples(st.integers(40, 900), st.integers(40, 900)),
    st.floats(0, 0.7),
)
@settings(derandomize=True, max_examples=200, deadline=None)
def test_windows_cover_the_image_with_at_least_the_overlap(size, tile, overlap):
    found = windows_of(size, TileSettings(tile, overlap))
    for axis in (0, 1):
        starts = sorted({int(w[axis]) for w in found})
        side = min(size[axis], tile[axis])
        assert {int(w[axis + 2] - w[axis]) for w in found} == {side}
        assert starts[0] == 0
        assert starts[-1] + side == size[axis]
        # Rounded to whole pixels, a step is at most one pixel wider than asked for.
        assert all(b - a <= tile[axis] * (1 - overlap) + 1 for a, b in pairwise(starts))
    assert len({tuple(w) for w in found.tolist()}) == len(found)


def test_windows_of_a_known_image():
    # 1000 = 640 + 360: one step of at most 640 * 0.8 = 512; 600 < 640 is one row.
    assert windows_of((1000, 600), TileSettings()).tolist() == [[0, 0, 640, 600], [360, 0, 1000, 600]]


@pytest.mark.parametrize(
    "wrong", [{"size": (0, 5)}, {"overlap": 1.0}, {"min_visible": 1.5}, {"below": "x"}, {"empty": "x"}, {"empty": 2.0}]
)
def test_settings_without_sense_are_refused(wrong):
    with pytest.raises(UsageError):
        TileSettings(**wrong)


# --- rings


def inside(rings, points):
    """Even-odd over all rings, the plain way."""
    odd = np.zeros(len(points), np.bool_)
    for ring in rings:
        for (x1, y1), (x2, y2) in zip(ring.tolist(), np.roll(ring, -1, axis=0).tolist(), strict=True):
            crosses = (y1 > points[:, 1]) != (y2 > points[:, 1])
            if y1 != y2:
                odd ^= crosses & (points[:, 0] < x1 + (points[:, 1] - y1) * (x2 - x1) / (y2 - y1))
    return odd


#: No point of it lies on a line between whole or half numbers.
GRID = np.stack(np.meshgrid(np.arange(20) + 0.513, np.arange(20) + 0.517), axis=-1).reshape(-1, 2)


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=3, max_size=12),
    st.tuples(st.integers(0, 10), st.integers(0, 10), st.integers(11, 20), st.integers(11, 20)),
)
@settings(derandomize=True, max_examples=400, deadline=None)
def test_clipped_rings_hold_what_the_ring_and_the_window_hold(corners, window):
    """Rings of every form: concave, crossing themselves, with edges on the border of the window."""
    ring = np.array(corners, dtype=np.float64)
    pieces = clip_rings([ring], window)
    left, top, right, bottom = window
    shown = (GRID[:, 0] > left) & (GRID[:, 0] < right) & (GRID[:, 1] > top) & (GRID[:, 1] < bottom)
    assert (inside(pieces, GRID) == (inside([ring], GRID) & shown)).all()
    for piece in pieces:
        assert (piece >= (left, top)).all()
        assert (piece <= (right, bottom)).all()


def test_a_ring_that_bends_out_and_in_comes_apart():
    # A comb: its back at x 0..2, three teeth up to x = 10, each 2 high.
    comb = np.array(
        [[0, 0], [10, 0], [10, 2], [2, 2], [2, 4], [10, 4], [10, 6], [2, 6], [2, 8], [10, 8], [10, 10], [0, 10]], float
    )
    pieces = clip_rings([comb], (5, -1, 20, 20))
    assert sorted(ring_area(piece) for piece in pieces) == [5 * 2] * 3
    assert all(len(piece) == 4 for piece in pieces)


def test_a_ring_inside_is_untouched():
    ring = np.array([[1.1, 1.7], [3.3, 1.2], [2.2, 3.9]])
    assert clip_rings([ring], (0, 0, 5, 5))[0] is ring
    assert clip_rings([ring], (5, 5, 9, 9)) == []


def test_an_oriented_box_keeps_its_angle():
    # A square on its corner, centre (10, 10), half diagonal 4: the window shows its left half, a triangle.
    diamond = np.array([[10, 6], [14, 10], [10, 14], [6, 10]], float)
    found = clip_quadrangle(diamond, (0, 0, 10, 20))
    # At 45 degrees the triangle needs as much as the whole square.
    assert found == pytest.approx(diamond)
    upright = np.array([[2, 2], [8, 2], [8, 5], [2, 5]], float)
    assert clip_quadrangle(upright, (0, 0, 6, 20)) == pytest.approx(np.array([[2, 2], [6, 2], [6, 5], [2, 5]], float))
    assert clip_quadrangle(upright, (9, 0, 20, 20)) is None


@given(st.integers(0, 2**30), st.tuples(st.integers(0, 6), st.integers(0, 6)))
@settings(derandomize=True, max_examples=100, deadline=None)
def test_masks_are_cropped_and_pasted_pixel_for_pixel(seed, corner):
    pixels = (np.random.default_rng(seed).random((12, 15)) < 0.5).astype(np.uint8)
    left, top = corner
    cropped = crop_mask(pixels, (left, top, left + 8, top + 5))
    assert (masks.decode(cropped) == pixels[top : top + 5, left : left + 8]).all()
    back = masks.decode(paste_mask(cropped, (left, top), (15, 12)))
    assert back.sum() == pixels[top : top + 5, left : left + 8].sum()
    assert (back[top : top + 5, left : left + 8] == pixels[top : top + 5, left : left + 8]).all()


# --- objects in tiles

HALVES = TileSettings((50, 60), 0.0, 0.3)


def test_boxes_are_moved_cut_or_left_out():
    found = cut(dataset([(0, 0, [10, 10, 20, 20]), (0, 1, [40, 0, 20, 10]), (0, 0, [30, 30, 25, 8])]), HALVES)
    rows = found.dataset.annotations
    assert found.dataset.images.file_names == ("im0_0_0.jpg", "im0_50_0.jpg")
    assert rows.image_index.tolist() == [0, 0, 0, 1]
    # The third one shows 5 of 25 in the second tile: 0.2 < 0.3.
    assert rows.xywh.tolist() == [[10, 10, 20, 20], [40, 0, 10, 10], [30, 30, 20, 8], [0, 0, 10, 10]]
    assert rows.area.tolist() == [400, 100, 160, 100]
    assert [(loss.what, loss.count) for loss in found.losses] == [("parts of objects", 1)]
    assert (found.details["whole"], found.details["cut"]) == (1, 3)


def test_what_shows_too_little_can_be_flagged_instead():
    table = dataset([(0, 0, [48, 0, 20, 10])])
    ignored = cut(table, TileSettings((50, 60), 0.0, 0.3, below="ignore")).dataset.annotations
    assert ignored.is_ignored.tolist() == [True, False]
    assert ignored.xywh.tolist() == [[48, 0, 2, 10], [0, 0, 18, 10]]


def test_crowds_and_ignored_objects_keep_every_part():
    table = dataset(
        [(0, 0, [48, 0, 20, 10]), (0, 0, [48, 0, 20, 10])], is_crowd=[True, False], is_ignored=[False, True]
    )
    assert cut(table, HALVES).dataset.annotations.image_index.tolist() == [0, 0, 1, 1]


def test_an_object_that_no_tile_shows_enough_of_is_told():
    # 100 wide, tiles of 25: each shows a quarter.
    found = cut(dataset([(0, 0, [0, 0, 100, 60])]), TileSettings((25, 60), 0.0, 0.3))
    assert len(found.dataset.annotations) == 0
    assert ("objects", 1) in [(loss.what, loss.count) for loss in found.losses]


def test_what_sticks_out_of_the_image_keeps_doing_so():
    found = cut(dataset([(0, 0, [-5, -5, 20, 20]), (0, 0, [200, 200, 5, 5])]), HALVES)
    assert found.dataset.annotations.xywh.tolist() == [[-5, -5, 20, 20]]
    assert [loss.action for loss in found.losses] == ["in no tile: nothing of them lies in the image"]


def test_polygons_are_cut_and_the_box_is_that_of_the_visible_part():
    # A triangle from (40, 0) to (60, 0) with its tip at (60, 20); left of 50 its height is 10.
    table = dataset([(0, 0, [40, 0, 20, 20])], shapes=Shapes.from_rows([[[40, 0, 60, 0, 60, 20]]]), area=[200.0])
    found = cut(table, TileSettings((50, 60), 0.0, 0.1)).dataset.annotations
    # Of the area 20 * 20 / 2 = 200, the left tile shows 10 * 10 / 2 = 50.
    assert found.area.tolist() == pytest.approx([50, 150])
    assert found.xywh.tolist() == [[40, 0, 10, 10], [0, 0, 10, 20]]
    assert ring_area(found.shapes.polygons(0)[0]) == pytest.approx(50)
    assert found.shapes.polygons(1)[0].min() == 0
    # By the polygon a quarter is visible, by the box a half: the polygon decides.
    assert len(cut(table, HALVES).dataset.annotations) == 1


def test_masks_are_cropped_and_odd_ones_told():
    pixels = np.zeros((60, 100), np.uint8)
    pixels[10:20, 40:70] = 1
    rle = crop_mask(pixels, (0, 0, 100, 60))
    odd = crop_mask(pixels, (0, 0, 90, 60))
    table = dataset([(0, 0, [40, 10, 30, 10])] * 2, shapes=Shapes.from_rows([rle, odd]))
    found = cut(table, HALVES)
    rows = found.dataset.annotations
    assert rows.xywh.tolist() == [[40, 10, 10, 10], [40, 10, 10, 10], [0, 10, 20, 10], [0, 10, 20, 10]]
    assert masks.decode(rows.shapes.rle[2]).shape == (60, 50)
    assert masks.areas([rows.shapes.rle[0], rows.shapes.rle[2]]).tolist() == [100, 200]
    assert rows.shapes.kind.tolist() == [2, 0, 2, 0]
    assert [(loss.what, loss.count) for loss in found.losses] == [("masks", 1)]


def test_keypoints_outside_their_tile_are_not_labelled():
    points = Ragged.from_rows([[[45, 5, 2], [55, 5, 1], [0, 0, 0]]], (3,))
    table = dataset([(0, 0, [40, 0, 20, 10])], keypoints=points, num_keypoints=[2])
    found = cut(table, HALVES)
    rows = found.dataset.annotations
    assert rows.keypoints[0].tolist() == [[45, 5, 2], [0, 0, 0], [0, 0, 0]]
    assert rows.keypoints[1].tolist() == [[0, 0, 0], [5, 5, 1], [0, 0, 0]]
    assert rows.num_keypoints.tolist() == [1, 1]
    assert [(loss.what, loss.count) for loss in found.losses] == [("keypoints", 2)]


def test_splits_attributes_and_names_follow():
    table = dataset(
        [(0, 0, [0, 0, 10, 10]), (1, 1, [0, 0, 10, 10])],
        sizes=((100, 60), (40, 40)),
        names=("day/x.jpg", "day/x.png"),
        splits={"train": np.array([1]), "val": np.array([0])},
        attributes={"pose": np.array(["left", "right"], dtype=object)},
    )
    found = cut(table, HALVES).dataset
    # Two images of one stem keep their suffix.
    assert found.images.file_names == ("day/x.jpg_0_0.jpg", "day/x.jpg_50_0.jpg", "day/x.png_0_0.png")
    assert {name: members.tolist() for name, members in found.splits.items()} == {"train": [2], "val": [0, 1]}
    assert found.annotations.attributes["pose"].tolist() == ["left", "right"]


def test_empty_tiles_are_kept_dropped_or_sampled_by_name():
    table = dataset([(0, 0, [0, 0, 10, 10])], sizes=((1000, 1000),))
    settings_of = {name: TileSettings((100, 100), 0.0, empty=name) for name in ("keep", "drop")}
    assert len(cut(table, settings_of["keep"]).dataset.images) == 100
    assert len(cut(table, settings_of["drop"]).dataset.images) == 1
    names = {
        seed: set(cut(table, TileSettings((100, 100), 0.0, empty=0.3, seed=seed)).dataset.images.file_names)
        for seed in (0, 1)
    }
    assert 15 < len(names[0]) < 45
    assert names[0] != names[1]
    assert names[0] == set(cut(table, TileSettings((100, 100), 0.0, empty=0.3)).dataset.images.file_names)
    # More tiles for a larger share, and the same ones among them.
    assert names[0] <= set(cut(table, TileSettings((100, 100), 0.0, empty=0.6)).dataset.images.file_names)


def test_unknown_sizes_are_refused():
    with pytest.raises(InputError, match="sizes of 1 of 1 images are not known"):
        cut(dataset([(0, 0, [0, 0, 1, 1])], sizes=((np.nan, np.nan),)), HALVES)
    with pytest.raises(InputError, match="not known"):
        cut(dataset([(0, 0, [0, 0, 1, 1])], units="normalised"), HALVES)


# --- back together


def index_of(table, tiles):
    return TileIndex(tiles.dataset.images, table.images, tiles.source, tiles.windows)


def as_predictions(table, **rest):
    rows = table.annotations
    return Detections.build(
        table.images,
        table.categories,
        image_index=rows.image_index,
        category_index=rows.category_index,
        xywh=rows.xywh,
        score=rest.pop("score", np.ones(len(rows))),
        shapes=rows.shapes,
        **rest,
    )


@given(st.integers(0, 2**30), st.sampled_from([0.2, 0.35, 0.5]))
@settings(derandomize=True, max_examples=40, deadline=None)
def test_truth_cut_and_joined_is_the_truth(seed, overlap):
    """Every box that a tile shows whole comes back once, bit for bit but for the sum of moving there and back."""
    rng = np.random.default_rng(seed)
    tile = 64
    side = int(tile * overlap)
    # No larger than the overlap: some tile shows each whole. On a lattice, so that no two overlap much.
    places = rng.permutation(36)[: rng.integers(1, 36)]
    low = np.stack([places % 6, places // 6], axis=1) * 40 + rng.integers(0, 40 - min(39, side) + 1, (len(places), 2))
    boxes = np.concatenate([low, rng.integers(4, side + 1, (len(places), 2))], axis=1).astype(np.float64)
    table = dataset(
        [(0, int(k), box) for k, box in zip(rng.integers(0, 2, len(places)), boxes, strict=True)], ((260, 260),)
    )
    tiles = cut(table, TileSettings((tile, tile), overlap, 0.3))
    found = join(as_predictions(tiles.dataset), index_of(table, tiles), JoinSettings())
    assert sorted(found.detections.xywh.tolist()) == sorted(boxes.tolist())
    assert found.detections.images.ids.tolist() == [1]


def test_boxes_of_one_tile_are_not_joined_with_each_other():
    """Also where another tile has boxes of that class."""
    table = dataset([(0, 0, [10, 10, 20, 20]), (0, 0, [11, 10, 20, 20]), (0, 0, [60, 10, 20, 20])])
    tiles = cut(table, HALVES)
    assert len(join(as_predictions(tiles.dataset), index_of(table, tiles)).detections) == 3


def test_the_surer_of_two_tiles_stays_and_fusion_takes_the_mean():
    table = dataset([(0, 0, [40, 10, 10, 10])], ((100, 60),))
    tiles = cut(table, TileSettings((60, 60), 0.2))
    assert tiles.windows[:, 0].tolist() == [0, 40]
    # x 42 to 52: 42 in the first tile, 2 in the second; a pixel apart.
    found = Detections.build(
        tiles.dataset.images,
        table.categories,
        image_index=[0, 1],
        category_index=[0, 0],
        xywh=[[42, 10, 10, 10], [4, 10, 10, 10]],
        score=[0.6, 0.9],
    )
    index = index_of(table, tiles)
    assert join(found, index).detections.xywh.tolist() == [[44, 10, 10, 10]]
    fused = join(found, index, JoinSettings("wbf")).detections
    # The mean by score: (42 * 0.6 + 44 * 0.9) / 1.5.
    assert fused.xywh[0, 0] == pytest.approx((42 * 0.6 + 44 * 0.9) / 1.5)


def test_a_cut_box_loses_to_the_whole_one_whatever_the_scores():
    table = dataset([(0, 0, [45, 10, 30, 20])], ((100, 60),))
    tiles = cut(table, TileSettings((60, 60), 0.2, 0.1))
    parts = as_predictions(tiles.dataset, score=[0.95, 0.5])
    found = join(parts, index_of(table, tiles))
    assert found.detections.xywh.tolist() == [[45, 10, 30, 20]]
    assert found.detections.score.tolist() == [0.5]
    assert found.details["cut_boxes_dropped"] == 1


def test_outlines_masks_and_keypoints_move_with_their_tile():
    table = dataset([(0, 0, [60, 10, 10, 10])])
    tiles = cut(table, HALVES)
    rle = crop_mask(np.ones((60, 50), np.uint8), (0, 0, 50, 60))
    found = Detections.build(
        tiles.dataset.images,
        table.categories,
        image_index=[1, 1],
        category_index=[0, 1],
        xywh=[[10, 10, 10, 10], [0, 0, 50, 60]],
        score=[1, 0.5],
        shapes=Shapes.from_rows([[[10, 10, 20, 10, 20, 20]], rle]),
        keypoints=Ragged.from_rows([[[1, 2, 2], [0, 0, 0]], [[3, 4, 1], [5, 6, 2]]], (3,)),
    )
    joined = join(found, index_of(table, tiles)).detections
    assert joined.shapes.polygons(0)[0].tolist() == [[60, 10], [70, 10], [70, 20]]
    assert masks.decode(joined.shapes.rle[1])[:, :50].sum() == 0
    assert masks.decode(joined.shapes.rle[1])[:, 50:].all()
    assert joined.keypoints[0].tolist() == [[51, 2, 2], [0, 0, 0]]


def test_shares_of_tiles_become_pixels_of_images():
    table = dataset([(0, 0, [60, 10, 10, 10])])
    tiles = cut(table, HALVES)
    found = Detections.build(
        tiles.dataset.images,
        table.categories,
        image_index=[1],
        category_index=[0],
        xywh=[[0.2, 0.5, 0.4, 0.1]],
        score=[1],
        units="normalised",
    )
    assert join(found, index_of(table, tiles)).detections.xywh.tolist() == [[50 + 10, 30, 20, 6]]


def test_predictions_on_other_images_cannot_be_joined():
    table = dataset([(0, 0, [60, 10, 10, 10])])
    tiles = cut(table, HALVES)
    other = dataset([(0, 0, [60, 10, 10, 10])], names=("elsewhere.jpg",))
    other = as_predictions(other)
    stranger = Detections.build(
        Images(id_array([77]), ("elsewhere.jpg",), np.array([[100.0, 60.0]])),
        other.categories,
        image_index=[0],
        category_index=[0],
        xywh=other.xywh,
        score=[1],
    )
    with pytest.raises(CannotJudgeError):
        join(stranger, index_of(table, tiles))


def test_no_predictions_are_none():
    table = dataset([])
    tiles = cut(table, HALVES)
    assert len(join(as_predictions(tiles.dataset), index_of(table, tiles)).detections) == 0
