"""`detkit tile`: cut, read again, predict, join, score."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import detkit
from cli._run import DEMO, run, tree


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(DEMO, tmp_path_factory.mktemp("tile") / "demo"))


@pytest.mark.parametrize("to", ["coco", "yolo", "voc"])
def test_tiles_of_every_format_read_back_and_join(demo, tmp_path, to):
    done = run(
        ["tile", demo / "data.yaml", tmp_path / "tiles", "--size", "96", "--overlap", "0.4", "--to", to, "--json"],
        tmp_path,
    )
    assert done.code == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["schema"] == "detkit.tile/1"
    assert (report["source_images"], report["source_boxes"]) == (60, 224)
    folder = tmp_path / "tiles"
    tiles = detkit.read(folder) if to != "coco" else detkit.read(folder, format="coco")
    assert (len(tiles.images), len(tiles.annotations)) == (report["images"], report["boxes"])
    assert all(path is not None for path in tiles.images.paths)
    assert set(tiles.splits) == {"train", "val"}

    rows = tiles.annotations
    found = detkit.Detections.build(
        tiles.images,
        tiles.categories,
        image_index=rows.image_index,
        category_index=rows.category_index,
        xywh=rows.xywh,
        score=[1.0] * len(rows),
    )
    detkit.write(found, tmp_path / "found.json", format="coco")
    # Whoever writes predictions on tiles may name them by id or by file name; here as the reader does.
    done = run(["tile", "--join", tmp_path / "found.json", "--index", folder, "-o", tmp_path / "joined.json"], tmp_path)
    assert done.code == 0, done.stderr
    truth = detkit.read(demo / "data.yaml")
    result = detkit.evaluate(truth, detkit.read(tmp_path / "joined.json", kind="detections"))
    # Objects under 32 x 32 are whole in some tile (the overlap is 38): all of them are back in their place.
    assert result.metrics["ARsmall"] > 0.99


def test_same_seed_same_bytes_whatever_the_threads(demo, tmp_path):
    for jobs in (1, 3):
        done = run(
            ["tile", demo / "data.yaml", tmp_path / str(jobs), "--size", "96", "--empty", "0.3", "--jobs", str(jobs)],
            tmp_path,
        )
        assert done.code == 0, done.stderr
    names = tree(tmp_path / "1")
    assert names == tree(tmp_path / "3")
    for name in names:
        if (tmp_path / "1" / name).is_file():
            assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "3" / name).read_bytes(), name


def test_labels_alone_and_dry_runs(demo, tmp_path):
    source = demo / "coco" / "instances_val.json"
    done = run(["tile", source, "tiles", "--size", "96", "--dry-run"], tmp_path)
    assert (done.code, tree(tmp_path)) == (0, set())
    assert "would write tiles (coco)" in done.stderr
    done = run(["tile", source, "tiles.json", "--size", "96", "--place-images", "leave"], tmp_path)
    assert done.code == 0, done.stderr
    assert tree(tmp_path) == {"tiles.json", "tiles-tiles.csv"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["data.yaml"], "expected SOURCE and TARGET"),
        (["data.yaml", "out", "--size", "x"], "--size: found `x`"),
        (["data.yaml", "out", "--overlap", "1"], "overlap: found 1"),
        (["data.yaml", "out", "--below", "x"], "--below: found `x`"),
        (["data.yaml", "out", "--empty", "some"], "--empty: found `some`"),
        (["data.yaml", "out.json", "--to", "coco"], "one file has no room for tiles"),
        (["data.yaml", "."], "holds it"),
        (["voc", "out"], "no image file was found"),
        (["--join", "predictions/coco.json"], "--join needs --index and -o"),
        (["--join", "predictions/coco.json", "--index", "data.yaml", "-o", "x.json"], "not an index of tiles"),
        (["--join", "predictions/coco.json", "--index", "gone", "-o", "x.json"], "no such file"),
    ],
)
def test_bad_requests(demo, arguments, message):
    before = tree(demo)
    done = run(["tile", *arguments], demo)
    assert done.code == 2, done.stderr
    assert message in done.stderr
    assert tree(demo) == before
