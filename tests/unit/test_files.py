"""Outputs appear whole or not at all."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from detkit import files
from detkit.errors import OutputError
from detkit.files import _leftovers


def test_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.txt"
    with files.atomic_file(target, overwrite=False) as place:
        place.write_text("x")
        assert not target.exists()
    assert target.read_text() == "x"
    assert [p.name for p in target.parent.iterdir()] == ["a.txt"]


def test_file_is_untouched_when_the_block_fails(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), files.atomic_file(target, overwrite=True) as place:
        place.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_existing_file_needs_overwrite(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(OutputError, match="exists already"), files.atomic_file(target, overwrite=False):
        pass
    assert target.read_text() == "old"


def test_folder_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with files.atomic_folder(target, overwrite=False) as place:
        (place / files.FOLDER_MARK).write_text("{}")
        (place / "b").write_text("1")
        assert not target.exists()
    assert sorted(p.name for p in target.iterdir()) == ["b", files.FOLDER_MARK]


def test_folder_that_detkit_wrote_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "out"
    for content in ("1", "2"):
        with files.atomic_folder(target, overwrite=True) as place:
            (place / files.FOLDER_MARK).write_text(content)
    assert (target / files.FOLDER_MARK).read_text() == "2"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_folder_of_somebody_else_is_never_replaced(tmp_path: Path) -> None:
    target = tmp_path / "photos"
    target.mkdir()
    (target / "a.jpg").write_text("precious")
    with pytest.raises(OutputError, match="not written by detkit"), files.atomic_folder(target, overwrite=True):
        pass
    assert (target / "a.jpg").read_text() == "precious"


def test_empty_folder_may_be_filled(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    with files.atomic_folder(target, overwrite=False) as place:
        (place / "a").write_text("1")
    assert (target / "a").exists()


def test_failed_folder_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), files.atomic_folder(tmp_path / "out", overwrite=False) as place:
        (place / "a").write_text("1")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_target_below_a_file_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot make its folder"):
        files.check_target(tmp_path / "file" / "out", overwrite=False)


def test_digest_of_one_file_is_its_sha256(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert files.sha256_of([tmp_path / "a"]) == hashlib.sha256(b"abc").hexdigest()


def test_digest_of_several_depends_on_names_and_content_not_on_order(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(b"1")
    b.write_bytes(b"2")
    before = files.sha256_of([a, b], root=tmp_path)
    assert files.sha256_of([b, a], root=tmp_path) == before
    b.write_bytes(b"3")
    assert files.sha256_of([a, b], root=tmp_path) != before


def _folder(target: Path, content: str) -> None:
    with files.atomic_folder(target, overwrite=True) as place:
        (place / files.FOLDER_MARK).write_text(content)


def test_of_two_runs_that_write_a_folder_the_last_to_finish_stays(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with files.atomic_folder(target, overwrite=True) as place:
        (place / files.FOLDER_MARK).write_text("last")
        _folder(target, "first")
    assert (target / files.FOLDER_MARK).read_text() == "last"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_folder_that_came_meanwhile_is_not_replaced_unasked(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with (
        pytest.raises(OutputError, match="exists already"),
        files.atomic_folder(target, overwrite=False) as place,
    ):
        (place / files.FOLDER_MARK).write_text("last")
        _folder(target, "first")
    assert (target / files.FOLDER_MARK).read_text() == "first"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_folder_that_comes_between_the_two_moves_is_set_aside_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, move = tmp_path / "out", Path.replace
    _folder(target, "old")
    came = []

    def replace(self: Path, other: Path) -> Path:
        done = move(self, other)
        if other.suffix == ".old" and not came:
            came.append(other)
            target.mkdir()
            (target / files.FOLDER_MARK).write_text("rival")
        return done

    monkeypatch.setattr(Path, "replace", replace)
    _folder(target, "new")
    assert came
    assert (target / files.FOLDER_MARK).read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_what_stood_there_comes_back_where_the_move_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, move = tmp_path / "out", Path.replace
    _folder(target, "old")

    def replace(self: Path, other: Path) -> Path:
        if other == target and self.suffix == ".tmp":
            raise OSError(28, "No space left on device")
        return move(self, other)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(OutputError, match="No space left"):
        _folder(target, "new")
    assert (target / files.FOLDER_MARK).read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_errors_name_the_output_and_no_temporary_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for manager in (
        files.atomic_folder(tmp_path / "out", overwrite=False),
        files.scratch_folder(tmp_path / "out"),
    ):
        with pytest.raises(OutputError) as caught, manager as place:
            files.check_target(place / "a", overwrite=False)
            (place / "a").write_text("")
            files.check_target(place / "a", overwrite=False)
        assert caught.value.message == f"{tmp_path / 'out' / 'a'}: exists already"
        assert caught.value.hint is not None


def test_what_a_writer_inside_another_left_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a process killed inside both blocks leaves it: a folder for each, and the outer one set aside."""
    target = tmp_path / "out"
    outer = _leftovers.temporary_beside(target)
    inner, aside = _leftovers.temporary_beside(outer), _leftovers.aside_of(outer)
    for folder in (outer, inner, aside):
        folder.mkdir()
        (folder / "half").touch()
    monkeypatch.setattr(_leftovers, "_is_alive", lambda process: False)
    _leftovers.sweep(target)
    assert list(tmp_path.iterdir()) == []
    assert _leftovers.aside_of(target).suffix == ".old"


def test_content_is_replaced_in_one_step_and_nothing_is_left_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, link = tmp_path / "real.txt", tmp_path / "link.txt"
    real.write_bytes(b"old")
    real.chmod(0o640)
    link.symlink_to(real)
    files.replace_content(link, b"new")
    assert (real.read_bytes(), link.is_symlink(), real.stat().st_mode & 0o777) == (b"new", True, 0o640)

    def full(descriptor: int) -> None:
        raise OSError(28, "no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        files.replace_content(link, b"newer")
    assert real.read_bytes() == b"new"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link.txt", "real.txt"]
