"""What the best detections lie on, whatever class and image they are said to be: wrong names and numbers show there.

Everything is counted image by image, so that counts add up over shards of other images. Nothing is corrected: rows are
scored as they are read, and a finding says what they look like.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detkit.evaluation.images import image_label
from detkit.findings import Finding
from detkit.kernels.cross import near_pairs
from detkit.kernels.falling import falling_order
from detkit.ragged import offsets_of
from detkit.tables import Dataset, Detections
from detkit.wording import plural

__all__ = ["LEAST_IOU", "Encounters", "best_rows", "encounter_findings", "encounters_of", "spread"]

Positions = NDArray[np.int64]

#: Overlap from which a detection lies on a truth.
LEAST_IOU = 0.5
#: Classes of which so many at least change places.
_CLASSES = 2
#: Detections that say where a class lies, the share of them that has to lie on one other class, and how much more of
#: that class than of their own they have to meet.
_FEWEST, _MOSTLY, _RATHER = 10, 0.5, 3.0
#: Images that are looked at: more say nothing new.
_LOOKED = 4096
#: Images whose detections are laid on all truths, how many there are at least, and how many of their detections; all
#: these images together meet no more truths than this unless they are the least.
_SAMPLE, _LEAST, _BEST, _MEETINGS = 64, 16, 10, 6_400_000
#: Truths that have to be met in another image, images of which that is so, and how much rarer chance has to be.
_FIT, _IMAGES, _RARER = 3, 6, 8
#: As rarely as this, or as on the next image, or little more, nothing of an image is met.
_NOTHING, _LITTLE = 0.05, 1.5


@dataclass(frozen=True)
class Encounters:
    """What the best detections lie on: of each image that is looked at as many as it has truths.

    Parameters
    ----------
    rows : int
        Best detections.
    own, others : int
        Those that lie on a truth of their image, and on one of the next image that has truths.
    classes : sequence of (int, int, int)
        Class of a detection, class of the truth it lies on, and how often: of its own class where there is one, else
        of the truth that it overlaps most.
    images : sequence of (int, int, int)
        Images of a sample whose detections fit another image: both positions, and how many truths are met there.
    chances : int
        Images of the sample that fit another one as well when their detections are mirrored: by chance, that is.
    """

    rows: int = 0
    own: int = 0
    others: int = 0
    classes: Sequence[tuple[int, int, int]] = ()
    images: Sequence[tuple[int, int, int]] = ()
    chances: int = 0

    @classmethod
    def joined(cls, parts: Sequence[Encounters]) -> Encounters:
        """The counts of all parts together."""
        added: dict[tuple[int, int], int] = {}
        for part in parts:
            for mine, theirs, count in part.classes:
                added[mine, theirs] = added.get((mine, theirs), 0) + count
        return cls(
            rows=sum(part.rows for part in parts),
            own=sum(part.own for part in parts),
            others=sum(part.others for part in parts),
            classes=[(*pair, count) for pair, count in sorted(added.items())],
            images=sorted((i, j, hits) for part in parts for i, j, hits in part.images),
            chances=sum(part.chances for part in parts),
        )


def encounters_of(truth: Dataset, detections: Detections, *, class_wise: bool) -> Encounters:
    """The counts of all detections, or of a shard's.

    Parameters
    ----------
    truth : Dataset
        All of it, in every shard.
    detections : Detections
        Aligned to it.
    class_wise : bool
        Whether a detection can only meet a truth of its class in another image.

    Returns
    -------
    Encounters
    """
    looked = spread(len(truth.images), _LOOKED)
    truths = _Truths(truth, looked)
    starts, rows = best_rows(detections, np.diff(truths.starts))
    boxes = detections.xywh[rows]
    mine, theirs, iou = near_pairs(boxes, truths.xywh, starts, truths.starts, LEAST_IOU)
    own = np.unique(mine)
    pairs = _class_pairs(detections.category_index[rows], truths.category, mine, theirs, iou)
    met = np.bincount(np.repeat(np.arange(len(starts) - 1), np.diff(starts))[own], minlength=len(starts) - 1)
    # Where most of an image's truths are met, no other image is looked for.
    strange = 2 * met < np.diff(starts)
    images, chances = _elsewhere(_Truths(truth), detections, strange, looked, class_wise=class_wise)
    return Encounters(len(rows), len(own), truths.met_by_the_image_before(boxes, starts), pairs, images, chances)


def best_rows(detections: Detections, most: Positions) -> tuple[Positions, Positions]:
    """The detections of highest score of each image, the first of equal ones.

    Parameters
    ----------
    detections : Detections
    most : (I,) int64
        How many of each image.

    Returns
    -------
    starts : (I + 1,) int64
        Image i has `rows[starts[i]:starts[i + 1]]`.
    rows : (N,) int64
        The best first.
    """
    image = detections.image_index
    rows = np.flatnonzero((most > 0)[image])
    rows = rows[falling_order(detections.score[rows])]
    # Small whole numbers are sorted by counting.
    rows = rows[np.argsort(image[rows].astype(np.min_scalar_type(len(most))), kind="stable")]
    starts = offsets_of(image[rows], len(most))
    rows = rows[np.arange(len(rows)) - starts[image[rows]] < most[image[rows]]]
    return offsets_of(image[rows], len(most)), rows


def spread(count: int, most: int) -> Positions:
    """At most so many positions of `count`, evenly spread: the same in every shard.

    Parameters
    ----------
    count, most : int

    Returns
    -------
    (N,) int64
        Ascending.
    """
    return np.unique(np.linspace(0, max(count - 1, 0), most).astype(np.int64))[:count]


class _Truths:
    """The truths that can be met: no crowds and nothing ignored, image by image."""

    def __init__(self, truth: Dataset, looked: Positions | None = None) -> None:
        table = truth.annotations
        counts = ~(table.is_crowd | table.is_ignored)
        if looked is not None and len(looked) < len(truth.images):
            is_looked_at = np.zeros(len(truth.images), np.bool_)
            is_looked_at[looked] = True
            counts &= is_looked_at[table.image_index]
        kept = np.flatnonzero(counts)
        self.image, self.category = table.image_index[kept], table.category_index[kept]
        self.xywh = table.xywh[kept]
        self.starts = offsets_of(self.image, len(truth.images))

    def met_by_the_image_before(self, boxes: NDArray[np.float64], starts: Positions) -> int:
        """How many of the boxes lie on a truth of the next image that has some: what chance does."""
        held = np.flatnonzero(np.diff(self.starts))
        if not len(held):
            return 0
        # Boxes are of images that have truths alone; the first image stands behind the last.
        first = self.starts[held[0] + 1]
        moved = np.concatenate([self.xywh[first:], self.xywh[:first]])
        sizes = np.roll(np.diff(self.starts)[held], -1)
        groups = np.append(starts[held], starts[-1])
        mine, _, _ = near_pairs(boxes, moved, groups, np.concatenate([[0], np.cumsum(sizes)]), LEAST_IOU)
        return len(np.unique(mine))


def _class_pairs(
    mine: Positions, theirs: Positions, first: Positions, second: Positions, iou: NDArray[np.float64]
) -> list[tuple[int, int, int]]:
    """Class of a detection, class of what it lies on, and how often, from classes of both and pairs that overlap."""
    # An overlap is 1 at most, so that one with the same class counts more than any other.
    value = iou + 2 * (mine[first] == theirs[second])
    runs = np.flatnonzero(np.diff(first, prepend=-1))
    best = np.repeat(np.maximum.reduceat(value, runs), np.diff(runs, append=len(first))) if len(runs) else value
    chosen = np.flatnonzero(value == best)
    chosen = chosen[np.unique(first[chosen], return_index=True)[1]]
    many = 1 + int(theirs.max(initial=0))
    pairs, counts = np.unique(mine[first[chosen]] * many + theirs[second[chosen]], return_counts=True)
    return [(*divmod(pair, many), count) for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True)]


def _elsewhere(
    truths: _Truths, detections: Detections, strange: NDArray[np.bool_], looked: Positions, *, class_wise: bool
) -> tuple[list[tuple[int, int, int]], int]:
    """Images of a sample whose detections fit another image's truths, and how many do when mirrored.

    Boxes that mean nothing, or the same in every image, fit as well left to right as right to left; those of another
    image do not.
    """
    most = np.zeros(len(strange), np.int64)
    sample = looked[spread(len(looked), min(max(_MEETINGS // max(len(truths.xywh), 1), _LEAST), _SAMPLE))]
    most[sample[strange[sample]]] = _BEST
    starts, rows = best_rows(detections, most)
    tried = np.flatnonzero(np.diff(starts) >= _FIT)
    if not len(tried):
        return [], 0
    boxes, image = detections.xywh[rows], detections.image_index[rows]
    group = detections.category_index[rows] if class_wise else np.zeros_like(image)
    of = truths.category if class_wise else np.zeros_like(truths.category)
    order = np.argsort(of, kind="stable")
    fits = [
        _fits(some, image, group, truths.xywh[order], truths.image[order], of[order], len(strange))
        for some in (boxes, _mirrored(boxes, starts))
    ]
    found, chances = [], 0
    for i in tried.tolist():
        (other, hits), (_, chance) = (best.get(i, (-1, 0)) for best in fits)
        if hits >= max(_FIT, 2 * chance):
            found.append((i, other, hits))
        chances += chance >= max(_FIT, 2 * hits)
    return found, chances


def _mirrored(boxes: NDArray[np.float64], starts: Positions) -> NDArray[np.float64]:
    """The boxes of each image left to right within the space that they take."""
    out = boxes.copy()
    with np.errstate(all="ignore"):  # what is no number meets nothing
        for low, high in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
            if low < high:
                x, right = boxes[low:high, 0], boxes[low:high, 0] + boxes[low:high, 2]
                out[low:high, 0] = x.min() + right.max() - right
    return out


def _fits(
    boxes: NDArray[np.float64],
    image: Positions,
    group: Positions,
    truths: NDArray[np.float64],
    truth_image: Positions,
    truth_group: Positions,
    images: int,
) -> dict[int, tuple[int, int]]:
    """Image -> the other image of which most truths are met by boxes of their group, and how many; truths by group."""
    order = np.argsort(group, kind="stable")
    groups = 1 + int(max(group.max(initial=0), truth_group.max(initial=0)))
    mine, theirs, _ = near_pairs(
        boxes[order], truths, offsets_of(group[order], groups), offsets_of(truth_group, groups), LEAST_IOU
    )
    # A truth counts once for each image that meets it.
    met = np.unique(image[order][mine] * len(truths) + theirs)
    own, other = met // len(truths), truth_image[met % len(truths)]
    pairs, counts = np.unique((own * images + other)[own != other], return_counts=True)
    best: dict[int, tuple[int, int]] = {}
    for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
        if count > best.get(pair // images, (-1, 0))[1]:
            best[pair // images] = pair % images, count
    return best


def encounter_findings(met: Encounters, truth: Dataset, *, class_wise: bool) -> list[Finding]:
    """Findings `DK714` (classes are permuted) and `DK715` (images are numbered otherwise).

    Parameters
    ----------
    met : Encounters
        Of all detections.
    truth : Dataset
        Its images and classes.
    class_wise : bool
        Whether classes are told apart.

    Returns
    -------
    list of Finding
        One at most.
    """
    found = _other_images(met, truth)
    return found or (_permuted_classes(met, truth.categories.names) if class_wise else [])


def _other_images(met: Encounters, truth: Dataset) -> list[Finding]:
    """Detections lie on their image's truths as rarely as on the next one's, and fit other images far better."""
    if met.own > max(_NOTHING * met.rows, _LITTLE * met.others):
        return []
    # The same boxes on every image fit one image, time and again.
    if len({theirs for _, theirs, _ in met.images}) < max(_IMAGES, _RARER * met.chances):
        return []
    mine, theirs, hits = max(met.images, key=lambda fit: fit[2])
    message = (
        f"{met.own} of the {met.rows} best predictions lie on a truth of their image, {met.others} on one of the next "
        f"image, but those of `{image_label(truth.images, mine)}` on {plural(hits, 'truth')} of "
        f"`{image_label(truth.images, theirs)}`, and so on: image ids look like another numbering of the same images; "
        "score predictions that carry file names (a COCO file with `images`, CSV, a file for each image)"
    )
    return [Finding("DK715", message, count=len(met.images))]


def _permuted_classes(met: Encounters, names: Sequence[str]) -> list[Finding]:
    """Classes lie on one other class each, which lies elsewhere in turn."""
    moved, share = _moved(met.classes)
    if not moved:
        return []
    right = sum(count for mine, theirs, count in met.classes if mine == theirs)
    mended = sum(count for mine, theirs, count in met.classes if moved.get(mine, mine) == theirs)
    most = sorted(moved, key=lambda k: (-share[k][0], k))
    shown = [
        f"`{names[k]}` lie on `{names[moved[k]]}` truths in {share[k][0]} of {share[k][1]} cases" for k in most[:3]
    ]
    more = f" and {len(most) - 3} more classes likewise" if len(most) > 3 else ""
    total = sum(count for _, _, count in met.classes)
    message = (
        f"classes look permuted: predictions taken for {', '.join(shown)}{more}; so named, {mended} and not {right} of "
        f"{total} would meet their class: check the order of the names, or map them with `--class-map FILE`"
    )
    return [Finding("DK714", message, count=len(moved))]


def _moved(classes: Sequence[tuple[int, int, int]]) -> tuple[dict[int, int], dict[int, tuple[int, int]]]:
    """Class -> the other class that it lies on, for classes that change places; how often, of how many.

    Classes in a ring have changed places. Others, which end at a class that is hardly predicted, may be a model that
    knows no better: they count where they are most of all classes.
    """
    count = {(mine, theirs): n for mine, theirs, n in classes}
    total, held, best = Counter[int](), Counter[int](), dict[int, tuple[int, int]]()
    for (mine, theirs), n in count.items():
        total[mine] += n
        held[theirs] += n
        best[mine] = max(best.get(mine, (0, 0)), (n, theirs))
    seen = [k for k, n in total.items() if n >= _FEWEST]
    moved = {}
    for k in seen:
        n, to = best[k]
        # Much lies on a class that is everywhere, so what it holds counts against it.
        if to != k and n >= _MOSTLY * total[k] and n * held[k] >= _RATHER * count.get((k, k), 0) * held[to]:
            moved[k] = to
    claims = Counter(moved.values())
    moved = {k: to for k, to in moved.items() if claims[to] == 1}
    if len(moved) <= max(_CLASSES, len(seen) / 2):
        moved = {k: to for k, to in moved.items() if k in _walk(moved, k)}
    return moved, {k: (best[k][0], total[k]) for k in moved}


def _walk(moved: dict[int, int], start: int) -> Iterator[int]:
    """The classes after a class, until it is reached again or there is none."""
    k = start
    for _ in moved:
        if k not in moved:
            return
        k = moved[k]
        yield k
