"""Labels that confident predictions contradict; runs only where predictions are given."""

from __future__ import annotations

from collections.abc import Iterator

from detkit.checks._base import Code, Context, box_text
from detkit.findings import Finding
from detkit.tables import Dataset

__all__ = ["CODES", "run"]

_HOW = "Told from `--predictions`. Look at it: a suspect is no proof."

CODES = (
    Code("DK720", "A confident prediction finds an object that has no box.", f"Most likely overlooked. {_HOW}"),
    Code("DK721", "A confident prediction names another class for a box.", f"Most likely swapped. {_HOW}"),
    Code("DK722", "A confident prediction of the class lies badly on a box.", f"Most likely drawn loosely. {_HOW}"),
)
_CODE_OF = {"overlooked": "DK720", "swapped": "DK721", "badly located": "DK722"}


def run(dataset: Dataset, context: Context) -> Iterator[Finding]:
    """Suspects, the most likely first; nothing without predictions."""
    suspects = context.suspects
    if suspects is None:
        return
    for kind, ranked in suspects.kinds.items():
        code = _CODE_OF[kind]
        shown = range(len(ranked) if context.limit is None else min(len(ranked), context.limit))
        for n in shown:
            yield _finding(context, code, int(ranked.truth[n]), int(ranked.detection[n]), float(ranked.score[n]))
        yield from context.rest(code, len(ranked) - len(shown))


def _finding(context: Context, code: str, row: int, detection: int, score: float) -> Finding:
    result = context.suspects.result if context.suspects is not None else None
    found = "" if result is None or detection < 0 else (
        f"{box_text(result.detections.xywh[detection])} of "
        f"`{context.dataset.categories.names[result.detections.category_index[detection]]}` "
        f"(score {result.detections.score[detection]:.2f})"
    )  # fmt: skip
    if row < 0:
        position = int(result.detections.image_index[detection]) if result is not None else 0
        return Finding(code, f"no box where {found} is predicted", **context.places.of_image(position))
    box = box_text(context.dataset.annotations.xywh[row])
    text = f"box {box} is contradicted by {found}" if found else f"box {box} is contradicted by another label"
    return Finding(code, f"{text}; label quality {score:.2f}", **context.places.of_row(row))
