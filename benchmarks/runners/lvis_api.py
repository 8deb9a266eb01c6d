"""The LVIS metrics of TRUTH PREDICTIONS by lvis: the last line is one JSON list."""

import json
import sys

import numpy as np

np.float = float  # the package uses a name that NumPy dropped
from lvis import LVISEval  # noqa: E402

evaluation = LVISEval(*sys.argv[1:], "bbox")
evaluation.run()
print(json.dumps([float(value) for value in evaluation.results.values()]))
