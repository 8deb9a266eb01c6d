"""An option that a command cannot follow is refused, not passed over in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli._run import DEMO, run

TRUTH, FOUND = str(DEMO / "coco" / "instances_val.json"), str(DEMO / "predictions" / "coco.json")
DATA = str(DEMO / "data.yaml")
EVAL = f"eval {TRUTH} {FOUND}"

REFUSED = {
    "a shard and a rule": (f"{EVAL} --shard 1/2 -o p.npz --require AP>=0.99", "--require"),
    "a shard and rules": (f"{EVAL} --shard 1/2 -o p.npz --rules r.yaml", "--rules"),
    "a shard and a baseline": (f"{EVAL} --shard 1/2 -o p.npz --baseline b.json", "--baseline"),
    "a shard and a report": (f"{EVAL} --shard 1/2 -o p.npz --report junit=x.xml", "--report"),
    "a shard and shards": (f"{EVAL} --shard 1/2 -o p.npz --shards 2", "--shards"),
    "a shard and workers": (f"{EVAL} --shard 1/2 -o p.npz --workers 2", "--workers"),
    "a shard and a scheduler": (f"{EVAL} --shard 1/2 -o p.npz --scheduler local", "--scheduler"),
    "shards and their folder": (f"{EVAL} --shards 2 --shard-folder parts", "--shard-folder"),
    "a table in another rendering": (f"{EVAL} --accumulation circle --format html", "text, json, markdown or csv"),
    "a match table of no kind": (f"{EVAL} --matches m.txt", "m.txt: match tables are written as .csv or .parquet"),
    "a fix and a baseline": (f"check {DATA} --fix -o f --baseline b.json", "--baseline does not go with --fix"),
    "a fix and predictions": (f"check {DATA} --fix -o f --predictions {FOUND}", "--predictions does not go with --fix"),
    "a format of no copy": (f"check {DATA} --to coco", "--to goes with --fix only"),
    "images of no copy": (f"check {DATA} --place-images link", "--place-images goes with --fix only"),
    "images in place": (f"check {DATA} --fix --in-place --place-images link", "--place-images"),
    "an undoing and a report": ("check bundle.zip --undo --report json=x.json", "--undo goes alone"),
    "a join and a source": (f"tile {DATA} tiles --join {FOUND} --index x.csv -o y.json", "--join"),
    "decoding with anchors": (
        "targets t.npz -o d.json --decode --anchors 10,13",
        "--anchors does not go with --decode",
    ),
    "decoding as a report": ("targets t.npz -o d.json --decode --json", "--json does not go with --decode"),
    "a format of targets": (f"targets {DATA} -o t.npz --anchors 10,13 --to yolo", "--to goes with --decode only"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused(case: str, tmp_path: Path) -> None:
    line, said = REFUSED[case]
    done = run(line.split(), tmp_path)
    assert (done.code, done.stdout) == (2, "")
    assert said in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_classes_name_numbers_in_every_command(tmp_path: Path) -> None:
    """`--classes FILE` of `filter` is the list of names that it is everywhere else."""
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text("0 0.5 0.5 0.2 0.2\n1 0.5 0.5 0.4 0.4\n")
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    done = run(["filter", "labels", "out.json", "--from", "yolo", "--to", "coco", "--classes", "classes.txt"], tmp_path)
    assert "unknown class" not in done.stderr


@pytest.mark.parametrize(
    "line", [f"eval {TRUTH} {FOUND} --classes ,", f"filter {DATA} f --classes ,", f"check {DATA} --select ,"]
)
def test_an_empty_list_names_its_option(line: str, tmp_path: Path) -> None:
    done = run(line.split(), tmp_path)
    assert done.code == 2
    assert f"{line.split()[-2]}: found `,`" in done.stderr


def test_merged_parts_say_their_verdict(tmp_path: Path) -> None:
    """Where the result goes to a file, the verdict is told as `eval` tells it."""
    for part in ("1", "2"):
        assert run([*EVAL.split(), "--shard", f"{part}/2", "-o", f"{part}.npz"], tmp_path).code == 0
    judged = ["--require", "AP>=0.99", "--format", "json", "-o"]
    one = run([*EVAL.split(), *judged, "one.json"], tmp_path)
    parts = run(["merge-results", "1.npz", "2.npz", *judged, "parts.json"], tmp_path)
    assert (one.code, parts.code) == (1, 1)
    assert (
        [line for line in parts.stderr.splitlines() if "verdict" in line]
        == [line for line in one.stderr.splitlines() if "verdict" in line]
        != []
    )
