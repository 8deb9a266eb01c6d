from __future__ import annotations

import pytest

from detkit.errors import UsageError
from detkit.evaluation import evaluate, protocols
from detkit.evaluation.align import align
from detkit.evaluation.select import find_classes, find_images, ignore_classes
from strategies import detections_of, truth_of

BOX = [0, 0, 10, 10]


def three_images(**changes):
    return truth_of([(n, 0, BOX) for n in range(3)], **changes)


@pytest.mark.parametrize(("ids", "of_one"), [([2, 3, 4], 0), ([0, 1, 2], 1)], ids=["above", "below"])
def test_a_number_is_an_id_before_it_is_a_name_without_suffix(ids, of_one):
    """Whichever of the two images stands first in the file."""
    truth = three_images(image_ids=ids, file_names=["1.jpg", "2.jpg", "3.jpg"])
    assert find_images(truth, ["2"]).tolist() == [ids.index(2)]
    assert find_images(truth, ["3.jpg", "1"]).tolist() == [of_one, 2]


def test_a_name_is_a_name_before_it_is_an_id():
    truth = three_images(image_ids=["b.jpg", "c.jpg", "d.jpg"], file_names=["a.jpg", "b.jpg", "c.jpg"])
    assert find_images(truth, ["b.jpg"]).tolist() == [1]
    assert find_images(truth, ["d.jpg"]).tolist() == [2]


def test_a_name_without_suffix_that_two_images_have_names_neither():
    truth = three_images(file_names=["a/7.jpg", "b/7.jpg", "c/8.jpg"], image_ids=["x", "y", "z"])
    assert find_images(truth, ["8", "b/7.jpg"]).tolist() == [1, 2]
    with pytest.raises(UsageError, match=r"`7` names several images: `a/7.jpg`, `b/7.jpg`"):
        find_images(truth, ["7"])


def test_ids_given_while_reading_name_no_image():
    truth = three_images(file_names=["a.jpg", "b.jpg", "c.jpg"], own_image_ids=False)
    with pytest.raises(UsageError, match="1 of the images asked for are not in the truth: `1`"):
        find_images(truth, ["1"])


def test_a_class_name_means_all_classes_of_that_name():
    truth = truth_of([(0, k, BOX) for k in range(3)], class_ids=[1, 2, 3], class_names=["cat", "dog", "cat"])
    assert find_classes(truth.categories, ["cat"]) == [0, 2]
    assert find_classes(truth.categories, ["3", "dog"]) == [1, 2]


def test_a_class_that_is_ignored_is_a_region_in_which_nothing_is_false():
    """A detection in it, of any class, is neither right nor wrong; one outside is false; a truth in it still counts."""
    rows = [(0, 0, [0, 0, 20, 20]), (0, 1, [100, 100, 200, 200]), (1, 0, [110, 110, 20, 20])]
    truth = truth_of(rows, class_ids=[1, 2], class_names=["person", "crowded"])
    found = detections_of(
        [
            (1, 1, [0, 0, 20, 20], 0.9),
            (1, 1, [150, 150, 30, 30], 0.95),
            (2, 1, [150, 150, 30, 30], 0.8),
            (2, 1, [110, 110, 20, 20], 0.7),
        ]
    )
    changed = ignore_classes(align(truth, found), [1])
    result = evaluate(changed, protocols.get("coco"))
    (person,) = result.per_class
    assert (person.name, person.ground_truths, person.detections) == ("person", 2, 4)
    points = result.operating_points
    assert (points.tp[0], points.fp[0]) == (2, 1)
    assert "1 box of `crowded` is a region to ignore" in [f.message for f in result.findings]
