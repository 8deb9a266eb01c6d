"""Counts of tables."""

from __future__ import annotations

import numpy as np

from detkit.ragged import id_array
from detkit.tables import Categories, Dataset, Images
from detkit.transforms.stats import describe


def test_counts() -> None:
    dataset = Dataset.build(
        Images(id_array([1, 2, 3]), ("a", "b", "c"), np.full((3, 2), 200.0)),
        Categories.from_names(["x", "y"]),
        image_index=[0, 0, 2],
        category_index=[0, 0, 1],
        xywh=[[0, 0, 32, 32], [0, 0, 31, 33], [150, 0, 97, 100]],
        is_crowd=[False, True, False],
        splits={"val": np.array([2]), "train": np.array([0, 1])},
    )
    found = describe(dataset)
    assert (found.images, found.negatives, found.boxes) == (3, 1, 3)
    x, y = found.classes
    assert (x.boxes, x.images, x.sizes) == (2, 1, {"small": 1, "medium": 1, "large": 0})
    assert (y.sizes["large"], y.median_width) == (1, 97.0)
    assert [(s.name, s.images, s.negatives, s.boxes) for s in found.splits] == [("train", 2, 1, 2), ("val", 1, 0, 1)]
    assert found.flags["crowds"] == 1
    assert found.flags["sticking_out"] == 1
    assert found.boxes_per_image == {"min": 0.0, "median": 1.0, "max": 2.0, "mean": 1.0}


def test_shares_have_no_sizes() -> None:
    dataset = Dataset.build(
        Images(id_array([1]), ("a",), np.full((1, 2), np.nan)),
        Categories.from_names(["x"]),
        image_index=[0],
        category_index=[0],
        xywh=[[0.1, 0.1, 0.5, 0.5]],
        units="normalised",
    )
    found = describe(dataset)
    assert found.units == "normalised"
    assert found.classes[0].sizes == {}
    assert found.to_dict()["schema"] == "detkit.stats/1"


def test_an_empty_dataset_has_counts_too() -> None:
    empty = Dataset.build(
        Images(id_array([]), (), np.empty((0, 2))),
        Categories.from_names([]),
        image_index=[],
        category_index=[],
        xywh=[],
    )
    assert describe(empty).to_dict()["boxes"] == 0


def spread() -> Dataset:
    """Two images of 200 x 100: cat and dog in the first, two cats in the second."""
    return Dataset.build(
        Images(id_array([1, 2]), ("a", "b"), np.array([[200.0, 100.0]] * 2)),
        Categories.from_names(["cat", "cow", "dog"]),
        image_index=[0, 0, 1, 1],
        category_index=[0, 2, 0, 0],
        # Sides 16 x 16, 20 x 5, 100 x 100; and one without area.
        xywh=[[0, 0, 16, 16], [180, 95, 20, 5], [50, 0, 100, 100], [10, 10, 0, 5]],
        splits={"train": np.array([0]), "val": np.array([1])},
    )


def test_histograms_centres_and_pairs() -> None:
    found = describe(spread())
    size = found.histograms["size"]
    # Square roots of 256, 100 and 10000.
    assert dict(zip(size["edges"], size["counts"], strict=True)) == dict.fromkeys(size["edges"], 0) | {
        16: 1,
        8: 1,
        96: 1,
    }
    aspect = dict(zip(*found.histograms["aspect"].values(), strict=True))
    assert (aspect[4 / 5], aspect[3]) == (2, 1)
    # 256 of 20000 pixels is a square of 0.113 of the image's, 100 of 20000 one of 0.071, 10000 one of 0.707.
    share = dict(zip(*found.histograms["image_share"].values(), strict=True))
    assert (share[0.1], share[0.07], share[0.7]) == (1, 1, 1)
    assert dict(zip(*found.histograms["boxes_per_image"].values(), strict=True))[2] == 2
    # Centres: (8, 8), (190, 97.5), (100, 50), (10, 12.5) of 200 x 100, in cells of 12.5 x 6.25.
    places = {(r, c): n for r, row in enumerate(found.centres) for c, n in enumerate(row) if n}
    assert places == {(1, 0): 1, (15, 15): 1, (8, 8): 1, (2, 0): 1}
    assert found.co_occurrence == (("cat", "dog", 1),)
    assert [(c.name, c.splits) for c in found.classes] == [
        ("cat", {"train": 1, "val": 2}),
        ("cow", {"train": 0, "val": 0}),
        ("dog", {"train": 1, "val": 0}),
    ]
    assert [c.median_aspect for c in found.classes] == [1.0, None, 4.0]
    assert [(s.classes, s.sizes["small"]) for s in found.splits] == [(2, 2), (1, 1)]


def test_pairs_are_those_of_a_plain_count() -> None:
    rng = np.random.default_rng(0)
    image, category = np.sort(rng.integers(0, 50, 400)), rng.integers(0, 12, 400)
    dataset = Dataset.build(
        Images(id_array(range(50)), ("",) * 50, np.full((50, 2), 100.0)),
        Categories.from_names([f"c{k:02d}" for k in range(12)]),
        image_index=image,
        category_index=category,
        xywh=rng.uniform(0, 50, (400, 4)),
    )
    wanted: dict[tuple[str, str], int] = {}
    for n in range(50):
        shown = sorted({f"c{k:02d}" for k in category[image == n]})
        for i, a in enumerate(shown):
            for b in shown[i + 1 :]:
                wanted[a, b] = wanted.get((a, b), 0) + 1
    found = describe(dataset).co_occurrence
    assert {(a, b): count for a, b, count in found} == wanted
    assert [count for _, _, count in found] == sorted(wanted.values(), reverse=True)


def test_a_bin_is_named_by_what_it_holds() -> None:
    from detkit.reports._stats import span

    # Whole numbers: from 5 to below 7 are 5 and 6. Lengths: from 16 to below 32.
    assert [span("boxes_per_image", (0, 1, 5, 7), n) for n in range(4)] == ["0", "1 to 4", "5 to 6", ">= 7"]
    assert span("size", (16.0, 32.0), 0) == "16 to 32"


def test_details_stay_within_80_columns_and_plots_are_the_same_bytes(tmp_path) -> None:
    import pytest

    from detkit import reports
    from detkit.errors import OutputError

    text = reports.render_stats(describe(spread()), details=True)
    assert max(map(len, text.splitlines())) <= 80
    assert "cat + dog" in text
    pytest.importorskip("matplotlib")
    for name in ("one", "two"):
        written = reports.write_stats_plots(describe(spread()), tmp_path / name)
        assert {path.stem for path in written} == {
            *("classes", "size", "image_share", "aspect", "boxes_per_image", "centres", "co_occurrence")
        }
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
    with pytest.raises(OutputError, match="exists already"):
        reports.write_stats_plots(describe(spread()), tmp_path / "one")
