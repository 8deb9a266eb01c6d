"""Copies are found by look and by content, and what is left out is always like something that stays."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from detkit.errors import UsageError
from detkit.kernels.hamming import near_hashes
from detkit.ragged import id_array
from detkit.tables import Categories, Dataset, Images
from detkit.transforms import dedupe
from detkit.transforms._phash import is_flat, overlay_similarity, perceptual_hashes, thumbnail

BCCD = Path(__file__).resolve().parents[3] / "../shared/data/bccd/JPEGImages"


def naive_pairs(hashes: list[int], radius: int) -> list[tuple[int, int, int]]:
    found = []
    for i, a in enumerate(hashes):
        for j in range(i + 1, len(hashes)):
            differ = bin(a ^ hashes[j]).count("1")
            if differ <= radius:
                found.append((i, j, differ))
    return found


bits = st.sets(st.integers(0, 63), max_size=26)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.integers(0, 2**64 - 1), st.lists(bits, min_size=0, max_size=12), st.integers(0, 24))
def test_near_hashes_are_those_of_every_pair_compared(base: int, flips: list[set[int]], radius: int) -> None:
    hashes = [base ^ sum(1 << bit for bit in flip) for flip in flips]
    pairs, distance = near_hashes(np.array(hashes, dtype=np.uint64), radius)
    assert [(*pair, d) for pair, d in zip(pairs.tolist(), distance.tolist(), strict=True)] == naive_pairs(
        hashes, radius
    )


def test_equal_hashes_are_all_paired() -> None:
    pairs, distance = near_hashes([5, 5, 5], 0)
    assert pairs.tolist() == [[0, 1], [0, 2], [1, 2]]
    assert distance.tolist() == [0, 0, 0]


@pytest.mark.parametrize("radius", [-1, 25])
def test_a_radius_out_of_range_is_refused(radius: int) -> None:
    with pytest.raises(UsageError, match="0 to 24"):
        near_hashes([1], radius)


def test_results_larger_than_the_buffer_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = [1 << n for n in range(12)]
    monkeypatch.setattr("detkit.kernels.hamming._LEAST_CAPACITY", 1)
    pairs, _ = near_hashes(hashes, 2)
    assert len(pairs) == 12 * 11 // 2


def picture(seed: int, size: tuple[int, int] = (200, 150)) -> Image.Image:
    """Soft blobs, as photos have them."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)


def compressed(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=40)
    return Image.open(buffer).convert("RGB")


def cropped(image: Image.Image) -> Image.Image:
    width, height = image.size
    return image.crop((0, round(height * 0.05), round(width * 0.95), height))


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "resized": lambda image: image.resize((image.width // 2, image.height // 2)),
    "recompressed": compressed,
    "cropped by 5 %": cropped,
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.3),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.7),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_copy_is_found_and_no_other(change: Callable[[Image.Image], Image.Image]) -> None:
    images = [picture(seed) for seed in range(20)]
    images += [change(image) for image in images]
    pairs, flat = dedupe.hash_pairs(np.stack([thumbnail(i) for i in images]), np.arange(40))
    assert (pairs.index[:, 1] - pairs.index[:, 0] == 20).all()
    # A crop at the corner moves everything: the one change that some images do not survive.
    assert len(pairs) == 20 or (change is cropped and len(pairs) >= 15)
    assert (pairs.similarity >= 0.9).all()
    assert len(flat) == 0


def test_images_of_one_colour_are_no_copies_of_each_other() -> None:
    grey = np.stack([np.full((32, 32), level, np.uint8) for level in (0, 100, 101)])
    pairs, flat = dedupe.hash_pairs(grey, np.array([3, 5, 9]))
    assert len(pairs) == 0
    assert flat.tolist() == [3, 5, 9]
    assert is_flat(grey).all()


def test_a_hash_is_the_signs_of_low_frequencies() -> None:
    """Against the cosine transform written out as sums."""
    grey = np.random.default_rng(0).integers(0, 256, (1, 32, 32)).astype(np.uint8)
    low = np.zeros((8, 8))
    for v in range(8):
        for u in range(8):
            wave = np.cos(np.pi * (2 * np.arange(32) + 1) * v / 64)[:, None]
            low[v, u] = (grey[0] * wave * np.cos(np.pi * (2 * np.arange(32) + 1) * u / 64)).sum()
    expected = sum(1 << n for n, value in enumerate(low.ravel()) if value > np.median(low.ravel()[1:]))
    assert int(perceptual_hashes(grey)[0]) == expected


def test_overlay_is_correlation_where_nothing_is_cut() -> None:
    grey = np.stack([thumbnail(picture(0)), thumbnail(picture(1))])
    value = overlay_similarity(grey, np.array([[0, 0], [0, 1]]))
    assert value[0] == pytest.approx(1, abs=1e-5)
    assert value[1] >= np.corrcoef(grey[0].ravel(), grey[1].ravel())[0, 1] - 1e-5
    assert value[1] < 0.9


def test_cosine_pairs_are_those_of_every_pair_compared() -> None:
    vectors = np.random.default_rng(3).normal(size=(50, 3)).astype(np.float32)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = [[2 * i, 2 * j] for i in range(50) for j in range(i + 1, 50) if float(unit[i] @ unit[j]) >= 0.9]
    assert dedupe.cosine_pairs(vectors, 2 * np.arange(50), 0.9).index.tolist() == expected


def test_cosine_pairs_reach_over_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detkit.transforms._pairs._ROWS", 2)
    vectors = np.array([[1, 0], [0, 1], [1, 0], [0, 1], [1, 0]], np.float32)
    assert sorted(dedupe.cosine_pairs(vectors, np.arange(5), 1.0).index.tolist()) == [[0, 2], [0, 4], [1, 3], [2, 4]]


def dataset(boxes: list[int], splits: dict[str, list[int]] | None = None, pixels: list[int] | None = None) -> Dataset:
    sizes = np.array([[p, 1.0] for p in pixels or [100] * len(boxes)])
    owner = [i for i, count in enumerate(boxes) for _ in range(count)]
    return Dataset.build(
        Images(id_array(list(range(1, len(boxes) + 1))), tuple(f"{n}.jpg" for n in range(len(boxes))), sizes),
        Categories.from_names(["x"]),
        image_index=owner,
        category_index=[0] * len(owner),
        xywh=[[0, 0, 1, 1]] * len(owner),
        splits={name: np.array(members) for name, members in (splits or {}).items()},
    )


def pairs_of(*index: tuple[int, int]) -> dedupe.Pairs:
    return dedupe.Pairs(np.array(index, np.int64).reshape(-1, 2), np.linspace(1.0, 0.91, len(index)))


def removed(data: Dataset, *index: tuple[int, int], **options: object) -> list[int]:
    found = dedupe.cluster_pairs(dedupe.candidates_of([data]), pairs_of(*index), **options)  # type: ignore[arg-type]
    return found.removed.tolist()


def test_the_copy_with_most_boxes_stays_then_the_largest_then_the_first() -> None:
    assert removed(dataset([1, 3, 2]), (0, 1), (0, 2), (1, 2)) == [0, 2]
    assert removed(dataset([1, 1], pixels=[50, 60]), (0, 1)) == [0]
    assert removed(dataset([1, 1]), (0, 1)) == [1]
    assert removed(dataset([1, 3]), (0, 1), keep="first") == [1]
    assert removed(dataset([1, 3]), (0, 1), keep="all") == []


def test_of_a_chain_both_ends_may_stay() -> None:
    """0 is like 1 and 1 like 2, but 0 is not like 2: what goes must be like what stays."""
    assert removed(dataset([2, 1, 1]), (0, 1), (1, 2)) == [1]
    assert removed(dataset([1, 2, 1]), (0, 1), (1, 2)) == [0, 2]


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 14), st.floats(0, 1), st.booleans())
def test_everything_left_out_is_like_something_that_stays(seed: int, count: int, share: float, across: bool) -> None:
    random = np.random.default_rng(seed)
    contents = np.unique(random.integers(0, count, count), return_inverse=True)[1].reshape(-1)
    possible = [(i, j) for i in range(count) for j in range(i + 1, count) if contents[i] != contents[j]]
    chosen = [pair for pair in possible if random.random() < share]
    members = random.integers(0, 2, count)
    data = dataset(
        random.integers(0, 4, count).tolist(),
        {name: np.flatnonzero(members == n).tolist() for n, name in enumerate(("train", "val"))},
    )
    found = dedupe.cluster_pairs(
        dedupe.candidates_of([data]), pairs_of(*chosen), contents=contents, across_splits=across
    )
    alike = {frozenset((contents[i], contents[j])) for i, j in chosen}
    gone = set(found.removed.tolist())
    kept_for = {k: v for cluster in found.clusters for k, v in cluster.kept_for.items()}
    assert set(kept_for) == gone
    for lost, (stays, _) in kept_for.items():
        assert stays not in gone
        assert contents[lost] == contents[stays] or frozenset((contents[lost], contents[stays])) in alike
        assert not across or members[lost] != members[stays]
    if not across:
        # And no two that stay are alike.
        for i in set(range(count)) - gone:
            for j in set(range(i)) - gone:
                assert contents[i] != contents[j]
                assert frozenset((contents[i], contents[j])) not in alike


def test_same_content_joins_without_a_pair_and_leaks_are_told() -> None:
    data = dataset([1, 1, 1], {"train": [0, 1], "val": [2]})
    table = dedupe.candidates_of([data])
    found = dedupe.cluster_pairs(table, pairs_of(), contents=[0, 0, 0])
    assert [(f.code, f.count) for f in found.findings] == [("DK506", 2)]
    assert "(train)" in found.findings[0].message
    assert found.clusters[0].members == (0, 1, 2)
    assert found.groups() == {"0.jpg": "0.jpg", "1.jpg": "0.jpg", "2.jpg": "0.jpg"}
    inside = dedupe.cluster_pairs(table, pairs_of(), contents=[0, 0, 1])
    assert [f.code for f in inside.findings] == ["DK505"]
    across = dedupe.cluster_pairs(table, pairs_of(), contents=[0, 0, 0], across_splits=True)
    assert across.removed.tolist() == [2]
    assert dedupe.cluster_pairs(table, pairs_of(), contents=[0, 0, 1], across_splits=True).clusters == ()


def test_several_datasets_are_splits_of_their_own() -> None:
    table = dedupe.candidates_of([dataset([1]), dataset([1], {"val": [0]})], ["a", "b"])
    assert table.names == ("a/0.jpg", "b/0.jpg")
    assert [table.split_name(i) for i in (0, 1)] == ["a", "b/val"]
    assert dedupe.cluster_pairs(table, pairs_of((0, 1))).clusters[0].is_leak


def test_contents_are_numbers_of_the_same_bytes(tmp_path: Path) -> None:
    for name, text in (("a", "same"), ("b", "else"), ("c", "same"), ("d", "longer one")):
        (tmp_path / name).write_text(text)
    paths = [str(tmp_path / n) for n in "abcd"]
    assert dedupe.contents_of([paths[0], None, *paths[1:]]).tolist() == [0, 1, 2, 0, 3]


@pytest.mark.skipif(not BCCD.is_dir(), reason="the shared data folder is not beside the checkout")
def test_planted_copies_among_images_that_look_alike() -> None:
    """Blood cells under a microscope: 60 images, five copies of each, few missed, none invented."""
    images = [Image.open(path).convert("RGB") for path in sorted(BCCD.glob("*.jpg"))[60:120]]
    table = [thumbnail(image) for image in images]
    table += [thumbnail(change(image)) for change in CHANGES.values() for image in images]
    pairs, _ = dedupe.hash_pairs(np.stack(table), np.arange(len(table)))
    own = pairs.index % len(images)
    assert (own[:, 0] == own[:, 1]).all()
    with_original = pairs.index[pairs.index[:, 0] < len(images)]
    assert len(with_original) >= 0.97 * len(CHANGES) * len(images)


def test_a_network_gives_a_vector_of_each_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mean colour by a network of one mean: maps are averaged, a fixed batch is filled up."""
    onnx = pytest.importorskip("onnx", exc_type=ImportError)
    pytest.importorskip("onnxruntime", exc_type=ImportError)
    from detkit import detectors
    from detkit.detectors import _session
    from detkit.transforms.embed import Embedder

    monkeypatch.setattr(detectors, "open_session", _session.open_session, raising=False)
    node = onnx.helper.make_node("AveragePool", ["x"], ["y"], kernel_shape=[4, 4], strides=[4, 4])
    shapes = {"x": [2, 3, 8, 8], "y": [2, 3, 2, 2]}
    ports = {n: onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, s) for n, s in shapes.items()}
    graph = onnx.helper.make_graph([node], "means", [ports["x"]], [ports["y"]])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=9)
    onnx.save(model, str(tmp_path / "m.onnx"))
    network = Embedder(tmp_path / "m.onnx", pixels="0-255", device="cpu")
    colours = [(10, 20, 30), (40, 50, 60), (70, 80, 90)]
    vectors = network.vectors([network.tensor(Image.new("RGB", (31, 17), colour)) for colour in colours])
    assert vectors.tolist() == [list(map(float, colour)) for colour in colours]
    with pytest.raises(UsageError, match="the model has y"):
        Embedder(tmp_path / "m.onnx", output="z", device="cpu")
