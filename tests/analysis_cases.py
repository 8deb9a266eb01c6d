"""Small evaluations that analyses are tested on, and slow counts of them."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from detkit.evaluation import evaluate, protocols
from detkit.evaluation.align import align
from detkit.evaluation.result import Evaluation
from detkit.kernels.match import FALSE, TRUE
from strategies import detections_of, truth_of

SIDE = 20


def scored(
    truths: list[tuple[int, int]],
    found: list[tuple[int, int, float, float]],
    *,
    images: int | None = None,
    classes: int | None = None,
    names: list[str] | None = None,
    protocol: str = "coco",
    class_wise: bool = True,
    crowds: list[bool] | None = None,
    **changes: Any,
) -> Evaluation:
    """The evaluation of truths (image, class) and detections (truth position or -1, class, overlap, score).

    Truth n is a square of its own place; a detection of it is a part of the square that overlaps it by `overlap`, one
    of no truth lies elsewhere in image 0, or in image `-truth - 1` below that.
    """
    count = images or 1 + max((i for i, _ in truths), default=0)
    kinds = classes or 1 + max([k for _, k in truths] + [k for _, k, _, _ in found], default=0)
    boxes = [(i, k, [50 * n, 0, SIDE, SIDE]) for n, (i, k) in enumerate(truths)]
    rows = []
    # Predictions without any row are refused, those whose rows all lie below a threshold are not.
    nothing = [(-1, 0, 1.0, 0.0)]
    for n, (at, k, overlap, score) in enumerate(found or nothing):
        if at < 0:
            rows.append((-at, k + 1, [50 * n, 200, SIDE, SIDE], score))
        else:
            rows.append((truths[at][0] + 1, k + 1, [50 * at, 0, SIDE * overlap, SIDE], score))
    truth = truth_of(
        boxes,
        image_ids=list(range(1, count + 1)),
        class_ids=list(range(1, kinds + 1)),
        class_names=names or [f"class {k}" for k in range(kinds)],
        is_crowd=crowds,
    )
    chosen = replace(protocols.get(protocol, "bbox", **changes), class_wise=class_wise)
    chosen = chosen if found else replace(chosen, score_threshold=1.0)
    return evaluate(align(truth, detections_of(rows)), chosen, with_partners=True)


def random_result(seed: int, *, ties: bool = True, protocol: str = "coco", **changes: Any) -> Evaluation:
    """Some images and classes, one of them without truth; crowds, ignored truths, duplicates and equal scores."""
    rng = random.Random(seed)
    images, classes = rng.randint(1, 5), rng.randint(2, 4)
    truths = [(rng.randrange(images), rng.randrange(classes - 1), _box(rng)) for _ in range(rng.randint(0, 12))]
    rows = []
    for i, k, box in truths:
        for _ in range(rng.choice([0, 1, 1, 2])):
            near = [v + rng.choice([0, 0, 1, 2, 4]) for v in box]
            rows.append((i + 1, k + 1 if rng.random() < 0.8 else rng.randint(1, classes), near))
    rows += [(rng.randint(1, images), rng.randint(1, classes), _box(rng)) for _ in range(rng.randint(1, 10))]
    levels = rng.choice([2, 5, 40])
    drawn = [rng.randint(0, levels) / levels if ties else rng.random() for _ in rows]
    truth = truth_of(
        truths,
        image_ids=list(range(1, images + 1)),
        class_ids=list(range(1, classes + 1)),
        is_crowd=[rng.random() < 0.15 for _ in truths],
        is_ignored=[rng.random() < 0.1 for _ in truths],
    )
    found = detections_of([(*row, score) for row, score in zip(rows, drawn, strict=True)])
    return evaluate(align(truth, found), protocols.get(protocol, "bbox", **changes), with_partners=True)


def _box(rng: random.Random) -> list[float]:
    return [rng.randrange(0, 60, 5), rng.randrange(0, 60, 5), rng.randrange(10, 40, 5), rng.randrange(10, 40, 5)]


def rescored(result: Evaluation, threshold: float) -> Evaluation:
    """The evaluation of the detections with `score >= threshold` alone."""
    return evaluate(
        align(result.truth, result.detections), replace(result.protocol, score_threshold=threshold), with_partners=True
    )


def recount(result: Evaluation, threshold: float, k: int, t: int) -> tuple[int, int]:
    """True and false positives of class k when only those detections are scored."""
    outcome = rescored(result, threshold).scored.matched[k].outcome[0, t].tolist()
    return outcome.count(TRUE), outcome.count(FALSE)
