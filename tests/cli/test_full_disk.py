"""Full disks, folders that may not be written to, two runs at once: one message, code 2, and nothing half written.

A disk that is full is a limit on the size of files: what is written beyond it fails in the system call, as on a full
disk, with another name ("File too large"). Root may write anywhere until it gives that power up, so the thread does.
"""

from __future__ import annotations

import ctypes
import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from cli._run import DEMO, Outcome, command, environment, run, tree

resource = pytest.importorskip("resource")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits and capabilities of Linux")

DATA, TRUTH, FOUND = "demo/data.yaml", "demo/coco/instances_val.json", "demo/predictions/coco.json"
VIDEO = "clip.mp4"
FAULTY = "demo/coco/faulty.json"

#: What is run, `out` being what it writes.
WRITING = {
    "convert to yolo": f"convert {TRUTH} out --to yolo",
    "convert to yolo, images copied": f"convert {DATA} out --to yolo --place-images copy",
    "convert to voc": f"convert {TRUTH} out --to voc",
    "convert to coco": f"convert {DATA} out --to coco",
    "convert to csv": f"convert {FOUND} out.csv --to csv",
    "convert to parquet": f"convert {FOUND} out.parquet --to parquet",
    "convert to shards": f"convert {FOUND} out --to parquet",
    "convert to cvat": f"convert {TRUTH} out.xml --to cvat",
    "convert to huggingface": f"convert {DATA} out --to huggingface",
    "predict": "predict demo/model/shapes.onnx demo/images/val -o out.json",
    "predict to a folder": "predict demo/model/shapes.onnx demo/images/val -o out --format yolo",
    "augment": f"augment {TRUTH} out -n 1 --preset light --to yolo",
    "tile": f"tile {TRUTH} out --size 100",
    "crops": f"crops {TRUTH} -o out",
    "frames": f"frames {VIDEO} -o out --every 1",
    "draw": f"draw {TRUTH} -o out",
    "draw a sheet": f"draw {TRUTH} -o out.png --sheet 2x2",
    "report": f"report {TRUTH} {FOUND} -o out.html",
    "report, plots": f"report {TRUTH} {FOUND} -o report.html --plots out",
    "eval": f"eval {TRUTH} {FOUND} --format json -o out.json",
    "eval, matches": f"eval {TRUTH} {FOUND} --matches out.csv",
    "eval, matches to parquet": f"eval {TRUTH} {FOUND} --matches out.parquet",
    "eval, matches kept": f"eval {TRUTH} {FOUND} --format json -o result.json --save-matches out.npz",
    "eval, a part": f"eval {TRUTH} {FOUND} --shard 1/2 -o out.npz",
    "eval, a report": f"eval {TRUTH} {FOUND} --report junit=out.xml",
    "gate": "gate before.json --require AP>=0 --report markdown=out.md",
    "gate, a new baseline": "gate before.json --require AP>=0 --update-baseline out.json",
    "split": f"split {TRUTH} out --ratios 0.5,0.5 --to yolo",
    "merge": f"merge {TRUTH} demo/coco/instances_train.json out --to yolo",
    "dedupe": f"dedupe {DATA} -o out",
    "dedupe, a sheet": f"dedupe {DATA} --contact-sheet out.png",
    "filter": f"filter {TRUTH} out.json --where 'w > 1'",
    "remap": f"remap {TRUTH} out.json --map square=box",
    "sample": f"sample {TRUTH} out.json -n 5",
    "check": f"check {FAULTY} --format json -o out.json",
    "check --fix": f"check {FAULTY} --fix -o out.json",
    "check --fix --in-place": f"check {FAULTY} --fix --in-place",
    "targets": f"targets {TRUTH} -o out.npz --image-size 192 --anchors '10,13 16,30 33,23'",
    "anchors": f"anchors {TRUTH} -k 3 --image-size 192 --format json -o out.json",
    "nms": f"nms {FOUND} -o out.json",
    "ensemble": f"ensemble {FOUND} {FOUND} -o out.json",
    "stats, plots": f"stats {TRUTH} --plots out",
    "bench": "bench demo/model/shapes.onnx --rounds 1 --format json -o out.json",
    "ci": "ci init before.json --provider github",
    "demo": "demo -o out",
}


_FOLDERS = {"demo", *(f"demo/{name}" for name in ("images", "labels", "voc", "predictions", "coco", "model"))}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo, a result, a dataset with a fault that can be mended, and a video."""
    place = tmp_path_factory.mktemp("inputs")
    shutil.copytree(DEMO, place / "demo")
    for folder in ("voc", "labels", "images/train", "predictions/yolo", "predictions/voc"):
        shutil.rmtree(place / "demo" / folder)
    whole = json.loads((place / TRUTH).read_text())
    whole["annotations"].append({**whole["annotations"][0], "id": 10_000})
    (place / FAULTY).write_text(json.dumps(whole))
    _film(place / VIDEO)
    assert run(shlex.split(f"eval {TRUTH} {FOUND} --format json -o before.json"), place).code == 0
    return place


def _film(place: Path) -> None:
    av = pytest.importorskip("av")
    with av.open(str(place), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width = stream.height = 64
        for _ in range(2):
            container.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        container.mux(stream.encode())


@contextmanager
def _full(room: int) -> Iterator[None]:
    """No file of this process may grow beyond so many bytes; none of byte code, which Python would keep cut short."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    kept, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        sys.dont_write_bytecode = kept


@contextmanager
def _read_only(folder: Path) -> Iterator[None]:
    """No file can be made in a folder and those below it, nor one of theirs be replaced."""
    folders = [folder, *(folder / name for name in tree(folder) if (folder / name).is_dir())]
    for place in folders:
        place.chmod(0o555)
    try:
        with _as_others_may():
            yield
    finally:
        for place in folders:
            place.chmod(0o755)


class _Head(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


@contextmanager
def _as_others_may() -> Iterator[None]:
    """This thread, and those it starts, keep to the modes of files: root's right to pass over them is put aside.

    Source: capabilities(7) and capset(2); version 3 takes 64 bits in two rows of effective, permitted, inheritable.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    head = _Head(0x20080522, 0)
    rows = (ctypes.c_uint32 * 6)()
    assert libc.capget(ctypes.byref(head), rows) == 0
    before = rows[0]
    rows[0] &= ~0b10  # CAP_DAC_OVERRIDE
    assert libc.capset(ctypes.byref(head), rows) == 0
    try:
        yield
    finally:
        rows[0] = before
        assert libc.capset(ctypes.byref(head), rows) == 0


class Held(NamedTuple):
    """Where a command runs, and what was there before."""

    work: Path
    scratch: Path
    files: dict[str, bytes]


@pytest.fixture
def held(inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Held:
    """The inputs, and a folder of its own for temporary files."""
    work, scratch = tmp_path / "work", tmp_path / "scratch"
    shutil.copytree(inputs, work)
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    return Held(work, scratch, _contents(work))


def _contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in tree(folder) if (folder / name).is_file()}


def _refused(done: Outcome, held: Held) -> None:
    assert done.code == 2, done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(said) == 1, done.stderr
    assert ".tmp" not in said[0]
    assert str(held.scratch) not in said[0]
    assert tree(held.work) - set(held.files) <= {str(Path(name).parent) for name in held.files} | _FOLDERS
    assert _contents(held.work) == held.files
    assert tree(held.scratch) == set()


@pytest.mark.parametrize("name", WRITING)
def test_a_full_disk(held: Held, name: str) -> None:
    with _full(40):
        done = run(shlex.split(WRITING[name]), held.work)
    _refused(done, held)
    assert re.search(r"^error: \S+: cannot be written: .*File too large$", done.stderr, re.MULTILINE), done.stderr


@pytest.mark.parametrize("name", WRITING)
def test_a_folder_that_may_not_be_written_to(held: Held, name: str) -> None:
    with _read_only(held.work):
        done = run(shlex.split(WRITING[name]), held.work)
    _refused(done, held)
    assert "Permission denied" in done.stderr or "read-only" in done.stderr, done.stderr


def test_files_mended_in_place_are_put_back_where_the_disk_fills_up_after_the_bundle(held: Held) -> None:
    with _full(12_000):
        done = run(shlex.split(WRITING["check --fix --in-place"]), held.work)
    _refused(done, held)
    assert "every file is as it was before" in done.stderr


@pytest.mark.parametrize(
    "line",
    [
        f"convert {DATA} out --to coco --overwrite",
        "predict demo/model/shapes.onnx demo/images/val -o out.json --overwrite",
    ],
    ids=["convert", "predict"],
)
def test_two_runs_at_once_leave_one_whole_output(inputs: Path, tmp_path: Path, line: str) -> None:
    (tmp_path / "demo").symlink_to(inputs / "demo")
    words = command(shlex.split(line))
    both = [
        subprocess.Popen(words, cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    said = [process.communicate(timeout=120)[1] for process in both]
    codes = sorted(process.returncode for process in both)
    assert codes in ([0, 0], [0, 2]), said
    if codes == [0, 2]:
        assert any("another run is writing here" in text for text in said), said
    assert {name.split("/")[0] for name in tree(tmp_path)} == {"demo", "out" if "convert" in line else "out.json"}
    written = [tmp_path / name for name in tree(tmp_path) if name.startswith("out") and name.endswith(".json")]
    assert written
    for place in written:
        json.loads(place.read_text(encoding="utf-8"))
