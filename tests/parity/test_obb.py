"""Oriented boxes the whole way, from files to metrics.

The reference is our own box evaluation, which equals pycocotools: turn truth and predictions about one point and every
overlap and area stays, so each metric of the turned outlines is that of the boxes before.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import detkit
from cli._run import run
from detkit import api
from detkit.errors import InputError
from detkit.tables import Shapes

ROOT = Path(__file__).resolve().parents[2]
SIZE = np.array([1000.0, 800.0])
NAMES = ("ship", "plane", "harbour")
ANGLE = 0.6


def turned(xywh, angle=ANGLE):
    """Corners of boxes, all turned about the middle of the image."""
    x, y, w, h = np.asarray(xywh, dtype=float).T
    corners = np.stack([np.stack([x, x + w, x + w, x], 1), np.stack([y, y, y + h, y + h], 1)], 2) - SIZE / 2
    cos, sin = np.cos(angle), np.sin(angle)
    return corners @ np.array([[cos, sin], [-sin, cos]]) + SIZE / 2


class Case:
    """Boxes of a few images in the middle of the picture, so that none leaves it when turned."""

    def __init__(self) -> None:
        random = np.random.default_rng(2)
        truths = np.concatenate([random.uniform(300, 500, (48, 2)), random.uniform(15, 160, (48, 2))], axis=1)
        found = truths + random.normal(0, 5, truths.shape)
        found[::7] = np.concatenate([random.uniform(300, 500, (7, 2)), random.uniform(15, 160, (7, 2))], axis=1)
        self.truths, self.found = truths.round(2), np.maximum(found.round(2), 1)
        self.image, self.label = np.arange(48) % 6, random.integers(0, 3, 48)
        self.guess = np.where(random.random(48) < 0.85, self.label, (self.label + 1) % 3)
        self.score = random.random(48).round(2)

    def truth_folder(self, root: Path, corners) -> Path:
        (root / "labels" / "val").mkdir(parents=True)
        (root / "images" / "val").mkdir(parents=True)
        text = "".join(f"{i}: {n}\n" for i, n in enumerate(NAMES))
        (root / "data.yaml").write_text("path: .\nval: images/val\ntrain: images/val\nnames:\n  " + "  ".join(
            text.splitlines(keepends=True)
        ))  # fmt: skip
        (root / "detkit-images.csv").write_text(
            "file,width,height,id,name\n"
            + "".join(f"images/val/p{i}.jpg,1000,800,{i + 1},p{i}.jpg\n" for i in range(6))
        )
        for i in range(6):
            rows = np.flatnonzero(self.image == i)
            lines = [f"{self.label[r]} {_text(corners[r])}\n" for r in rows]
            (root / "labels" / "val" / f"p{i}.txt").write_text("".join(lines))
        return root

    def prediction_folder(self, root: Path, corners) -> Path:
        root.mkdir()
        for i in range(6):
            rows = np.flatnonzero(self.image == i)
            lines = [f"{self.guess[r]} {_text(corners[r])} {self.score[r]}\n" for r in rows]
            (root / f"p{i}.txt").write_text("".join(lines))
        return root

    def results(self, path: Path, corners) -> Path:
        records = []
        for r in range(48):
            low, high = corners[r].min(axis=0), corners[r].max(axis=0)
            record = {"image_id": f"p{self.image[r]}", "category_id": int(self.guess[r]) + 1}
            record |= {"bbox": [*low, *(high - low)], "segmentation": [corners[r].ravel().tolist()]}
            records.append(record | {"score": float(self.score[r])})
        path.write_text(json.dumps(records))
        return path

    def box_metrics(self, protocol: str) -> dict[str, float | None]:
        """The same boxes before they were turned, as boxes."""
        truth = {
            "images": [{"id": i + 1, "file_name": f"p{i}.jpg", "width": 1000, "height": 800} for i in range(6)],
            "categories": [{"id": k + 1, "name": n} for k, n in enumerate(NAMES)],
            "annotations": [
                {
                    "id": r + 1,
                    "image_id": int(self.image[r]) + 1,
                    "category_id": int(self.label[r]) + 1,
                    "bbox": self.truths[r].tolist(),
                    "area": float(self.truths[r, 2] * self.truths[r, 3]),
                    "iscrowd": 0,
                }
                for r in range(48)
            ],
        }
        found = [
            {
                "image_id": int(self.image[r]) + 1,
                "category_id": int(self.guess[r]) + 1,
                "bbox": self.found[r].tolist(),
                "score": float(self.score[r]),
            }
            for r in range(48)
        ]
        self.folder.joinpath("gt.json").write_text(json.dumps(truth))
        self.folder.joinpath("dt.json").write_text(json.dumps(found))
        return detkit.evaluate(self.folder / "gt.json", self.folder / "dt.json", protocol=protocol).metrics

    folder: Path


def _text(corners) -> str:
    return " ".join(repr(float(v)) for v in (corners / SIZE).ravel())


@pytest.fixture
def case(tmp_path: Path) -> Case:
    made = Case()
    made.folder = tmp_path
    return made


def metrics(truth, found, protocol="coco", **changes):
    return detkit.evaluate(truth, found, protocol=protocol, iou_type="obb", **changes).metrics


@pytest.mark.parametrize("protocol", ["coco", "voc2007", "voc2012"])
def test_every_way_gives_the_metrics_of_the_boxes_before_they_were_turned(case: Case, protocol: str) -> None:
    truth = case.truth_folder(case.folder / "truth", turned(case.truths))
    folder = case.prediction_folder(case.folder / "found", turned(case.found))
    expected = case.box_metrics(protocol)
    assert metrics(truth, folder, protocol) == expected
    assert 0.2 < next(iter(expected.values())) < 0.9
    assert metrics(truth, case.results(case.folder / "named.json", turned(case.found)), protocol) == expected
    api.convert(truth, case.folder / "truth.json")
    bare = [
        {key: value for key, value in record.items() if key != "bbox"} | {"image_id": int(record["image_id"][1:]) + 1}
        for record in json.loads((case.folder / "named.json").read_text())
    ]
    (case.folder / "bare.json").write_text(json.dumps(bare))
    assert metrics(case.folder / "truth.json", case.folder / "bare.json", protocol) == expected
    # The boxes around them are another thing.
    assert detkit.evaluate(truth, folder, protocol=protocol).metrics != expected


def test_corners_survive_every_conversion(case: Case) -> None:
    corners = turned(case.found).round(3)
    folder = case.prediction_folder(case.folder / "found", corners)
    truth = case.truth_folder(case.folder / "truth", turned(case.truths))
    first = api.read(folder, kind="detections", reference_images=api.read(truth).images)
    order = np.argsort(case.image, kind="stable")
    assert first.shapes is not None
    assert first.shapes.points.values.reshape(-1, 4, 2).tolist() == corners[order].tolist()
    assert first.score.tolist() == case.score[order].tolist()
    losses = api.write(first, case.folder / "again", format="yolo")
    assert [loss for loss in losses if "outline" in loss.what] == []
    assert json.loads((case.folder / "again" / "detkit.json").read_text())["task"] == "obb"
    again = api.read(case.folder / "again", kind="detections")
    assert again.shapes is not None
    assert again.shapes.points.values.tolist() == first.shapes.points.values.tolist()
    api.write(first, case.folder / "again.json", format="coco")
    third = api.read(case.folder / "again.json", kind="detections")
    assert third.shapes is not None
    assert third.shapes.points.values.tolist() == first.shapes.points.values.tolist()
    boxes = api.write(first, case.folder / "boxes", format="yolo", shapes="box")
    assert boxes
    assert api.read(case.folder / "boxes", kind="detections").shapes is None


def test_without_image_sizes_shares_are_compared_and_the_overlap_is_the_same(case: Case) -> None:
    truth = case.truth_folder(case.folder / "truth", turned(case.truths))
    (truth / "detkit-images.csv").unlink()
    folder = case.prediction_folder(case.folder / "found", turned(case.found))
    expected = case.box_metrics("coco")
    found = metrics(truth, folder)
    assert {k: v for k, v in found.items() if v is not None} == {
        k: v for k, v in expected.items() if k in ("AP", "AP50", "AP75", "AR1", "AR10", "AR100")
    }


# --- reading ---------------------------------------------------------------------------------------------------------

ROW = "0 0.1 0.1 0.3 0.1 0.3 0.2 0.1 0.2"


def predictions(tmp_path: Path, *lines: str):
    (tmp_path / "p.txt").write_text("".join(f"{line}\n" for line in lines))
    return api.read(tmp_path, kind="detections", image_sizes=None)


def test_a_row_is_class_corners_confidence_and_perhaps_a_track(tmp_path: Path) -> None:
    found = predictions(tmp_path, f"{ROW} 0.5", f"{ROW} 0.25 17")
    assert found.source is not None
    assert found.source.format == "yolo"
    assert found.xywh == pytest.approx(np.array([[0.1, 0.1, 0.2, 0.1]] * 2))
    assert found.score.tolist() == [0.5, 0.25]
    assert [f.message for f in found.findings if f.code == "DK109"] == ["track ids (last column) are not kept"]
    assert found.shapes is not None
    assert found.shapes.kind.tolist() == [Shapes.POLYGONS] * 2


def test_rows_of_another_kind_among_them_are_named(tmp_path: Path) -> None:
    found = predictions(tmp_path, f"{ROW} 0.5", "0 0.5 0.5 0.1 0.1 0.9", f"{ROW} 0.4")
    assert len(found) == 2
    (bad,) = [f for f in found.findings if f.code == "DK102"]
    assert (bad.line, bad.message) == (2, "found 6 columns, all numbers: expected a class and 9 numbers")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([ROW, ROW], "no confidence column: 2 rows hold a class and four corners"),
        (["0 100 100 300 100 300 200 100 200 0.5"] * 2, "expected four corners as shares of the image"),
        (["0 .1 .1 .3 .1 .3 .2 .1 .2 .2 .2 .7 .5", "0 .1 .1 .3 .1 .3 .2 .5"] * 2, "rows hold outlines"),
    ],
)
def test_what_are_no_oriented_predictions_is_said(tmp_path: Path, lines: list[str], message: str) -> None:
    (tmp_path / "p.txt").write_text("".join(f"{line}\n" for line in lines))
    with pytest.raises(InputError, match=message):
        api.read(tmp_path, kind="detections", format="yolo")


# --- commands --------------------------------------------------------------------------------------------------------


def test_commands(case: Case) -> None:
    case.truth_folder(case.folder / "truth", turned(case.truths))
    case.prediction_folder(case.folder / "found", turned(case.found))
    done = run(["eval", "truth", "found", "--iou-type", "obb", "--protocol", "voc2012"], case.folder)
    assert done.code == 0, done.stderr
    assert "voc2012 obb, IoU >= 0.5" in done.stdout
    kept = run(["nms", "found", "-o", "kept", "--iou-type", "obb", "--iou", "0.2", "--class-agnostic"], case.folder)
    assert kept.code == 0, kept.stderr
    straight = run(["nms", "found", "-o", "straight", "--iou", "0.2", "--class-agnostic"], case.folder)
    counts = [int(out.stderr.split(": ")[-1].split(" of ")[0]) for out in (kept, straight)]
    # Boxes around turned boxes overlap more.
    assert counts[1] < counts[0] < 48
    boxes = run(["nms", "found", "-o", "x", "--iou-type", "obb", "--method", "diou"], case.folder)
    assert (boxes.code, "`diou` does not know oriented boxes" in boxes.stderr) == (2, True)


def test_boxes_in_place_of_oriented_ones_are_exit_2(case: Case) -> None:
    case.truth_folder(case.folder / "truth", turned(case.truths))
    case.box_metrics("coco")
    named = [r | {"image_id": f"p{r['image_id'] - 1}"} for r in json.loads((case.folder / "dt.json").read_text())]
    (case.folder / "named.json").write_text(json.dumps(named))
    done = run(["eval", "truth", "named.json", "--iou-type", "obb"], case.folder)
    assert done.code == 2
    assert "no oriented boxes in the predictions (no outlines), which iou type `obb` compares" in done.stderr
    done = run(["eval", "gt.json", "dt.json", "--iou-type", "obb"], case.folder)
    assert done.code == 2
    assert "no oriented boxes in the truth" in done.stderr
    assert "hint: score boxes with `--iou-type bbox`" in done.stderr


@pytest.mark.parametrize("model", ["ultralytics-obb", "ultralytics_end2end-obb"])
@pytest.mark.parametrize("target", ["found.json", "found"])
def test_what_predict_writes_is_read_as_oriented(tmp_path: Path, model: str, target: str) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    from PIL import Image

    (tmp_path / "images").mkdir()
    Image.new("RGB", (120, 90), (200, 30, 30)).save(tmp_path / "images" / "a.png")
    path = ROOT / "fixtures" / "models" / f"{model}.onnx"
    answer = detkit.predict(path, tmp_path / "images", tmp_path / target, format=None if "." in target else "yolo")
    read = api.read(tmp_path / target, kind="detections", image_sizes=None)
    assert len(read) == len(answer.detections) > 3
    assert read.shapes is not None
    assert answer.detections.shapes is not None
    np.testing.assert_allclose(read.shapes.points.values, answer.detections.shapes.points.values, atol=1e-9)
    # Not upright: no corner shares its x with a neighbour.
    corners = read.shapes.points.values.reshape(-1, 4, 2)
    assert (np.abs(corners[:, 0, 0] - corners[:, 1, 0]) > 1e-3).all()
