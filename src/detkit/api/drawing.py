"""Look at a dataset: images with boxes, names, masks, keypoints, truth beside or under predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from detkit import files
from detkit.api import _pixels
from detkit.api._artist import Artist, with_strip
from detkit.api._canvas import GROUND, TEXT
from detkit.api._fonts import Fonts
from detkit.api._scene import DrawSettings, Scene, scene_of
from detkit.api.tables import keep_apart
from detkit.errors import InputError, UsageError
from detkit.findings import Finding, Loss
from detkit.tables import Dataset, Detections, Images
from detkit.wording import examples

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["DrawSettings", "Drawn", "draw"]


@dataclass(frozen=True)
class Drawn:
    """What was drawn.

    Parameters
    ----------
    target : str
    images : int
        Images drawn.
    truths, predictions : int
        Objects drawn.
    outcomes : mapping of str to int
        `TP`, `FP`, `FN`, `ignored` where both sides were given.
    score_threshold : float, optional
        Predictions are drawn from this score on; None where there were none to draw.
    hidden : int
        Predictions on the images with a lower score: not drawn.
    findings : tuple of Finding
    losses : tuple of Loss
    """

    target: str
    images: int
    truths: int
    predictions: int
    outcomes: Mapping[str, int]
    score_threshold: float | None = None
    hidden: int = 0
    findings: tuple[Finding, ...] = ()
    losses: tuple[Loss, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values, schema `detkit.draw/1`."""
        return {
            "schema": "detkit.draw/1",
            "target": self.target,
            "images": self.images,
            "truths": self.truths,
            "predictions": self.predictions,
            "outcomes": dict(self.outcomes) or None,
            "score_threshold": self.score_threshold,
            "hidden": self.hidden,
            "findings": [f.to_dict() for f in self.findings],
            "losses": [loss.to_dict() for loss in self.losses],
        }


def draw(
    source: str | Path | Dataset,
    target: str | Path,
    predictions: str | Path | Detections | None = None,
    settings: DrawSettings | None = None,
    *,
    source_format: str = "auto",
    predictions_format: str = "auto",
    read_options: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    jobs: int | None = None,
    progress: _pixels.Progress | None = None,
) -> Drawn:
    """Draw the objects of a dataset, of predictions, or both, on the images.

    Parameters
    ----------
    source : path-like or Dataset
        A dataset; with predictions also a folder of images (format `images`).
    target : path-like
        A folder, or an image file for a sheet. Names keep their sub-folders.
    predictions : path-like or Detections, optional
    settings : DrawSettings, optional
    source_format, predictions_format : str
    read_options : mapping, optional
        Fields of `ReadOptions`.
    overwrite : bool
    jobs : int, optional
        Threads; the result does not depend on it.
    progress : callable, optional
        Told (done, all) images.

    Returns
    -------
    Drawn

    Raises
    ------
    UsageError
        Settings that do not fit together, an unknown class.
    InputError
        No image file is known, or an input cannot be read.
    OutputError
    """
    settings = settings or DrawSettings()
    _check(settings, predictions is not None, Path(target))
    fonts = Fonts(settings.font)
    files.refuse_existing(Path(target), overwrite=overwrite)
    scene = scene_of(source, predictions, settings, source_format, predictions_format, dict(read_options or {}))
    if not isinstance(source, Dataset):
        keep_apart(source, target)
    artist = Artist(scene, settings, fonts)
    if settings.sheet is not None:
        shown, failed = _write_sheet(artist, Path(target), overwrite, jobs, progress)
    else:
        shown, failed = _write_files(artist, Path(target), overwrite, jobs, progress)
    return _told(scene, str(target), shown, failed, artist.missing, settings.score_threshold)


def _check(settings: DrawSettings, both: bool, target: Path) -> None:
    if settings.beside and not both:
        raise UsageError("beside: truth is drawn beside predictions, and no predictions were given")
    if settings.colours not in (None, "outcome", "class"):
        raise UsageError(f"colours: found `{settings.colours}`, expected outcome or class")
    if settings.sample is not None and settings.sample < 1:
        raise UsageError(f"sample: found {settings.sample}, expected 1 or more")
    if settings.sheet is not None:
        _pixels.check_sheet(target)
    elif target.suffix.lower() in _pixels.WRITTEN:
        raise UsageError(f"{target}: drawings are a folder of images", hint="name a folder, or make a `--sheet`")


def _write_files(
    artist: Artist, target: Path, overwrite: bool, jobs: int | None, progress: _pixels.Progress | None
) -> tuple[list[int], list[Finding]]:
    """A file for each image, in a folder that appears whole."""
    images = artist.scene.truth.images
    names = _output_names(images)

    with files.atomic_folder(target, overwrite=overwrite) as place:

        def one(image: int) -> Finding | None:
            try:
                picture = artist.picture(image)
            except InputError as error:
                return Finding("DK404", f"{error.message}; it is left out", image=_pixels.name_of(images, image))
            _pixels.save(picture, place / names[image], quality=artist.settings.quality)
            return None

        results = list(_pixels.in_threads(one, range(len(images)), jobs, progress))
        _pixels.mark_folder(place, "drawings")
    return [n for n, r in enumerate(results) if r is None], [r for r in results if r is not None]


def _output_names(images: Images) -> list[str]:
    """Relative names, one a file: .jpg and .png as they are, others with .jpg behind."""
    names, taken = [], set()
    for n in range(len(images)):
        name = _pixels.safe_name(_pixels.name_of(images, n))
        if PurePosixPath(name).suffix.lower() not in _pixels.WRITTEN:
            name += ".jpg"
        while name.lower() in taken:
            pure = PurePosixPath(name)
            name = pure.with_name(f"{pure.stem}_{n}{pure.suffix}").as_posix()
        taken.add(name.lower())
        names.append(name)
    return names


def _write_sheet(
    artist: Artist, target: Path, overwrite: bool, jobs: int | None, progress: _pixels.Progress | None
) -> tuple[list[int], list[Finding]]:
    """One image of small ones, with their names below."""
    from PIL import Image

    assert artist.settings.sheet is not None
    images = artist.scene.truth.images
    columns = min(artist.settings.sheet[0], max(1, len(images)))
    width = artist.settings.max_side or 480
    aspect = float(np.nanmedian(images.sizes[:, 1] / images.sizes[:, 0])) if _has_sizes(images) else 0.75
    room = (width, max(1, round(width * min(2.0, max(0.4, aspect)))))
    strip = max(11, round(width * 0.032))

    def one(image: int) -> Image.Image | Finding:
        name = _pixels.name_of(images, image)
        try:
            picture = artist.picture(image, room)
        except InputError as error:
            return Finding("DK404", f"{error.message}; it is left out", image=name)
        return with_strip(picture, [(name, TEXT)], artist.fonts, strip)

    cells = list(_pixels.in_threads(one, range(len(images)), jobs, progress))
    shown = [n for n, cell in enumerate(cells) if not isinstance(cell, Finding)]
    pictures = [cell for cell in cells if not isinstance(cell, Finding)]
    wide = max((p.size[0] for p in pictures), default=width)
    high = max((p.size[1] for p in pictures), default=room[1])
    gap = max(2, width // 60)
    rows = max(1, -(-len(pictures) // columns))
    sheet = Image.new("RGB", (columns * (wide + gap) + gap, rows * (high + gap) + gap), GROUND)
    for n, picture in enumerate(pictures):
        x, y = gap + n % columns * (wide + gap), gap + n // columns * (high + gap)
        sheet.paste(picture, (x + (wide - picture.size[0]) // 2, y + high - picture.size[1]))
    with files.atomic_file(target, overwrite=overwrite) as place:
        _pixels.save(sheet, place, quality=artist.settings.quality, suffix=target.suffix)
    return shown, [cell for cell in cells if isinstance(cell, Finding)]


def _has_sizes(images: Images) -> bool:
    return bool(len(images)) and not np.isnan(images.sizes).all()


def _told(
    scene: Scene, target: str, shown: list[int], failed: list[Finding], missing: set[str], threshold: float
) -> Drawn:
    findings = [*scene.findings, *failed]
    if missing:
        names = sorted(missing)
        message = f"no font here has all characters of {examples(names)}: class ids are drawn instead (--font FILE)"
        findings.append(Finding("DK110", message, count=len(names)))
    losses = [_pixels.left_out(failed)] if failed else []
    outcomes: dict[str, int] = {}
    if scene.outcomes is not None:
        outcomes = {kind: int((scene.outcomes.predictions == kind).sum()) for kind in ("TP", "FP", "ignored")}
        outcomes["FN"] = int((scene.outcomes.truths == "FN").sum())
    return Drawn(
        target,
        len(shown),
        len(scene.truth.annotations),
        0 if scene.detections is None else len(scene.detections),
        outcomes,
        None if scene.detections is None else threshold,
        scene.hidden,
        tuple(findings),
        tuple(losses),
    )
