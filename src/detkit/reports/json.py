"""The result as JSON, schema `detkit.evaluation/1`: full precision, undefined is null."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from detkit.evaluation.gate import GateReport
    from detkit.evaluation.result import Evaluation

__all__ = ["render"]


def render(result: Evaluation, gate: GateReport | None = None) -> str:
    """The result, with the verdict under `gate` when there is one."""
    content = result.to_dict()
    if gate is not None:
        content["gate"] = gate.to_dict()
    return json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
