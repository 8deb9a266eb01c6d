"""What a detector is told, from the settings of a prediction: devices, class names, thresholds, looks at an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detkit import formats
from detkit.errors import UsageError
from detkit.tables import Dataset

if TYPE_CHECKING:
    from detkit.api.predicting import PredictSettings
    from detkit.detectors import Looks, Request

__all__ = ["devices_of", "names_of", "request_of"]

#: Thresholds for scoring, and for looking.
_PROFILES: Mapping[str, Mapping[str, Any]] = {
    "eval": {"score_threshold": 0.001, "iou_threshold": 0.65, "multi_label": True},
    "deploy": {"score_threshold": 0.25, "iou_threshold": 0.45, "multi_label": False},
}


def devices_of(device: str | Sequence[str]) -> list[str]:
    """Single devices, one a worker."""
    from detkit import detectors

    if isinstance(device, str):
        return detectors.parse_device(device)
    found = [one for text in device for one in detectors.parse_device(text)]
    if not found:
        raise UsageError("device: none given")
    return found


def names_of(model: str | Path, settings: PredictSettings) -> tuple[str, ...] | None:
    """Class names: said by the user, else by the model.

    Parameters
    ----------
    model : path-like
    settings : PredictSettings

    Returns
    -------
    tuple of str or None
    """
    from detkit import detectors

    if settings.names is not None:
        return tuple(settings.names)
    if "classes" in settings.values:
        return formats.read_names(settings.values["classes"])
    return detectors.read_graph(model).class_names


def request_of(
    model: str | Path, settings: PredictSettings, names: Sequence[str] | None, truth: Dataset | None
) -> Request:
    """What the detector is told.

    Parameters
    ----------
    model : path-like
    settings : PredictSettings
    names : sequence of str, optional
    truth : Dataset, optional

    Returns
    -------
    Request

    Raises
    ------
    UsageError
        Unknown profile or label base.
    """
    from detkit import detectors

    if settings.profile not in _PROFILES:
        raise UsageError(f"profile: found `{settings.profile}`, expected {' or '.join(_PROFILES)}")
    choice = dict(_PROFILES[settings.profile])
    choice |= {key: getattr(settings, key) for key in choice if getattr(settings, key) is not None}
    values = dict(settings.values)
    if settings.label_base is not None:
        if settings.label_base not in ("0", "1", "coco91"):
            raise UsageError(f"label base: found `{settings.label_base}`, expected 0, 1 or coco91")
        values["labels"] = settings.label_base
    known = len(names) if names is not None else None
    if known is None and truth is not None:
        known = len(truth.categories)
    if known is None and values.get("labels") == "coco91":
        known = len(detectors.COCO91)
    return detectors.Request(
        str(model),
        settings.family,
        values,
        settings.image_size,
        settings.batch,
        settings.precision,
        known,
        detectors.Choice(**choice, max_detections=settings.max_detections, class_agnostic=settings.class_agnostic),
        settings.threads,
        settings.jobs,
        _looks(settings),
    )


def _looks(settings: PredictSettings) -> Looks:
    """How every image is looked at.

    Raises
    ------
    UsageError
        A setting that makes no sense, or none without another one.
    """
    from detkit import detectors

    unknown = [name for name in settings.tta if name not in ("flip", "scale")]
    if unknown:
        raise UsageError(f"tta: found `{unknown[0]}`, expected flip, scale or both")
    if settings.tile is None and (settings.overlap is not None or not settings.whole):
        raise UsageError("overlap and no-whole say how tiles lie, and there are none", hint="add `--tile 640`")
    if settings.merge is not None and settings.tile is None and not settings.tta:
        raise UsageError("merge joins several views of an image, and there is one", hint="add `--tile` or `--tta`")
    return detectors.Looks(
        settings.tile,
        0.2 if settings.overlap is None else settings.overlap,
        settings.whole,
        "flip" in settings.tta,
        "scale" in settings.tta,
        settings.merge or "nms",  # type: ignore[arg-type]  # others are refused there
        settings.letterbox,  # type: ignore[arg-type]
        settings.draft,
    )
