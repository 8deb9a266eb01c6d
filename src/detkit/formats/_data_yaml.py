"""Dataset descriptions of the YOLO family: `data.yaml` and Darknet's `obj.data`, and where their entries lead.

Entries are resolved by Ultralytics' rules, the description's own folder first; a `download` field is never run.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detkit.errors import InputError
from detkit.formats._json_file import as_count
from detkit.formats._names import load_yaml, names_from_value, read_names, read_text, short

__all__ = ["UNASSIGNED", "Description", "read_darknet", "read_data_yaml", "resolve"]

#: Folder and key of the images that are in no split while others are.
UNASSIGNED = "unassigned"
_SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test", "minival": "minival"}
_GENERIC = ("images", "labels", "data", "")
_KEPT = ("kpt_shape", "flip_idx")


@dataclass(frozen=True)
class Description:
    """What a dataset description states.

    Parameters
    ----------
    path : Path
        The file itself.
    bases : tuple of Path
        Folders its entries are relative to, in this order.
    entries : mapping of str to list of str
        Key as written (`train`, `valid`, ...) -> folders or list files.
    names : tuple of str or None
    kpt_shape : (K, D) or None
        Number of keypoints and columns of each.
    task : str or None
        `detect`, `segment`, `pose`, `obb` where stated.
    info : mapping
        Fields kept as they are (`kpt_shape`, `flip_idx`).
    root_missing : str or None
        The stated `path` where it leads nowhere.
    """

    path: Path
    bases: tuple[Path, ...]
    entries: Mapping[str, list[str]]
    names: tuple[str, ...] | None = None
    kpt_shape: tuple[int, int] | None = None
    task: str | None = None
    info: Mapping[str, Any] = field(default_factory=dict)
    root_missing: str | None = None


def split_name(key: str) -> str:
    """Name of a split for the key of its entry: `valid` and `validation` are `val`."""
    return _SPLITS.get(key, key)


def read_data_yaml(path: Path, extra_splits: tuple[str, ...] = ()) -> Description:
    """A `data.yaml`.

    Parameters
    ----------
    path : Path
    extra_splits : tuple of str
        Further keys that are splits, beside `train`, `val`, `valid`, `test`, `minival`.

    Raises
    ------
    InputError
        Not YAML, not a mapping, a field of another type than expected, `nc` against `names`.
    """
    content = load_yaml(path)
    if not isinstance(content, Mapping):
        raise InputError("not a mapping with `train`, `val` and `names`", path=path)
    entries = {
        str(key): _entry(content[key], str(key), path) for key in content if key in _SPLITS or key in extra_splits
    }
    aliases = [key for key in entries if split_name(key) == "val" and key not in extra_splits]
    if len(aliases) > 1:
        stated = {tuple(entries[key]) for key in aliases}
        if len(stated) > 1:
            raise InputError(f"`{aliases[0]}` and `{aliases[1]}` name different images", path=path)
        for key in aliases[1:]:
            del entries[key]
    names = None
    if "names" in content:
        names = names_from_value(content["names"], path, content.get("nc"))
    bases, missing = _bases(content.get("path"), path)
    return Description(
        path,
        bases,
        {key: value for key, value in entries.items() if value},
        names,
        _kpt_shape(content.get("kpt_shape"), path),
        content["task"] if isinstance(content.get("task"), str) else None,
        {key: _plain(content[key]) for key in _KEPT if key in content},
        missing,
    )


def read_darknet(path: Path) -> Description:
    """Darknet's `obj.data`: lines `key = value` with `train`, `valid` and `names`.

    Raises
    ------
    InputError
        No such lines, or `classes` against the names file.
    """
    fields: dict[str, str] = {}
    for line in read_text(path).splitlines():
        key, separator, value = line.partition("=")
        if separator and not line.lstrip().startswith("#"):
            fields[key.strip().lower()] = value.strip()
    entries = {key: [fields[key]] for key in fields if key in _SPLITS and fields[key]}
    if not entries and "names" not in fields:
        raise InputError("no lines `train = ...`, `valid = ...`, `names = ...`", path=path)
    bases = tuple(dict.fromkeys((path.absolute().parent, Path.cwd())))
    names = None
    if fields.get("names"):
        found, _ = resolve(fields["names"], bases, os.path.isfile)
        if found is not None:
            names = read_names(found)
            count = as_count(fields.get("classes", ""))
            if count is not None and count != len(names):
                raise InputError(f"`classes` is {count} but `{found.name}` has {len(names)} names", path=path)
    return Description(path, bases, entries, names)


def resolve(entry: str, bases: tuple[Path, ...], usable: Callable[[Path], bool]) -> tuple[Path | None, bool]:
    """Where an entry leads, and whether leading folders had to be left out to find it.

    Tried in this order: as it stands under each base (absolute entries as they are), then without its leading
    folders, the fewest first: `../train/images` written relative to a folder that is not there, Darknet's `data/`,
    absolute paths of another machine.

    Parameters
    ----------
    entry : str
        Path as written, slashes or backslashes between.
    bases : tuple of Path
    usable : callable
        Whether a path is what is looked for.

    Returns
    -------
    (path or None, relocated)
    """
    text = entry.replace("\\", "/").strip()
    for base in bases:
        candidate = base / text
        if usable(candidate):
            return candidate, False
    parts = [p for p in re.sub(r"^[A-Za-z]:", "", text).split("/") if p not in ("", ".")]
    for start in range(1 if not Path(text).is_absolute() else 0, len(parts)):
        rest = parts[start:]
        only_up = all(p == ".." for p in parts[:start])
        if rest[0] == ".." or (len(rest) == 1 and rest[0] in _GENERIC and not only_up):
            continue
        for base in bases:
            candidate = base.joinpath(*rest)
            if usable(candidate):
                return candidate, True
    return None, False


def _bases(stated: Any, path: Path) -> tuple[tuple[Path, ...], str | None]:
    folder = path.absolute().parent
    if not isinstance(stated, str) or stated.strip() in ("", "null", "~"):
        return (folder,), None
    text = stated.strip().replace("\\", "/")
    candidates = (Path(text),) if Path(text).is_absolute() else (folder / text, Path.cwd() / text)
    for root in candidates:
        if root.is_dir():
            return tuple(dict.fromkeys((root, folder))), None
    return (folder,), stated


def _entry(value: Any, key: str, path: Path) -> list[str]:
    items = value if isinstance(value, list) else [value]
    for item in items:
        if not isinstance(item, str):
            raise InputError(
                f"found `{short(item)}`, expected a folder, a list file or a list of those", path=path, place=key
            )
    return [item for item in items if item.strip() not in ("", "null", "~", "None")]


def _kpt_shape(value: Any, path: Path) -> tuple[int, int] | None:
    if value is None or value == "":
        return None
    ok = isinstance(value, list) and len(value) == 2 and all(re.fullmatch(r"\d{1,6}", str(v)) for v in value)
    if not ok or int(value[0]) < 1 or int(value[1]) not in (2, 3):
        raise InputError(
            f"found `{short(value)}`, expected `[number of keypoints, 2 or 3]`", path=path, place="kpt_shape"
        )
    return int(value[0]), int(value[1])


def _plain(value: Any) -> Any:
    """Numbers typed as numbers again, in a flat list too: the YAML is read with all scalars as text."""
    if isinstance(value, list):
        return [_plain(v) for v in value if isinstance(v, str)]
    return int(value) if isinstance(value, str) and re.fullmatch(r"-?\d{1,18}", value) else short(value)
