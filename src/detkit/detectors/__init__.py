"""Detectors in ONNX files: find out how a model speaks, prepare images, run it, decode what it says.

One family of models a file; its name is the public name. `_graph` reads the file without running it, `_prepare` turns
an image into the tensor a model wants and boxes back again, `_session` is the only importer of onnxruntime, `_rows`
turns a family's answer into scored boxes, `_run` joins them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from detkit import registry
from detkit.detectors._base import Dense, Family, Output, Probe, Sparse
from detkit.detectors._graph import Graph, Port, read_graph
from detkit.detectors._prepare import Frame, Preparation
from detkit.detectors._recognise import Recognised, recognise

if TYPE_CHECKING:
    from detkit.detectors._bench import BenchPlan, bench_model
    from detkit.detectors._detector import Detector, Request, model_files, open_detector
    from detkit.detectors._devices import runtimes
    from detkit.detectors._images import Pictures, check_every, find_pictures, match_pictures
    from detkit.detectors._inspect import Inspection, inspect_model
    from detkit.detectors._output import Columns, Parts, locked, part_folder, remove_parts, start_parts
    from detkit.detectors._pieces import COCO91
    from detkit.detectors._rows import Choice
    from detkit.detectors._run import Clock, run_chunks
    from detkit.detectors._session import open_session, parse_device
    from detkit.detectors._views import Looks
    from detkit.detectors._workers import run_on

__all__ = [
    "COCO91",
    "BenchPlan",
    "Choice",
    "Clock",
    "Columns",
    "Dense",
    "Detector",
    "Family",
    "Frame",
    "Graph",
    "Inspection",
    "Looks",
    "Output",
    "Parts",
    "Pictures",
    "Port",
    "Preparation",
    "Probe",
    "Recognised",
    "Request",
    "Sparse",
    "bench_model",
    "check_every",
    "find_pictures",
    "inspect_model",
    "locked",
    "match_pictures",
    "model_files",
    "names",
    "open_detector",
    "open_session",
    "parse_device",
    "part_folder",
    "read_graph",
    "recognise",
    "remove_parts",
    "run_chunks",
    "run_on",
    "runtimes",
    "start_parts",
]

_ROOM = "detkit.detectors"

#: The runner's names, loaded when first used: they compile kernels, and looking at a graph needs none.
_HOMES = {
    "_bench": "BenchPlan bench_model",
    "_detector": "Detector Request model_files open_detector",
    "_devices": "runtimes",
    "_inspect": "Inspection inspect_model",
    "_images": "Pictures check_every find_pictures match_pictures",
    "_output": "Columns Parts locked part_folder remove_parts start_parts",
    "_pieces": "COCO91",
    "_rows": "Choice",
    "_run": "Clock run_chunks",
    "_session": "open_session parse_device",
    "_views": "Looks",
    "_workers": "run_on",
}
_HOME_OF = {name: home for home, listed in _HOMES.items() for name in listed.split()}


def __getattr__(name: str) -> Any:
    """The public name, from the module it lives in."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'detkit.detectors' has no attribute {name!r}")
    return getattr(importlib.import_module(f"detkit.detectors.{_HOME_OF[name]}"), name)


def names() -> tuple[str, ...]:
    """Names of all model families."""
    return registry.names(_ROOM)
