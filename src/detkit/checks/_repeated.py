"""Findings of readers that a check makes again, row by row and with places: the reader's own are then left away."""

from __future__ import annotations

from detkit.findings import Finding, RoughFinding

__all__ = ["is_made_again"]

#: Codes a check makes for every place a reader could; of other codes, readers mark what is made again.
_ALWAYS = frozenset(("DK201", "DK203", "DK204", "DK304", "DK402", "DK404", "DK501"))


def is_made_again(finding: Finding) -> bool:
    """Whether a check says the same as this finding of a reader, and more exactly."""
    return finding.code in _ALWAYS or isinstance(finding, RoughFinding)
