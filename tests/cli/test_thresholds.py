"""`--thresholds FILE` of `detkit nms` and `detkit predict`, and the messages for files that are none."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli._run import DEMO, ROOT, run
from detkit.api._thresholds import read_thresholds
from detkit.errors import InputError, UsageError
from detkit.tables import Categories, id_array

GOOD: dict[str, Any] = {
    "schema": "detkit.thresholds/1",
    "beta": 1.0,
    "iou_threshold": 0.5,
    "overall": {"score_threshold": 0.5, "f": 0.7},
    "classes": {"dog": {"score_threshold": 0.25, "f": 0.8}, "cat": {"score_threshold": None}},
}


def put(folder: Path, content: Any, name: str = "t.json") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def predictions(folder: Path) -> Path:
    """Boxes far apart: dogs and cats with scores 0.1 to 0.9 and the thresholds themselves."""
    scores = (0.1, 0.25, 0.3, 0.5, 0.9)
    rows = [
        f"a.jpg,{name},{s},{100 * i},{y},9,9" for y, name in ((0, "dog"), (50, "cat")) for i, s in enumerate(scores)
    ]
    path = folder / "p.csv"
    path.write_text("\n".join(["image,category,score,x,y,width,height", *rows]) + "\n")
    return path


def kept(path: Path) -> list[tuple[str, float]]:
    rows = [line.split(",") for line in path.read_text().splitlines()[1:]]
    return [(row[1], float(row[2])) for row in rows]


# --- nms


def test_nms_keeps_scores_at_or_above(tmp_path: Path) -> None:
    predictions(tmp_path)
    put(tmp_path, GOOD)
    done = run(["nms", "p.csv", "-o", "k.csv", "--thresholds", "t.json"], tmp_path)
    assert done.code == 0, done.stderr
    dogs, cats = [("dog", s) for s in (0.25, 0.3, 0.5, 0.9)], [("cat", s) for s in (0.5, 0.9)]
    assert sorted(kept(tmp_path / "k.csv")) == sorted(dogs + cats)


def test_boxes_are_counted_after_the_thresholds(tmp_path: Path) -> None:
    """The two best boxes are cats below their threshold: they take no place from the dogs."""
    rows = ["a.jpg,cat,0.8,0,0,9,9", "a.jpg,cat,0.7,50,0,9,9", "a.jpg,dog,0.3,100,0,9,9", "a.jpg,dog,0.26,150,0,9,9"]
    (tmp_path / "p.csv").write_text("\n".join(["image,category,score,x,y,width,height", *rows]) + "\n")
    put(tmp_path, {**GOOD, "overall": {"score_threshold": 0.9}})
    done = run(["nms", "p.csv", "-o", "k.csv", "--thresholds", "t.json", "--max-detections", "2"], tmp_path)
    assert done.code == 0, done.stderr
    assert sorted(kept(tmp_path / "k.csv")) == [("dog", 0.26), ("dog", 0.3)]


def test_unknown_classes_are_said_once(tmp_path: Path) -> None:
    predictions(tmp_path)
    put(tmp_path, {**GOOD, "classes": {**GOOD["classes"], **{n: {"score_threshold": 0.1} for n in ("ox", "yak")}}})
    done = run(["nms", "p.csv", "-o", "k.csv", "--thresholds", "t.json"], tmp_path)
    assert done.code == 0
    assert done.stderr.count("thresholds of 2 classes that are not predicted: `ox`, `yak`") == 1


def test_a_class_without_any_threshold_is_named(tmp_path: Path) -> None:
    predictions(tmp_path)
    put(tmp_path, {**GOOD, "overall": {"score_threshold": None}})
    done = run(["nms", "p.csv", "-o", "k.csv", "--thresholds", "t.json"], tmp_path)
    assert done.code == 2
    assert "t.json: no threshold for class `cat`, and none overall" in done.stderr
    assert not (tmp_path / "k.csv").exists()


def test_predictions_with_ids_only_need_names(tmp_path: Path) -> None:
    rows = [{"image_id": 1, "category_id": c, "bbox": [100 * c, 0, 9, 9], "score": 0.3} for c in (7, 8)]
    put(tmp_path, rows, "r.json")
    put(tmp_path, GOOD)
    classes = [{"id": 7, "name": "cat"}, {"id": 8, "name": "dog"}]
    put(tmp_path, {"images": [{"id": 1, "width": 9, "height": 9}], "annotations": [], "categories": classes}, "gt.json")
    done = run(["nms", "r.json", "-o", "k.json", "--thresholds", "t.json"], tmp_path)
    assert done.code == 2
    assert "thresholds are by class name, and the predictions name no classes" in done.stderr
    done = run(["nms", "r.json", "-o", "k.json", "--thresholds", "t.json", "--truth", "gt.json"], tmp_path)
    assert done.code == 0, done.stderr
    assert [row["category_id"] for row in json.loads((tmp_path / "k.json").read_text())] == [8]
    with_ids = {
        "dog": {"score_threshold": 0.25, "category_id": 8},
        "cat": {"score_threshold": 0.5, "category_id": 7},
    }
    put(tmp_path, {**GOOD, "classes": with_ids})
    done = run(["nms", "r.json", "-o", "k2.json", "--thresholds", "t.json"], tmp_path)
    assert done.code == 0, done.stderr
    assert (tmp_path / "k2.json").read_bytes() == (tmp_path / "k.json").read_bytes()


# --- the file


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON: "),
        ("[1]", "found `[1]`, expected an object of schema detkit.thresholds/1"),
        ({**GOOD, "schema": "detkit.thresholds/2"}, 'schema: found `"detkit.thresholds/2"`, expected `detkit.thr'),
        ({k: v for k, v in GOOD.items() if k != "schema"}, "schema: found `null`, expected `detkit.thresholds/1`"),
        ({k: v for k, v in GOOD.items() if k != "overall"}, "overall: found `null`, expected an object"),
        ({**GOOD, "classes": ["dog"]}, 'classes: found `["dog"]`, expected an object'),
        ({**GOOD, "classes": {"dog": 0.5}}, "classes.dog: found `0.5`, expected an object with `score_threshold`"),
        (
            {**GOOD, "classes": {"dog": {"f": 1}}},
            "classes.dog: `score_threshold` is missing, expected a number or null",
        ),
        ({**GOOD, "classes": {"dog": {"score_threshold": "0.5"}}}, 'classes.dog.score_threshold: found `"0.5"`, expec'),
        (
            {**GOOD, "overall": {"score_threshold": True}},
            "overall.score_threshold: found `true`, expected a finite num",
        ),
        (
            '{"schema": "detkit.thresholds/1", "overall": {"score_threshold": NaN}, "classes": {}}',
            "overall.score_threshold: found `NaN`, expected a finite number or null",
        ),
        ({**GOOD, "beta": 0}, "beta: found `0`, expected a number above 0 or null"),
        ('{"schema": "detkit.thresholds/1", "classes": {"a": {}, "a": {}}}', "`a` is there twice in one object"),
    ],
)
def test_one_message_for_each_defect(tmp_path: Path, content: Any, message: str) -> None:
    path = put(tmp_path, content)
    with pytest.raises(InputError) as caught:
        read_thresholds(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_thresholds(tmp_path / "none.json")


def test_limits_take_the_overall_one_where_a_class_has_none(tmp_path: Path) -> None:
    found = read_thresholds(put(tmp_path, GOOD))
    assert found.limits(Categories.from_names(["cat", "dog", "ox"])).tolist() == [0.5, 0.25, 0.5]
    assert (found.beta, found.iou_threshold) == (1.0, 0.5)
    bare = read_thresholds(put(tmp_path, {**GOOD, "overall": {"score_threshold": None}}))
    assert np.isnan(bare.limits(Categories.from_names(["ox"]))).all()
    with pytest.raises(UsageError, match="no threshold for classes `cat`, `ox`"):
        bare.check(Categories.from_names(["dog", "cat", "ox"]))
    numbers = Categories(id_array([1]), ("1",), has_names=False)
    assert read_thresholds(put(tmp_path, {**GOOD, "classes": {}})).limits(numbers).tolist() == [0.5]


def test_the_runs_own_threshold_is_never_lowered_and_that_is_said(tmp_path: Path) -> None:
    found = read_thresholds(put(tmp_path, GOOD))
    lines = found.lines(Categories.from_names(["cat", "dog"]), 0.3)
    assert lines[0].endswith("1 class with one of their own, overall 0.5")
    assert lines[1] == "the run's score >= 0.3 is higher than the threshold of 1 class (`dog`) and counts"
    assert len(found.lines(Categories.from_names(["cat", "dog"]), 0.001)) == 1


# --- predict


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A tiny model with the names `circle`, `square` and `star`."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    spec = importlib.util.spec_from_file_location("runner_graphs", ROOT / "tools" / "models" / "runner.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    path = tmp_path / "model.onnx"
    path.write_bytes(module.build()["named"].SerializeToString())
    return path


@pytest.mark.parametrize("target", ["found.csv", "found.parquet"])
def test_predict_applies_and_records_them(model: Path, tmp_path: Path, target: str) -> None:
    from detkit import formats

    if target.endswith("parquet"):
        pytest.importorskip("pyarrow")
    arguments = ["predict", model, DEMO / "images" / "val", "--from", "images"]
    assert run([*arguments, "-o", "all.csv"], tmp_path).code == 0
    every = formats.read_detections(tmp_path / "all.csv")
    limit = float(np.median(every.score))
    content = {**GOOD, "overall": {"score_threshold": limit}, "classes": {"star": {"score_threshold": 0.0}}}
    put(tmp_path, content)
    done = run([*arguments, "-o", target, "--thresholds", "t.json", "--json"], tmp_path)
    assert done.code == 0, done.stderr
    assert "the run's score >= 0.001 is higher than the threshold of 1 class (`star`) and counts" in done.stderr
    names = np.array(every.categories.names)[every.category_index]
    wanted = int(((names == "star") | (every.score >= limit)).sum())
    found = json.loads(done.stdout)
    assert (found["detections"], wanted < len(every)) == (wanted, True)
    assert found["settings"]["thresholds"]["classes"] == {"star": 0.0}
    assert len(formats.read_detections(tmp_path / target)) == wanted


def test_predict_refuses_before_the_run(model: Path, tmp_path: Path) -> None:
    put(tmp_path, {**GOOD, "overall": {"score_threshold": None}})
    done = run(["predict", model, DEMO / "images", "-o", "found.csv", "--thresholds", "t.json"], tmp_path)
    assert done.code == 2
    assert "no threshold for classes `circle`, `square`, `triangle`, ..., and none overall" in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.onnx", "t.json"]
