"""Image files: are they there, are they what they say, and how large are they."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np

from detkit.checks._base import Code, Context, Fixed
from detkit.checks._headers import Header
from detkit.findings import Finding, Loss
from detkit.tables import Dataset, freeze

__all__ = ["CODES", "fix", "run"]

#: Pixels beyond which an image is huge: readers warn, and memory runs out in training.
HUGE = 50_000_000
#: Ultralytics refuses images with a side below this.
SMALLEST = 10
_SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"), "MPO": (".jpg", ".jpeg", ".mpo"), "PNG": (".png", ".apng"),
    "WEBP": (".webp",), "BMP": (".bmp", ".dib"), "GIF": (".gif",), "TIFF": (".tif", ".tiff", ".dng"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm", ".pfm"), "JPEG2000": (".jp2", ".j2k"), "AVIF": (".avif",),
    "HEIF": (".heic", ".heif"),
}  # fmt: skip
_COLOUR, _GREY = ("RGB", "RGBA", "P", "YCbCr"), ("L", "LA", "1")

CODES = (
    Code("DK112", "Not one image file is found, so images are not checked.", "Give their folder with `--images`."),
    Code("DK401", "An image that the labels speak of is not there.",
         "Its boxes are lost in training. Bring the file, or give the folder with `--images`."),
    Code("DK402", "The size stated is not the size of the image file as displayed.",
         "Boxes are in the wrong place where the image was scaled or turned after labelling. Look before you fix.",
         "unsafe", "States the file's size; boxes keep their pixels."),
    Code("DK404", "An image file is there and its header cannot be read.", "Replace it: training stops or skips it."),
    Code("DK405", "EXIF turns the image when it is displayed.",
         "The labels fit the displayed image; loaders that pass EXIF over see it lying. Save it upright."),
    Code("DK406", "An image is CMYK, 16 bit, or of another mode that few loaders expect.",
         "Convert it to 8-bit RGB or grey, or make sure that training and inference read it alike."),
    Code("DK407", "A grey image in a set of colour images, or the other way round.",
         "Most loaders make colour of it; a shortcut to learn where only one class has it."),
    Code("DK408", f"An image has more than {HUGE // 1_000_000} million pixels.",
         "Small objects vanish when it is scaled down: cut it with `detkit tile`."),
    Code("DK409", f"An image has a side of less than {SMALLEST} pixels.", "Ultralytics refuses it. Leave it out."),
    Code("DK410", "The suffix of an image file is not that of its content.",
         "Some loaders go by the suffix: rename it."),
    Code("DK411", "The pixels of an image cannot be decoded (with `--decode`).", "Replace the file."),
    Code("DK412", "A JPEG ends before its end mark: it was cut short.",
         "The lower part is grey or missing. Replace it; `--decode` tells how much is there."),
)  # fmt: skip


def run(dataset: Dataset, context: Context) -> Iterator[Finding]:
    """Faults of image files."""
    yield from _sizes_stated(dataset, context)
    paths = context.places.image_paths
    if not any(path is not None for path in paths):
        if len(paths):
            text = f"none of {len(paths)} image files is found: images are not checked"
            yield context.of_dataset("DK112", text, count=len(paths))
        return
    names = dataset.images.file_names
    missing = [position for position, path in enumerate(paths) if path is None]
    yield from context.of_images("DK401", missing, lambda p: f"image file `{names[p]}` is not found")
    headers = context.image_headers
    readable = [p for p, header in enumerate(headers) if header is not None and not header.problem]
    unreadable = [p for p, header in enumerate(headers) if header is not None and header.problem]
    yield from context.of_images("DK404", unreadable, lambda p: _header(headers, p).problem)
    for code, wanted, text_of in _LOOKS:
        texts = {p: text_of(h, dataset, p) for p in readable if wanted(h := _header(headers, p), dataset, p)}
        yield from context.of_images(code, list(texts), texts.__getitem__)
    yield from _modes(dataset, context, headers, readable)


def fix(dataset: Dataset, context: Context, code: str) -> Fixed:
    """Sizes as the files have them."""
    headers = context.image_headers
    wrong = [p for p, h in enumerate(headers) if h is not None and not h.problem and _has_other_size(h, dataset, p)]
    if not wrong or dataset.units != "pixels":
        return dataset, []
    sizes = dataset.images.sizes.copy()
    places = []
    for position in wrong:
        size = _header(headers, position).displayed
        before = "{:g} x {:g}".format(*sizes[position])
        places.append(f"{dataset.images.file_names[position]} {before} -> {size[0]} x {size[1]}")
        sizes[position] = size
    images = replace(dataset.images, sizes=freeze(sizes))
    return replace(dataset, images=images), [Loss("image sizes", "taken from the files", len(wrong), tuple(places[:3]))]


def _sizes_stated(dataset: Dataset, context: Context) -> Iterator[Finding]:
    """Small images by the stated size, where no file says otherwise."""
    sizes, paths = dataset.images.sizes, context.places.image_paths
    small = [p for p in np.flatnonzero((sizes < SMALLEST).any(axis=1)).tolist() if paths[p] is None]
    yield from context.of_images(
        "DK409", small, lambda p: "image of {:g} x {:g} pixels by its labels".format(*sizes[p])
    )


def _has_other_size(header: Header, dataset: Dataset, position: int) -> bool:
    stated = dataset.images.sizes[position]
    return not np.isnan(stated).any() and tuple(stated.tolist()) != header.displayed


def _size_text(header: Header, dataset: Dataset, position: int) -> str:
    stated = "{:g} x {:g}".format(*dataset.images.sizes[position])
    text = f"size stated is {stated}, the file is {header.displayed[0]} x {header.displayed[1]}"
    if header.turned and tuple(dataset.images.sizes[position].tolist()) == (header.width, header.height):
        return f"{text} as displayed: EXIF turns it"
    return text


def _is_turned(header: Header, dataset: Dataset, position: int) -> bool:
    return header.turned and not _has_other_size(header, dataset, position)


def _has_other_suffix(header: Header, dataset: Dataset, position: int) -> bool:
    path = dataset.images.paths[position] or ""
    known = _SUFFIXES.get(header.format)
    return known is not None and PurePosixPath(path).suffix.lower() not in known


def _is_cut(header: Header, dataset: Dataset, position: int) -> bool:
    return not header.complete and not header.broken


def _is_unusual(header: Header, dataset: Dataset, position: int) -> bool:
    return header.mode not in (*_COLOUR, *_GREY)


_Look = tuple[str, Callable[[Header, Dataset, int], bool], Callable[[Header, Dataset, int], str]]
#: code, whether a header has the fault, what is said of it.
_LOOKS: tuple[_Look, ...] = (
    ("DK402", _has_other_size, _size_text),
    ("DK405", _is_turned, lambda h, d, p: f"stored as {h.width} x {h.height}, EXIF turns it when displayed"),
    ("DK406", _is_unusual, lambda h, d, p: f"mode {h.mode}, expected 8-bit colour or grey"),
    ("DK408", lambda h, d, p: h.width * h.height > HUGE,
     lambda h, d, p: f"{h.width * h.height / 1e6:.0f} million pixels"),
    ("DK409", lambda h, d, p: min(h.width, h.height) < SMALLEST,
     lambda h, d, p: f"image of {h.width} x {h.height} pixels"),
    ("DK410", _has_other_suffix, lambda h, d, p: f"content is {h.format}, the suffix says otherwise"),
    ("DK411", lambda h, d, p: bool(h.broken), lambda h, d, p: f"cannot be decoded: {h.broken}"),
    ("DK412", _is_cut, lambda h, d, p: "JPEG without its end mark: cut short"),
)  # fmt: skip


def _modes(
    dataset: Dataset, context: Context, headers: Sequence[Header | None], readable: Sequence[int]
) -> Iterator[Finding]:
    """Images of the rarer of the two kinds, grey and colour."""
    kind = {p: "grey" if _header(headers, p).mode in _GREY else "colour" for p in readable
            if not _is_unusual(_header(headers, p), dataset, p)}  # fmt: skip
    count = Counter(kind.values())
    if len(count) < 2:
        return
    rarer = min(count, key=lambda name: (count[name], name))
    odd = [p for p in readable if kind.get(p) == rarer]
    usual = "colour" if rarer == "grey" else "grey"
    yield from context.of_images("DK407", odd, lambda p: f"a {rarer} image, {count[usual]} others are {usual}")


def _header(headers: Sequence[Header | None], position: int) -> Header:
    return headers[position] or Header()
