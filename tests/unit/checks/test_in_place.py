"""`--in-place`: only what a fix changes is written anew, and the undo bundle brings every byte back."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import detkit
from detkit import checks, files
from detkit.api import undoing
from detkit.api.checking import CheckSettings, mend, mend_in_place, undo
from detkit.errors import InputError, OutputError, UsageError

CASES = Path(__file__).resolve().parents[3] / "fixtures" / "checks"
QUIET = CheckSettings(cache=False, jobs=1)
FIXES = sorted(code for code, known in checks.codes().items() if known.fix)


def laid(code: str, folder: Path) -> Path:
    place = Path(shutil.copytree(CASES / code, folder / code))
    (place / "expect.json").unlink()
    return place


def contents(folder: Path) -> dict[str, bytes]:
    found = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".zip")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def yolo_set(folder: Path, **labels: str | bytes) -> Path:
    """Images of 100 x 50 pixels with the labels given by stem."""
    from PIL import Image

    for name in ("images/train", "images/val", "labels/train", "labels/val"):
        (folder / name).mkdir(parents=True)
    for number, stem in enumerate((*labels, "last")):
        split = "val" if stem == "last" else "train"
        Image.new("RGB", (100, 50), (number, 9, 9)).save(folder / "images" / split / f"{stem}.png")
        text = labels.get(stem, "0 0.5 0.5 0.2 0.2\n1 0.2 0.2 0.1 0.1\n")
        content = text.encode() if isinstance(text, str) else text
        (folder / "labels" / split / f"{stem}.txt").write_bytes(content)
    (folder / "data.yaml").write_text("path: .\ntrain: images/train\nval: images/val\nnames: [cat, dog] # ours\n")
    return folder / "data.yaml"


@pytest.mark.parametrize("code", FIXES)
def test_each_fix_mends_its_case_where_it_is_and_back(code: str, tmp_path: Path) -> None:
    place = laid(code, tmp_path)
    source, old = place / "instances.json", contents(place)
    copy = mend(source, tmp_path / "copy.json", QUIET, unsafe=True)
    done = mend_in_place(source, QUIET, unsafe=True)
    assert done.changes == copy.changes
    assert done.after is not None
    assert done.after.counts() == {}
    assert done.files == (str(source),)
    new = contents(place)
    assert [name for name in old if old[name] != new[name]] == ["instances.json"]
    a, b = detkit.read(source).annotations, detkit.read(tmp_path / "copy.json").annotations
    for column in ("xywh", "area", "ids", "category_index", "image_index"):
        assert np.array_equal(getattr(a, column), getattr(b, column)), column
    again = mend_in_place(source, QUIET, unsafe=True)
    assert (again.changes, again.files, again.bundle) == ((), (), None)
    assert contents(place) == new
    assert done.bundle is not None
    back = undo(done.bundle)
    assert back.restored == ("instances.json",)
    assert contents(place) == old
    assert undo(done.bundle).untouched == ("instances.json",)


def test_of_a_coco_file_only_the_records_that_change_are_touched(tmp_path: Path) -> None:
    """Blanks, unknown fields, numbers as written, rows that cannot be read: all stay."""
    fine = '{ "id" : 1, "image_id":1, "category_id":1, "bbox":[1.50, 2e0,3,4], "note":"\\u00e9", "area":12}'
    over = '{"id": 2, "image_id": 1, "category_id": 1, "bbox": [40, 2, 14, 5], "mine": {"a": [1.0]}, "area": 70}'
    unread = '{"id": 3, "image_id": 1, "category_id": 1, "bbox": [1, 2]}'
    ends = [fine.replace('"id" : 1', f'"id" : {n}') for n in (4, 5)]
    rows = ",\n  ".join([fine, over, unread, *ends])
    head = '\ufeff{"info": {"x": 1.0},\n "annotations": [\n  '
    image = '{"id":1,"file_name":"a.png","width":48,"height":36}'
    tail = f'\n ],"categories":[{{"id":1,"name":"cat","z":0}}], "images":[{image}]}}\n\n'
    source = tmp_path / "a.json"
    source.write_text(head + rows + tail, encoding="utf-8")
    done = mend_in_place(source, dataclasses.replace(QUIET, select=("DK203", "DK501")))
    assert [c.code for c in done.changes] == ["DK203", "DK501"]
    # 48 - 40 = 8 pixels are left of the 14, 40 of the area; rows 4 and 5 repeat row 1 and go with their commas
    cut = over.replace("[40, 2, 14, 5]", "[40, 2, 8, 5]").replace('"area": 70', '"area": 40')
    assert source.read_text(encoding="utf-8") == head + ",\n  ".join([fine, cut, unread]) + tail
    assert detkit.check(source, dataclasses.replace(QUIET, select=("DK102",))).counts() == {"DK102": 1}


@pytest.mark.parametrize("gone", [(0,), (4,), (0, 1, 4), (1, 2), (0, 1, 2, 3, 4), (0, 2, 4)])
def test_records_go_with_their_commas(gone: tuple[int, ...], tmp_path: Path) -> None:
    rows = [{"id": i, "image_id": 1, "category_id": 1, "bbox": [i, 2, 0 if i in gone else 5, 5 + i]} for i in range(5)]
    content: dict[str, Any] = {"images": [{"id": 1, "file_name": "a.png", "width": 48, "height": 36}]}
    content |= {"categories": [{"id": 1, "name": "cat"}], "annotations": rows}
    source = tmp_path / "a.json"
    source.write_text(json.dumps(content, indent=1))
    mend_in_place(source, dataclasses.replace(QUIET, select=("DK201",)), unsafe=True)
    assert json.loads(source.read_text()) == {**content, "annotations": [r for r in rows if r["id"] not in gone]}


def test_of_a_yolo_set_only_the_lines_that_change_are_touched(tmp_path: Path) -> None:
    # a box over the right edge: from 0.9 - 0.1 to 1.0, so centre 0.9 and width 0.2; all else stays, the torn line too
    text = "0 0.50 5e-1 0.2 0.2\r\n\r\nnonsense\r\n  1 0.95 0.5 0.30 0.2 \r\n0 0.50 5e-1 0.2 0.2"
    source = yolo_set(tmp_path / "set", a=text.encode() + b"\r\n\r\n", b="1 0.3 0.3 0.1 0.2\n0 0.6 0.6 0.2 0.2\n")
    old = contents(tmp_path / "set")
    done = mend_in_place(source, dataclasses.replace(QUIET, ignore=("DK6",)))
    assert {c.code for c in done.changes} == {"DK203", "DK501"}
    new = contents(tmp_path / "set")
    assert [name for name in old if old[name] != new[name]] == ["labels/train/a.txt"]
    wanted = b"0 0.50 5e-1 0.2 0.2\r\n\r\nnonsense\r\n1 0.9 0.5 0.2 0.2 \r\n\r\n"
    assert new["labels/train/a.txt"] == wanted
    assert mend_in_place(source, QUIET).files == ()
    assert done.bundle is not None
    undo(done.bundle)
    assert contents(tmp_path / "set") == old


def test_yolo_outlines_and_keypoints_stay_what_they_are(tmp_path: Path) -> None:
    outline = "0 0.5 0.2 1.1 0.2 1.1 0.6 0.5 0.6\n1 0.1 0.1 0.2 0.1 0.2 0.3\n"
    source = yolo_set(tmp_path / "set", a=outline, last="0 0.1 0.1 0.2 0.1 0.2 0.3\n1 0.4 0.4 0.5 0.4 0.5 0.6\n")
    mend_in_place(source, QUIET)
    text = (tmp_path / "set" / "labels" / "train" / "a.txt").read_text().splitlines()
    assert text == ["0 0.5 0.2 1.0 0.2 1.0 0.6 0.5 0.6", "1 0.1 0.1 0.2 0.1 0.2 0.3"]


def test_of_a_voc_set_only_the_objects_that_change_are_touched(tmp_path: Path) -> None:
    place = laid("DK204", tmp_path)
    xml = place / "Annotations" / "a.xml"
    box = "<bndbox><ymax> 30 </ymax><xmin>40</xmin><ymin>21</ymin><xmax>60</xmax></bndbox>"
    over = f"<object>\n\t<name>cat</name><mine a='1'>x</mine>{box}\n</object>"
    small = "<bndbox><xmin>9</xmin><ymin>9</ymin><xmax>20</xmax><ymax>22</ymax></bndbox>"
    twice = f"  <object><name>dog</name>{small}</object>\n"
    text = xml.read_text().replace("</annotation>", f"{over}\n{twice}{twice}<!-- end --></annotation>")
    xml.write_text(text)
    old = contents(place)
    done = mend_in_place(place, QUIET)
    # xmax counts from 1 and is inclusive: 48 is the right edge of the image of 48 pixels
    wanted = text.replace("<xmax>60</xmax>", "<xmax>48</xmax>").replace(twice + twice, twice)
    assert xml.read_text() == wanted
    assert done.bundle is not None
    assert Path(done.bundle).parent == tmp_path  # beside the folder, not in it
    undo(done.bundle)
    assert contents(place) == old


# --- what is refused


def test_what_cannot_be_written_where_it_is_is_refused(tmp_path: Path) -> None:
    place = laid("DK203", tmp_path)
    archive = tmp_path / "set.zip"
    with zipfile.ZipFile(archive, "w") as out:
        out.write(place / "instances.json", "instances.json")
    with pytest.raises(UsageError, match="is an archive"):
        mend_in_place(archive, QUIET)
    detkit.convert(place / "instances.json", tmp_path / "a.json", to="createml")
    with pytest.raises(UsageError, match="format `createml` are not changed"):
        mend_in_place(tmp_path / "a.json", QUIET)
    source = yolo_set(tmp_path / "set", a="0 0.5 0.5 0.2 0.2\n")
    source.write_text(source.read_text().replace("dog", '"Cat"'))
    old = contents(tmp_path / "set")
    with pytest.raises(UsageError, match="class names stand in other files"):
        mend_in_place(source, QUIET, unsafe=True)
    assert contents(tmp_path / "set") == old
    assert list(tmp_path.rglob("*detkit-undo*")) == []


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    place = laid("DK203", tmp_path)
    old = sorted(place.rglob("*")), contents(place)
    done = mend_in_place(place / "instances.json", QUIET, dry_run=True)
    assert (done.files, done.bundle, done.after) == ((str(place / "instances.json"),), None, None)
    assert (sorted(place.rglob("*")), contents(place)) == old


def test_undo_refuses_files_that_changed_since(tmp_path: Path) -> None:
    source = yolo_set(tmp_path / "set", a="0 0.95 0.5 0.3 0.2\n", b="1 0.95 0.4 0.3 0.2\n")
    done = mend_in_place(source, QUIET)
    assert done.bundle is not None
    label = tmp_path / "set" / "labels" / "train" / "b.txt"
    label.write_text("1 0.5 0.5 0.1 0.1\n")
    now = contents(tmp_path / "set")
    with pytest.raises(InputError, match=r"1 of 2 files changed since, nothing is put back: `labels/train/b\.txt`"):
        undo(done.bundle)
    assert contents(tmp_path / "set") == now
    label.unlink()
    with pytest.raises(InputError, match=r"b\.txt"):
        undo(done.bundle)


@pytest.mark.parametrize("stop", [OSError(28, "no space left"), KeyboardInterrupt()])
@pytest.mark.parametrize("after", [0, 1, 2])
def test_the_end_in_the_middle_loses_nothing(
    stop: BaseException, after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk puts everything back; a process that ends leaves files that are old or new, and the bundle."""
    source = yolo_set(tmp_path / "set", **{s: f"0 0.95 0.{n} 0.3 0.2\n" for n, s in enumerate("abc", 3)})
    old, plain, count = contents(tmp_path / "set"), files.replace_content, [0]

    def ends(path: str | Path, content: bytes) -> None:
        count[0] += 1
        if count[0] == after + 1:
            raise stop
        plain(path, content)

    with monkeypatch.context() as patched:
        patched.setattr(files, "replace_content", ends)
        with pytest.raises(OutputError if isinstance(stop, OSError) else KeyboardInterrupt):
            mend_in_place(source, QUIET)
    if isinstance(stop, OSError):
        assert contents(tmp_path / "set") == old
        return
    (bundle,) = tmp_path.rglob("*.detkit-undo-*.zip")
    between = contents(tmp_path / "set")
    assert sum(between[name] != old[name] for name in old) == after
    rest = mend_in_place(source, QUIET)  # running it again finishes the work
    assert rest.files is not None
    assert len(rest.files) == 3 - after
    assert len(undo(bundle).restored) == 3  # the first bundle holds everything
    assert contents(tmp_path / "set") == old


def test_a_mended_set_that_would_read_otherwise_is_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = laid("DK203", tmp_path)
    old = contents(place)
    content = old["instances.json"].replace(b"[40,2,14,5]", b"[40,2,9,5]")
    edit = checks.Edit(str(place / "instances.json"), content)
    monkeypatch.setattr(checks, "edits", lambda *given, **options: [edit])
    with pytest.raises(OutputError, match="would not read as meant"):
        mend_in_place(place / "instances.json", QUIET)
    assert contents(place) == old
    assert list(tmp_path.rglob("*detkit-undo*")) == []


def test_links_and_modes_stay(tmp_path: Path) -> None:
    source = yolo_set(tmp_path / "set", a="0 0.95 0.5 0.3 0.2\n")
    label, real = tmp_path / "set" / "labels" / "train" / "a.txt", tmp_path / "set" / "real.txt"
    label.rename(real)
    real.chmod(0o640)
    label.symlink_to(os.path.relpath(real, label.parent))
    done = mend_in_place(source, QUIET)
    assert label.is_symlink()
    assert real.read_text() == "0 0.9 0.5 0.2 0.2\n"
    assert real.stat().st_mode & 0o777 == 0o640
    assert done.bundle is not None
    assert undo(done.bundle).restored == ("real.txt",)


def test_a_bundle_reaches_nowhere_else(tmp_path: Path) -> None:
    victim = tmp_path / "victim.txt"
    victim.write_text("mine")
    before, after = undoing._hash(b"evil"), undoing._hash(b"mine")
    row = {"path": "../victim.txt", "name": "files/0", "before": before, "after": after}
    (tmp_path / "set").mkdir()
    bundle = tmp_path / "set" / "b.zip"
    with zipfile.ZipFile(bundle, "w") as out:
        out.writestr("files/0", "evil")
        out.writestr("manifest.json", json.dumps({"schema": "detkit.undo/1", "files": [row]}))
    with pytest.raises(InputError, match="is no bundle"):
        undo(bundle)
    assert victim.read_text() == "mine"


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_bundle_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "b.zip").write_bytes(content)
    with pytest.raises(InputError, match="is no bundle"):
        undo(tmp_path / "b.zip")
    with pytest.raises(InputError, match="no such bundle"):
        undo(tmp_path / "absent.zip")


def test_the_same_change_gives_the_same_bundle(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        place = laid("DK203", tmp_path / name)
        done = mend_in_place(place / "instances.json", QUIET)
        made.append((Path(str(done.bundle)).name, Path(str(done.bundle)).read_bytes()))
    assert made[0] == made[1]
