"""What is measured: the tools, the data cells and the start-up commands. To add one, add its row here."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

#: Metric names in the order of pycocotools' `stats`, by IoU type; boxes and masks have the same twelve.
_TWELVE = (
    *("AP", "AP50", "AP75", "APsmall", "APmedium", "APlarge"),
    *("AR1", "AR10", "AR100", "ARsmall", "ARmedium", "ARlarge"),
)
_TEN = ("AP", "AP50", "AP75", "APmedium", "APlarge", "AR", "AR50", "AR75", "ARmedium", "ARlarge")
METRICS = {"bbox": _TWELVE, "segm": _TWELVE, "keypoints": _TEN}


def read_list(stdout: str, iou_type: str) -> list[float]:
    """Metrics from the last line, where a runner script prints them as a JSON list."""
    values = [float(value) for value in json.loads(stdout.rstrip().splitlines()[-1])]
    if len(values) != len(METRICS[iou_type]):
        raise ValueError(f"{len(values)} metrics, expected {len(METRICS[iou_type])}")
    return values


def read_detkit(stdout: str, iou_type: str) -> list[float]:
    """Metrics from `detkit eval --format json`; undefined (null) is -1, as in pycocotools."""
    return _by_name(json.loads(stdout)["metrics"], METRICS[iou_type])


def read_hotcoco(stdout: str, iou_type: str) -> list[float]:
    """Metrics from `coco eval --json`, whose size ranges are named s, m and l."""
    names = [name.replace("small", "s").replace("medium", "m").replace("large", "l") for name in METRICS[iou_type]]
    return _by_name(json.loads(stdout)["metrics"], names)


def _by_name(metrics: dict[str, Any], names: list[str] | tuple[str, ...]) -> list[float]:
    return [-1.0 if metrics[name] is None else float(metrics[name]) for name in names]


@dataclass(frozen=True)
class Tool:
    """One way to get the metrics of two COCO files.

    Parameters
    ----------
    name : str
        As it stands in the report.
    package : str
        Distribution it needs, as pinned in `peers.txt`; `detkit` for our own environment.
    command : tuple of str
        `{python}` and `{scripts}` are of the tool's environment, `{runners}`, `{truth}`, `{predictions}`, `{iou_type}`
        of this run.
    read : callable
        `(stdout, iou_type)` to the metrics.
    """

    name: str
    package: str
    command: tuple[str, ...]
    read: Callable[[str, str], list[float]] = read_list


@dataclass(frozen=True)
class Cell:
    """One pair of files. `source` is `generated` (`images` of them) or a folder of the shared data."""

    name: str
    title: str
    iou_type: str
    source: str = "generated"
    truth: str = "gt.json"
    predictions: str = "dt.json"
    images: int = 0


@dataclass(frozen=True)
class Command:
    """One start-up command. With `cell`, the first detkit tool runs on that cell, with an empty kernel cache."""

    name: str
    command: tuple[str, ...] = ()
    cell: str | None = None


def _runner(script: str) -> tuple[str, ...]:
    return ("{python}", "{runners}/" + script, "{truth}", "{predictions}", "{iou_type}")


_DETKIT = ("{scripts}/detkit", "eval", "--format", "json", "--iou-type", "{iou_type}", "{truth}", "{predictions}")
_HOTCOCO = ("{scripts}/coco", "eval", "--json", "--iou-type", "{iou_type}", "--gt", "{truth}", "--dt", "{predictions}")

#: The first is what ratios are relative to.
TOOLS = (
    Tool("detkit CLI", "detkit", _DETKIT, read_detkit),
    Tool("detkit API", "detkit", _runner("detkit_api.py")),
    Tool("ultrafast-pycocotools API", "ultrafast-pycocotools", _runner("ultrafast_pycocotools_api.py")),
    Tool("hotcoco API", "hotcoco", _runner("hotcoco_api.py")),
    Tool("hotcoco CLI", "hotcoco", _HOTCOCO, read_hotcoco),
    Tool("faster-coco-eval", "faster-coco-eval", _runner("faster_coco_eval_api.py")),
    Tool("pycocotools", "pycocotools", _runner("pycocotools_api.py")),
)
BASELINE, REFERENCE = TOOLS[0].name, "pycocotools"

CELLS = (
    Cell("val2017", "boxes, the size of COCO val2017", "bbox", images=5000),
    Cell("val2017-small", "boxes, 100 images of the same kind", "bbox", images=100),
    Cell("coco14-bbox", "boxes, 100 real images", "bbox", "coco14_100", "instances.json", "bbox_results.json"),
    Cell("coco14-segm", "masks, 100 real images", "segm", "coco14_100", "instances.json", "segm_results.json"),
    Cell(
        *("coco14-keypoints", "keypoints, 100 real images", "keypoints", "coco14_100"),
        *("person_keypoints.json", "keypoints_results.json"),
    ),
)

STARTUP = (
    Command("`python -c pass`", ("{python}", "-c", "pass")),
    Command('`python -c "import typer, rich"`', ("{python}", "-c", "import typer, rich")),
    Command("`detkit --help`", ("{scripts}/detkit", "--help")),
    Command("first `detkit eval` ever: empty kernel cache, coco14-bbox", cell="coco14-bbox"),
)
#: Name of the start-up table for `--only`.
STARTUP_NAME = "startup"
