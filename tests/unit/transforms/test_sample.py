"""Some of the images: how many, which, and that more hold fewer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import detkit
from detkit.errors import UsageError
from detkit.tables import Dataset
from detkit.transforms.sample import sample
from unit.transforms._rich import rich, rows_of

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"


def taken(dataset: Dataset, *arguments: Any, **options: Any) -> set[str]:
    return set(sample(dataset, *arguments, **options).dataset.images.file_names)


def test_a_sample_keeps_all_of_what_it_keeps() -> None:
    dataset = rich(images=20, boxes=70)
    change = sample(dataset, 7, seed=3)
    names = change.dataset.images.file_names
    assert len(names) == 7
    assert list(names) == sorted(names)
    assert rows_of(change.dataset) == [row for row in rows_of(dataset) if row[0] in names]
    members = [change.dataset.images.file_names[i] for m in change.dataset.splits.values() for i in m.tolist()]
    assert sorted(members) == sorted(names)
    assert (change.losses[0].what, change.losses[0].count) == ("images", 13)


def test_larger_samples_hold_smaller_ones_and_new_images_move_few() -> None:
    dataset = rich(images=50)
    assert taken(dataset, 5) < taken(dataset, 20) < taken(dataset, share=0.9) < taken(dataset, 50)
    assert taken(dataset, 5) != taken(dataset, 5, seed=1)
    fewer = dataset.take_images(np.arange(45))
    assert len(taken(fewer, 20) - taken(dataset, 20)) <= 5


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(1, 30), st.integers(0, 2**32), st.integers(1, 30), st.sampled_from(["boxes", "images", "none"]))
def test_as_many_as_asked_for(images: int, seed: int, count: int, stratify: Any) -> None:
    dataset = rich(images=images, seed=seed)
    assert len(taken(dataset, min(count, images), stratify=stratify, seed=seed)) == min(count, images)


def test_stratified_samples_are_like_the_whole() -> None:
    dataset = rich(images=120, seed=5, boxes=600)
    change = sample(dataset, share=0.25, stratify="boxes")
    assert change.details["distance"] < change.details["random_distance"] / 5
    assert {name: len(m) for name, m in change.dataset.splits.items()} == {"train": 15, "val": 15}
    for row in change.details["classes"]:
        assert row["after"] == pytest.approx(row["before"] / 4, abs=2)


@pytest.mark.parametrize("least", [1, 3, 1000])
def test_every_class_has_enough_images(least: int) -> None:
    dataset = rich(images=40, classes=6, seed=7, boxes=60)
    change = sample(dataset, per_class=least)

    def images_of(table: Dataset, k: int) -> set[str]:
        mine = table.annotations.image_index[table.annotations.category_index == k]
        return {table.images.file_names[i] for i in mine.tolist()}

    for k in range(6):
        assert len(images_of(change.dataset, k)) >= min(least, len(images_of(dataset, k)))
    if least == 1:
        assert len(change.dataset.images) <= 6


@pytest.mark.skipif(not DATA.is_dir(), reason="real data is not beside the checkout")
def test_real_samples_are_nearer_than_by_chance() -> None:
    change = sample(detkit.read(DATA / "bccd"), share=0.1, stratify="boxes")
    assert change.details["distance"] < 0.003 < change.details["random_distance"]


def test_sizes_that_are_none_are_refused() -> None:
    for arguments in ({}, {"count": 3, "share": 0.5}, {"count": 0}, {"count": 99}, {"share": 0}, {"share": 1.5}):
        with pytest.raises(UsageError):
            sample(rich(), **arguments)  # type: ignore[arg-type]
    for arguments in ({"per_class": 0}, {"per_class": 2, "stratify": "boxes"}):
        with pytest.raises(UsageError):
            sample(rich(), **arguments)  # type: ignore[arg-type]
