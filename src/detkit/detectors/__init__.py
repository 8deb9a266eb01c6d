"""Detectors in ONNX files: find out how a model speaks, prepare images, run it, decode what it says.

One family of models a file; its name is the public name. `_graph` reads the file without running it, `_prepare` turns
an image into the tensor a model wants and boxes back again, `_session` is the only importer of onnxruntime, `_rows`
turns a family's answer into scored boxes, `_run` joins them.
"""

from __future__ import annotations

from detkit import registry
from detkit.detectors._base import Dense, Family, Output, Probe, Sparse
from detkit.detectors._graph import Graph, Port, read_graph
from detkit.detectors._prepare import Frame, Preparation
from detkit.detectors._recognise import Recognised, recognise

__all__ = [
    "Dense",
    "Family",
    "Frame",
    "Graph",
    "Output",
    "Port",
    "Preparation",
    "Probe",
    "Recognised",
    "Sparse",
    "names",
    "read_graph",
    "recognise",
]

_ROOM = "detkit.detectors"


def names() -> tuple[str, ...]:
    """Names of all model families."""
    return registry.names(_ROOM)
