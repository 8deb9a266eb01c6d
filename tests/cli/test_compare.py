from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli._run import DEMO, run

TRUTH = DEMO / "coco" / "instances_val.json"
A, B = (DEMO / "predictions" / name for name in ("coco.json", "coco_worse.json"))
COMMON = ["--bootstrap", "100", "--truth-format", "coco", "--predictions-format", "coco"]


def test_the_answer_comes_first(tmp_path: Path) -> None:
    done = run(["compare", TRUTH, A, B, *COMMON], tmp_path)
    assert done.code == 0, done.stderr
    assert done.stdout.startswith("no difference shown: AP 0.5751 -> 0.4838, -0.0913 [")
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_same_request_same_bytes_and_rules_decide(tmp_path: Path) -> None:
    outputs = []
    for name, jobs in (("one.json", "1"), ("two.json", "2")):
        done = run(
            [
                "compare",
                TRUTH,
                A,
                B,
                *COMMON,
                "--format",
                "json",
                "-o",
                name,
                "--jobs",
                jobs,
                "--require",
                "AR1.ci_high>=0",
            ],
            tmp_path,
        )
        assert done.code == 1, done.stderr
        outputs.append((tmp_path / name).read_bytes())
    assert outputs[0] == outputs[1]
    found = json.loads(outputs[0])
    assert found["schema"] == "detkit.comparison/1"
    assert found["gate"]["outcome"] == "fail"
    assert run(["compare", TRUTH, A, B, *COMMON, "--require", "AP.delta>=-0.2"], tmp_path).code == 0


def test_slices_groups_markdown_and_three_models(tmp_path: Path) -> None:
    images = [i["file_name"] for i in json.loads(TRUTH.read_text(encoding="utf-8"))["images"]]
    (tmp_path / "slices.json").write_text(json.dumps({"first": images[:5]}), encoding="utf-8")
    done = run(
        ["compare", TRUTH, A, B, A, *COMMON, "--slices", "slices.json", "--groups", r"(\d)\.\w+$",
         "--format", "markdown", "--permutations", "0"],
        tmp_path,
    )  # fmt: skip
    assert done.code == 0, done.stderr
    assert "| first |" in done.stdout
    assert "10 groups" in done.stdout
    assert "best: " in done.stdout.splitlines()[0]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([A], 2, "expected two or more"),
        ([A, B, "--level", "95"], 2, "as shares that is `0.95`"),
        ([A, B, "--require", "AP>=0.1"], 2, "which figure"),
        ([A, B, "--require", "AP.delta"], 2, "no operator"),
        ([A, B, "--groups", "nowhere"], 2, "expected one"),
        ([A, B, "--format", "csv"], 2, "--format: found `csv`"),
        ([A, "none.json"], 2, "none.json"),
        ([A, "empty.json"], 3, "nothing to compare"),
        ([A, "other.json"], 3, "no prediction meets the truth"),
    ],
)
def test_wrong_requests(tmp_path: Path, arguments: list[str | Path], code: int, message: str) -> None:
    (tmp_path / "empty.json").write_text("[]", encoding="utf-8")
    row = {"image_id": 987654, "category_id": 1, "bbox": [0, 0, 5, 5], "score": 0.5}
    (tmp_path / "other.json").write_text(json.dumps([row]), encoding="utf-8")
    done = run(["compare", TRUTH, *arguments, *COMMON], tmp_path)
    assert done.code == code, done.stderr
    assert message in done.stderr


def test_an_existing_output_stays(tmp_path: Path) -> None:
    (tmp_path / "out.txt").write_text("mine", encoding="utf-8")
    done = run(["compare", TRUTH, A, B, *COMMON, "-o", "out.txt"], tmp_path)
    assert done.code == 2
    assert (tmp_path / "out.txt").read_text(encoding="utf-8") == "mine"


def test_findings_name_their_model(tmp_path: Path) -> None:
    """A finding of one model, of every model, and one that names its file."""
    rows = json.loads(B.read_text(encoding="utf-8"))
    image = rows[0]["image_id"]
    (tmp_path / "less.json").write_text(json.dumps([r for r in rows if r["image_id"] != image]), encoding="utf-8")
    said = run(["compare", TRUTH, A, tmp_path / "less.json", *COMMON, "--permutations", "0"], tmp_path).stderr
    assert "info DK705: coco.json: 1 of 20 truth images" in said
    assert "info DK705: less.json: 2 of 20 truth images" in said
    same = run(["compare", TRUTH, A, B, *COMMON, "--permutations", "0"], tmp_path).stderr
    assert "info DK705: every model: 1 of 20 truth images" in same
    three = run(["compare", TRUTH, A, B, tmp_path / "less.json", *COMMON, "--permutations", "0"], tmp_path).stderr
    assert "info DK705: coco.json, coco_worse.json: 1 of 20 truth images" in three


def test_voc_has_one_figure(tmp_path: Path) -> None:
    done = run(["compare", TRUTH, A, B, *COMMON, "--protocol", "voc2012", "--permutations", "0"], tmp_path)
    assert done.code == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()[3:8] if line][:3] == ["metric", "------", "mAP"]
    assert "AP50" not in done.stdout
