"""The metrics of TRUTH PREDICTIONS IOU_TYPE by pycocotools: the last line is one JSON list."""

import json
import sys

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

truth_path, predictions_path, iou_type = sys.argv[1:]
truth = COCO(truth_path)
evaluation = COCOeval(truth, truth.loadRes(predictions_path), iou_type)
evaluation.evaluate()
evaluation.accumulate()
evaluation.summarize()
print(json.dumps([float(value) for value in evaluation.stats]))
