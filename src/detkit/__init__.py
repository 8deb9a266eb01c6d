"""detkit: convert, check and score object detection datasets.

Public names are loaded when first used, so that importing detkit is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from detkit._version import __version__

if TYPE_CHECKING:
    from detkit.api import (
        BoxOverlaps,
        Conversion,
        EvaluationSettings,
        Prediction,
        PredictSettings,
        Rule,
        bench,
        compare,
        convert,
        diff,
        ensemble,
        evaluate,
        export_suspects,
        flat_metrics,
        frame,
        gate,
        inspect_model,
        iou,
        load_result,
        load_rules,
        nms,
        predict,
        read,
        report,
        save_matches,
        stats,
        write,
    )
    from detkit.errors import (
        CannotJudgeError,
        DetkitError,
        InputError,
        InvalidRowsError,
        MissingExtraError,
        OutputError,
        UsageError,
    )
    from detkit.findings import Finding, Loss
    from detkit.kernels.iou import pairwise_iou
    from detkit.tables import Annotations, Categories, Dataset, Detections, Images

__all__ = [
    "Annotations",
    "BoxOverlaps",
    "CannotJudgeError",
    "Categories",
    "Conversion",
    "Dataset",
    "Detections",
    "DetkitError",
    "EvaluationSettings",
    "Finding",
    "Images",
    "InputError",
    "InvalidRowsError",
    "Loss",
    "MissingExtraError",
    "OutputError",
    "PredictSettings",
    "Prediction",
    "Rule",
    "UsageError",
    "__version__",
    "bench",
    "compare",
    "convert",
    "diff",
    "ensemble",
    "evaluate",
    "export_suspects",
    "flat_metrics",
    "frame",
    "gate",
    "inspect_model",
    "iou",
    "load_result",
    "load_rules",
    "nms",
    "pairwise_iou",
    "predict",
    "read",
    "report",
    "save_matches",
    "stats",
    "write",
]

_HOMES = {
    "detkit.api": (
        "BoxOverlaps Conversion EvaluationSettings PredictSettings Prediction Rule bench compare convert "
        "diff ensemble evaluate export_suspects flat_metrics frame gate inspect_model iou load_result "
        "load_rules nms predict read report save_matches stats write"
    ),
    "detkit.errors": (
        "CannotJudgeError DetkitError InputError InvalidRowsError MissingExtraError OutputError UsageError"
    ),
    "detkit.findings": "Finding Loss",
    "detkit.kernels.iou": "pairwise_iou",
    "detkit.tables": "Annotations Categories Dataset Detections Images",
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    """The public name, from the module it lives in."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'detkit' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    """Public names, for completion."""
    return sorted(__all__)
