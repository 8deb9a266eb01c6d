"""The metrics of TRUTH PREDICTIONS IOU_TYPE by detkit's Python API: one JSON list, -1 where undefined."""

import json
import sys

import detkit

truth, predictions, iou_type = sys.argv[1:]
metrics = detkit.evaluate(truth, predictions, iou_type=iou_type).metrics
print(json.dumps([-1.0 if value is None else value for value in metrics.values()]))
