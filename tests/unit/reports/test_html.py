"""The page as text: what may run in it, what cannot break out of it, what it holds."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from dataclasses import replace
from typing import Any

import pytest

from analysis_cases import random_result, scored
from detkit.evaluation import analyses
from detkit.evaluation.result import Evaluation
from detkit.reports import DrawnBox, Gallery, Picture, render_page
from detkit.reports.html import render

HOSTILE = ["</script><script>alert(1)</script>", "كلب & <b>قط</b>", "a\u2028b", "-->]]>"]


def with_analyses(result: Evaluation) -> Evaluation:
    return replace(result, analyses={name: analyses.analyse(name, result).to_dict() for name in analyses.names()})


@pytest.fixture(scope="module")
def hostile() -> str:
    truths = [(0, 0), (0, 1), (1, 2), (1, 3)]
    found = [(0, 0, 1.0, 0.9), (1, 1, 0.8, 0.7), (2, 3, 0.9, 0.6), (-1, 2, 1.0, 0.5)]
    result = scored(truths, found, names=HOSTILE)
    return render(with_analyses(replace(result)), title="<img src=x onerror=alert(1)>")


def content(page: str) -> dict[str, Any]:
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    found: dict[str, Any] = json.loads(text)
    return found


def test_names_from_files_cannot_become_markup(hostile: str) -> None:
    # The island ends where the shell ends it: two scripts, no image, nothing of the names outside of the JSON.
    assert hostile.count("<script") == 2
    assert hostile.count("</script>") == 2
    assert "<img" not in hostile
    assert "&lt;img src=x onerror=alert(1)&gt;" in hostile
    assert "\u2028" not in hostile
    names = [row[0] for row in content(hostile)["classes"]["rows"]]
    assert names == HOSTILE


def test_the_policy_allows_the_pages_own_script_and_style_and_nothing_else(hostile: str) -> None:
    policy = html.unescape(re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', hostile)[0])
    parts = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    own = {
        "script-src": re.findall(r"<script>(.*?)</script>", hostile, re.DOTALL)[0],
        "style-src": re.findall(r"<style>(.*?)</style>", hostile, re.DOTALL)[0],
    }
    for name, text in own.items():
        assert parts[name] == f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
    assert parts["default-src"] == "'none'"
    assert parts["img-src"] == "data:"
    assert not re.search(r"""(?:src|href)=["'](?!#|data:)""", hostile)


def test_the_figures_are_the_results(hostile: str) -> None:
    result = with_analyses(random_result(3))
    found = content(render(result))
    rows = {row[0]: row for row in found["classes"]["rows"]}
    header = found["classes"]["header"]
    for one in result.per_class:
        ap = one.metrics["AP"]
        assert rows[one.name][header.index("AP")] == ("-" if ap is None else f"{ap:.4f}")
        assert rows[one.name][header.index("truths")] == str(one.ground_truths)
    metrics = {name: value for name, value, *_ in found["metrics"][0]["rows"]}
    assert metrics == {name: "-" if v is None else f"{v:.4f}" for name, v in result.metrics.items()}
    assert [part["name"] for part in found["sections"]] != sorted(analyses.names())
    assert {part["name"] for part in found["sections"]} == set(analyses.names())
    curves = next(part["chart"] for part in found["sections"] if part["name"] == "curves")
    overall = curves["classes"][0]
    assert overall["truths"] == sum(one.ground_truths for one in result.per_class)
    assert overall["tp"][-1] == result.operating_points.tp[0]
    assert overall["fp"][-1] == result.operating_points.fp[0]


def test_the_same_result_gives_the_same_bytes() -> None:
    assert render(with_analyses(random_result(5))) == render(with_analyses(random_result(5)))


def test_settings_are_written_as_a_reader_writes_them() -> None:
    found = content(render(scored([(0, 0)], [(0, 0, 1.0, 0.5)])))
    protocol = dict(found["settings"][0]["rows"])
    assert protocol["iou_thresholds"] == "[0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]"
    assert '"small": [0, 1024]' in protocol["area_ranges"]


def test_an_oriented_box_moves_with_its_corners() -> None:
    box = DrawnBox("tp", 5, 6, 4, 2, "ship", corners=((5, 7), (7, 6), (9, 7), (7, 8)))
    moved = box.moved(5, 5)
    assert (moved.x, moved.y, moved.w, moved.h) == (0, 1, 4, 2)
    assert moved.corners == ((0, 2), (2, 1), (4, 2), (2, 3))
    assert DrawnBox("tp", 5, 6, 4, 2, "ship").moved(1, 1).corners is None


def test_pictures_and_crops_are_carried() -> None:
    picture = Picture("a.jpg", "data:image/jpeg;base64,AA==", 4, 3, (DrawnBox("fp", 0, 0, 1, 1, "dog", 0.5, 0.25),))
    gallery = Gallery((picture,), {"confusion 2": [picture]}, "1 of 1.")
    page = render_page(scored([(0, 0)], [(0, 0, 1.0, 0.5)]), gallery=gallery)
    found = content(page)
    assert found["gallery"]["note"] == "1 of 1."
    assert found["gallery"]["pictures"][0]["boxes"][0]["label"] == "dog"
    assert found["crops"]["confusion 2"][0]["src"].startswith("data:image/jpeg")


def test_a_result_without_analyses_still_makes_a_page() -> None:
    found = content(render(scored([(0, 0)], [])))
    assert found["sections"] == []
    assert found["headline"][0] == {"name": "AP", "value": "0.0000", "note": None}
