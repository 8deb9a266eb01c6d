from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detkit.errors import CannotJudgeError, InputError, UsageError
from detkit.evaluation.align import align
from detkit.evaluation.images import file_stem
from strategies import detections_of, truth_of

BOX = [0, 0, 10, 10]


def codes(aligned):
    return [f.code for f in aligned.findings]


def met(aligned):
    """(truth image id, truth class id) of each scored row in its source's order."""
    d, truth = aligned.detections, aligned.truth
    order = np.argsort(d.source_row)
    return [(truth.images.ids[d.image_index[n]], truth.categories.ids[d.category_index[n]]) for n in order]


def two_images(**rest):
    return truth_of([(0, 0, BOX), (1, 1, BOX)], **rest)


# --- images ----------------------------------------------------------------------------------------------------------


def test_images_meet_by_id_without_a_finding():
    aligned = align(two_images(image_ids=[7, 3]), detections_of([(3, 1, BOX, 0.5), (7, 2, BOX, 0.4)]))
    assert met(aligned) == [(3, 1), (7, 2)]
    assert aligned.detections.source_row.tolist() == [1, 0]  # image 7 is the truth's first
    assert codes(aligned) == []
    assert aligned.predicted.tolist() == [True, True]


def test_rows_of_one_image_keep_their_order():
    rows = [(1, 1, BOX, 0.1), (2, 1, BOX, 0.2), (1, 1, BOX, 0.3), (2, 1, BOX, 0.4), (1, 1, BOX, 0.5)]
    assert align(two_images(image_ids=[2, 1]), detections_of(rows)).detections.source_row.tolist() == [1, 3, 0, 2, 4]


@pytest.mark.parametrize(("ours", "theirs"), [([1, 2], ["1", "2"]), (["1", "2"], [1, 2]), (["1", "b"], ["1", "b"])])
def test_text_ids_meet_numbers(ours, theirs):
    aligned = align(two_images(image_ids=ours), detections_of([(i, 1, BOX, 0.5) for i in theirs]))
    assert [i for i, _ in met(aligned)] == ours
    assert codes(aligned) == (["DK106"] if {type(i) for i in ours} != {type(i) for i in theirs} else [])


def test_a_text_id_with_leading_zeros_is_no_number():
    truth = two_images(image_ids=[1, 2], file_names=["a.jpg", "b.jpg"])
    aligned = align(truth, detections_of([("01", 1, BOX, 0.5), ("2", 1, BOX, 0.5)]))
    assert [i for i, _ in met(aligned)] == [2]
    assert aligned.outside == 1


def test_images_meet_by_file_name_where_predictions_have_names():
    truth = two_images(file_names=["train/a.v1.jpg", "b.JPG"])
    for names in (["a.v1.txt", "b.txt"], ["train/a.v1.png", "labels/b.txt"], ["train\\a.v1.jpg", "b"]):
        aligned = align(truth, detections_of([(n, 1, BOX, 0.5) for n in names], named_images=True))
        assert [i for i, _ in met(aligned)] == [1, 2]
        assert aligned.outside == 0


def test_the_path_decides_between_equal_stems():
    truth = two_images(file_names=["a/1.jpg", "b/1.jpg"])
    aligned = align(truth, detections_of([("b/1.txt", 1, BOX, 0.5), ("1.txt", 1, BOX, 0.4)], named_images=True))
    assert [i for i, _ in met(aligned)] == [2]
    assert aligned.outside == 1


def test_ids_that_are_numbers_of_file_names_meet_by_name_with_a_finding():
    truth = two_images(image_ids=[1, 2], file_names=["000000000139.jpg", "000000581929.jpg"])
    aligned = align(truth, detections_of([(581929, 1, BOX, 0.5), (139, 1, BOX, 0.5)]))
    assert [i for i, _ in met(aligned)] == [2, 1]
    assert codes(aligned) == ["DK704"]


def test_ids_that_meet_are_not_given_up_for_file_names_that_explain_as_much():
    truth = two_images(image_ids=[1, 2], file_names=["2.jpg", "1.jpg"])
    aligned = align(truth, detections_of([(1, 1, BOX, 0.5), (2, 1, BOX, 0.4)]))
    assert [i for i, _ in met(aligned)] == [1, 2]
    assert codes(aligned) == []


def test_ids_that_meet_are_not_given_up_for_file_names_that_leave_something_over():
    """The numbers in file names are ids of images outside this truth: more of them fit, and they mean nothing."""
    truth = truth_of(
        [(0, 0, BOX), (1, 0, BOX), (2, 0, BOX)], image_ids=[1, 2, 3], file_names=["4.jpg", "5.jpg", "6.jpg"]
    )
    aligned = align(truth, detections_of([(i, 1, BOX, 0.5) for i in (1, 4, 5, 7)]))
    assert [i for i, _ in met(aligned)] == [1]
    assert aligned.outside == 3
    assert codes(aligned) == ["DK701"]


def test_names_win_over_ids_where_they_contradict_each_other():
    truth = two_images(image_ids=[1, 2], file_names=["a.jpg", "b.jpg"])
    detections = detections_of([(1, 1, BOX, 0.5), (2, 1, BOX, 0.4)])
    detections = replace(detections, images=replace(detections.images, file_names=("b.jpg", "a.jpg")))
    aligned = align(truth, detections)
    assert [i for i, _ in met(aligned)] == [2, 1]
    assert codes(aligned) == ["DK704"]


def test_a_truth_without_ids_of_its_own_is_met_by_name_only():
    truth = two_images(file_names=["2.jpg", "1.jpg"], own_image_ids=False)
    aligned = align(truth, detections_of([(1, 1, BOX, 0.5), (2, 1, BOX, 0.4)]))
    assert [truth.images.file_names[i] for i in aligned.detections.image_index] == ["2.jpg", "1.jpg"]
    assert met(aligned) == [(2, 1), (1, 1)]
    truth = two_images(file_names=["a.jpg", "b.jpg"], own_image_ids=False)
    with pytest.raises(CannotJudgeError, match="no prediction meets the truth"):
        align(truth, detections_of([(1, 1, BOX, 0.5), (2, 1, BOX, 0.4)]))


def test_unknown_images_are_counted_and_named():
    aligned = align(two_images(), detections_of([(1, 1, BOX, 0.5), (9, 1, BOX, 0.5), (9, 2, BOX, 0.5)]))
    assert (aligned.outside, len(aligned.detections)) == (2, 1)
    (finding,) = aligned.findings
    assert (finding.code, finding.count) == ("DK701", 2)
    assert "`9`" in finding.message
    assert aligned.predicted.tolist() == [True, False]


def test_images_of_other_splits_are_told_apart_from_unknown_ones():
    whole = truth_of([(n, 0, BOX) for n in range(3)])
    aligned = align(
        whole.take_images([0]),
        detections_of([(1, 1, BOX, 0.5), (2, 1, BOX, 0.5), (77, 1, BOX, 0.5)]),
        known_elsewhere=whole.images,
    )
    assert [(f.code, f.count) for f in aligned.findings] == [("DK108", 1), ("DK701", 1)]


@pytest.mark.parametrize("step", [1, -1])
def test_image_ids_off_by_one_are_called_shifted(step):
    truth = truth_of([(n, 0, BOX) for n in range(4)], image_ids=[1, 2, 3, 4])
    aligned = align(truth, detections_of([(i - step, 1, BOX, 0.5) for i in (1, 2, 3, 4)]))
    assert codes(aligned) == ["DK703", "DK701"]
    assert f"{step:+d}" in aligned.findings[0].message


def test_no_image_that_meets_is_no_verdict_and_names_both_sides():
    with pytest.raises(CannotJudgeError, match=r"(?s)`77`.*`img_1.jpg`.*hint") as caught:
        align(two_images(), detections_of([(77, 1, BOX, 0.5)]))
    assert "split" in str(caught.value.hint)


@pytest.mark.parametrize("images", [[], [1, 2]])
def test_no_predictions_are_no_verdict(images):
    with pytest.raises(CannotJudgeError, match="empty"):
        align(two_images(), detections_of([], image_ids=images, class_ids=[1]))


def test_an_image_with_an_empty_file_is_covered():
    aligned = align(
        two_images(file_names=["a.jpg", "b.jpg"]),
        detections_of([("a.txt", 1, BOX, 0.5)], named_images=True, image_ids=["a.txt", "b.txt"]),
    )
    assert aligned.predicted.tolist() == [True, True]


def test_units_must_agree():
    with pytest.raises(InputError, match="normalised"):
        align(two_images(), detections_of([(1, 1, BOX, 0.5)], units="normalised"))


@pytest.mark.parametrize(
    ("name", "stem"),
    [("a/b.jpg", "b"), ("a\\b.JPEG", "b"), ("x.v1", "x.v1"), ("x.v1.txt", "x.v1"), (".jpg", ".jpg"), ("b", "b")],
)
def test_file_stem(name, stem):
    assert file_stem(name) == stem


# --- classes ---------------------------------------------------------------------------------------------------------


def test_classes_meet_by_name_where_both_have_names():
    truth = two_images(class_names=["cat", "dog"])
    aligned = align(truth, detections_of([(1, 1, BOX, 0.5), (2, 2, BOX, 0.4)], class_names=["dog", "cat"]))
    assert met(aligned) == [(1, 2), (2, 1)]
    assert aligned.classes_by == "name"


def test_class_names_that_differ_only_in_case_meet_with_a_finding():
    aligned = align(two_images(class_names=["Cat", "dog"]), detections_of([(1, 1, BOX, 0.5)], class_names=[" cAT "]))
    assert met(aligned) == [(1, 1)]
    assert codes(aligned) == ["DK304"]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (["Cat", "cat", "x"], ["CAT"]),  # two could be meant
        (["Cat", "x"], ["CAT", "cat"]),  # two mean one
        (["cat", "x"], ["cat", "Cat"]),  # the exact one is taken
    ],
)
def test_case_twins_are_never_merged(ours, theirs):
    truth = truth_of([(0, k, BOX) for k in range(len(ours))], class_names=ours)
    rows = [(1, k, BOX, 0.5) for k in range(1, len(theirs) + 1)] + [(1, 9, BOX, 0.5)]
    aligned = align(truth, detections_of(rows, class_names=[*theirs, "x"]))
    exact = [name for name in theirs if name in ours]
    assert len(aligned.detections) == len(exact) + 1
    assert codes(aligned) == ["DK702"]


def test_classes_meet_by_id_without_names():
    aligned = align(two_images(class_ids=[18, 3]), detections_of([(1, 3, BOX, 0.5), (2, 18, BOX, 0.5)]))
    assert met(aligned) == [(1, 3), (2, 18)]
    assert aligned.classes_by == "id"


def test_class_ids_as_text_meet_numbers_and_names():
    truth = two_images(class_ids=[18, 3], class_names=["cat", "dog"])
    assert [k for _, k in met(align(truth, detections_of([(1, "18", BOX, 0.5), (2, "dog", BOX, 0.5)])))] == [18, 3]


def test_numbers_without_ids_are_positions():
    aligned = align(
        two_images(class_ids=[18, 3]),
        detections_of([(1, 0, BOX, 0.5), (2, 1, BOX, 0.5)], own_class_ids=False, class_ids=[0, 1]),
    )
    assert met(aligned) == [(1, 18), (2, 3)]
    assert codes(aligned) == ["DK303"]


def test_a_position_beyond_the_truths_classes_is_refused():
    detections = detections_of([(1, 5, BOX, 0.5)], own_class_ids=False, class_ids=[0, 1, 5])
    with pytest.raises(InputError, match=r"class number 5 in image `1` is out of range: the truth has 2 classes"):
        align(two_images(), detections)


UNKNOWN = [(1, 1, BOX, 0.5), (1, 9, BOX, 0.5), (2, 9, BOX, 0.5)]


def test_unmapped_classes_are_left_out_and_counted():
    aligned = align(two_images(), detections_of(UNKNOWN))
    assert (len(aligned.detections), aligned.unmapped, len(aligned.truth.categories)) == (1, 2, 2)
    assert [(f.code, f.count) for f in aligned.findings] == [("DK702", 2)]


def test_unmapped_classes_can_be_counted_as_classes_without_truth():
    aligned = align(two_images(), detections_of(UNKNOWN), unmapped="count")
    assert met(aligned) == [(1, 1), (1, 9), (2, 9)]
    assert aligned.truth.categories.names == ("class 1", "class 2", "9")
    assert (aligned.unmapped, codes(aligned)) == (0, ["DK702"])


def test_counted_classes_get_a_free_id():
    truth = two_images(class_ids=[1, 9], class_names=["a", "b"])
    detections = detections_of(UNKNOWN, class_names=["a", "new"])
    aligned = align(truth, detections, unmapped="count")
    ids = aligned.truth.categories.ids.tolist()
    assert len(set(ids)) == 3
    assert met(aligned) == [(1, 1), (1, ids[2]), (2, ids[2])]


def test_counted_classes_get_ids_of_their_own_in_any_order():
    truth = two_images(class_ids=[1, 2], class_names=["a", "b"])
    rows = [(1, 3, BOX, 0.9), (1, 1, BOX, 0.8)]
    detections = detections_of(rows, class_ids=[3, 1], class_names=["new", "other"])
    ids = align(truth, detections, unmapped="count").truth.categories.ids.tolist()
    assert ids == [1, 2, 3, 4]


def test_an_id_of_thousands_of_digits_is_text():
    long = "9" * 5000
    truth = two_images(image_ids=[long, "b"], class_ids=["1", long])
    aligned = align(truth, detections_of([(long, long, BOX, 0.9)]))
    assert met(aligned) == [(long, long)]


def twins(**changes):
    return truth_of([(0, k, BOX) for k in range(3)], class_names=["cat", "dog", "cat"], **changes)


@pytest.mark.parametrize("theirs", [[1, 2, 3], [3, 2, 1]])
def test_classes_of_one_name_meet_by_id(theirs):
    found = detections_of([(1, 3, BOX, 0.9), (1, 1, BOX, 0.8)], class_ids=theirs, class_names=["cat", "dog", "cat"])
    aligned = align(twins(), found)
    assert (met(aligned), codes(aligned)) == ([(1, 3), (1, 1)], [])


def test_classes_of_one_name_without_ids_in_common_meet_in_their_order():
    rows = [(1, 8, BOX, 0.9), (1, 5, BOX, 0.8)]
    found = detections_of(rows, class_ids=[5, 8], class_names=["cat", "cat"])
    aligned = align(twins(), found)
    assert (met(aligned), codes(aligned)) == ([(1, 3), (1, 1)], [])


def test_a_name_that_only_the_truth_has_several_times_is_said_to_be_the_last():
    aligned = align(twins(), detections_of([(1, 7, BOX, 0.9)], class_names=["cat"]))
    assert (met(aligned), codes(aligned)) == ([(1, 3)], ["DK103"])


def test_unmapped_classes_can_be_an_error():
    with pytest.raises(InputError, match=r"1 predicted class \(2 boxes\)"):
        align(two_images(), detections_of(UNKNOWN), unmapped="error")


def test_no_class_that_meets_is_no_verdict():
    with pytest.raises(CannotJudgeError, match="no predicted class"):
        align(two_images(), detections_of([(1, 77, BOX, 0.5)]))


@pytest.mark.parametrize("step", [1, -1])
def test_class_ids_off_by_one_are_called_shifted(step):
    truth = truth_of([(0, k, BOX) for k in range(3)], class_ids=[10, 11, 12])
    aligned = align(truth, detections_of([(1, k - step, BOX, 0.5) for k in (10, 11, 12)]))
    assert codes(aligned) == ["DK703"]
    assert f"every id {step:+d}" in aligned.findings[0].message


def test_dense_class_numbers_against_ids_with_holes_are_called_positions():
    truth = truth_of([(0, k, BOX) for k in range(4)], class_ids=[1, 2, 90, 91])
    aligned = align(truth, detections_of([(1, k, BOX, 0.5) for k in (0, 1, 2, 3)]))
    assert codes(aligned) == ["DK703"]
    assert "positions" in aligned.findings[0].message
    with pytest.raises(CannotJudgeError, match="positions"):
        align(truth, detections_of([(1, k, BOX, 0.5) for k in (0, 3)]))


def test_class_map_by_name_id_and_to_nothing():
    truth = two_images(class_names=["cat", "dog"])
    detections = detections_of(
        [(1, 1, BOX, 0.5), (1, 2, BOX, 0.5), (1, 3, BOX, 0.5)], class_names=["kitten", "dog", "wall"]
    )
    aligned = align(truth, detections, class_map={"kitten": "cat", "3": None})
    assert met(aligned) == [(1, 1), (1, 2)]
    assert codes(aligned) == []
    aligned = align(truth, detections, class_map={"kitten": "cat"})
    assert codes(aligned) == ["DK702"]


def test_a_class_map_to_an_unknown_class_is_refused():
    with pytest.raises(UsageError, match="`bird`"):
        align(two_images(class_names=["cat", "dog"]), detections_of([(1, 1, BOX, 0.5)]), class_map={"1": "bird"})
