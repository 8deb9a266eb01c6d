"""How often a 95 % interval of a paired difference holds the true difference, on simulated models.

    python benchmarks/interval_coverage.py [--draws 200] [--images 200] [--replicates 500] [--seed 0]

Images differ in how hard they are, alike for both models, so that the models' results hang together as those of real
ones do. The true difference is that of one draw of many images. Prints a line of JSON.
"""

from __future__ import annotations

import argparse
import json

import numpy as np

from detkit.evaluation import protocols
from detkit.evaluation.outcomes import Outcomes
from detkit.evaluation.replicates import Resampler
from detkit.evaluation.result import metric_rows
from detkit.evaluation.uncertainty import Resampling, bootstrap, outcomes_metrics, percentile_interval
from detkit.kernels.match import FALSE, TRUE

CLASSES, TRUTHS_AN_IMAGE, FALSE_AN_IMAGE = 5, 6, 8
#: How well each model places its boxes, and how much of the objects it finds.
SKILLS = ((0.70, 0.80), (0.73, 0.82))
METRICS = ("AP", "AP50", "AP75", "AR100")


def draw(rng: np.random.Generator, images: int) -> list[Outcomes]:
    """Outcomes of both models on new images."""
    protocol = protocols.get("coco", area_ranges=(protocols.AreaRange("all", 0.0, 1e10),), max_detections=(100,))
    hardness = rng.normal(0, 0.10, images)
    gt_image = np.repeat(np.arange(images), rng.poisson(TRUTHS_AN_IMAGE, images)).astype(np.int32)
    gt_class = rng.integers(0, CLASSES, len(gt_image)).astype(np.int32)
    own = rng.normal(0, 0.12, len(gt_image))  # an object that is hard for one model is hard for the other
    models = []
    for place, found in SKILLS:
        hit = rng.random(len(gt_image)) < found - hardness[gt_image]
        iou = np.clip(place - hardness[gt_image] + own + rng.normal(0, 0.08, len(gt_image)), 0, 1)[hit]
        score = np.clip(rng.normal(0.6, 0.2, len(iou)) + 0.3 * (iou - 0.7), 0, 1)
        wrong = np.repeat(np.arange(images), rng.poisson(FALSE_AN_IMAGE, images))
        image = np.concatenate([gt_image[hit], wrong])
        category = np.concatenate([gt_class[hit], rng.integers(0, CLASSES, len(wrong))])
        overlap = np.concatenate([iou, np.zeros(len(wrong))])
        scores = np.concatenate([score, np.clip(rng.normal(0.25, 0.18, len(wrong)), 0, 1)])
        order = np.lexsort((-scores, image, category))
        outcome = np.where(overlap[order] >= np.array(protocol.iou_thresholds)[:, None], TRUE, FALSE)[None]
        models.append(
            Outcomes(
                protocol,
                tuple(range(images)),
                tuple((k, f"c{k}") for k in range(CLASSES)),
                image[order].astype(np.int32),
                category[order].astype(np.int32),
                scores[order],
                np.zeros(len(order), np.int32),
                outcome.astype(np.uint8),
                gt_image,
                gt_class,
                np.zeros((1, len(gt_image)), np.bool_),
            )
        )
    return models


def main() -> None:
    """Draw, count, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--replicates", type=int, default=500)
    parser.add_argument("--population", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    population = draw(rng, given.population)
    rows = [row for row in metric_rows(population[0].protocol) if row.name in METRICS]
    values = [outcomes_metrics(model, Resampler(model, rows))[0] for model in population]
    truth = values[1] - values[0]
    held = np.zeros(len(rows), np.int64)
    width = np.zeros(len(rows))
    for number in range(given.draws):
        models = [Resampler(model, rows) for model in draw(rng, given.images)]
        a, b = bootstrap(models, given.images, Resampling(given.replicates, number))
        low, high = percentile_interval(b[0] - a[0], 0.95)
        held += (low <= truth) & (truth <= high)
        width += high - low
    figures = {
        row.name: {"true": round(float(truth[n]), 5), "coverage": round(float(held[n] / given.draws), 3),
                   "mean_width": round(float(width[n] / given.draws), 5)}
        for n, row in enumerate(rows)
    }  # fmt: skip
    print(json.dumps({**vars(given), "metrics": figures}))


if __name__ == "__main__":
    main()
