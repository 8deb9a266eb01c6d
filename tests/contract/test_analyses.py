"""What every analysis promises, for every protocol: plain values, tables that fit a terminal, a page."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis_cases import random_result
from detkit import evaluate
from detkit.evaluation import analyses
from detkit.evaluation.analyses import Settings
from detkit.evaluation.result import Evaluation
from detkit.reports import render
from detkit.reports._table import width_of
from detkit.reports._tables import as_text
from detkit.reports.analyses import tables

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "fixtures" / "demo"
LVIS = json.loads((ROOT / "fixtures" / "lvis" / "cases.json").read_text(encoding="utf-8"))["cases"]


def _lvis(folder: Path) -> Evaluation:
    """A truth of which parts were not looked through, with more detections than are scored."""
    case = max((c for c in LVIS if c["iou_type"] == "bbox"), key=lambda c: len(c["results"]))
    (folder / "gt.json").write_text(json.dumps(case["truth"]), encoding="utf-8")
    (folder / "dt.json").write_text(json.dumps(case["results"]), encoding="utf-8")
    return evaluate(folder / "gt.json", folder / "dt.json", protocol="lvis", with_partners=True)


def _demo(**settings: Any) -> Evaluation:
    truth, found = DEMO / "coco" / "instances_val.json", DEMO / "predictions" / "coco.json"
    return evaluate(truth, found, with_partners=True, **settings)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Evaluation]:
    return {
        "coco": _demo(),
        "voc2007": _demo(protocol="voc2007"),
        "ultralytics": _demo(protocol="ultralytics"),
        "agnostic": _demo(class_agnostic=True),
        "one overlap": _demo(iou_thresholds=(0.75,)),
        "random": random_result(11, ties=False),
        "lvis": _lvis(tmp_path_factory.mktemp("lvis")),
    }


@pytest.fixture(params=analyses.names())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["coco", "voc2007", "ultralytics", "agnostic", "one overlap", "random", "lvis"])
def result(request: pytest.FixtureRequest, results: dict[str, Evaluation]) -> Evaluation:
    return results[request.param]


@pytest.mark.parametrize("settings", [Settings(), Settings(score_threshold=2.0), Settings(examples=0, beta=2.0)])
def test_values_are_plain_and_tables_fit(name: str, result: Evaluation, settings: Settings) -> None:
    found = analyses.analyse(name, result, settings).to_dict()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found == analyses.analyse(name, result, settings).to_dict()
    for table in tables(name, found):
        assert {len(row) for row in table.rows} <= {len(table.header)}
        assert all(isinstance(cell, str) for row in table.rows for cell in row)
        assert [line for line in as_text(table, 10) if width_of(line) > 80] == []


def test_every_rendering_carries_it(name: str, results: dict[str, Evaluation]) -> None:
    result = results["coco"]
    whole = replace(result, analyses={name: analyses.analyse(name, result).to_dict()})
    title = tables(name, whole.analyses[name])[0].title
    assert " ".join(title.split()) in " ".join(render("text", whole).split())
    assert render("markdown", whole).count("<details>") > render("markdown", result).count("<details>")
    assert json.loads(render("json", whole))["analyses"][name] == whole.analyses[name]
    assert f'"name":"{name}"' in render("html", whole)


def test_it_has_a_page(name: str) -> None:
    page = ROOT / "docs" / "reference" / "analyses" / f"{name}.md"
    assert page.read_text(encoding="utf-8").startswith("# ")
