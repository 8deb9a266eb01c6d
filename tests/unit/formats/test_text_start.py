"""The start of a text file, and that a format is told from it, however long the file is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from detkit import formats
from detkit.errors import InputError
from detkit.formats._text_start import start_of, text_start

BLOCK = 1 << 16


def laid(folder: Path, data: bytes, name: str = "a.txt") -> Path:
    place = folder / name
    place.write_bytes(data)
    return place


@pytest.mark.parametrize(
    ("data", "start"),
    [
        (b"", b""),
        (b"12\n34", b"12\n34"),
        (b"12\n3456\n", b"12\n"),
        (b"12\r3456\r", b"12\r"),
        (b"1\r\n23456\r\n", b"1\r\n"),
        (b"1234567", b"123456"),
        ("1234\u00e9\u00e9".encode(), b"1234"),
        ("12345\u00e9\u00e9".encode(), b"12345"),
        ("123\u20ac\u20ac".encode(), b"123"),
        ("12\U0001f600\U0001f600".encode(), b"12"),
        (b"12\x80\x80\x80\x80\x80\x80", b"12\x80\x80\x80\x80"),
    ],
    ids=ascii,
)
def test_the_start_is_whole_lines_or_whole_characters(tmp_path: Path, data: bytes, start: bytes) -> None:
    assert start_of(laid(tmp_path, data), 6) == start


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_the_text_is_the_first_lines(tmp_path: Path, coding: str) -> None:
    line = "caf\u00e9 \u0a41 1 2 3\n"
    mark = "\ufeff" if coding == "utf-16-be" else ""
    read = text_start(laid(tmp_path, (mark + line * 20_000).encode(coding)))
    assert read.splitlines() == [line.rstrip("\n")] * len(read.splitlines())
    assert len(read.splitlines()) > 1000


def test_what_is_no_text_is_refused_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="byte 3: not UTF-8 text"):
        text_start(laid(tmp_path, b"caf\xe9"))


@pytest.mark.skipif(os.name == "nt", reason="no pipes there")
def test_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p")
    with pytest.raises(InputError, match="not a regular file"):
        text_start(tmp_path / "p")


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="nothing counts what is read there")
@pytest.mark.parametrize("name", ["dota", "kitti", "voc", "yolo"])
@pytest.mark.parametrize("kind", ["dataset", "detections"])
@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("a.txt", b"foo bar 1 baz\n"),
        ("a.txt", b"0 1 2 3 4 5 6 7\n"),
        ("a.txt", bytes(range(1, 256))),
        ("a.xml", b"<object><name>cat</name></object>\n"),
        ("train.txt", b"images/a.jpg\n"),
    ],
    ids=["words", "numbers", "bytes", "objects", "list"],
)
def test_a_format_is_told_from_the_start(tmp_path: Path, name: str, kind: formats.Kind, file: str, line: bytes) -> None:
    head = b"<annotation>" if file.endswith(".xml") else b""
    place = laid(tmp_path, head + line * (16 * BLOCK // len(line) * 8), file)
    for path in (tmp_path, place):
        before = bytes_read()
        formats.fits(path, kind, name)
        assert bytes_read() - before < place.stat().st_size / 4


def bytes_read() -> int:
    return int(Path("/proc/self/io").read_text().split()[1])


def test_a_long_annotation_is_known_by_its_start(tmp_path: Path) -> None:
    thing = (
        "<object><name>cat</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax></bndbox></object>\n"
    )
    whole = f"<annotation><filename>a.jpg</filename>{thing * 6000}</annotation>"
    laid(tmp_path, whole.encode(), "a.xml")
    assert formats.fits(tmp_path, "dataset", "voc")
    laid(tmp_path, whole.replace("bndbox", "box").encode(), "a.xml")
    assert not formats.fits(tmp_path, "dataset", "voc")
    laid(tmp_path, b"<!-- " + b"x " * 200_000 + b"-->", "a.xml")
    assert not formats.fits(tmp_path, "dataset", "voc")
    laid(tmp_path, b'<!DOCTYPE x [<!ENTITY a "b">]>' + whole.encode(), "a.xml")
    assert not formats.fits(tmp_path, "dataset", "voc")
