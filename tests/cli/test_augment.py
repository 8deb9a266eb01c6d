"""`detkit augment`: the bytes it writes, and what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from cli._run import DEMO, run
from detkit.files import sha256_of


def ready() -> None:
    pytest.importorskip("albumentations", reason="the extra `augment` is not installed", exc_type=ImportError)


def digest(folder: Path) -> str:
    return sha256_of([p for p in folder.rglob("*") if p.is_file()], root=folder)


def test_one_two_and_eight_workers_write_the_same_bytes(tmp_path: Path) -> None:
    ready()
    found = set()
    for workers in (1, 2, 8):
        target = tmp_path / str(workers) / "out"
        done = run(["augment", DEMO / "data.yaml", target, "--split", "val", "-n", "2", "--mosaic", "0.3",
                    "--preset", "heavy", "--seed", "4", "--workers", str(workers)], tmp_path)  # fmt: skip
        assert done.code == 0, done.stderr
        found.add(digest(target))
    assert len(found) == 1
    other = tmp_path / "other" / "out"
    run(["augment", DEMO / "data.yaml", other, "--split", "val", "-n", "2", "--mosaic", "0.3", "--preset", "heavy"],
        tmp_path)  # fmt: skip
    assert digest(other) not in found


def test_copies_originals_and_a_preview(tmp_path: Path) -> None:
    ready()
    (tmp_path / "p.yaml").write_text("transforms:\n  - {name: HorizontalFlip, p: 1}\n")
    done = run(["augment", DEMO / "data.yaml", "out", "--pipeline", "p.yaml", "--split", "val", "--keep-originals",
                "--image-format", "png", "--preview", "look.png", "--json"], tmp_path)  # fmt: skip
    assert done.code == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["schema"] == "detkit.augment/1"
    assert report["images"] == 2 * report["source_images"] == 2 * report["copies"]
    assert report["pipeline"] == [{"name": "HorizontalFlip", "p": 1.0, "params": {}}]
    copies = sorted((tmp_path / "out").rglob("*_aug1.png"))
    assert len(copies) == report["copies"]
    (original,) = [p for p in DEMO.rglob(f"{copies[0].stem.removesuffix('_aug1')}.*") if "images" in p.parts]
    with Image.open(copies[0]) as copy, Image.open(original) as before:
        mirrored = before.convert("RGB").transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        assert copy.convert("RGB").tobytes() == mirrored.tobytes()
    with Image.open(tmp_path / "look.png") as sheet:
        assert sheet.size[0] > 400


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--pipeline", "none.yaml"], "is no file and no preset"),
        (["--preset", "strong"], "expected light, standard or heavy"),
        (["--preset", "light", "--pipeline", "x.yaml"], "exclude each other"),
        (["--empty", "some"], "expected keep or drop"),
        (["--image-format", "bmp"], "expected jpg or png"),
    ],
)
def test_requests_that_do_not_fit(arguments: list[str], said: str, tmp_path: Path) -> None:
    done = run(["augment", DEMO / "data.yaml", "out", *arguments], tmp_path)
    assert done.code == 2
    assert said in done.stderr
    assert not (tmp_path / "out").exists()


def test_without_the_library_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "albumentations", None)
    done = run(["augment", DEMO / "data.yaml", "out"], tmp_path)
    assert done.code == 2
    assert 'pip install "detkit[augment]"' in done.stderr


def test_one_file_has_no_room_for_images(tmp_path: Path) -> None:
    ready()
    done = run(["augment", DEMO / "data.yaml", "out.json"], tmp_path)
    assert done.code == 2
    assert "name a folder" in done.stderr
