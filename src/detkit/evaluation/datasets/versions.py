"""Two versions of a labelled dataset in common terms: which images and classes of one are which of the other.

Images meet by file name, as everywhere (the path without suffix, then the bare name where it is one image's, then the
number it spells), and by id only where a version names no files: ids are given anew too easily. Classes meet by
name, to the letter: `Cell` against `cell` is a change.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from detkit.errors import CannotJudgeError, InputError
from detkit.evaluation.images import file_stem, image_label, match_images, number_or_text
from detkit.findings import Finding
from detkit.tables import Categories, Dataset, Images
from detkit.wording import examples, plural

__all__ = ["Versions", "meet"]


@dataclass(frozen=True, eq=False)
class Versions:
    """Two datasets and how their images and classes meet.

    Parameters
    ----------
    a, b : Dataset
        As given.
    image_of : (IB,) int64
        Position in A of each image of B, -1 for none. No two images of B are one of A.
    classes : tuple of str
        Every class name once: those of A in its order, then those that B adds.
    class_of_a, class_of_b : (KA,), (KB,) int64
        Position in `classes` of each class.
    findings : tuple of Finding
        Of reading both, and of meeting.
    """

    a: Dataset
    b: Dataset
    image_of: NDArray[np.int64]
    classes: tuple[str, ...]
    class_of_a: NDArray[np.int64]
    class_of_b: NDArray[np.int64]
    findings: tuple[Finding, ...]

    @property
    def labels(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Class of each row of A and of B, as positions in `classes`."""
        return (
            self.class_of_a[self.a.annotations.category_index],
            self.class_of_b[self.b.annotations.category_index],
        )

    @property
    def places(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Image of each row of A and of B as a position in A, -1 for an image that the other version lacks."""
        is_shared = np.zeros(len(self.a.images), np.bool_)
        is_shared[self.image_of[self.image_of >= 0]] = True
        of_a = self.a.annotations.image_index
        return np.where(is_shared[of_a], of_a, -1), self.image_of[self.b.annotations.image_index]


def meet(a: Dataset, b: Dataset) -> Versions:
    """Two datasets in common terms.

    Parameters
    ----------
    a, b : Dataset

    Returns
    -------
    Versions

    Raises
    ------
    CannotJudgeError
        They have no image in common.
    InputError
        One is in pixels and the other in shares of the image.
    """
    if a.units != b.units and len(a.annotations) and len(b.annotations):
        raise InputError(
            f"one dataset is in {a.units} and the other in {b.units} coordinates",
            hint="give the image sizes: --images DIR or --image-sizes CSV|WxH",
        )
    image_of, findings = _images(a.images, b.images)
    if not (image_of >= 0).any():
        ours, theirs = ([image_label(t.images, i) for i in range(min(3, len(t.images)))] for t in (a, b))
        raise CannotJudgeError(
            f"no image of one is in the other: {examples(ours) or 'none'} against {examples(theirs) or 'none'}",
            hint="are these two versions of one dataset? images meet by file name",
        )
    labels, notes = _labels(a.categories, b.categories)
    place = {name: n for n, name in enumerate(dict.fromkeys((*labels[0], *labels[1])))}
    of_a, of_b = (np.array([place[name] for name in names], np.int64) for names in labels)
    read = (*a.findings, *b.findings)
    return Versions(a, b, image_of, tuple(place), of_a, of_b, tuple(dict.fromkeys((*read, *findings, *notes))))


def _images(a: Images, b: Images) -> tuple[NDArray[np.int64], list[Finding]]:
    """Position in A of each image of B, each at most once."""
    if not len(a) or not len(b):
        return np.full(len(b), -1, np.int64), []
    findings: list[Finding] = []
    if all(a.file_names) and all(b.file_names):
        a, b = replace(a, has_own_ids=False), replace(b, has_own_ids=False)
    elif not (a.has_own_ids and b.has_own_ids):
        raise CannotJudgeError("images without file name and without id: there is nothing they meet by")
    else:
        findings.append(Finding("DK110", "not every image states a file name: images meet by id where ids fit better"))
    found = match_images(a, b)[0].copy()
    _keep_one(found, a, b)
    other = [i for i in np.flatnonzero(found >= 0) if file_stem(b.file_names[i]) != file_stem(a.file_names[found[i]])]
    if other and all(a.file_names) and all(b.file_names):
        pair = f"`{b.file_names[other[0]]}` for `{a.file_names[found[other[0]]]}`"
        message = f"{plural(len(other), 'image')} of another name met by the number it spells (first: {pair})"
        findings.append(Finding("DK704", message, count=len(other)))
    return found, findings


def _keep_one(found: NDArray[np.int64], a: Images, b: Images) -> None:
    """Of images of B that met one image of A the one of the same path stays, else the first."""
    order = sorted(
        np.flatnonzero(found >= 0).tolist(), key=lambda i: (b.file_names[i] != a.file_names[int(found[i])], i)
    )
    seen: set[int] = set()
    for i in order:
        if int(found[i]) in seen:
            found[i] = -1
        else:
            seen.add(int(found[i]))


def _labels(a: Categories, b: Categories) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], list[Finding]]:
    """Class names of both; numbers of a version without names become the other's names."""
    if a.has_names == b.has_names:
        return (a.names, b.names), []
    named, numbered = (a, b) if a.has_names else (b, a)
    if numbered.has_own_ids:
        by_id = {number_or_text(i): name for i, name in zip(named.ids.tolist(), named.names, strict=True)}
        names = [
            by_id.get(number_or_text(i), name) for i, name in zip(numbered.ids.tolist(), numbered.names, strict=True)
        ]
        how = "ids"
    else:
        names = [named.names[n] if n < len(named) else name for n, name in enumerate(numbered.names)]
        how = "positions"
    note = Finding("DK303", f"class numbers without names are taken as {how} in the other version's class list")
    both = (named.names, tuple(names)) if named is a else (tuple(names), named.names)
    return both, [note]
