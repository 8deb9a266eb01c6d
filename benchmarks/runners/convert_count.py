"""Run COMMAND, then count the boxes it wrote to TARGET: convert_count.py KIND TARGET COMMAND...

KIND is `coco`, `yolo` or `voc`. The last line is a JSON object with the count and the seconds of the command alone, so
that counting, which is ours, is not held against a tool.
"""

import json
import subprocess
import sys
import time
from pathlib import Path


def boxes_in(kind: str, target: Path) -> int:
    """How many boxes a written data set holds."""
    if kind == "coco":
        return len(json.loads(target.read_text(encoding="utf-8"))["annotations"])
    if kind == "voc":
        return sum(file.read_bytes().count(b"<object>") for file in target.rglob("*.xml"))
    # A row of a label file is five numbers; lists of images and of class names are not.
    rows = (line.split() for file in target.rglob("*.txt") for line in file.read_bytes().splitlines())
    return sum(len(row) == 5 and row[0].isdigit() for row in rows)


kind, target, *command = sys.argv[1:]
started = time.perf_counter()
done = subprocess.run(command, capture_output=True, text=True)
seconds = time.perf_counter() - started
if done.returncode != 0:
    sys.exit(((done.stderr or done.stdout).strip() or "no message").splitlines()[-1])
print(json.dumps({"values": [boxes_in(kind, Path(target))], "inside": seconds}))
