"""Write fixtures/obb/*.json: quadrangles of our own, and what shapely makes of them.

Needs the package in an environment of its own, apart from the project's:

    python -m venv /tmp/polygons && /tmp/polygons/bin/pip install shapely==2.2.0 numpy
    /tmp/polygons/bin/python tools/make_obb_cases.py
"""

import json
from pathlib import Path

import numpy as np
import shapely

TARGET = Path(__file__).resolve().parents[1] / "fixtures" / "obb"
SEEDS = range(4)
THRESHOLDS = (0.1, 0.3, 0.5, 0.7)
SIGNS = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2


def turned(cx, cy, w, h, angle):
    """Corners of a box about its centre."""
    cos, sin = np.cos(angle), np.sin(angle)
    local = SIGNS * [w, h]
    corners = np.stack([local[:, 0] * cos - local[:, 1] * sin, local[:, 0] * sin + local[:, 1] * cos], axis=1)
    return corners + np.array([cx, cy])


def draw(rng, count, side):
    """Boxes of all sizes and angles that overlap much; every third near the one before."""
    rows = []
    for i in range(count):
        if i % 3 == 2:
            cx, cy, w, h, angle = rows[-1] + rng.normal(0, 1, 5) * [2, 2, 1, 1, 0.05]
            w, h = max(w, 1), max(h, 1)
        else:
            cx, cy = rng.uniform(0, side, 2)
            w, h, angle = *rng.uniform(2, 40, 2), rng.uniform(-np.pi, np.pi)
        rows.append(np.array([cx, cy, w, h, angle]))
    corners = np.stack([turned(*row) for row in rows]).round(4)
    # Any corner first, either way round.
    for i in range(count):
        corners[i] = np.roll(corners[i][:: rng.choice([1, -1])], rng.integers(4), axis=0)
    return corners


SQUARE = [[0, 0], [10, 0], [10, 10], [0, 10]]
NAMED = {
    "identical": (SQUARE, SQUARE),
    "other way round": (SQUARE, SQUARE[::-1]),
    "another corner first": (SQUARE, SQUARE[2:] + SQUARE[:2]),
    "common edge": (SQUARE, [[10, 0], [20, 0], [20, 10], [10, 10]]),
    "common corner": (SQUARE, [[10, 10], [20, 10], [20, 20], [10, 20]]),
    "apart": (SQUARE, [[30, 0], [40, 0], [40, 10], [30, 10]]),
    "bounds overlap, boxes do not": (SQUARE, [[12, 2], [22, 12], [12, 22], [2, 12]]),
    "contained": (SQUARE, [[5, 1], [9, 5], [5, 9], [1, 5]]),
    "contained, on the edges": (SQUARE, [[5, 0], [10, 5], [5, 10], [0, 5]]),
    "half": (SQUARE, [[5, 0], [15, 0], [15, 10], [5, 10]]),
    "cross": ([[0, 4], [10, 4], [10, 6], [0, 6]], [[4, 0], [6, 0], [6, 10], [4, 10]]),
    "star of eight": (SQUARE, turned(5, 5, 10, 10, np.pi / 4).tolist()),
    "slivers": (turned(50, 50, 100, 0.01, 0.3).tolist(), turned(50, 50, 100, 0.01, 0.301).tolist()),
    "sliver over a box": (SQUARE, [[-5, 4.999], [15, 5], [15, 5.001], [-5, 5]]),
    "almost parallel": (SQUARE, turned(5, 5, 10, 10, 1e-9).tolist()),
    "far away": ([[1e6 + x, 1e6 + y] for x, y in SQUARE], [[1e6 + 3 + x, 1e6 + 4 + y] for x, y in SQUARE]),
    "tiny": ([[1e-6 * x, 1e-6 * y] for x, y in SQUARE], [[5e-6 + 1e-6 * x, 1e-6 * y] for x, y in SQUARE]),
    "corners cross over": ([[0, 0], [10, 10], [10, 0], [0, 10]], SQUARE),
    "arrow head": ([[0, 0], [10, 5], [0, 10], [3, 5]], SQUARE),
    "triangle": ([[0, 0], [10, 0], [10, 10], [10, 10]], SQUARE),
    "on a line": ([[0, 0], [5, 5], [10, 10], [2, 2]], SQUARE),
    "a point": ([[5, 5]] * 4, SQUARE),
    "two points": ([[0, 0], [0, 0], [10, 10], [10, 10]], SQUARE),
}


def hull(corners):
    return shapely.convex_hull(shapely.multipoints(np.asarray(corners, dtype=float)))


def iou(a, b):
    shared = shapely.area(shapely.intersection(a, b))
    both = shapely.area(a) + shapely.area(b) - shared
    return np.where(both > 0, shared / np.where(both > 0, both, 1), 0.0)


def pair(name):
    a, b = map(hull, NAMED[name])
    return {
        "name": name,
        "a": NAMED[name][0],
        "b": NAMED[name][1],
        "areas": [shapely.area(a), shapely.area(b)],
        "intersection": shapely.area(shapely.intersection(a, b)),
        "iou": float(iou(a, b)),
    }


def matrix(seed):
    rng = np.random.default_rng(seed)
    a, b = draw(rng, 12, 60), draw(rng, 9, 60)
    left, right = (np.array([hull(c) for c in corners]) for corners in (a, b))
    return {
        "seed": seed,
        "a": a.tolist(),
        "b": b.tolist(),
        "intersection": shapely.area(shapely.intersection(left[:, None], right[None])).tolist(),
        "iou": iou(left[:, None], right[None]).tolist(),
    }


def greedy(overlap, score, group, threshold):
    """Positions that stay: in score order, unless one that stays overlaps by more."""
    kept = []
    for i in sorted(range(len(score)), key=lambda i: -score[i]):
        if all(group[i] != group[j] or overlap[i, j] <= threshold for j in kept):
            kept.append(i)
    return sorted(kept)


def suppression(seed):
    rng = np.random.default_rng(100 + seed)
    corners = draw(rng, 40, 80)
    # One decimal: many scores are equal.
    score, label = rng.random(40).round(1), rng.integers(0, 2, 40)
    shapes = np.array([hull(c) for c in corners])
    overlap = iou(shapes[:, None], shapes[None])
    return {
        "seed": seed,
        "corners": corners.tolist(),
        "score": score.tolist(),
        "label": label.tolist(),
        "kept": {str(t): greedy(overlap, score, label, t) for t in THRESHOLDS},
        "kept_agnostic": {str(t): greedy(overlap, score, 0 * label, t) for t in THRESHOLDS},
    }


def write(name, cases):
    lines = ",\n".join(json.dumps(case) for case in cases)
    (TARGET / f"{name}.json").write_text(
        f'{{"made_with": "shapely {shapely.__version__}", "cases": [\n{lines}\n]}}\n', encoding="utf-8"
    )


def main():
    TARGET.mkdir(parents=True, exist_ok=True)
    write("pairs", map(pair, NAMED))
    write("matrices", map(matrix, SEEDS))
    write("suppression", map(suppression, SEEDS))


if __name__ == "__main__":
    main()
