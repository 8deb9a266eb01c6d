"""Compare detkit.compat.pycocotools with pycocotools on many random inputs: arrays, dictionaries, printed text.

    python tools/fuzz_compat.py --cases 500 --seed 0

Both sides get the same dictionaries and the same parameters. Everything a caller can see is compared with `==`:
`ious`, `evalImgs`, `eval`, `stats`, what is printed, and what is raised.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import random
import re
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

# Of ten cases seven are boxes, two masks, one keypoints.
KINDS = ("box", "box", "segm", "box", "box", "keypoint", "box", "segm", "box", "box")

ARRAYS = ("precision", "recall", "scores")


def change(rng: random.Random, params: Any) -> list[str]:
    """Change parameters as pipelines do, and now and then as none should; what was changed."""
    done = []

    def set_to(name: str, value: Any) -> None:
        setattr(params, name, value)
        done.append(f"{name}={value!r}")

    if rng.random() < 0.4:
        set_to(
            "maxDets", rng.choice([[1, 10, 100], [100, 1, 10], [2], [1, 2], [3, 3, 5], [100, 300, 1000], [1, 2, 3, 4]])
        )
    if rng.random() < 0.35:
        set_to("iouThrs", rng.choice([
            [0.5], np.array([0.5, 0.75]), np.linspace(0.3, 0.9, 7), [0.5, 1.0], np.array([0.75, 0.5]),
            np.array([0.5], dtype=np.float32), [0.5, 0.5],
        ]))  # fmt: skip
    if rng.random() < 0.25:
        set_to(
            "recThrs", rng.choice([np.linspace(0, 1, 11), [0.0, 0.5, 1.0], [0.5], [1.0, 0.0], np.array([-0.1, 1.1])])
        )
    if rng.random() < 0.25:
        few = [[[0, 1e10]], [[0, 1024], [1024, 9216]], [[0, 1e5**2], [0, 1024], [9216, 1e10], [0, 1024]], [[5, 1]]]
        set_to("areaRng", rng.choice(few))
        set_to("areaRngLbl", ["all", "small", "medium", "large"][: len(params.areaRng)])
    if rng.random() < 0.3:
        set_to("useCats", rng.choice([0, 0, 0, True, 2]))
    if rng.random() < 0.3 and params.imgIds:
        ids = list(params.imgIds)
        set_to("imgIds", rng.choice([ids[::-1], ids[: len(ids) // 2], ids + ids[:1], [*ids, 10**7], []]))
    if rng.random() < 0.3 and params.catIds:
        ids = list(params.catIds)
        set_to("catIds", rng.choice([ids[::-1], ids[:1], [*ids, 10**7], np.array(ids), []]))
    if rng.random() < 0.1:
        set_to("useSegm", rng.choice([0, 1]))
    if params.iouType == "keypoints" and rng.random() < 0.3:
        set_to("kpt_oks_sigmas", params.kpt_oks_sigmas * 2)
    return done


def spoil(rng: random.Random, gt: dict[str, Any], dt: list[dict[str, Any]]) -> None:
    """Now and then something that no file should hold."""
    rows = rng.choice([gt["annotations"], dt])
    if not rows or rng.random() < 0.75:
        return
    row = rng.choice(rows)
    field = rng.choice(["score", "bbox", "area", "iscrowd", "id", "category_id", "image_id", "num_keypoints", "ignore"])
    value: Any = rng.choice(
        [float("nan"), None, "7", [], -1, 0, 2, 1e300, float("inf"), 2**60, True, -0.0, (1, 2, 3, 4)]
    )
    if field == "category_id" and isinstance(value, list | tuple):
        return  # the reference compares it with each class and fails; here it is one more class that nobody knows
    if rng.random() < 0.3:
        row.pop(field, None)
    elif field == "bbox" and isinstance(row.get("bbox"), list) and rng.random() < 0.7:
        row["bbox"] = [value if rng.random() < 0.3 else side for side in row["bbox"]]
    else:
        row[field] = value


def run(module: Any, gt: dict[str, Any], dt: Any, iou_type: str, seed: int) -> dict[str, Any]:
    """Everything that is seen of one evaluation by one of the two implementations."""
    gt, dt, rng = copy.deepcopy(gt), copy.deepcopy(dt), random.Random(f"compat {seed}")
    coco_class, eval_class = module
    seen: dict[str, Any] = {}
    text = io.StringIO()
    with contextlib.redirect_stdout(text), np.errstate(all="ignore"):
        try:
            truth = coco_class()
            truth.dataset = gt
            truth.createIndex()
            results = truth.loadRes(dt)
            for name in ("image_id", "category_id", "bbox", "area", "id", "segmentation", "iscrowd"):
                seen[f"loaded {name}"] = [row.get(name) for row in results.dataset["annotations"]]
            runner = eval_class(truth, results, iou_type)
            seen["changed"] = change(rng, runner.params)
            runner.evaluate()
            seen["engine"] = getattr(runner, "engine", None)
            look_first = rng.random() < 0.3
            if look_first:
                seen["evalImgs"] = runner.evalImgs
            other = None
            if rng.random() < 0.2:
                other = copy.deepcopy(runner.params)
                change(rng, other)
                seen["accumulated with"] = repr(vars(other))
            runner.accumulate(other)
            seen["evalImgs"], seen["ious"] = runner.evalImgs, runner.ious
            seen["eval"] = {name: runner.eval[name] for name in (*ARRAYS, "counts")}
            seen["params"] = {k: v for k, v in vars(runner.params).items() if k != "iouType"}
            seen["cells"] = {k: [row["id"] for row in v] for k, v in runner._gts.items() if v}
            seen["cells of results"] = {k: [row["id"] for row in v] for k, v in runner._dts.items() if v}
            runner.summarize()
            seen["stats"] = runner.stats
        except Exception as error:  # what is raised is seen as well
            seen["raised"] = f"{type(error).__name__}"
            seen["message"] = str(error)
    seen["printed"] = re.sub(r"t=\d+\.\d+s", "t=", text.getvalue())
    return seen


def same(a: Any, b: Any) -> bool:
    """Equal in value and shape; NaN equals NaN."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        a, b = np.asarray(a), np.asarray(b)
        return (
            a.shape == b.shape and a.dtype.kind == b.dtype.kind and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        )
    return bool(a == b) or (a != a and b != b)


def differences(theirs: dict[str, Any], ours: dict[str, Any]) -> list[str]:
    """Names of what differs; messages may be better than the reference's."""
    names = [name for name in sorted({*theirs, *ours}) if name not in ("engine", "message")]
    return [name for name in names if name not in theirs or name not in ours or not same(theirs[name], ours[name])]


def implementations() -> tuple[Any, Any]:
    """Classes of the reference and of detkit."""
    import pycocotools.coco as coco
    import pycocotools.cocoeval as cocoeval

    from detkit.compat.pycocotools.coco import COCO
    from detkit.compat.pycocotools.cocoeval import COCOeval

    return (coco.COCO, cocoeval.COCOeval), (COCO, COCOeval)


def compare(seed: int) -> tuple[list[str], dict[str, Any], dict[str, Any]]:
    """What differs on the case of a seed, and what each side shows."""
    import strategies

    kind = KINDS[seed % len(KINDS)]
    case = getattr(strategies, f"{kind}_case")(seed)
    rng = random.Random(f"spoil {seed}")
    known = {image["id"] for image in case.gt["images"]}
    gt, dt = copy.deepcopy(case.gt), copy.deepcopy(case.dt)
    if rng.random() < 0.9:
        dt = [row for row in dt if row["image_id"] in known]
    spoil(rng, gt, dt)
    results: Any = dt
    if kind == "box" and dt and rng.random() < 0.2 and all(isinstance(row.get("bbox"), list) for row in dt):
        with contextlib.suppress(KeyError, TypeError, ValueError):
            rows = [[row["image_id"], *row["bbox"], row["score"], row["category_id"]] for row in dt]
            results = np.array(rows, dtype=rng.choice([np.float64, np.float32]))
    reference, candidate = implementations()
    iou_type = rng.choice(["bbox", case.iou_type, case.iou_type])
    theirs, ours = run(reference, gt, results, iou_type, seed), run(candidate, gt, results, iou_type, seed)
    return differences(theirs, ours), theirs, ours


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=500, help="number of random inputs")
    parser.add_argument("--seed", type=int, default=0, help="first seed; case n is seed + n")
    options = parser.parse_args()
    started, failures = time.perf_counter(), 0
    done: Counter[str] = Counter()
    for seed in range(options.seed, options.seed + options.cases):
        found, theirs, ours = compare(seed)
        done[f"by {ours.get('engine')}"] += 1
        done["raised"] += "raised" in theirs
        if found:
            failures += 1
            shown = {
                side: (seen.get("raised"), seen.get("message")) for side, seen in (("theirs", theirs), ("ours", ours))
            }
            print(f"seed {seed}: {', '.join(found)} differ; {theirs.get('changed')}; {shown}", flush=True)
    counts = ", ".join(f"{count} {name}" for name, count in sorted(done.items()))
    print(f"{options.cases} cases ({counts}), {failures} failures in {time.perf_counter() - started:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
