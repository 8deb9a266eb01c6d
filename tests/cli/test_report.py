"""`detkit report` from the command line: every form, comparison, suspects, verdict, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli._run import DEMO, run

TRUTH, FOUND = DEMO / "coco" / "instances_val.json", DEMO / "predictions" / "coco.json"
FAST = ["--bootstrap", "20", "--pictures", "2"]


def report(folder: Path, *arguments: str | Path) -> tuple[int, str]:
    done = run(["report", TRUTH, FOUND, *FAST, *arguments], folder)
    return done.code, done.stderr


@pytest.mark.parametrize(("name", "mark"), [("r.html", "<!doctype html>"), ("r.md", "## Detection metrics"),
                                            ("r.txt", "coco bbox"), ("r.csv", "category_id,name"),
                                            ("r.xml", "<?xml")])  # fmt: skip
def test_the_suffix_tells_the_form(name: str, mark: str, tmp_path: Path) -> None:
    code, said = report(tmp_path, "-o", name)
    assert code == 0, said
    assert (tmp_path / name).read_text(encoding="utf-8").startswith(mark)
    assert f"wrote {name}: " in said


def test_json_holds_every_analysis_and_the_intervals(tmp_path: Path) -> None:
    assert report(tmp_path, "-o", "r.json", "--at-score", "0.3")[0] == 0
    content = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert content["analyses"].keys() >= {"curves", "thresholds", "confusion", "errors", "misses", "slices", "suspects"}
    assert content["analyses"]["confusion"]["score_threshold"] == 0.3
    low, high = content["intervals"]["AP"]
    assert low < content["metrics"]["AP"] < high
    assert content["intervals"]["settings"]["replicates"] == 20


def test_another_model_is_compared_with(tmp_path: Path) -> None:
    rows = [row for row in json.loads(FOUND.read_text(encoding="utf-8")) if row["category_id"] != 1]
    (tmp_path / "worse.json").write_text(json.dumps(rows), encoding="utf-8")
    assert report(tmp_path, "-o", "r.html", "--compare", "worse.json")[0] == 0
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    # Only the comparison speaks of both: these predictions stand second.
    assert "B is better: AP " in page
    assert "A worse.json, B coco.json" in page


def test_the_verdict_is_the_exit_code(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text('[[gate.rules]]\nmetric = "AP"\nmin = 0.99\n', encoding="utf-8")
    code, said = report(tmp_path, "-o", "r.html", "--rules", "rules.toml")
    assert code == 1, said
    assert "FAILED" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_suspects_and_plots_are_written_beside(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    code, said = report(tmp_path, "-o", "r.html", "--suspects-out", "again.json", "--plots", "plots")
    assert code == 0, said
    assert json.loads((tmp_path / "again.json").read_text(encoding="utf-8"))["images"] is not None
    assert len(list((tmp_path / "plots").iterdir())) == 12


def test_what_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r.html").write_text("mine", encoding="utf-8")
    code, said = report(tmp_path, "-o", "r.html")
    assert (code, "exists" in said) == (2, True)
    assert (tmp_path / "r.html").read_text(encoding="utf-8") == "mine"
    code, said = report(tmp_path, "-o", "r.pdf")
    assert code == 2
    assert "does not tell the report's format" in said
    code, said = report(tmp_path, "-o", "x.html", "--analyses", "confusin")
    assert code == 2
    assert "unknown analysis `confusin`" in said
    code, said = report(tmp_path, "-o", "x.html", "--protocol", "ultralytics")
    assert code == 2
    assert "no intervals can be computed" in said
    assert not (tmp_path / "x.html").exists()


def test_a_protocol_without_intervals_still_has_its_report(tmp_path: Path) -> None:
    done = run(["report", TRUTH, FOUND, "-o", "r.html", "--protocol", "ultralytics", "--pictures", "0"], tmp_path)
    assert done.code == 0, done.stderr
    assert "no intervals: protocol `ultralytics`" in done.stderr
