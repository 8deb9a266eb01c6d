"""`detkit ci init`: what it writes is a gate that passes on its own result and fails on a worse one."""

from __future__ import annotations

import json
import shlex
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli._run import CASES, DEMO, run, tree

FILES = {"github": ".github/workflows/detkit.yml", "gitlab": ".gitlab/detkit.yml"}
RULES, BASELINE = ".detkit/rules.toml", ".detkit/baseline.json"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with labels, predictions of two models and their results."""
    place = tmp_path_factory.mktemp("repository")
    shutil.copytree(DEMO / "coco", place / "labels")
    for name in ("coco", "coco_worse"):
        shutil.copy(DEMO / "predictions" / f"{name}.json", place / f"{name}.json")
        line = ["eval", "labels/instances_val.json", f"{name}.json", "--format", "json", "-o", f"{name}-result.json"]
        assert run(line, place).code == 0
    return place


@pytest.fixture
def repository(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "repository"))


def commands(workflow: str, steps: list[dict[str, Any]]) -> list[list[str]]:
    lines = [s for step in steps for s in str(step.get("run", "")).splitlines()]
    return [shlex.split(line) for line in lines if line.startswith("detkit ")]


@pytest.mark.parametrize("provider", ["github", "gitlab"])
def test_the_gate_it_writes_works(repository: Path, provider: str) -> None:
    """The commands of the workflow, run: they pass, and fail when the worse model's predictions are put there."""
    done = run(["ci", "init", "coco-result.json", "--provider", provider], repository)
    assert done.code == 0, done.stderr
    written = {FILES[provider], RULES, BASELINE}
    assert {f"wrote {name}" for name in written} == set(done.stdout.splitlines())
    assert "git add" in done.stderr
    content = yaml.safe_load((repository / FILES[provider]).read_text(encoding="utf-8"))
    if provider == "github":
        lines = commands(provider, content["jobs"]["gate"]["steps"])
    else:
        lines = [shlex.split(line) for line in content["detkit"]["script"] if line.startswith("detkit ")]
    assert [line[1] for line in lines] == ["eval", "gate"]
    assert [run(line[1:], repository).code for line in lines] == [0, 0]
    shutil.copy(repository / "coco_worse.json", repository / "coco.json")
    outcomes = [run(line[1:], repository) for line in lines]
    assert [o.code for o in outcomes] == [0, 1]
    assert "class.star.AP" in outcomes[1].stdout
    assert (repository / "detkit-gate.xml").is_file()


def test_floors_lie_a_stated_margin_below_the_value(repository: Path) -> None:
    done = run(["ci", "init", "coco-result.json"], repository)
    result = json.loads((repository / "coco-result.json").read_text(encoding="utf-8"))
    rules = tomllib.loads((repository / RULES).read_text(encoding="utf-8"))["gate"]["rules"]
    floors = {rule["metric"]: rule["min"] for rule in rules if "min" in rule}
    assert set(floors) == {"AP", "AP50"}
    for metric, floor in floors.items():
        assert 0 <= result["metrics"][metric] - 0.02 - floor < 0.001
    assert "AP >= 0.555 (0.5751 less 0.02: the result states no interval)" in done.stderr


@pytest.mark.parametrize(
    "intervals",
    [
        {"AP": {"ci": [0.51239, 0.62]}, "AP50": {"ci": [0.7, 0.8]}},
        {"seed": 0, "metrics": {"AP": {"ci": [0.51239, 0.62]}, "AP50": {"ci": [0.7, 0.8]}}},
        {"AP": [0.51239, 0.62], "AP50": [0.7, 0.8]},
    ],
)
def test_floors_lie_at_the_lower_end_of_an_interval(repository: Path, intervals: dict[str, Any]) -> None:
    path = repository / "coco-result.json"
    path.write_text(
        json.dumps({**json.loads(path.read_text(encoding="utf-8")), "intervals": intervals}), encoding="utf-8"
    )
    assert run(["ci", "init", path], repository).code == 0
    rules = tomllib.loads((repository / RULES).read_text(encoding="utf-8"))["gate"]["rules"]
    assert [rule.get("min") for rule in rules[:2]] == [0.512, 0.7]


def test_nothing_is_overwritten_unasked(repository: Path) -> None:
    (repository / ".detkit").mkdir()
    (repository / RULES).write_text("mine", encoding="utf-8")
    before = tree(repository)
    done = run(["ci", "init", "coco-result.json"], repository)
    assert done.code == 2
    assert "exists already" in done.stderr
    assert tree(repository) == before
    assert run(["ci", "init", "coco-result.json", "--overwrite"], repository).code == 0
    assert (repository / RULES).read_text(encoding="utf-8") != "mine"


def test_another_folder_and_files_outside_of_it(repository: Path, tmp_path: Path) -> None:
    done = run(["ci", "init", "coco-result.json", "--dir", tmp_path / "other"], repository)
    assert done.code == 0
    workflow = (tmp_path / "other" / FILES["github"]).read_text(encoding="utf-8")
    assert "detkit eval TRUTH PREDICTIONS" in workflow
    assert "write the path of the ground truth for TRUTH" in done.stderr


def test_no_machine_path_is_written(repository: Path) -> None:
    line = ["eval", repository / "labels" / "instances_val.json", repository / "coco.json", "--format", "json"]
    assert run([*line, "-o", "absolute.json", "--save-matches", repository / "m.npz"], repository).code == 0
    assert run(["ci", "init", "absolute.json"], repository).code == 0
    for name in (FILES["github"], RULES, BASELINE):
        assert str(repository) not in (repository / name).read_text(encoding="utf-8")
    assert "labels/instances_val.json coco.json" in (repository / FILES["github"]).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "options",
    [
        "--protocol voc2012 --strict-iou",
        "--iou-thresholds 0.5,0.75 --max-detections 1,5 --area-ranges tiny:0-16,rest:16-inf",
        "--class-agnostic --score-threshold 0.3 --area box --at-image-size 320",
        "--protocol coco",
    ],
)
def test_the_workflow_scores_as_the_result_was_scored(repository: Path, options: str) -> None:
    line = ["eval", "labels/instances_val.json", "coco.json", *options.split(), "--format", "json", "-o", "own.json"]
    assert run(line, repository).code == 0
    done = run(["ci", "init", "own.json"], repository)
    assert done.code == 0, done.stderr
    content = yaml.safe_load((repository / FILES["github"]).read_text(encoding="utf-8"))
    scoring, judging = commands("github", content["jobs"]["gate"]["steps"])
    assert run(scoring[1:], repository).code == 0
    ours, theirs = (
        json.loads((repository / n).read_text(encoding="utf-8")) for n in ("own.json", "detkit-result.json")
    )
    assert ours["protocol"] == theirs["protocol"]
    assert ours["metrics"] == theirs["metrics"]
    assert run(judging[1:], repository).code == 0


def test_awkward_paths_are_quoted(repository: Path) -> None:
    (repository / "coco.json").rename(repository / "pre dic'tions $(x).json")
    line = ["eval", "labels/instances_val.json", "pre dic'tions $(x).json", "--format", "json", "-o", "own.json"]
    assert run(line, repository).code == 0
    assert run(["ci", "init", "own.json"], repository).code == 0
    content = yaml.safe_load((repository / FILES["github"]).read_text(encoding="utf-8"))
    assert commands("github", content["jobs"]["gate"]["steps"])[0][3] == "pre dic'tions $(x).json"


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("empty.json", 3, "hold no detection"),
        ("shifted.json", 3, "look shifted"),
        ("nan.json", 2, "does not state `area` of its protocol"),
        ("coco_truth.json", 2, "not an evaluation result"),
        ("gone.json", 2, "no such file"),
    ],
)
def test_what_is_no_baseline_writes_nothing(tmp_path: Path, name: str, code: int, message: str) -> None:
    done = run(["ci", "init", CASES / "gate" / "results" / name], tmp_path)
    assert done.code == code
    assert message in done.stderr
    assert tree(tmp_path) == set()


def test_the_comment_is_found_again_by_its_marker(repository: Path) -> None:
    assert run(["ci", "init", "coco-result.json"], repository).code == 0
    content = yaml.safe_load((repository / FILES["github"]).read_text(encoding="utf-8"))
    (step,) = [s for s in content["jobs"]["gate"]["steps"] if s.get("name") == "Comment"]
    script = step["with"]["script"]
    assert "const marker = '<!-- detkit gate -->'" in script
    assert script.index("startsWith(marker)") < script.index("updateComment") < script.index("createComment")
    assert content["permissions"] == {"contents": "read", "pull-requests": "write"}
