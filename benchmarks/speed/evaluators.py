"""The COCO evaluators, as tools of a cell with truth and predictions in COCO's form."""

from __future__ import annotations

from speed.cell import METRICS, Tool, metrics_of, read_last, runner

REFERENCE = "pycocotools"
_PLACES = ("{truth}", "{predictions}")


def _hotcoco_names(iou_type: str) -> list[str]:
    """The names in hotcoco's JSON, which calls the size ranges s, m and l."""
    return [name.replace("small", "s").replace("medium", "m").replace("large", "l") for name in METRICS[iou_type]]


def evaluators(iou_type: str, *, without: tuple[str, ...] = ()) -> tuple[Tool, ...]:
    """Every tool that finds the COCO metrics; those named in `without` would take too long."""
    detkit = ("{scripts}/detkit", "eval", "--format", "json", "--iou-type", iou_type, *_PLACES)
    hotcoco = ("{scripts}/coco", "eval", "--json", "--iou-type", iou_type, "--gt", "{truth}", "--dt", "{predictions}")
    scripts = {
        "ultrafast-pycocotools API": ("ultrafast-pycocotools", "ultrafast_pycocotools_api.py"),
        "hotcoco API": ("hotcoco", "hotcoco_api.py"),
        "faster-coco-eval": ("faster-coco-eval", "faster_coco_eval_api.py"),
        "pycocotools": ("pycocotools", "pycocotools_api.py"),
    }
    found = {
        name: Tool(name, (package,), runner(script, *_PLACES, iou_type), read_last)
        for name, (package, script) in scripts.items()
    }
    all_tools = (
        Tool("detkit CLI", ("detkit",), detkit, metrics_of(METRICS[iou_type])),
        Tool("detkit API", ("detkit",), runner("detkit_api.py", *_PLACES, iou_type), read_last),
        found["ultrafast-pycocotools API"],
        found["hotcoco API"],
        Tool("hotcoco CLI", ("hotcoco",), hotcoco, metrics_of(_hotcoco_names(iou_type))),
        found["faster-coco-eval"],
        found["pycocotools"],
    )
    return tuple(tool for tool in all_tools if tool.name not in without)
