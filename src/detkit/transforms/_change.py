"""What a transform of a dataset returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from detkit.findings import Finding, Loss
from detkit.tables import Dataset, Images

__all__ = ["Change", "label_of", "loss_of_images", "loss_of_rows"]


@dataclass(frozen=True, eq=False)
class Change:
    """A dataset after a transform, and what that did.

    Parameters
    ----------
    dataset : Dataset
    losses : tuple of Loss
        What was left out or altered, counted.
    findings : tuple of Finding
    details : mapping
        Figures for the report, plain values.
    """

    dataset: Dataset
    losses: tuple[Loss, ...] = ()
    findings: tuple[Finding, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


def label_of(images: Images, position: int) -> str:
    """What to call an image in a message: its file name, else its id."""
    return images.file_names[position] or str(images.ids[position])


def loss_of_images(images: Images, index: Sequence[int] | Any, what: str, action: str) -> list[Loss]:
    """One loss that counts these images, none where there are none."""
    if not len(index):
        return []
    return [Loss(what, action, len(index), tuple(label_of(images, int(i)) for i in index[:3]))]


def loss_of_rows(dataset: Dataset, rows: Any, what: str, action: str) -> list[Loss]:
    """One loss that counts these boxes, with the first images they are in."""
    if not len(rows):
        return []
    places = dict.fromkeys(dataset.annotations.image_index[rows[:12]].tolist())
    return [Loss(what, action, len(rows), tuple(label_of(dataset.images, i) for i in places)[:3])]
