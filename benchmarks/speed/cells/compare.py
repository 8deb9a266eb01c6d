"""Two models on one truth: the difference of their metrics with bootstrap intervals, 1,000 replicates."""

import json

from speed.cell import Cell, Data, Reading, Tool

_REPLICATES = "1000"


def _detkit(stdout: str) -> Reading:
    found = json.loads(stdout)["metrics"]["AP"]
    return Reading([found["delta"], *found["ci"]])


def _hotcoco(stdout: str) -> Reading:
    found = json.loads(stdout)
    interval = found["ci"]["AP"]
    return Reading([found["deltas"]["AP"], interval["lower"], interval["upper"]])


def _interval(values: object, _: object) -> str:
    delta, low, high = values  # type: ignore[misc]
    return f"AP {delta:+.4f} ({low:+.4f} to {high:+.4f})"


def _cell(name: str, images: int, *, is_default: bool) -> Cell:
    return Cell(
        name,
        f"bootstrap of the difference of two models, {images:,} images with 100 detections, 1,000 replicates",
        (
            Tool(
                "detkit compare",
                ("detkit",),
                (
                    *("{scripts}/detkit", "compare", "{truth}", "{predictions}", "{others}", "--format", "json"),
                    *("--bootstrap", _REPLICATES, "--permutations", "0"),
                ),
                _detkit,
            ),
            Tool(
                "hotcoco compare",
                ("hotcoco",),
                (
                    *("{scripts}/coco", "compare", "--json", "--gt", "{truth}", "--dt-a", "{predictions}"),
                    *("--dt-b", "{others}", "--bootstrap", _REPLICATES),
                ),
                _hotcoco,
            ),
        ),
        Data(
            {"truth": "gt.json", "predictions": "dt.json", "others": "dt2.json"},
            images=images,
            synthetic=("--models", "2"),
        ),
        result="difference of B and A",
        verdict=_interval,
        is_exact=False,
        is_default=is_default,
    )


CELLS = (_cell("bootstrap-small", 500, is_default=True), _cell("bootstrap", 5000, is_default=False))
