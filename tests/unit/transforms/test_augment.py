"""Boxes, outlines, masks and keypoints land where the pixels land."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detkit import masks
from detkit.errors import UsageError
from detkit.ragged import Ragged, Shapes, id_array
from detkit.tables import Categories, Dataset, Images
from detkit.transforms import augment
from detkit.transforms._items import Item, box_of_mask, clipped

SIZE = (96, 72)


def ready() -> None:
    pytest.importorskip("albumentations", reason="the extra `augment` is not installed", exc_type=ImportError)


def warp(
    steps: Sequence[dict[str, Any]], items: Sequence[Item], seed: int = 0, partner: Sequence[int] = ()
) -> tuple[np.ndarray, list[Item]]:
    ready()
    image = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    return augment.Augmenter(augment.parse_steps(steps)).warp(image, items, seed, lambda row: partner)


def drawn(box: Sequence[int]) -> np.ndarray:
    mask = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    mask[box[1] : box[3], box[0] : box[2]] = 1
    return mask


def three_ways(box: Sequence[int]) -> list[Item]:
    """One object as a box, as a polygon and as a mask."""
    x1, y1, x2, y2 = map(float, box)
    ring = np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])
    xyxy = np.array([x1, y1, x2, y2])
    return [Item(0, xyxy), Item(1, xyxy, rings=(ring,)), Item(2, xyxy, mask=drawn(box))]


def always(name: str, **params: Any) -> dict[str, Any]:
    return {"name": name, "p": 1.0, "params": params}


@pytest.mark.parametrize(
    ("step", "expected", "share"),
    [
        (always("HorizontalFlip"), [96 - 40, 20, 96 - 10, 44], 1.0),
        (always("VerticalFlip"), [10, 72 - 44, 40, 72 - 20], 1.0),
        (always("Transpose"), [20, 10, 44, 40], 1.0),
        (always("Crop", x_min=25, y_min=0, x_max=96, y_max=72), [0, 20, 40 - 25, 44], (40 - 25) / 30),
        (always("Pad", padding=8), [18, 28, 48, 52], 1.0),
    ],
)
def test_moves_are_exact(step: dict[str, Any], expected: list[int], share: float) -> None:
    _, found = warp([step], three_ways((10, 20, 40, 44)))
    assert [item.xyxy.tolist() for item in found] == [expected] * 3
    assert [item.visible for item in found] == [pytest.approx(share)] * 3


def test_what_a_crop_took_does_not_come_back_with_a_border() -> None:
    crop = always("Crop", x_min=25, y_min=0, x_max=96, y_max=72)
    pad = always("PadIfNeeded", min_width=96, min_height=72, position="bottom_right")
    _, found = warp([crop, pad], three_ways((10, 20, 40, 44)))
    assert [item.xyxy.tolist() for item in found] == [[25, 20, 40, 44]] * 3
    _, none = warp([crop, pad], three_ways((2, 20, 20, 44)))
    assert none == []


GEOMETRY: tuple[dict[str, Any], ...] = (
    always("HorizontalFlip"),
    always("VerticalFlip"),
    always("RandomRotate90"),
    always("Transpose"),
    always("D4"),
    always("RandomCrop", height=60, width=80),
    always("RandomResizedCrop", size=[64, 90], scale=[0.6, 1.0]),
    always("CropAndPad", px=[-9, 9]),
    always("Affine", scale=[0.7, 1.3], translate_px=[-9, 9]),
    always("RandomScale", scale_limit=0.3),
    always("LongestMaxSize", max_size=120),
    always("PadIfNeeded", min_height=110, min_width=110),
)
TURNING: tuple[dict[str, Any], ...] = (
    always("Rotate", limit=25),
    always("Affine", rotate=[-20, 20], shear=[-8, 8], scale=[0.8, 1.2]),
    always("SafeRotate", limit=20),
    always("Perspective", scale=[0.02, 0.08]),
)
COLOUR = (always("GaussNoise"), always("RandomBrightnessContrast"), always("Blur"), always("ImageCompression"))


def pipelines(count: int) -> list[tuple[int, list[dict[str, Any]], tuple[int, ...]]]:
    """Random pipelines of one to four steps, each with a random box."""
    random = np.random.default_rng(11)
    steps = [*GEOMETRY, *TURNING, *COLOUR]
    found = []
    for number in range(count):
        chosen = [steps[i] for i in random.choice(len(steps), random.integers(1, 5), replace=False)]
        # Crops come first, while the image is large enough for them.
        chosen.sort(key=lambda step: step["name"] != "RandomCrop")
        x1, y1 = random.integers(0, 60), random.integers(0, 40)
        found.append((number, chosen, (x1, y1, x1 + random.integers(12, 36), y1 + random.integers(12, 32))))
    return found


def test_boxes_of_a_thousand_random_pipelines_against_masks_warped_the_same_way() -> None:
    """Without turns all three agree but for interpolation; with turns the box lies within the outline's.

    The mask is what the pixels did; a polygon's box must be the mask's. A plain box is turned by its ellipse, so it may
    be smaller than that of its turned corners, and never larger.
    """
    compared = 0
    for number, steps, box in pipelines(1000):
        _, found = warp(steps, three_ways(box), seed=number)
        by = {item.row: item for item in found}
        turns = any(step in TURNING for step in steps)
        # A pixel and a bit a step: the library enlarges masks by nearest neighbours at the pixel's corner.
        slack = 1.4 * max(1, sum(step not in COLOUR for step in steps))
        if 2 not in by or by[2].visible < 0.3:
            continue
        compared += 1
        seen = by[2].xyxy
        assert np.abs(by[1].xyxy - seen).max() <= slack, (steps, box, by[1].xyxy, seen)
        if turns:
            assert (by[0].xyxy[:2] >= seen[:2] - slack).all(), (steps, box)
            assert (by[0].xyxy[2:] <= seen[2:] + slack).all(), (steps, box)
        else:
            assert np.abs(by[0].xyxy - seen).max() <= slack, (steps, box, by[0].xyxy, seen)
    assert compared > 800


def test_mirrored_keypoints_change_sides() -> None:
    points = np.array([[12.0, 22, 2], [30, 24, 1], [0, 0, 0], [20, 40, 2]])
    item = Item(0, np.array([10.0, 20, 40, 44]), points=points)
    _, (flipped,) = warp([always("HorizontalFlip")], [item], partner=(1, 0, 2, 3))
    assert flipped.points is not None
    assert flipped.points.tolist() == [[96 - 30, 24, 1], [96 - 12, 22, 2], [0, 0, 0], [96 - 20, 40, 2]]
    _, (turned,) = warp([always("HorizontalFlip"), always("VerticalFlip")], [item], partner=(1, 0, 2, 3))
    assert turned.points is not None
    assert turned.points[0].tolist() == [96 - 12, 72 - 22, 2]
    _, (cut,) = warp([always("Crop", x_min=15, y_min=0, x_max=96, y_max=72)], [item])
    assert cut.points is not None
    assert cut.points.tolist() == [[0, 0, 0], [15, 24, 1], [0, 0, 0], [5, 40, 2]]


def test_the_seed_decides_everything() -> None:
    steps = [always("Affine", rotate=[-20, 20], scale=[0.7, 1.3]), always("GaussNoise")]
    first, second, other = (warp(steps, three_ways((10, 20, 40, 44)), seed) for seed in (5, 5, 6))
    assert (first[0] == second[0]).all()
    assert [i.xyxy.tolist() for i in first[1]] == [i.xyxy.tolist() for i in second[1]]
    assert (first[0] != other[0]).any()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("flip", "expected a list of transforms"),
        ([{"p": 1}], "expected a name"),
        ([{"name": "Blur", "limit": 3}], "unknown key `limit`"),
        ([{"name": "Affine", "p": 2}], "p is 2, expected a probability"),
        ([{"name": "Affine", "params": [3]}], "expected a mapping of arguments"),
        ([{"name": "OneOf"}], "`transforms` belongs to OneOf"),
        ([{"name": "OneOf", "transforms": [{"name": "A"}, {"p": 3}]}], r"pipeline\[0\] OneOf\[1\]"),
    ],
)
def test_a_file_that_is_no_pipeline(content: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        augment.parse_steps(content)


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ({"name": "HorizontalFlp"}, "(?s)`HorizontalFlp` is no transform.*did you mean HorizontalFlip"),
        ({"name": "Affine", "params": {"rotat": 3}}, "(?s)`Affine` has no argument `rotat`.*did you mean `rotate`"),
        ({"name": "Blur", "params": {"blur_limit": "x"}}, "Blur: `blur_limit` is 'x'"),
        ({"name": "RandomCrop", "params": {"height": 5}}, "RandomCrop: `width` is"),
        ({"name": "Normalize"}, "cannot be used"),
    ],
)
def test_a_step_that_is_wrong(step: dict[str, Any], said: str) -> None:
    ready()
    with pytest.raises(UsageError, match=said):
        augment.Augmenter(augment.parse_steps([step]))


@pytest.mark.parametrize("name", augment.PRESETS)
def test_presets_are_valid(name: str) -> None:
    ready()
    steps = augment.parse_steps(augment.PRESETS[name])
    assert [step.name for step in steps] == [step["name"] for step in augment.PRESETS[name]]
    augment.Augmenter(steps)


@settings(max_examples=50, derandomize=True, deadline=None)
@given(st.integers(0, 2**32))
def test_a_mosaic_shows_every_object_in_its_quarter(seed: int) -> None:
    """Objects of image n are filled with grey n: what a mask of the result covers has that grey."""
    random = np.random.default_rng(seed)
    pictures, items = [], []
    for number in range(4):
        width, height = random.integers(40, 120, 2).tolist()
        picture = np.zeros((height, width, 3), np.uint8)
        x1, y1 = random.integers(0, width - 20), random.integers(0, height - 20)
        box = np.array([x1, y1, x1 + 18, y1 + 16])
        picture[box[1] : box[3], box[0] : box[2]] = 50 * (number + 1)
        mask = (picture[:, :, 0] > 0).astype(np.uint8)
        pictures.append(picture)
        items.append([Item(2 * number, box.astype(float)), Item(2 * number + 1, box.astype(float), mask=mask)])
    out, found = augment.mosaic(pictures, items, random)
    assert out.shape == pictures[0].shape
    for item in found:
        x1, y1, x2, y2 = item.xyxy
        assert 0 <= x1 < x2 <= out.shape[1]
        assert 0 <= y1 < y2 <= out.shape[0]
        inner = out[int(np.ceil(y1 + 3)) : max(0, int(y2 - 3)), int(np.ceil(x1 + 3)) : max(0, int(x2 - 3))]
        assert not inner.size or (inner == 50 * (item.row // 2 + 1)).all()
        if item.mask is not None:
            whole = box_of_mask(item.mask)
            assert whole is not None
            assert whole.tolist() == item.xyxy.tolist()


def test_clipping_cuts_every_part_of_an_object() -> None:
    box, ring, mask = three_ways((10, 20, 40, 44))
    for item in (box, ring, mask):
        cut = clipped(item, (0, 0, 25, 72))
        assert cut is not None
        assert cut.xyxy.tolist() == [10, 20, 25, 44]
        assert cut.visible == pytest.approx(15 / 30)
        assert clipped(item, (50, 0, 96, 72)) is None


def person() -> Dataset:
    """A crowd with a mask, and a person with keypoints, a polygon and an attribute."""
    sides = {0: {"keypoints": ["nose", "left_eye", "right_eye"]}}
    return Dataset.build(
        Images(id_array([7]), ("a.jpg",), np.array([SIZE], np.float64)),
        Categories(id_array([3]), ("person",), extra=sides),
        image_index=[0, 0],
        category_index=[0, 0],
        xywh=[[10, 20, 30, 24], [50, 10, 20, 20]],
        area=[30 * 24, 200],
        is_crowd=[True, False],
        is_ignored=[False, True],
        ids=id_array([11, 12]),
        shapes=Shapes.from_rows([masks.to_rle([[10, 20, 40, 20, 40, 44, 10, 44]], SIZE[1], SIZE[0]), None]),
        keypoints=Ragged.from_rows([[], [[60, 15, 2], [55, 15, 2], [65, 15, 1]]], (3,)),
        num_keypoints=[-1, 3],
        attributes={"occluded": np.array([0.0, 1.0])},
        splits={"train": np.array([0])},
    )


def test_partners_come_from_names_or_from_the_dataset() -> None:
    assert augment.partners_of(person())[0] == (0, 2, 1)


@pytest.mark.parametrize("keep", [True, False])
def test_everything_labelled_goes_with_the_copy(keep: bool) -> None:
    ready()
    data = person()
    items = augment.items_of(data.annotations, 0, 2, SIZE)
    out, found = augment.Augmenter(augment.parse_steps([always("HorizontalFlip")])).warp(
        np.zeros((SIZE[1], SIZE[0], 3), np.uint8), items, 0, lambda row: augment.partners_of(data)[0]
    )
    copy = augment.Copy(0, "a_aug1.jpg", (out.shape[1], out.shape[0]), tuple(map(augment.placed, found)), "x.jpg")
    whole = augment.assembled(data, [copy], keep_originals=keep)
    assert len(whole.images) == 1 + keep
    rows = whole.annotations.take(np.arange(2 * keep, 2 * keep + 2))
    assert rows.xywh.tolist() == [[96 - 40, 20, 30, 24], [96 - 70, 10, 20, 20]]
    assert rows.area.tolist() == [30 * 24, 200]
    assert rows.is_crowd.tolist() == [True, False]
    assert rows.is_ignored.tolist() == [False, True]
    assert rows.attributes["occluded"].tolist() == [0, 1]
    assert rows.keypoints is not None
    assert rows.keypoints[1].tolist() == [[36, 15, 2], [31, 15, 1], [41, 15, 2]]
    assert rows.num_keypoints is not None
    assert rows.num_keypoints.tolist() == [-1, 3]
    assert rows.shapes is not None
    assert masks.boxes([rows.shapes.rle[0]])[0].tolist() == [56, 20, 30, 24]
    assert len(set(whole.annotations.ids.tolist())) == len(whole.annotations)
    assert len(set(whole.images.ids.tolist())) == len(whole.images)
    assert whole.splits["train"].tolist() == list(range(1 + keep))


def test_polygons_go_through_bending_warps_as_masks() -> None:
    steps = augment.parse_steps([{"name": "OneOf", "transforms": ["ElasticTransform", "Blur"]}])
    assert augment.bends_lines(steps)
    assert not augment.bends_lines(augment.parse_steps(["Affine"]))
    data = Dataset.build(
        Images(id_array([1]), ("a.jpg",), np.array([SIZE], np.float64)),
        Categories.from_names(["x"]),
        image_index=[0],
        category_index=[0],
        xywh=[[10, 20, 30, 24]],
        shapes=Shapes.from_rows([[[10, 20, 40, 20, 40, 44, 10, 44]]]),
    )
    (item,) = augment.items_of(data.annotations, 0, 1, SIZE, as_masks=True)
    assert item.rings == ()
    assert item.mask is not None
    assert (item.mask == drawn((10, 20, 40, 44))).all()
