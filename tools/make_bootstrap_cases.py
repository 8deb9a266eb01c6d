"""Write fixtures/bootstrap/cases.json: what pycocotools makes of data sets in which images are physically repeated.

    python tools/make_bootstrap_cases.py

Each case holds a small truth, predictions and a weight for each image. The reference is run on files in which an image
of weight w stands w times under new ids, side by side in the order of ids; images of weight 0 are absent. Scores are
rounded to one decimal in half of the cases, so that detections of one image, class and score are common.
"""

import contextlib
import io
import json
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

TARGET = Path(__file__).resolve().parents[1] / "fixtures" / "bootstrap" / "cases.json"
CASES, CLASSES, MOST_COPIES = 8, 3, 100


def draw(seed):
    """Truth, results and weights; about one truth in ten is a crowd, some classes and images are empty."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(5, 12))
    images = [{"id": int(i), "width": 300, "height": 300} for i in sorted(rng.choice(50, count, replace=False) + 1)]
    annotations, results = [], []
    for image in images:
        for _ in range(int(rng.integers(0, 6))):
            side = float(rng.choice([12, 24, 32, 60, 96, 140]))
            box = [round(float(v), 1) for v in (*rng.uniform(0, 150, 2), side, side * rng.uniform(0.7, 1.3))]
            category = int(rng.integers(1, CLASSES + 1))
            annotations.append({
                "id": len(annotations) + 1, "image_id": image["id"], "category_id": category, "bbox": box,
                "area": box[2] * box[3], "iscrowd": int(rng.random() < 0.1),
            })  # fmt: skip
            for _ in range(int(rng.integers(0, 4))):
                shift = rng.normal(0, 0.08, 4) * [box[2], box[3], box[2], box[3]]
                moved = [round(float(v), 1) for v in np.array(box) + shift]
                kind = category if rng.random() < 0.85 else int(rng.integers(1, CLASSES + 1))
                results.append({"image_id": image["id"], "category_id": kind, "bbox": moved})
        for _ in range(int(rng.integers(0, 3))):
            box = [round(float(v), 1) for v in (*rng.uniform(0, 200, 2), *rng.uniform(5, 90, 2))]
            results.append({"image_id": image["id"], "category_id": int(rng.integers(1, CLASSES + 1)), "bbox": box})
    for row in results:
        row["score"] = round(float(rng.random()), 1 if seed % 2 else 6)
    order = rng.permutation(len(results))
    truth = {"images": images, "annotations": annotations,
             "categories": [{"id": k, "name": f"c{k}"} for k in range(1, CLASSES + 1)]}  # fmt: skip
    weights = np.bincount(rng.integers(0, count, count), minlength=count).tolist()
    return truth, [results[i] for i in order], weights


def repeated(truth, results, weights):
    """The truth and the results with each image as often as its weight says, copies side by side."""
    copies = {
        image["id"]: [image["id"] * MOST_COPIES + c for c in range(weight)]
        for image, weight in zip(truth["images"], weights, strict=True)
    }
    images = [{**image, "id": new} for image in truth["images"] for new in copies[image["id"]]]
    rows = [{**a, "image_id": new} for a in truth["annotations"] for new in copies[a["image_id"]]]
    annotations = [{**row, "id": n} for n, row in enumerate(rows, 1)]
    found = [{**r, "image_id": new} for r in results for new in copies[r["image_id"]]]
    return {**truth, "images": images, "annotations": annotations}, found


def reference(truth, results):
    """The twelve statistics, and the mean precision of each overlap and class; -1 where undefined."""
    with contextlib.redirect_stdout(io.StringIO()):
        gt = COCO()
        gt.dataset = truth
        gt.createIndex()
        run = COCOeval(gt, gt.loadRes(results), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return {
        "statistics": run.stats.tolist(),
        "average": run.eval["precision"][:, :, :, 0, -1].mean(axis=1).tolist(),
        "recall": run.eval["recall"][:, :, 0, -1].tolist(),
    }


def main():
    cases = []
    for seed in range(CASES):
        truth, results, weights = draw(seed)
        expected = reference(*repeated(truth, results, weights))
        cases.append({"seed": seed, "truth": truth, "results": results, "weights": weights, **expected})
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(cases, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
