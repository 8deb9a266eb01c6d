"""Which images belong together: rules that tell it, and the groups that several rules make.

Images that share a key of any rule are in one group, and so are those that are joined through others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from detkit import files
from detkit.errors import UsageError
from detkit.evaluation.images import image_label
from detkit.findings import Finding
from detkit.tables import Dataset, Images
from detkit.wording import examples, plural

__all__ = ["KEYWORDS", "GroupRule", "Groups", "by_attribute", "by_keyword", "by_mapping", "by_pattern", "join_rules",
           "same_content"]  # fmt: skip

#: `hash-name` and `time-name` as annotation tools export, and `name_jpg.rf.hash` of augmented copies.
_EXPORT_PREFIX = re.compile(r"^(?:[0-9a-f]{6,36}[-_]|\d{10,}[-_])", re.IGNORECASE)
_EXPORT_SUFFIX = re.compile(r"_(?:jpe?g|png|bmp|webp)\.rf\.[0-9a-z]{8,}$", re.IGNORECASE)
_FRAME_NUMBER = re.compile(r"[-_. ]*(?:f|fr|frame|img|image)?[-_. ]*\d+$", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class GroupRule:
    """Keys of images: images that share one belong together.

    Parameters
    ----------
    name : str
        For reports: how the rule was asked for.
    image_index : (M,) int64
        Positions of images; one may stand several times, or not at all.
    keys : tuple of str
        The key at each of these.
    """

    name: str
    image_index: NDArray[np.int64]
    keys: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Groups:
    """Groups of images.

    Parameters
    ----------
    index : (I,) int64
        Group of each image, numbered in order of first appearance.
    keys : tuple of str
        One a group: stays the same when images are added to it.
    rules : tuple of str
        Names of the rules.
    findings : tuple of Finding
        Rules that leave images out.
    """

    index: NDArray[np.int64]
    keys: tuple[str, ...]
    rules: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

    def __len__(self) -> int:
        return len(self.keys)

    def sizes(self) -> NDArray[np.int64]:
        """Images of each group, (G,) int64."""
        return np.bincount(self.index, minlength=len(self.keys))


def by_pattern(images: Images, expression: str) -> GroupRule:
    """Keys from file names: what the expression captures, or all that it matches where it captures nothing.

    Raises
    ------
    UsageError
        No regular expression, or one that fits no file name.
    """
    try:
        pattern = re.compile(expression)
    except re.error as error:
        raise UsageError(
            f"group `{expression}` is no file, no keyword and no regular expression: {error}",
            hint=f"keywords: {', '.join(KEYWORDS)}; `@NAME` takes an attribute",
        ) from error
    pairs = []
    for position, name in enumerate(images.file_names):
        match = pattern.search(name) if name else None
        if match is not None:
            pairs.append((position, "\0".join(part or "" for part in match.groups()) if pattern.groups else match[0]))
    if not pairs:
        raise UsageError(
            f"group `{expression}` fits none of the {len(images)} file names, such as {examples(images.file_names)}",
            hint=r"give a file, a keyword, or an expression on file names such as '^(\w+)_\d+'",
        )
    return _rule(expression, pairs)


def by_attribute(dataset: Dataset, name: str) -> GroupRule:
    """Keys from a field of the images, or from an attribute of their boxes.

    An image whose boxes have several values belongs to all of these groups, which then are one.

    Raises
    ------
    UsageError
        No image and no box has that attribute.
    """
    pairs = [
        (position, str(fields[name])) for position, fields in dataset.images.extra.items() if _stated(fields.get(name))
    ]
    rows = dataset.annotations
    if not pairs and name in rows.attributes:
        values = rows.attributes[name].tolist()
        found = dict.fromkeys(zip(rows.image_index.tolist(), values, strict=True))
        pairs = [(position, str(value)) for position, value in found if _stated(value)]
    if not pairs:
        fields_known = dict.fromkeys(key for fields in dataset.images.extra.values() for key in fields)
        known = [*fields_known, *rows.attributes]
        raise UsageError(
            f"no image and no box has the attribute `{name}`",
            hint=f"there are: {', '.join(map(str, known[:12]))}" if known else "this dataset has no attributes",
        )
    return _rule(f"@{name}", pairs)


def by_mapping(images: Images, mapping: Mapping[str, Sequence[str]], name: str) -> GroupRule:
    """Keys by image: a mapping of file name (or its last part, or stem) to keys, or of id where it names no file.

    Raises
    ------
    UsageError
        It names no image of the dataset.
    """
    pairs = []
    for position, file in enumerate(images.file_names):
        path = PurePosixPath(file)
        key = next((key for key in (file, path.name, path.stem) if key and key in mapping), None)
        pairs += [(position, group) for group in mapping[key]] if key is not None else []
    if not pairs:  # a number that names one image may be another's id: names go before ids, for all images
        ids = map(str, images.ids.tolist())
        pairs = [(position, group) for position, key in enumerate(ids) for group in mapping.get(key, ())]
    if not pairs:
        raise UsageError(
            f"group file {name} names no image of the dataset: {examples(list(mapping))} against "
            f"{examples([image_label(images, i) for i in range(min(4, len(images)))])}"
        )
    return _rule(name, pairs)


def by_keyword(images: Images, keyword: str) -> GroupRule:
    """Keys by one of `KEYWORDS`."""
    return _rule(keyword, KEYWORDS[keyword](images))


def join_rules(images: Images, rules: Sequence[GroupRule]) -> Groups:
    """The groups that rules make together; an image of no rule is a group of its own.

    The same file listed twice is always one group.

    Parameters
    ----------
    images : Images
    rules : sequence of GroupRule
        The first that says something of a group names it.

    Returns
    -------
    Groups
    """
    every = [*rules, _rule("file", _files(images)), _rule("path", _paths(images))]
    labels = np.arange(len(images), dtype=np.int64)
    codes = [np.unique(np.array(rule.keys, dtype=object), return_inverse=True)[1].reshape(-1) for rule in every]
    while True:
        before = labels
        for rule, code in zip(every, codes, strict=True):
            labels = _joined(labels, rule.image_index, code)
        if np.array_equal(labels, before):
            break
    index = np.unique(labels, return_inverse=True)[1].reshape(-1).astype(np.int64)
    return Groups(index, _names(index, every), tuple(rule.name for rule in rules), _left_out(images, rules))


def same_content(paths: Sequence[str | None], jobs: int = 4) -> dict[int, str]:
    """SHA-256 of image files by position; a file that is alone in its length is not read and not listed.

    Parameters
    ----------
    paths : sequence of (str or None)
    jobs : int
        Threads.

    Returns
    -------
    dict of int to str
    """
    by_length: dict[int, list[int]] = {}
    for position, path in enumerate(paths):
        if path is not None:
            try:
                by_length.setdefault(Path(path).stat().st_size, []).append(position)
            except OSError:
                continue
    wanted = [position for members in by_length.values() if len(members) > 1 for position in members]
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        digests = pool.map(lambda position: files.sha256_of([str(paths[position])]), wanted)
        return dict(zip(wanted, digests, strict=True))


def _rule(name: str, pairs: Sequence[tuple[int, str]]) -> GroupRule:
    return GroupRule(name, np.array([p for p, _ in pairs], np.int64), tuple(key for _, key in pairs))


def _joined(labels: NDArray[np.int64], image: NDArray[np.int64], code: NDArray[np.int64]) -> NDArray[np.int64]:
    """Labels after each image took the smallest one of its keys, and of the image that label stands for."""
    if not len(image):
        return labels
    smallest = np.full(code.max() + 1, len(labels), np.int64)
    np.minimum.at(smallest, code, labels[image])
    new = labels.copy()
    np.minimum.at(new, image, smallest[code])
    np.minimum.at(new, labels[image], smallest[code])
    return new[new]


def _names(index: NDArray[np.int64], rules: Sequence[GroupRule]) -> tuple[str, ...]:
    """A key for each group: the smallest that the first rule with something to say has for it."""
    names: dict[int, str] = {}
    for number, rule in enumerate(rules):
        kind = "file" if rule.name in ("file", "path") and number >= len(rules) - 2 else f"group {number}"
        mine: dict[int, str] = {}
        for group, key in zip(index[rule.image_index].tolist(), rule.keys, strict=True):
            if group not in names and (group not in mine or key < mine[group]):
                mine[group] = key
        names |= {group: f"{kind}:{key}" for group, key in mine.items()}
    return tuple(names[group] for group in range(len(names)))


def _left_out(images: Images, rules: Sequence[GroupRule]) -> tuple[Finding, ...]:
    findings = []
    for rule in rules:
        missing = np.setdiff1d(np.arange(len(images)), rule.image_index)
        if len(missing) and rule.name != "bytes":
            shown = examples([image_label(images, int(i)) for i in missing[:4]])
            message = f"group `{rule.name}` says nothing of {plural(len(missing), 'image')}, each alone: {shown}"
            findings.append(Finding("DK110", message, count=len(missing)))
    return tuple(findings)


def _stated(value: object) -> bool:
    return value is not None and value != "" and value == value


def _files(images: Images) -> list[tuple[int, str]]:
    return [(i, image_label(images, i)) for i in range(len(images))]


def _paths(images: Images) -> list[tuple[int, str]]:
    return [(i, path) for i, path in enumerate(images.paths) if path is not None]


def _folder(images: Images) -> list[tuple[int, str]]:
    return [(i, str(PurePosixPath(name).parent)) for i, name in enumerate(images.file_names) if name]


def _video(images: Images) -> list[tuple[int, str]]:
    paths = [(i, PurePosixPath(name)) for i, name in enumerate(images.file_names) if name]
    return [(i, str(path.with_name(_FRAME_NUMBER.sub("", path.stem) or "-"))) for i, path in paths]


def _export_prefix(images: Images) -> list[tuple[int, str]]:
    stems = [(i, PurePosixPath(name).stem) for i, name in enumerate(images.file_names) if name]
    return [(i, _EXPORT_SUFFIX.sub("", _EXPORT_PREFIX.sub("", stem)).lower()) for i, stem in stems]


def _bytes(images: Images) -> list[tuple[int, str]]:
    return list(same_content(images.paths).items())


#: Rules that need no more than a word: the folder of an image, its video (the name without the frame number), the
#: name an annotation tool's export prefix or suffix hides, the content of its file.
KEYWORDS: Mapping[str, Callable[[Images], list[tuple[int, str]]]] = {
    "folder": _folder,
    "video": _video,
    "export-prefix": _export_prefix,
    "bytes": _bytes,
}
