"""Write fixtures/anchors/cases.json: random boxes of our own, and what YOLOv5's autoanchor says of them.

Needs torch, scipy, tqdm, PyYAML and YOLOv5's utils/autoanchor.py (7.0; AGPL, so it stays outside the project) in an
environment apart from the project's:

    python -m venv /tmp/y5 && /tmp/y5/bin/pip install torch scipy tqdm pyyaml
    /tmp/y5/bin/pip install --no-deps yolov5
    /tmp/y5/bin/python tools/make_anchor_cases.py /tmp/y5/lib/python3.11/site-packages/yolov5/utils/autoanchor.py
"""

import importlib.util
import json
import logging
import random
import re
import sys
import types
from pathlib import Path

import numpy as np
import torch

TARGET = Path(__file__).resolve().parents[1] / "fixtures" / "anchors" / "cases.json"
COCO = [[10, 13], [16, 30], [33, 23], [30, 61], [62, 45], [59, 119], [116, 90], [156, 198], [373, 326]]
#: seed, images, network size, ratio threshold, anchors that YOLOv5 looks for, generations
CASES = [(0, 20, 640, 4.0, 9, 0), (1, 40, 416, 4.0, 6, 200), (2, 8, 1280, 2.0, 5, 0), (3, 60, 320, 3.0, 12, 100)]
SAID = re.compile(r"([\d.]+) best possible recall, ([\d.]+) anchors past thr\n.*metric_all=[\d.]+/([\d.]+)-mean/best")


def load(path):
    """The module, with the few names it takes from the rest of YOLOv5 in their places."""
    said = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())
    logger = logging.getLogger("autoanchor")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    general = types.ModuleType("yolov5.utils.general")
    general.LOGGER, general.TQDM_BAR_FORMAT, general.colorstr = logger, "{l_bar}", lambda *words: str(words[-1])
    utils = types.ModuleType("yolov5.utils")
    utils.TryExcept = lambda *_: lambda function: function
    sys.modules |= {"yolov5": types.ModuleType("yolov5"), "yolov5.utils": utils, "yolov5.utils.general": general}
    spec = importlib.util.spec_from_file_location("autoanchor", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module, said


def draw(seed, many):
    """Image sizes, and the boxes of each as shares of it: small ones are frequent, a few fill the image."""
    rng = np.random.default_rng(seed)
    shapes = rng.integers(200, 1200, (many, 2)).astype(np.float64)
    labels = []
    for _ in range(many):
        side = np.clip(rng.lognormal(-2.2, 0.9, (int(rng.integers(1, 12)), 2)), 0.004, 1.0).round(4)
        labels.append(np.hstack([np.zeros((len(side), 1)), np.full((len(side), 2), 0.5), side]))
    return shapes, labels


def figures(module, said, dataset, anchors, size, threshold):
    """(bpr, aat) that check_anchors says of given anchors, without the random scale of its training images."""
    stride = torch.tensor([8.0, 16.0, 32.0])
    head = types.SimpleNamespace(anchors=torch.tensor(anchors).float().view(3, -1, 2) / stride.view(3, 1, 1))
    head.stride = stride
    model = types.SimpleNamespace(model=[head])
    uniform = np.random.uniform
    np.random.uniform = lambda low, high, size: np.ones(size)
    # It would look for better ones below a recall of 0.98; that is not wanted here.
    look, module.kmean_anchors = module.kmean_anchors, lambda *_, **__: torch.tensor(anchors).float()
    said.clear()
    try:
        module.check_anchors(dataset, model, thr=threshold, imgsz=size)
    finally:
        np.random.uniform, module.kmean_anchors = uniform, look
    aat, bpr = re.search(r"([\d.]+) anchors/target, ([\d.]+) Best Possible Recall", said[0]).groups()
    return {"bpr": float(bpr), "aat": float(aat)}


def case(module, said, seed, many, size, threshold, k, generations):
    shapes, labels = draw(seed, many)
    dataset = types.SimpleNamespace(shapes=shapes, labels=labels)
    given = figures(module, said, dataset, COCO, size, threshold)
    random.seed(seed)
    np.random.seed(seed)
    said.clear()
    found = module.kmean_anchors(dataset, n=k, img_size=size, thr=threshold, gen=generations, verbose=False)
    bpr, aat, best = SAID.findall("\n".join(said))[-1]
    return {
        "seed": seed,
        "image_size": size,
        "ratio_threshold": threshold,
        "shapes": shapes.tolist(),
        "sides": [boxes[:, 3:].tolist() for boxes in labels],
        "given": {"anchors": COCO, **given},
        "found": {
            "anchors": np.asarray(found, np.float64).tolist(),
            "generations": generations,
            "bpr": float(bpr),
            "aat": float(aat),
            "mean_best_ratio": float(best),
        },
    }


def main():
    module, said = load(sys.argv[1])
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    cases = [case(module, said, *settings) for settings in CASES]
    TARGET.write_text(json.dumps({"reference": "YOLOv5 7.0 utils/autoanchor.py", "cases": cases}) + "\n")
    print(f"{TARGET}: {len(cases)} cases")


if __name__ == "__main__":
    main()
