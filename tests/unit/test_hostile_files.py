"""Special files, what killed processes leave, and a short run of the format fuzzer."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import tarfile
import time
from pathlib import Path

import pytest

from detkit import files
from detkit.errors import OutputError
from detkit.formats import _archive


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_special_files_are_refused_at_once(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "x"
    {"pipe": os.mkfifo, "device": lambda p: p.symlink_to("/dev/zero"), "folder": Path.mkdir}[kind](place)
    with pytest.raises(OSError, match=r"not a regular file|Is a directory"):
        files.read_small(place)
    with pytest.raises(OSError, match=r"not a regular file|Is a directory"):
        files.sha256_of([place])


def test_streams_are_no_existing_files(tmp_path: Path) -> None:
    with files.atomic_file("/dev/null", overwrite=False) as place:
        place.write_text("x")
    assert files.is_stream("/dev/null")
    assert files.is_stream("/dev/stdout")
    assert not files.is_stream(tmp_path)
    assert not files.is_stream(tmp_path / "gone")


def _killed(target: Path, *, folder: bool) -> None:
    """A process that is killed while it writes a target."""
    child = os.fork()
    if not child:
        manager = files.atomic_folder if folder else files.atomic_file
        with manager(target, overwrite=True) as place:
            (place / "half" if folder else place).write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)


@pytest.mark.parametrize("folder", [False, True], ids=["file", "folder"])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_the_next_run_removes_what_a_killed_one_left(tmp_path: Path, folder: bool) -> None:
    target = tmp_path / "out"
    _killed(target, folder=folder)
    other = tmp_path / "other"
    _killed(other, folder=folder)
    assert len(list(tmp_path.iterdir())) == 2
    manager = files.atomic_folder if folder else files.atomic_file
    with manager(target, overwrite=False) as place:
        (place / "a" if folder else place).write_text("whole")
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names[1] == "out"
    assert names[0].startswith(".other.")


def test_what_a_living_process_writes_stays(tmp_path: Path) -> None:
    with files.atomic_file(tmp_path / "out", overwrite=True) as first:
        first.write_text("1")
        with files.atomic_file(tmp_path / "out", overwrite=True) as second:
            second.write_text("2")
        assert first.exists()


def test_a_folder_set_aside_goes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detkit.files._leftovers._is_alive", lambda process: False)
    from detkit.files._leftovers import temporary_beside

    aside = temporary_beside(tmp_path / "out").with_suffix(".old")
    aside.mkdir()
    (aside / "kept").write_text("1")
    with pytest.raises(OutputError, match="exists already"), files.atomic_folder(tmp_path / "out", overwrite=False):
        pass
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["kept"]


def test_a_packed_archive_is_not_unpacked_to_be_counted(tmp_path: Path) -> None:
    place = tmp_path / "a.tar.gz"
    with tarfile.open(place, "w:gz") as archive:
        for name in ("a", "b"):
            member = tarfile.TarInfo(name)
            archive.addfile(member)
    member.size = 2**45
    import gzip

    with gzip.open(place, "wb") as packed:
        packed.write(member.tobuf() + b"\0" * 1024)
    started = time.process_time()
    with pytest.raises(Exception, match="more than is taken for sane"), _archive.opened(place):
        pass
    assert time.process_time() - started < 5


@pytest.mark.parametrize("name", ["csv", "kitti", "mot", "openimages", "voc", "yolo"])
def test_damaged_fixtures_are_read_or_refused(root: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(root / "tools"))
    fuzz = importlib.import_module("fuzz_formats")
    tally = fuzz.Tally()
    held = signal.signal(signal.SIGALRM, fuzz._too_slow)
    try:
        for number in range(6):
            fuzz.run_case(name, 7, number, tally)
    finally:
        signal.signal(signal.SIGALRM, held)
        sys.modules.pop("fuzz_formats", None)
    assert tally.cases == 6
    assert tally.faults == {}
