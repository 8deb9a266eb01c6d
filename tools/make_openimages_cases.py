"""Write fixtures/openimages/cases.json: random partly labelled truth of our own, and what TensorFlow makes of it.

Needs the source of the object detection API unpacked (it is not installed: only its NumPy modules run, with stand-ins
for the TensorFlow modules they import and do not use) and an environment of its own with an older NumPy:

    python -m venv /tmp/oid && /tmp/oid/bin/pip install six absl-py 'numpy==1.23.5'
    pip download --no-deps --no-binary :all: -d /tmp/oid tf-models-research-object-detection==2.8.0.post1
    tar xzf /tmp/oid/tf_models_research_object_detection-2.8.0.post1.tar.gz -C /tmp/oid
    /tmp/oid/bin/python tools/make_openimages_cases.py /tmp/oid/tf_models_research_object_detection-2.8.0.post1

Scores are all different: the reference sorts with an unstable sort, so that ties have no fixed order there.
"""

import json
import logging
import sys
import types
from pathlib import Path

import numpy as np

TARGET = Path(__file__).resolve().parents[1] / "fixtures" / "openimages" / "cases.json"
SIZE = (400, 300)
STAND_INS = (
    "tensorflow", "tensorflow.compat", "tensorflow.compat.v1", "google", "google.protobuf",
    "google.protobuf.text_format", "object_detection.protos.string_int_label_map_pb2",
)  # fmt: skip
#: Two levels below the root; `car` has two ways up to `vehicle`, `root` is no class.
TREE = {
    "LabelName": "root",
    "Subcategory": [
        {"LabelName": "animal", "Subcategory": [
            {"LabelName": "mammal", "Subcategory": [{"LabelName": "cat"}, {"LabelName": "dog"}]},
            {"LabelName": "bird"},
        ]},
        {"LabelName": "vehicle", "Subcategory": [
            {"LabelName": "land vehicle", "Subcategory": [{"LabelName": "car"}]}, {"LabelName": "car"},
        ]},
        {"LabelName": "tree"},
    ],
}  # fmt: skip
NAMES = ("animal", "mammal", "cat", "dog", "bird", "vehicle", "land vehicle", "car", "tree")
#: Name, images, classes, detections about an image, share of group-of boxes, what becomes of them, hierarchy.
PLANS = (
    ("plain", 6, 4, 12, 0.0, "count", False),
    ("groups", 6, 3, 20, 0.4, "count", False),
    ("groups_ignored", 6, 3, 20, 0.4, "ignore", False),
    ("only_groups", 4, 2, 16, 1.0, "count", False),
    ("many", 10, 9, 40, 0.2, "count", False),
    ("hierarchy", 8, 9, 30, 0.2, "count", True),
)


def load(source):
    """The evaluator and the label expansion, from the unpacked source."""
    logging.disable(logging.WARNING)
    sys.path.insert(0, str(source))
    import object_detection

    object_detection.protos = types.ModuleType("object_detection.protos")
    sys.modules["object_detection.protos"] = object_detection.protos
    for name in STAND_INS:
        module = sys.modules.setdefault(name, types.ModuleType(name))
        above, _, last = name.rpartition(".")
        if above:
            setattr(sys.modules[above], last, module)
    sys.modules["tensorflow.compat.v1"].gfile = None
    from object_detection.dataset_tools import oid_hierarchical_labels_expansion as expansion
    from object_detection.utils import object_detection_evaluation as evaluation

    return evaluation, expansion


def box(rng, most=120):
    w, h = (int(v) for v in rng.integers(8, most, 2))
    return [int(rng.integers(0, SIZE[0] - w)), int(rng.integers(0, SIZE[1] - h)), w, h]


def near(rng, bbox, reach):
    x, y, w, h = bbox
    dx, dy, dw, dh = (int(v) for v in rng.integers(-reach, reach + 1, 4))
    return [max(0, x + dx), max(0, y + dy), max(0, w + dw), max(1, h + dh)]


def inside(rng, bbox):
    """A box of which most lies in another one."""
    x, y, w, h = bbox
    small = [max(2, int(w * rng.uniform(0.2, 0.7))), max(2, int(h * rng.uniform(0.2, 0.7)))]
    left, top = x + int(rng.integers(-5, w - small[0] + 6)), y + int(rng.integers(-5, h - small[1] + 6))
    return [max(0, left), max(0, top), *small]


def draw(seed, plan):
    """Truth and detections as COCO dictionaries."""
    _, images, classes, dets, groups, _, _ = plan
    rng = np.random.default_rng(seed)
    categories = [{"id": k + 1, "name": NAMES[k]} for k in range(classes)]
    records, annotations, results = [], [], []
    for image in (int(i) for i in rng.permutation(np.arange(1, 3 * images))[:images]):
        present = sorted({int(c) for c in rng.integers(1, classes + 1, int(rng.integers(0, 4)))})
        others = [c for c in range(1, classes + 1) if c not in present]
        record = {"id": image, "file_name": f"{image}.jpg", "width": SIZE[0], "height": SIZE[1]}
        record["neg_category_ids"] = [c for c in others if rng.random() < 0.4]
        left = [c for c in others if c not in record["neg_category_ids"]]
        # A class may be known to be there without a box, and have boxes without being listed.
        record["pos_category_ids"] = [c for c in present if rng.random() < 0.7] + left[: int(rng.random() < 0.3)]
        records.append(record)
        truths = [
            (c, box(rng, 200 if group else 120), group)
            for c in present
            for group in (rng.random(int(rng.integers(1, 5))) < groups).tolist()
        ]
        for category, bbox, group in truths:
            row = {"id": len(annotations) + 1, "image_id": image, "category_id": category, "bbox": bbox}
            row["area"] = bbox[2] * bbox[3]
            # Both spellings that files use.
            row |= ({"is_group_of": 1} if rng.random() < 0.5 else {"iscrowd": 1}) if group else {}
            annotations.append(row)
        for _ in range(int(rng.integers(dets // 2, dets + 1))):
            if truths and rng.random() < 0.7:
                category, bbox, group = truths[int(rng.integers(len(truths)))]
                bbox = inside(rng, bbox) if group and rng.random() < 0.8 else near(rng, bbox, 8)
                category = category if rng.random() < 0.8 else int(rng.integers(1, classes + 1))
            else:
                category, bbox = int(rng.integers(1, classes + 1)), box(rng)
            if rng.random() < 0.03:
                bbox = [*bbox[:2], 0, bbox[3]]
            results.append({"image_id": image, "category_id": category, "bbox": bbox})
    scores = (rng.permutation(len(results)) + 1) / (len(results) + 1)
    for row, score in zip(results, scores.tolist(), strict=True):
        row["score"] = round(score, 6)
    truth = {"images": records, "categories": categories, "annotations": annotations}
    return truth, [results[i] for i in rng.permutation(len(results))]


def expanded(truth, expansion):
    """Boxes and image labels after the reference's own expansion of its CSV lines."""
    ids = {c["name"]: c["id"] for c in truth["categories"]}
    names = {c["id"]: c["name"] for c in truth["categories"]}
    tool = expansion.OIDHierarchicalLabelsExpansion(TREE)
    annotations = []
    for row in truth["annotations"]:
        line = ",".join(["x", names[row["category_id"]], *"1" * 6])
        for wider in tool.expand_boxes_or_segments_from_csv(line):
            annotations.append({**row, "category_id": ids[wider.split(",")[1]]})
    images = []
    for image in truth["images"]:
        lists = {}
        for field, verdict in (("neg_category_ids", 0), ("pos_category_ids", 1)):
            lines = [f"x,{names[c]},{verdict}" for c in image[field]]
            lists[field] = [ids[w.split(",")[1]] for line in lines for w in tool.expand_labels_from_csv(line)]
        images.append({**image, **lists})
    return {**truth, "images": images, "annotations": annotations}


def corners(rows):
    boxes = np.array([r["bbox"] for r in rows], dtype=float).reshape(-1, 4)
    x, y, w, h = boxes.T
    return np.stack([y, x, y + h, x + w], axis=1)


def answer(truth, results, group_of, evaluation):
    """Average precision of each class (None where undefined) and their mean, as the evaluator has them."""
    evaluator = evaluation.OpenImagesChallengeEvaluator(
        truth["categories"], group_of_weight=1.0 if group_of == "count" else 0.0
    )
    for image in truth["images"]:
        rows = [r for r in truth["annotations"] if r["image_id"] == image["id"]]
        found = [r for r in results if r["image_id"] == image["id"]]
        listed = image["neg_category_ids"] + image["pos_category_ids"]
        evaluator.add_single_ground_truth_image_info(image["id"], {
            "groundtruth_boxes": corners(rows),
            "groundtruth_classes": np.array([r["category_id"] for r in rows], dtype=int),
            "groundtruth_group_of": np.array(["is_group_of" in r or "iscrowd" in r for r in rows], dtype=bool),
            "groundtruth_image_classes": np.array(listed, dtype=int),
        })  # fmt: skip
        evaluator.add_single_detected_image_info(image["id"], {
            "detection_boxes": corners(found),
            "detection_scores": np.array([r["score"] for r in found], dtype=float),
            "detection_classes": np.array([r["category_id"] for r in found], dtype=int),
        })  # fmt: skip
    metrics = evaluator.evaluate()
    means = [float(v) for name, v in metrics.items() if "mAP" in name]
    per_class = {n.rsplit("/", 1)[1]: None if np.isnan(v) else float(v) for n, v in metrics.items() if "/AP@" in n}
    return {"mAP": means[0], "per_class": per_class}


def main():
    evaluation, expansion = load(Path(sys.argv[1]))
    cases = []
    for plan in PLANS:
        for seed in range(2 if plan[2] > 4 else 3):
            truth, results = draw(seed, plan)
            wider = expanded(truth, expansion) if plan[6] else truth
            cases.append({
                "name": f"{plan[0]}-{seed}", "group_of": plan[5], "hierarchy": TREE if plan[6] else None,
                "truth": truth, "results": results, "expected": answer(wider, results, plan[5], evaluation),
            })  # fmt: skip
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    reference = "tf-models-research-object-detection 2.8.0.post1, OpenImagesChallengeEvaluator"
    TARGET.write_text(f'{{"reference": "{reference}", "cases": [\n{lines}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
