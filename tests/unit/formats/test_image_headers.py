"""Sizes from image headers: what the imaging library says, or nothing."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from detkit.errors import InputError
from detkit.formats._image_headers import plain_size
from detkit.formats._images import displayed_size, displayed_sizes, image_files, walk_images


def _save(path: Path, mode: str = "RGB", size: tuple[int, int] = (31, 17), **options: object) -> Path:
    Image.effect_noise(size, 80).convert(mode).save(path, **options)  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"comment": "x" * 60_000}, {"icc_profile": b"p" * 9000}]
)
def test_ordinary_jpeg_files_are_answered(tmp_path: Path, mode: str, options: dict[str, object]) -> None:
    assert plain_size(_save(tmp_path / "a.jpg", mode, **options)) == (31, 17)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
def test_ordinary_png_files_are_answered(tmp_path: Path, mode: str) -> None:
    assert plain_size(_save(tmp_path / "a.png", mode)) == (31, 17)
    assert plain_size(_save(tmp_path / "large.png", mode, (700, 500))) == (700, 500)


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_turned_image_is_left_to_the_library(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = _save(tmp_path / f"a.{suffix}", exif=exif)
    assert plain_size(path) is None
    assert displayed_size(path) == (17, 31)


def test_a_turn_stated_as_xmp_is_left_to_the_library(tmp_path: Path) -> None:
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    path = _save(tmp_path / "a.jpg", xmp=xmp)
    assert plain_size(path) is None
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", xmp.decode())
    assert plain_size(_save(tmp_path / "a.png", pnginfo=info)) is None
    assert displayed_size(path) == displayed_size(tmp_path / "a.png") == (17, 31)


@pytest.mark.parametrize("suffix", ["gif", "bmp", "webp", "tiff"])
def test_other_kinds_are_left_to_the_library(tmp_path: Path, suffix: str) -> None:
    path = _save(tmp_path / f"a.{suffix}")
    assert plain_size(path) is None
    assert displayed_size(path) == (31, 17)


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_damaged_header_is_never_answered_otherwise_than_by_the_library(tmp_path: Path, suffix: str) -> None:
    whole = _save(tmp_path / f"a.{suffix}").read_bytes()
    random_ = random.Random(0)
    for number in range(150):
        data = bytearray(whole[: random_.randint(0, len(whole))] if number % 3 else whole)
        for _ in range(random_.randint(1, 3) if data else 0):
            data[random_.randrange(min(len(data), 60))] = random_.randrange(256)
        path = tmp_path / f"b.{suffix}"
        path.write_bytes(data)
        found = plain_size(path)
        if found is not None:
            with Image.open(path) as image:
                assert found == image.size


def test_what_is_no_file_is_not_answered(tmp_path: Path) -> None:
    assert plain_size(tmp_path) is None
    assert plain_size(tmp_path / "absent.jpg") is None
    with pytest.raises(InputError, match="not a readable image"):
        displayed_size(tmp_path / "absent.jpg")


def test_many_sizes_come_in_order_with_a_finding_for_each_bad_file(tmp_path: Path) -> None:
    good, bad = _save(tmp_path / "a.jpg"), tmp_path / "b.png"
    bad.write_bytes(b"no image")
    sizes, findings = displayed_sizes([str(good), None, str(bad), str(_save(tmp_path / "c.bmp"))], 2)
    assert sizes == [(31, 17), None, None, (31, 17)]
    assert [(f.code, f.file) for f in findings] == [("DK404", str(bad))]


def test_images_are_listed_by_relative_path(tmp_path: Path) -> None:
    for name in ("b/x.PNG", "a-b.jpg", "a/y.jpeg", "a.txt", ".hidden.png", ".h/z.png", "a/.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = image_files(tmp_path)
    assert [name for name, _ in found] == ["a-b.jpg", "a/y.jpeg", "b/x.PNG"]
    assert walk_images(tmp_path) == [tmp_path / name for name, _ in found] == [Path(path) for _, path in found]
