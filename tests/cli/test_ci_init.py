"""`detkit ci init`: what it writes is a gate that passes on its own result and fails on a worse one."""

from __future__ import annotations

import hashlib
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
RULES, BASELINE, MATCHES = ".detkit/rules.toml", ".detkit/baseline.json", ".detkit/baseline.npz"


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
    assert "write where the ground truth will be for TRUTH in the workflow" in done.stderr


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


@pytest.fixture
def paired(repository: Path) -> Path:
    """The repository with a result whose matches are saved."""
    line = ["eval", "labels/instances_val.json", "coco.json", "--format", "json", "-o", "own.json"]
    assert run([*line, "--save-matches", "own.npz"], repository).code == 0
    return repository


def rules_of(repository: Path) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = tomllib.loads((repository / RULES).read_text(encoding="utf-8"))["gate"]["rules"]
    return rules


@pytest.mark.parametrize("provider", ["github", "gitlab"])
def test_saved_matches_make_a_paired_gate(paired: Path, provider: str) -> None:
    """The next run compares image by image: nothing it needs is left behind on this machine."""
    done = run(["ci", "init", "own.json", "--provider", provider], paired)
    assert done.code == 0, done.stderr
    assert f"wrote {MATCHES}" in done.stdout
    assert MATCHES in done.stderr  # what to commit
    assert "warning" not in done.stderr
    assert [(rule["metric"], rule.get("severity", "error")) for rule in rules_of(paired) if "significance" in rule] == [
        ("AP", "error"),
        ("class.*.AP", "warn"),
    ]
    (paired / "own.npz").unlink()
    (paired / "own.json").unlink()
    content = yaml.safe_load((paired / FILES[provider]).read_text(encoding="utf-8"))
    steps = content["jobs"]["gate"]["steps"] if provider == "github" else []
    lines = commands(provider, steps) or [
        shlex.split(line) for line in content["detkit"]["script"] if line.startswith("detkit ")
    ]
    shutil.copy(paired / "coco_worse.json", paired / "coco.json")
    scored, judged = (run(line[1:], paired) for line in lines)
    assert (scored.code, judged.code) == (0, 1), judged.stderr
    assert "class.star.AP, change at best" in judged.stdout
    assert "images: 7 with more errors" in judged.stdout
    assert "no saved matches" not in judged.stdout + judged.stderr


def test_a_result_without_matches_says_what_is_missing(repository: Path) -> None:
    done = run(["ci", "init", "coco-result.json"], repository)
    assert "warning the result has no saved matches: score with `detkit eval --save-matches FILE`" in done.stderr
    assert not (repository / MATCHES).exists()
    assert rules_of(repository)[-1] == {
        "metric": "class.*.AP", "max_drop": "10%", "severity": "warn", "allow_missing": True,
    }  # fmt: skip


@pytest.mark.parametrize("damage", ["gone", "other", "broken"])
def test_matches_that_cannot_be_used_are_left_out(paired: Path, damage: str) -> None:
    if damage == "gone":
        (paired / "own.npz").unlink()
    else:
        (paired / "own.npz").write_bytes(b"no archive")
    if damage == "broken":
        content = json.loads((paired / "own.json").read_text(encoding="utf-8"))
        content["matches"]["sha256"] = hashlib.sha256(b"no archive").hexdigest()
        (paired / "own.json").write_text(json.dumps(content), encoding="utf-8")
    done = run(["ci", "init", "own.json"], paired)
    assert done.code == 0, done.stderr
    assert "warning the saved matches are left out" in done.stderr
    assert not (paired / MATCHES).exists()
    assert json.loads((paired / BASELINE).read_text(encoding="utf-8"))["matches"] is None
    assert not any("significance" in rule for rule in rules_of(paired))


def test_matches_of_another_model_are_no_baseline(paired: Path) -> None:
    line = ["eval", "labels/instances_val.json", "coco_worse.json", "--save-matches", "worse.npz", "--format", "json"]
    assert run([*line, "-o", "worse.json"], paired).code == 0
    ours, theirs = (json.loads((paired / name).read_text(encoding="utf-8")) for name in ("own.json", "worse.json"))
    (paired / "own.json").write_text(json.dumps({**ours, "matches": theirs["matches"]}), encoding="utf-8")
    done = run(["ci", "init", "own.json"], paired)
    assert done.code == 0
    assert "warning the saved matches are left out: AP cannot be resampled" in done.stderr


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        (
            "labels/instances_val.json",
            "labels/instances_val.json: no such file below `.`, where the workflow will read",
        ),
        ("coco.json", "coco.json: no such file below `.`, where the workflow will read the predictions"),
    ],
)
def test_inputs_that_are_not_there_are_told(repository: Path, gone: str, said: str) -> None:
    assert "no such file" not in run(["ci", "init", "coco-result.json"], repository).stderr
    (repository / gone).unlink()
    done = run(["ci", "init", "coco-result.json", "--overwrite"], repository)
    assert done.code == 0
    assert f"warning {said}" in done.stderr


def test_paths_count_from_the_repository_too(repository: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = run(["ci", "init", repository / "coco-result.json", "--dir", repository], elsewhere)
    assert done.code == 0
    assert "labels/instances_val.json coco.json" in (repository / FILES["github"]).read_text(encoding="utf-8")


def test_weak_models_get_a_floor_that_can_be_missed(repository: Path) -> None:
    path = repository / "coco-result.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["metrics"] |= {"AP": 0.015, "AP50": 0.0}
    content["per_class"][0]["AP"] = 0.0
    path.write_text(json.dumps(content), encoding="utf-8")
    done = run(["ci", "init", path], repository)
    assert done.code == 0, done.stderr
    # 0.015 less a tenth is 0.0135
    assert [rule.get("min") for rule in rules_of(repository)[:2]] == [0.013, 0.0]
    assert "`AP50 >= 0.0` judges nothing: AP50 cannot miss its limit" in done.stderr
    assert "judges nothing of 1 class that cannot miss the limit: `class.circle.AP`" in done.stderr


def test_the_gate_finds_the_rules_it_wrote(repository: Path) -> None:
    """`gate` beside them needs no `--rules`, says which ones it took, and takes a configuration file before them."""
    assert run(["ci", "init", "coco-result.json"], repository).code == 0
    line = ["gate", "coco_worse-result.json", "--baseline", BASELINE]
    found = run(line, repository)
    assert (found.code, f"note: the rules are those of {RULES}" in found.stdout) == (1, True)
    assert run([*line, "--rules", RULES], repository).code == 1
    (repository / "detkit.toml").write_text('[[gate.rules]]\nmetric = "AP"\nmin = 0.1\n')
    assert run(line, repository).code == 0


def test_a_rule_on_change_without_a_baseline_names_no_number(repository: Path) -> None:
    (repository / "detkit.toml").write_text('[[gate.rules]]\nmetric = "AP"\nsignificance = { margin = 0.01 }\n')
    said = run(["gate", "coco-result.json"], repository)
    assert (said.code, ">= baseline" in said.stdout, "None" in said.stdout) == (3, True, False), said.stdout
