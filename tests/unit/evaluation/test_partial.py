"""Parts and their folding: packed outcomes, what is read, what must agree, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detkit import api, errors
from detkit.api import sharding
from detkit.api._part_files import read_part, write_part
from detkit.evaluation import folding
from detkit.evaluation.partial import Columns, Part, _packed, match_own_images
from detkit.kernels.match import IGNORED, TRUE
from detkit.tables import Images

DEMO = Path(__file__).resolve().parents[3] / "fixtures" / "demo"
TRUTH, PREDICTIONS = DEMO / "coco" / "instances_val.json", DEMO / "predictions" / "coco.json"


def columns_of(sizes: list[int], seed: int = 0, areas: int = 2, thresholds: int = 3) -> tuple[Columns, list[Any]]:
    rng = np.random.default_rng(seed)
    outcomes = [rng.integers(0, 3, (areas, thresholds, size)).astype(np.uint8) for size in sizes]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    total = int(starts[-1])
    hits, ignored = (_packed([o == value for o in outcomes]) for value in (TRUE, IGNORED))
    score, image = rng.random(total), np.arange(total, dtype=np.int32)
    return Columns(starts, score, image, image, hits, ignored, areas * thresholds), outcomes


def test_outcomes_survive_packing_whatever_the_sizes() -> None:
    sizes = [0, 1, 7, 8, 9, 0, 16, 17, 0]
    columns, outcomes = columns_of(sizes)
    # Two planes of 6 rows, each filled up to whole bytes: 0 1 1 1 2 0 2 3 0 bytes a row.
    assert len(columns.hits) == len(columns.ignored) == 6 * (1 + 1 + 1 + 2 + 2 + 3)
    for first, last in ((0, 9), (2, 5), (5, 6), (8, 9)):
        cut = columns.classes(first, last)
        for k in range(first, last):
            for place, some in ((k, columns), (k - first, cut)):
                score, _, image, outcome = some.of_class(place, 2)
                assert np.array_equal(outcome, outcomes[k])
                assert image.tolist() == list(range(sum(sizes[:k]), sum(sizes[: k + 1])))
                assert np.array_equal(score, columns.score[image])


def test_a_class_is_folded_in_image_order_whoever_had_which_image() -> None:
    outcome = np.arange(4, dtype=np.uint8).reshape(1, 1, 4) % 3
    parts = []
    for images, scores in (([0, 3], [0.5, 0.5]), ([1, 2], [0.5, 0.9])):
        taken = outcome[:, :, images]
        hits, ignored = _packed([taken == TRUE]), _packed([taken == IGNORED])
        place, rank = np.array(images, np.int32), np.zeros(2, np.int32)
        parts.append(Columns(np.array([0, 2]), np.array(scores), rank, place, hits, ignored, 1))
    score, _, joined = folding._class(parts, 0, 1)
    assert score.tolist() == [0.5, 0.5, 0.9, 0.5]
    assert joined.ravel().tolist() == [0, 1, 2, 0]
    assert np.argsort(-score, kind="stable").tolist() == [2, 0, 1, 3]


def test_blocks_hold_many_small_classes_or_one_large_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folding, "_ROWS", 10)
    columns, _ = columns_of([4, 4, 4, 30, 0, 1, 0])
    assert folding._blocks([columns]) == [(0, 2), (2, 3), (3, 4), (4, 7)]
    assert folding._blocks([columns, columns]) == [(0, 1), (1, 2), (2, 3), (3, 4), (4, 7)]


def images_of(ids: list[int], names: list[str]) -> Images:
    return Images(np.array(ids), tuple(names), np.full((len(ids), 2), np.nan))


def test_names_that_point_elsewhere_are_looked_at() -> None:
    truth = images_of([1, 2, 3], ["a.jpg", "b.jpg", "c.jpg"])
    assert match_own_images(truth, images_of([3, 1], ["c.jpg", ""])).tolist() == [2, 0]
    assert match_own_images(truth, images_of([3, 1], ["b.jpg", "c.jpg"])).tolist() == [1, 2]
    assert match_own_images(truth, images_of([3, 9], ["c.jpg", "x.jpg"])).tolist() == [2, -1]


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("parts")
    found = [folder / sharding.part_name(n, 3) for n in (1, 2, 3)]
    for number, path in enumerate(found, 1):
        sharding.evaluate_shard(TRUTH, PREDICTIONS, f"{number}/3", path)
    return found


def changed(path: Path, target: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    part = read_part(path)
    meta = json.loads(json.dumps(part.meta))
    change(meta)
    write_part(Part(meta, {name: np.asarray(a[:]) for name, a in part.arrays.items()}), target)
    return target


def test_parts_in_any_order(parts: list[Path]) -> None:
    one = api.evaluate(TRUTH, PREDICTIONS)
    folded = sharding.merge_results([parts[2], parts[0], parts[1]])
    assert json.dumps(folded.to_dict()) == json.dumps(one.to_dict())
    assert folded.precision.tobytes() == one.precision.tobytes()


def test_a_part_reads_back_and_holds_no_image_twice(parts: list[Path]) -> None:
    held = [read_part(path) for path in parts]
    assert [part.meta["schema"] for part in held] == ["detkit.partial/2"] * 3
    places = np.concatenate([part.arrays["image_of"][:] for part in held])
    predicted = {row["image_id"] for row in json.loads(PREDICTIONS.read_text(encoding="utf-8"))}
    assert len(set(places.tolist())) == len(places) == len(predicted)
    whole = api.evaluate(TRUTH, PREDICTIONS)
    assert sum(part.meta["kept_rows"] for part in held) == len(whole.detections)


@pytest.mark.parametrize("text", ["", "0/3", "4/3", "1/0", "a/3", "1-3", "1/3/5", "-1/3"])
def test_shards_that_are_none(text: str) -> None:
    with pytest.raises(errors.UsageError, match="shard"):
        sharding.parse_shard(text)


def test_missing_and_repeated_parts(parts: list[Path]) -> None:
    with pytest.raises(errors.UsageError, match="part 2 of 3 missing") as caught:
        sharding.merge_results([parts[0], parts[2]])
    assert caught.value.hint == "make it with `--shard 2/3`"
    with pytest.raises(errors.UsageError, match="part 1/3 is given twice"):
        sharding.merge_results([parts[0], *parts])
    with pytest.raises(errors.UsageError, match="no parts are given"):
        sharding.merge_results([])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update(shard=[2, 4]), "is one of 3 parts and .* is one of 4"),
        (lambda m: m["settings"].update(area="box"), r"their settings differ \(`area`: None and 'box'\)"),
        (lambda m: m["truth"].update(sha256="0" * 64), "their truth differ"),
        (lambda m: m["predictions"].update(sha256="0" * 64), "their predictions differ"),
        (lambda m: m["protocol"].update(class_wise=False), "their protocol settings differ"),
        (lambda m: m["classes"].reverse(), "their classes differ"),
    ],
)
def test_foreign_parts(parts: list[Path], tmp_path: Path, change: Any, message: str) -> None:
    foreign = changed(parts[1], tmp_path / "other.npz", change)
    with pytest.raises(errors.CannotJudgeError, match=message):
        sharding.merge_results([parts[0], foreign, parts[2]])


def test_parts_that_met_images_otherwise(parts: list[Path], tmp_path: Path) -> None:
    part = read_part(parts[1])
    arrays = {name: np.asarray(a[:]) for name, a in part.arrays.items()}
    arrays["image_of"] = arrays["image_of"][::-1].copy()
    write_part(replace(part, arrays=arrays), tmp_path / "other.npz")
    with pytest.raises(errors.CannotJudgeError, match="matched images of the predictions"):
        sharding.merge_results([parts[0], tmp_path / "other.npz", parts[2]])


def test_damaged_parts_and_other_files(parts: list[Path], tmp_path: Path) -> None:
    raw = bytearray(parts[0].read_bytes())
    raw[read_part(parts[0]).arrays["score"].offset + 5] ^= 0xFF
    (tmp_path / "flipped.npz").write_bytes(bytes(raw))
    (tmp_path / "short.npz").write_bytes(bytes(raw[:-50]))
    (tmp_path / "text.npz").write_text("no part", encoding="utf-8")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    changed(parts[0], tmp_path / "newer.npz", lambda m: m.update(schema="detkit.partial/9"))
    for name, message in (
        ("flipped", "damaged: `score.npy`"),
        ("short", "no part"),
        ("text", "no part"),
        ("other", "no part"),
        ("newer", "schema `detkit.partial/9`"),
        ("gone", "no such file"),
    ):
        with pytest.raises(errors.InputError, match=message):
            sharding.merge_results([tmp_path / f"{name}.npz"])


@pytest.mark.parametrize(
    ("settings", "option"),
    [
        ({"analyses": ("confusion",)}, "--analyses"),
        ({"explain_gap": True}, "--explain-gap"),
        ({"with_partners": True}, "--matches"),
        ({"ignore_category": ("star",)}, "--ignore-category"),
    ],
)
def test_settings_that_need_all_boxes_at_once(tmp_path: Path, settings: dict[str, Any], option: str) -> None:
    with pytest.raises(errors.UsageError, match=f"{option} needs all predictions at once"):
        sharding.evaluate_shard(TRUTH, PREDICTIONS, "1/2", tmp_path / "a.npz", **settings)
