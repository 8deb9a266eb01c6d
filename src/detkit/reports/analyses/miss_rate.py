"""Miss rates as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from detkit.reports._table import number
from detkit.reports._tables import Table
from detkit.wording import plural

__all__ = ["tables"]


def tables(found: Mapping[str, Any]) -> list[Table]:
    """What recall costs over all classes, then the classes, the highest log-average miss rate first."""
    overall = found["overall"]
    recalls = overall["recalls"] or []
    beyond = any(row["fppi"] is None for row in recalls)
    costs = [[f"{row['recall']:g}", number(row["fppi"]), number(row["score_threshold"])] for row in recalls]
    classes = sorted(
        found["classes"],
        key=lambda row: (row["log_average_miss_rate"] is None, -(row["log_average_miss_rate"] or 0.0)),
    )
    return [
        Table(
            f"false positives per image (FPPI) that a recall costs, all classes, IoU >= {found['iou_threshold']:g}",
            ["recall >=", "FPPI", "score >="],
            costs,
            notes=["no threshold reaches the recalls without figures"] if beyond else [],
        ),
        Table(
            f"log-average miss rate over {plural(found['images'], 'image')}, IoU >= {found['iou_threshold']:g}",
            ["class (worst first)", "truths", "log-average", "miss rate", "FPPI"],
            [_row("all classes", overall), *(_row(row["name"], row) for row in classes)],
            notes=[
                f"mean of classes {number(found['log_average_miss_rate'])}; miss rate and FPPI are at score >= "
                f"{found['score_threshold']:.4g}"
            ],
        ),
    ]


def _row(name: str, row: Mapping[str, Any]) -> list[str]:
    return [
        name,
        str(row["truths"]),
        number(row["log_average_miss_rate"]),
        number(row["miss_rate"]),
        number(row["fppi"]),
    ]
