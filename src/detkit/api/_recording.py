"""What a prediction says of itself: the model, every setting its answers depend on, what was taken for granted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from detkit import files
from detkit.api._classes import Classes
from detkit.wording import plural

if TYPE_CHECKING:
    from detkit.detectors import Detector, Pictures, Request

__all__ = ["choices_of", "counted", "model_facts", "record_of", "where_of"]


def model_facts(detector: Detector) -> dict[str, Any]:
    """Which model it is."""
    from detkit import detectors

    path = detector.request.model
    return {
        "path": path,
        "sha256": files.sha256_of(detectors.model_files(path)),
        "family": detector.recognised.name,
        "why": detector.recognised.why,
        "producer": detector.graph.producer,
    }


def record_of(detector: Detector, request: Request, classes: Classes) -> dict[str, Any]:
    """Every setting that an answer depends on, as JSON values."""
    from detkit._version import __version__

    return {
        "detkit": __version__,
        "family": detector.recognised.name,
        "values": dict(request.values),
        "preparation": {k: list(v) if isinstance(v, tuple) else v for k, v in detector.preparation.to_dict().items()},
        "batch": detector.batch,
        "precision": request.precision,
        **vars(request.choice),
        **request.looks.to_dict(),
        "classes": classes.digest(),
        "provider": detector.session.provider,
        **detector.session.versions(),
    }


def choices_of(profile: str, detector: Detector) -> list[str]:
    """Which boxes are kept, a line each."""
    choice = detector.request.choice
    nms = f"NMS {choice.iou_threshold:g}, " if detector.needs_nms else "no NMS (the model needs none), "
    several = "several classes a box" if choice.multi_label else "one class a box"
    line = f"profile {profile}: score >= {choice.score_threshold:g}, {nms}{several}, "
    return [f"{line}at most {plural(choice.max_detections, 'box', 'boxes')} an image"]


def counted(pictures: Pictures) -> str:
    """How many images are run, and how many of them have no file: known before an hour is spent."""
    absent = sum(path is None for path in pictures.paths)
    return plural(len(pictures), "image") + (f" ({absent} without a file)" if absent else "")


def where_of(devices: Sequence[str], detector: Detector) -> str:
    """What the model runs on."""
    session = detector.session
    text = f"on {session.device} ({session.provider}), batch {detector.batch}"
    return text if len(devices) == 1 else f"{text}, {len(devices)} processes: {', '.join(devices)}"
