"""One dataset with forty kinds of faults: each is found in its place and none else, and a fixed copy is clean."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import detkit
from detkit import checks
from detkit.api.checking import CheckSettings

CASES = Path(__file__).resolve().parents[3] / "fixtures" / "checks"
#: Faults of a whole set, which hide each other or need a set of their own; each has its own case.
ALONE = ("DK112", "DK211", "DK307", "DK403", "DK411", "DK602", "DK603", "DK604", "DK720", "DK721", "DK722")
PLANTED = sorted(p.parent.name for p in CASES.glob("*/instances.json") if p.parent.name not in ALONE)
#: Together the cases are more than a hundred images, among which those of the odd classes are few.
QUIET = CheckSettings(cache=False, jobs=1, ignore=("DK604",))


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[str, Any, Any]]]:
    """The COCO cases in one file, and (code, image, annotation) of what is to be found in it."""
    folder = tmp_path_factory.mktemp("planted")
    whole: dict[str, list[Any]] = {"images": [], "categories": [], "annotations": []}
    class_ids: dict[str, int] = {}
    wanted: list[tuple[str, Any, Any]] = []
    for number, code in enumerate(PLANTED, 1):
        content = json.loads((CASES / code / "instances.json").read_text())
        shift, first = 1000 * number, len(whole["annotations"])
        own = {c["id"]: class_ids.setdefault(c["name"], len(class_ids) + 1) for c in content["categories"]}
        for image in content["images"]:
            whole["images"].append({**image, "id": image["id"] + shift, "file_name": f"{code}_{image['file_name']}"})
        for row in content["annotations"]:
            moved = {"id": row["id"] + shift, "image_id": row["image_id"] + shift}
            whole["annotations"].append({**row, **moved, "category_id": own.get(row["category_id"], 99)})
        for path in (CASES / code / "images").iterdir():
            target = folder / "images" / f"{code}_{path.name}"
            target.parent.mkdir(parents=True, exist_ok=True)
            # What stands behind an image's end is read by nobody: equal files stay equal within a case only.
            target.write_bytes(path.read_bytes() + code.encode())
        for item in json.loads((CASES / code / "expect.json").read_text())["expected"]:
            at = item.get("annotation")
            by_index = "image" not in item
            image = item.get("image") or (Path(item["file"]).name if "images/" in item.get("file", "") else None)
            place = None if at is None else at + (first if by_index else shift)
            wanted.append((item["code"], image and f"{code}_{image}", place))
    whole["categories"] = [{"id": i, "name": name} for name, i in class_ids.items()]
    (folder / "instances.json").write_text(json.dumps(whole))
    return folder / "instances.json", wanted


def test_each_fault_is_found_in_its_place_and_none_else(planted: tuple[Path, list[tuple[str, Any, Any]]]) -> None:
    path, wanted = planted
    result = detkit.check(path, QUIET)
    found = [(f.code, f.image, f.annotation) for f in result.findings]
    assert len(PLANTED) >= 40
    assert Counter(code for code, _, _ in found) == Counter(code for code, _, _ in wanted)
    for code, image, annotation in wanted:
        places = [(i, a) for c, i, a in found if c == code]
        assert any((image in (None, i)) and (annotation in (None, a)) for i, a in places), (code, image, places)


@pytest.mark.parametrize("unsafe", [False, True], ids=["safe", "unsafe"])
def test_a_fixed_copy_is_clean_and_loses_only_what_it_lists(
    planted: tuple[Path, list[tuple[str, Any, Any]]], tmp_path: Path, unsafe: bool
) -> None:
    path, _ = planted
    done = detkit.mend(path, tmp_path / "fixed.json", QUIET, unsafe=unsafe)
    known = checks.codes()
    mendable = {c for c, code in known.items() if code.fix == "safe" or (unsafe and code.fix)}
    assert done.after is not None
    assert not mendable & set(done.after.counts())
    mended = {change.code for change in done.changes}
    assert mended == mendable & set(done.before.counts())
    # what is not to be mended, and was not left out by the reader, is there as before
    read_away = {"DK102", "DK103", "DK104", "DK105", "DK106", "DK205", "DK206"}
    stay = {c: n for c, n in done.before.counts().items() if c not in mendable | read_away}
    follow = {} if not unsafe else {"DK208": stay.get("DK208", 0)}
    assert {**done.after.counts(), **follow} == {**stay, **follow}
    # every box is there, or counted as lost
    lost = sum(c.loss.count for c in done.changes if c.loss.action == "dropped")
    before, after = detkit.read(path), detkit.read(tmp_path / "fixed.json")
    assert done.written.boxes == len(after.annotations) == len(before.annotations) - lost
    left_out = sum(loss.count for loss in done.written.losses if loss.action == "left out")
    assert left_out == len(json.loads(path.read_text())["annotations"]) - len(before.annotations) == 3
    # and is unchanged, or counted as changed
    rows = dict(zip(after.annotations.ids.tolist(), after.annotations.xywh.tolist(), strict=True))
    old = zip(before.annotations.ids.tolist(), before.annotations.xywh.tolist(), strict=True)
    repeated = {f.annotation for f in done.before.findings if f.code == "DK103"}
    moved = sum(i in rows and rows[i] != box for i, box in old if i not in repeated)
    said = ("cut to the image", "turned into pixels", "turned around", "set to its bounds")
    assert moved == sum(c.loss.count for c in done.changes if c.loss.action in said)
    assert len(after.images) == len(before.images)


@pytest.mark.parametrize("unsafe", [False, True], ids=["safe", "unsafe"])
def test_a_second_run_changes_nothing(
    planted: tuple[Path, list[tuple[str, Any, Any]]], tmp_path: Path, unsafe: bool
) -> None:
    path, _ = planted
    options = {"images_dir": path.parent / "images"}
    detkit.mend(path, tmp_path / "once.json", QUIET, unsafe=unsafe)
    again = detkit.mend(tmp_path / "once.json", tmp_path / "twice.json", QUIET, unsafe=unsafe, read_options=options)
    assert again.changes == ()
    assert again.written.losses == ()
    assert (tmp_path / "once.json").read_bytes() == (tmp_path / "twice.json").read_bytes()


def test_the_source_is_never_changed(planted: tuple[Path, list[tuple[str, Any, Any]]], tmp_path: Path) -> None:
    path, _ = planted
    before = path.read_bytes()
    detkit.mend(path, tmp_path / "fixed.json", QUIET, unsafe=True)
    assert path.read_bytes() == before


@pytest.mark.parametrize("code", sorted(c for c, known in checks.codes().items() if known.fix))
def test_each_fix_mends_its_own_case(code: str, tmp_path: Path) -> None:
    """Of every format: the fault goes, no other comes, and the fix has nothing to do a second time."""
    place = CASES / code
    source = place / "instances.json" if (place / "instances.json").exists() else place
    dataset = detkit.read(source)
    context = checks.Context(dataset)
    assert code in {f.code for f in checks.run(dataset, context)}
    alone = checks.mend(dataset, context, (code,), unsafe=True)
    assert {change.code for change in alone.changes} == {code}
    left = checks.run(alone.dataset, context.of(alone.dataset))
    assert [f.code for f in left if f.code not in ("DK205",)] == []
    assert checks.mend(alone.dataset, context.of(alone.dataset), (code,), unsafe=True).changes == ()
    if checks.codes()[code].fix == "unsafe":
        assert checks.mend(dataset, context).changes == ()


def test_boxes_of_negative_size_are_turned_around() -> None:
    """[x, y, -w, h] dragged to the left is the box from x - w."""
    base = detkit.read(CASES / "DK201" / "instances.json")
    xywh = base.annotations.xywh.copy()
    xywh[0] = [16, 5, -12, 10]
    rows = dataclasses.replace(base.annotations, xywh=xywh)
    dataset = dataclasses.replace(base, annotations=rows)
    done = checks.mend(dataset, checks.Context(dataset), ("DK201",), unsafe=True).dataset
    assert done.annotations.xywh[0].tolist() == [16 - 12, 5, 12, 10]
    assert len(done.annotations) == len(base.annotations) - 1  # the one without width is gone
    assert np.array_equal(done.annotations.xywh[1], base.annotations.xywh[1])
