"""How every image is looked at, from the settings of a prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from detkit.errors import UsageError

if TYPE_CHECKING:
    from detkit.detectors import Looks

__all__ = ["looks_of"]


def looks_of(settings: Any) -> Looks:
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
        settings.merge or "nms",
        settings.letterbox,
        settings.draft,
    )
