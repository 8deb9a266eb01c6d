"""Files that people write or damage, and names they choose: refused with the file and the place, before the work."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detkit import api
from detkit.api import _cluster_sheet, _gallery, tiling
from detkit.api.comparing import group_images
from detkit.api.explaining import load_matches
from detkit.errors import InputError, UsageError
from detkit.tables import Categories, Dataset, Images

DEMO = Path(__file__).resolve().parents[2] / "fixtures" / "demo"
TRUTH, FOUND = DEMO / "coco" / "instances_val.json", DEMO / "predictions" / "coco.json"
#: A field longer than the reader of CSV takes.
ENDLESS = "a" * 200_000


@pytest.mark.parametrize("text", [f"{ENDLESS},b\n", "a\n", "a,b,c\n"])
def test_a_csv_of_pairs_is_refused_alike_wherever_it_is_read(tmp_path: Path, text: str) -> None:
    pairs = tmp_path / "pairs.csv"
    pairs.write_text(text)
    result = api.evaluate(TRUTH, FOUND)
    for read in (
        lambda: group_images(result, pairs),
        lambda: api.split(TRUTH, tmp_path / "out", groups=[pairs]),
        lambda: api.remap(TRUTH, tmp_path / "out", pairs),
    ):
        with pytest.raises(InputError, match=r"pairs\.csv: (not a CSV text|row 1: has \d columns?, expected)"):
            read()


def test_an_image_of_no_group_has_none() -> None:
    result = api.evaluate(TRUTH, FOUND)
    names = result.truth.images.file_names
    with pytest.raises(UsageError, match=rf"1 of {len(names)} images have no group: `{names[0]}`"):
        group_images(result, {name: None if n == 0 else "a" for n, name in enumerate(names)})


def test_a_short_row_of_a_tile_index_is_named(tmp_path: Path) -> None:
    columns = [name for name in tiling._COLUMNS if name != "tile"]
    index = tmp_path / tiling.INDEX_NAME
    index.write_text(f"{','.join([*columns, 'tile'])}\n1,a.jpg,1,0,0,5,5,9,9\n")
    with pytest.raises(InputError, match="line 2: "):
        api.read_tile_index(index)


def test_damaged_matches_are_named(tmp_path: Path) -> None:
    target = tmp_path / "m.npz"
    api.save_matches(api.evaluate(TRUTH, FOUND), target)
    content = bytearray(target.read_bytes())
    for at in range(60, 200, 7):  # inside the first compressed column: its checksum is not reached
        content[at] ^= 0xFF
    target.write_bytes(content)
    with pytest.raises(InputError, match=r"m\.npz: not saved matches"):
        load_matches(target)


@pytest.mark.parametrize("name", ["look.gif", "look"])
def test_a_sheet_of_another_kind_is_refused_before_the_work(tmp_path: Path, name: str) -> None:
    steps: list[int] = []
    told = {"progress": lambda done, total: steps.append(done)}
    sheet = tmp_path / name
    with pytest.raises(UsageError, match=rf"{name}: a sheet is one image"):
        api.dedupe(DEMO / "data.yaml", None, sheet=sheet, **told)
    with pytest.raises(UsageError, match=rf"{name}: a sheet is one image"):
        api.augment(DEMO / "data.yaml", tmp_path / "out", preview=sheet, **told)
    assert (steps, list(tmp_path.iterdir())) == ([], [])


def test_sources_have_names_of_their_own(tmp_path: Path) -> None:
    """The third `x` is not called as the second source is."""
    for folder in ("a", "b", "c"):
        (tmp_path / folder).mkdir()
    paths = [tmp_path / name for name in ("a/x.json", "b/x-3.json", "c/x.json")]
    for path in paths:
        shutil.copyfile(TRUTH, path)
    api.merge(paths, tmp_path / "all.json", to="coco")
    names = api.read(tmp_path / "all.json").images.file_names
    assert len(set(names)) == len(names) == 3 * len(api.read(TRUTH).images)


def test_a_sheet_says_how_many_copies_it_does_not_show(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for n in range(8):
        Image.new("RGB", (32, 32), "red").save(tmp_path / f"{n}.png")
    found = api.dedupe(_dataset(tmp_path), None, api.DedupeSettings("exact"))
    assert [len(cluster["images"]) for cluster in found.details["clusters"]] == [8]
    said: list[str] = []
    real = _cluster_sheet.with_strip

    def heard(image: Image.Image, words: list[tuple[str, object]], *rest: object) -> Image.Image:
        said.extend(word for word, _ in words)
        return real(image, words, *rest)

    monkeypatch.setattr(_cluster_sheet, "with_strip", heard)
    api.dedupe(_dataset(tmp_path), None, api.DedupeSettings("exact"), sheet=tmp_path / "s.png")
    assert said.count("+2 more") == 1


def _dataset(folder: Path) -> Dataset:
    paths = tuple(str(path) for path in sorted(folder.glob("[0-9].png")))
    images = Images(np.arange(1, 9), tuple(Path(p).name for p in paths), np.full((8, 2), 32.0), paths)
    nothing = np.empty(0, np.int64)
    return Dataset.build(
        images, Categories.from_names(["a"]), image_index=nothing, category_index=nothing, xywh=np.empty((0, 4))
    )


def test_a_picture_that_no_plugin_can_read_is_left_out_of_the_page(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Damaged files make Pillow raise nearly anything: the page is written without the picture."""
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image.Image, "convert", lambda *given, **more: (_ for _ in ()).throw(SyntaxError("broken")))
    assert _gallery._load(str(tmp_path / "a.png"), None, 8) is None
