"""Refused before anything is read, or with the way out: rules, splits, and which rules file counts."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from cli._run import DEMO, run
from detkit import api
from detkit.errors import UsageError

TRUTH, PREDICTIONS = DEMO / "coco" / "instances_val.json", DEMO / "predictions" / "coco.json"


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("AP>>0.4", "operator `>>`"),
        ("AP", "has no operator"),
        ("AP>=40", "AP is 0 to 1; found 40"),
        ("AP5O>=0.4", "unknown metric `AP5O` in a result of protocol `coco`"),
        ("mAP50-96>=0.4", "unknown metric `mAP50-96`"),
        ("size.tiny.AP>=0.4", "unknown metric `size.tiny.AP`"),
        ("recall@score=0.405>=0.1", "score 0.405 is not listed"),
        ("person.AP>=0.5", "hint: for a class write `class.person.AP`"),
        ("No. 5.AP>=0.5", 'hint: for a class write `class["No. 5"].AP`'),
        ("small.AP>=0.5", "hint: did you mean `size.small.AP`?"),
    ],
)
def test_rules_are_refused_before_a_file_is_read(tmp_path: Path, rule: str, said: str) -> None:
    done = run(["eval", "no-truth.json", "no-predictions.json", "--require", rule], tmp_path)
    assert (done.code, done.stdout) == (2, "")
    assert said in done.stderr
    assert "no such file" not in done.stderr


def test_rules_of_a_file_are_refused_as_early_and_all_at_once(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text('[[gate.rules]]\nmetric = "APP50"\nmin = 0.4\n', encoding="utf-8")
    for line in (["eval", "gone.json", "gone.json"], ["merge-results", "gone.npz"], ["gate", "gone.json"]):
        done = run([*line, "--rules", "rules.toml", "--require", "AP=>0.4"], tmp_path)
        assert done.code == 2
        assert "operator `=>`" in done.stderr
    for line in (["compare", "gone.json", "a.json", "b.json"], ["diff", "a.json", "b.json"]):
        assert "has no operator" in run([*line, "--require", "AP.delta"], tmp_path).stderr
    done = run(["eval", "gone.json", "gone.json", "--rules", "rules.toml", "--require", "AP5O>=0.4"], tmp_path)
    assert "2 rules cannot be applied" in done.stderr
    assert "`AP5O`" in done.stderr
    assert "`APP50`" in done.stderr


def test_what_only_the_data_can_tell_waits_for_it(tmp_path: Path) -> None:
    for rule in ("class.person.AP>=0.5", "class.*.AP>=0.5", "worst_class.AP>=0", "slice.night.AP>=0", "AP>=0"):
        done = run(["eval", "no-truth.json", "no-predictions.json", "--require", rule], tmp_path)
        assert "no-truth.json: no such file" in done.stderr, rule
    done = run(["eval", TRUTH, PREDICTIONS, "--require", "class.str.AP>=0.5"], tmp_path)
    assert (done.code, "did you mean `star`?" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"protocol": "voc2007"},
        {"protocol": "voc2012", "iou_thresholds": (0.3, 0.75)},
        {"protocol": "ultralytics"},
        {"class_agnostic": True, "max_detections": (3, 7), "area_ranges": (("all", 0.0, 1e10), ("odd", 0.0, 99.0))},
        {"iou_thresholds": (0.35,)},
        {"textbook": True},
    ],
)
def test_no_metric_that_a_result_has_is_refused(options: dict[str, object]) -> None:
    settings = api.EvaluationSettings(**options)  # type: ignore[arg-type]
    metrics = api.evaluate(TRUTH, PREDICTIONS, settings).metrics
    rules = [api.Rule(name, min=0.0) for name in (*metrics, "coverage", "f1@score=0.31")]
    api.refuse_unknown_metrics(rules, settings)
    with pytest.raises(UsageError, match="unknown metric `APx`"):
        api.refuse_unknown_metrics([*rules, api.Rule("APx", min=0.0)], settings)


def test_groups_of_classes_are_metrics_too(tmp_path: Path) -> None:
    case = json.loads((DEMO.parent / "lvis" / "cases.json").read_text(encoding="utf-8"))["cases"][0]
    for name in ("truth", "results"):
        (tmp_path / f"{name}.json").write_text(json.dumps(case[name]), encoding="utf-8")
    settings = api.EvaluationSettings(protocol="lvis")
    metrics = api.evaluate(tmp_path / "truth.json", tmp_path / "results.json", settings).metrics
    assert "APr" in metrics
    api.refuse_unknown_metrics([api.Rule(name, min=0.0) for name in metrics], settings)


def test_a_result_knows_its_classes(tmp_path: Path) -> None:
    assert run(["eval", TRUTH, PREDICTIONS, "--format", "json", "-o", "r.json"], tmp_path).code == 0
    for rule, hint in {
        "star.AP50>=0": "for a class write `class.star.AP50`",
        "strr.AP>=0": "for a class write `class.star.AP`",
        "star>=0": "for the class write `class.star.AP`",
        "person.AP>=0": "for a class write `class.NAME.AP`; known: `circle`, `square`, `triangle`, `star`",
    }.items():
        assert f"hint: {hint}" in run(["gate", "r.json", "--require", rule], tmp_path).stderr


@pytest.fixture
def two_splits(tmp_path: Path) -> Path:
    shutil.copytree(DEMO / "coco", tmp_path / "coco")
    train = json.loads((DEMO / "coco" / "instances_train.json").read_text(encoding="utf-8"))
    rows = [
        {"image_id": a["image_id"], "category_id": a["category_id"], "bbox": a["bbox"], "score": 0.5}
        for a in train["annotations"]
    ]
    (tmp_path / "train.json").write_text(json.dumps(rows), encoding="utf-8")
    for row in rows:
        row["image_id"] += 100_000
    (tmp_path / "strange.json").write_text(json.dumps(rows), encoding="utf-8")
    return tmp_path


def test_a_split_that_fits_no_prediction_names_the_others(two_splits: Path) -> None:
    count = len({row["image_id"] for row in json.loads((two_splits / "train.json").read_text(encoding="utf-8"))})
    done = run(["eval", "coco", "train.json"], two_splits)
    assert done.code == 3
    assert (
        f"hint: split `val` was taken by default, and there are {count} predicted images in `train`: "
        "add `--split train`, or `--split all` for every image" in done.stderr
    )
    assert run(["eval", "coco", "train.json", "--split", "train"], two_splits).code == 0
    named = run(["eval", "coco", PREDICTIONS, "--split", "train"], two_splits)
    assert named.code == 3
    assert "split `train` was taken, and there are 19 predicted images in `val`: add `--split val`" in named.stderr


def test_a_split_is_not_blamed_where_none_fits(two_splits: Path) -> None:
    done = run(["eval", "coco", "strange.json"], two_splits)
    assert done.code == 3
    assert "split `val` was taken by default, and no other one fits either (`train`)" in done.stderr
    alone = run(["eval", "coco/instances_val.json", "train.json"], two_splits)
    assert alone.code == 3
    assert "split" not in alone.stderr.replace("of this dataset and split?", "")


def test_a_split_is_not_blamed_for_classes(two_splits: Path) -> None:
    rows = json.loads(PREDICTIONS.read_text(encoding="utf-8"))
    (two_splits / "classes.json").write_text(json.dumps([{**r, "category_id": 99} for r in rows]), encoding="utf-8")
    done = run(["eval", "coco", "classes.json"], two_splits)
    assert done.code == 3
    assert "no predicted class is one of the truth's" in done.stderr
    assert "split" not in done.stderr


def test_rules_above_the_repository_do_not_count(tmp_path: Path) -> None:
    deep = tmp_path / "repository" / "runs"
    deep.mkdir(parents=True)
    assert run(["eval", TRUTH, PREDICTIONS, "--format", "json", "-o", "r.json"], deep).code == 0
    rules = '[[gate.rules]]\nmetric = "AP"\nmin = 0.1\n'
    (tmp_path / "detkit.toml").write_text(rules, encoding="utf-8")
    above = run(["gate", "r.json"], deep)
    assert above.code == 0
    assert f"note: the rules are those of {os.path.join('..', '..', 'detkit.toml')}" in above.stdout  # noqa: PTH118
    (tmp_path / "repository" / ".git").mkdir()
    refused = run(["gate", "r.json"], deep)
    assert (refused.code, "no rules" in refused.stderr) == (2, True)
    (tmp_path / "repository" / "detkit.toml").write_text(rules, encoding="utf-8")
    found = json.loads(run(["gate", "r.json", "--format", "json"], deep).stdout)
    assert found["notes"] == [f"the rules are those of {os.path.join('..', 'detkit.toml')}"]  # noqa: PTH118
    (deep / "detkit.toml").write_text(rules, encoding="utf-8")
    assert "the rules are those of" not in run(["gate", "r.json"], deep).stdout
    given = run(["gate", "r.json", "--rules", "../detkit.toml"], deep)
    assert "the rules are those of" not in given.stdout  # named on the command line already
