"""Findings of readers that a check makes again, row by row and with places: the reader's own are then left away."""

from __future__ import annotations

from detkit.findings import Finding

__all__ = ["AGAIN", "is_made_again"]

#: code -> starts of the messages that a check replaces; an empty text stands for every message.
AGAIN: dict[str, tuple[str, ...]] = {
    "DK103": ("annotation id",),
    "DK107": ("box rows and polygon rows in one file",),
    "DK201": ("",),
    "DK203": ("",),
    "DK204": ("",),
    "DK304": ("",),
    "DK401": ("images listed but not found", "images not found in", "no image files: one image is assumed"),
    "DK402": ("",),
    "DK404": ("",),
    "DK501": ("",),
}


def is_made_again(finding: Finding) -> bool:
    """Whether a check says the same as this finding of a reader, and more exactly."""
    return finding.message.startswith(AGAIN.get(finding.code, ("\0",)))
