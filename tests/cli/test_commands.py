"""The program as a process: start-up, exit codes, interruption, kernel cache; and the shape of doctor and warmup."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli import _inputs as make
from cli._run import DEMO, ROOT, command, environment, run, run_process, tree
from detkit._version import __version__

HEAVY = (
    "numba", "onnxruntime", "onnx", "albumentations", "cv2", "pycocotools", "scipy", "matplotlib", "numpy", "PIL",
    "yaml", "msgspec", "pyarrow",
)  # fmt: skip
COMMANDS = ("eval", "gate", "convert", "iou", "nms", "stats", "demo", "doctor", "warmup")


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys\nsys.argv = ['detkit', '--help']\nfrom detkit.cli import main\ntry:\n    main()\n"
        f"finally:\n    print(sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "[]\n")
    for name in COMMANDS:
        assert re.search(rf"^\W*{name}\b", done.stdout, re.MULTILINE), name


def test_importing_detkit_imports_nothing_heavy(tmp_path: Path) -> None:
    code = f"import detkit, sys; print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n"


def test_a_process_says_what_this_process_says(tmp_path: Path) -> None:
    """The tests in this process are worth something only if a shell would see the same bytes."""
    line = ["eval", DEMO / "coco" / "instances_val.json", DEMO / "predictions" / "coco.json", "--require", "AP>=0.6"]
    done, here = run_process(line, tmp_path), run(line, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (here.code, here.stdout, here.stderr)
    assert done.returncode == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_has_an_example(tmp_path: Path, name: str) -> None:
    outcome = run([name, "--help"], tmp_path)
    assert outcome.code == 0
    assert f"Example: detkit {name}" in outcome.stdout
    assert [line for line in outcome.stdout.splitlines() if len(line) > 80] == []


def test_version(tmp_path: Path) -> None:
    assert run(["--version"], tmp_path).stdout == f"detkit {__version__}\n"


def test_no_command_is_a_usage_error_with_help(tmp_path: Path) -> None:
    outcome = run([], tmp_path)
    assert outcome.code == 2
    assert "convert" in outcome.stdout + outcome.stderr


def test_doctor_has_a_line_for_every_package(tmp_path: Path) -> None:
    outcome = run(["doctor"], tmp_path)
    assert outcome.code == 0
    assert outcome.stdout.startswith(f"detkit {__version__}, Python 3.")
    for package in ("numpy", "numba", "pycocotools", "onnxruntime", "pyarrow"):
        assert re.search(rf"^  {package} +(\d[\w.+]*|not installed \(extra: .+\))$", outcome.stdout, re.MULTILINE)
    assert "\nkernel cache: " in outcome.stdout


def test_doctor_names_what_slows_the_kernels(tmp_path: Path) -> None:
    assert "NUMBA_DISABLE_JIT is set" in run(["doctor"], tmp_path, NUMBA_DISABLE_JIT="1").stdout


def test_warmup_counts_kernels(tmp_path: Path) -> None:
    outcome = run(["warmup"], tmp_path)
    assert outcome.code == 0
    found = re.match(r"(\d+) kernels ready in \d+\.\d s \((\d+) compiled, (\d+) from the cache\)\n", outcome.stdout)
    assert found
    assert int(found[1]) == int(found[2]) + int(found[3]) >= 4


def test_demo_keeps_what_it_made(tmp_path: Path) -> None:
    outcome = run(["demo", "-o", "kept"], tmp_path)
    assert outcome.code == 0
    assert {"kept/as-coco", "kept/as-voc"} <= tree(tmp_path)
    assert run(["stats", "kept/as-voc"], tmp_path).stdout.startswith("60 images")


def test_commands_that_the_demo_shows_run_as_they_are(tmp_path: Path) -> None:
    """From a folder that holds the dataset somewhere below, and from one that does not."""
    pytest.importorskip("onnxruntime")
    shown = [line[2:] for line in run(["demo"], tmp_path).stdout.splitlines() if line.startswith("$ ")]
    assert len(shown) == 12
    assert {str(DEMO / "data.yaml")} < {word for line in shown for word in shlex.split(line)}
    codes = []
    for line in shown:
        words = shlex.split(line)
        if words[0] == "echo":
            assert words[2] == ">"
            (tmp_path / words[3]).write_text(words[1] + "\n")
        else:
            codes.append(run(words[1:], tmp_path).code)
    assert codes == [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]  # the gate finds the worse model worse
    below = [line for line in run(["demo"], ROOT).stdout.splitlines() if line.startswith("$ ")]
    assert below[0] == "$ detkit stats fixtures/demo/data.yaml"


def test_conversions_of_the_demo_score_the_same(tmp_path: Path) -> None:
    predictions = DEMO / "predictions" / "yolo"
    scores = []
    for to in ("coco", "voc", "yolo"):
        assert run(["convert", DEMO / "data.yaml", to, "--to", to], tmp_path).code == 0
        text = run(["eval", to, predictions, "--format", "json", "--area", "box"], tmp_path).stdout
        scores.append(json.loads(text)["metrics"])
    assert scores[0] == scores[2]
    assert scores[1]["AP"] == pytest.approx(scores[0]["AP"], abs=1e-9)


def test_outputs_replace_only_when_asked(tmp_path: Path) -> None:
    convert = ["convert", DEMO / "data.yaml", "out", "--to", "yolo"]
    assert [run(convert, tmp_path).code, run(convert, tmp_path).code] == [0, 2]
    (tmp_path / "out" / "labels" / "stray.txt").write_text("")
    assert run([*convert, "--overwrite"], tmp_path).code == 0
    assert "out/labels/stray.txt" not in tree(tmp_path)


def test_folders_made_for_a_failed_output_go_away(tmp_path: Path) -> None:
    make.lay(tmp_path, {"pred.json": make.predictions()})
    assert run(["convert", "pred.json", "a/b/c", "--to", "yolo"], tmp_path).code == 2
    assert tree(tmp_path) == {"pred.json"}


def test_a_baseline_may_be_replaced_by_its_successor(tmp_path: Path) -> None:
    line = ["eval", DEMO / "coco" / "instances_val.json", DEMO / "predictions" / "coco.json", "--format", "json"]
    assert run([*line, "-o", "base.json"], tmp_path).code == 0
    again = [*line, "--require", "AP>=0.5", "--baseline", "base.json", "-o", "base.json", "--overwrite"]
    assert run(again, tmp_path).code == 0


def _large(place: Path, images: int = 20_000) -> None:
    """A conversion that takes long enough to be stopped in the middle."""
    make.lay(
        place,
        {
            "t.json": {
                "images": [{"id": n, "file_name": f"{n}.jpg", "width": 100, "height": 80} for n in range(images)],
                "categories": make.CATEGORIES,
                "annotations": [
                    {"id": n + 1, "image_id": n, "category_id": 1, "bbox": [1, 2, 30, 40], "area": 1200, "iscrowd": 0}
                    for n in range(images)
                ],
            }
        },
    )


def _stopped(place: Path, sign: signal.Signals) -> tuple[int, str]:
    """Start a conversion, and stop it once it writes."""
    process = subprocess.Popen(
        command(["convert", "t.json", "out", "--to", "voc"]),
        cwd=place,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not list(place.glob(".out.*.tmp")) and process.poll() is None and time.monotonic() < deadline:
        os.sched_yield()
    process.send_signal(sign)
    error = process.communicate(timeout=60)[1]
    return process.returncode, error


def test_ctrl_c_is_130_and_leaves_nothing(tmp_path: Path) -> None:
    _large(tmp_path)
    assert _stopped(tmp_path, signal.SIGINT) == (130, "error: interrupted\n")
    assert tree(tmp_path) == {"t.json"}


def test_a_killed_conversion_leaves_no_target(tmp_path: Path) -> None:
    _large(tmp_path)
    code, _ = _stopped(tmp_path, signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    assert run(["convert", "t.json", "out.json", "--to", "coco"], tmp_path).code == 0


def test_an_install_that_cannot_be_written_still_scores(tmp_path: Path) -> None:
    """No cache folder beside the source and none for the user: kernels are compiled in memory."""
    place = tmp_path / "site"
    shutil.copytree(ROOT / "src" / "detkit", place / "detkit", ignore=shutil.ignore_patterns("__pycache__"))
    (place / "detkit" / "kernels" / "__pycache__").write_text("a file where the cache folder would be")
    make.lay(tmp_path, {"truth.json": make.truth(), "pred.json": make.predictions(), "blocked": ""})
    blocked = str(tmp_path / "blocked" / "below-a-file")
    done = run_process(
        ["eval", "truth.json", "pred.json", "--require", "AP>=0.99"],
        tmp_path,
        PYTHONPATH=str(place),
        PYTHONDONTWRITEBYTECODE="1",
        HOME=blocked,
        XDG_CACHE_HOME=blocked,
        NUMBA_CACHE_DIR="",
    )
    assert (done.returncode, done.stderr) == (0, "verdict: passed (1 pass)\n")
    assert "verdict: passed (1 pass)" in done.stdout


def test_a_cache_folder_that_cannot_be_made_still_scores(tmp_path: Path) -> None:
    make.lay(tmp_path, {"truth.json": make.truth(), "pred.json": make.predictions(), "blocked": ""})
    done = run_process(
        ["eval", "truth.json", "pred.json"], tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "blocked" / "below-a-file")
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_an_internal_error_is_code_four_and_names_debug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from detkit import api

    monkeypatch.setattr(api, "stats", lambda *_, **__: 1 / 0)
    outcome = run(["stats", DEMO / "data.yaml"], tmp_path)
    assert outcome.code == 4
    assert outcome.stderr.startswith("error: a bug in detkit: ZeroDivisionError: division by zero\nhint: ")
    with pytest.raises(ZeroDivisionError):
        run(["--debug", "stats", DEMO / "data.yaml"], tmp_path)


def test_out_of_memory_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from detkit import api

    def full(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(api, "stats", full)
    outcome = run(["stats", DEMO / "data.yaml"], tmp_path)
    assert (outcome.code, outcome.stderr.splitlines()[0]) == (2, "error: out of memory")
