"""Every fixture of every format is recognised as that format and as no other, without a flag."""

import json
from pathlib import Path

import pytest

from detkit import formats, registry
from detkit.errors import InputError, UnrecognisedError
from detkit.formats import _createml_files, _label_studio_tasks, _labelme_read, _supervisely_read
from detkit.formats._base import Kind

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures/formats"
NAMES = formats.names()
CASES = [case for name in NAMES for case in sorted((FIXTURES / name).glob("*")) if case.is_dir()]
#: Text predictions are `yolo` or `voc` by their columns: the fixtures of both stand under `voc` and `yolo`.
SHARED = {"yolo": {"yolo", "voc"}, "voc": {"yolo", "voc"}}
#: Damaged on purpose, or known with the help of a flag only.
NOT_RECOGNISED = {
    ("coco", "truncated"),
    ("csv", "missing_column"),
    ("parquet", "missing_column"),
    ("parquet", "bad_rows"),
    ("yolo", "messy"),
    ("yolo", "no_images"),
    ("yolo", "unnamed"),
}


def recognised(path: Path, kind: Kind) -> set[str]:
    """Names of the formats that a path is taken for."""
    able = formats.names(kind)
    return {n for n in able if registry.load("detkit.formats", n).detect(path, kind).matches}


def places(case: Path) -> list[Path]:
    """The folder of a case, and what stands in it: any of them may be what the case is about."""
    return [case, *sorted(p for p in case.iterdir() if p.suffix.lower() not in (".md", ".png", ".jpg"))]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_a_fixture_is_recognised_as_its_format_only(case: Path) -> None:
    own = case.parent.name
    if own == "parquet":
        pytest.importorskip("pyarrow")
    allowed = SHARED.get(own, {own})
    kinds: tuple[Kind, ...] = ("dataset", "detections")
    found = {(place.name, kind): recognised(place, kind) for place in places(case) for kind in kinds}
    assert {where: names for where, names in found.items() if names - allowed or len(names) > 1} == {}
    if (own, case.name) not in NOT_RECOGNISED:
        assert any(found.values())


@pytest.mark.parametrize("kind", ["dataset", "detections"])
def test_what_no_format_knows_gets_a_hint(tmp_path: Path, kind: Kind) -> None:
    with pytest.raises(UnrecognisedError) as caught:
        formats.detect(tmp_path, kind)
    content = "labels" if kind == "dataset" else "predictions"
    assert caught.value.hint == f"point at the file or folder that holds the {content}, or name its format"
    assert caught.value.message.endswith(": no files in it")
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8")
    with pytest.raises(UnrecognisedError, match=r"no format is read from `\.jpg`"):
        formats.detect(tmp_path / "a.jpg", kind)


def test_one_kind_in_the_place_of_the_other_is_said_in_two_lines() -> None:
    truth, found = FIXTURES.parent / "demo/coco/instances_val.json", FIXTURES.parent / "demo/predictions/coco.json"
    with pytest.raises(UnrecognisedError) as caught:
        formats.detect(found, "dataset")
    first, second = caught.value.message.splitlines()
    assert first == f"{found}: not recognised as a labelled dataset: these are predictions (coco)"
    assert second.startswith("  coco: a JSON list")
    with pytest.raises(UnrecognisedError, match=r"as predictions: this is a labelled dataset \(coco\)"):
        formats.detect(truth, "detections")
    assert formats.recognise(truth) == ("dataset", "coco")
    assert formats.recognise(found) == ("detections", "coco")


def test_what_is_neither_is_said_to_be_neither(tmp_path: Path) -> None:
    (tmp_path / "odd.json").write_text('{"a": 1}')
    with pytest.raises(UnrecognisedError) as caught:
        formats.recognise(tmp_path / "odd.json")
    lines = caught.value.message.splitlines()
    assert lines[0].endswith("not recognised as a labelled dataset or predictions of any known format")
    assert "  ultralytics: not a JSON list" in lines  # of predictions only, and of datasets only:
    assert any(line.startswith("  lvis: ") for line in lines)
    assert not any(line.startswith("  voc: ") for line in lines)


def test_large_json_of_another_format_is_told_by_its_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No format of small files decodes it: a folder of them may hold gigabytes."""
    content = {"somebody": [{"name": "x", "values": list(range(20))}] * 1000, "else": 1}
    for number in range(3):
        (tmp_path / f"{number}.json").write_text(json.dumps(content))
    read: list[Path] = []
    for module in (_labelme_read, _createml_files, _label_studio_tasks, _supervisely_read):
        monkeypatch.setattr(module, "read_json", read.append)
    for place in (tmp_path, tmp_path / "0.json"):
        for kind in ("dataset", "detections"):
            with pytest.raises(InputError, match="not recognised"):
                formats.detect(place, kind)
    assert read == []
