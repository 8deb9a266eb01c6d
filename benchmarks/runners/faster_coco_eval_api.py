"""The metrics of TRUTH PREDICTIONS IOU_TYPE by faster-coco-eval: the last line is one JSON list."""

import json
import sys

from faster_coco_eval import COCO, COCOeval_faster

truth_path, predictions_path, iou_type = sys.argv[1:]
truth = COCO(truth_path)
evaluation = COCOeval_faster(truth, truth.loadRes(predictions_path), iou_type)
evaluation.run()
print(json.dumps([float(value) for value in evaluation.stats]))
