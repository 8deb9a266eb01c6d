"""From the parts of a run to Parquet: one part at a time, the same bytes however the run was cut into parts."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from detkit import formats
from detkit.api._classes import Classes, classes_of
from detkit.api._finishing import Output, finish, output_of
from detkit.api._sources import Source
from detkit.api.predicting import predict
from detkit.detectors import Pictures, part_folder, start_parts
from detkit.detectors._output import Answer, Parts
from detkit.detectors._rows import Rows
from detkit.errors import InputError, MissingExtraError, UsageError
from detkit.tables import Categories, Detections

pytest.importorskip("pyarrow")

NAMES = tuple(f"{i}.jpg" for i in range(9))
SOURCE = Source(Pictures(NAMES, (__file__,) * 9), None, ())  # a file that is there, and no image
CLASSES = classes_of(("a", "b", "c"), 3, None, None)


def answer(i: int, rows: int = 5, masks: bool = False) -> Answer:
    if i == 4:
        return Answer(None, None, problem="damaged")
    random = np.random.default_rng(i)
    count = 0 if i == 2 else rows
    found = Rows(random.random((count, 4)), random.random(count), random.integers(0, 3, count), np.arange(count))
    outlines = [{"size": [9, 9], "counts": f"{i}{k}".encode()} for k in range(count)] if masks else None
    return Answer((64 + i, 48), found, outlines)


def parts_of(folder: Path, chunk: int, **options: bool) -> Parts:
    parts, _ = start_parts(part_folder(folder / f"x{chunk}"), {}, 9, chunk, resume=False, overwrite=True)
    for number in range(len(parts)):
        parts.write(number, [answer(i, **options) for i in parts.members(number)])  # type: ignore[arg-type]
    return parts


def columns(found: Detections) -> list[list[object]]:
    return [v.tolist() for v in (found.image_index, found.category_index, found.xywh, found.score, found.source_row)]


@pytest.mark.parametrize("masks", [False, True])
def test_streamed_is_what_the_table_is(tmp_path: Path, masks: bool) -> None:
    parts = parts_of(tmp_path, 2, masks=masks)
    table = finish(parts, SOURCE, CLASSES, None, None).detections
    assert table is not None
    for target in (tmp_path / "p.parquet", tmp_path / "shards"):
        done = finish(parts, SOURCE, CLASSES, Output(target, "parquet"), None)
        assert done.detections is None
        assert (done.boxes, done.unreadable) == (7 * 5, 1)
        assert [(f.code, f.image) for f in done.findings] == [("DK404", "4.jpg")]
        back = formats.read_detections(target)
        assert columns(back) == columns(table)
        assert back.images.file_names == NAMES
        assert back.images.sizes[3].tolist() == [67, 48]
        assert np.isnan(back.images.sizes[4]).all()
        assert back.categories.names == ("a", "b", "c")
        if masks:
            assert table.shapes is not None
            assert back.shapes is not None
            assert dict(back.shapes.rle) == dict(table.shapes.rle)


def test_bytes_do_not_depend_on_the_chunks(tmp_path: Path) -> None:
    contents = []
    for chunk in (1, 2, 4, 9):
        target = tmp_path / f"{chunk}.parquet"
        finish(parts_of(tmp_path, chunk), SOURCE, CLASSES, Output(target, "parquet"), None)
        folder = tmp_path / f"shards{chunk}"
        finish(parts_of(tmp_path, chunk), SOURCE, CLASSES, Output(folder, "parquet", shard_rows=12), None)
        contents.append([target.read_bytes(), *(p.read_bytes() for p in sorted(folder.iterdir()))])
    # 5 rows an image, at most 12 rows a shard: 35 rows are 4 shards, and detkit.json.
    assert len(contents[0]) == 1 + 4 + 1
    assert all(content == contents[0] for content in contents[1:])


def test_classes_that_the_truth_lacks_are_left_out_and_counted(tmp_path: Path) -> None:
    parts = parts_of(tmp_path, 4)
    classes = Classes(Categories.from_names(["x", "y"]), np.array([1, -1, 0]))
    table = finish(parts, SOURCE, classes, None, None)
    done = finish(parts, SOURCE, classes, Output(tmp_path / "p.parquet", "parquet"), None)
    assert table.detections is not None
    lost = 35 - len(table.detections)
    assert 0 < lost < 35
    assert done.boxes == len(table.detections)
    assert [f.count for f in done.findings if f.code == "DK702"] == [lost]
    finish(parts, SOURCE, classes, Output(tmp_path / "shards", "parquet", shard_rows=4), None)
    for target in (tmp_path / "p.parquet", tmp_path / "shards"):
        back = formats.read_detections(target)
        assert columns(back)[:4] == columns(table.detections)[:4]
        assert back.findings == ()
    # Each shard has the images of its own rows.
    for part in (tmp_path / "shards").glob("*.parquet"):
        assert [f.code for f in formats.read_detections(part).findings] == ["DK110"]


def test_no_readable_image_is_an_error(tmp_path: Path) -> None:
    parts, _ = start_parts(tmp_path / ".p.part", {}, 1, 1, resume=False, overwrite=False)
    parts.write(0, [answer(4)])
    source = Source(Pictures(("a.jpg",), (None,)), None, ())
    with pytest.raises(InputError, match=r"none of 1 image can be read, first `a\.jpg`: damaged"):
        finish(parts, source, CLASSES, Output(tmp_path / "p.parquet", "parquet"), None)
    assert list(tmp_path.iterdir()) == []


def test_memory_does_not_grow_with_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's and NumPy's share of it: eight times the boxes, the same peak."""
    monkeypatch.setattr("detkit.formats._parquet_write.ROWS", 2000)
    peaks = []
    for rows in (1000, 8000):
        parts = parts_of(tmp_path, 1, rows=rows)  # type: ignore[arg-type]
        parts_rows = 7 * rows
        tracemalloc.start()
        done = finish(parts, SOURCE, CLASSES, Output(tmp_path / f"{rows}.parquet", "parquet"), None)
        peaks.append(tracemalloc.get_traced_memory()[1] / (rows * 64))
        tracemalloc.stop()
        assert done.boxes == parts_rows
    # One chunk of one image, not seven: a few times its own rows.
    assert peaks[1] < 6


@pytest.mark.parametrize(
    ("target", "format", "message"),
    [
        ("p.parquet", None, "`parquet` in one file has no shards"),
        ("p.json", None, "format `coco` has no shards; those that do: parquet"),
        ("folder", None, "the name does not tell the format"),
    ],
)
def test_shards_where_there_are_none(tmp_path: Path, target: str, format: str | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        output_of(tmp_path / target, format, overwrite=False, shard_rows=10)


def test_missing_pyarrow_is_told_before_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingExtraError):
        output_of(tmp_path / "p.parquet", None, overwrite=False, shard_rows=None)


def test_a_run_to_parquet_and_its_table(model: Callable[..., Path], photos: Path, tmp_path: Path) -> None:
    plain = predict(model(), photos).detections
    done = predict(model(), photos, tmp_path / "found.parquet")
    assert done.table is None
    assert done.to_dict()["detections"] == done.boxes == len(plain)
    assert columns(done.detections) == columns(plain)
    again = predict(model(), photos, tmp_path / "found", format="parquet", shard_rows=4)
    assert len(list((tmp_path / "found").glob("part-*.parquet"))) > 1
    assert columns(again.detections) == columns(plain)
