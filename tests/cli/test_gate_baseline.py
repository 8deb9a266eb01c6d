"""Baselines: a CI job from first run to failure, updates that lower nothing, explanations, corrected labels."""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from cli._run import CASES, DEMO, run, tree

TRUTH = DEMO / "coco" / "instances_val.json"
RULES = '[[gate.rules]]\nmetric = "AP"\nmax_drop = 0.02\n[[gate.rules]]\nmetric = "class.*.AP"\nmax_drop = 0.05\n'


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """good.json and worse.json with their matches, and a file of rules."""
    place = tmp_path_factory.mktemp("results")
    for name, source in {"good": "coco.json", "worse": "coco_worse.json"}.items():
        line = ["eval", TRUTH, DEMO / "predictions" / source, "--format", "json", "-o", f"{name}.json"]
        assert run([*line, "--save-matches", f"{name}.npz"], place).code == 0
    (place / "rules.toml").write_text(RULES, encoding="utf-8")
    return place


@pytest.fixture
def job(results: Path, tmp_path: Path) -> Path:
    """A job's folder of its own."""
    return Path(shutil.copytree(results, tmp_path / "job"))


def judge(job: Path, name: str, *more: str) -> tuple[int, str, str]:
    done = run(["gate", f"{name}.json", "--rules", "rules.toml", *more], job)
    return done.code, done.stdout, done.stderr


def test_a_job_from_its_first_baseline_on(job: Path) -> None:
    """Baseline made; an equal model passes; a worse one fails and says which classes fell; 3 and 2 where it must."""
    reports = ("--explain", "--report", "junit=gate.xml", "--overwrite")
    code, _, said = judge(job, "good", "--update-baseline", "baseline.json")
    assert (code, "baseline written: there was none" in said) == (0, True)
    assert (job / "baseline.npz").read_bytes() == (job / "good.npz").read_bytes()

    code, out, _ = judge(job, "good", "--baseline", "baseline.json", *reports)
    assert (code, "verdict: passed" in out) == (0, True)
    assert ET.parse(job / "gate.xml").getroot().get("failures") == "0"

    code, out, _ = judge(job, "worse", "--baseline", "baseline.json", *reports)
    assert code == 1
    fell = [
        case.get("name")
        for case in ET.parse(job / "gate.xml").getroot().iter("testcase")
        if len(case.findall("failure"))
    ]
    assert fell == [
        "AP max_drop 0.02",
        "class.*.AP max_drop 0.05: class.triangle.AP",
        "class.*.AP max_drop 0.05: class.star.AP",
    ]
    table = out.split("class     baseline")[1]
    assert [line.split()[0] for line in table.splitlines()[2:6]] == ["star", "triangle", "circle", "square"]
    assert "images: 7 with more errors" in out
    assert max(map(len, out.splitlines())) <= 80

    nowhere = [{"image_id": 99_000 + n, "category_id": 1, "bbox": [1, 1, 9, 9], "score": 0.5} for n in range(3)]
    (job / "nowhere.json").write_text(json.dumps(nowhere), encoding="utf-8")
    (job / "broken.json").write_text('[{"image_id": 1, "category_id": 1, "bb', encoding="utf-8")
    for name, expected in {"nowhere": 3, "broken": 2}.items():
        line = ["gate", "--truth", TRUTH, "--predictions", f"{name}.json", "--rules", "rules.toml"]
        done = run([*line, "--baseline", "baseline.json", "--report", "junit=gate.xml", "--overwrite"], job)
        assert done.code == expected, name
        assert ET.parse(job / "gate.xml").getroot().get("errors") == "1"
        assert run(["eval", TRUTH, f"{name}.json", "--rules", "rules.toml"], job).code == expected


# --- updating the baseline


def test_a_failing_result_never_becomes_the_baseline(job: Path) -> None:
    shutil.copy(job / "good.json", job / "baseline.json")
    before = (job / "baseline.json").read_bytes()
    for more in ((), ("--allow-lower",)):
        code, _, said = judge(job, "worse", "--update-baseline", "baseline.json", *more)
        assert (code, "baseline kept: the outcome is `fail`" in said) == (1, True)
    assert (job / "baseline.json").read_bytes() == before


def test_a_first_result_that_misses_a_limit_is_no_baseline(job: Path) -> None:
    code, _, said = judge(job, "good", "--require", "AP>=0.99", "--update-baseline", "new/baseline.json")
    assert (code, "baseline kept" in said) == (1, True)
    assert "new" not in tree(job)


def test_an_empty_result_is_no_baseline(job: Path) -> None:
    empty = CASES / "gate" / "results" / "empty.json"
    done = run(["gate", empty, "--require", "AP>=0", "--update-baseline", "b.json"], job)
    assert done.code == 3
    assert "b.json" not in tree(job)


def test_an_allowed_fall_keeps_the_floor_until_that_is_asked_for(job: Path) -> None:
    """Many small falls, each within the rule, must not lower the floor unsaid."""
    slightly = json.loads((job / "good.json").read_text(encoding="utf-8"))
    slightly["metrics"]["AP"] -= 0.01
    (job / "slightly.json").write_text(json.dumps(slightly), encoding="utf-8")
    shutil.copy(job / "good.json", job / "baseline.json")
    before = (job / "baseline.json").read_bytes()
    code, _, said = judge(job, "slightly", "--update-baseline", "baseline.json")
    assert code == 0
    assert "baseline kept: within what is allowed, but worse than before: AP 0.575071 to 0.565071" in said
    assert "--allow-lower" in said
    assert (job / "baseline.json").read_bytes() == before
    code, _, said = judge(job, "slightly", "--update-baseline", "baseline.json", "--allow-lower")
    assert (code, "lowered as asked: AP" in said) == (0, True)
    written = json.loads((job / "baseline.json").read_text(encoding="utf-8"))
    assert written["metrics"]["AP"] == slightly["metrics"]["AP"]
    assert written["matches"]["path"] == "baseline.npz"


def test_a_better_result_moves_the_floor_up(job: Path) -> None:
    worse = json.loads((job / "worse.json").read_text(encoding="utf-8"))
    (job / "baseline.json").write_text(json.dumps({**worse, "matches": None}), encoding="utf-8")
    code, _, said = judge(job, "good", "--update-baseline", "baseline.json")
    assert (code, "baseline written: nothing judged is worse than before" in said) == (0, True)
    assert (job / "baseline.json").read_bytes() != (job / "worse.json").read_bytes()
    assert judge(job, "worse", "--baseline", "baseline.json")[0] == 1


def test_a_baseline_without_matches_is_copied_as_it_is(job: Path) -> None:
    (job / "good.npz").unlink()
    assert judge(job, "good", "--update-baseline", "b.json")[0] == 0
    assert (job / "b.json").read_bytes() == (job / "good.json").read_bytes()
    assert "b.npz" not in tree(job)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["good.json", "worse.json", "--update-baseline", "b.json"], "2 results"),
        (["good.json", "--update-baseline", "good.json"], "is the result that is judged"),
        (["good.json", "--allow-lower"], "--update-baseline"),
        (["good.json", "--explain"], "--baseline"),
        (["good.json", "worse.json", "--explain", "--baseline", "good.json"], "2 results"),
        (["good.json", "--baseline", "good.json", "--baseline-predictions", "x.json"], "expected one of them"),
        (["good.json", "--baseline-predictions", "x.json"], "--truth"),
        (["good.json", "--truth", "x.json"], "says nothing"),
        (["good.json", "--truth", "x.json", "--predictions", "y.json"], "expected one of them"),
        ([], "no results"),
    ],
)
def test_requests_that_make_no_sense(job: Path, arguments: list[str], message: str) -> None:
    before = tree(job)
    done = run(["gate", *arguments, "--rules", "rules.toml"], job)
    assert done.code == 2
    assert message in done.stderr
    assert tree(job) == before


# --- explaining


def test_without_matches_the_classes_are_still_explained(job: Path) -> None:
    (job / "worse.npz").unlink()
    _, out, _ = judge(job, "worse", "--baseline", "good.json", "--explain")
    assert "star" in out
    assert "note: images are not compared" in out
    (job / "good.npz").write_bytes(b"other")
    _, out, _ = judge(job, "good", "--baseline", "good.json", "--explain")
    assert "SHA-256 differs" in " ".join(out.split())


def test_an_explanation_in_every_rendering(job: Path) -> None:
    found: dict[str, Any] = {}
    for kind in ("text", "json", "markdown", "github", "junit", "gitlab"):
        found[kind] = judge(job, "worse", "--baseline", "good.json", "--explain", "--format", kind)[1]
    explained = json.loads(found["json"])["explanation"]
    assert explained["schema"] == "detkit.explanation/1"
    (one,) = explained["metrics"]
    assert sum(row["share"] for row in one["classes"]) == pytest.approx(one["delta"], abs=1e-12)
    assert len(explained["images"]["most_new_errors"]) == 7
    assert "| star | 0.6021 | 0.4084 |" in found["markdown"]
    assert "::notice title=detkit explain::AP" in found["github"]
    assert "star -0.1938" in found["github"]


def test_the_last_line_is_the_verdict_whatever_is_explained(job: Path) -> None:
    _, out, _ = judge(job, "worse", "--baseline", "good.json", "--explain")
    lines = out.splitlines()
    assert lines[-1].startswith("verdict: FAILED (")
    assert sum(line.startswith("verdict:") for line in lines) == 1
    assert lines[-2] == ""
    assert next(n for n, line in enumerate(lines) if line.startswith("image ")) < len(lines) - 2
    _, plain, _ = judge(job, "worse", "--baseline", "good.json")
    assert plain.splitlines() == [*lines[: len(plain.splitlines()) - 1], lines[-1]]


def test_what_cannot_be_compared_is_not_explained(job: Path) -> None:
    other = json.loads((job / "good.json").read_text(encoding="utf-8"))
    other["inputs"]["ground_truth"]["sha256"] = "0" * 64
    (job / "other.json").write_text(json.dumps(other), encoding="utf-8")
    code, out, _ = judge(job, "good", "--baseline", "other.json", "--explain")
    assert code == 3
    assert "note: the two results cannot be compared" in out


# --- corrected labels


@pytest.fixture
def corrected(job: Path) -> Path:
    """The truth after a tenth of its boxes was found wrong and taken out."""
    content = json.loads(TRUTH.read_text(encoding="utf-8"))
    content["annotations"] = [a for n, a in enumerate(content["annotations"]) if n % 10]
    (job / "corrected.json").write_text(json.dumps(content), encoding="utf-8")
    return job


def test_old_predictions_are_judged_on_the_new_labels(corrected: Path) -> None:
    old = DEMO / "predictions" / "coco.json"
    line = ["eval", "corrected.json", DEMO / "predictions" / "coco_worse.json", "--format", "json", "-o", "new.json"]
    assert run(line, corrected).code == 0
    # the old result was scored on the old labels: there is nothing to compare
    assert judge(corrected, "new", "--baseline", "good.json")[0] == 3
    again = ["--truth", "corrected.json", "--baseline-predictions", str(old), "--explain"]
    code, out, _ = judge(corrected, "new", *again, "--format", "json")
    assert code == 1
    assert run(["eval", "corrected.json", old, "--format", "json", "-o", "old.json"], corrected).code == 0
    expected = json.loads((corrected / "old.json").read_text(encoding="utf-8"))["metrics"]["AP"]
    verdict = json.loads(out)
    assert verdict["rules"][0]["baseline"] == expected
    assert verdict["explanation"]["metrics"][0]["before"] == expected
    direct = run(
        ["gate", *again, "--predictions", DEMO / "predictions" / "coco_worse.json", "--rules", "rules.toml",
         "--format", "json"],
        corrected,
    )  # fmt: skip
    assert direct.code == 1
    strip = [{k: v for k, v in r.items() if k != "result"} for r in json.loads(direct.stdout)["rules"]]
    assert strip == [{k: v for k, v in r.items() if k != "result"} for r in verdict["rules"]]


@pytest.mark.parametrize(
    "options",
    [
        ["--protocol", "voc2012"],
        ["--protocol", "voc2007", "--strict-iou"],
        ["--iou-thresholds", "0.5,0.75", "--max-detections", "1,5", "--area-ranges", "tiny:0-16,rest:16-inf"],
        ["--class-agnostic", "--score-threshold", "0.3", "--area", "box", "--at-image-size", "320"],
        ["--textbook"],
    ],
)
def test_the_settings_of_the_result_are_taken_over(job: Path, options: list[str]) -> None:
    predictions = DEMO / "predictions" / "coco.json"
    assert run(["eval", TRUTH, predictions, *options, "--format", "json", "-o", "own.json"], job).code == 0
    name = next(iter(json.loads((job / "own.json").read_text(encoding="utf-8"))["metrics"]))
    (job / "own.toml").write_text(f'[[gate.rules]]\nmetric = "{name}"\nmax_drop = 0\n', encoding="utf-8")
    line = ["gate", "own.json", "--rules", "own.toml", "--truth", TRUTH, "--baseline-predictions", predictions]
    done = run([*line, "--format", "json"], job)
    assert done.code == 0, done.stdout + done.stderr
    (row,) = json.loads(done.stdout)["rules"]
    assert row["value"] == row["baseline"]


def test_another_truth_than_the_results_is_refused(corrected: Path) -> None:
    again = ("--truth", "corrected.json", "--baseline-predictions", str(DEMO / "predictions" / "coco.json"))
    code, _, said = judge(corrected, "good", *again)
    assert code == 3
    assert "not the truth that the result was scored on" in said


def test_a_rescored_result_may_become_the_baseline(corrected: Path) -> None:
    line = ["gate", "--truth", "corrected.json", "--predictions", DEMO / "predictions" / "coco.json"]
    old = ["--baseline-predictions", DEMO / "predictions" / "coco_worse.json"]
    done = run([*line, *old, "--rules", "rules.toml", "--update-baseline", "baseline.json"], corrected)
    assert done.code == 0, done.stderr
    assert run(["gate", "baseline.json", "--rules", "rules.toml", "--baseline", "baseline.json"], corrected).code == 0


def test_the_guide_on_corrected_labels_shows_what_is_printed(tmp_path: Path) -> None:
    page = (DEMO.parents[1] / "docs" / "how-to" / "ci.md").read_text(encoding="utf-8")
    section = page.split("## Labels were corrected")[1].split("\n## ")[0]
    rules, commands, shown = (section.split(f"```{kind}\n")[1].split("```")[0] for kind in ("toml", "sh", "text"))
    demo = Path(shutil.copytree(DEMO, tmp_path / "demo"))
    (demo / "drop.toml").write_text(rules, encoding="utf-8")
    score, judged = (line.split()[1:] for line in commands.replace("\\\n", " ").splitlines())
    assert run(score, demo).code == run(score, demo).code == 0  # again, over the result of the first run
    assert run(judged, demo).stdout == shown
