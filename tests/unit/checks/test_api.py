"""Selections, severities, baselines, limits, caches, places, and sources that cannot be read."""

from __future__ import annotations

import dataclasses
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import detkit
from detkit import checks
from detkit.api.checking import check_settings
from detkit.caches import cache_folder
from detkit.checks._headers import Headers
from detkit.errors import InputError, UsageError
from detkit.tables import Categories, Dataset, Images, Shapes, Source
from naive import iou

ROOT = Path(__file__).resolve().parents[3]
CASES = ROOT / "fixtures" / "checks"
QUIET = detkit.CheckSettings(cache=False, jobs=1)
BCCD = ROOT / ".." / "shared" / "data" / "bccd"
COCO51 = ROOT / ".." / "shared" / "data" / "coco51" / "instances.json"


def table(boxes: Any, classes: Any = None, size: tuple[float, float] = (100, 80), names: str = "cat dog") -> Dataset:
    """Boxes of one image."""
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    images = Images(np.array([1]), ("a.png",), np.array([size]))
    return Dataset.build(
        images,
        Categories.from_names(names.split()),
        image_index=np.zeros(len(boxes), np.int64),
        category_index=np.zeros(len(boxes), np.int64) if classes is None else classes,
        xywh=boxes,
        source=Source("a.json", "coco", ""),
    )


def codes(dataset: Dataset, *wanted: str) -> list[str]:
    return [f.code for f in checks.run(dataset, checks.Context(dataset), wanted or None)]


# --- which codes


def test_a_longer_beginning_decides() -> None:
    assert checks.select(["DK2"], ["DK203"]) == {c for c in checks.codes() if c[:3] == "DK2" and c != "DK203"}
    assert checks.select(["DK203"], ["DK2"]) == {"DK203"}
    assert checks.select(["partly-outside"], None) == {"DK203"}
    assert checks.select(None, None) == set(checks.codes())
    with pytest.raises(UsageError, match="`DK999` is no check"):
        checks.select(["DK999"], None)


def test_severities_of_the_settings_count() -> None:
    source = CASES / "DK203" / "instances.json"
    plain = detkit.check(source, QUIET)
    assert plain.totals() == {"error": 0, "warning": 1, "info": 0}
    assert (plain.failed(), plain.failed(strict=True)) == (False, True)
    harder = dataclasses.replace(QUIET, severity={"DK2": "info", "DK203": "error"})
    found = detkit.check(source, harder)
    assert found.failed()
    assert found.to_dict()["findings"][0]["severity"] == "error"
    with pytest.raises(UsageError, match="found `bad`"):
        detkit.check(source, dataclasses.replace(QUIET, severity={"DK203": "bad"}))  # type: ignore[dict-item]


@pytest.mark.parametrize("name", ["detkit.toml", "pyproject.toml"])
def test_settings_come_from_the_nearest_file(name: str, tmp_path: Path) -> None:
    head = "[tool.detkit.check" if name == "pyproject.toml" else "[check"
    text = f'{head}]\nignore = ["DK3"]\nselect = ["DK2", "DK3"]\n{head}.severity]\nDK203 = "error"\n'
    (tmp_path / name).write_text(text)
    below = tmp_path / "below"
    below.mkdir()
    found = check_settings(below, select=None, jobs=2)
    assert (found.select, found.ignore, found.jobs) == (("DK2", "DK3"), ("DK3",), 2)
    assert found.severity == {"DK203": "error"}
    assert check_settings(below, select=("DK5",)).select == ("DK5",)


@pytest.mark.parametrize("line", ["sellect = []", 'select = "DK2"', "severity = { DK2 = 1 }"])
def test_settings_that_are_none_are_refused(line: str, tmp_path: Path) -> None:
    (tmp_path / "detkit.toml").write_text(f"[check]\n{line}\n")
    with pytest.raises(InputError, match="check"):
        check_settings(tmp_path)


# --- geometry by arithmetic


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ([10, 10, 20, 20], []),
        ([80, 60, 20, 20], []),  # up to the edge, not over it
        ([80.01, 60, 20, 20], []),  # COCO's two decimals
        ([80.02, 60, 20, 20], ["DK203"]),
        ([-0.02, 60, 20, 20], ["DK203"]),
        ([100, 10, 20, 20], ["DK202"]),
        ([10, -20, 20, 20], ["DK202"]),
        ([10, 10, -5, 20], ["DK201"]),
        ([10, 10, 1, 20], ["DK204"]),
        ([10, 10, 1.01, 20], ["DK207"]),
        ([10, 10, 3, 60], []),  # exactly 20 times
        ([10, 10, 3, 60.1], ["DK209"]),
        ([0, 0, 100, 79.2], ["DK208"]),  # exactly 99 %
        ([0, 0, 100, 79.1], []),
        ([0, 0, 0.5, 0.5], ["DK210"]),
        ([0, 0, 1, 1], ["DK204"]),  # one whole pixel is no share
        ([1e308, 1e308, 1e308, 1e308], ["DK202"]),
    ],
)
def test_limits_of_a_box(box: list[float], expected: list[str]) -> None:
    with np.errstate(over="ignore"):
        dataset = table([box, [20, 30, 40, 20]])
        assert [c for c in codes(dataset) if c[:3] == "DK2"] == expected


def test_corners_need_every_box_to_agree() -> None:
    corners = [[30, 20, 80, 70], [50, 40, 90, 79], [60, 20, 99, 70]]
    assert codes(table(corners), "DK203", "DK211") == ["DK211"]
    assert codes(table([*corners, [50, 40, 20, 20]]), "DK203", "DK211") == ["DK203"] * 3


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    st.lists(
        st.tuples(*(st.integers(0, 12) for _ in range(2)), *(st.integers(20, 24) for _ in range(2)), st.integers(0, 1)),
        max_size=12,
    )
)
def test_repeated_boxes_as_a_naive_reading_has_them(rows: list[tuple[int, int, int, int, int]]) -> None:
    """Pair by pair in plain Python."""
    boxes, classes = [r[:4] for r in rows], [r[4] for r in rows]
    same, near, other = set(), set(), set()
    for j in range(len(rows)):
        if rows[j] in rows[:j]:
            same.add(j)
    for j in set(range(len(rows))) - same:
        for i in set(range(j)) - same:
            overlap = iou(boxes[i], boxes[j], False)
            if overlap > 0.9 and classes[i] == classes[j]:
                near.add(j)
            elif overlap > 0.95 and classes[i] != classes[j]:
                other.add(j)
    dataset = table(boxes, classes)
    found = checks.run(dataset, checks.Context(dataset), ("DK501", "DK503", "DK504"))
    place = {
        code: {int(f.annotation or 0) - 1 for f in found if f.code == code} for code in ("DK501", "DK503", "DK504")
    }
    assert place == {"DK501": same, "DK503": near, "DK504": other - near}


# --- places


def test_lines_count_blank_and_unusable_rows(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(CASES / "DK207", tmp_path / "set"))
    (folder / "expect.json").unlink()
    text = "\n0 0.5 0.5 0.2 0.2\n7 0.5 0.5 0.1 0.1\n\n1 0.98 0.5 0.2 0.2\n0 0.1 nonsense\n1 0.2 1.3 0.1 0.1\n"
    (folder / "labels" / "train" / "b.txt").write_text(text)
    found = detkit.check(folder, dataclasses.replace(QUIET, select=("DK2", "DK1", "DK301")))
    assert [(f.code, f.line) for f in found.findings] == [("DK102", 6), ("DK202", 7), ("DK203", 5), ("DK301", 3)]
    assert "Ultralytics" not in found.findings[2].message  # its centre is inside: only the corner is not


def test_objects_of_xml_are_found_by_line(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(CASES / "DK204", tmp_path / "set"))
    xml = folder / "Annotations" / "a.xml"
    broken = "<object>\n<name>cat</name></object>\n"
    xml.write_text(xml.read_text().replace("<object>", broken + "<object>", 1))
    found = {f.code: f for f in detkit.check(folder, QUIET).findings}
    assert (found["DK204"].line, found["DK204"].annotation) == (6, 1)
    assert found["DK102"].annotation == 0


def test_findings_beyond_the_limit_are_counted() -> None:
    boxes = [[10 + i, 10, 0, 5] for i in range(7)]
    dataset = table(boxes)
    found = checks.run(dataset, checks.Context(dataset, limit=3), ("DK201",))
    assert [f.count for f in found] == [1, 1, 1, 4]


# --- baseline


def test_only_what_is_new_counts(tmp_path: Path) -> None:
    source = Path(shutil.copytree(CASES / "DK203", tmp_path / "set")) / "instances.json"
    before = detkit.check(source, QUIET).to_dict()
    again = detkit.check(source, QUIET, baseline=before)
    assert (again.findings, again.known, again.gone) == ((), 1, 0)
    content = json.loads(source.read_text())
    content["annotations"].insert(0, {**content["annotations"][-1], "id": 77, "bbox": [41, 2, 14, 5]})
    source.write_text(json.dumps(content))
    moved = Path(shutil.move(source.parent, tmp_path / "elsewhere"))  # a baseline holds in another checkout
    new = detkit.check(moved / "instances.json", QUIET, baseline=before)
    assert [(f.code, f.annotation) for f in new.findings] == [("DK203", 77)]
    assert new.known == 1
    gone = detkit.check(CASES / "DK112" / "instances.json", QUIET, baseline=before)
    assert gone.gone == 1


def test_a_baseline_must_be_whole(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no result of `detkit check`"):
        detkit.check(CASES / "DK203", QUIET, baseline={"schema": "detkit.evaluation/1"})
    many = table([[10 + i, 10, 0, 5] for i in range(7)])
    part = detkit.check(many, dataclasses.replace(QUIET, limit=2)).to_dict()
    with pytest.raises(UsageError, match="only a part"):
        detkit.check(many, QUIET, baseline=part)


# --- sources that are odd


def test_nan_is_a_finding(tmp_path: Path) -> None:
    source = Path(shutil.copytree(CASES / "DK203", tmp_path / "set")) / "instances.json"
    source.write_text(source.read_text().replace("[40,2,14,5]", "[NaN,2,14,5]"))
    found = detkit.check(source, QUIET)
    assert list(found.counts()) == ["DK102", "DK106"]
    json.loads(json.dumps(found.to_dict(), allow_nan=False))


def test_what_cannot_be_read_is_a_result(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text('{"images": [')
    found = detkit.check(tmp_path / "broken.json", QUIET)
    assert (found.is_readable, list(found.counts()), found.failed()) == (False, ["DK101"], True)
    with pytest.raises(InputError, match="no such file"):
        detkit.check(tmp_path / "absent.json", QUIET)
    with pytest.raises(InputError, match="no such folder of images"):
        detkit.check(CASES / "DK203" / "instances.json", QUIET, images_dir=tmp_path / "absent")


def test_an_archive_is_checked_as_a_folder(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for path in sorted((CASES / "DK203").rglob("*.*")):
            if path.name != "expect.json":
                archive.write(path, path.relative_to(CASES / "DK203").as_posix())
    found = detkit.check(tmp_path / "set.zip", QUIET)
    assert list(found.counts()) in (["DK203"], ["DK112", "DK203"])
    assert all((f.file or "").startswith(str(tmp_path / "set.zip")) for f in found.findings)


def test_sizes_unknown_and_nothing_at_all() -> None:
    assert codes(table([[10, 10, 20, 20]], size=(np.nan, np.nan)), "DK202", "DK203", "DK208") == []
    empty = table([])
    assert "DK602" in codes(empty)
    nothing = dataclasses.replace(empty, images=empty.images.take(np.array([], np.int64)))
    assert codes(nothing, "DK602", "DK112") == []


# --- image headers


def test_headers_are_remembered_until_the_file_changes(tmp_path: Path) -> None:
    from PIL import Image

    paths = [str(tmp_path / f"{i}.png") for i in range(220)]
    for i, path in enumerate(paths):
        Image.new("RGB", (20 + i % 7, 12)).save(path)
    store = tmp_path / "cache"
    first = Headers(store).of(paths, jobs=2)
    (file,) = store.iterdir()
    kept = json.loads(file.read_text())
    kept["headers"][paths[0]][4] = 999  # the width: what is remembered is believed
    file.write_text(json.dumps(kept))
    second = Headers(store).of(paths, jobs=2)
    assert second[0] is not None
    assert second[0].width == 999
    assert second[1:] == first[1:]
    Image.new("RGB", (33, 44)).save(paths[0])
    assert (Headers(store).of(paths)[0] or second[0]).displayed == (33, 44)
    file.write_text("{")
    assert Headers(store).of(paths)[1] == first[1]
    assert Headers(Path("/proc/nowhere")).of(paths)[1] == first[1]  # no cache where none can be written


def test_the_cache_is_where_the_platform_has_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DETKIT_CACHE_DIR", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("DETKIT_CACHE_DIR")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "detkit"


def test_pixels_are_decoded_only_when_asked(tmp_path: Path) -> None:
    source = Path(shutil.copytree(CASES / "DK411", tmp_path / "set")) / "instances.json"
    assert detkit.check(source, QUIET).counts() == {}
    assert detkit.check(source, dataclasses.replace(QUIET, decode=True)).counts() == {"DK411": 1}


# --- real data, looked at by eye


@pytest.mark.skipif(not BCCD.is_dir(), reason="the bccd images are not beside the checkout")
def test_bccd_has_double_boxes_and_two_points() -> None:
    found = detkit.check(BCCD, QUIET)
    assert found.counts() == {"DK204": 2, "DK503": 7}
    points = [(Path(f.file or "").stem[-5:], f.annotation) for f in found.findings if f.code == "DK204"]
    assert points == [("00338", 12), ("00343", 3)]
    dataset = detkit.read(BCCD)
    mended = checks.mend(dataset, checks.Context(dataset), unsafe=True)
    assert len(mended.dataset.annotations) == len(dataset.annotations) - 7


@pytest.mark.skipif(not COCO51.is_file(), reason="the coco51 images are not beside the checkout")
def test_coco51_is_clean() -> None:
    found = detkit.check(COCO51, QUIET)
    assert found.totals() == {"error": 0, "warning": 0, "info": 20}
    assert found.counts() == {"DK207": 1, "DK208": 2, "DK306": 16, "DK307": 1}


def test_the_later_of_two_equal_ids_is_the_one_that_stands_later_in_the_file() -> None:
    images = Images(np.array([1, 2]), ("a.png", "b.png"), np.array([(50, 50)] * 2))
    dataset = Dataset.build(
        images,
        Categories.from_names(["cat"]),
        image_index=[1, 0],  # the first row of the file is on the second image
        category_index=[0, 0],
        xywh=[[1, 1, 9, 9], [2, 2, 9, 9]],
        ids=np.array([5, 5]),
        source=Source("a.json", "coco", ""),
    )
    (found,) = checks.run(dataset, checks.Context(dataset), ("DK103",))
    assert found.image == "a.png"
    mended = checks.mend(dataset, checks.Context(dataset), ("DK103",)).dataset
    assert mended.annotations.ids.tolist() == [5 + 1, 5]


def test_an_outline_in_shares_is_turned_into_pixels_with_its_box() -> None:
    rows = [[10, 10, 40, 40], [0.25, 0.5, 0.5, 0.25], [0.25, 0.5, 0.5, 0.25]]
    outlines = [None, [[0.25, 0.5, 0.75, 0.5, 0.75, 0.75, 0.25, 0.75]], [[25, 40, 75, 40, 75, 60, 25, 60]]]
    dataset = table(rows)
    dataset = dataclasses.replace(
        dataset, annotations=dataclasses.replace(dataset.annotations, shapes=Shapes.from_rows(outlines))
    )
    mended = checks.mend(dataset, checks.Context(dataset), ["DK210"], unsafe=True).dataset.annotations
    assert mended.xywh.tolist() == [[10, 10, 40, 40], [25, 40, 50, 20], [25, 40, 50, 20]]
    assert mended.shapes is not None
    corners = [[25, 40], [75, 40], [75, 60], [25, 60]]
    assert [points.tolist() for n in (1, 2) for points in mended.shapes.polygons(n)] == [corners, corners]


def test_a_class_name_of_blanks_alone_is_not_emptied() -> None:
    dataset = dataclasses.replace(table([[0, 0, 9, 9]]), categories=Categories.from_names(["   ", " cat"]))
    mended = checks.mend(dataset, checks.Context(dataset), ["DK309"])
    assert mended.dataset.categories.names == ("   ", "cat")
