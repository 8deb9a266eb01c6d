"""The Python API: joins formats, evaluation, transforms and reports. What the command line calls, too.

Everything here takes paths or tables and returns values; nothing prints. One file a subject, as `_HOMES` lists them;
what every verb on a dataset shares is in `verbs`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from detkit.api._marks import Look
    from detkit.api.anchoring import decode_targets, encode_targets, export_anchors, find_anchors, save_targets
    from detkit.api.augmenting import AugmentSettings, augment
    from detkit.api.benching import bench, runtimes
    from detkit.api.checking import CheckResult, CheckSettings, Mending, check, check_settings, mend, mend_in_place
    from detkit.api.comparing import compare, judge_comparison, with_intervals
    from detkit.api.converting import Conversion, convert
    from detkit.api.cropping import Crops, CropSettings, crops
    from detkit.api.deduping import DedupeSettings, dedupe
    from detkit.api.differing import diff, diff_datasets, diff_kind, diff_listing, judge_diff
    from detkit.api.drawing import Drawn, DrawSettings, draw
    from detkit.api.ensembling import ensemble
    from detkit.api.exporting import flat_metrics, frame
    from detkit.api.framing import Frames, FrameSettings, frames
    from detkit.api.gating import (
        Rule,
        find_rules,
        gate,
        load_baseline,
        load_result,
        load_rules,
        naming_rules,
        read_rules,
        refuse_unknown_metrics,
    )
    from detkit.api.inspecting import inspect_model
    from detkit.api.merging import merge
    from detkit.api.overlaps import BoxOverlaps, iou, write_overlaps
    from detkit.api.predicting import Prediction, PredictSettings, predict
    from detkit.api.reporting import analyses_of, render_report, report, report_format, report_kinds
    from detkit.api.scoring import EvaluationSettings, evaluate, save_matches, write_matches
    from detkit.api.selecting import filter, remap, sample  # noqa: A004 - the verb of the command line
    from detkit.api.sharding import evaluate_in_shards, evaluate_shard, merge_results
    from detkit.api.splitting import split
    from detkit.api.suppressing import nms
    from detkit.api.suspecting import SuspectExport, export_suspects, suspect_format
    from detkit.api.tables import read, stats, target_format, write
    from detkit.api.tiling import JoinSettings, TileSettings, join_tiles, read_tile_index, tile
    from detkit.api.undoing import Undone, undo

__all__ = [
    "AugmentSettings",
    "BoxOverlaps",
    "CheckResult",
    "CheckSettings",
    "Conversion",
    "CropSettings",
    "Crops",
    "DedupeSettings",
    "DrawSettings",
    "Drawn",
    "EvaluationSettings",
    "FrameSettings",
    "Frames",
    "JoinSettings",
    "Look",
    "Mending",
    "PredictSettings",
    "Prediction",
    "Rule",
    "SuspectExport",
    "TileSettings",
    "Undone",
    "analyses_of",
    "augment",
    "bench",
    "check",
    "check_settings",
    "compare",
    "convert",
    "crops",
    "decode_targets",
    "dedupe",
    "diff",
    "diff_datasets",
    "diff_kind",
    "diff_listing",
    "draw",
    "encode_targets",
    "ensemble",
    "evaluate",
    "evaluate_in_shards",
    "evaluate_shard",
    "export_anchors",
    "export_suspects",
    "filter",
    "find_anchors",
    "find_rules",
    "flat_metrics",
    "frame",
    "frames",
    "gate",
    "inspect_model",
    "iou",
    "join_tiles",
    "judge_comparison",
    "judge_diff",
    "load_baseline",
    "load_result",
    "load_rules",
    "mend",
    "mend_in_place",
    "merge",
    "merge_results",
    "naming_rules",
    "nms",
    "predict",
    "read",
    "read_rules",
    "read_tile_index",
    "refuse_unknown_metrics",
    "remap",
    "render_report",
    "report",
    "report_format",
    "report_kinds",
    "runtimes",
    "sample",
    "save_matches",
    "save_targets",
    "split",
    "stats",
    "suspect_format",
    "target_format",
    "tile",
    "undo",
    "with_intervals",
    "write",
    "write_matches",
    "write_overlaps",
]

#: Module -> its public names: loaded when first used, since a command needs few of them.
_HOMES = {
    "_marks": "Look",
    "anchoring": "decode_targets encode_targets export_anchors find_anchors save_targets",
    "augmenting": "AugmentSettings augment",
    "benching": "bench runtimes",
    "checking": "CheckResult CheckSettings Mending check check_settings mend mend_in_place",
    "comparing": "compare judge_comparison with_intervals",
    "converting": "Conversion convert",
    "cropping": "CropSettings Crops crops",
    "deduping": "DedupeSettings dedupe",
    "differing": "diff diff_datasets diff_kind diff_listing judge_diff",
    "drawing": "DrawSettings Drawn draw",
    "ensembling": "ensemble",
    "exporting": "flat_metrics frame",
    "framing": "FrameSettings Frames frames",
    "gating": "Rule find_rules gate load_baseline load_result load_rules naming_rules read_rules "
    "refuse_unknown_metrics",
    "inspecting": "inspect_model",
    "merging": "merge",
    "overlaps": "BoxOverlaps iou write_overlaps",
    "predicting": "PredictSettings Prediction predict",
    "reporting": "analyses_of render_report report report_format report_kinds",
    "scoring": "EvaluationSettings evaluate save_matches write_matches",
    "selecting": "filter remap sample",
    "sharding": "evaluate_in_shards evaluate_shard merge_results",
    "splitting": "split",
    "suppressing": "nms",
    "suspecting": "SuspectExport export_suspects suspect_format",
    "tables": "read stats target_format write",
    "tiling": "JoinSettings TileSettings join_tiles read_tile_index tile",
    "undoing": "Undone undo",
}
_HOME_OF = {name: home for home, listed in _HOMES.items() for name in listed.split()}


def __getattr__(name: str) -> Any:
    """The public name, from the module it lives in."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'detkit.api' has no attribute {name!r}")
    return getattr(importlib.import_module(f"detkit.api.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    """Public names, for completion."""
    return sorted(__all__)
