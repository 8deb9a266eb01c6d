"""`detkit crops` over the demo."""

from __future__ import annotations

import csv
import json

from cli._run import DEMO, run, tree


def test_crops_of_the_demo(tmp_path):
    done = run(["crops", DEMO / "data.yaml", "-o", "objects", "--margin", "0.1", "--square", "--json"], tmp_path)
    assert done.code == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["schema"] == "detkit.crops/1"
    with (tmp_path / "objects" / "crops.csv").open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == report["crops"] == sum(report["per_class"].values()) == 224
    files = {name for name in tree(tmp_path / "objects") if name.endswith(".jpg")}
    assert {row["crop"] for row in rows} == files
    assert {row["crop"].split("/")[0] for row in rows} == {"train", "val"}


def test_bad_requests(tmp_path):
    for arguments, message in (
        (["--classes", "cow"], "unknown class `cow`"),
        (["--margin", "11"], "margin: found 11"),
    ):
        done = run(["crops", DEMO / "data.yaml", "-o", "objects", *arguments], tmp_path)
        assert done.code == 2
        assert message in done.stderr
    assert tree(tmp_path) == set()
