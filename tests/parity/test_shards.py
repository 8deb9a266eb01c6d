"""Shards folded are the answer of one process to the last bit: arrays, metrics, classes, counts, findings, their order.

Fixtures of the project for every protocol, random tables with tied scores, Parquet folders read file by file, and real
data where it lies beside the checkout.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detkit import api, errors
from detkit.api import sharding
from detkit.evaluation import partial

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "fixtures" / "demo"
TRUTH, PREDICTIONS = DEMO / "coco" / "instances_val.json", DEMO / "predictions" / "coco.json"
ARRAYS = ("precision", "recall", "scores")
SHARDS = (1, 3, 16)


def assert_same(one: Any, folded: Any) -> None:
    for name in ARRAYS:
        mine, theirs = getattr(one, name), getattr(folded, name)
        assert (mine.dtype, mine.shape) == (theirs.dtype, theirs.shape)
        assert mine.tobytes() == theirs.tobytes(), name
    assert json.dumps(folded.to_dict()) == json.dumps(one.to_dict())


def check(truth: Path, predictions: Path, shards: tuple[int, ...] = SHARDS, **settings: Any) -> None:
    one = api.evaluate(truth, predictions, **settings)
    for count in shards:
        assert_same(one, sharding.evaluate_in_shards(truth, predictions, count, jobs=2, **settings))


def in_three(truth: Path, predictions: Path, **settings: Any) -> Any:
    return sharding.evaluate_in_shards(truth, predictions, 3, **settings)


def written(folder: Path, name: str, document: Any) -> Path:
    path = folder / name
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def random_case(folder: Path, seed: int, *, images: int = 23, extra: int = 0, shift: int = 0) -> tuple[Path, Path]:
    """COCO files with ids that do not ascend, tied scores, crowds, equal boxes, images without truth or predictions."""
    rng = np.random.default_rng(seed)
    ids = (rng.permutation(images * 3)[:images] + 1).tolist()
    classes = [7, 2, 11, 5]
    truth: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for place, image in enumerate(ids):
        boxes = np.round(rng.uniform((0, 0, 8, 8), (60, 60, 120, 120), (int(rng.integers(0, 7)), 4)), 1)
        for box in boxes.tolist():
            category = int(rng.choice(classes))
            crowd = int(rng.random() < 0.1)
            row = {"image_id": image, "category_id": category, "bbox": box, "area": box[2] * box[3], "iscrowd": crowd}
            truth.append({"id": len(truth) + 1, **row})
            for _ in range(int(rng.integers(0, 4))):
                moved = [round(v + float(rng.normal(0, 4)), 1) for v in box[:2]] + box[2:]
                score = round(float(rng.random()), 1)
                found.append({"image_id": image, "category_id": category + shift, "bbox": moved, "score": score})
        if place % 7 == 3:
            found = [row for row in found if row["image_id"] != image]
    for _ in range(extra):
        found.append({"image_id": 9999, "category_id": 2, "bbox": [1, 1, 5, 5], "score": 0.5})
    rng.shuffle(found)
    document = {
        "images": [{"id": i, "width": 200, "height": 200, "file_name": f"{i}.jpg"} for i in ids],
        "annotations": truth,
        "categories": [{"id": c, "name": f"class {c}"} for c in classes],
    }
    return written(folder, "gt.json", document), written(folder, "dt.json", found)


def in_parquet(source: Path, folder: Path, rows: int) -> Path:
    """The same predictions as a folder of Parquet shards of so many rows."""
    pytest.importorskip("pyarrow", reason="reading Parquet needs the extra `parquet`")
    from detkit import formats

    table = formats.read_detections(source)
    counts = np.bincount(table.image_index, minlength=len(table.images))
    formats.stream_detections(
        [table], folder, "parquet", images=table.images, categories=table.categories, counts=counts, rows=rows
    )
    return folder


@pytest.mark.parametrize("seed", range(4))
def test_random_tables(tmp_path: Path, seed: int) -> None:
    check(*random_case(tmp_path, seed, extra=seed))


@pytest.mark.parametrize(
    "settings",
    [
        {"class_agnostic": True},
        {"max_detections": (1, 2)},
        {"score_threshold": 0.5},
        {"protocol": "voc2007"},
        {"protocol": "voc2012"},
        {"textbook": True},
        {"protocol": "ultralytics"},
        {"strict_parity": True},
        {"strict_iou": True, "iou_thresholds": (0.3, 0.75)},
        {"area_ranges": (("all", 0.0, 1e10), ("tiny", 0.0, 900.0))},
        {"classes": ("class 5", "class 2")},
        {"iou_type": "segm"},
        {"at_image_size": 640.0},
    ],
    ids=lambda given: "-".join(given),
)
def test_every_setting(tmp_path: Path, settings: dict[str, Any]) -> None:
    truth, predictions = random_case(tmp_path, 11)
    if settings.get("iou_type") == "segm":
        for path in (truth, predictions):
            document = json.loads(path.read_text(encoding="utf-8"))
            for row in document["annotations"] if isinstance(document, dict) else document:
                x, y, w, h = row["bbox"]
                row["segmentation"] = [[x, y, x + w, y, x + w, y + h, x, y + h]]
            written(tmp_path, path.name, document)
    check(truth, predictions, (1, 4), **settings)


def test_classes_without_truth_are_counted(tmp_path: Path) -> None:
    truth, predictions = random_case(tmp_path, 3)
    rows = json.loads(predictions.read_text(encoding="utf-8"))
    rows += [{**rows[0], "category_id": 90}, {**rows[-1], "category_id": 91}]
    written(tmp_path, "dt.json", rows)
    check(truth, predictions, unmapped="count")
    check(truth, predictions, unmapped="ignore")


@pytest.mark.parametrize("kind", ["DK710", "DK711", "DK712"])
def test_misread_rows_are_told(tmp_path: Path, kind: str) -> None:
    truth, predictions = random_case(tmp_path, 8, images=40, extra=3)
    rows = json.loads(predictions.read_text(encoding="utf-8"))
    for row in rows:
        x, y, w, h = row["bbox"]
        if kind == "DK710":
            row["bbox"] = [x / 200, y / 200, w / 200, h / 200]
        if kind == "DK711":
            row["bbox"] = [x + 70, y + 70, min(x + 70 + w, 200), min(y + 70 + h, 200)]
    written(tmp_path, "dt.json", rows * 2 if kind == "DK712" else rows)
    one = api.evaluate(truth, predictions)
    assert kind in {f.code for f in one.findings}, "the case is read as it was meant"
    check(truth, predictions, (1, 4, 50))
    folder = in_parquet(predictions, tmp_path / "parquet", 40)
    check(truth, folder, (3,))


def test_shifted_class_ids_are_told(tmp_path: Path) -> None:
    truth, predictions = random_case(tmp_path, 5, images=40, shift=1)
    document = json.loads(truth.read_text(encoding="utf-8"))
    document["categories"] += [{"id": c + 1, "name": f"class {c + 1}"} for c in (7, 2, 11, 5)]
    written(tmp_path, "gt.json", document)
    one = api.evaluate(truth, predictions)
    assert [f.code for f in one.findings if f.code == "DK703"], "the case shifts nothing"
    check(truth, predictions)


@pytest.mark.parametrize(("shift", "looked"), [(0, False), (1, True)])
def test_shifted_class_ids_are_looked_for_only_where_the_score_is_low(
    shift: int, looked: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth, predictions = random_case(tmp_path, 5, images=40, shift=shift)
    document = json.loads(truth.read_text(encoding="utf-8"))
    document["categories"] += [{"id": c + 1, "name": f"class {c + 1}"} for c in (7, 2, 11, 5)]
    written(tmp_path, "gt.json", document)
    calls, looks = [], partial._looks
    monkeypatch.setattr(partial, "_looks", lambda *given: calls.append(1) or looks(*given))
    in_three(truth, predictions)
    assert bool(calls) == looked


def test_class_numbers_of_another_order_are_refused_alike(tmp_path: Path) -> None:
    """YOLO text has numbers only: taken as positions, and not judged where they seem to be something else."""
    truth, predictions = random_case(tmp_path, 6, images=40)
    known = json.loads(truth.read_text(encoding="utf-8"))
    place = {c["id"]: n for n, c in enumerate(known["categories"])}
    folder = tmp_path / "labels"
    folder.mkdir()
    lines: dict[int, list[str]] = {}
    for row in json.loads(predictions.read_text(encoding="utf-8")):
        x, y, w, h = (v / 200 for v in row["bbox"])
        number = (place[row["category_id"]] + 1) % 4
        lines.setdefault(row["image_id"], []).append(f"{number} {x + w / 2} {y + h / 2} {w} {h} {row['score']}")
    for image, texts in lines.items():
        (folder / f"{image}.txt").write_text("\n".join(texts), encoding="utf-8")
    messages = []
    for score in (api.evaluate, in_three):
        with pytest.raises(errors.CannotJudgeError, match="do not seem to follow") as caught:
            score(truth, folder)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_two_predicted_images_that_stand_for_one_stay_together(tmp_path: Path) -> None:
    truth, predictions = random_case(tmp_path, 4, images=30)
    lines = ["file_name,class,score,x,y,width,height"]
    for n, row in enumerate(json.loads(predictions.read_text(encoding="utf-8"))):
        name = f"{row['image_id']}.{'jpg' if n % 3 else 'png'}"
        lines.append(",".join(map(str, (name, f"class {row['category_id']}", row["score"], *row["bbox"]))))
    found = tmp_path / "dt.csv"
    found.write_text("\n".join(lines) + "\n", encoding="utf-8")
    table = api.read(found, kind="detections")
    stems = {name.partition(".")[0] for name in table.images.file_names}
    assert len(stems) < len(table.images), "no two names share a stem"
    check(truth, found)


@pytest.mark.parametrize("rows", [7, 40])
def test_parquet_folders_are_read_file_by_file(tmp_path: Path, rows: int) -> None:
    truth, predictions = random_case(tmp_path, 8, images=31)
    folder = in_parquet(predictions, tmp_path / "found", rows)
    files = len(list(folder.glob("*.parquet")))
    assert files > 3
    check(truth, folder, (1, 3, files, files + 2))


def test_a_parquet_shard_reads_no_other_file(tmp_path: Path) -> None:
    truth, predictions = random_case(tmp_path, 8, images=31)
    folder = in_parquet(predictions, tmp_path / "found", 20)
    files = sorted(folder.glob("*.parquet"))
    for n, path in enumerate(files):
        if n * 2 // len(files) == 1:
            path.write_bytes(b"\0" * path.stat().st_size)
    sharding.evaluate_shard(truth, folder, (1, 2), tmp_path / "a.npz")
    with pytest.raises(errors.InputError, match="no Parquet file"):
        sharding.evaluate_shard(truth, folder, (2, 2), tmp_path / "b.npz")


def test_what_cannot_be_judged_is_judged_by_no_shards(tmp_path: Path) -> None:
    truth, predictions = random_case(tmp_path, 2, extra=3)
    for wrong in ({"score_threshold": 2.0}, {"min_coverage": 1.0}, {"strict": True}, {"protocol": "lvis"}):
        messages = []
        for score in (api.evaluate, in_three):
            with pytest.raises(errors.DetkitError) as caught:
                score(truth, predictions, **wrong)
            messages.append((type(caught.value), str(caught.value)))
        assert messages[0] == messages[1], wrong


def test_the_demo(tmp_path: Path) -> None:
    check(TRUTH, PREDICTIONS)
    for name in ("yolo", "coco_worse.json"):
        check(TRUTH, DEMO / "predictions" / name, (4,))


def test_processes_give_the_same(tmp_path: Path) -> None:
    truth, predictions = random_case(tmp_path, 1)
    one = api.evaluate(truth, predictions)
    assert_same(one, sharding.evaluate_in_shards(truth, predictions, 3, processes=2))


REAL = [
    ("coco14_100/instances.json", "coco14_100/bbox_results.json", {}),
    ("coco14_100/instances.json", "coco14_100/segm_results.json", {"iou_type": "segm"}),
    ("coco14_100/person_keypoints.json", "coco14_100/keypoints_results.json", {"iou_type": "keypoints"}),
    ("lvis_100/gt.json", "lvis_100/dt.json", {"protocol": "lvis"}),
    ("padilla_toy/gt_id0.json", "padilla_toy/dt.json", {}),
    ("cartucho/ground-truth", "cartucho/detection-results", {"protocol": "voc2012"}),
]


@pytest.mark.parametrize(("truth", "predictions", "settings"), REAL, ids=lambda v: v if isinstance(v, str) else "")
def test_real_data(shared_data: Path, truth: str, predictions: str, settings: dict[str, Any]) -> None:
    # Of LVIS' 1,200 classes one run is enough.
    check(shared_data / truth, shared_data / predictions, (4,) if "lvis" in truth else (1, 3, 16), **settings)
