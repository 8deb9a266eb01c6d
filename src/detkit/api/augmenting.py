"""Augmented copies of a dataset: images and all that is labelled in them through one pipeline."""

from __future__ import annotations

import hashlib
import tempfile
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from detkit import config, files, formats
from detkit.api import _pixels
from detkit.api.drawing import DrawSettings, draw
from detkit.api.verbs import Changed, Written, dataset_format, read_source, write_changed
from detkit.errors import InputError, UsageError
from detkit.findings import Finding, Loss
from detkit.tables import Dataset
from detkit.transforms import augment as transform

__all__ = ["AugmentSettings", "augment"]

_PREVIEW = (4, 4)


@dataclass(frozen=True)
class AugmentSettings:
    """How copies are made.

    Parameters
    ----------
    pipeline : str, path-like, sequence or mapping
        `light`, `standard` or `heavy`; a YAML, JSON or TOML file; or steps as such a file holds them.
    copies : int
        Of each image.
    seed : int
        A copy depends on it, on the image's name and on the number of the copy alone.
    mosaic : float
        Share of the copies that start as a mosaic of their image and three others.
    min_visible : float
        Least share of an object that must be left. Crowd regions and ignored objects stay whatever is left.
    empty : {"keep", "drop"}
        Copies that show no object.
    keep_originals : bool
        Write the source's images too.
    image_format : {"jpg", "png"}
    quality : int
        Of JPEG.
    """

    pipeline: str | Path | Sequence[Any] | Mapping[str, Any] = "standard"
    copies: int = 1
    seed: int = 0
    mosaic: float = 0.0
    min_visible: float = 0.1
    empty: Literal["keep", "drop"] = "keep"
    keep_originals: bool = False
    image_format: Literal["jpg", "png"] = "jpg"
    quality: int = 95

    def __post_init__(self) -> None:
        for name, value in (("mosaic", self.mosaic), ("min visible", self.min_visible)):
            if not 0 <= value <= 1:
                raise UsageError(f"{name}: found {value:g}, expected a share from 0 to 1")
        if self.copies < 1:
            raise UsageError(f"copies: found {self.copies}, expected 1 or more")
        if self.empty not in ("keep", "drop"):
            raise UsageError(f"empty: found `{self.empty}`, expected keep or drop")
        if self.image_format not in ("jpg", "png"):
            raise UsageError(f"image format: found `{self.image_format}`, expected jpg or png")

    def steps(self) -> tuple[transform.Step, ...]:
        """The steps of the pipeline.

        Raises
        ------
        UsageError, InputError
        """
        given = self.pipeline
        if isinstance(given, str) and given in transform.PRESETS:
            return transform.parse_steps(transform.PRESETS[given], given)
        if not isinstance(given, str | Path):
            return transform.parse_steps(given)
        path = Path(given)
        if not path.is_file():
            known = ", ".join(transform.PRESETS)
            raise UsageError(f"pipeline: `{given}` is no file and no preset", hint=f"presets: {known}")
        content: Any = config.load_json(path) if path.suffix.lower() == ".json" else config.load_config(path)
        return transform.parse_steps(content, str(path))


def augment(
    source: str | Path | Dataset,
    target: str | Path,
    settings: AugmentSettings | None = None,
    *,
    preview: str | Path | None = None,
    to: str | None = None,
    source_format: str = "auto",
    overwrite: bool = False,
    dry_run: bool = False,
    workers: int | None = None,
    read_options: Mapping[str, Any] | None = None,
    write_options: Mapping[str, Any] | None = None,
    progress: _pixels.Progress | None = None,
) -> Written:
    """Write warped copies of a dataset's images with their objects.

    Parameters
    ----------
    source : path-like or Dataset
        Never changed.
    target : path-like
        A folder.
    settings : AugmentSettings, optional
    preview : path-like, optional
        An image file: the first copies with what is labelled in them.
    to, source_format, overwrite, dry_run, read_options, write_options
        See `detkit.api.verbs.change`.
    workers : int, optional
        Threads; the result does not depend on it, to the byte.
    progress : callable, optional
        Told (done, all) copies.

    Returns
    -------
    Written

    Raises
    ------
    MissingExtraError
        albumentations is not installed.
    UsageError
        A pipeline that is not valid, or a target that is one file.
    InputError, OutputError
    """
    settings = settings or AugmentSettings()
    steps = settings.steps()
    transform.Augmenter(steps)  # refuses what is wrong before anything is read
    dataset = read_source(source, [target], source_format, read_options)
    name = to or dataset_format(target, dataset)
    if Path(target).suffix.lower() in formats.capabilities(name).file_suffixes:
        raise UsageError(f"{target}: one file has no room for images", hint="name a folder")
    if preview is not None:
        _pixels.check_sheet(preview)
        files.refuse_existing(Path(preview), overwrite=overwrite)
    if not dry_run:
        files.check_target(target, overwrite=overwrite)
    dataset, findings, losses = _pixels.fitting(dataset, workers)
    dataset = _in_pixels(dataset)
    with tempfile.TemporaryDirectory(prefix="detkit-") if dry_run else files.scratch_folder(target) as scratch:
        work = _Work(dataset, settings, steps, Path(scratch))
        made = list(_pixels.in_threads(work.one, work.tasks(), workers, progress))
        broken = [m for m in made if isinstance(m, Finding)]
        copies = [m for m in made if isinstance(m, transform.Copy)]
        if settings.empty == "drop":
            copies = [copy for copy in copies if copy.objects]
        whole = transform.assembled(dataset, copies, keep_originals=settings.keep_originals)
        losses = [*losses, *work.losses(len(made) - len(broken) - len(copies))]
        details = {**work.details(), "copies": len(copies), "source_images": len(dataset.images)}
        changed = Changed(whole, tuple(losses), (*findings, *broken), details)
        if preview is not None and not dry_run:
            shown = range(len(whole.images) - len(copies), len(whole.images))[: _PREVIEW[0] * _PREVIEW[1]]
            draw(whole.take_images(list(shown)), preview, settings=DrawSettings(sheet=_PREVIEW), overwrite=overwrite)
        options = {**dict(write_options or {}), "place_images": "leave" if dry_run else "copy"}
        return write_changed(
            "augment", changed, target, to=name, like=dataset, overwrite=overwrite, dry_run=dry_run,
            write_options=options,
        )  # fmt: skip


def _in_pixels(dataset: Dataset) -> Dataset:
    if dataset.units != "pixels":
        raise InputError("boxes are shares of images whose sizes are not known", hint="name their folder with --images")
    return dataset


@dataclass
class _Work:
    """Makes copies, from any thread."""

    dataset: Dataset
    settings: AugmentSettings
    steps: tuple[transform.Step, ...]
    folder: Path
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("gone", "little", "mosaics"), 0))

    def __post_init__(self) -> None:
        self._partners = transform.partners_of(self.dataset)
        self._category = self.dataset.annotations.category_index
        self._spared = self.dataset.annotations.is_crowd | self.dataset.annotations.is_ignored
        shapes = self.dataset.annotations.shapes
        self._bends = shapes is not None and transform.bends_lines(self.steps)
        self._names = _stems(self.dataset)
        self._lock = threading.Lock()
        self._own = threading.local()

    def tasks(self) -> list[tuple[int, int]]:
        """(image, number of the copy), images in order."""
        return [(i, k) for i in range(len(self.dataset.images)) for k in range(1, self.settings.copies + 1)]

    def one(self, task: tuple[int, int]) -> transform.Copy | Finding:
        """One copy, its pixels in the folder; a finding where the image cannot be used."""
        image, number = task
        if not hasattr(self._own, "augmenter"):
            # Building turns warnings into errors for a moment, and that is the whole process's.
            with self._lock:
                self._own.augmenter = transform.Augmenter(self.steps)
        name = f"{self._names[image]}_aug{number}.{self.settings.image_format}"
        text = f"{self.settings.seed}\0{self._names[image]}\0{number}"
        seed = int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()[:4], "big")
        try:
            pixels, items = self._start(image, np.random.default_rng(seed))
            out, left = self._own.augmenter.warp(pixels, items, seed, self._partner)
        except InputError as error:
            return Finding("DK404", f"{error.message}; no copy {number} of it", image=self._names[image])
        kept = [i for i in left if i.visible >= self.settings.min_visible - 1e-9 or self._spared[i.row]]
        with self._lock:
            self.counts["gone"] += len(items) - len(left)
            self.counts["little"] += len(left) - len(kept)
        path = self.folder / f"{image:08d}_{number:06d}.{self.settings.image_format}"
        _write_image(out, path, self.settings.quality)
        objects = tuple(transform.placed(item) for item in kept)
        return transform.Copy(image, name, (out.shape[1], out.shape[0]), objects, str(path))

    def _start(self, image: int, random: np.random.Generator) -> tuple[NDArray[np.uint8], Sequence[transform.Item]]:
        """The image as it is, or a mosaic of it and three others."""
        count = len(self.dataset.images)
        if count < 2 or random.random() >= self.settings.mosaic:
            return self._read(image)
        others = random.integers(0, count - 1, 3).tolist()
        chosen = [image, *(other + (other >= image) for other in others)]
        with self._lock:
            self.counts["mosaics"] += 1
        pairs = [self._read(position) for position in chosen]
        return transform.mosaic([p for p, _ in pairs], [i for _, i in pairs], random)

    def _read(self, image: int) -> tuple[NDArray[np.uint8], list[transform.Item]]:
        pixels = np.asarray(_pixels.rgb(_pixels.displayed(str(self.dataset.images.paths[image]))))
        first, last = self.dataset.offsets[image : image + 2].tolist()
        size = (pixels.shape[1], pixels.shape[0])
        return pixels, transform.items_of(self.dataset.annotations, first, last, size, as_masks=self._bends)

    def _partner(self, row: int) -> Sequence[int]:
        return self._partners[int(self._category[row])]

    def losses(self, empties: int) -> list[Loss]:
        """What copies lack, counted."""
        share = f"left out: less than {self.settings.min_visible:g} visible"
        polygons = 0
        shapes = self.dataset.annotations.shapes
        if self._bends and shapes is not None:
            polygons = int(np.count_nonzero(shapes.rings.lengths()))
        found = [
            Loss("objects of copies", "left out: nothing of them is left", self.counts["gone"]),
            Loss("objects of copies", share, self.counts["little"]),
            Loss("copies", "left out: no object in them", empties),
            Loss("polygons", "turned into masks: the pipeline bends lines", polygons),
        ]
        return [loss for loss in found if loss.count]

    def details(self) -> dict[str, Any]:
        """For the report."""
        return {
            "seed": self.settings.seed,
            "mosaics": self.counts["mosaics"],
            "pipeline": [step.to_dict() for step in self.steps],
        }


def _stems(dataset: Dataset) -> list[str]:
    """Names without suffix; where two images share one, their suffix stays in it."""
    names = [PurePosixPath(_pixels.safe_name(_pixels.name_of(dataset.images, i))) for i in range(len(dataset.images))]
    stems = [name.with_suffix("").as_posix() for name in names]
    shared = Counter(stems)
    return [
        stem if shared[stem] == 1 else f"{stem}{name.suffix.replace('.', '_')}"
        for stem, name in zip(stems, names, strict=True)
    ]


def _write_image(pixels: NDArray[np.uint8], path: Path, quality: int) -> None:
    from PIL import Image

    _pixels.save(Image.fromarray(pixels), path, quality=quality)
