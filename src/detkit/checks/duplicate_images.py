"""Images that stand twice, in one split or, worse, in two: bytes are compared where sizes are equal."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from detkit.checks._base import Code, Context
from detkit.findings import Finding
from detkit.tables import Dataset

__all__ = ["CODES", "run"]

CODES = (
    Code("DK505", "Two image files have the same bytes.",
         "The copy counts twice; if its labels differ, one of them is wrong. Take it out with `detkit dedupe`."),
    Code("DK506", "An image is in two splits, as one file or as two with the same bytes.",
         "A leak: the model is scored on what it has learnt from. Split anew with `detkit split`."),
    Code("DK507", "Two splits have images of one file name and different content.",
         "Tools that go by the name mix them up; frames of one video in two splits leak."),
)  # fmt: skip


def run(dataset: Dataset, context: Context) -> Iterator[Finding]:
    """Copies and leaks."""
    splits = _splits_of(dataset)
    names = dataset.images.file_names
    shared = [p for p, held in enumerate(splits) if len(held) > 1]
    leaks = {p: f"this image is in {_listed(splits[p])}" for p in shared}
    copies: dict[int, str] = {}
    for group in _equal_files(context):
        first = group[0]
        for position in group[1:]:
            here, there = splits[position], splits[first]
            if here and there and set(here) != set(there):
                leaks[position] = f"same bytes as `{names[first]}`: one is in {_listed(there)}, one in {_listed(here)}"
            else:
                copies[position] = f"same bytes as `{names[first]}`"
    yield from context.of_images("DK505", sorted(copies), lambda p: copies[p])
    yield from context.of_images("DK506", sorted(leaks), lambda p: leaks[p])
    twins = _same_name(dataset, splits, {*leaks, *copies})
    yield from context.of_images("DK507", sorted(twins), lambda p: twins[p])


def _splits_of(dataset: Dataset) -> list[tuple[str, ...]]:
    held: list[list[str]] = [[] for _ in range(len(dataset.images))]
    for name, members in _parts(dataset).items():
        for position in members.tolist():
            held[position].append(name)
    return [tuple(names) for names in held]


def _parts(dataset: Dataset) -> dict[str, NDArray[np.int64]]:
    """The splits, without one that is others together: VOC's trainval is train and val, or is meant to be."""
    stated = dataset.splits.items()
    held = {name: frozenset(members.tolist()) for name, members in stated if not name.startswith("trainval")}
    found = {}
    for name, members in held.items():
        inner = [part for part in held.values() if part and part < members]
        if len(inner) < 2 or frozenset().union(*inner) != members:
            found[name] = dataset.splits[name]
    return found


def _equal_files(context: Context) -> Iterator[list[int]]:
    """Groups of positions whose files hold the same bytes, the first of each group first."""
    paths = context.places.image_paths
    by_size: dict[int, list[int]] = defaultdict(list)
    seen: set[str] = set()
    for position, (path, header) in enumerate(zip(paths, context.image_headers, strict=True)):
        if path is None or header is None or path in seen:
            continue
        seen.add(path)
        by_size[header.bytes].append(position)
    candidates = [p for size, group in by_size.items() if size and len(group) > 1 for p in group]

    def digest(position: int) -> bytes:
        try:
            with open(paths[position] or os.devnull, "rb") as handle:  # noqa: PTH123
                return hashlib.file_digest(handle, "sha256").digest()
        except OSError:
            return str(position).encode()

    with ThreadPoolExecutor(max(1, context.jobs)) as pool:
        digests = list(pool.map(digest, candidates, chunksize=16))
    groups: dict[bytes, list[int]] = defaultdict(list)
    for position, content in zip(candidates, digests, strict=True):
        groups[content].append(position)
    yield from (sorted(group) for group in groups.values() if len(group) > 1)


def _same_name(dataset: Dataset, splits: Sequence[tuple[str, ...]], known: set[int]) -> dict[int, str]:
    """Images whose bare name an image of another split has."""
    first: dict[str, int] = {}
    found = {}
    for position, name in enumerate(dataset.images.file_names):
        if len(splits[position]) != 1 or not name:
            continue
        bare = PurePosixPath(name).name
        other = first.setdefault(bare, position)
        if splits[other] != splits[position] and position not in known:
            there, here = splits[other][0], splits[position][0]
            found[position] = f"`{bare}` is the name of an image of `{there}` and of another one of `{here}`"
    return found


def _listed(splits: Sequence[str]) -> str:
    return " and ".join(f"`{split}`" for split in splits)
