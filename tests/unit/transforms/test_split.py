"""Splits: groups whole, classes in their shares, nothing moves where that is promised."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import detkit
from detkit.errors import UsageError
from detkit.ragged import id_array
from detkit.tables import Categories, Dataset, Images
from detkit.transforms._assign import by_hash, count_labels, fractions, randomly, stratified
from detkit.transforms._groups import by_mapping, join_rules, same_content
from detkit.transforms.split import fold_splits, group_rule, leaks, split
from unit.transforms._rich import rich, rows_of

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="real data is not beside the checkout")
RATIOS = {"train": 0.7, "val": 0.2, "test": 0.1}


def plain(names: list[str], labels: list[list[int]], classes: int = 3, **rest: Any) -> Dataset:
    """Images with these names and a box of each class listed."""
    image = [i for i, ks in enumerate(labels) for _ in ks]
    return Dataset.build(
        Images(id_array(range(1, len(names) + 1)), tuple(names), np.full((len(names), 2), 100.0), **rest),
        Categories.from_names([f"c{k}" for k in range(classes)]),
        image_index=image,
        category_index=[k for ks in labels for k in ks],
        xywh=np.tile([[1.0, 1, 5, 5]], (len(image), 1)),
    )


def split_of(dataset: Dataset) -> dict[str, str]:
    """File name -> split."""
    return {dataset.images.file_names[int(i)]: name for name, m in dataset.splits.items() for i in m}


def distance(dataset: Dataset, name: str) -> float:
    """Half the summed difference of class shares, in plain words."""
    inside = set(dataset.splits[name].tolist())
    rows = list(zip(dataset.annotations.image_index.tolist(), dataset.annotations.category_index.tolist(), strict=True))
    mine = [k for i, k in rows if i in inside]
    every = [k for _, k in rows]
    return sum(abs(mine.count(k) / len(mine) - every.count(k) / len(every)) / 2 for k in range(len(dataset.categories)))


# --- every way to split: a partition that keeps everything


@pytest.mark.parametrize("stratify", ["boxes", "images", "none"])
@pytest.mark.parametrize("stable", [False, True])
def test_every_image_is_in_one_split_and_nothing_else_changes(stratify: Any, stable: bool) -> None:
    dataset = rich(images=30, seed=3)
    change = split(dataset, RATIOS, stratify=stratify, stable=stable)
    assert list(change.dataset.splits) == list(RATIOS)
    assert sorted(np.concatenate(list(change.dataset.splits.values())).tolist()) == list(range(30))
    assert rows_of(change.dataset) == rows_of(dataset)
    assert change.dataset.images is dataset.images
    assert [(loss.what, loss.count) for loss in change.losses] == [("splits of the source", 2)]
    again = split(dataset, RATIOS, stratify=stratify, stable=stable)
    assert split_of(again.dataset) == split_of(change.dataset)
    other = split(dataset, RATIOS, stratify=stratify, stable=stable, seed=1)
    assert split_of(other.dataset) != split_of(change.dataset)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.integers(1, 40),
    st.integers(0, 2**32),
    st.sampled_from(["boxes", "images", "none"]),
    st.booleans(),
    st.integers(1, 12),
    st.integers(1, 12),
)
def test_groups_are_never_cut(images: int, seed: int, stratify: Any, stable: bool, ones: int, others: int) -> None:
    """Two rules at once, each with random groups: whatever is joined by either, or through others, stays together."""
    rng = np.random.default_rng(seed)
    names = [f"{n}.jpg" for n in range(images)]
    dataset = plain(names, [rng.integers(0, 3, rng.integers(0, 4)).tolist() for _ in range(images)])
    first = {name: [f"a{rng.integers(0, ones)}"] for name in names if rng.random() < 0.8}
    second = {name: [f"b{rng.integers(0, others)}"] for name in names if rng.random() < 0.5}
    rules = [by_mapping(dataset.images, m, "m") for m in (first, second) if m]
    change = split(dataset, {"a": 0.5, "b": 0.3, "c": 0.2}, stratify=stratify, rules=rules, seed=seed, stable=stable)
    found = split_of(change.dataset)
    assert sorted(found) == sorted(names)
    for mapping in (first, second):
        for key in {k for keys in mapping.values() for k in keys}:
            assert len({found[name] for name, keys in mapping.items() if key in keys}) == 1
    assert change.details["leaks"] == {"groups": 0, "files": 0}


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.lists(st.integers(0, 6), max_size=3), max_size=12), st.lists(st.integers(0, 4), max_size=12))
def test_joined_groups_are_connected_components(first: list[list[int]], second: list[int]) -> None:
    """Against a search from every image."""
    images = max(len(first), len(second), 1)
    dataset = plain([f"{n}" for n in range(images)], [[]] * images)
    maps = [
        {str(n): [f"k{k}" for k in ks] for n, ks in enumerate(first) if ks},
        {str(n): [f"k{k}"] for n, k in enumerate(second)},
    ]
    groups = join_rules(dataset.images, [by_mapping(dataset.images, m, "m") for m in maps if m])

    def together(a: str, b: str) -> bool:
        return any(set(m.get(a, ())) & set(m.get(b, ())) for m in maps)

    for start in range(images):
        reached, waiting = {start}, [start]
        while waiting:
            here = waiting.pop()
            near = {n for n in range(images) if n not in reached and together(str(here), str(n))}
            reached |= near
            waiting += near
        assert {n for n in range(images) if groups.index[n] == groups.index[start]} == reached
    assert len(set(groups.keys)) == len(groups.keys)


# --- stratified


def test_every_class_gets_its_share_where_that_is_possible() -> None:
    """100 images of each kind: 70, 20 and 10 of each are possible, so they are found."""
    names = [f"{n:03d}.jpg" for n in range(300)]
    dataset = plain(names, [[n % 3] * (1 + n % 3) for n in range(300)])
    change = split(dataset, RATIOS)
    for row in change.details["classes"]:
        assert {n: s["of_class"] for n, s in row["splits"].items()} == pytest.approx(RATIOS)
    assert [s["distance"] for s in change.details["splits"]] == pytest.approx([0, 0, 0])
    assert [s["images"] for s in change.details["splits"]] == [210, 60, 30]


def test_dealing_alone_is_near(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the exchanges that follow: sizes as asked for, and gaps less than half of those by chance."""
    monkeypatch.setattr("detkit.transforms._assign._MOST_TRIES", 0)
    rng = np.random.default_rng(0)
    labels = [rng.permutation(6)[: rng.integers(1, 4)].tolist() for _ in range(300)]
    details = split(plain([f"{n:03d}" for n in range(300)], labels, classes=6), RATIOS).details
    assert [s["images"] for s in details["splits"]] == [210, 60, 30]
    gap, chance = (sum(row[key] for row in details["classes"]) for key in ("gap", "random_gap"))
    assert gap < chance / 2


def test_images_with_a_class_are_shared_out_too() -> None:
    """One image holds nearly all boxes of class 0: by boxes it goes where most go, by images it is one of ten."""
    labels = [[0] * 50] + [[0]] * 9 + [[1]] * 10
    dataset = plain([f"{n}" for n in range(20)], labels, classes=2)
    change = split(dataset, {"a": 0.5, "b": 0.5}, stratify="images")
    inside = {n: set(m.tolist()) for n, m in change.dataset.splits.items()}
    assert len(inside["a"] & set(range(10))) == 5
    assert len(inside["b"] & set(range(10))) == 5


def test_images_without_boxes_are_shared_out_too() -> None:
    dataset = plain([f"{n}" for n in range(40)], [[0]] * 20 + [[]] * 20)
    change = split(dataset, {"a": 0.75, "b": 0.25})
    assert [(s["images"], s["negatives"]) for s in change.details["splits"]] == [(30, 15), (10, 5)]


def test_a_class_of_one_box_leaves_the_sizes_as_they_are() -> None:
    """Each image has a class of its own, as in LVIS: none can be shared out, the sizes still hold."""
    dataset = plain([f"{n}" for n in range(50)], [[n] for n in range(50)], classes=50)
    change = split(dataset, {"a": 0.8, "b": 0.2})
    assert [s["images"] for s in change.details["splits"]] == [40, 10]
    assert len(change.details["splits"][0]["absent"]) == 10
    assert len(change.details["splits"][1]["absent"]) == 40


def test_dealing_is_never_worse_than_all_tries_of_a_small_case() -> None:
    """Eight images with 2 classes into halves: the best of all 256 ways, by the same measure."""
    rng = np.random.default_rng(5)
    counts = rng.integers(0, 5, (8, 2))
    pairs = np.array([(g, k) for g in range(8) for k in range(2) for _ in range(counts[g, k])])
    labels = count_labels(pairs[:, 0], pairs[:, 1], 2)
    sizes, free = np.ones(8, np.int64), np.full(8, -1, np.int64)

    def cost(found: Any) -> float:
        every = np.column_stack([counts, counts.sum(axis=1), np.ones(8)])
        weight = np.array([1, 1, 5, 20])
        half = every.sum(axis=0) / 2
        return sum(float((weight * (every[found == s].sum(axis=0) - half) ** 2 / half).sum()) for s in (0, 1))

    every = [cost(np.array([n >> b & 1 for b in range(8)])) for n in range(256)]
    found = min(cost(stratified(labels, sizes, (0.5, 0.5), free, seed)) for seed in range(5))
    assert found == pytest.approx(min(every))


@needs_data
@pytest.mark.parametrize("name", ["bccd", "lvis_100/gt.json"])
def test_real_classes_are_nearer_than_by_chance(name: str) -> None:
    dataset = detkit.read(DATA / name)
    change = split(dataset, RATIOS)
    for part in change.details["splits"]:
        assert part["distance"] == pytest.approx(distance(change.dataset, part["name"]))
        assert part["distance"] < part["random_distance"]
    images = len(dataset.images)
    assert [s["images"] for s in change.details["splits"]] == pytest.approx([0.7 * images, 0.2 * images, 0.1 * images],
                                                                           abs=1.01)  # fmt: skip
    if name == "bccd":
        assert all(part["distance"] < 0.002 for part in change.details["splits"])
        assert all(row["gap"] < 0.005 for row in change.details["classes"])
    else:
        common = [c for c in change.details["classes"] if c["boxes"] >= 10]
        gap, chance = (float(np.mean([c[key] for c in common])) for key in ("gap", "random_gap"))
        assert gap < 0.7 * chance


# --- stable, and kept


def test_hash_of_a_key_is_what_it_always_was() -> None:
    """Splits that people made must come back with every later version: these numbers may never change."""
    assert fractions(["file:a.jpg", "group:b"], 0).tolist() == FRACTIONS
    assert by_hash(["file:a.jpg"], (0.5, 0.5), 0).tolist() == [int(FRACTIONS[0] >= 0.5)]


#: First 56 bits of BLAKE2b of "0", a null and the key, over 2 ** 56.
FRACTIONS = [0.5984347981113872, 0.339227459864108]


@needs_data
@pytest.mark.parametrize("name", ["bccd", "lvis_100/gt.json"])
def test_adding_images_moves_none_of_the_old(name: str) -> None:
    """10 % more images, under names that sort before, between and after the old ones."""
    dataset = detkit.read(DATA / name)
    old = split_of(split(dataset, RATIOS, stable=True).dataset)
    extra = dataset.take_images(np.arange(0, len(dataset.images), 10))
    more = detkit_merge(extra, dataset)
    new = split_of(split(more, RATIOS, stable=True).dataset)
    assert len(new) == len(old) + len(extra.images)
    assert {file: new[file] for file in old} == old
    # a stratified split promises no such thing, unless the old one is kept
    first = split(dataset, RATIOS).dataset
    loose = split_of(split(more, RATIOS).dataset)
    assert any(loose[file] != s for file, s in split_of(first).items())
    position = {file: i for i, file in enumerate(more.images.file_names)}
    keep = {s: [position[first.images.file_names[int(i)]] for i in m] for s, m in first.splits.items()}
    kept = split(more, RATIOS, keep=keep)
    found = split_of(kept.dataset)
    assert {file: found[file] for file in split_of(first)} == split_of(first)
    assert kept.details["method"]["kept"] == len(dataset.images)


def detkit_merge(extra: Dataset, dataset: Dataset) -> Dataset:
    """The dataset with more images under new names, before its own."""
    from detkit.transforms.merge import merge

    names = tuple(f"{'aMz'[n % 3]}_new_{n}.jpg" for n in range(len(extra.images)))
    extra = replace(extra, images=replace(extra.images, file_names=names, paths=(None,) * len(names)), splits={})
    return merge([extra, replace(dataset, splits={})], ["new", "old"]).dataset


def test_a_stable_group_stays_when_it_grows() -> None:
    names = [f"clip{n % 5}_{n:03d}.jpg" for n in range(20)]
    few, many = plain(names[:12], [[0]] * 12), plain([*names, "clip0_999.jpg"], [[0]] * 21)
    old, new = (
        split_of(split(d, {"a": 0.5, "b": 0.5}, rules=[group_rule(d, r"^(clip\d)_")], stable=True, seed=2).dataset)
        for d in (few, many)
    )
    assert {file: new[file] for file in old} == old


def test_what_is_kept_must_not_cut_a_group() -> None:
    dataset = plain(["a_1", "a_2", "b_1"], [[0], [1], [2]])
    rule = group_rule(dataset, r"^(\w)_")
    with pytest.raises(UsageError, match="would cut the group"):
        split(dataset, {"x": 0.5, "y": 0.5}, rules=[rule], keep={"x": [0], "y": [1]})
    with pytest.raises(UsageError, match="has `z`, expected x and y"):
        split(dataset, {"x": 0.5, "y": 0.5}, keep={"z": [0]})
    with pytest.raises(UsageError, match="needs no earlier one"):
        split(dataset, {"x": 0.5, "y": 0.5}, keep={"x": [0]}, stable=True)


def test_random_sizes_are_as_asked_for() -> None:
    free = np.full(1000, -1, np.int64)
    found = randomly(np.ones(1000, np.int64), (0.7, 0.2, 0.1), free, 0)
    assert np.bincount(found).tolist() == [700, 200, 100]
    free[:300] = 1
    found = randomly(np.ones(1000, np.int64), (0.5, 0.5), free, 0)
    assert np.bincount(found).tolist() == [500, 500]
    assert (found[:300] == 1).all()


# --- rules


def test_rules_name_groups() -> None:
    names = ["v1/clip_001.jpg", "v1/clip_002.jpg", "v2/clip_001.jpg", "9f86d081-dog.jpg", "dog_jpg.rf.0123456789ab.jpg"]
    dataset = plain(names, [[0]] * 5)

    def groups(*rules: Any) -> list[int]:
        return join_rules(dataset.images, [group_rule(dataset, r) for r in rules]).index.tolist()

    assert groups("folder") == [0, 0, 1, 2, 2]
    assert groups("video") == [0, 0, 1, 2, 3]
    assert groups("export-prefix") == [0, 1, 0, 2, 2]
    assert groups(r"(\w+)\.jpg$")[:3] == [0, 1, 0]
    assert groups(r"^v(\d)/|^(\w+?)[-_]") == [0, 0, 1, 2, 3]
    assert groups("folder", r"(\w+)\.jpg$") == [0, 0, 0, 1, 1]
    assert groups({"clip_002": ["x"], "9f86d081-dog.jpg": ["x"]}) == [0, 1, 2, 1, 3]


def test_attributes_name_groups() -> None:
    dataset = rich(images=6)
    assert join_rules(dataset.images, [group_rule(dataset, "@scene")]).index.tolist() == [0, 0, 1, 1, 2, 2]
    by_boxes = group_rule(dataset, "@attribute:pose")
    assert set(by_boxes.keys) == {"Left", "Right"}
    with pytest.raises(UsageError, match="no image and no box has the attribute `weather`") as caught:
        group_rule(dataset, "@weather")
    assert "scene" in str(caught.value.hint)


def test_the_same_file_listed_twice_is_one_group(tmp_path: Path) -> None:
    path = str(tmp_path / "a.jpg")
    dataset = plain(["a.jpg", "b.jpg", "x/a.jpg"], [[0]] * 3, paths=(path, None, path))
    assert join_rules(dataset.images, []).index.tolist() == [0, 1, 0]


def test_same_bytes_are_found(tmp_path: Path) -> None:
    for name, content in {"a": b"one", "b": b"two", "c": b"one", "d": b"longer"}.items():
        (tmp_path / name).write_bytes(content)
    paths = [str(tmp_path / name) for name in "abcd"]
    found = same_content([*paths, None, str(tmp_path / "gone")])
    assert sorted(found) == [0, 1, 2]
    assert found[0] == found[2] != found[1]
    dataset = plain(list("abcd"), [[0]] * 4, paths=tuple(paths))
    assert join_rules(dataset.images, [group_rule(dataset, "bytes")]).index.tolist() == [0, 1, 0, 2]


def test_rules_that_say_nothing_are_refused_or_told() -> None:
    dataset = plain(["a_1.jpg", "b.jpg"], [[0], [1]])
    with pytest.raises(UsageError, match="no file, no keyword and no regular expression"):
        group_rule(dataset, "(")
    with pytest.raises(UsageError, match="fits none of the 2 file names"):
        group_rule(dataset, "zebra")
    with pytest.raises(UsageError, match="names no image of the dataset"):
        group_rule(dataset, {"c.jpg": ["x"]})
    change = split(dataset, {"a": 0.5, "b": 0.5}, rules=[group_rule(dataset, r"^(\w)_")])
    assert [(f.code, f.count) for f in change.findings if f.code == "DK110"] == [("DK110", 1)]


def test_leaks_are_seen_in_splits_of_any_origin() -> None:
    dataset = plain(["a_1", "a_2", "b_1", "b_1"], [[0]] * 4)
    groups = join_rules(dataset.images, [group_rule(dataset, r"^(\w)_")])

    def found(train: list[int], val: list[int]) -> dict[str, int]:
        return leaks(dataset, {"train": np.array(train), "val": np.array(val)}, groups)

    assert found([0, 1], [2, 3]) == {"groups": 0, "files": 0}
    assert found([0], [1, 2, 3]) == {"groups": 1, "files": 0}
    assert found([0, 2], [1, 3]) == {"groups": 2, "files": 1}
    assert found([0, 1, 2], [2, 3]) == {"groups": 1, "files": 1}


def test_a_group_too_large_for_a_split_is_told() -> None:
    dataset = plain([f"a_{n}" for n in range(9)] + ["b_1"], [[0]] * 10)
    change = split(dataset, {"a": 0.5, "b": 0.5}, rules=[group_rule(dataset, r"^(\w)_")])
    assert "the largest group has 9 images" in change.findings[0].message
    whole = split(dataset, {"a": 0.5, "b": 0.5}, rules=[group_rule(dataset, "folder")])
    assert any("is empty" in f.message for f in whole.findings)


@pytest.mark.parametrize(
    ("ratios", "told"),
    [
        ({"a": 1.0}, "two splits or more"),
        ({"a": 0.5, "b": 0.4}, "sum to 0.9, expected 1"),
        ({"a": 1.2, "b": -0.2}, "above 0 and below 1"),
        ({"a": float("nan"), "b": 0.5}, "above 0 and below 1"),
    ],
)
def test_ratios_that_are_none(ratios: dict[str, float], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        split(rich(), ratios)


def test_folds_have_train_and_val() -> None:
    dataset = rich(images=10)
    folds = split(dataset, {f"fold{n}": 0.2 for n in range(5)}).dataset
    assert [len(m) for m in folds.splits.values()] == [2] * 5
    one = fold_splits(folds, "fold3")
    assert one.splits["val"].tolist() == folds.splits["fold3"].tolist()
    assert sorted([*one.splits["train"].tolist(), *one.splits["val"].tolist()]) == list(range(10))


def test_an_empty_dataset_is_split_into_empty_parts() -> None:
    change = split(plain([], []), RATIOS)
    assert [s["images"] for s in change.details["splits"]] == [0, 0, 0]
    assert [s["distance"] for s in change.details["splits"]] == [None, None, None]
