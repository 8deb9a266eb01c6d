"""`detkit split`: what is written in each format, folds, lists, groups from files, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import detkit
from cli._run import DEMO, run, tree


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DEMO, tmp_path / "demo"))


def report(folder: Path, *arguments: Any, code: int = 0) -> dict[str, Any]:
    done = run(["split", *arguments, "--json"], folder)
    assert done.code == code, done.stderr
    return dict(json.loads(done.stdout))


def members(path: Path) -> dict[str, set[str]]:
    dataset = detkit.read(path)
    return {name: {dataset.images.file_names[i] for i in m.tolist()} for name, m in dataset.splits.items()}


@pytest.mark.parametrize("to", ["yolo", "voc", "coco"])
def test_written_splits_are_read_back(demo: Path, to: str) -> None:
    found = report(demo, "data.yaml", "parts", "--to", to, "--ratios", "0.7,0.2,0.1")
    assert found["schema"] == "detkit.split/1"
    assert [(s["name"], s["images"]) for s in found["splits"]] == [("train", 42), ("val", 12), ("test", 6)]
    back = members(demo / "parts")
    assert {name: len(m) for name, m in back.items()} == {"train": 42, "val": 12, "test": 6}
    assert len(set.union(*back.values())) == 60
    assert found["leaks"] == {"groups": 0, "files": 0}
    assert all(s["distance"] < s["random_distance"] for s in found["splits"])


def test_the_table_fits_and_the_same_seed_gives_the_same_bytes(demo: Path) -> None:
    outputs = []
    for name in ("one", "two"):
        done = run(["split", "data.yaml", name, "--seed", "7"], demo)
        assert done.code == 0, done.stderr
        outputs.append(done.stdout)
        assert all(len(line) <= 80 for line in done.stdout.splitlines())
        assert "at random" in done.stdout
        assert f"wrote {name} (yolo): 60 images, 224 boxes" in done.stderr
    assert outputs[0] == outputs[1]
    files = sorted(tree(demo / "one"))
    assert files == sorted(tree(demo / "two"))
    for file in files:
        if (demo / "one" / file).is_file():
            assert (demo / "one" / file).read_bytes() == (demo / "two" / file).read_bytes(), file
    assert members(demo / "one") != members(Path(report(demo, "data.yaml", str(demo / "three"))["target"]))


def test_stable_splits_stay_when_images_are_added(demo: Path) -> None:
    assert run(["sample", "data.yaml", "fewer", "-n", "54"], demo).code == 0
    report(demo, "fewer", "a", "--stable")
    report(demo, "data.yaml", "b", "--stable")
    old, new = members(demo / "a"), members(demo / "b")
    assert sum(map(len, old.values())) == 54
    assert {name: new[name] & set.union(*old.values()) for name in old} == old


def test_an_earlier_split_is_kept(demo: Path) -> None:
    report(demo, "coco/instances_train.json", "first", "--to", "coco")
    old = members(demo / "first")
    found = report(demo, "data.yaml", "second", "--keep", "first")
    new = members(demo / "second")
    assert {name: new[name] & set.union(*old.values()) for name in old} == old
    assert {name: len(m) for name, m in new.items()} == {"train": 48, "val": 12}
    assert found["method"]["kept"] == 40
    run(["split", "coco/instances_train.json", "lists", "--list", "names"], demo)
    again = report(demo, "data.yaml", "third", "--keep", "lists")
    assert again["method"]["kept"] == 40
    assert members(demo / "third") == new


def test_lists_of_names_and_paths(demo: Path) -> None:
    assert run(["split", "data.yaml", "lists", "--list", "names"], demo).code == 0
    assert tree(demo / "lists") == {"train.txt", "val.txt", "detkit.json"}
    names = (demo / "lists" / "train.txt").read_text().splitlines()
    assert len(names) == 48
    assert all(name.startswith("shape_") for name in names)
    assert run(["split", "data.yaml", "lists", "--list", "paths", "--overwrite", "--folds", "3"], demo).code == 0
    parts = {f"fold{n}/{name}.txt" for n in range(3) for name in ("train", "val")}
    assert tree(demo / "lists") == {*parts, "fold0", "fold1", "fold2", "detkit.json"}
    every = [(demo / "lists" / part).read_text().splitlines() for part in sorted(parts)]
    assert all(Path(line).is_file() for lines in every for line in lines)
    assert sorted(line for lines in every[1::2] for line in lines) == sorted(
        {line for lines in every for line in lines}
    )


def test_folds_as_splits_and_as_folders(demo: Path) -> None:
    found = report(demo, "data.yaml", "folds", "--folds", "4")
    assert {name: len(m) for name, m in members(demo / "folds").items()} == {f"fold{n}": 15 for n in range(4)}
    assert found["folds"] == 4
    assert run(["split", "data.yaml", "each", "--folds", "4", "--fold-folders"], demo).code == 0
    vals = [members(demo / "each" / f"fold{n}") for n in range(4)]
    assert [{name: len(m) for name, m in v.items()} for v in vals] == [{"train": 45, "val": 15}] * 4
    assert len(set.union(*(v["val"] for v in vals))) == 60
    assert run(["split", "data.yaml", "each", "--folds", "4", "--fold-folders"], demo).code == 2
    assert run(["split", "data.yaml", "each", "--folds", "2", "--fold-folders", "--overwrite"], demo).code == 0
    assert {p.name for p in (demo / "each").iterdir()} == {"fold0", "fold1", "detkit.json"}


GROUPS = {f"shape_{n:03d}.jpg": f"scene {n % 7}" for n in range(60)}


@pytest.mark.parametrize("kind", ["json", "csv", "yaml", "clusters", "records"])
def test_groups_from_files(demo: Path, kind: str) -> None:
    scenes = [[name for name, scene in GROUPS.items() if scene == f"scene {k}"] for k in range(7)]
    path = demo / f"groups.{kind if kind in ('csv', 'yaml') else 'json'}"
    if kind == "csv":
        path.write_text("".join(f"{name},{scene}\n" for name, scene in GROUPS.items()))
    elif kind == "clusters":
        path.write_text(json.dumps({"clusters": scenes}))
    elif kind == "records":
        path.write_text(json.dumps([{"images": [{"file_name": name} for name in scene]} for scene in scenes]))
    else:
        path.write_text(json.dumps(GROUPS))
    found = report(demo, "data.yaml", "parts", "--group", path.name)
    assert found["groups"] == {"count": 7, "of_several_images": 7, "largest": 9}
    for scene in scenes:
        assert sum(bool(set(scene) & m) for m in members(demo / "parts").values()) == 1


def test_several_groups_join(demo: Path) -> None:
    found = report(demo, "data.yaml", "parts", "--group", r"shape_(\d)", "--group", r"(\d)\.jpg")
    assert found["groups"]["count"] == 1
    assert any("is empty" in f["message"] for f in found["findings"])


def test_nothing_is_written_on_a_dry_run(demo: Path) -> None:
    before = tree(demo)
    for more in ([], ["--list", "names"], ["--folds", "3", "--fold-folders"]):
        done = run(["split", "data.yaml", "parts", "--dry-run", *more], demo)
        assert done.code == 0, done.stderr
        assert "would write parts" in done.stderr
    assert tree(demo) == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--ratios", "0.5,0.4"], "sum to 0.9, expected 1"),
        (["--ratios", "a=0.5,a=0.5"], "expected `train=0.8,val=0.2`"),
        (["--ratios", "0.1,0.2,0.3,0.4"], "expected `train=0.8,val=0.2`"),
        (["--ratios", "train=much"], "expected `train=0.8,val=0.2`"),
        (["--folds", "1"], "expected 2 or more"),
        (["--folds", "2", "--ratios", "0.5,0.5"], "exclude each other"),
        (["--fold-folders"], "fold folders need --folds"),
        (["--stratify", "area"], "expected boxes, images or none"),
        (["--list", "ids"], "expected names or paths"),
        (["--group", "@weather"], "no image and no box has the attribute `weather`"),
        (["--group", "zebra_(.*)"], "fits none of the 60 file names"),
        (["--group", "bad.csv"], "row 2: has 1 column,"),
        (["--group", "bad.json"], "expected image -> group"),
        (["--keep", "coco/instances_val.json"], "holds no splits to keep"),
        (["--keep", "data.yaml", "--stable"], "needs no earlier one"),
    ],
)
def test_what_is_refused(demo: Path, arguments: list[str], told: str) -> None:
    (demo / "bad.csv").write_text("shape_000.jpg,a\nshape_001.jpg\n")
    (demo / "bad.json").write_text('{"shape_000.jpg": {"a": 1}}')
    before = tree(demo)
    done = run(["split", "data.yaml", "parts", *arguments], demo)
    assert done.code == 2
    assert told in done.stderr
    assert tree(demo) == before


def test_the_columns_of_the_tables_are_explained(demo: Path) -> None:
    lines = run(["split", "data.yaml", "parts"], demo).stdout.splitlines()
    for header in (line for line in lines if line.startswith(("split ", "class "))):
        below = lines[lines.index(header) :]
        told = " ".join(below[: below.index("")] if "" in below else below)
        words = ("absent:", "distance:", "at random:") if header.startswith("split") else ("whole, splits:", "gap:")
        assert all(word in told for word in words)
    assert max(map(len, lines)) <= 80
