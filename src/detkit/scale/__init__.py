"""More than one process or machine: shards of evaluations, chunks of predictions and conversions as Dask tasks.

Needs the extra `scale`. Paths travel, never data: every machine must see truth, predictions, images and the folder for
parts under the same paths. Tasks write whole files under names of their own, so one that is run again after its worker
died leaves the same files.
"""

from __future__ import annotations

from detkit.scale.converting import convert
from detkit.scale.engine import run_all
from detkit.scale.evaluating import evaluate
from detkit.scale.predicting import predict

__all__ = ["convert", "evaluate", "predict", "run_all"]
