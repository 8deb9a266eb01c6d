"""`detkit dedupe`: what it writes, what it says, and that the source stays as it is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from cli._run import DEMO, run
from detkit.files import sha256_of


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The demo with two copies: of a training image at half its size beside it, and of another in val."""
    folder = Path(shutil.copytree(DEMO, tmp_path / "data"))
    first, second = sorted((folder / "images" / "train").iterdir())[:2]
    with Image.open(first) as image:
        small = image.convert("RGB").resize((image.width // 2, image.height // 2))
    small.save(folder / "images" / "train" / "again.png")
    shutil.copy(second, folder / "images" / "val" / "leaked.png")
    return folder


def digest(folder: Path) -> str:
    return sha256_of([p for p in folder.rglob("*") if p.is_file()], root=folder)


def test_copies_are_left_out_and_told(source: Path, tmp_path: Path) -> None:
    before = digest(source)
    extras = ["--report", "json=r.json", "--contact-sheet", "s.png", "--write-groups", "g.json"]
    done = run(["dedupe", "data/data.yaml", "-o", "clean", *extras], tmp_path)
    assert done.code == 0, done.stderr
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["schema"] == "detkit.dedupe/1"
    assert sorted(Path(row["file_name"]).name for row in report["removed"]) == ["again.png", "leaked.png"]
    assert report["leaks"] == 1
    assert {f["code"] for f in report["findings"]} >= {"DK505", "DK506"}
    assert "2 clusters, 1 across splits, 2 left out" in done.stderr
    groups = json.loads((tmp_path / "g.json").read_text())
    assert len(groups) - len(set(groups.values())) == 2
    with Image.open(tmp_path / "s.png") as sheet:
        assert sheet.size[0] > 400
    assert digest(source) == before
    again = run(["dedupe", "clean"], tmp_path)
    assert "0 clusters" in again.stderr


def test_a_list_instead_of_a_dataset(source: Path, tmp_path: Path) -> None:
    done = run(["dedupe", "data/data.yaml", "-o", "copies.txt", "--across-splits"], tmp_path)
    assert done.code == 0, done.stderr
    (line,) = (tmp_path / "copies.txt").read_text().splitlines()
    assert Path(line).name == "leaked.png"


def test_exact_finds_the_same_bytes_only(source: Path, tmp_path: Path) -> None:
    done = run(["dedupe", "data/data.yaml", "--method", "exact", "--json"], tmp_path)
    report = json.loads(done.stdout)
    assert [len(cluster["images"]) for cluster in report["clusters"]] == [2]
    assert report["threshold"] is None
    assert not (tmp_path / "clean").exists()


def test_groups_keep_copies_in_one_split(source: Path, tmp_path: Path) -> None:
    assert run(["dedupe", "data/data.yaml", "--write-groups", "g.json"], tmp_path).code == 0
    done = run(["split", "data/data.yaml", "split", "--group", "g.json", "--json"], tmp_path)
    assert done.code == 0, done.stderr
    assert json.loads(done.stdout)["groups"]["of_several_images"] == 2


def test_two_sources_are_compared_and_merged(source: Path, tmp_path: Path) -> None:
    done = run(["dedupe", "data/data.yaml", str(DEMO / "coco" / "instances_val.json"), "--images",
                str(DEMO / "images"), "-o", "all", "--to", "yolo"], tmp_path)  # fmt: skip
    assert done.code == 0, done.stderr
    again = run(["dedupe", "all", "--json"], tmp_path)
    assert json.loads(again.stdout)["clusters"] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--method", "near"], "expected exact, phash or embedding"),
        (["--keep-copy", "worst"], "expected best, first or all"),
        (["--threshold", "30"], "0 to 24"),
        (["--threshold", "2.5"], "whole number of bits"),
        (["--method", "exact", "--threshold", "3"], "takes no threshold"),
        (["--method", "embedding"], "needs a model"),
        (["--report", "html=x"], "json=PATH"),
    ],
)
def test_requests_that_do_not_fit(arguments: list[str], said: str, tmp_path: Path) -> None:
    shutil.copytree(DEMO, tmp_path / "data")
    done = run(["dedupe", "data/data.yaml", *arguments], tmp_path)
    assert done.code == 2
    assert said in done.stderr
