"""The LVIS metrics of TRUTH PREDICTIONS by hotcoco: the last line is one JSON list."""

import json
import sys

from hotcoco import COCO, COCOeval

NAMES = ["AP", "AP50", "AP75", "APs", "APm", "APl", "APr", "APc", "APf", "AR@300", "ARs@300", "ARm@300", "ARl@300"]
truth = COCO(sys.argv[1])
evaluation = COCOeval(truth, truth.loadRes(sys.argv[2]), "bbox", lvis_style=True)
evaluation.run()
found = evaluation.get_results()
print(json.dumps([float(found[name]) for name in NAMES]))
