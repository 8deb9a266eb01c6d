"""`detkit.compat.pycocotools` against pycocotools itself: whatever a caller sees is the same."""

from __future__ import annotations

import contextlib
import copy
import importlib.util
import inspect
import io
import json
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pycocotools.coco
import pycocotools.cocoeval
import pytest

from detkit.compat.pycocotools import _results, mask
from detkit.compat.pycocotools.coco import COCO
from detkit.compat.pycocotools.cocoeval import COCOeval, Params

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT.parent / "shared" / "data" / "coco14_100"
DEMO = ROOT / "fixtures" / "demo"


@pytest.fixture(scope="module")
def fuzz() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("fuzz_compat", ROOT / "tools" / "fuzz_compat.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    path = list(sys.path)
    spec.loader.exec_module(module)
    yield module
    sys.path[:] = path


@pytest.fixture(autouse=True)
def _quiet(capsys: pytest.CaptureFixture[str]) -> None:
    """Everything here prints."""


def truth_and_results() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Two images, two classes, a crowd, ids that are no positions."""
    boxes = [
        (7, 3, [0, 0, 10, 10], 0),
        (7, 3, [20, 0, 10, 10], 1),
        (7, 5, [5, 5, 40, 40], 0),
        (9, 3, [1, 1, 100, 100], 0),
    ]
    gt = {
        "images": [{"id": i, "height": 120, "width": 120} for i in (9, 7)],
        "categories": [{"id": i, "name": str(i)} for i in (5, 3)],
        "annotations": [
            {"id": 11 + n, "image_id": i, "category_id": c, "bbox": box, "area": box[2] * box[3], "iscrowd": crowd}
            for n, (i, c, box, crowd) in enumerate(boxes)
        ],
    }
    dt = [
        {"image_id": i, "category_id": c, "bbox": [box[0] + 1, *box[1:]], "score": 0.9 - n / 10}
        for n, (i, c, box, _) in enumerate(boxes)
    ]
    return gt, dt


def truth_of(gt: dict[str, Any], kind: Any = COCO) -> Any:
    truth = kind()
    truth.dataset = copy.deepcopy(gt)
    truth.createIndex()
    return truth


def finished(truth: Any, results: Any, iou_type: str = "bbox", kind: Any = COCOeval, images: int | None = None) -> Any:
    run = kind(truth, results, iou_type)
    run.params.imgIds = run.params.imgIds[:images]
    run.evaluate()
    run.accumulate()
    run.summarize()
    return run


# --- the same as pycocotools


@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
@pytest.mark.parametrize("first", range(0, 120, 30))
def test_random_cases_look_the_same(fuzz: ModuleType, first: int) -> None:
    engines = []
    for seed in range(first, first + 30):
        different, theirs, ours = fuzz.compare(seed)
        assert different == [], (seed, theirs.get("changed"), theirs.get("message"), ours.get("message"))
        engines.append(ours.get("engine"))
    assert engines.count("detkit") >= 10


@pytest.mark.skipif(not DATA.exists(), reason=f"no data at {DATA.name} beside the checkout")
@pytest.mark.parametrize("iou_type", ["bbox", "segm", "keypoints"])
def test_real_data_looks_the_same(fuzz: ModuleType, iou_type: str) -> None:
    truth = DATA / ("person_keypoints.json" if iou_type == "keypoints" else "instances.json")
    seen = []
    for coco, evaluation in fuzz.implementations():
        text = io.StringIO()
        with contextlib.redirect_stdout(text):
            gt = coco(str(truth))
            run = finished(gt, gt.loadRes(str(DATA / f"{iou_type}_results.json")), iou_type, evaluation, 40)
        lines = fuzz.re.sub(r"t=\d+\.\d+s", "", text.getvalue())
        arrays = {name: run.eval[name] for name in fuzz.ARRAYS}
        overlaps = dict(list(run.ious.items())[::5])
        seen.append({**arrays, "stats": run.stats, "evalImgs": run.evalImgs[::5], "ious": overlaps, "text": lines})
        assert getattr(run, "engine", "detkit") == "detkit"
    assert fuzz.differences(*seen) == []
    assert sum(cell is not None for cell in seen[0]["evalImgs"]) > 4


def test_signatures_are_those_of_the_reference() -> None:
    for ours, theirs in ((COCO, pycocotools.coco.COCO), (COCOeval, pycocotools.cocoeval.COCOeval)):
        for name, method in inspect.getmembers(theirs, inspect.isfunction):
            expected = [(p.name, p.default, p.kind) for p in inspect.signature(method).parameters.values()]
            found = inspect.signature(getattr(ours, name)).parameters.values()
            assert [(p.name, p.default, p.kind) for p in found] == expected, name
    assert Params is pycocotools.cocoeval.Params
    assert all(getattr(mask, name) is getattr(pycocotools.mask, name) for name in mask.__all__)


def test_filters_and_loaders() -> None:
    gt, _ = truth_and_results()
    truth, theirs = truth_of(gt), truth_of(gt, pycocotools.coco.COCO)
    asked: list[dict[str, Any]] = [
        {}, {"imgIds": 7}, {"imgIds": [9, 7]}, {"catIds": 5}, {"catIds": [3, 4]}, {"catIds": np.array([3])},
        {"imgIds": [7], "catIds": (3,), "iscrowd": False}, {"areaRng": [50, 2000]}, {"iscrowd": True}, {"imgIds": [1]},
    ]  # fmt: skip
    for filters in asked:
        assert truth.getAnnIds(**filters) == theirs.getAnnIds(**filters), filters
    assert truth.getAnnIds([7], [3]) == [11, 12]
    assert (truth.getCatIds(catNms="5"), truth.getImgIds(catIds=[3, 5])) == ([5], [7])
    assert [a["id"] for a in truth.loadAnns([14, 11])] == [14, 11]
    assert dict(truth.catToImgs) == {3: [7, 7, 9], 5: [7]}


# --- results


def test_a_list_of_results_is_completed_in_place() -> None:
    gt, dt = truth_and_results()
    results = truth_of(gt).loadRes(dt)
    assert results.dataset["annotations"] is dt
    assert dt[1] == {
        "image_id": 7, "category_id": 3, "bbox": [21, 0, 10, 10], "score": 0.8, "area": 100, "id": 2, "iscrowd": 0,
        "segmentation": [[21, 0, 21, 10, 31, 10, 31, 0]],
    }  # fmt: skip


@pytest.mark.parametrize("source", ["file", "array"])
def test_columns_answer_as_records_do(
    fuzz: ModuleType, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Results kept as columns: the same evaluation, and the same records once somebody reads them."""
    monkeypatch.setattr(_results, "_WORTHWHILE", 0)
    gt, dt = truth_and_results()
    given: Any = tmp_path / "results.json"
    given.write_text(json.dumps(dt))
    if source == "array":
        given = np.array([[r["image_id"], *r["bbox"], r["score"], r["category_id"]] for r in dt])
    truth, theirs = truth_of(gt), truth_of(gt, pycocotools.coco.COCO)
    results, expected = truth.loadRes(given), theirs.loadRes(given if source == "array" else str(given))
    run, reference = finished(truth, results), finished(theirs, expected, kind=pycocotools.cocoeval.COCOeval)
    assert results.unread() is not None
    assert run.stats.tolist() == reference.stats.tolist()
    assert fuzz.same(run.evalImgs, reference.evalImgs)
    assert results.unread() is not None
    assert fuzz.same(run.ious, reference.ious)
    assert results.unread() is None
    assert fuzz.same(results.dataset, expected.dataset)
    assert results.anns == expected.anns
    assert results.imgToAnns == expected.imgToAnns
    assert results.catToImgs == expected.catToImgs
    assert (results.imgs, results.cats) == (expected.imgs, expected.cats)


def test_records_that_were_read_may_be_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_results, "_WORTHWHILE", 0)
    gt, dt = truth_and_results()
    (tmp_path / "results.json").write_text(json.dumps(dt))
    truth = truth_of(gt)
    results = truth.loadRes(str(tmp_path / "results.json"))
    (tmp_path / "results.json").unlink()
    for row in results.dataset["annotations"]:
        row["score"] = 0.0 if row["category_id"] == 3 else 1.0
    scores = finished(truth, results).eval["scores"][0, 0, :, 0, -1]
    assert scores.tolist() == [0.0, 1.0]


def test_results_that_were_replaced_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_results, "_WORTHWHILE", 0)
    gt, dt = truth_and_results()
    (tmp_path / "results.json").write_text(json.dumps(dt))
    truth = truth_of(gt)
    results = truth.loadRes(str(tmp_path / "results.json"))
    results.dataset = {**gt, "annotations": []}
    results.createIndex()
    assert results.anns == {}
    assert finished(truth, results).stats[8] == 0.0


def test_columns_survive_pickling_and_copying(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_results, "_WORTHWHILE", 0)
    gt, dt = truth_and_results()
    (tmp_path / "results.json").write_text(json.dumps(dt))
    truth = truth_of(gt)
    run = finished(truth, truth.loadRes(tmp_path / "results.json"))
    for again in (pickle.loads(pickle.dumps(run)), copy.deepcopy(run)):
        assert len(again.evalImgs) == len(run.evalImgs) == 2 * 4 * 2
        assert len(again.cocoDt.anns) == len(dt)


# --- misuse


def test_misuse_is_answered_as_the_reference_answers_it(tmp_path: Path) -> None:
    gt, dt = truth_and_results()
    truth = truth_of(gt)
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(AssertionError, match="annotation file format <class 'list'> not supported"):
        COCO(tmp_path / "list.json")
    with pytest.raises(FileNotFoundError):
        COCO(str(tmp_path / "none.json"))
    with pytest.raises(IndexError, match="there are no results"):
        truth.loadRes([])
    with pytest.raises(AssertionError, match="results in not an array of objects"):
        truth.loadRes({"annotations": dt})
    with pytest.raises(AssertionError, match=r"current coco set: 1 image ids .* 8 among them"):
        truth.loadRes([dict(dt[0], image_id=8)])
    with pytest.raises(Exception, match="iouType not supported"):
        COCOeval(truth, truth, "boxes")
    run = COCOeval(truth, truth.loadRes(dt), "bbox")
    with pytest.raises(Exception, match=r"Please run accumulate\(\) first"):
        run.summarize()
    with pytest.raises(AttributeError, match="no attribute 'evalimgs'"):
        _ = run.evalimgs
    del gt["annotations"][0]["iscrowd"]
    with pytest.raises(KeyError, match="iscrowd"):
        finished(truth_of(gt), truth_of(gt).loadRes(dt))


@pytest.mark.parametrize(
    ("engine", "field", "values"),
    [
        ("detkit", "id", [4, 3, 2, 1]),
        # The truth of a detection whose id is not positive is free for the next one.
        ("pycocotools", "id", [0, -1, 7, 8]),
        ("pycocotools", "id", [1.5, 2.5, 3.5, 4.5]),
        ("pycocotools", "bbox", [[float("nan"), 0, 10, 10], [0, 0, 10, float("inf")], [0, 0, 9, 9], [1e200, 0, 1, 1]]),
        ("detkit", "score", [float("nan"), 1, 1, float("nan")]),
        ("pycocotools", "score", [2**60, 2**60 + 1, 5, 4]),
    ],
)
def test_odd_results(fuzz: ModuleType, engine: str, field: str, values: list[Any]) -> None:
    gt, dt = truth_and_results()
    dt[1] = dict(dt[0], score=0.85)
    runs = []
    for coco, evaluation in fuzz.implementations():
        truth, rows = truth_of(gt, coco), copy.deepcopy(dt)
        results = truth.loadRes(rows)
        for row, value in zip(rows, values, strict=True):
            row[field] = value
        results.createIndex()
        runs.append(finished(truth, results, kind=evaluation))
    assert runs[1].engine == engine
    assert runs[1].stats.tolist() == runs[0].stats.tolist()
    assert fuzz.same(runs[1].evalImgs, runs[0].evalImgs)


def test_a_file_that_only_the_standard_library_reads(tmp_path: Path) -> None:
    gt, _ = truth_and_results()
    gt["info"] = {"weight": float("nan"), "count": 2**70}
    (tmp_path / "gt.json").write_text(json.dumps(gt))
    truth = COCO(tmp_path / "gt.json")
    assert np.isnan(truth.dataset["info"]["weight"])
    assert truth.dataset["info"]["count"] == 2**70
    (tmp_path / "gt.json").write_text(json.dumps(gt)[:-20])
    with pytest.raises(json.JSONDecodeError):
        COCO(tmp_path / "gt.json")


# --- subclasses and hand-made parts


class Everything(COCOeval):
    """Counts any detection as a full overlap."""

    def computeIoU(self, image: Any, category: Any) -> Any:
        overlaps = super().computeIoU(image, category)
        return np.ones_like(overlaps) if len(overlaps) else overlaps


def test_a_rule_of_ones_own_is_kept() -> None:
    gt, dt = truth_and_results()
    for row in dt:
        row["bbox"] = [110, 110, 1, 1]
    truth = truth_of(gt)
    assert finished(truth, truth.loadRes(copy.deepcopy(dt))).stats[0] == 0.0
    run = finished(truth, truth.loadRes(copy.deepcopy(dt)), kind=Everything)
    assert run.engine == "pycocotools"
    assert run.stats[0] == 1.0


def test_a_rule_put_on_the_class_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    gt, dt = truth_and_results()
    truth = truth_of(gt)
    monkeypatch.setattr(COCOeval, "evaluateImg", lambda *_: None)
    run = finished(truth, truth.loadRes(dt))
    assert (run.engine, run.stats[0]) == ("pycocotools", -1.0)


def test_evalimgs_of_ones_own_are_accumulated() -> None:
    """As distributed evaluators do: one evaluation a batch, what they found joined, accumulated at the end."""
    gt, dt = truth_and_results()
    truth = truth_of(gt)
    whole = finished(truth, truth.loadRes(copy.deepcopy(dt)))
    parts, run = [], COCOeval(truth, iouType="bbox")
    for image in (7, 9):
        run.cocoDt = truth.loadRes([copy.deepcopy(row) for row in dt if row["image_id"] == image])
        run.params.imgIds = [image]
        run.evaluate()
        assert run.engine == "detkit"
        parts.append(np.asarray(run.evalImgs).reshape(-1, len(run.params.areaRng), 1))
    run.evalImgs = list(np.concatenate(parts, 2).ravel())
    run.params.imgIds = [7, 9]
    run._paramsEval = copy.deepcopy(run.params)
    run.accumulate()
    assert np.array_equal(run.eval["precision"], whole.eval["precision"])
    run.evalImgs = [None] * len(run.evalImgs)
    run.accumulate()
    assert (run.eval["precision"] == -1).all()


def test_a_dataset_of_pycocotools_is_taken() -> None:
    gt, dt = truth_and_results()
    theirs = truth_of(gt, pycocotools.coco.COCO)
    run = finished(theirs, theirs.loadRes(dt))
    assert (run.engine, run.stats[0] > 0) == ("detkit", True)
    assert isinstance(truth_of(gt), pycocotools.coco.COCO)


@pytest.mark.parametrize("change", ["evaluated", "accumulated"])
def test_parameters_changed_in_between(change: str) -> None:
    """Accumulated under other parameters than evaluated: the answer is the reference's."""
    gt, dt = truth_and_results()
    truth, theirs = truth_of(gt), truth_of(gt, pycocotools.coco.COCO)
    runs = [
        COCOeval(truth, truth.loadRes(copy.deepcopy(dt)), "bbox"),
        pycocotools.cocoeval.COCOeval(theirs, theirs.loadRes(dt), "bbox"),
    ]
    for run in runs:
        run.evaluate()
        run.params.catIds, run.params.recThrs = [3], np.linspace(0, 1, 5)
        run.accumulate(run.params if change == "accumulated" else None)
    assert runs[0].eval["precision"].shape == (10, 5, 1, 4, 3)
    assert np.array_equal(runs[0].eval["precision"], runs[1].eval["precision"])
