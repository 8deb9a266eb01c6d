"""How COCO files come in: scanned or by the library with the same tables, mapped, packed, refused."""

from __future__ import annotations

import gzip
import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from detkit import formats
from detkit.errors import InputError
from detkit.formats import ReadOptions, _coco_scan, _json_bytes

ROOT = Path(__file__).resolve().parents[3]
DEMO = ROOT / "fixtures" / "demo"
TRUTH, RESULTS = DEMO / "coco" / "instances_val.json", DEMO / "predictions" / "coco.json"
BARE = ReadOptions(with_shapes=False, with_extra=False)


@pytest.fixture(scope="module")
def fuzzer():
    spec = importlib.util.spec_from_file_location("fuzz_reader", ROOT / "tools" / "fuzz_reader.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz_reader"] = module
    spec.loader.exec_module(module)
    return module


def test_scanner_and_library_agree_on_mutated_files(fuzzer) -> None:
    counts, different, _ = fuzzer.run(400, 0)
    assert different is None
    assert counts["truth: scanned"] > 20
    assert counts["results: scanned"] > 40
    assert counts["truth with shapes: scanned"] > 10
    assert counts["results with shapes: scanned"] > 30
    assert counts["truth with all: scanned"] > 5
    assert counts["results with all: scanned"] > 15


def test_the_fuzzer_sees_what_differs(fuzzer, monkeypatch) -> None:
    right = _coco_scan.ScannedRows.boxes
    monkeypatch.setattr(_coco_scan.ScannedRows, "boxes", lambda self: (right(self)[0] + 1, right(self)[1]))
    _, different, text = fuzzer.run(50, 0)
    assert different is not None
    assert text


@pytest.mark.parametrize("name", ["shapes", "keypoints", "measured", "counts"])
def test_the_fuzzer_sees_outlines_that_differ(name, fuzzer, monkeypatch) -> None:
    right = getattr(_coco_scan.ScannedRows, name)
    changed = {
        "shapes": lambda self, report: None,
        "keypoints": lambda self, report: None,
        "measured": property(lambda self: None if right.fget(self) is None else replace(right.fget(self), area=[7.0])),
        "counts": lambda self, field: right(self, field) + 1,
    }
    monkeypatch.setattr(_coco_scan.ScannedRows, name, changed[name])
    _, different, _ = fuzzer.run(300, 0)
    assert different is not None


def truth(rows: int, **changes: object) -> dict[str, object]:
    boxes = [
        {"segmentation": [[i, 1, 2, 3.5, 4, 5]], "id": 3 * i, "image_id": 1 + i % 3, "category_id": 7, "area": i / 3}
        | {"bbox": [i / 7, 1, 5, 6], "iscrowd": int(i == 2)}
        for i in range(rows)
    ]
    images = [{"id": i, "file_name": f"{i}.jpg", "width": 10 * i, "height": 20} for i in (1, 2, 3)]
    return {"images": images, "annotations": boxes, "categories": [{"id": 7, "name": "c"}], **changes}


def both(path: Path, monkeypatch, options: ReadOptions = BARE) -> list[object]:
    tables = []
    for threshold in (0, 1 << 60):
        monkeypatch.setattr(_coco_scan, "_WORTHWHILE", threshold)
        tables.append(formats.read_dataset(path, "coco", options))
    return tables


@pytest.mark.parametrize(
    ("change", "scanned"),
    [
        ({}, True),
        ({"info": {"annotations": [{"image_id": 1, "category_id": 7, "bbox": [9, 9, 9, 9]}]}}, True),
        ({"note": '"annotations": [{"image_id": 1}]'}, True),
        ({"annotations": []}, False),
        ({"annotations": [{"image_id": 1, "category_id": 7, "bbox": [1, 2, 3, 4], "is_oriented": 1}]}, False),
        ({"annotations": [{"image_id": 1.0, "category_id": 7, "bbox": [1, 2, 3, 4]}]}, False),
        ({"annotations": [{"image_id": 9, "category_id": 7, "bbox": [1, 2, 3, 4]}]}, True),
        ({"annotations": [{"image_id": 1, "category_id": 7, "bbox": [1, 2, 3, 4], "ignore": 1}] * 2}, True),
        ({"images": [{"id": 1, "width": "12", "height": 3}]}, False),
        ({"detkit": {"ignored": True}, "annotations": truth(5)["annotations"]}, True),
    ],
)
def test_truth_is_scanned_to_the_same_table(change, scanned, tmp_path, monkeypatch, fuzzer) -> None:
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(truth(20, **change)))
    fast, slow = both(path, monkeypatch)
    assert fuzzer.seen(fast) == fuzzer.seen(slow)
    monkeypatch.setattr(_coco_scan, "_WORTHWHILE", 0)
    assert (_coco_scan.scan_truth(path.read_bytes(), "", 1) is not None) == scanned


@pytest.mark.parametrize(
    ("change", "scanned"),
    [
        ({}, True),
        ({"num_keypoints": 2, "keypoints": [1, 2, 2, 3, 4, 1]}, True),
        ({"num_keypoints": -1}, False),
        ({"segmentation": None}, False),
        ({"ignore": 1}, False),
        ({"attributes": {"occluded": True}}, False),
    ],
)
def test_rows_are_scanned_for_all_they_say_only_where_columns_hold_it(
    change, scanned, tmp_path, monkeypatch, fuzzer
) -> None:
    content = truth(20, info={"year": 2026}, licenses=[{"id": 1}])
    content["images"][1]["coco_url"] = "a"
    content["annotations"][4] |= change
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(content))
    fast, slow = both(path, monkeypatch, ReadOptions(read_sizes=False))
    assert fuzzer.seen(fast) == fuzzer.seen(slow)
    assert slow.info == {"info": {"year": 2026}, "licenses": [{"id": 1}]}
    assert slow.images.extra == {1: {"coco_url": "a"}}
    monkeypatch.setattr(_coco_scan, "_WORTHWHILE", 0)
    found = _coco_scan.scan_truth(path.read_bytes(), "", 1, with_shapes=True, with_extra=True)
    assert (found is not None) == scanned


def test_a_nested_list_of_annotations_is_not_taken_for_the_real_one(tmp_path, monkeypatch, fuzzer) -> None:
    inner = truth(3)["annotations"]
    path = tmp_path / "truth.json"
    path.write_text(json.dumps({"info": {"annotations": inner}, **truth(5)}))
    monkeypatch.setattr(_coco_scan, "_WORTHWHILE", 0)
    assert _coco_scan.scan_truth(path.read_bytes(), "", 1) is None
    assert len(formats.read_dataset(path, "coco", BARE).annotations) == 5


def test_the_last_of_two_lists_counts(tmp_path, monkeypatch, fuzzer) -> None:
    text = json.dumps(truth(5))
    path = tmp_path / "truth.json"
    path.write_text(text[:-1] + ', "annotations": ' + json.dumps(truth(2)["annotations"]) + "}")
    fast, slow = both(path, monkeypatch)
    assert fuzzer.seen(fast) == fuzzer.seen(slow)
    assert len(fast.annotations) == 2


def test_a_large_file_is_mapped_and_read_alike(tmp_path, monkeypatch, fuzzer) -> None:
    path = tmp_path / "truth.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(truth(60_000)).encode())
    assert path.stat().st_size > _json_bytes.LARGE
    assert type(_json_bytes.contents(path)).__name__ == "mmap"
    fast = formats.read_dataset(path, "coco", BARE)
    monkeypatch.setattr(_coco_scan, "_WORTHWHILE", 1 << 60)
    slow = formats.read_dataset(path, "coco", BARE)
    assert fuzzer.seen(fast) == fuzzer.seen(slow)
    assert fast.annotations.ids[:3].tolist() == [0, 9, 18]


def test_gzip_is_told_by_content(tmp_path) -> None:
    for source, kind in ((TRUTH, "dataset"), (RESULTS, "detections")):
        for name in (f"{source.name}.gz", "anything.bin"):
            packed = tmp_path / name
            packed.write_bytes(gzip.compress(source.read_bytes()))
            assert formats.detect(packed, kind) == "coco"
            read = formats.read_dataset if kind == "dataset" else formats.read_detections
            found, plain = read(packed), read(source)
            assert (
                getattr(found, "annotations", found).xywh.tolist() == getattr(plain, "annotations", plain).xywh.tolist()
            )
            assert found.images.file_names == plain.images.file_names


def test_splits_of_packed_files_are_named_as_of_plain_ones(tmp_path) -> None:
    (tmp_path / "annotations").mkdir()
    for split in ("train", "val"):
        source = DEMO / "coco" / f"instances_{split}.json"
        (tmp_path / "annotations" / f"{source.name}.gz").write_bytes(gzip.compress(source.read_bytes()))
    assert sorted(formats.read_dataset(tmp_path).splits) == ["train", "val"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda text: text[:-20], "is damaged"),
        (lambda text: text[:40] + b"xxxx" + text[44:], "is damaged"),
        (lambda text: gzip.compress(b""), "unpacks to nothing"),
    ],
)
def test_damaged_gzip(spoil, message, tmp_path) -> None:
    path = tmp_path / "truth.json.gz"
    path.write_bytes(spoil(gzip.compress(TRUTH.read_bytes())))
    for name in ("auto", "coco"):
        with pytest.raises(InputError, match=message):
            formats.read_dataset(path, name)


def test_a_decompression_bomb_is_stopped(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(_json_bytes, "_ALWAYS_ALLOWED", 1 << 20)
    path = tmp_path / "results.json.gz"
    path.write_bytes(gzip.compress(b"[" + b" " * (4 << 20) + b"]"))
    with pytest.raises(InputError, match="unpacks to more than 1 MiB from"):
        formats.read_detections(path)
    path.write_bytes(gzip.compress(b"[" + b" " * (1 << 19) + b"]"))
    assert len(formats.read_detections(path, "coco")) == 0


def test_zstandard_names_the_package_it_needs(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(_json_bytes, "_ZSTD_MODULES", ("no_such_package_for_zstd",))
    path = tmp_path / "truth.json.zst"
    path.write_bytes(b"\x28\xb5\x2f\xfd" + bytes(100))
    with pytest.raises(InputError, match="compressed with Zstandard") as caught:
        formats.read_dataset(path)
    assert "pip install zstandard" in caught.value.hint


def test_zstandard_is_read(tmp_path) -> None:
    zstandard = pytest.importorskip("zstandard", reason="the package zstandard is not installed")
    path = tmp_path / "truth.json.zst"
    whole = zstandard.ZstdCompressor(write_checksum=True).compress(TRUTH.read_bytes())
    path.write_bytes(whole)
    assert np.array_equal(formats.read_dataset(path).annotations.xywh, formats.read_dataset(TRUTH).annotations.xywh)
    path.write_bytes(whole[:100] + b"xxxx" + whole[104:])
    with pytest.raises(InputError, match="is damaged"):
        formats.read_dataset(path)
