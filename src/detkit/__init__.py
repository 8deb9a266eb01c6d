"""detkit: convert, check and score object detection datasets.

Public names are loaded when first used, so that importing detkit is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from detkit._version import __version__

if TYPE_CHECKING:
    from detkit.api import (
        AugmentSettings,
        BoxOverlaps,
        CheckResult,
        CheckSettings,
        Conversion,
        CropSettings,
        DedupeSettings,
        DrawSettings,
        EvaluationSettings,
        FrameSettings,
        JoinSettings,
        Prediction,
        PredictSettings,
        Rule,
        TileSettings,
        augment,
        bench,
        check,
        compare,
        convert,
        crops,
        decode_targets,
        dedupe,
        diff,
        diff_datasets,
        draw,
        encode_targets,
        ensemble,
        evaluate,
        export_anchors,
        export_suspects,
        filter,  # noqa: A004
        find_anchors,
        flat_metrics,
        frame,
        frames,
        gate,
        inspect_model,
        iou,
        join_tiles,
        load_result,
        load_rules,
        mend,
        mend_in_place,
        merge,
        nms,
        predict,
        read,
        remap,
        report,
        sample,
        save_matches,
        save_targets,
        split,
        stats,
        tile,
        undo,
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
    "AugmentSettings",
    "BoxOverlaps",
    "CannotJudgeError",
    "Categories",
    "CheckResult",
    "CheckSettings",
    "Conversion",
    "CropSettings",
    "Dataset",
    "DedupeSettings",
    "Detections",
    "DetkitError",
    "DrawSettings",
    "EvaluationSettings",
    "Finding",
    "FrameSettings",
    "Images",
    "InputError",
    "InvalidRowsError",
    "JoinSettings",
    "Loss",
    "MissingExtraError",
    "OutputError",
    "PredictSettings",
    "Prediction",
    "Rule",
    "TileSettings",
    "UsageError",
    "__version__",
    "augment",
    "bench",
    "check",
    "compare",
    "convert",
    "crops",
    "decode_targets",
    "dedupe",
    "diff",
    "diff_datasets",
    "draw",
    "encode_targets",
    "ensemble",
    "evaluate",
    "export_anchors",
    "export_suspects",
    "filter",
    "find_anchors",
    "flat_metrics",
    "frame",
    "frames",
    "gate",
    "inspect_model",
    "iou",
    "join_tiles",
    "load_result",
    "load_rules",
    "mend",
    "mend_in_place",
    "merge",
    "nms",
    "pairwise_iou",
    "predict",
    "read",
    "remap",
    "report",
    "sample",
    "save_matches",
    "save_targets",
    "split",
    "stats",
    "tile",
    "undo",
    "write",
]

_HOMES = {
    "detkit.api": (
        "AugmentSettings BoxOverlaps CheckResult CheckSettings Conversion CropSettings DedupeSettings "
        "DrawSettings EvaluationSettings FrameSettings JoinSettings PredictSettings Prediction Rule TileSettings "
        "augment bench check compare convert crops decode_targets dedupe diff diff_datasets draw encode_targets "
        "ensemble evaluate export_anchors export_suspects filter find_anchors flat_metrics frame frames gate "
        "inspect_model iou join_tiles load_result load_rules mend mend_in_place merge nms predict read remap report "
        "sample save_matches save_targets split stats tile undo write"
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
