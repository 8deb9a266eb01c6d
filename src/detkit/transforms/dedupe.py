"""Copies among images: which belong together, which of them stays, and which join two splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detkit.errors import UsageError
from detkit.evaluation.images import image_label
from detkit.findings import Finding
from detkit.tables import Dataset, freeze
from detkit.transforms._pairs import Pairs, contents_of, cosine_pairs, hash_pairs
from detkit.transforms._phash import SIDE, thumbnail

__all__ = [
    "SIDE",
    "Candidates",
    "Cluster",
    "Duplicates",
    "Keep",
    "Pairs",
    "candidates_of",
    "cluster_pairs",
    "contents_of",
    "cosine_pairs",
    "hash_pairs",
    "thumbnail",
]

Keep = Literal["best", "first", "all"]
Int = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Candidates:
    """Images of one or of several datasets, one after another.

    Parameters
    ----------
    names : tuple of str
    paths : tuple of (str or None)
    boxes : (N,) int64
        How many each image has.
    pixels : (N,) float64
        Width times height, 0 where unknown.
    splits : tuple of frozenset of str
        The splits each is in; with several datasets, the dataset's name before each.
    source : (N,) int64
        Which dataset.
    """

    names: tuple[str, ...]
    paths: tuple[str | None, ...]
    boxes: Int
    pixels: NDArray[np.float64]
    splits: tuple[frozenset[str], ...]
    source: Int

    def __len__(self) -> int:
        return len(self.names)

    def split_name(self, position: int) -> str | None:
        """The splits of an image as text, None where it is in none."""
        return "+".join(sorted(self.splits[position])) or None


@dataclass(frozen=True, eq=False)
class Cluster:
    """Images that are joined by likeness, each to the next.

    Parameters
    ----------
    members : tuple of int
        Positions; what stays comes first.
    kept : tuple of int
        Every other member is like one of these.
    kept_for : mapping of int to (int, float)
        Member left out -> what stays in its place, and how alike they are.
    is_leak : bool
        Whether two members that are alike are in different splits.
    weakest : float
        Least likeness of a pair.
    """

    members: tuple[int, ...]
    kept: tuple[int, ...]
    kept_for: dict[int, tuple[int, float]] = field(default_factory=dict)
    is_leak: bool = False
    weakest: float = 1.0


@dataclass(frozen=True, eq=False)
class Duplicates:
    """What was found.

    Parameters
    ----------
    candidates : Candidates
    clusters : tuple of Cluster
        By their first image.
    removed : (R,) int64
        Positions of images to leave out.
    findings : tuple of Finding
        `DK506` for each cluster that joins splits, `DK505` for each other.
    """

    candidates: Candidates
    clusters: tuple[Cluster, ...]
    removed: Int
    findings: tuple[Finding, ...]

    def groups(self) -> dict[str, str]:
        """Image -> its group, named by the group's first image; an image without a copy is a group of its own."""
        names = self.candidates.names
        found = {name: name for name in names}
        for cluster in self.clusters:
            first = names[min(cluster.members)]
            found |= {names[member]: first for member in cluster.members}
        return found

    def to_list(self) -> list[dict[str, Any]]:
        """The clusters as plain values."""
        return [self._plain(cluster) for cluster in self.clusters]

    def _plain(self, cluster: Cluster) -> dict[str, Any]:
        table = self.candidates
        rows = []
        for member in cluster.members:
            keeper, similarity = cluster.kept_for.get(member, (None, None))
            rows.append(
                {
                    "file_name": table.names[member],
                    "path": table.paths[member],
                    "split": table.split_name(member),
                    "boxes": int(table.boxes[member]),
                    "kept": keeper is None,
                    "copy_of": None if keeper is None else table.names[keeper],
                    "similarity": None if similarity is None else round(similarity, 6),
                }
            )
        return {"leak": cluster.is_leak, "weakest_similarity": round(cluster.weakest, 6), "images": rows}


def candidates_of(datasets: Sequence[Dataset], names: Sequence[str] = ()) -> Candidates:
    """The images of datasets as candidates.

    Parameters
    ----------
    datasets : sequence of Dataset
    names : sequence of str
        Of the datasets; needed where there are several.

    Returns
    -------
    Candidates
    """
    several = len(datasets) > 1
    labels: list[str] = []
    splits: list[frozenset[str]] = []
    for number, dataset in enumerate(datasets):
        prefix = f"{names[number]}/" if several else ""
        mine: list[set[str]] = [set() for _ in range(len(dataset.images))]
        for split, members in dataset.splits.items():
            for member in members.tolist():
                mine[member].add(prefix + split)
        labels += [prefix + image_label(dataset.images, i) for i in range(len(dataset.images))]
        splits += [frozenset(own or ({names[number]} if several else ())) for own in mine]
    sizes = np.concatenate([d.images.sizes for d in datasets])
    return Candidates(
        tuple(labels),
        tuple(path for d in datasets for path in d.images.paths),
        np.concatenate([np.diff(d.offsets) for d in datasets]),
        np.nan_to_num(sizes[:, 0] * sizes[:, 1]),
        tuple(splits),
        np.repeat(np.arange(len(datasets)), [len(d.images) for d in datasets]),
    )


def cluster_pairs(
    candidates: Candidates,
    pairs: Pairs,
    keep: Keep = "best",
    *,
    contents: ArrayLike | None = None,
    across_splits: bool = False,
) -> Duplicates:
    """Clusters, and which images stay.

    Images are taken in order of merit; each that is not yet covered stays and covers everything that is like it. So
    whatever is left out is like something that stays, also where a chain of images changes little by little.

    Parameters
    ----------
    candidates : Candidates
    pairs : Pairs
        Of contents that look alike; of each content any one image.
    keep : {"best", "first", "all"}
        Most boxes, then most pixels, then first; the first; leave nothing out.
    contents : (N,) array_like of int64, optional
        Images of the same number have the same bytes; by default all differ.
    across_splits : bool
        An image is left out only for one in another split, and only clusters that join splits are told.

    Returns
    -------
    Duplicates

    Raises
    ------
    UsageError
        Another way to keep.
    """
    if keep not in ("best", "first", "all"):
        raise UsageError(f"keep: found `{keep}`, expected best, first or all")
    count = len(candidates)
    order = np.arange(count)
    merit = np.lexsort((order, -candidates.pixels, -candidates.boxes)) if keep == "best" else order
    graph = _Graph(candidates, pairs, np.arange(count) if contents is None else np.asarray(contents, np.int64), merit)
    kept_for = {} if keep == "all" else graph.covered(across_splits)
    clusters = tuple(c for c in graph.clusters(kept_for) if c.is_leak or not across_splits)
    findings = tuple(_finding(candidates, cluster) for cluster in clusters)
    return Duplicates(candidates, clusters, freeze(sorted(kept_for), np.int64), findings)


class _Graph:
    """Contents, the images of each in order of merit, and which contents are alike."""

    def __init__(self, candidates: Candidates, pairs: Pairs, contents: Int, merit: Int) -> None:
        self._splits = candidates.splits
        self._merit = merit
        self._content = contents
        size = int(contents.max(initial=-1)) + 1
        self._members: list[list[int]] = [[] for _ in range(size)]
        for image in merit.tolist():
            self._members[int(contents[image])].append(image)
        self._index = contents[pairs.index]
        self._similarity = pairs.similarity
        self._partners: dict[int, list[tuple[int, float]]] = {}
        for (a, b), value in zip(self._index.tolist(), pairs.similarity.tolist(), strict=True):
            self._partners.setdefault(a, []).append((b, value))
            self._partners.setdefault(b, []).append((a, value))
        self._label = _components(self._index, size)

    def covered(self, across_splits: bool) -> dict[int, tuple[int, float]]:
        """Image left out -> what stays for it, and how alike they are."""
        decided: set[int] = set()
        kept_for: dict[int, tuple[int, float]] = {}
        for image in self._merit.tolist():
            content = int(self._content[image])
            alike = [(content, 1.0), *self._partners.get(content, ())]
            if image in decided or (len(alike) == 1 and len(self._members[content]) == 1):
                continue
            decided.add(image)
            for partner, similarity in alike:
                for other in self._members[partner]:
                    if other not in decided and not (across_splits and self._splits[other] == self._splits[image]):
                        decided.add(other)
                        kept_for[other] = (image, similarity)
        return kept_for

    def clusters(self, kept_for: Mapping[int, tuple[int, float]]) -> list[Cluster]:
        """Contents joined by likeness that have several images, by their first image."""
        inside: dict[int, list[int]] = {}
        for image in self._merit.tolist():
            inside.setdefault(int(self._label[self._content[image]]), []).append(image)
        weakest: dict[int, float] = {}
        for label, value in zip(self._label[self._index[:, 0]].tolist(), self._similarity.tolist(), strict=True):
            weakest[label] = min(weakest.get(label, 1.0), value)
        leaks = self._leaks()
        found = []
        for label, images in inside.items():
            if len(images) > 1:
                kept = [i for i in images if i not in kept_for]
                lost = {i: kept_for[i] for i in images if i in kept_for}
                found.append(Cluster((*kept, *lost), tuple(kept), lost, label in leaks, weakest.get(label, 1.0)))
        return sorted(found, key=lambda cluster: min(cluster.members))

    def _leaks(self) -> set[int]:
        """Labels of clusters in which two images that are alike are in different splits."""
        splits = [{self._splits[i] for i in members} for members in self._members]
        own = {int(self._label[c]) for c, found in enumerate(splits) if len(found) > 1}
        return own | {int(self._label[a]) for a, b in self._index.tolist() if len(splits[a] | splits[b]) > 1}


def _components(index: Int, count: int) -> Int:
    """Smallest position that each is joined to, directly or through others."""
    labels = np.arange(count, dtype=np.int64)
    while len(index):
        before = labels.copy()
        low = np.minimum(labels[index[:, 0]], labels[index[:, 1]])
        for side in (0, 1):
            np.minimum.at(labels, before[index[:, side]], low)
            np.minimum.at(labels, index[:, side], low)
        labels = labels[labels]
        if np.array_equal(labels, before):
            break
    return labels


def _finding(candidates: Candidates, cluster: Cluster) -> Finding:
    first = min(cluster.members)
    others = sorted(set(cluster.members) - {first})

    def told(position: int) -> str:
        split = candidates.split_name(position)
        return f"`{candidates.names[position]}`" + (f" ({split})" if split and cluster.is_leak else "")

    rest = f" and {len(others) - 2} more" if len(others) > 2 else ""
    what = "also in another split" if cluster.is_leak else "there again"
    message = f"{told(first)} is {what}, as {', '.join(map(told, others[:2]))}{rest}"
    code = "DK506" if cluster.is_leak else "DK505"
    return Finding(code, message, image=candidates.names[first], count=len(others))
