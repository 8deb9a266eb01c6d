"""Images and classes of formats that hold only a part of them.

What the format states is joined with what detkit wrote beside it (`detkit-images.csv`, `detkit.json`) and with what the
image files say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detkit import boxes
from detkit.errors import InputError
from detkit.findings import Finding
from detkit.formats._base import ReadOptions
from detkit.formats._images import ImageFinder, displayed_sizes
from detkit.formats._sidecar import Sidecar, load_sidecar, write_images_table, write_manifest
from detkit.formats._stems import ImageLookup
from detkit.tables import Categories, Images, Units, id_array
from detkit.wording import examples, plural

__all__ = [
    "build_images",
    "load_beside",
    "pixels_or_shares",
    "sizes_required",
    "suspects",
    "unique_names",
    "write_beside",
]


def load_beside(folders: Sequence[Path], format: str) -> Sidecar:
    """What detkit wrote beside the labels of this format; empty where it wrote nothing there.

    Parameters
    ----------
    folders : sequence of Path
        The first that has something is taken.
    format : str

    Returns
    -------
    Sidecar

    Raises
    ------
    InputError
        A table or manifest that cannot be read.
    """
    sidecar = load_sidecar(folders)
    if sidecar.manifest and sidecar.manifest.get("format") != format:
        return Sidecar(folders[0])
    return sidecar


def write_beside(
    folder: Path, format: str, kind: str, images: Images, categories: Categories, keys: Sequence[str] | None = None
) -> None:
    """Write `detkit-images.csv` and `detkit.json` into a folder of labels.

    Parameters
    ----------
    folder : Path
    format : str
    kind : {"dataset", "detections"}
    images : Images
    categories : Categories
    keys : sequence of I str, optional
        How the labels call each image, where that is not its file name.
    """
    names = unique_names(images)
    write_images_table(folder, names, names if keys is None else keys, images)
    write_manifest(folder, kind, images, categories, format=format)


def unique_names(images: Images) -> list[str]:
    """A name for each image: its file name with `/` between folders, else its id.

    Raises
    ------
    InputError
        Two images with one name.
    """
    pairs = zip(images.file_names, images.ids.tolist(), strict=True)
    names = [name.replace("\\", "/") or str(own) for name, own in pairs]
    if len(set(names)) < len(names):
        twice = [name for name, count in Counter(names).items() if count > 1]
        raise InputError(f"{len(twice)} file names belong to several images: {examples(twice)}", hint="rename them")
    return names


def build_images(
    names: Sequence[str],
    folders: Sequence[Path],
    options: ReadOptions,
    *,
    sidecar: Sidecar,
    stated: ArrayLike | None = None,
    ids: Sequence[Any] | None = None,
    extra: dict[int, dict[str, Any]] | None = None,
    files: Sequence[str] | None = None,
) -> tuple[Images, list[Finding]]:
    """The images of these names.

    Sizes come from `--image-sizes`, the format itself, the truth, `detkit-images.csv` and the image headers, in this
    order; ids from the format, else from `detkit-images.csv`, else they count from 1.

    Parameters
    ----------
    names : sequence of I str
        File names, relative.
    folders : sequence of Path
        Where the image files may be; `--images` stands for all of them.
    options : ReadOptions
    sidecar : Sidecar
    stated : (I, 2) array_like of float, optional
        Sizes as the format states them, NaN where it does not.
    ids : sequence of I, optional
        Ids of the format's own.
    extra : dict, optional
    files : sequence of I str, optional
        Where the layout has each image, if that is not its name.

    Returns
    -------
    images : Images
    findings : list of Finding
    """
    finder = ImageFinder([options.images_dir] if options.images_dir is not None else list(folders))
    paths = [finder.find(file) for file in files or names] if finder.folders else [None] * len(names)
    rows = {row.file: row for row in sidecar.rows.values()}
    sizes = np.full((len(names), 2), np.nan) if stated is None else np.array(stated, np.float64).reshape(-1, 2)
    findings = [*sidecar.findings, *finder.finding()]
    lookup = None if options.reference_images is None else ImageLookup(options.reference_images)
    for i, name in enumerate(names):
        if options.image_sizes is not None and (size := options.image_sizes.find(name)) is not None:
            sizes[i] = size
        if lookup is not None and np.isnan(sizes[i]).any() and (at := lookup.find(name)) >= 0:
            assert options.reference_images is not None
            sizes[i] = options.reference_images.sizes[at]
        row = rows.get(name)
        if row is not None and row.size is not None and np.isnan(sizes[i]).any():
            sizes[i] = row.size
    missing = np.flatnonzero(np.isnan(sizes).any(axis=1)).tolist() if options.read_sizes else []
    if missing:
        found, more = displayed_sizes([paths[i] for i in missing], options.jobs)
        findings += more
        for i, header in zip(missing, found, strict=True):
            if header is not None:
                sizes[i] = header
    known = [rows[name].id for name in names if name in rows]
    if ids is None and names and len(known) == len(names) and None not in known and len(set(known)) == len(known):
        own, has_own_ids = id_array(known), sidecar.manifest.get("image_ids") is True
    else:
        own, has_own_ids = id_array(range(1, len(names) + 1) if ids is None else ids), ids is not None
    return Images(own, tuple(names), sizes, tuple(paths), has_own_ids, extra or {}), findings


def pixels_or_shares(
    xywh: NDArray[np.float64], image_index: NDArray[np.int64], images: Images, path: Path
) -> tuple[NDArray[np.float64], Units]:
    """Boxes given as shares of the image, in pixels where the sizes of all images with boxes are known.

    Parameters
    ----------
    xywh : (N, 4) float64
        Shares.
    image_index : (N,) int64
    images : Images
    path : Path
        For the message.

    Returns
    -------
    xywh : (N, 4) float64
    units : {"pixels", "normalised"}

    Raises
    ------
    InputError
        The sizes of a part of these images are known.
    """
    used = np.unique(image_index)
    unknown = np.isnan(images.sizes[used]).any(axis=1) if len(used) else np.zeros(0, np.bool_)
    if not len(used):
        return xywh, "normalised" if np.isnan(images.sizes).all() and len(images) else "pixels"
    if unknown.all():
        return xywh, "normalised"
    if unknown.any():
        names = [images.file_names[i] for i in used[unknown].tolist()]
        raise InputError(
            f"image sizes are known for some images only; {len(names)} have none: {examples(names)}",
            path=path,
            hint="give them with `--image-sizes FILE` or `--images DIR`",
        )
    return boxes.denormalise(xywh, images.sizes[image_index]), "pixels"


def suspects(path: Path, xywh: NDArray[np.float64], score: NDArray[np.float64] | None = None) -> list[Finding]:
    """What is said of scores outside 0 to 1 and of boxes without width or height; both are kept.

    Parameters
    ----------
    path : Path
        For the findings.
    xywh : (N, 4) float64
    score : (N,) float64, optional
    """
    findings = []
    odd = 0 if score is None else int(np.count_nonzero(~((score >= 0) & (score <= 1))))
    if odd:
        findings.append(Finding("DK708", "scores outside 0 to 1; kept", file=str(path), count=odd))
    flat = int(np.count_nonzero((xywh[:, 2:] <= 0).any(axis=1)))
    if flat:
        findings.append(Finding("DK201", "boxes without positive width and height; kept", file=str(path), count=flat))
    return findings


def sizes_required(images: Images, used: NDArray[np.int64], format: str) -> None:
    """Raise where an image in use has no size.

    Parameters
    ----------
    images : Images
    used : (N,) int64
        Positions, repeated ones included.
    format : str
    """
    positions = np.unique(used)
    unknown = positions[np.isnan(images.sizes[positions]).any(axis=1)].tolist() if len(positions) else []
    if unknown:
        shown = examples([images.file_names[i] or str(images.ids[i]) for i in unknown])
        raise InputError(
            f"the size of {plural(len(unknown), 'image')} is unknown, and `{format}` needs it: {shown}",
            hint="give the images with `--images DIR`, or the sizes with `--image-sizes FILE`",
        )
