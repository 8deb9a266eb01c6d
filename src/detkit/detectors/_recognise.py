"""Which family a model is of: what the user says, else the one family that recognises its graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from detkit import registry
from detkit.detectors._base import Probe
from detkit.detectors._graph import Graph
from detkit.errors import InputError

__all__ = ["Recognised", "recognise"]

_ROOM = "detkit.detectors"


@dataclass(frozen=True)
class Recognised:
    """The family of a model and why; `probes` holds what every family said."""

    name: str
    module: Any
    why: str
    probes: dict[str, Probe]


def recognise(graph: Graph, family: str | None = None) -> Recognised:
    """The family of a model.

    Parameters
    ----------
    graph : Graph
    family : str, optional
        Taken without asking.

    Returns
    -------
    Recognised

    Raises
    ------
    UsageError
        Unknown family.
    InputError
        No family fits, or several do; the message says what each one lacked.
    """
    if family is not None:
        return Recognised(family, registry.load(_ROOM, family), "named by the user", {})
    probes = {name: registry.load(_ROOM, name).recognise(graph) for name in registry.names(_ROOM)}
    found = {name: probe for name, probe in probes.items() if probe.matches}
    certain = {name: probe for name, probe in found.items() if probe.certain}
    chosen = certain if len(certain) == 1 else found
    if len(chosen) == 1:
        ((name, probe),) = chosen.items()
        return Recognised(name, registry.load(_ROOM, name), probe.why, probes)
    ports = f"inputs {'; '.join(map(str, graph.inputs))}, outputs {'; '.join(map(str, graph.outputs))}"
    if found:
        reasons = "\n".join(f"  {name}: {probe.why}" for name, probe in found.items())
        raise InputError(f"several families fit ({ports})\n{reasons}", path=graph.path, hint="name one with --family")
    reasons = "\n".join(f"  {name}: {probe.why}" for name, probe in probes.items())
    raise InputError(
        f"no family of detectors recognised ({ports})\n{reasons}", path=graph.path, hint="name one with --family"
    )
