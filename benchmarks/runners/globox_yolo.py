"""The COCO metrics of DATA_YAML PREDICTIONS in YOLO's form by globox: the last line is one JSON list."""

import json
import sys
from pathlib import Path

from globox import AnnotationSet, COCOEvaluator

folder, predictions = Path(sys.argv[1]).parent, Path(sys.argv[2])
places = {"image_folder": folder / "images" / "val", "image_extension": ".png"}
truth = AnnotationSet.from_yolo_v5(folder / "labels" / "val", **places)
found = COCOEvaluator(ground_truths=truth, predictions=AnnotationSet.from_yolo_v5(predictions, **places))
metrics = [found.ap(), found.ap_50(), found.ap_75(), found.ap_small(), found.ap_medium(), found.ap_large()]
metrics += [found.ar_1(), found.ar_10(), found.ar_100(), found.ar_small(), found.ar_medium(), found.ar_large()]
# Files are read by threads, and equal scores rank in the order in which they come: later digits differ from run to run.
print(json.dumps([round(float(value), 3) for value in metrics]))
