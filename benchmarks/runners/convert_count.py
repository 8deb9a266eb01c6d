"""Count what a conversion wrote to TARGET: convert_count.py KIND TARGET, where KIND is `coco`, `yolo` or `voc`.

The last line is a JSON list: boxes, and images that have a row, an XML file or a label file, be it empty.
"""

import json
import sys
from pathlib import Path


def count_coco(target):
    """Of a file, or of all files in a folder."""
    files = [target] if target.is_file() else target.rglob("*.json")
    contents = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    return [sum(len(content[name]) for content in contents) for name in ("annotations", "images")]


def count_voc(target):
    """Of all XML files in the folder."""
    boxes = [file.read_bytes().count(b"<object>") for file in target.rglob("*.xml")]
    return [sum(boxes), len(boxes)]


def count_yolo(target):
    """Of all label files in the folder: their rows are five numbers, those of other lists are not."""
    files = ([line.split() for line in file.read_bytes().splitlines()] for file in target.rglob("*.txt"))
    boxes = [len(rows) for rows in files if all(len(row) == 5 and row[0].isdigit() for row in rows)]
    return [sum(boxes), len(boxes)]


kind, target = sys.argv[1:]
print(json.dumps({"coco": count_coco, "voc": count_voc, "yolo": count_yolo}[kind](Path(target))))
