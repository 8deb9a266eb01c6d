"""`detkit remap`: maps from the command line and from files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import detkit
from cli._run import DEMO, run, tree


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DEMO, tmp_path / "demo"))


@pytest.mark.parametrize("kind", ["text", "json", "yaml", "csv"])
def test_maps(demo: Path, kind: str) -> None:
    given = "square=box,triangle=box,star="
    path = demo / f"map.{kind}"
    if kind == "csv":
        path.write_text("square,box\ntriangle,box\nstar,\n")
    elif kind != "text":
        path.write_text('{"square": "box", "triangle": "box", "star": null}')
    done = run(["remap", "data.yaml", "out", "--map", given if kind == "text" else path.name, "--json"], demo)
    assert done.code == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["schema"] == "detkit.remap/1"
    assert (found["renamed"], found["joined"], found["dropped"]) == (2, 1, 1)
    before, after = detkit.read(demo / "data.yaml"), detkit.read(demo / "out")
    assert after.categories.names == ("circle", "box")
    classes = before.annotations.category_index
    assert (after.annotations.category_index == 1).sum() == ((classes == 1) | (classes == 2)).sum()
    assert len(after.annotations) == (classes != 3).sum()
    assert {n: len(m) for n, m in after.splits.items()} == {"train": 40, "val": 20}


def test_drop_order_and_case(demo: Path) -> None:
    arguments = ["--drop", "circle", "--order", "STAR,TRIANGLE", "--case", "upper"]
    assert run(["remap", "data.yaml", "out", *arguments, "--map", "square=Box"], demo).code == 0
    assert detkit.read(demo / "out").categories.names == ("STAR", "TRIANGLE", "BOX")


def test_what_is_refused(demo: Path) -> None:
    (demo / "bad.json").write_text('{"square": ["a"]}')
    (demo / "bad.csv").write_text("square\n")
    before = tree(demo)
    for arguments, told in (
        (["--map", "sqare=box"], "hint: did you mean `square`"),
        (["--map", "square"], "no file and no `old=new`"),
        (["--map", "square=a,square=b"], "named twice"),
        (["--map", "bad.json"], "`square`: expected old name -> new name"),
        (["--map", "bad.csv"], "row 1: has 1 column,"),
        (["--coco", "80to90"], "expected 80to91 or 91to80"),
        (["--order", "size"], "unknown class `size`"),
        ([], "nothing to change"),
    ):
        done = run(["remap", "data.yaml", "out", *arguments], demo)
        assert done.code == 2, arguments
        assert told in done.stderr, done.stderr
    assert tree(demo) == before
