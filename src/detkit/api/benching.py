"""How fast a detector is, and what runs models on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from detkit.api._detector_request import devices_of, names_of, request_of
from detkit.api._running import Report
from detkit.api.predicting import PredictSettings
from detkit.errors import UsageError

__all__ = ["bench", "runtimes"]


def bench(
    model: str | Path,
    settings: PredictSettings | None = None,
    *,
    batches: Sequence[int] | None = None,
    rounds: int = 50,
    images: str | Path | None = None,
    progress: Report | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """Latency and throughput of an ONNX detector on one device.

    Parameters
    ----------
    model : path-like
    settings : PredictSettings, optional
    batches : sequence of int, optional
        Batch sizes; by default what the model takes.
    rounds : int
        Calls a batch size.
    images : path-like, optional
        By default drawn images of 640 x 480 pixels.
    progress : callable, optional
        Is called with (rounds done, rounds in all).
    **changes
        Fields of `PredictSettings`.

    Returns
    -------
    dict
        Schema `detkit.bench/1`, as the gate reads it.
    """
    from detkit import detectors

    settings = replace(settings or PredictSettings(), **changes)
    devices = devices_of(settings.device)
    if len(devices) > 1:
        raise UsageError(f"bench measures one device; found {', '.join(devices)}")
    request = request_of(model, settings, names_of(model, settings), None)
    plan = detectors.BenchPlan(batches, rounds, images)
    return detectors.bench_model(request, devices[0], plan, progress)


def runtimes() -> dict[str, Any]:
    """What runs models on this machine: wheels, providers that really start, conflicts, CUDA's libraries."""
    from detkit import detectors

    return detectors.runtimes()
