"""Anchors as the configurations of training frameworks want them, ready to paste."""

from __future__ import annotations

from detkit.anchors.levels import Levels
from detkit.errors import UsageError

__all__ = ["TARGETS", "as_text"]


def _number(side: float) -> str:
    """Whole pixels, as every published configuration has them; a decimal below 10, where rounding is felt."""
    return f"{round(side, 0 if side >= 10 else 1):g}"


def _pairs(levels: Levels, n: int) -> list[tuple[str, str]]:
    return [(_number(width), _number(height)) for width, height in levels.anchors[n].tolist()]


def _yolov5(levels: Levels, classes: int) -> str:
    """`anchors` of a model YAML of YOLOv5 and YOLOv7: a row a level, the finest first."""
    lines = ["anchors:"]
    for n, stride in enumerate(levels.strides):
        row = ", ".join(f"{w},{h}" for w, h in _pairs(levels, n))
        # P3 is the level whose stride is 2 to the power of 3.
        power = stride.bit_length() - 1
        name = f"P{power}/{stride}" if stride == 1 << power else f"stride {stride}"
        lines.append(f"  - [{row}]  # {name}")
    return "\n".join(lines) + "\n"


def _darknet(levels: Levels, classes: int) -> str:
    """The `[yolo]` sections of a Darknet cfg (YOLOv3 and v4): every anchor in each, `mask` picks; coarsest first."""
    pairs = ",  ".join(f"{w},{h}" for n in range(len(levels.strides)) for w, h in _pairs(levels, n))
    ends, blocks, count = [0], [], len(levels.all)
    for part in levels.anchors:
        ends.append(ends[-1] + len(part))
    for n in reversed(range(len(levels.strides))):
        mask = range(ends[n], ends[n + 1])
        blocks.append(
            f"# stride {levels.strides[n]}; the [convolutional] before it: filters={len(mask) * (classes + 5)}\n"
            f"[yolo]\nmask = {','.join(map(str, mask))}\nanchors = {pairs}\nclasses={classes}\nnum={count}\n"
        )
    return "\n".join(blocks)


def _mmdet(levels: Levels, classes: int) -> str:
    """`anchor_generator` of an MMDetection YOLOv3 head: the coarsest level first, as its feature maps come."""
    backwards = list(reversed(range(len(levels.strides))))
    rows = ["[" + ", ".join(f"({w}, {h})" for w, h in _pairs(levels, n)) + "]" for n in backwards]
    strides = ", ".join(str(levels.strides[n]) for n in backwards)
    between = ",\n" + " " * len("    base_sizes=[")
    return (
        f"anchor_generator=dict(\n    type='YOLOAnchorGenerator',\n    base_sizes=[{between.join(rows)}],\n"
        f"    strides=[{strides}]),\n"
    )


_WRITERS = {"darknet": _darknet, "mmdet": _mmdet, "yolov5": _yolov5, "yolov7": _yolov5}
#: Configurations that anchors can be written for.
TARGETS = tuple(_WRITERS)


def as_text(levels: Levels, to: str, *, classes: int) -> str:
    """Anchors in the words of a training framework.

    Parameters
    ----------
    levels : Levels
    to : {"darknet", "mmdet", "yolov5", "yolov7"}
    classes : int
        Darknet states how many.

    Returns
    -------
    str
        With a final newline. Sides are whole pixels, below 10 with one decimal.

    Raises
    ------
    UsageError
        An unknown framework, or levels with different numbers of anchors where it allows none.
    """
    if to not in _WRITERS:
        raise UsageError(f"unknown configuration `{to}`; known: {', '.join(TARGETS)}")
    counts = [len(part) for part in levels.anchors]
    if len(set(counts)) > 1 and to != "darknet":
        raise UsageError(
            f"{to} wants as many anchors on each level, {sum(counts)} on {len(counts)} levels are "
            f"{', '.join(map(str, counts))}",
            hint=f"ask for {len(counts) * -(-sum(counts) // len(counts))}",
        )
    return _WRITERS[to](levels, classes)
