"""Flat metrics and data frames."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path

import pytest

import detkit

DEMO = Path(__file__).resolve().parents[2] / "fixtures" / "demo"


@pytest.fixture(scope="module")
def result():
    return detkit.evaluate(
        DEMO / "coco" / "instances_val.json",
        DEMO / "predictions" / "coco.json",
        with_partners=True,
        iou_thresholds=(0.5, 0.9),
    )


def test_the_dict_is_flat_and_holds_only_numbers(result) -> None:
    flat = detkit.flat_metrics(result, prefix="val/", per_class=["AP50"])
    assert flat["val/AP"] == result.metrics["AP"]
    assert {name.rpartition(".")[2] for name in flat if name.startswith("val/AP50.")} == {
        r.name for r in result.per_class
    }
    assert all(type(value) is float for value in flat.values())
    undefined = [name for name, value in result.metrics.items() if value is None]
    assert undefined
    assert not {f"val/{name}" for name in undefined} & flat.keys()


def test_a_result_file_gives_the_same(result) -> None:
    assert detkit.flat_metrics(json.loads(json.dumps(result.to_dict()))) == detkit.flat_metrics(result)


def test_an_unknown_class_metric_names_the_known(result) -> None:
    with pytest.raises(detkit.UsageError, match=r"unknown class metric `AP51`; known: AP, AP50"):
        detkit.flat_metrics(result, per_class=["AP51"])


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_frame_is_made_by_the_library(result, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, types.SimpleNamespace(DataFrame=dict))
    classes = detkit.frame(result, library=library)
    assert classes["name"] == [row.name for row in result.per_class]
    assert detkit.frame(result, "metrics", library=library)["value"] == list(result.metrics.values())
    boxes = detkit.frame(result, "matches", library=library)
    assert boxes["outcome"].count("TP") == result.operating_points.tp[0]


def test_what_cannot_be_framed(result, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(detkit.UsageError, match="this needs `pandas`"):
        detkit.frame(result)
    with pytest.raises(detkit.UsageError, match="kind: found `boxes`"):
        detkit.frame(result, "boxes")
    with pytest.raises(detkit.UsageError, match="library: found `arrow`"):
        detkit.frame(result, library="arrow")
