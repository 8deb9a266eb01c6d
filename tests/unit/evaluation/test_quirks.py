from __future__ import annotations

import numpy as np
import pytest

from detkit.evaluation import evaluate, protocols
from detkit.evaluation.align import align
from detkit.evaluation.quirks import as_reference_reads, reference_findings
from detkit.tables import Ragged, id_array
from strategies import detections_of, truth_of

BOX = [0, 0, 10, 10]


def truth_with(ids, images=None, **rest):
    rows = [(n % 2 if images is None else images[n], 0, [20 * n, 0, 10, 10]) for n in range(len(ids))]
    return truth_of(rows, image_ids=[1, 2], ids=id_array(ids), **rest)


def codes(truth, protocol="coco", iou_type="bbox", **changes):
    return [(f.code, f.count) for f in reference_findings(truth, protocols.get(protocol, iou_type, **changes))]


def test_nothing_to_say_of_ordinary_ids():
    assert codes(truth_with([1, 2, 3])) == []


@pytest.mark.parametrize(
    ("ids", "count"),
    [([0, 1], [1]), ([5, 5, 5, 6], [2]), ([0, 0, 1], [2, 1]), (["a", "b", "a"], [1])],
)
def test_ids_that_the_reference_trips_over(ids, count):
    assert codes(truth_with(ids)) == [("DK706", n) for n in count]
    assert codes(truth_with(ids), strict_parity=True) == [("DK706", n) for n in count]


def test_only_coco_has_this_reference_and_only_formats_with_ids():
    assert codes(truth_with([0, 1]), "voc2012") == []
    assert codes(truth_with([0, 1], own_image_ids=False)) == []


@pytest.mark.parametrize(
    ("caps", "said"), [((1, 10, 100), 0), ((1, 10), 1), ((1, 10, 50), 1), ((1, 10, 50, 100), 1), ((1, 2, 3, 4), 2)]
)
def test_caps_other_than_the_references(caps, said):
    assert len(codes(truth_with([1, 2]), max_detections=caps)) == said


def test_keypoints_without_classes():
    truth = truth_with([1, 2], keypoints=Ragged.from_rows([[[0, 0, 2]] * 17] * 2, (3,)))
    assert codes(truth, iou_type="keypoints") == []
    assert codes(truth, iou_type="keypoints", class_wise=False) == [("DK706", 1)]


def test_distinct_ids_are_left_alone():
    truth = truth_with([3, 1, 2])
    assert as_reference_reads(truth) is truth


def test_a_repeated_id_stands_for_its_last_record_each_time():
    truth = truth_with([7, 8, 7, 9], images=[0, 0, 1, 1])
    rows = as_reference_reads(truth).annotations
    assert rows.ids.tolist() == [8, 7, 7, 9]
    assert rows.image_index.tolist() == [0, 1, 1, 1]
    assert rows.xywh[:, 0].tolist() == [20, 40, 40, 60]


def test_the_last_record_is_the_last_in_the_file_not_in_the_table():
    # File order: image 2's record first, so that the table (by image) has it last.
    truth = truth_with([7, 7], images=[1, 0])
    rows = as_reference_reads(truth).annotations
    assert rows.image_index.tolist() == [0, 0]
    assert rows.xywh[:, 0].tolist() == [20, 20]


def test_strict_parity_reads_them_so():
    truth = truth_with([7, 7], images=[0, 1])
    found = detections_of([(1, 1, [0, 0, 10, 10], 0.9), (2, 1, [20, 0, 10, 10], 0.8)])
    loose, strict = (
        evaluate(align(truth, found), protocols.get("coco", strict_parity=flag)).recall[0, 0, 0, 2]
        for flag in (False, True)
    )
    assert (loose, strict) == (2 / 2, 1 / 2)
    assert np.array_equal(truth.annotations.xywh[:, 0], [0, 20])


def test_records_are_walked_by_image_id_not_in_the_order_of_the_table():
    # Table position 0 is image id 2, which pycocotools walks last.
    rows = [(1, 0, [0, 0, 5, 5]), (0, 0, [20, 0, 5, 5]), (0, 0, [40, 0, 5, 5])]
    truth = truth_of(rows, image_ids=[2, 1], ids=id_array([8, 7, 8]))
    found = as_reference_reads(truth).annotations
    assert found.ids.tolist() == [8, 7, 8]
    assert found.image_index.tolist() == [0, 0, 0]
    assert found.xywh[:, 0].tolist() == [40, 20, 40]
