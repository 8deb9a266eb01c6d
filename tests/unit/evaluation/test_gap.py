from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from detkit.api.explaining_gap import gap_of
from detkit.api.scoring import EvaluationSettings
from detkit.errors import CannotJudgeError, UsageError
from detkit.evaluation import evaluate, protocols
from detkit.evaluation.align import align
from detkit.evaluation.gap import METRICS, TARGETS, explain_gap
from detkit.reports._gap import gap_lines
from strategies import detections_of, truth_of

REAL = Path(__file__).resolve().parents[3] / "../shared/data"
STEPS = ["ids", "crowds", "labels", "areas", "scores", "caps", "matching", "interpolation"]
BOX = [0.0, 0.0, 10.0, 10.0]


def _drawn(seed, *, plain=False):
    """Crowded truth with crowds, difficult, empty, repeated and huge boxes and an id 0; or without any of these."""
    rng = np.random.default_rng(seed)
    rows, found = [], []
    for image in range(4):
        for _ in range(8):
            k, box = int(rng.integers(0, 3)), [*rng.uniform(0, 30, 2).round(2), *rng.uniform(10, 40, 2).round(2)]
            rows.append((image, k, [float(v) for v in box]))
            for _ in range(3):
                near = np.array(box) + rng.normal(0, 2.5, 4)
                found.append(
                    (image + 1, k + 1, near.tolist(), float(rng.choice([0.0005, rng.uniform(0, 0.9)], p=[0.2, 0.8])))
                )
        if not plain:
            rows += [rows[-1], (image, 0, [5.0, 5.0, 0.0, 7.0])]
    count = len(rows)
    flags = {} if plain else {
        "is_crowd": rng.random(count) < 0.15,
        "is_ignored": rng.random(count) < 0.1,
        "ids": np.arange(count),
        "area": np.where(rng.random(count) < 0.1, 2e10, 400.0),
    }  # fmt: skip
    scored = [(i, k, b, max(s, 0.002)) for i, k, b, s in found] if plain else found
    truth = truth_of(rows, image_ids=[1, 2, 3, 4], class_ids=[1, 2, 3], **flags)
    return align(truth, detections_of(scored, class_ids=[1, 2, 3]))


@pytest.mark.parametrize("to", TARGETS)
@pytest.mark.parametrize("seed", range(3))
def test_the_path_leads_from_one_figure_to_the_other_and_adds_up(seed, to):
    aligned = _drawn(seed)
    gap = explain_gap(aligned, to)
    first = evaluate(aligned, replace(protocols.get("coco"), strict_parity=True)).metrics
    last = evaluate(aligned, protocols.get(to)).metrics
    assert [step.name for step in gap.steps] == STEPS
    for name in METRICS:
        assert gap.start.metrics[name] == first[name]
        assert gap.end.metrics[name] == last[name]
        difference = last[name] - first[name]
        assert sum(step.change[name] for step in gap.steps) == pytest.approx(difference, abs=1e-14)
        assert sum(step.reversed[name] for step in gap.steps) == pytest.approx(difference, abs=1e-14)


def test_steps_speak_of_what_the_data_holds():
    moved = {
        s.name for seed in range(3) for to in TARGETS for s in explain_gap(_drawn(seed), to).steps if s.change["AP"]
    }
    assert moved == {*STEPS} - {"caps"}
    still = {s.name for to in TARGETS for s in explain_gap(_drawn(0, plain=True), to).steps if s.change["AP"]}
    assert still <= {"matching", "interpolation"}


def test_each_step_is_one_setting_of_the_protocol():
    """Written out: pycocotools' settings, then each group of the other protocol's fields on top."""
    aligned, goal = _drawn(1), protocols.get("ultralytics8")
    state = replace(protocols.get("coco"), strict_parity=True)
    changes = [
        {"strict_parity": False},
        {"drop_truths": ("ignored",), "crowds_match_many": False},
        {"drop_truths": goal.drop_truths},
        {"area_ranges": goal.area_ranges},
        {"score_threshold": 0.001},
        {"max_detections": (300,), "cap_per": "image"},
        {"match_rule": "best"},
        {"accumulate": goal.accumulate, "recall_thresholds": ()},
    ]
    for step, changed in zip(explain_gap(aligned, "ultralytics8").steps, changes, strict=True):
        state = replace(state, **changed)
        # the caps 1 and 10 of COCO are not followed
        scored = evaluate(aligned, replace(state, max_detections=state.max_detections[-1:]))
        assert step.after.metrics == {name: scored.metrics[name] for name in METRICS}
        assert step.after.truths == int(scored.scored.truths[:, 0].sum())


def test_caps_are_seen_where_an_image_has_many():
    """COCO keeps 100 of a class in an image, and the true one comes 101st; Ultralytics keeps 300 of all classes."""
    found = [(1, 1, [20.0 + n, 50.0, 5.0, 5.0], 0.9) for n in range(100)] + [(1, 1, BOX, 0.5)]
    aligned = align(truth_of([(0, 0, BOX)], image_ids=[1], class_ids=[1]), detections_of(found, class_ids=[1]))
    steps = {step.name: step for step in explain_gap(aligned).steps}
    assert steps["caps"].change["AP"] == pytest.approx(1 / 101)
    assert (steps["scores"].after.detections, steps["caps"].after.detections) == (100, 101)


def test_caps_of_an_image_count_all_classes():
    found = [(1, 2, [20.0 + n, 50.0, 5.0, 5.0], 0.9) for n in range(300)] + [(1, 1, BOX, 0.5)]
    aligned = align(truth_of([(0, 0, BOX)], image_ids=[1], class_ids=[1, 2]), detections_of(found, class_ids=[1, 2]))
    steps = {step.name: step for step in explain_gap(aligned).steps}
    assert steps["caps"].change["AP"] == pytest.approx(0.0 - 1.0)
    assert (steps["scores"].after.detections, steps["caps"].after.detections) == (101, 300)


def test_a_perfect_set_loses_five_thousandths_to_interpolation():
    aligned = align(
        truth_of([(0, 0, BOX)], image_ids=[1], class_ids=[1]), detections_of([(1, 1, BOX, 0.9)], class_ids=[1])
    )
    gap = explain_gap(aligned)
    assert gap.end.metrics["AP"] == pytest.approx(0.995)
    assert {s.name for s in gap.steps if s.change["AP"]} == {"interpolation"}


def test_classes_that_are_not_told_apart():
    gap = explain_gap(_drawn(2), class_wise=False)
    expected = evaluate(_drawn(2), replace(protocols.get("ultralytics"), class_wise=False))
    assert gap.end.metrics["AP"] == expected.metrics["AP"]


def test_the_table_adds_up_digit_by_digit_and_fits():
    gap = explain_gap(_drawn(1), "ultralytics8")
    lines = gap_lines(gap.to_dict())
    assert max(map(len, lines)) <= 80
    cells = [line.split() for line in lines[2:12]]
    assert cells[0][0] == "pycocotools"
    assert float(cells[-1][-1]) == pytest.approx(float(cells[-1][-2]) - float(cells[0][-1]), abs=1e-9)
    for at in (-6, -3):
        assert sum(float(row[at + 1]) for row in cells[1:-1]) == pytest.approx(
            float(cells[-2][at]) - float(cells[0][at // 3]), abs=1e-9
        )
    assert lines[-2].startswith(f"truths {gap.start.truths} -> {gap.end.truths}, ")


def test_plain_values():
    found = explain_gap(_drawn(0)).to_dict()
    assert (found["schema"], found["from"], found["to"]) == ("detkit.gap/1", "pycocotools", "ultralytics")
    assert found["change"]["AP"] == found["end"]["AP"] - found["start"]["AP"]
    assert set(found["steps"][0]) == {"name", "AP", "AP50", "truths", "detections", "change", "reversed"}


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"protocol": "voc2012"}, "`voc2012`"),
        ({"iou_type": "segm"}, "`segm`"),
        ({"max_detections": (10,)}, "`max_detections`"),
        ({"score_threshold": 0.5}, "`score_threshold`"),
        ({"strict_iou": True}, "`strict_iou`"),
    ],
)
def test_settings_of_neither_protocol_are_refused(changed, named):
    with pytest.raises(UsageError, match=named):
        gap_of(_drawn(0), EvaluationSettings(**changed))


def test_the_settings_choose_the_other_protocol():
    aligned = _drawn(0)
    assert gap_of(aligned, EvaluationSettings()).to == "ultralytics"
    assert gap_of(aligned, EvaluationSettings(protocol="ultralytics8")).to == "ultralytics8"
    with pytest.raises(UsageError, match="`lvis`"):
        explain_gap(aligned, "lvis")


def test_a_truth_without_objects_has_nothing_to_explain():
    aligned = align(truth_of([], image_ids=[1], class_ids=[1]), detections_of([(1, 1, BOX, 0.9)], class_ids=[1]))
    with pytest.raises(CannotJudgeError, match="no AP to explain"):
        explain_gap(aligned)
