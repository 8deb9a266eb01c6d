"""Installing the drop-ins, scripts that run with them, and the stand-in for faster_coco_eval."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pycocotools.coco
import pytest

from detkit.compat import install, uninstall
from detkit.errors import UsageError

ROOT = Path(__file__).resolve().parents[3]
TRUTH = ROOT / "fixtures" / "demo" / "coco" / "instances_val.json"
RESULTS = ROOT / "fixtures" / "demo" / "predictions" / "coco.json"

SCRIPT = """
import sys
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
import pycocotools.mask
print(__name__, __file__, sys.argv, sys.path[0] == sys.argv[1], COCO.__module__, pycocotools.mask.__name__)
def fail():
    raise ValueError("in the script")
if sys.argv[2:] == ["fail"]:
    fail()
sys.exit(7)
"""


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "NO_COLOR": "1"}
    command = [sys.executable, "-W", "error", "-m", "detkit.compat", *arguments]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True)


def test_imports_find_the_drop_ins_and_then_the_originals() -> None:
    original = pycocotools.coco
    names = [name for name in sys.modules if name.startswith("faster_coco_eval")]
    try:
        install()
        install()
        from pycocotools.coco import COCO

        assert COCO.__module__ == "detkit.compat.pycocotools.coco"
        assert pycocotools.coco is sys.modules["pycocotools.coco"] is not original
        import faster_coco_eval.core.mask
        from faster_coco_eval import COCOeval_faster
        from faster_coco_eval.core.cocoeval import COCOeval

        assert COCOeval_faster.__module__ == COCOeval.__module__ == "detkit.compat.faster_coco_eval"
        assert faster_coco_eval.core.mask.encode is pycocotools.mask.encode
    finally:
        uninstall()
    assert pycocotools.coco is sys.modules["pycocotools.coco"] is original
    assert [name for name in sys.modules if name.startswith("faster_coco_eval")] == names
    uninstall()


def test_a_script_runs_as_if_it_were_run_alone(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "script.py").write_text(SCRIPT)
    folder = str(tmp_path / "folder")
    done = run("folder/script.py", folder, cwd=tmp_path)
    assert done.returncode == 7, done.stderr
    expected = f"__main__ folder/script.py ['folder/script.py', {folder!r}] True detkit.compat.pycocotools.coco"
    assert done.stdout == f"{expected} pycocotools.mask\n"
    done = run("folder/script.py", folder, "fail", cwd=tmp_path)
    assert done.returncode == 1
    assert [line.strip() for line in done.stderr.splitlines() if line.startswith("  File")] == [
        'File "folder/script.py", line 10, in <module>',
        'File "folder/script.py", line 8, in fail',
    ]
    assert done.stderr.endswith("ValueError: in the script\n")


def test_a_module_runs_and_a_missing_script_is_a_wrong_request(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    assert run("-m", "script", str(tmp_path), cwd=tmp_path).returncode == 7
    done = run("none.py", cwd=tmp_path)
    assert (done.returncode, "no such file: none.py" in done.stderr) == (2, True)


# --- faster_coco_eval


def stand_in(lines: list[str], **options: Any) -> Any:
    from detkit.compat.faster_coco_eval import COCO, COCOeval_faster

    truth = COCO(TRUTH)
    return COCOeval_faster(truth, truth.loadRes(str(RESULTS)), "bbox", print_function=lines.append, **options)


def test_statistics_by_faster_coco_evals_names(capsys: pytest.CaptureFixture[str]) -> None:
    from detkit.compat.pycocotools.coco import COCO
    from detkit.compat.pycocotools.cocoeval import COCOeval

    lines: list[str] = []
    runner = stand_in(lines)
    runner.run()
    assert capsys.readouterr().out == ""
    truth = COCO(TRUTH)
    usual = COCOeval(truth, truth.loadRes(RESULTS), "bbox")
    usual.evaluate()
    usual.accumulate()
    usual.summarize()
    assert runner.stats.tolist() == usual.stats.tolist()
    printed = [line for line in capsys.readouterr().out.splitlines() if "@[" in line]
    assert [line for line in lines if "@[" in line][:12] == printed
    found = runner.stats_as_dict
    sizes = ["small", "medium", "large"]
    assert list(found) == [
        *("AP_all", "AP_50", "AP_75"), *(f"AP_{size}" for size in sizes),
        *("AR_all", "AR_second", "AR_third"), *(f"AR_{size}" for size in sizes), "AR_50", "AR_75",
    ]  # fmt: skip
    recall = usual.eval["recall"][0, :, 0, -1]
    assert found["AR_50"] == np.mean(recall[recall > -1])


def test_own_ranges_and_caps() -> None:
    runner = stand_in([], ranges={"tiny": [0, 500], "rest": [500, 1e10]})
    runner.params.maxDets = [5, 50]
    runner.run()
    names = ["AP_all", "AP_50", "AP_75", "AP_tiny", "AP_rest", "AR_5", "AR_50", "AR_tiny", "AR_rest", "AR_75"]
    assert list(runner.stats_as_dict) == names
    assert runner.all_stats.shape == (11,)


@pytest.mark.parametrize("options", [{"lvis_style": True}, {"extra_calc": True}, {"use_area": False}])
def test_what_is_not_there_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="of faster_coco_eval is not known here"):
        stand_in([], **options)
    with pytest.raises(UsageError, match="`extended_metrics` of faster_coco_eval"):
        _ = stand_in([]).extended_metrics


def test_snake_case_names() -> None:
    from detkit.compat.faster_coco_eval import COCO

    given = {"images": [{"id": 4}], "categories": [{"id": 2, "name": "a"}], "annotations": []}
    truth = COCO(given)
    assert truth.dataset is given
    assert COCO(given, use_deepcopy=True).dataset is not given
    assert (truth.get_img_ids(), truth.get_cat_ids(cat_names=["a"]), truth.get_ann_ids()) == ([4], [2], [])
    assert truth.img_ann_map is truth.imgToAnns
