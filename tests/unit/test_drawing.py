"""Drawings: what is on the pixels, which outcome each object has, where files go."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detkit.api._canvas import COLOURS, GROUND, OUTCOME_COLOURS, Canvas, colour_of, text_on
from detkit.api._fonts import Fonts
from detkit.api._marks import Look, outcomes_of
from detkit.api.drawing import DrawSettings, draw
from detkit.errors import InputError, OutputError, UsageError
from detkit.ragged import Ragged, id_array
from detkit.tables import Categories, Dataset, Detections, Images, Shapes

BOXES_ONLY = Look(labels=False, masks=False, keypoints=False)


def picture(folder: Path, name: str = "a.png", size=(100, 80), colour="white", **options) -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path, **options)
    return str(path)


def dataset(folder: Path, rows, *, names=("a.png",), size=(100, 80), classes=("cat", "dog"), **columns) -> Dataset:
    image, category, xywh = zip(*rows, strict=True) if rows else ((), (), ())
    paths = tuple(picture(folder, name, size) for name in names)
    extra = columns.pop("category_extra", {})
    return Dataset.build(
        Images(id_array(range(1, len(names) + 1)), tuple(names), np.array([size] * len(names), float), paths),
        Categories(np.arange(1, len(classes) + 1), tuple(classes), extra=extra),
        image_index=image,
        category_index=category,
        xywh=np.reshape(xywh, (-1, 4)),
        **columns,
    )


def predictions(truth: Dataset, rows) -> Detections:
    image, category, xywh, score = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Detections.build(
        truth.images,
        truth.categories,
        image_index=image,
        category_index=category,
        xywh=np.reshape(xywh, (-1, 4)),
        score=score,
    )


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def has(found: np.ndarray, colour) -> bool:
    return bool((np.abs(found.astype(int) - colour).sum(axis=-1) < 12).any())


def test_a_box_is_drawn_in_the_colour_of_its_class_where_it_is(tmp_path):
    table = dataset(tmp_path / "in", [(0, 1, [20, 30, 40, 20])])
    told = draw(table, tmp_path / "out", settings=DrawSettings(look=BOXES_ONLY))
    found = pixels(tmp_path / "out" / "a.png")
    assert found.shape == (80, 100, 3)
    assert tuple(found[30, 40]) == colour_of(1)
    assert tuple(found[40, 20]) == colour_of(1)
    assert tuple(found[40, 40]) == (255, 255, 255)
    assert tuple(found[10, 10]) == (255, 255, 255)
    assert (told.images, told.truths, told.predictions, dict(told.outcomes)) == (1, 1, 0, {})


def test_outcomes_are_those_of_greedy_matching(tmp_path):
    truth = dataset(
        tmp_path,
        [(0, 0, [0, 0, 20, 20]), (0, 0, [40, 0, 20, 20]), (0, 1, [0, 40, 20, 20]), (0, 0, [60, 50, 20, 20])],
        is_crowd=[False, False, False, True],
    )
    found = predictions(
        truth,
        [
            (0, 0, [0, 0, 20, 20], 0.9),  # the first truth
            (0, 0, [1, 0, 20, 20], 0.8),  # once more
            (0, 0, [0, 40, 20, 20], 0.7),  # another class
            (0, 0, [62, 52, 10, 10], 0.6),  # in the crowd
        ],
    )
    _, _, outcomes = outcomes_of(truth, found, 0.5)
    assert outcomes.predictions.tolist() == ["TP", "FP", "FP", "ignored"]
    assert outcomes.truths.tolist() == ["TP", "FN", "FN", "ignored"]


def test_outcome_colours_scores_and_the_strip(tmp_path):
    truth = dataset(tmp_path / "in", [(0, 0, [10, 10, 20, 20]), (0, 0, [60, 10, 20, 20])])
    found = predictions(
        truth, [(0, 0, [10, 10, 20, 20], 0.9), (0, 1, [10, 50, 20, 20], 0.3), (0, 1, [0, 0, 9, 9], 0.2)]
    )
    told = draw(truth, tmp_path / "out", found, DrawSettings(look=BOXES_ONLY))
    drawn = pixels(tmp_path / "out" / "a.png")
    assert drawn.shape[0] > 80
    assert tuple(drawn[-1, -1]) == GROUND
    for kind in ("TP", "FP", "FN"):
        assert has(drawn[:80], OUTCOME_COLOURS[kind]), kind
    # The one of 0.2 is below the threshold.
    assert dict(told.outcomes) == {"TP": 1, "FP": 1, "ignored": 0, "FN": 1}
    assert told.predictions == 2


def test_truth_beside_predictions(tmp_path):
    truth = dataset(tmp_path / "in", [(0, 0, [10, 10, 20, 20])])
    found = predictions(truth, [(0, 1, [10, 50, 20, 20], 0.9)])
    draw(truth, tmp_path / "out", found, DrawSettings(beside=True, look=BOXES_ONLY))
    drawn = pixels(tmp_path / "out" / "a.png")[:80]
    assert drawn.shape[1] > 200
    assert has(drawn[:, :100], OUTCOME_COLOURS["FN"])
    assert not has(drawn[:, :100], OUTCOME_COLOURS["FP"])
    assert has(drawn[:, 100:], OUTCOME_COLOURS["FP"])
    assert not has(drawn[:, 100:], OUTCOME_COLOURS["FN"])


def test_predictions_that_found_nothing_make_every_truth_a_miss(tmp_path):
    truth = dataset(tmp_path / "in", [(0, 0, [10, 10, 20, 20])])
    told = draw(truth, tmp_path / "out", predictions(truth, []), DrawSettings())
    assert dict(told.outcomes) == {"TP": 0, "FP": 0, "ignored": 0, "FN": 1}


def test_masks_polygons_keypoints_and_oriented_boxes_leave_their_marks(tmp_path):
    from detkit.transforms._outlines import crop_mask

    mask = np.zeros((80, 100), np.uint8)
    mask[10:30, 60:90] = 1
    quad = [[20, 50, 40, 45, 44, 65, 24, 70]]
    table = dataset(
        tmp_path / "in",
        [(0, 0, [60, 10, 30, 20]), (0, 1, [20, 45, 24, 25]), (0, 1, [5, 5, 30, 30])],
        shapes=Shapes.from_rows([crop_mask(mask, (0, 0, 100, 80)), quad, None]),
        keypoints=Ragged.from_rows([[], [], [[10, 10, 2], [30, 30, 1], [20, 10, 0]]], (3,)),
        is_oriented=[False, True, False],
        category_extra={1: {"skeleton": [[1, 2], [1, 3], [9, 1], "odd"]}},
    )
    draw(table, tmp_path / "out", settings=DrawSettings(look=Look(boxes=True, labels=False)))
    found = pixels(tmp_path / "out" / "a.png")
    # See-through fill: between the colour and the white ground.
    assert tuple(found[20, 75]) not in ((255, 255, 255), colour_of(0))
    assert tuple(found[20, 20]) == colour_of(1)  # the edge from point 1 to point 2
    assert tuple(found[10, 16]) == (255, 255, 255)  # no edge to a point that is not labelled
    assert tuple(found[46, 22]) == (255, 255, 255)  # no upright box around the oriented one
    assert has(found[55:62, 40:46], colour_of(1))


def test_exif_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "in" / "a.jpg"
    path.parent.mkdir()
    Image.new("RGB", (100, 80)).save(path, exif=exif)
    table = Dataset.build(
        Images(id_array([1]), ("a.jpg",), np.array([[80.0, 100.0]]), (str(path),)),
        Categories.from_names(["cat"]),
        image_index=[0],
        category_index=[0],
        xywh=[[10, 10, 20, 20]],
    )
    draw(table, tmp_path / "out")
    with Image.open(tmp_path / "out" / "a.jpg") as drawn:
        assert drawn.size == (80, 100)
        assert 0x0112 not in drawn.getexif()


def test_names_keep_folders_and_never_leave_the_target(tmp_path):
    names = ("x/a.png", "y/a.png", "y/b.tif")
    table = dataset(tmp_path / "in", [(n, 0, [5, 5, 9, 9]) for n in range(3)], names=names)
    draw(table, tmp_path / "out")
    assert sorted(p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*.*g")) == [
        "x/a.png",
        "y/a.png",
        "y/b.tif.jpg",
    ]
    from dataclasses import replace

    evil = replace(table, images=replace(table.images, file_names=("../../a.png", "/etc/b.png", "C:\\c.png")))
    draw(evil, tmp_path / "evil")
    assert sorted(p.relative_to(tmp_path / "evil").as_posix() for p in (tmp_path / "evil").rglob("*.png")) == [
        "C_/c.png",
        "a.png",
        "etc/b.png",
    ]


def test_a_sheet_has_cells_and_a_sample_depends_on_names_and_seed(tmp_path):
    names = tuple(f"{n}.png" for n in range(30))
    table = dataset(tmp_path / "in", [(n, 0, [5, 5, 9, 9]) for n in range(30)], names=names)
    sheet = DrawSettings(sheet=(3, 2), max_side=60)
    assert draw(table, tmp_path / "sheet.png", settings=sheet).images == 6
    with Image.open(tmp_path / "sheet.png") as found:
        assert found.size[0] > 3 * 60
    chosen = []
    for n, seed in enumerate((0, 0, 1)):
        draw(table, tmp_path / f"out{n}", settings=DrawSettings(sample=5, seed=seed))
        chosen.append(sorted(p.name for p in (tmp_path / f"out{n}").glob("*.png")))
    assert [len(names) for names in chosen] == [5, 5, 5]
    assert chosen[0] == chosen[1] != chosen[2]


def test_threads_do_not_change_a_byte(tmp_path):
    names = tuple(f"{n}.png" for n in range(6))
    table = dataset(tmp_path / "in", [(n, n % 2, [5, 5, 40, 30]) for n in range(6)], names=names)
    for jobs in (1, 3):
        draw(table, tmp_path / str(jobs), jobs=jobs)
    for name in names:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "3" / name).read_bytes()


def test_a_damaged_image_is_left_out_and_told(tmp_path):
    table = dataset(tmp_path / "in", [(0, 0, [5, 5, 9, 9]), (1, 0, [5, 5, 9, 9])], names=("a.png", "b.png"))
    (tmp_path / "in" / "b.png").write_bytes(b"no image")
    told = draw(table, tmp_path / "out")
    assert told.images == 1
    assert [f.code for f in told.findings] == ["DK404"]
    assert [loss.count for loss in told.losses] == [1]


@pytest.mark.parametrize(
    ("settings", "target", "message"),
    [
        (DrawSettings(beside=True), "out", "no predictions were given"),
        (DrawSettings(sheet=(2, 2)), "out", "a sheet is one image"),
        (DrawSettings(), "out.png", "a folder of images"),
        (DrawSettings(sample=0), "out", "expected 1 or more"),
        (DrawSettings(classes=["cow"]), "out", "unknown class `cow`"),
    ],
)
def test_requests_that_do_not_fit_are_refused(tmp_path, settings, target, message):
    with pytest.raises(UsageError, match=message):
        draw(dataset(tmp_path / "in", [(0, 0, [5, 5, 9, 9])]), tmp_path / target, settings=settings)
    assert not (tmp_path / target).exists()


def test_a_foreign_folder_is_never_replaced_and_fonts_are_checked(tmp_path):
    table = dataset(tmp_path / "in", [(0, 0, [5, 5, 9, 9])])
    with pytest.raises(OutputError, match="not written by detkit"):
        draw(table, tmp_path / "in", overwrite=True)
    draw(table, tmp_path / "out")
    draw(table, tmp_path / "out", overwrite=True)
    with pytest.raises(InputError, match="not a font"):
        draw(table, tmp_path / "other", settings=DrawSettings(font=tmp_path / "in" / "a.png"))


def test_text_is_readable_on_every_colour():
    def luminance(colour):
        parts = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (c / 255 for c in colour)]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    for colour in (*COLOURS, *OUTCOME_COLOURS.values()):
        low, high = sorted((luminance(colour), luminance(text_on(colour))))
        assert (high + 0.05) / (low + 0.05) > 4.5, colour
    assert len(set(COLOURS)) == len(COLOURS)


def test_a_label_is_no_wider_than_the_image_and_keeps_both_ends():
    canvas = Canvas(Image.new("RGB", (120, 90), "white"), Fonts())
    assert canvas.label("begin" + "x" * 200_000 + "end", (50, 30, 20, 20), (230, 159, 0))
    left, _, right, _ = canvas._taken[0]
    assert 0 <= left < right <= 120
    assert right - left > 90
    font = Fonts().of("begin", canvas.text_size)
    text = canvas._fitted("begin" + "x" * 300 + "end", font, 100)
    assert text.startswith("begin")
    assert text.endswith("end")
    assert "..." in text
    assert canvas._fitted("traffic light", font, 100) == "traffic light"


def test_no_label_covers_a_tiny_image():
    canvas = Canvas(Image.new("RGB", (24, 16), "white"), Fonts())
    assert canvas.label("traffic light", (2, 2, 10, 10), (230, 159, 0))
    assert canvas._labels == 0
    assert (np.asarray(canvas.image) == 255).all()


def test_labels_do_not_lie_on_one_another_where_there_is_room():
    canvas = Canvas(Image.new("RGB", (300, 300), "white"), Fonts())
    for _ in range(3):
        assert canvas.label("person", (50, 100, 100, 100), (230, 159, 0))
    boxes = canvas._taken[: canvas._labels].tolist()
    assert len(boxes) == 3
    for n, (a, b, c, d) in enumerate(boxes):
        assert not any(a < r and c > p and b < s and d > q for p, q, r, s in boxes[:n])


def test_a_name_that_no_font_has_is_replaced_by_its_id_and_told(tmp_path):
    table = dataset(tmp_path / "in", [(0, 0, [5, 25, 50, 30])], classes=("\U000f0000",))
    told = draw(table, tmp_path / "out")
    assert [f.code for f in told.findings] == ["DK110"]
    assert Fonts().of("Straße", 12) is not None
