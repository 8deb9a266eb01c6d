from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detkit.evaluation import protocols
from detkit.evaluation.align import align
from detkit.evaluation.cells import class_names, lay_out, order_of_ids
from detkit.tables import id_array
from strategies import detections_of, scores, truth_of

BOX = [0, 0, 10, 10]


def layout_of(truth_rows, dt_rows, caps=(1, 10, 100), class_wise=True, **rest):
    aligned = align(truth_of(truth_rows, **rest), detections_of(dt_rows))
    protocol = protocols.get("coco", max_detections=caps, class_wise=class_wise)
    return aligned, lay_out(aligned.truth, aligned.detections, protocol)


def test_classes_and_images_are_in_id_order_and_cells_hold_one_of_each():
    _, layout = layout_of(
        [(0, 0, BOX), (1, 1, BOX)],
        [(2, 7, BOX, 0.1), (5, 3, BOX, 0.2), (5, 3, BOX, 0.9)],
        image_ids=[5, 2],
        class_ids=[7, 3],
    )
    assert layout.classes.tolist() == [1, 0]
    assert layout.images.tolist() == [1, 0]
    assert [divmod(cell, len(layout.images)) for cell in layout.cells.tolist()] == [
        (0, 0),
        (0, 1),
        (1, 0),
        (1, 1),
    ]
    assert np.diff(layout.dt_starts).tolist() == [0, 2, 1, 0]
    assert np.diff(layout.gt_starts).tolist() == [1, 0, 0, 1]
    assert layout.dt_rank.tolist() == [0, 1, 0]
    assert [layout.detections_of(k) for k in (0, 1)] == [slice(0, 2), slice(2, 3)]
    assert [layout.truths_of(k) for k in (0, 1)] == [slice(0, 1), slice(1, 2)]


def test_the_largest_cap_cuts_and_counts():
    _, layout = layout_of([(0, 0, BOX)], [(1, 1, BOX, s) for s in (0.1, 0.3, 0.2)], caps=(1, 2))
    assert (layout.dt_row.tolist(), layout.cut) == ([1, 2], 1)


def test_without_classes_ties_go_by_class_then_file_order():
    rows = [(1, 9, BOX, 0.5), (1, 2, BOX, 0.5), (1, 9, BOX, 0.5), (1, 2, BOX, 0.5)]
    aligned, layout = layout_of([(0, 0, BOX), (0, 1, BOX)], rows, class_wise=False, class_ids=[9, 2])
    assert aligned.detections.source_row[layout.dt_row].tolist() == [1, 3, 0, 2]
    assert layout.gt_row.tolist() == [1, 0]
    assert layout.classes.tolist() == [-1]
    assert class_names(aligned.truth.categories, layout) == [(None, "all classes")]


def test_class_names_follow_the_class_order():
    aligned, layout = layout_of([(0, 0, BOX), (0, 1, BOX)], [(1, 9, BOX, 0.5)], class_ids=[9, 2])
    assert class_names(aligned.truth.categories, layout) == [(2, "class 2"), (9, "class 9")]


def test_ids_of_mixed_kind_have_numbers_first():
    assert order_of_ids(id_array(["b", 10, "a", 2])).tolist() == [3, 1, 2, 0]
    assert order_of_ids(id_array([3, 1, 2])).tolist() == [1, 2, 0]


@settings(derandomize=True, deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(1, 2), scores), min_size=1, max_size=30),
    st.integers(1, 4),
    st.booleans(),
)
def test_every_detection_is_in_its_cell_once_in_order_or_cut(rows, cap, class_wise):
    table = [(image, k, [n, 0, 1, 1], score) for n, (image, k, score) in enumerate(rows)]
    truth_rows = [(i, k, BOX) for i in range(3) for k in range(2)]
    aligned, layout = layout_of(truth_rows, table, caps=(cap,), class_wise=class_wise)
    source = aligned.detections.source_row[layout.dt_row].tolist()
    expected = []
    for k in (1, 2) if class_wise else (None,):
        for image in (1, 2, 3):
            cell = [n for n, row in enumerate(rows) if row[0] == image and k in (None, row[1])]
            if k is None:
                cell.sort(key=lambda n: rows[n][1])
            expected += sorted(cell, key=lambda n: -rows[n][2])[:cap]
    assert source == expected
    assert layout.cut == len(rows) - len(expected)
