"""Why the training framework's mAP differs from COCO's, for settings and tables that `evaluate` was given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detkit.errors import UsageError

if TYPE_CHECKING:
    from detkit.api.scoring import EvaluationSettings
    from detkit.evaluation.align import Aligned
    from detkit.evaluation.gap import Gap

__all__ = ["gap_of"]

#: Settings that the two protocols set themselves: with others there is no figure of either to explain.
_OF_PROTOCOL = (
    "iou_thresholds",
    "max_detections",
    "area_ranges",
    "at_image_size",
    "sigmas",
    "score_threshold",
    "strict_iou",
    "textbook",
)


def gap_of(aligned: Aligned, settings: EvaluationSettings) -> Gap:
    """What each setting contributes to the difference between COCO's AP and Ultralytics'.

    Parameters
    ----------
    aligned : Aligned
        As `evaluate` scores it: with the settings' classes and images only.
    settings : EvaluationSettings
        Protocol `coco` explains the way to `ultralytics`.

    Returns
    -------
    Gap

    Raises
    ------
    UsageError
        A protocol that has no such gap, other overlaps than those of boxes, or settings that neither protocol has.
    CannotJudgeError
        The truth holds nothing that is scored.
    """
    from detkit.evaluation.gap import TARGETS, explain_gap

    to = TARGETS[0] if settings.protocol == "coco" else settings.protocol
    if to not in TARGETS:
        raise UsageError(
            f"the gap is explained between coco and {' or '.join(TARGETS)}, found protocol `{settings.protocol}`"
        )
    if settings.iou_type != "bbox":
        raise UsageError(f"the gap is explained for iou type bbox, found `{settings.iou_type}`")
    plain = type(settings)()
    changed = [name for name in _OF_PROTOCOL if getattr(settings, name) != getattr(plain, name)]
    if changed:
        raise UsageError(
            f"the gap is explained between the protocols as they are; `{changed[0]}` changes them",
            hint="leave the setting out, or the explanation",
        )
    return explain_gap(aligned, to, class_wise=not settings.class_agnostic, jobs=settings.jobs)
