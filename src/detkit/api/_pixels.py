"""Image files for the verbs that touch pixels: read as they are displayed, written with what belongs to them."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from detkit._version import __version__
from detkit.errors import InputError, UsageError
from detkit.files import FOLDER_MARK, refuse_special
from detkit.findings import Finding, Loss
from detkit.tables import Dataset, Images

if TYPE_CHECKING:
    from PIL import Image

__all__ = [
    "WRITTEN",
    "Progress",
    "check_sheet",
    "displayed",
    "fitting",
    "in_threads",
    "known_files",
    "left_out",
    "mark_folder",
    "name_of",
    "opened",
    "rgb",
    "safe_name",
    "save",
    "sizes_of",
]

#: Suffixes of the images that are written.
WRITTEN = (".jpg", ".jpeg", ".png")
#: Told (done, all) as work goes on.
Progress = Callable[[int, int], None]
T = TypeVar("T")
R = TypeVar("R")
_ORIENTATION = 0x0112
_TURNED = (5, 6, 7, 8)


@contextmanager
def opened(path: str | Path) -> Iterator[Image.Image]:
    """An image file while the block works on it; what goes wrong in the block is the file's fault.

    Raises
    ------
    InputError
        Not a readable image.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            refuse_special(path)
            with Image.open(path) as image:
                yield image
    except Exception as error:  # a damaged file makes Pillow's plugins raise nearly anything
        raise _unreadable(path, error) from error


def displayed(path: str | Path) -> Image.Image:
    """An image file in its own mode, EXIF orientation applied, all of it decoded.

    Raises
    ------
    InputError
        Not a readable image.
    """
    from PIL import ImageOps

    with opened(path) as image:
        image.load()
        turned = ImageOps.exif_transpose(image)
        return turned if turned is not image else image.copy()


def _size(path: str) -> tuple[int, int]:
    """Displayed size, from the header."""
    with opened(path) as image:
        width, height = image.size
        return (height, width) if image.getexif().get(_ORIENTATION) in _TURNED else (width, height)


def _unreadable(path: str | Path, error: Exception) -> InputError:
    if isinstance(error, MemoryError):
        raise error
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
    return InputError(f"not a readable image: {reason}", path=str(path))


def rgb(image: Image.Image) -> Image.Image:
    """The image as RGB; 16-bit grey is scaled, what is transparent lies on white."""
    from PIL import Image as Pil

    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, dtype=np.float64)
        top = values.max(initial=0.0)
        return Pil.fromarray(np.clip(values / 257 if top > 255 else values, 0, 255).astype(np.uint8)).convert("RGB")
    if "A" in image.mode or "transparency" in image.info:
        ground = Pil.new("RGBA", image.size, "white")
        ground.alpha_composite(image.convert("RGBA"))
        return ground.convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def save(image: Image.Image, path: Path, *, quality: int = 95, suffix: str | None = None) -> None:
    """Write an image as JPEG or PNG, by its suffix or the one given; colour profile kept, no EXIF (it is upright)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {}
    if image.info.get("icc_profile"):
        options["icc_profile"] = image.info["icc_profile"]
    if (suffix or path.suffix).lower() in (".jpg", ".jpeg"):
        if image.mode not in ("L", "RGB", "CMYK"):
            image = rgb(image)
        # Chroma stays at full size where little would be won by less.
        image.save(path, "JPEG", quality=quality, subsampling=0 if quality >= 90 else 2, **options)
        return
    if image.mode not in ("1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16"):
        image = rgb(image)
    image.save(path, "PNG", **options)


def check_sheet(target: str | Path) -> None:
    """Refuse a name that tells no kind of image that is written: before images are read.

    Raises
    ------
    UsageError
    """
    if Path(target).suffix.lower() not in WRITTEN:
        raise UsageError(f"{target}: a sheet is one image", hint="end the name in .jpg or .png")


def mark_folder(folder: Path, format: str) -> None:
    """Say in a folder of images that detkit wrote it: only such a folder is ever replaced."""
    mark = json.dumps({"detkit": __version__, "format": format})
    (folder / FOLDER_MARK).write_text(mark + "\n", encoding="utf-8", newline="\n")


def name_of(images: Images, position: int) -> str:
    """File name of an image, its id where it has none."""
    return images.file_names[position] or str(images.ids[position])


def safe_name(name: str) -> str:
    """A relative name that stays in its folder: `..`, drives and leading slashes are taken out."""
    parts = name.replace("\\", "/").replace(":", "_").replace("\0", "_").split("/")
    kept = [part for part in parts if part not in ("", ".", "..")]
    return "/".join(kept) or "image"


def in_threads(
    function: Callable[[T], R], items: Sequence[T], jobs: int | None, progress: Progress | None
) -> Iterator[R]:
    """The function's results in order; few items are in work at a time, so that memory stays flat."""
    workers = jobs or min(16, os.cpu_count() or 1)
    waiting: list[Future[R]] = []
    done = 0
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > 2 * workers:
                    yield waiting.pop(0).result()
                    done += 1
                    if progress is not None:
                        progress(done, len(items))
            while waiting:
                yield waiting.pop(0).result()
                done += 1
                if progress is not None:
                    progress(done, len(items))
        finally:
            for future in waiting:
                future.cancel()


def sizes_of(paths: Sequence[str | None], jobs: int | None = None) -> NDArray[np.float64]:
    """(N, 2) displayed sizes of image files, from their headers; NaN where there is none to read."""

    def one(path: str | None) -> tuple[float, float]:
        try:
            return (float("nan"), float("nan")) if path is None else _size(path)
        except InputError:
            return float("nan"), float("nan")

    return np.array(list(in_threads(one, paths, jobs, None)), dtype=np.float64).reshape(-1, 2)


def known_files(dataset: Dataset) -> None:
    """Refuse a dataset none of whose image files was found.

    Raises
    ------
    InputError
    """
    if len(dataset.images) and not any(dataset.images.paths):
        path = dataset.source.path if dataset.source else None
        raise InputError(
            f"no image file was found for any of {len(dataset.images)} images",
            path=path,
            hint="name their folder with --images",
        )


def fitting(dataset: Dataset, jobs: int | None = None) -> tuple[Dataset, list[Finding], list[Loss]]:
    """The dataset with only images whose files are there, can be opened, and have the size that the labels state.

    Parameters
    ----------
    dataset : Dataset
    jobs : int, optional
        Threads.

    Returns
    -------
    Dataset, list of Finding, list of Loss
    """
    known_files(dataset)

    def problem(position: int) -> Finding | None:
        path = dataset.images.paths[position]
        name = name_of(dataset.images, position)
        if path is None:
            return Finding("DK401", "no image file found; it is left out", image=name)
        try:
            size = _size(path)
        except InputError as error:
            return Finding("DK404", f"{error.message}; it is left out", image=name)
        stated = dataset.images.sizes[position].tolist()
        if any(s == s and abs(s - r) > 0.5 for s, r in zip(stated, size, strict=True)):
            message = f"the file is {size[0]} x {size[1]} pixels, the labels say {stated[0]:g} x {stated[1]:g}"
            return Finding("DK402", f"{message}; it is left out", image=name)
        return None

    problems = list(in_threads(problem, range(len(dataset.images)), jobs, None))
    findings = [p for p in problems if p is not None]
    if not findings:
        return dataset, [], []
    good = [n for n, p in enumerate(problems) if p is None]
    return dataset.take_images(good), findings, [left_out(findings)]


def left_out(findings: Iterable[Finding]) -> Loss:
    """Images that could not be used, as a loss."""
    names = [str(f.image) for f in findings]
    return Loss(
        "images", "left out: not found, unreadable or of another size than stated", len(names), tuple(names[:3])
    )
