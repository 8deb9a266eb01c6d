"""Classes by how many boxes and images they have, over the whole set and in each split."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from detkit.checks._base import Code, Context
from detkit.findings import Finding
from detkit.tables import Dataset
from detkit.wording import percent, plural

__all__ = ["CODES", "run"]

#: Boxes of the most frequent class over those of the rarest.
IMBALANCE = 100
#: Images a class ought to have, said only of sets of at least ten times as many images.
FEW_IMAGES = 10
_LARGE_ENOUGH = 100
#: Negatives beyond this share are said of sets of at least so many images.
NEGATIVES, _SOME_IMAGES = 0.5, 4
_TRAIN = re.compile(r"train", re.IGNORECASE)
_VAL = re.compile(r"val|valid|validation|minival", re.IGNORECASE)

CODES = (
    Code("DK306", "A class has no boxes.", "It costs a little in training and is undefined in scoring."),
    Code("DK307", f"The most frequent class has more than {IMBALANCE} times the boxes of the rarest.",
         "The rare ones will be learnt badly: sample them more often, or label more."),
    Code("DK601", "There is no training or no validation split, or it is empty.",
         "Ultralytics refuses a data.yaml without both. Make one with `detkit split`."),
    Code("DK602", "There is not one box.", "Nothing can be learnt; most likely the labels are somewhere else."),
    Code("DK603", "More than half of the images have no boxes.",
         "A tenth helps against false alarms; so many often mean that labels are missing."),
    Code("DK604", f"A class has boxes in fewer than {FEW_IMAGES} images.",
         "Too few to learn from, and its AP says little. Said of sets of 100 images and more."),
    Code("DK605", "A class of one split has no boxes in another.",
         "Not in validation: nobody sees how well it is found. Not in training: it cannot be found."),
)  # fmt: skip


def run(dataset: Dataset, context: Context) -> Iterator[Finding]:
    """Counts that bode ill."""
    rows, images, names = dataset.annotations, len(dataset.images), dataset.categories.names
    if images and not len(rows):
        yield context.of_dataset("DK602", f"no boxes at all in {plural(images, 'image')}")
        return
    count = np.bincount(rows.category_index, minlength=len(names))
    bare = [f"class `{names[i]}` has no boxes" for i in np.flatnonzero(count == 0)]
    yield from context.of_classes("DK306", bare)
    yield from _imbalance(context, count)
    negatives = int((np.diff(dataset.offsets) == 0).sum())
    if images >= _SOME_IMAGES and negatives > NEGATIVES * images:
        text = f"{negatives} of {images} images have no boxes ({percent(negatives / images)})"
        yield context.of_dataset("DK603", text)
    per_class = _images_of(dataset) if images >= _LARGE_ENOUGH else np.zeros(0, np.int64)
    few = np.flatnonzero((per_class > 0) & (per_class < FEW_IMAGES))
    texts = [f"class `{names[i]}` has boxes in {plural(int(per_class[i]), 'image')} only" for i in few]
    yield from context.of_classes("DK604", texts)
    if not context.one_split:
        yield from _splits(dataset, context)


def _imbalance(context: Context, count: NDArray[np.int64]) -> Iterator[Finding]:
    used = np.flatnonzero(count)
    if len(used) < 2:
        return
    names = context.dataset.categories.names
    most, least = used[np.argmax(count[used])], used[np.argmin(count[used])]
    if count[most] > IMBALANCE * count[least]:
        pair = f"`{names[most]}` has {plural(count[most], 'box', 'boxes')}, `{names[least]}` has {count[least]}"
        yield context.of_dataset("DK307", f"{pair}: {count[most] / count[least]:.0f} times as many")


def _images_of(dataset: Dataset) -> NDArray[np.int64]:
    """(K,) images in which each class has a box."""
    rows, classes = dataset.annotations, len(dataset.categories)
    pairs = rows.image_index * classes + rows.category_index
    pairs.sort()
    first = np.concatenate([[True], pairs[1:] != pairs[:-1]])
    return np.asarray(np.bincount(pairs[first] % classes, minlength=classes))


def _splits(dataset: Dataset, context: Context) -> Iterator[Finding]:
    splits = dataset.splits
    is_yolo = dataset.source is not None and dataset.source.format == "yolo"
    if not splits or (len(splits) < 2 and not is_yolo):
        return
    train = [name for name in splits if _TRAIN.match(name) and len(splits[name])]
    val = [name for name in splits if _VAL.match(name) and len(splits[name])]
    known = ", ".join(f"`{name}`" for name in splits)
    for what, found in (("training", train), ("validation", val)):
        if not found:
            yield context.of_dataset("DK601", f"no {what} split with images; splits: {known}")
    names = dataset.categories.names
    count = {name: _boxes_in(dataset, name) for name in (*train, *val)}
    texts = []
    for a in train:
        for b in val:
            for here, there in ((a, b), (b, a)):
                for i in np.flatnonzero((count[here] > 0) & (count[there] == 0)):
                    held = plural(int(count[here][i]), "box", "boxes")
                    texts.append(f"class `{names[i]}` has {held} in `{here}`, none in `{there}`")
    yield from context.of_classes("DK605", texts)


def _boxes_in(dataset: Dataset, split: str) -> NDArray[np.int64]:
    member = np.zeros(len(dataset.images), np.bool_)
    member[dataset.splits[split]] = True
    rows = dataset.annotations
    chosen = rows.category_index[member[rows.image_index]]
    return np.asarray(np.bincount(chosen, minlength=len(dataset.categories)))
