"""Checking a data set for faults. Each tool looks for faults of its own, so what they find is not compared."""

import json

from speed.cell import Cell, Data, Reading, Tool, counted, read_last, runner


def _findings(stdout: str) -> Reading:
    return Reading([float(len(json.loads(stdout)["findings"]))])


def _healthcheck(stdout: str) -> Reading:
    found = json.loads(stdout)
    return Reading([float(len(found["errors"]) + len(found["warnings"]))])


CELLS = (
    Cell(
        "check",
        "faults of a COCO file, 20,000 images",
        (
            Tool(
                "detkit CLI",
                ("detkit",),
                ("{scripts}/detkit", "check", "--format", "json", "--max-per-code", "0", "{truth}"),
                _findings,
                accepts=(0, 1),
            ),
            Tool(
                "hotcoco healthcheck",
                ("hotcoco",),
                ("{scripts}/coco", "healthcheck", "--json", "{truth}"),
                _healthcheck,
                accepts=(0, 1),
            ),
            Tool(
                "datumaro validate",
                ("datumaro", "tensorboardX", "tabulate", "scipy", "matplotlib"),
                runner("datumaro_validate.py", "{truth}"),
                read_last,
            ),
        ),
        Data({"truth": "annotations/instances_val.json"}, images=20_000, synthetic=("--kind", "truth")),
        result="findings",
        verdict=counted("findings"),
        is_exact=False,
    ),
)
