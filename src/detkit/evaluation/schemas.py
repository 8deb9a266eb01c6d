"""Names of the kinds of files that hold an evaluation, with their versions: a reader takes no other."""

from __future__ import annotations

__all__ = ["MATCHES", "RESULT"]

#: What `detkit eval --format json` writes, and what `--save-matches` writes beside it.
RESULT, MATCHES = "detkit.evaluation/1", "detkit.matches/1"
