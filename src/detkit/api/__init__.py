"""The Python API: joins formats, evaluation, transforms and reports. What the command line calls, too.

Everything here takes paths or tables and returns values; nothing prints. One file a subject: `tables` (read, write,
convert, nms, stats), `scoring`, `gating`, `overlaps`, `ensembling`, `comparing`, `differing`, `inspecting`,
`predicting`, `reporting`, `benching`.
"""

from __future__ import annotations

from detkit.api.benching import bench, runtimes
from detkit.api.comparing import compare, judge_comparison, with_intervals
from detkit.api.differing import diff, judge_diff
from detkit.api.ensembling import ensemble
from detkit.api.exporting import flat_metrics, frame
from detkit.api.gating import Rule, gate, load_baseline, load_result, load_rules, rules_for_gate
from detkit.api.inspecting import inspect_model
from detkit.api.overlaps import BoxOverlaps, iou, write_overlaps
from detkit.api.predicting import Prediction, PredictSettings, predict
from detkit.api.reporting import analyses_of, render_report, report, report_format, report_kinds
from detkit.api.scoring import EvaluationSettings, evaluate, save_matches, write_matches
from detkit.api.suppressing import nms
from detkit.api.suspecting import SuspectExport, export_suspects, suspect_format
from detkit.api.tables import Conversion, convert, read, stats, target_format, write

__all__ = [
    "BoxOverlaps",
    "Conversion",
    "EvaluationSettings",
    "PredictSettings",
    "Prediction",
    "Rule",
    "SuspectExport",
    "analyses_of",
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
    "judge_comparison",
    "judge_diff",
    "load_baseline",
    "load_result",
    "load_rules",
    "nms",
    "predict",
    "read",
    "render_report",
    "report",
    "report_format",
    "report_kinds",
    "rules_for_gate",
    "runtimes",
    "save_matches",
    "stats",
    "suspect_format",
    "target_format",
    "with_intervals",
    "write",
    "write_matches",
    "write_overlaps",
]
