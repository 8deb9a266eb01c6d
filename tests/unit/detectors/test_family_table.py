"""The table of families in the docs says what the program does today."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

ROOT = Path(__file__).resolve().parents[3]


def test_the_table_is_up_to_date_and_every_graph_is_decoded() -> None:
    tool = ROOT / "tools" / "make_family_table.py"
    done = subprocess.run([sys.executable, str(tool), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    page = (ROOT / "docs" / "reference" / "detectors" / "index.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:-1] for line in page.splitlines() if line.startswith("| `")]
    assert len(rows) >= 32
    assert {(cells[2].strip(), cells[3].strip()) for cells in rows} == {("yes", "yes")}
