"""The Python API: joins formats, evaluation, transforms and reports. What the command line calls, too.

Everything here takes paths or tables and returns values; nothing prints. One file a subject: `tables` (read, write,
convert, nms, stats), `scoring`, `gating`, `overlaps`, `ensembling`, `differing`, `inspecting`, `predicting`,
`benching`.
"""

from __future__ import annotations

from detkit.api.benching import bench, runtimes
from detkit.api.differing import diff, judge_diff
from detkit.api.ensembling import ensemble
from detkit.api.gating import Rule, gate, load_baseline, load_result, load_rules, rules_for_gate
from detkit.api.inspecting import inspect_model
from detkit.api.overlaps import BoxOverlaps, iou, write_overlaps
from detkit.api.predicting import Prediction, PredictSettings, predict
from detkit.api.scoring import EvaluationSettings, evaluate, save_matches, write_matches
from detkit.api.tables import Conversion, convert, nms, read, stats, target_format, write

__all__ = [
    "BoxOverlaps",
    "Conversion",
    "EvaluationSettings",
    "PredictSettings",
    "Prediction",
    "Rule",
    "bench",
    "convert",
    "diff",
    "ensemble",
    "evaluate",
    "gate",
    "inspect_model",
    "iou",
    "judge_diff",
    "load_baseline",
    "load_result",
    "load_rules",
    "nms",
    "predict",
    "read",
    "rules_for_gate",
    "runtimes",
    "save_matches",
    "stats",
    "target_format",
    "write",
    "write_matches",
    "write_overlaps",
]
