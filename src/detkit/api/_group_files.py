"""Groups of images from a file, and the splits that an earlier run wrote."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from detkit import config
from detkit.api._pair_file import read_pairs
from detkit.api.tables import read
from detkit.errors import InputError
from detkit.findings import Finding
from detkit.tables import Dataset, Images
from detkit.wording import examples, plural

__all__ = ["earlier_splits", "read_groups"]

_LISTS = ("clusters", "groups")
_MEMBERS = ("images", "files", "members")
_NAME = ("file_name", "file", "image", "path", "name", "id")


def read_groups(path: Path) -> dict[str, list[str]]:
    """Image -> its groups: a mapping, or lists of images that belong together, as JSON, YAML or TOML; a CSV of pairs.

    Raises
    ------
    InputError
        None of these.
    """
    found: dict[str, list[str]] = {}
    if path.suffix.lower() == ".csv":
        for name, group in read_pairs(path, "image and group"):
            found.setdefault(name, []).append(group)
        return found
    content: Any = config.load_json(path) if path.suffix.lower() == ".json" else config.load_config(path)
    if isinstance(content, dict):
        content = next((content[key] for key in _LISTS if isinstance(content.get(key), list)), content)
    if isinstance(content, list):
        for number, cluster in enumerate(content):
            for name in _members(cluster, path, number):
                found.setdefault(name, []).append(f"cluster {number}")
        return found
    for name, value in content.items() if isinstance(content, dict) else ():
        values = value if isinstance(value, list) else [value]
        if any(isinstance(v, dict | list) for v in values):
            raise InputError("expected image -> group, or lists of images", path=path, place=f"`{name}`")
        found[str(name)] = [str(v) for v in values if v is not None]
    return found


def _members(cluster: Any, path: Path, number: int) -> list[str]:
    if isinstance(cluster, dict):
        cluster = next((cluster[key] for key in _MEMBERS if isinstance(cluster.get(key), list)), None)
    if not isinstance(cluster, list):
        raise InputError("expected a list of images", path=path, place=f"cluster {number}")
    names = []
    for item in cluster:
        value = next((item[key] for key in _NAME if key in item), None) if isinstance(item, dict) else item
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise InputError(f"found {item!r}, expected an image name or id", path=path, place=f"cluster {number}")
        names.append(str(value))
    return names


def earlier_splits(
    given: str | Path | Dataset | Mapping[str, Sequence[str]], images: Images, names: Sequence[str]
) -> tuple[dict[str, list[int]], list[Finding]]:
    """Positions of the images that an earlier split holds, split by split.

    Parameters
    ----------
    given : path-like, Dataset or mapping
        A dataset with splits, a folder of text lists, or split -> image names.
    images : Images
        Those that are there now.
    names : sequence of str
        Of the splits.

    Returns
    -------
    dict of str to list of int
    list of Finding
        Images of the earlier split that are no more.

    Raises
    ------
    InputError
        No splits in it.
    """
    lists = _lists_of(given, names)
    if not lists:
        raise InputError("holds no splits to keep", path=None if isinstance(given, Dataset | Mapping) else given)
    known = _known_names(images)
    found: dict[str, list[int]] = {}
    gone = []
    for split, members in lists.items():
        positions = [known.get(name, known.get(PurePosixPath(name).name, -1)) for name in members]
        found[split] = [p for p in positions if p >= 0]
        gone += [name for name, p in zip(members, positions, strict=True) if p < 0]
    if not gone:
        return found, []
    counted = plural(len(gone), "image of the earlier split is", "images of the earlier split are")
    message = f"{counted} not in the dataset: {examples(gone)}"
    return found, [Finding("DK108", message, count=len(gone))]


def _lists_of(
    given: str | Path | Dataset | Mapping[str, Sequence[str]], names: Iterable[str]
) -> dict[str, Sequence[str]]:
    if isinstance(given, Mapping):
        return dict(given)
    if not isinstance(given, Dataset):
        texts = {name: Path(given) / f"{name}.txt" for name in names}
        folder = Path(given)
        if folder.is_dir() and all(p.is_file() for p in texts.values()) and not (folder / "data.yaml").is_file():
            return {name: path.read_text(encoding="utf-8").splitlines() for name, path in texts.items()}
        given = read(given)
    images = given.images
    return {name: [images.file_names[i] or str(images.ids[i]) for i in m] for name, m in given.splits.items()}


def _known_names(images: Images) -> dict[str, int]:
    """Every way to write an image that stands for one image only: name, path, id, last part of the name."""
    known: dict[str, int] = {}
    last: dict[str, int] = {}
    columns = zip(images.ids.tolist(), images.file_names, images.paths, strict=True)
    for position, (own, name, path) in enumerate(columns):
        for key in (name or str(own), *([str(Path(path)), str(Path(path).absolute())] if path else [])):
            known.setdefault(key, position)
        if name:
            bare = PurePosixPath(name).name
            last[bare] = position if last.get(bare, position) == position else -1
    return {**{key: position for key, position in last.items() if position >= 0}, **known}
