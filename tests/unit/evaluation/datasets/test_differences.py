from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detkit.errors import CannotJudgeError, InputError, UsageError
from detkit.evaluation.datasets.differences import compare_datasets
from detkit.evaluation.datasets.listing import listing
from detkit.evaluation.datasets.rules import judge_dataset_differences
from detkit.tables import Categories, Dataset, Images, Ragged, Shapes, id_array


def dataset(
    rows, *, files=("a.jpg", "b.jpg"), classes=("cat", "dog"), sizes=None, own_ids=True, categories=None, **rest
):
    """A dataset from rows (image position, class position, box)."""
    columns = list(zip(*rows, strict=True)) if rows else ([], [], [])
    return Dataset.build(
        Images(
            id_array(range(1, len(files) + 1)),
            tuple(files),
            np.full((len(files), 2), 100.0) if sizes is None else np.array(sizes, float),
            has_own_ids=own_ids,
        ),
        categories or Categories.from_names(classes),
        image_index=columns[0],
        category_index=columns[1],
        xywh=np.reshape(columns[2], (-1, 4)),
        **rest,
    )


A = [
    (0, 0, [0, 0, 10, 10]),  # 0 stays
    (0, 0, [20, 0, 10, 10]),  # 1 moves by 1: IoU 90 / 110
    (0, 1, [40, 0, 10, 10]),  # 2 becomes a cat
    (1, 1, [0, 0, 10, 10]),  # 3 goes
    (1, 0, [50, 50, 10, 10]),  # 4 becomes a dog and moves by 2: IoU 80 / 120
]
B = [
    (1, 0, [70, 70, 10, 10]),  # new
    (1, 1, [50, 52, 10, 10]),
    (0, 0, [0, 0, 10, 10]),
    (0, 0, [20, 1, 10, 10]),
    (0, 0, [40, 0, 10, 10]),
]


def test_every_box_is_told_once():
    found = compare_datasets(dataset(A), dataset(B))
    assert found.boxes == {
        "a": 5,
        "b": 5,
        "matched": 4,
        "unchanged": 1,
        "changed": 3,
        "removed": 1,
        "added": 1,
        "removed_with_images": 0,
        "added_with_images": 0,
        "moved": 2,
        "reclassified": 2,
        "flags": 0,
        "outlines": 0,
        "keypoints": 0,
    }
    assert found.reclassified == (
        {"from": "cat", "to": "dog", "boxes": 1},
        {"from": "dog", "to": "cat", "boxes": 1},
    )
    assert found.classes == {"a": 2, "b": 2, "added": 0, "removed": 0, "renamed": 0, "renumbered": 0}


def test_agreement_is_arithmetic():
    figures = compare_datasets(dataset(A), dataset(B)).agreement
    assert figures["f1"] == 2 * 2 / (5 + 5)
    assert figures["iou"] == pytest.approx((1 + 90 / 110 + 1 + 80 / 120) / 4)
    # Two pairs of cats, a dog that is a cat and a cat that is a dog; a dog and a cat against background.
    chance = (3 * 4 + 2 * 1 + 1 * 1) / 36
    assert figures["kappa"] == pytest.approx((2 / 6 - chance) / (1 - chance))
    chance = (3 * 3 + 1 * 1) / 16
    assert figures["kappa_matched"] == pytest.approx((2 / 4 - chance) / (1 - chance))
    assert figures["alpha"] == pytest.approx(1 - (4 / 6) / (1 - (7 * 6 + 3 * 2 + 2 * 1) / (12 * 11)))


def test_average_precision_of_each_on_the_other():
    """B has both boxes of A and a false one first: precision 2/3 at every recall up to 1, or 1 the other way."""
    a = dataset([(0, 0, [0, 0, 10, 10]), (0, 0, [30, 0, 10, 10])])
    b = dataset([(0, 0, [60, 0, 10, 10]), (0, 0, [0, 0, 10, 10]), (0, 0, [30, 0, 10, 10])])
    figures = compare_datasets(a, b).agreement
    assert figures["AP_of_b"] == pytest.approx(2 / 3)
    # A's two boxes are both true, and reach recall 2/3: 67 of the 101 points.
    assert figures["AP_of_a"] == pytest.approx(67 / 101)
    assert figures["AP"] == pytest.approx((2 / 3 + 67 / 101) / 2)
    assert figures["AP50"] == pytest.approx((figures["AP50_of_a"] + figures["AP50_of_b"]) / 2)


def test_more_boxes_than_the_cap_of_coco_are_all_scored():
    rows = [(0, 0, [20 * i, 0, 10, 10]) for i in range(150)]
    assert compare_datasets(dataset(rows), dataset(rows)).agreement["AP"] == 1


def test_classes_add_up():
    cat, dog = compare_datasets(dataset(A), dataset(B)).per_class
    assert {k: cat[k] for k in ("name", "a", "b", "matched", "unchanged", "moved", "removed", "added")} == {
        "name": "cat", "a": 3, "b": 4, "matched": 2, "unchanged": 1, "moved": 1, "removed": 0, "added": 1,
    }  # fmt: skip
    assert (cat["reclassified_from"], cat["reclassified_to"]) == (1, 1)
    assert (dog["a"], dog["b"], dog["matched"], dog["removed"], dog["f1"]) == (2, 1, 0, 1, 0)
    assert dog["iou"] is None
    assert cat["f1"] == 2 * 2 / 7
    for row in (cat, dog):
        assert row["a"] == row["matched"] + row["removed"] + row["reclassified_from"]
        assert row["b"] == row["matched"] + row["added"] + row["reclassified_to"]


def test_listing_has_a_row_for_every_box_that_is_not_alike():
    rows = listing(compare_datasets(dataset(A), dataset(B)))
    told = list(zip(rows["image"], rows["change"], rows["class_a"], rows["class_b"], rows["shift"], strict=True))
    assert told == [
        ("a.jpg", "moved", "cat", "cat", 1.0),
        ("a.jpg", "reclassified", "dog", "cat", 0.0),
        ("b.jpg", "removed", "dog", None, None),
        ("b.jpg", "moved+reclassified", "cat", "dog", 2.0),
        ("b.jpg", "added", None, "cat", None),
    ]
    assert rows["iou"] == [pytest.approx(90 / 110), 1.0, None, pytest.approx(80 / 120), None]
    assert rows["id_a"] == [2, 3, 4, 5, None]
    assert rows["y_b"] == [1.0, 0.0, None, 52.0, 70.0]


def test_listing_keeps_the_order_of_the_files():
    new = [(0, 0, [5 * i, 0, 1, 1]) for i in range(3)]
    assert listing(compare_datasets(dataset([]), dataset(new)))["x_b"] == [0.0, 5.0, 10.0]
    assert listing(compare_datasets(dataset(new), dataset([])))["x_a"] == [0.0, 5.0, 10.0]


def test_the_same_twice_is_alike_also_with_doubled_and_flat_boxes():
    rows = [*A, A[0], A[0], (0, 0, [5, 5, 0, 10]), (0, 0, [5, 5, 0, 10]), (1, 1, [0, 0, 0, 0])]
    for threshold in (0.01, 0.5, 1.0):
        found = compare_datasets(dataset(rows), dataset(rows[::-1]), iou_threshold=threshold)
        assert found.boxes["unchanged"] == len(rows) == found.boxes["matched"], threshold
        assert found.images["changed"] == 0
        assert found.agreement["f1"] == found.agreement["kappa"] == 1


# --- which boxes are one


def overlap(p, q):
    width = min(p[0] + p[2], q[0] + q[2]) - max(p[0], q[0])
    height = min(p[1] + p[3], q[1] + q[3]) - max(p[1], q[1])
    shared = max(width, 0) * max(height, 0)
    return shared / (p[2] * p[3] + q[2] * q[3] - shared)


def naive_pairs(rows_a, rows_b, threshold):
    """All pairs of an image sorted by overlap, and one after the other taken; of one class first, then the rest."""
    used_a, used_b, out = set(), set(), []
    for same in (True, False):
        candidates = sorted(
            (-overlap(p[2], q[2]), i, j)
            for i, p in enumerate(rows_a)
            for j, q in enumerate(rows_b)
            if p[0] == q[0] and (p[1] == q[1]) is same and overlap(p[2], q[2]) >= threshold
        )
        for _, i, j in candidates:
            if i not in used_a and j not in used_b:
                used_a.add(i)
                used_b.add(j)
                out.append((i, j))
    return sorted(out)


#: Coordinates on a coarse grid, so that overlaps and ties are many; sums are exact.
BOX = st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(1, 6), st.integers(1, 6)).map(list)
ROWS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), BOX), max_size=14).map(
    lambda rows: sorted(rows, key=lambda row: row[0])
)


@settings(derandomize=True, max_examples=80, deadline=None)
@given(ROWS, ROWS, st.sampled_from([0.1, 0.3, 0.5, 0.75]))
def test_pairs_are_those_of_the_obvious_way(rows_a, rows_b, threshold):
    found = compare_datasets(dataset(rows_a), dataset(rows_b), iou_threshold=threshold)
    pairs = list(zip(found.pairs.a.tolist(), found.pairs.b.tolist(), strict=True))
    assert pairs == naive_pairs(rows_a, rows_b, threshold)
    boxes = found.boxes
    assert boxes["a"] == boxes["matched"] + boxes["removed"]
    assert boxes["b"] == boxes["matched"] + boxes["added"]
    same = [(i, j) for i, j in pairs if rows_a[i][1] == rows_b[j][1]]
    assert boxes["unchanged"] == sum(rows_a[i][2] == rows_b[j][2] for i, j in same)
    assert boxes["reclassified"] == len(pairs) - len(same) == sum(row["boxes"] for row in found.reclassified)
    if rows_a or rows_b:
        assert found.agreement["f1"] == 2 * len(same) / (len(rows_a) + len(rows_b))
    told = [name for text in listing(found)["change"] for name in text.split("+")]
    for key in ("removed", "added", "moved", "reclassified"):
        assert boxes[key] == told.count(key) == sum(row[key] for row in found.image_changes["changed"])


def test_a_chain_is_taken_best_first():
    """b1 overlaps both boxes of A, a0 less: the better pair goes first and a0 takes what is left."""
    a = dataset([(0, 0, [0, 0, 10, 10]), (0, 0, [4, 0, 10, 10])])
    b = dataset([(0, 0, [3, 0, 10, 10]), (0, 0, [-5, 0, 10, 10])])
    found = compare_datasets(a, b, iou_threshold=0.3)
    assert list(zip(found.pairs.a.tolist(), found.pairs.b.tolist(), strict=True)) == [(0, 1), (1, 0)]


def test_a_class_of_its_own_is_preferred_to_a_better_overlap():
    a = dataset([(0, 0, [0, 0, 10, 10])])
    b = dataset([(0, 1, [0, 0, 10, 10]), (0, 0, [0, 2, 10, 10])])
    found = compare_datasets(a, b).boxes
    assert (found["moved"], found["added"], found["reclassified"]) == (1, 1, 0)


# --- classes


def test_a_class_that_only_has_another_name_is_one():
    rows = [(0, 0, [0, 0, 10, 10]), (0, 1, [20, 0, 10, 10]), (1, 1, [20, 0, 10, 10])]
    found = compare_datasets(dataset(rows), dataset(rows, classes=("cat", "hound")))
    assert found.class_changes["renamed"] == [{"from": "dog", "to": "hound", "boxes": 2}]
    assert (found.classes["added"], found.classes["removed"]) == (0, 0)
    assert (found.boxes["unchanged"], found.boxes["reclassified"]) == (3, 0)
    assert found.agreement["kappa"] == 1
    assert [row["name"] for row in found.per_class] == ["cat", "dog"]


def test_case_of_a_name_is_a_change_of_name():
    found = compare_datasets(dataset(A), dataset(A, classes=("Cat", "dog")))
    assert found.class_changes["renamed"] == [{"from": "cat", "to": "Cat", "boxes": 3}]


def test_two_names_that_swap_are_no_new_names():
    found = compare_datasets(dataset(A), dataset([(i, 1 - k, box) for i, k, box in A]))
    assert found.class_changes["renamed"] == []
    assert found.boxes["reclassified"] == 5


@pytest.mark.parametrize(
    ("classes", "new"),
    [
        # one of the boxes stays a dog: the class is there still
        (("cat", "dog", "hound"), [0, 1, 2]),
        # split in two
        (("cat", "hound", "poodle"), [0, 1, 2]),
    ],
)
def test_a_class_that_is_split_is_not_renamed(classes, new):
    rows = [(0, 0, [0, 0, 10, 10]), (0, 1, [20, 0, 10, 10]), (1, 1, [20, 0, 10, 10])]
    changed = [(i, k, box) for (i, _, box), k in zip(rows, new, strict=True)]
    found = compare_datasets(dataset(rows), dataset(changed, classes=classes))
    assert found.class_changes["renamed"] == []
    assert found.boxes["reclassified"] >= 1


def test_two_classes_that_become_one_are_not_renamed():
    rows = [(0, 0, [0, 0, 10, 10]), (0, 1, [20, 0, 10, 10])]
    found = compare_datasets(dataset(rows), dataset([(i, 0, box) for i, _, box in rows], classes=("animal",)))
    assert found.class_changes == {"added": ["animal"], "removed": ["cat", "dog"], "renamed": [], "renumbered": []}
    assert [row["boxes"] for row in found.reclassified] == [1, 1]


def test_one_pair_out_of_many_boxes_is_no_new_name():
    rows = [(0, 0, [20 * i, 0, 10, 10]) for i in range(4)]
    found = compare_datasets(dataset(rows), dataset([(0, 0, [0, 0, 10, 10])], classes=("bus",)))
    assert found.class_changes["renamed"] == []
    assert (found.class_changes["removed"], found.class_changes["added"]) == (["cat", "dog"], ["bus"])


def test_numbers_of_classes_that_moved_are_told():
    found = compare_datasets(dataset(A), dataset([(i, 1 - k, box) for i, k, box in A], classes=("dog", "cat")))
    assert found.boxes["unchanged"] == 5
    assert found.class_changes["renumbered"] == [{"name": "cat", "a": 1, "b": 2}, {"name": "dog", "a": 2, "b": 1}]


def test_numbers_without_names_are_the_other_versions_positions():
    numbers = Categories.from_names(("0", "1"), has_names=False)
    found = compare_datasets(dataset(A), dataset(A, categories=numbers))
    assert found.boxes["unchanged"] == 5
    assert [f.code for f in found.findings] == ["DK303"]
    back = compare_datasets(dataset(A, categories=numbers), dataset(A))
    assert (back.boxes["unchanged"], back.classes["removed"]) == (5, 0)


def test_one_class_only_has_no_kappa_but_an_f1():
    rows = [(0, 0, [0, 0, 10, 10])]
    figures = compare_datasets(dataset(rows), dataset(rows)).agreement
    assert (figures["kappa"], figures["kappa_matched"], figures["alpha"], figures["f1"]) == (None, None, None, 1)


# --- images


def test_images_meet_by_name_and_not_by_number():
    a = dataset(A, files=("x/a.jpg", "b.jpg"))
    b = dataset([(1 - i, k, box) for i, k, box in A] + [(2, 0, [0, 0, 5, 5])], files=("b.png", "a.jpg", "c.jpg"))
    found = compare_datasets(a, b)
    assert found.boxes["unchanged"] == 5
    assert (found.boxes["added"], found.boxes["added_with_images"]) == (1, 1)
    assert found.image_changes["added"] == ["c.jpg"]
    # the id of b.jpg is now another's
    replaced = compare_datasets(dataset(A), dataset(A, files=("a.jpg", "new.jpg")))
    assert (replaced.image_changes["removed"], replaced.image_changes["added"]) == (["b.jpg"], ["new.jpg"])
    assert (replaced.boxes["removed_with_images"], replaced.boxes["added_with_images"]) == (2, 2)
    assert replaced.agreement["f1"] == 1


def test_two_images_of_b_are_never_one_of_a():
    rows = [(0, 0, [0, 0, 10, 10])]
    found = compare_datasets(
        dataset(rows, files=("t/a.jpg",)), dataset([*rows, (1, 0, [0, 0, 9, 9])], files=("v/a.jpg", "t/a.jpg"))
    )
    assert found.image_changes["added"] == ["v/a.jpg"]
    assert (found.boxes["moved"], found.boxes["added"]) == (1, 1)


def test_images_without_names_meet_by_id():
    found = compare_datasets(dataset(A, files=("", "")), dataset(A, files=("", "")))
    assert found.boxes["unchanged"] == 5
    with pytest.raises(CannotJudgeError, match="without file name and without id"):
        compare_datasets(dataset(A, files=("", ""), own_ids=False), dataset(A, files=("", "")))


def test_size_and_split_are_told_where_both_state_them():
    a = dataset(A, sizes=[[100, 50], [100, 100]], splits={"train": np.array([0, 1])})
    b = dataset(A, sizes=[[50, 100], [math.nan, math.nan]], splits={"train": np.array([0]), "val": np.array([1])})
    found = compare_datasets(a, b)
    assert (found.images["resized"], found.images["resplit"], found.images["changed"]) == (1, 1, 2)
    first, second = found.image_changes["changed"]
    assert first["size"] == {"a": [100.0, 50.0], "b": [50.0, 100.0]}
    assert second["splits"] == {"a": ["train"], "b": ["val"]}
    assert compare_datasets(a, dataset(A)).images["resplit"] == 0


def test_most_changed_images_come_first():
    rows = [(1, 0, [20 * i, 0, 10, 10]) for i in range(3)]
    found = compare_datasets(dataset([*A[:1], *rows]), dataset([]))
    assert [(row["image"], row["boxes"]) for row in found.image_changes["changed"]] == [("b.jpg", 3), ("a.jpg", 1)]


def test_what_cannot_be_compared():
    with pytest.raises(CannotJudgeError, match="no image of one is in the other"):
        compare_datasets(dataset(A), dataset(A, files=("x.jpg", "y.jpg")))
    with pytest.raises(CannotJudgeError, match=r"`a\.jpg`, `b\.jpg` against none"):
        compare_datasets(dataset(A), dataset([], files=()))
    with pytest.raises(InputError, match="coordinates"):
        compare_datasets(dataset(A), dataset(A, units="normalised"))
    for settings_, message in (({"iou_threshold": 0}, "iou threshold is 0"), ({"tolerance": -1}, "tolerance is -1")):
        with pytest.raises(UsageError, match=message):
            compare_datasets(dataset(A), dataset(A), **settings_)


def test_nothing_against_boxes():
    found = compare_datasets(dataset([]), dataset(A))
    assert (found.boxes["added"], found.agreement["f1"], found.agreement["iou"]) == (5, 0, None)
    empty = compare_datasets(dataset([]), dataset([]))
    assert set(empty.agreement.values()) == {None}
    assert empty.per_class == ()


# --- flags, outlines, keypoints


def test_flags_and_attributes():
    rows = A[:3]
    a = dataset(rows, is_crowd=[0, 0, 0], is_ignored=[0, 1, 0],
                attributes={"pose": np.array(["left", None, "up"], object), "score": np.array([1, math.nan, 3]),
                            "own": np.array([1, 2, 3])})  # fmt: skip
    b = dataset(rows, is_crowd=[1, 0, 0], is_ignored=[0, 1, 0],
                attributes={"pose": np.array(["left", None, "down"], object),
                            "score": np.array([1, math.nan, 4.0])})  # fmt: skip
    found = compare_datasets(a, b)
    assert found.flags == {"is_crowd": 1, "pose": 1, "score": 1}
    assert (found.boxes["flags"], found.boxes["changed"], found.boxes["moved"]) == (2, 2, 0)
    assert any("`own`" in f.message for f in found.findings)


def shapes(*values):
    return Shapes.from_rows(list(values))


RING = [0.0, 0.0, 10.0, 0.0, 10.0, 10.0]


def test_outlines():
    rows = [(0, 0, [20 * i, 0, 10, 10]) for i in range(7)]
    rle = {"size": [2, 2], "counts": [1, 2, 1]}
    before = shapes([RING], [RING], [RING], None, rle, rle, rle)
    moved = [*RING[:-1], 11.0]
    packed = {"size": [2, 2], "counts": b"121"}
    other = {"size": [2, 2], "counts": [0, 2, 2]}
    after = shapes([RING], [moved], [RING, RING], [RING], rle, packed, other)
    found = compare_datasets(dataset(rows, shapes=before), dataset(rows, shapes=after))
    assert np.flatnonzero(found.changes.marks["outlines"]).tolist() == [1, 2, 3, 6]
    assert (
        compare_datasets(dataset(rows, shapes=before), dataset(rows, shapes=after), tolerance=2).boxes["outlines"] == 3
    )
    one_sided = compare_datasets(dataset(rows, shapes=before), dataset(rows))
    assert one_sided.boxes["outlines"] == 0
    assert "only one version has outlines" in one_sided.findings[0].message


def test_keypoints():
    rows = A[:3]
    before = Ragged.from_rows([[[1, 1, 2]], [[1, 1, 2]], []], (3,))
    after = Ragged.from_rows([[[1, 1, 2]], [[1, 1, 1]], [[1, 1, 2]]], (3,))
    found = compare_datasets(dataset(rows, keypoints=before), dataset(rows, keypoints=after))
    assert np.flatnonzero(found.changes.marks["keypoints"]).tolist() == [1, 2]


def test_rounding_is_no_move():
    near = [(i, k, [box[0] + 0.009, *box[1:]]) for i, k, box in A]
    assert compare_datasets(dataset(A), dataset(near)).boxes["moved"] == 0
    assert compare_datasets(dataset(A), dataset(near), tolerance=0).boxes["moved"] == 5
    far = [(i, k, [box[0] + 0.011, *box[1:]]) for i, k, box in A]
    assert compare_datasets(dataset(A), dataset(far)).boxes["moved"] == 5


def test_oriented_boxes_overlap_as_polygons():
    """Two thin bars in one bounding box: one along each diagonal. By bounds they would be one."""
    up = [0, 1, 9, 10, 10, 9, 1, 0]
    down = [0, 9, 1, 10, 10, 1, 9, 0]
    turned = [*up[4:], *up[:4]]
    box = [(0, 0, [0, 0, 10, 10])]

    def bar(corners):
        return dataset(box, shapes=shapes([corners]), is_oriented=[True])

    apart = compare_datasets(bar(up), bar(down)).boxes
    assert (apart["matched"], apart["removed"], apart["added"]) == (0, 1, 1)
    same = compare_datasets(bar(up), bar(turned))
    assert (same.boxes["unchanged"], same.agreement["AP"]) == (1, pytest.approx(1))
    upright = compare_datasets(bar(up), dataset(box))
    assert upright.boxes["matched"] == 1
    assert any("oriented" in f.message for f in upright.findings)


# --- rules


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ("removed<=1", 0),
        ("removed<1", 1),
        ("boxes.removed<=0", 1),
        ("boxes.reclassified<=2", 0),
        ("images.changed<=2", 0),
        ("images.added<=0", 0),
        ("classes.renamed<=0", 0),
        ("agreement.f1>=0.4", 0),
        ("agreement.kappa>=0.9", 1),
        ("class.cat.added<=0", 1),
        ('class["dog"].removed<=1', 0),
        ("class.dog.iou>=0.5", 3),
        ("flags.is_crowd<=0", 0),
    ],
)
def test_rules(rule, code):
    report = judge_dataset_differences(compare_datasets(dataset(A), dataset(B)), [rule])
    assert report.exit_code == code
    assert report.rows[0].rule == rule


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("AP>=0.5", "unknown metric `AP`"),
        ("boxes.lost<=0", "unknown metric"),
        ("class.bird.removed<=0", "unknown class `bird`"),
        ("class.cat.lost<=0", "unknown metric"),
        ("removed", "no operator"),
    ],
)
def test_wrong_rules(rule, message):
    with pytest.raises(UsageError, match=message):
        judge_dataset_differences(compare_datasets(dataset(A), dataset(B)), [rule])


def test_undefined_says_why():
    rows = [(0, 0, [0, 0, 10, 10])]
    (row,) = judge_dataset_differences(compare_datasets(dataset(rows), dataset(rows)), ["agreement.kappa>=0.5"]).rows
    assert row.verdict == "undefined"
    assert "chance alone" in row.message
