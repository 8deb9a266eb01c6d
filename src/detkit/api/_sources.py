"""Which images a model is run on: those of a folder, a list, a video, or those of a dataset with its ids."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from detkit import formats
from detkit.api._scored_split import usual_split
from detkit.errors import InputError
from detkit.findings import Finding
from detkit.formats import ReadOptions
from detkit.tables import Dataset

if TYPE_CHECKING:
    from detkit.api.predicting import PredictSettings
    from detkit.detectors import Pictures

__all__ = ["Source", "source_of"]

#: What may hold a dataset in one file.
_DATASET_FILES = (".json", ".yaml", ".yml", ".xml", ".csv", ".zip", ".tar", ".tgz", ".gz")


@dataclass(frozen=True)
class Source:
    """Pictures to run, and the dataset that names them where there is one (then row for row its images)."""

    pictures: Pictures
    truth: Dataset | None
    findings: tuple[Finding, ...]


def source_of(images: str | Path | Dataset, settings: PredictSettings) -> Source:
    """The pictures to run.

    Parameters
    ----------
    images : path-like or Dataset
    settings : PredictSettings

    Returns
    -------
    Source

    Raises
    ------
    InputError
        Nothing there, or nothing that can be run.
    """
    from detkit import detectors

    every = detectors.check_every(settings.every)
    if settings.truth is not None:
        return _of_truth(images, settings, every)
    if isinstance(images, Dataset):
        return _of_dataset(images, settings)
    found = _as_dataset(images, settings)
    if found is not None:
        return _of_dataset(found, settings)
    return Source(detectors.find_pictures(images, every=every), None, ())


def _of_truth(images: str | Path | Dataset, settings: PredictSettings, every: int) -> Source:
    from detkit import detectors

    truth = settings.truth
    assert truth is not None
    same = images is truth or (
        not isinstance(images, Dataset) and not isinstance(truth, Dataset) and _is_same(images, truth)
    )
    dataset = truth if isinstance(truth, Dataset) else _read(truth, settings.truth_format, settings)
    if same or isinstance(images, Dataset):
        return _of_dataset(dataset, settings)
    other = _as_dataset(images, settings) if not Path(images).is_dir() else None
    if other is not None:
        names = (other.images.file_names, other.images.paths)
        found = detectors.Pictures(*names)
    else:
        found = detectors.find_pictures(images, every=every)
    part, note = _split(dataset, settings)
    matched = detectors.match_pictures(found, part.images.file_names)
    return _checked(Source(matched, part, (*part.findings, *note)))


def _is_same(a: str | Path, b: str | Path) -> bool:
    return Path(a).resolve() == Path(b).resolve()


def _as_dataset(images: str | Path, settings: PredictSettings) -> Dataset | None:
    """The dataset that a path is; None for a folder, a list or a file of images."""
    path = Path(images)
    if settings.source_format == "images":
        return None
    if settings.source_format != "auto":
        return _read(path, settings.source_format, settings)
    if path.is_file() and path.suffix.lower() in _DATASET_FILES:
        return _read(path, "auto", settings)
    if not path.is_dir():
        return None
    try:
        found = _read(path, formats.detect(path, "dataset"), settings)
    except InputError:
        return None
    # Labels that lie beside images without naming a class are no reason to take another road.
    return found if found.categories.has_names else None


def _read(path: str | Path, format: str, settings: PredictSettings) -> Dataset:
    names = None if settings.names is None or settings.truth is None else tuple(settings.names)
    return formats.read_dataset(path, format, ReadOptions(names=names, with_shapes=False, with_extra=False))


def _of_dataset(dataset: Dataset, settings: PredictSettings) -> Source:
    part, note = _split(dataset, settings)
    return _checked(Source(_pictures(part), part, (*part.findings, *note)))


def _pictures(dataset: Dataset) -> Pictures:
    """The dataset's images; where its reader found none of the files, those below its own folder."""
    from detkit import detectors

    images = dataset.images
    if dataset.source is not None and len(images) and not any(images.paths):
        place = Path(dataset.source.path)
        with contextlib.suppress(InputError):
            found = detectors.find_pictures(place if place.is_dir() else place.parent)
            matched = detectors.match_pictures(found, images.file_names)
            return replace(matched, findings=())
    return detectors.Pictures(images.file_names, images.paths)


def _checked(source: Source) -> Source:
    """The source, once it is known that it has images whose files are there."""
    missing = sum(path is None for path in source.pictures.paths)
    if missing == len(source.pictures):
        what = "none of the dataset's images was found on this machine" if missing else "the dataset has no images"
        place = source.truth.source.path if source.truth is not None and source.truth.source is not None else None
        raise InputError(what, path=place, hint="give their folder: `detkit predict MODEL IMAGES --truth DATASET`")
    return source


def _split(dataset: Dataset, settings: PredictSettings) -> tuple[Dataset, list[Finding]]:
    """The images of the split asked for; by default of the one that is usually scored, where there are several."""
    known = list(dataset.splits)
    wanted = usual_split(dataset) if settings.split is None else settings.split
    if wanted == "all":
        return dataset, []
    if wanted not in known:
        raise InputError(f"no split `{wanted}`; the dataset has {', '.join(known) or 'none'}")
    part = dataset.take_images(dataset.splits[wanted])
    if settings.split is not None:
        return part, []
    others = ", ".join(name for name in known if name != wanted)
    message = f"split `{wanted}` is run (not {others}; `--split all` runs every image)"
    return part, [Finding("DK110", message)]
