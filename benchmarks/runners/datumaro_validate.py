"""Faults that datumaro finds in the COCO file TRUTH (annotations/instances_val.json); prints how many."""

import json
import subprocess
import sys
from pathlib import Path

folder = Path(sys.argv[1]).parents[1]
command = [Path(sys.executable).with_name("datum"), "validate", "-t", "detection", f"{folder}:coco"]
done = subprocess.run(command, capture_output=True, text=True)
reports = list(Path.cwd().glob("*.json"))
if done.returncode != 0 or not reports:
    sys.exit((done.stderr or "no report").strip().splitlines()[-1])
print(json.dumps([len(json.loads(reports[0].read_text())["validation_reports"])]))
