"""Write fixtures/tide: random predictions, small odd cases and real data, and what tidecv makes of them.

Needs the package in an environment of its own, apart from the project's:

    python -m venv /tmp/tide && /tmp/tide/bin/pip install tidecv==1.0.1 setuptools
    /tmp/tide/bin/python tools/make_tide_cases.py

The random cases have no equal scores, no crowds, and a found truth in every class: there tidecv is right but for its
recall grid. The odd ones hold one of its defects each. Real data is read from `../shared/data` beside the checkout and
cleaned of what tidecv takes otherwise (see `real`); only what it answers is kept.
"""

import json
from pathlib import Path

import numpy as np
from tidecv import TIDE, Data

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "fixtures" / "tide"
DATA = ROOT.parent / "shared" / "data"
RANDOM = 12
#: Files of truth and of predictions.
REAL = (("coco14_100/instances.json", "coco14_100/bbox_results.json"), ("lvis_100/gt.json", "lvis_100/dt.json"))


def draw(seed):
    """Truths [image, class, x, y, w, h], and detections [image, class, score, x, y, w, h] near and far from them."""
    rng = np.random.default_rng(seed)
    images, classes = int(rng.integers(2, 7)), int(rng.integers(1, 5))
    truths, found = [], []
    for _ in range(int(rng.integers(10, 40))):
        box = np.concatenate([rng.uniform(0, 80, 2), rng.uniform(10, 40, 2)])
        truths.append([int(rng.integers(images)), int(rng.integers(classes)), *box])
    for image, label, *box in truths:
        for _ in range(int(rng.choice([0, 1, 1, 2, 3]))):
            near = np.array(box) + rng.normal(0, float(rng.choice([0.5, 3, 9])), 4)
            found.append([image, label if rng.random() < 0.8 else int(rng.integers(classes)), *near])
    for _ in range(int(rng.integers(2, 12))):
        box = [*rng.uniform(0, 100, 2), *rng.uniform(5, 40, 2)]
        found.append([int(rng.integers(images)), int(rng.integers(classes)), *box])
    scores = rng.permutation(len(found)) / len(found) * 0.9 + 0.05
    found = [
        [i, k, s, x, y, max(w, 2), max(h, 2)] for (i, k, x, y, w, h), s in zip(found, scores.tolist(), strict=True)
    ]
    return [rounded(row) for row in truths], [rounded(row) for row in found]


def rounded(row):
    return [int(v) for v in row[:2]] + [round(float(v), 4) for v in row[2:]]


def answer(truths, found, crowds=(), cap=100):
    """Counts and AP costs as tidecv gives them, AP from 0 to 1."""
    gt, dt = Data("truth", max_dets=cap), Data("found", max_dets=cap)
    for image in {row[0] for row in [*truths, *found, *crowds]}:
        gt.add_image(image, str(image))
    for image, label, *box in truths:
        gt.add_ground_truth(image, label, box)
    for image, label, *box in crowds:
        gt.add_ignore_region(image, label, box)
    for image, label, score, *box in found:
        dt.add_detection(image, label, score, box)
    tide = TIDE()
    run = tide.evaluate(gt, dt, mode=TIDE.BOX, name="run")
    costs = {**tide.get_main_errors()["run"], **tide.get_special_errors()["run"]}
    return {
        "AP": float(run.ap) / 100,
        "count": {kind.short_name: int(n) for kind, n in run.count_errors().items()},
        "dAP": {kind: float(value) / 100 for kind, value in costs.items()},
    }, run


def is_clean(truths, run):
    """Whether every class has a truth, and one that was found."""
    found = {row["class"] for row in run.preds.annotations if row["used"]}
    return found == {row[1] for row in truths} == {row["class"] for row in run.preds.annotations}


def odd_cases():
    """Name -> truths, detections, crowds."""
    box, far = [0, 0, 10, 10], [50, 50, 10, 10]
    row = [[0, 0, 20 * n, 0, 10, 10] for n in range(20)]
    hits = [[0, 0, 0.9 - n / 100, *row[n][2:]] for n in range(20)]
    return {
        "equal scores": ([[0, 0, *box]], [[0, 0, 0.5, *box], [0, 0, 0.5, *far]], []),
        "class without truth": ([[0, 0, *box]], [[0, 0, 0.9, *box], [0, 1, 0.8, *far]], []),
        "detection in a crowd": (
            [[0, 0, *far], [0, 1, *box]],
            [[0, 0, 0.9, *far], [0, 1, 0.8, *far], [0, 0, 0.7, *box]],
            [[0, 0, 0, 0, 30, 30]],
        ),
        "recall on the grid": (row, [*hits[:7], [0, 0, 0.835, 0, 50, 9, 9], *hits[7:]], []),
        "duplicate at the threshold": ([[0, 0, *box]], [[0, 0, 0.9, *box], [0, 0, 0.8, 0, 0, 10, 5]], []),
        "class all missed": ([[0, 0, *box], [0, 1, *far]], [[0, 0, 0.9, *box]], []),
        "class all missed, with a detection": (
            [[0, 0, *box], [0, 1, *far]],
            [[0, 0, 0.9, *box], [0, 1, 0.8, 80, 80, 5, 5]],
            [],
        ),
    }


def real(truth, found):
    """Rows without crowds and only of classes of which a truth was found, scores by rank; tidecv's answer to them."""
    gt, dt = (json.loads((DATA / name).read_text(encoding="utf-8")) for name in (truth, found))
    truths = [
        [row["image_id"], row["category_id"], *row["bbox"]] for row in gt["annotations"] if not row.get("iscrowd")
    ]
    images = {row["id"] for row in gt["images"]}
    rows = [
        [row["image_id"], row["category_id"], row["score"], *row["bbox"]] for row in dt if row["image_id"] in images
    ]
    classes = {row[1] for row in truths}
    while True:
        truths, rows = ([row for row in part if row[1] in classes] for part in (truths, rows))
        order = sorted(range(len(rows)), key=lambda n: -rows[n][2])
        for place, n in enumerate(order):
            rows[n][2] = 1 - (place + 1) / (len(rows) + 1)
        expected, run = answer(truths, rows, cap=10**6)
        with_hit = {row["class"] for row in run.preds.annotations if row["used"]}
        if with_hit == classes:
            return {"truth": truth, "found": found, "classes": sorted(classes), "tidecv": expected}
        classes = with_hit


def main():
    cases, seed = [], 0
    while len(cases) < RANDOM:
        truths, found = draw(seed)
        expected, run = answer(truths, found)
        if is_clean(truths, run):
            cases.append({"name": f"seed {seed}", "truths": truths, "found": found, "crowds": [], "tidecv": expected})
        seed += 1
    for name, (truths, found, crowds) in odd_cases().items():
        expected, _ = answer(truths, found, crowds)
        cases.append({"name": name, "truths": truths, "found": found, "crowds": crowds, "tidecv": expected})
    write("cases", cases)
    if DATA.is_dir():
        write("real", [real(*names) for names in REAL])


def write(name, cases):
    lines = ",\n".join(json.dumps(case) for case in cases)
    TARGET.mkdir(parents=True, exist_ok=True)
    (TARGET / f"{name}.json").write_text(f'{{"made_with": "tidecv 1.0.1", "cases": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
