"""The public names of `import detkit`, and that tables and paths give the same."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import detkit
from detkit import api

DEMO = Path(__file__).resolve().parents[2] / "fixtures" / "demo"
TRUTH, FOUND = DEMO / "coco" / "instances_val.json", DEMO / "predictions" / "coco.json"
VERBS = ("read", "write", "convert", "evaluate", "gate", "nms", "pairwise_iou", "iou", "stats")


def test_all_is_sorted_and_importable() -> None:
    assert list(detkit.__all__) == sorted(detkit.__all__)
    assert len(set(detkit.__all__)) == len(detkit.__all__)
    for name in detkit.__all__:
        assert getattr(detkit, name) is not None
    assert set(detkit.__all__) <= set(dir(detkit))
    assert set(VERBS) <= set(detkit.__all__)


def test_all_of_the_api_is_sorted_and_importable() -> None:
    assert list(api.__all__) == sorted(api.__all__)
    for name in api.__all__:
        assert callable(getattr(api, name))


def test_public_names_have_docstrings() -> None:
    for name in detkit.__all__:
        thing = getattr(detkit, name)
        assert name == "__version__" or (thing.__doc__ or "").strip(), name


def test_names_are_loaded_when_used() -> None:
    code = (
        "import sys, detkit\nbefore = 'detkit.api' in sys.modules\ndetkit.read\n"
        "print(before, 'detkit.api' in sys.modules, 'numba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False True False\n"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'evaluat'"):
        detkit.evaluat  # noqa: B018
    with pytest.raises(ImportError):
        importlib.import_module("detkit.nothing")


def test_tables_give_what_paths_give() -> None:
    truth = detkit.read(TRUTH)
    found = detkit.read(FOUND, kind="detections")
    by_path, by_table = detkit.evaluate(TRUTH, FOUND), detkit.evaluate(truth, found)
    assert by_table.metrics == by_path.metrics
    assert [row.metrics for row in by_table.per_class] == [row.metrics for row in by_path.per_class]
    assert detkit.stats(TRUTH).to_dict() == detkit.stats(truth).to_dict()
    ours, theirs = detkit.iou(TRUTH, FOUND), detkit.iou(truth, found)
    assert np.array_equal(ours.iou, theirs.iou)
    assert np.array_equal(ours.best_a, theirs.best_a)
    kept, also = detkit.nms(FOUND, iou_threshold=0.3), detkit.nms(found, iou_threshold=0.3)
    assert np.array_equal(kept.source_row, also.source_row)


def test_settings_and_keywords_are_one() -> None:
    settings = detkit.EvaluationSettings(iou_thresholds=(0.5,), classes=("star",))
    by_keyword = detkit.evaluate(TRUTH, FOUND, iou_thresholds=(0.5,), classes=("star",))
    assert detkit.evaluate(TRUTH, FOUND, settings).metrics == by_keyword.metrics
    assert [row.name for row in by_keyword.per_class] == ["star"]


def test_gate_takes_results_and_their_json() -> None:
    result = detkit.evaluate(TRUTH, FOUND)
    plain = json.loads(json.dumps(result.to_dict()))
    for given in (result, {"result": result}, {"result": plain}):
        report = detkit.gate(given, ["AP>=0.5", "AP50>=0.99"])
        assert (report.outcome, [row.verdict for row in report.rows]) == ("fail", ["pass", "fail"])


def test_write_and_read_back(tmp_path: Path) -> None:
    truth = detkit.read(TRUTH)
    assert detkit.write(truth, tmp_path / "copy.json", format="coco") == []
    again = detkit.read(tmp_path / "copy.json")
    assert np.array_equal(again.annotations.xywh, truth.annotations.xywh)
    assert again.images.file_names == truth.images.file_names


def test_write_says_when_the_name_does_not_tell_the_format(tmp_path: Path) -> None:
    with pytest.raises(detkit.UsageError, match="does not tell the format"):
        detkit.write(detkit.read(TRUTH), tmp_path / "copy")


def test_convert_reports_and_writes_nothing_on_a_dry_run(tmp_path: Path) -> None:
    done = detkit.convert(TRUTH, tmp_path / "out", "voc", dry_run=True)
    assert (done.source_format, done.target_format, done.images, done.boxes) == ("coco", "voc", 20, 79)
    assert "polygons" in [loss.what for loss in done.losses]
    assert list(tmp_path.iterdir()) == []


def test_pairwise_iou() -> None:
    overlap = detkit.pairwise_iou([[0.0, 0.0, 10.0, 10.0]], [[5.0, 0.0, 10.0, 10.0], [20.0, 0.0, 5.0, 5.0]])
    assert overlap.tolist() == [[50 / 150, 0.0]]


def test_errors_are_one_family() -> None:
    for name in (
        "UsageError",
        "InputError",
        "OutputError",
        "CannotJudgeError",
        "MissingExtraError",
        "InvalidRowsError",
    ):
        assert issubclass(getattr(detkit, name), detkit.DetkitError)


def test_a_missing_file_raises_and_never_exits() -> None:
    with pytest.raises(detkit.InputError, match="no such file or folder"):
        detkit.evaluate("nowhere.json", FOUND)


def test_no_prediction_above_the_threshold_cannot_be_judged() -> None:
    with pytest.raises(detkit.CannotJudgeError, match=r"no prediction has a score >= 2 \(the highest is 0\.985\)"):
        detkit.evaluate(TRUTH, FOUND, score_threshold=2.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"at_image_size": 0}, "image size must be a positive number"),
        ({"at_image_size": float("nan")}, "image size must be a positive number"),
        ({"sigmas": (0.1,)}, "sigmas belong to iou type keypoints"),
        ({"iou_thresholds": ()}, "iou thresholds"),
        ({"max_detections": (0,)}, "max detections"),
        ({"split": "nosuch"}, "nosuch"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(detkit.DetkitError, match=message):
        detkit.evaluate(TRUTH, FOUND, **settings)


def test_an_image_folder_that_is_not_there_is_refused() -> None:
    with pytest.raises(detkit.InputError, match="no such folder of images"):
        detkit.read(TRUTH, images_dir=Path("nowhere"))
