from __future__ import annotations

import csv
import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from cli._run import DEMO, run

TRUTH = DEMO / "coco" / "instances_val.json"
PREDICTIONS = DEMO / "predictions" / "coco.json"


def planted(folder: Path) -> Path:
    """The demo's validation split with one edit of each kind; two of the classes have another name or number."""
    data: dict[str, Any] = json.loads(TRUTH.read_text(encoding="utf-8"))
    rows = data["annotations"]
    x, y, w, h = rows[0]["bbox"]
    rows[0]["bbox"] = [x + 0.1 * w, y, w, h]
    rows[1]["category_id"] = next(c["id"] for c in data["categories"] if c["id"] != rows[1]["category_id"])
    rows[2]["iscrowd"] = 1
    del rows[3]
    rows.append({**rows[0], "id": 9999, "bbox": [0, 0, 3, 3]})
    gone = data["images"].pop()
    data["annotations"] = [row for row in rows if row["image_id"] != gone["id"]]
    target = folder / "v2.json"
    target.write_text(json.dumps(data), encoding="utf-8")
    return target


def test_planted_edits_are_told(tmp_path: Path) -> None:
    other = planted(tmp_path)
    done = run(["diff", TRUTH, other, "--format", "json", "--report", "csv=changes.csv"], tmp_path)
    assert done.code == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["schema"] == "detkit.dataset_diff/1"
    truth = json.loads(TRUTH.read_text(encoding="utf-8"))
    last = truth["images"][-1]
    with_it = sum(row["image_id"] == last["id"] for row in truth["annotations"])
    boxes = found["boxes"]
    assert {k: boxes[k] for k in ("added", "removed", "removed_with_images", "moved", "reclassified", "flags")} == {
        "added": 1, "removed": 1 + with_it, "removed_with_images": with_it, "moved": 1, "reclassified": 1, "flags": 1,
    }  # fmt: skip
    assert found["flags"] == {"is_crowd": 1}
    assert found["image_changes"]["removed"] == [last["file_name"]]
    with (tmp_path / "changes.csv").open(encoding="utf-8", newline="") as handle:
        listed = list(csv.DictReader(handle))
    kinds = [row["change"] for row in listed]
    assert (kinds.count("moved"), kinds.count("reclassified"), kinds.count("flags")) == (1, 1, 1)
    assert (kinds.count("removed"), kinds.count("added"), len(kinds)) == (1 + with_it, 1, 5 + with_it)
    (added,) = (row for row in listed if row["change"] == "added")
    assert (added["id_a"], added["id_b"], added["width_b"], added["iou"]) == ("", "9999", "3.0", "")


def test_text_says_in_one_line_what_happened_and_fits_a_terminal(tmp_path: Path) -> None:
    other = planted(tmp_path).rename(tmp_path / "the new version.json")
    done = run(["diff", TRUTH, other], tmp_path)
    assert done.code == 0
    lines = done.stdout.splitlines()
    headline = " ".join(lines[3 : lines.index("", 3)])
    assert headline.startswith("images: 1 removed; boxes: 1 added, ")
    assert headline.endswith(" removed, 1 moved, 1 reclassified, 1 with other flags")
    assert max(map(len, lines[2:-2])) <= 80
    assert [shlex.split(line) for line in lines[-2:]] == [
        ["detkit", "draw", str(TRUTH), "-o", "look-a"],
        ["detkit", "draw", str(other), "-o", "look-b"],
    ]


def test_the_same_dataset_in_two_formats_is_alike(tmp_path: Path) -> None:
    done = run(["diff", DEMO / "data.yaml", TRUTH, "--split", "val", "--require", "changed<=0"], tmp_path)
    assert done.code == 0, done.stdout
    assert "alike: 20 images, 79 boxes" in done.stdout


def test_rules_fail_with_1_and_stand_in_the_json(tmp_path: Path) -> None:
    rules = ["--require", "removed<=0", "--require", "agreement.f1>=0.5", "--require", "class.star.added<=1"]
    done = run(["diff", TRUTH, planted(tmp_path), *rules, "--format", "json", "-o", "diff.json"], tmp_path)
    assert done.code == 1
    gate = json.loads((tmp_path / "diff.json").read_text(encoding="utf-8"))["gate"]
    assert [row["verdict"] for row in gate["rules"]] == ["fail", "pass", "pass"]
    text = run(["diff", TRUTH, planted(tmp_path), *rules], tmp_path)
    assert "verdict: FAILED" in text.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([TRUTH, PREDICTIONS], 2, "detkit eval"),
        ([PREDICTIONS, TRUTH], 2, "detkit eval"),
        ([TRUTH, TRUTH, "--conf", "0"], 2, "--score-threshold is for predictions"),
        ([TRUTH, TRUTH, "--truth", TRUTH], 2, "--truth is for predictions"),
        ([TRUTH, TRUTH, "--truth-format", "coco"], 2, "--truth-format is for predictions"),
        ([TRUTH, TRUTH, "--layout", "x"], 2, "--layout is for predictions"),
        ([PREDICTIONS, PREDICTIONS, "--tolerance", "1"], 2, "--tolerance is for datasets"),
        ([PREDICTIONS, PREDICTIONS, "--split", "val"], 2, "--split is for datasets"),
        ([PREDICTIONS, PREDICTIONS, "--report", "csv=x.csv"], 2, "--report csv is for datasets"),
        ([TRUTH, TRUTH, "--report", "junit=x.xml"], 2, "unknown kind `junit`"),
        ([TRUTH, TRUTH, "--iou-threshold", "2"], 2, "--iou-threshold: found `2`, expected a number from 0 to 1"),
        ([TRUTH, TRUTH, "--tolerance", "inf"], 2, "tolerance is inf"),
        ([TRUTH, TRUTH, "--require", "unmatched<=0"], 2, "unknown metric `unmatched`"),
        ([TRUTH, DEMO / "coco" / "instances_train.json"], 3, "no image of one is in the other"),
        ([TRUTH, "nowhere.json"], 2, "nowhere.json"),
    ],
)
def test_wrong_requests(tmp_path: Path, arguments: list[str | Path], code: int, message: str) -> None:
    done = run(["diff", *arguments], tmp_path)
    assert (done.code, message in done.stderr) == (code, True), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_names_that_write_to_the_terminal_are_shown(tmp_path: Path) -> None:
    data = json.loads(TRUTH.read_text(encoding="utf-8"))
    data["categories"][0]["name"] = "\x1b[31mstar\n"
    data["images"][0]["file_name"] = "\x1b]0;x\x07.jpg"
    (tmp_path / "odd.json").write_text(json.dumps(data), encoding="utf-8")
    done = run(["diff", TRUTH, "odd.json"], tmp_path)
    assert done.code == 0
    assert "\x1b" not in done.stdout
    assert "\x07" not in done.stdout


def test_reports_of_predictions(tmp_path: Path) -> None:
    done = run(["diff", PREDICTIONS, PREDICTIONS, "--report", "json=diff.json"], tmp_path)
    assert done.code == 0
    assert json.loads((tmp_path / "diff.json").read_text(encoding="utf-8"))["schema"] == "detkit.diff/1"


def test_real_data_against_itself_without_some_boxes(tmp_path: Path, shared_data: Path) -> None:
    source = shared_data / "bccd"
    assert run(["filter", source, "less", "--where", "class != 'Platelets'", "--to", "voc"], tmp_path).code == 0
    done = run(["diff", source, "less", "--format", "json"], tmp_path)
    assert done.code == 0, done.stderr
    found = json.loads(done.stdout)
    platelets = next(row for row in found["per_class"] if row["name"] == "Platelets")
    assert platelets["a"] == platelets["removed"] == found["boxes"]["removed"] > 300
    assert found["boxes"]["added"] == found["boxes"]["changed"] == 0


def test_real_data_with_a_class_of_another_name(tmp_path: Path, shared_data: Path) -> None:
    source = shared_data / "coco51" / "instances.json"
    assert run(["remap", source, "other.json", "--map", "person=human,car=vehicle"], tmp_path).code == 0
    found = json.loads(run(["diff", source, "other.json", "--format", "json"], tmp_path).stdout)
    assert [(row["from"], row["to"]) for row in found["class_changes"]["renamed"]] == [
        ("person", "human"),
        ("car", "vehicle"),
    ]
    assert found["boxes"]["changed"] == found["boxes"]["removed"] == found["boxes"]["added"] == 0
