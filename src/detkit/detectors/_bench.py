"""How fast a detector is: latency of one call, stage by stage, and throughput over batch sizes."""

from __future__ import annotations

import io
import itertools
import platform
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from detkit.detectors._detector import Detector, Request, open_detector
from detkit.detectors._images import find_pictures, load_image
from detkit.detectors._masks import has_masks, masks_of
from detkit.detectors._prepare import Frame, prepare
from detkit.detectors._rows import finish
from detkit.errors import InputError, UsageError

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["BenchPlan", "bench_model"]

STAGES = ("read", "prepare", "infer", "decode")
_WARM_UP = 3
_SYNTHETIC = 4
_MOST_IMAGES = 64


@dataclass(frozen=True)
class BenchPlan:
    """What is measured.

    Parameters
    ----------
    batches : sequence of int, optional
        By default what the model takes: its own batch size, else 1.
    rounds : int
        Calls a batch size, after three that do not count.
    images : path-like, optional
        By default drawn ones of 640 x 480 pixels.
    seed : int
        Of the drawn images.
    """

    batches: Sequence[int] | None = None
    rounds: int = 50
    images: str | Path | None = None
    seed: int = 0


def bench_model(
    request: Request, device: str, plan: BenchPlan, report: Callable[[int, int], None] | None = None
) -> dict[str, Any]:
    """Measurements of one model on one device, schema `detkit.bench/1`.

    Parameters
    ----------
    request : Request
    device : str
        One entry of `parse_device`.
    plan : BenchPlan
    report : callable, optional
        Is told (rounds done, rounds in all).

    Returns
    -------
    dict
        `latency` is that of the first batch size, from a prepared tensor to the model's answer; `end_to_end_...` goes
        from the image file's bytes to scored boxes. All in milliseconds a call, one call at a time.

    Raises
    ------
    UsageError, InputError
        As `open_detector`; no rounds, or no readable image.
    """
    if plan.rounds < 1:
        raise UsageError(f"rounds: found {plan.rounds}, expected 1 or more")
    if not request.looks.is_plain or request.looks.draft:
        raise UsageError("bench measures one look at an image: no tiles, tta, rect letterbox or draft")
    sources = _sources(plan)
    sizes: Sequence[int | None] = list(dict.fromkeys(plan.batches)) if plan.batches else [None]
    results = []
    detector: Detector | None = None
    for position, batch in enumerate(sizes):
        # One call at a time: a session without lanes has all threads for one call.
        detector = open_detector(replace(request, batch=batch), device, single=True)
        seconds = _measured(detector, sources, plan.rounds, position * plan.rounds, len(sizes) * plan.rounds, report)
        results.append(_row(detector.batch, seconds))
    assert detector is not None
    first = results[0]
    latency = {key: first[key] for key in ("median_ms", "p95_ms", "end_to_end_median_ms", "end_to_end_p95_ms")}
    fastest = max(results, key=lambda row: float(row["images_per_second"]))
    return {
        "schema": "detkit.bench/1",
        "model": {"path": request.model, "family": detector.recognised.name, "input": list(detector.size)},
        "device": fingerprint(detector),
        "rounds": plan.rounds,
        "images": {"source": str(plan.images) if plan.images is not None else "drawn, 640x480", "count": len(sources)},
        "latency": {"batch": first["batch"], **latency},
        "throughput": {k: fastest[k] for k in ("batch", "images_per_second")},
        "batches": results,
    }


def _sources(plan: BenchPlan) -> list[bytes]:
    """Image files in memory: the disk is not what is measured."""
    if plan.images is not None:
        paths = [p for p in find_pictures(plan.images).paths if p is not None][:_MOST_IMAGES]
        found = []
        for path in paths:
            try:
                load_image(path)
                found.append(Path(path).read_bytes())
            except InputError:
                continue
        if not found:
            raise InputError("no readable image", path=plan.images)
        return found
    return [_drawn(np.random.default_rng(plan.seed + i)) for i in range(_SYNTHETIC)]


def _drawn(random: np.random.Generator) -> bytes:
    from PIL import Image

    coarse = Image.fromarray(random.integers(0, 256, (15, 20, 3), dtype=np.uint8))
    out = io.BytesIO()
    coarse.resize((640, 480), Image.Resampling.BICUBIC).save(out, "JPEG", quality=90)
    return out.getvalue()


def _measured(
    detector: Detector,
    sources: Sequence[bytes],
    rounds: int,
    before: int,
    total: int,
    report: Callable[[int, int], None] | None,
) -> dict[str, list[float]]:
    """Seconds of each stage in each round."""
    seconds: dict[str, list[float]] = {stage: [] for stage in STAGES}
    buffer = detector.buffer()
    for number in range(-_WARM_UP, rounds):
        chosen = [sources[(number * detector.batch + i) % len(sources)] for i in range(detector.batch)]
        spent = _round(detector, buffer, chosen)
        if number < 0:
            continue
        for stage, value in zip(STAGES, spent, strict=True):
            seconds[stage].append(value)
        if report is not None:
            report(before + number + 1, total)
    return seconds


def _round(detector: Detector, buffer: Any, sources: Sequence[bytes]) -> list[float]:
    marks = [time.perf_counter()]
    images: list[Image.Image] = [load_image(io.BytesIO(content)) for content in sources]
    marks.append(time.perf_counter())
    frames: list[Frame] = [prepare(image, detector.preparation, buffer[place])[1] for place, image in enumerate(images)]
    marks.append(time.perf_counter())
    outputs = detector.infer(buffer, frames)
    marks.append(time.perf_counter())
    for output, frame in zip(detector.decode(outputs, frames), frames, strict=True):
        rows = finish(output, frame, detector.request.choice, needs_nms=detector.needs_nms)
        if has_masks(output):
            masks_of(output, rows, frame)
    marks.append(time.perf_counter())
    return [late - early for early, late in itertools.pairwise(marks)]


def _row(batch: int, seconds: dict[str, list[float]]) -> dict[str, Any]:
    infer = np.array(seconds["infer"]) * 1000
    whole = np.sum([seconds[stage] for stage in STAGES], axis=0) * 1000
    return {
        "batch": batch,
        "median_ms": float(np.median(infer)),
        "p95_ms": float(np.percentile(infer, 95)),
        "end_to_end_median_ms": float(np.median(whole)),
        "end_to_end_p95_ms": float(np.percentile(whole, 95)),
        "images_per_second": float(batch / np.median(infer) * 1000),
        "end_to_end_images_per_second": float(batch / np.median(whole) * 1000),
        "stages_ms": {stage: float(np.median(seconds[stage]) * 1000) for stage in STAGES},
    }


def fingerprint(detector: Detector) -> dict[str, Any]:
    """What the figures hold for: processor or GPU, system, onnxruntime and its provider."""
    session = detector.session
    found = {
        "device": session.device,
        "provider": session.provider,
        "processor": _processor(),
        "processors": _count(),
        "system": f"{platform.system()} {platform.machine()}",
        **session.versions(),
    }
    if session.device.startswith(("cuda", "tensorrt")):
        found["gpu"] = _gpu(session.device.partition(":")[2])
    return found


def _count() -> int:
    from detkit.detectors._session import processors

    return processors()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return named or platform.processor() or platform.machine()


def _gpu(number: str) -> str:
    """Name and driver as nvidia-smi states them."""
    command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader", "-i", number or "0"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown (nvidia-smi is not here)"
    return done.stdout.strip() or "unknown"
