"""The guard by instruction counts: its verdicts, and what it says where nothing can be counted."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
if str(BENCHMARKS) not in sys.path:
    sys.path.insert(0, str(BENCHMARKS))

instructions = importlib.import_module("instructions")


def _main(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, counts: dict[str, int], *words: str, machine: str = "here"
) -> int:
    baseline = tmp_path / "instructions.json"
    if not baseline.exists():
        baseline.write_text(json.dumps({"machine": machine, "instructions": {"iou": 1000, "nms": 1000}}))
    monkeypatch.setattr(instructions, "BASELINE", baseline)
    monkeypatch.setattr(instructions, "count", lambda _: counts)
    monkeypatch.setattr(instructions.shutil, "which", lambda _: "valgrind")
    monkeypatch.setattr(instructions.platform, "machine", lambda: "here")
    monkeypatch.setattr(sys, "argv", ["instructions.py", *words])
    return instructions.main()


def test_more_instructions_than_the_tolerance_allows_is_exit_1(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _main(monkeypatch, tmp_path, {"iou": 1050, "nms": 500, "new": 7}) == 0
    assert "+5.0%" in capsys.readouterr().out
    assert _main(monkeypatch, tmp_path, {"iou": 1051, "nms": 1000}) == 1
    shown = capsys.readouterr()
    assert "iou executes more than 5% above" in shown.err
    assert "nms" not in shown.err
    assert _main(monkeypatch, tmp_path, {"iou": 1051}, "--tolerance", "0.1") == 0


def test_update_keeps_the_figures_of_kernels_that_were_not_counted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert _main(monkeypatch, tmp_path, {"iou": 2000}, "--only", "iou", "--update") == 0
    assert json.loads((tmp_path / "instructions.json").read_text())["instructions"] == {"iou": 2000, "nms": 1000}


def test_without_valgrind_or_on_another_architecture_nothing_is_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _main(monkeypatch, tmp_path, {"iou": 9999}, machine="elsewhere") == 0
    assert capsys.readouterr().out == "not measured: the baseline is of elsewhere, this is here\n"
    monkeypatch.setattr(instructions.shutil, "which", lambda _: None)
    assert instructions.main() == 0
    assert capsys.readouterr().out == "not measured: valgrind is not installed\n"


def test_counts_are_those_between_the_marks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fake(command: list[str], _: dict[str, str]) -> str:
        out = next((word.partition("=")[2] for word in command if word.startswith("--callgrind-out-file")), None)
        for number in range(1, 5) if out else ():
            Path(f"{out}.{number}").write_text(f"events: Ir\nsummary: {number * 100}\n")
        return "iou\nnms\n"

    monkeypatch.setattr(instructions, "_run", fake)
    assert instructions.count([]) == {"iou": 200, "nms": 400}


def test_the_committed_baseline_has_a_figure_for_every_kernel_that_is_called() -> None:
    known = json.loads(instructions.BASELINE.read_text(encoding="utf-8"))
    text = instructions.WORKER.read_text(encoding="utf-8")
    assert known["instructions"].keys() == {
        line.split('"')[1] for line in text.splitlines() if line.startswith('        "') and "lambda" in line
    }
    assert all(isinstance(count, int) and count > 0 for count in known["instructions"].values())
