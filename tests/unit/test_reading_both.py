"""Truth and predictions read at the same time: the same result, and the same one of two errors."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

import detkit
from detkit.api import _scoring_input
from detkit.errors import InputError

DEMO = Path(__file__).resolve().parents[2] / "fixtures" / "demo"
TRUTH, FOUND = DEMO / "coco" / "instances_val.json", DEMO / "predictions" / "coco.json"


@pytest.fixture(params=["one after the other", "at the same time"])
def way(request, monkeypatch):
    """How they are read, and the threads that read predictions."""
    monkeypatch.setattr(_scoring_input, "_LARGE", 0 if request.param == "at the same time" else 1 << 60)
    threads = []
    read = _scoring_input.read_predictions

    def noted(*arguments):
        threads.append(threading.current_thread() is threading.main_thread())
        return read(*arguments)

    monkeypatch.setattr(_scoring_input, "read_predictions", noted)
    yield request.param
    assert set(threads) <= {request.param == "one after the other"}


@pytest.fixture(scope="module")
def plain():
    return json.dumps(detkit.evaluate(TRUTH, FOUND).to_dict())


def test_the_result_is_the_same(plain, way):
    assert json.dumps(detkit.evaluate(TRUTH, FOUND).to_dict()) == plain


def test_sizes_of_the_truth_are_waited_for(way, tmp_path):
    """Polygons of predictions are drawn on the images of the truth."""
    truth = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 9, "height": 7}],
        "categories": [{"id": 1, "name": "a"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 4, 3], "area": 12, "iscrowd": 0,
             "segmentation": [[1, 1, 5, 1, 5, 4, 1, 4]]}
        ],
    }  # fmt: skip
    found = [{"image_id": 1, "category_id": 1, "score": 0.5, "segmentation": [[1, 1, 5, 1, 5, 4, 1, 4]]}]
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    (tmp_path / "found.json").write_text(json.dumps(found))
    assert detkit.evaluate(tmp_path / "truth.json", tmp_path / "found.json", iou_type="segm").metrics["AP"] > 0.99


def test_the_error_of_the_truth_comes_first(way, tmp_path):
    broken = tmp_path / "broken.json"
    broken.write_text("[{")
    with pytest.raises(InputError) as caught:
        detkit.evaluate(broken, broken, truth_format="coco", predictions_format="coco")
    assert "a list" not in str(caught.value)
    with pytest.raises(InputError, match=r"truth\.json"):
        detkit.evaluate(tmp_path / "truth.json", broken)
    with pytest.raises(InputError, match=r"broken\.json"):
        detkit.evaluate(TRUTH, broken, predictions_format="coco")


def test_inputs_that_stand_in_each_others_place_are_told(way):
    with pytest.raises(InputError) as caught:
        detkit.evaluate(FOUND, TRUTH)
    assert "swapped" in str(caught.value.hint)
