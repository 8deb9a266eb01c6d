"""Which JSON files of a folder make up a COCO dataset, which split each of them is, and where its images lie."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from detkit.errors import InputError
from detkit.files import FOLDER_MARK
from detkit.findings import Finding
from detkit.formats._base import ReadOptions
from detkit.formats._images import SUFFIXES, ImageFinder, is_inside
from detkit.formats._json_bytes import plain_name
from detkit.formats._json_outline import outline
from detkit.formats._lvis_images import is_lvis

__all__ = ["UNASSIGNED", "SplitFile", "dataset_files", "find_images", "fits_file", "looks_like_dataset", "split_of"]

#: Split name of the file that holds the images of no split.
UNASSIGNED = "unassigned"

_FAMILY = re.compile(r"^(instances|person_keypoints|captions|image_info|stuff|panoptic)(?:_|$)", re.IGNORECASE)
_ROBOFLOW = re.compile(r"^_annotations(?:\.coco)?$", re.IGNORECASE)
_MANY = 200


@dataclass(frozen=True)
class SplitFile:
    """One JSON file of a folder; `own_folder` says that images lie beside it in the split's folder."""

    path: Path
    split: str
    own_folder: bool


def looks_like_dataset(path: Path) -> tuple[bool, str]:
    """Whether a file is a COCO object with images, and why or why not."""
    found = outline(path, whole=False)
    if found.kind == "array":
        return False, "a JSON list, not an object with `images`: this looks like results (predictions)"
    if found.kind == "":
        return False, "not a JSON object"
    images = found.sections.get("images")
    if images is None:
        return False, "no top-level list `images`"
    if images and not any(isinstance(i, dict) and ("id" in i or "file_name" in i) for i in images):
        return False, "`images` holds no objects with `id` or `file_name`"
    if is_lvis(images):
        return False, "images have `coco_url` and no `file_name`: this is LVIS (format `lvis`)"
    if "annotations" in found.sections and found.sections["annotations"] is None:
        return False, "`annotations` is not a list"
    return True, "a JSON object with `images` and `annotations`"


def split_of(path: Path) -> str:
    """Split name by the file's name: `instances_train2017.json` is `train2017`; empty where it names none."""
    stem = _stem(path)
    if _ROBOFLOW.match(stem):
        return path.parent.name
    family = _FAMILY.match(stem)
    name = stem[family.end() :] if family else stem
    return "" if name.lower() in ("", "annotations", "instances", "coco", "labels") else name


def fits_file(split: str, path: Path) -> bool:
    """Whether a single file is this split by its name; the year may be left out."""
    own = split_of(path)
    return bool(own) and split in (own, re.sub(r"(?<=[A-Za-z])[-_]?\d{4}$", "", own))


def dataset_files(folder: Path) -> tuple[list[SplitFile], list[Finding], str]:
    """The JSON files of a folder that make up its dataset.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    files : list of SplitFile
        Sorted by path; empty where there is none.
    findings : list of Finding
        `DK110` for files of another task (captions, keypoints) that were passed over.
    why : str
        What was found, or what was missing.
    """
    candidates = _candidates(folder)
    if not candidates:
        return [], [], "no JSON file in it, in `annotations/` or beside images (`train/_annotations.coco.json`)"
    refused, fitting = "", []
    for path in candidates:
        matches, why = looks_like_dataset(path)
        if matches:
            fitting.append(path)
        else:
            refused = refused or f"{path.relative_to(folder).as_posix()}: {why}"
    if not fitting:
        return [], [], refused
    chosen, findings = _one_family(fitting, folder)
    names = ", ".join(p.relative_to(folder).as_posix() for p in chosen[:3])
    return _named(chosen, folder), findings, f"COCO objects: {names}"


def _candidates(folder: Path) -> list[Path]:
    found: list[Path] = []
    for place in (folder / "annotations", folder):
        listed = _listing(place)
        files = sorted(p for p in listed if _suffix(p) == ".json" and p.name != FOLDER_MARK)
        if len(files) > _MANY:
            # One JSON an image is another format; only names that COCO sets use are looked at.
            files = [p for p in files if _FAMILY.match(_stem(p)) or _ROBOFLOW.match(_stem(p))]
        found += files
    for place in sorted(p for p in _listing(folder) if not p.name.startswith(".")):
        found += [p for p in (place / "_annotations.coco.json", place / "_annotations.json") if p.is_file()]
    return found


def _stem(path: Path) -> str:
    return Path(plain_name(path.name)).stem


def _suffix(path: Path) -> str:
    return Path(plain_name(path.name)).suffix.lower()


def _listing(folder: Path) -> Iterable[Path]:
    try:
        return list(folder.iterdir()) if folder.is_dir() else []
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", path=folder) from error


def _one_family(paths: list[Path], folder: Path) -> tuple[list[Path], list[Finding]]:
    families = {p: (m[1].lower() if (m := _FAMILY.match(_stem(p))) else "") for p in paths}
    if "instances" not in families.values() or set(families.values()) <= {"instances", ""}:
        return paths, []
    kept = [p for p, family in families.items() if family in ("instances", "")]
    left = [p.relative_to(folder).as_posix() for p in paths if p not in kept]
    message = f"`instances_*.json` is read; passed over: {', '.join(left)}"
    return kept, [Finding("DK110", message, file=str(folder), count=len(left))]


def _named(paths: list[Path], folder: Path) -> list[SplitFile]:
    taken: set[str] = set()
    files = []
    for path in paths:
        beside = bool(_ROBOFLOW.match(_stem(path))) and path.parent != folder
        name = split_of(path) if beside or not _ROBOFLOW.match(_stem(path)) else ""
        if not name and len(paths) > 1:
            name = _stem(path)
        if name in taken:
            name = path.with_name(plain_name(path.name)).relative_to(folder).with_suffix("").as_posix()
        taken.add(name)
        files.append(SplitFile(path, name, beside))
    return files


def find_images(
    names: list[str], json_path: Path, split: str, options: ReadOptions
) -> tuple[list[str | None], list[Finding]]:
    """The image file of each name, as far as one is found.

    The stated folder is searched, else `images`, `../images`, `../<split>` and the JSON's own folder; nothing is walked
    while names resolve directly, and the JSON's own folder is never walked.

    Parameters
    ----------
    names : list of I str
    json_path : Path
    split : str
    options : ReadOptions

    Returns
    -------
    paths : list of I (str or None)
    findings : list of Finding
    """
    home = json_path.parent
    if options.images_dir is not None:
        walked, direct = [options.images_dir, *([options.images_dir / split] if split else [])], []
    else:
        walked = [base / "images" / split for base in (home, home.parent) if split]
        walked += [home / "images", home.parent / "images", *([home.parent / split] if split else [])]
        direct = [home]
    folders = [f for f in dict.fromkeys([*walked, *direct]) if f.is_dir()]
    finder = ImageFinder([f for f in dict.fromkeys(walked) if f.is_dir()])
    paths: list[str | None] = []
    for name in names:
        hit = _direct(name, folders)
        if hit is None and name and finder.folders:
            hit = finder.find(name)
        paths.append(hit)
    return paths, finder.finding()


def _direct(name: str, folders: list[Path]) -> str | None:
    if not is_inside(name) or os.path.splitext(name)[1].lower() not in SUFFIXES:  # noqa: PTH122 - hot loop
        return None
    for folder in folders:
        candidate = os.path.join(folder, name)  # noqa: PTH118 - hot loop
        if os.path.isfile(candidate):  # noqa: PTH113 - hot loop
            return candidate
    return None
