"""What DETR and RF-DETR share: a pair of outputs, normalised boxes and class logits, one row a query."""

from __future__ import annotations

from detkit.detectors._graph import Graph, Port
from detkit.detectors._pieces import is_float

__all__ = ["MOST_QUERIES", "box_and_class", "is_set_prediction", "named", "samples"]

#: More rows than this are a grid or anchors, not queries.
MOST_QUERIES = 1000


def box_and_class(graph: Graph) -> tuple[Port, Port] | None:
    """The ports of boxes (B, N, 4) and class scores (B, N, C), both floating; None where the outputs are others.

    A third output of rank 4 (masks) may be there. Two outputs that are both 4 wide are told apart by their names.
    """
    pairs = [p for p in graph.outputs if is_float(p, 3)]
    others = [p for p in graph.outputs if not is_float(p, 3)]
    if len(pairs) != 2 or len(others) > 1 or any(not is_float(p, 4) for p in others):
        return None
    boxes = [p for p in pairs if p.shape[-1] == 4]
    if len(boxes) == 2:
        boxes = [p for p in boxes if "box" in p.name.lower() or "det" in p.name.lower()]
    if len(boxes) != 1:
        return None
    (scores,) = (p for p in pairs if p is not boxes[0])
    counts = {boxes[0].shape[1], scores.shape[1]} - {None}
    return (boxes[0], scores) if len(counts) < 2 else None


def is_set_prediction(pair: tuple[Port, Port]) -> bool:
    """Whether there are few enough rows to be queries."""
    rows = pair[0].shape[1] or pair[1].shape[1]
    return rows is None or rows <= MOST_QUERIES


def named(pair: tuple[Port, Port], boxes: tuple[str, ...], scores: tuple[str, ...]) -> bool:
    """Whether the outputs bear these names."""
    return pair[0].name.lower() in boxes and pair[1].name.lower() in scores


def samples(graph: Graph) -> bool:
    """Whether the decoder samples its features (deformable attention), as the models with sigmoid scores do."""
    return "GridSample" in graph.operators or any(op.endswith("MSDeformAttn") for op in graph.operators)
