"""Every renderer turns the demo result into text, the same each time, with or without a verdict."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

import detkit
from detkit import registry, reports
from detkit.cli._options import Rendering
from detkit.errors import UsageError
from detkit.evaluation.gate import GateReport
from detkit.evaluation.result import ClassResult, Evaluation

DEMO = Path(__file__).resolve().parents[2] / "fixtures" / "demo"
NAMES = reports.names()
AWKWARD = 'a|b <script>`x` \x1b[31m 车, "q"\n* _y_'


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def result() -> Evaluation:
    return detkit.evaluate(DEMO / "coco" / "instances_val.json", DEMO / "predictions" / "coco.json")


@pytest.fixture(scope="module", params=["passed", "failed", "undecided"])
def verdict(request: pytest.FixtureRequest, result: Evaluation) -> GateReport:
    rules = {"passed": ["AP>=0.1"], "failed": ["AP>=0.99", "AP50>=0.5"], "undecided": ["latency.p95_ms<=10"]}
    return detkit.gate(result, rules[request.param])


def test_there_are_reports() -> None:
    assert {"text", "json", "markdown", "csv"} <= set(NAMES)


def test_offers_the_contract(name: str) -> None:
    module = registry.load("detkit.reports", name)
    assert callable(module.render)
    assert "render" in module.__all__


def test_can_be_asked_for_on_the_command_line(name: str) -> None:
    assert name in {member.value for member in Rendering}


def test_renders_the_demo_twice_the_same(name: str, result: Evaluation) -> None:
    text = reports.render(name, result)
    again = detkit.evaluate(DEMO / "coco" / "instances_val.json", DEMO / "predictions" / "coco.json")
    assert text == reports.render(name, again)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert f"{result.metrics['AP']:.3f}" in text  # 0.575 of every precision begins the same way


def test_renders_a_verdict(name: str, result: Evaluation, verdict: GateReport) -> None:
    text = reports.render(name, result, verdict)
    assert text == reports.render(name, result, verdict)
    assert text.endswith("\n")
    if name != "csv":  # a table of classes has no place for a verdict
        assert text != reports.render(name, result)
        assert verdict.rows[0].metric in text.replace("\\", "")


def test_names_every_class(name: str, result: Evaluation) -> None:
    text = reports.render(name, result)
    assert [row.name for row in result.per_class if row.name not in text] == []


def test_no_name_writes_to_the_terminal_or_breaks_the_page(name: str, result: Evaluation) -> None:
    """A class may be called anything: control characters and markup stay text."""
    first = result.per_class[0]
    odd = ClassResult(first.category_id, AWKWARD, first.metrics, first.ground_truths, first.detections)
    text = reports.render(name, replace(result, per_class=(odd, *result.per_class[1:])))
    if name in ("json", "csv"):  # carry data: the name comes back as it is, see the reader's own tests
        assert text.count("script") == 1
    else:
        assert "\x1b" not in text
    if name == "html":  # has a script of its own, see the page's own tests
        assert text.count("<script") == 2
    if name == "markdown":
        assert "<script>" not in text
    if name == "json":
        assert json.loads(text)["per_class"][0]["name"] == AWKWARD


def test_undefined_is_no_number(name: str, result: Evaluation) -> None:
    bare = replace(result, metrics=dict.fromkeys(result.metrics), per_class=())
    text = reports.render(name, bare)
    if name == "html":  # the figures, not the script that draws them
        (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert "nan" not in text.lower()
    assert "None" not in text


def test_json_is_strict_and_whole(result: Evaluation) -> None:
    def refuse(token: str) -> None:
        raise AssertionError(token)

    content = json.loads(reports.render("json", result), parse_constant=refuse)
    assert content == json.loads(json.dumps(result.to_dict()))


def test_an_unknown_report_names_the_known(result: Evaluation) -> None:
    with pytest.raises(UsageError, match="unknown report `markdwon`") as caught:
        reports.render("markdwon", result)
    assert "did you mean `markdown`" in str(caught.value)
