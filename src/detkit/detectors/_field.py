"""What part of the image a value of a feature map sees: receptive field, stride and offset, tensor by tensor.

Value i of a map sees the pixels from `start + i * jump` up to `end + i * jump` on each axis. The recurrence is the
usual one (a kernel of k at stride s widens by `(k - 1) * jump` and multiplies the jump by s); start and end are kept
apart, so that branches of different padding, and the four shifted slices of a focus layer, are joined exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

__all__ = ["KERNELS", "POOLS", "Sight", "advance", "image_sight"]

Shape = tuple[int | None, ...]

#: Layers with weights that slide over the map, and where their weights stand among the inputs.
KERNELS = {"Conv": 1, "ConvTranspose": 1, "FusedConv": 1, "ConvInteger": 1, "QLinearConv": 3}
POOLS = frozenset(("MaxPool", "AveragePool", "LpPool"))
_GLOBAL = frozenset(("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"))
_REDUCTIONS = frozenset(("ReduceMean", "ReduceMax", "ReduceMin", "ReduceSum", "ReduceL2"))
#: Operators that mix all positions of the map once it is no longer laid out in rows and columns.
_MIXERS = frozenset(("MatMul", "Gemm", "Einsum", "Attention", "TopK", "GatherElements", "GridSample"))


@dataclass(frozen=True)
class Sight:
    """Where a tensor's rows and columns lie, and what each value sees; y first, then x.

    Parameters
    ----------
    axes : (int, int), optional
        Axes of rows and columns; None once the tensor is no longer a map.
    start, end, jump : (float, float)
        Pixels.
    sees_all : bool
        Whether the whole image has an influence by a side way too (squeeze and excitation, attention).
    flat : (axis, rows, columns), optional
        Where rows and columns stand as one axis: they may part again.
    """

    axes: tuple[int, int] | None
    start: tuple[float, float]
    end: tuple[float, float]
    jump: tuple[float, float]
    sees_all: bool = False
    flat: tuple[int, int, int] | None = None

    @property
    def field(self) -> tuple[float, float]:
        """(width, height) of the receptive field in pixels."""
        return self.end[1] - self.start[1], self.end[0] - self.start[0]

    @property
    def stride(self) -> tuple[float, float]:
        """(x, y) distance of neighbours in pixels."""
        return self.jump[1], self.jump[0]


def image_sight(axes: tuple[int, int]) -> Sight:
    """The image itself: every value sees its pixel."""
    return Sight(axes, (0.0, 0.0), (1.0, 1.0), (1.0, 1.0))


def advance(
    node: Any,
    attributes: Mapping[str, Any],
    sights: Sequence[Sight | None],
    shapes: Sequence[Shape | None],
    output: Shape | None,
    constant: Any,
) -> Sight | None:
    """What the output of a node sees; None where no pixel has an influence.

    Parameters
    ----------
    node : onnx.NodeProto
    attributes : mapping
        Its attributes as Python values.
    sights, shapes : sequence
        Of its inputs.
    output : tuple, optional
        Shape of its (first) output.
    constant : callable
        Input position -> its value as a list, None where it is no constant.
    """
    operator = node.op_type
    first = next((s for s in sights[:1] if s is not None), None)
    if operator == "Shape":
        return None
    if first is not None and first.axes is not None:
        if operator in KERNELS or operator in POOLS:
            weight = shapes[KERNELS[operator]] if operator in KERNELS else None
            kernel = attributes.get("kernel_shape") or (list(weight[2:]) if weight else None)
            if kernel is None or None in kernel:
                return replace(first, axes=None, sees_all=True)
            return _slid(first, operator, kernel, attributes, shapes[0])
        move = _SPECIAL.get(operator)
        if move is not None:
            return move(first, attributes, shapes[0], output, constant)
        if operator in _GLOBAL or operator in _REDUCTIONS:
            return _reduced(first, operator, attributes, constant)
    if operator in _MIXERS:
        return _joined([s if s is None else replace(s, sees_all=True, axes=None, flat=None) for s in sights])
    if operator == "Gather" and first is not None:
        return _gathered(first, attributes, shapes)
    if first is not None and first.flat is not None and operator in ("Reshape", "Transpose"):
        return _moved_flat(first, operator, attributes, shapes[0], output)
    if first is not None and first.axes is None and operator == "Reshape":
        return _unfolded(first, output)
    return _joined(sights)


def _slid(sight: Sight, operator: str, kernel: Sequence[int], attributes: Mapping[str, Any], shape: Any) -> Sight:
    """A kernel slid over the map (of two axes; others are beyond detectors)."""
    if len(kernel) != 2 or sight.axes is None:
        return replace(sight, axes=None, sees_all=True)
    strides = attributes.get("strides") or [1, 1]
    dilations = attributes.get("dilations") or [1, 1]
    start, end, jump = [], [], []
    for i in (0, 1):
        k, s, d = (kernel[i] - 1) * dilations[i] + 1, strides[i], sight.jump[i]
        if operator == "ConvTranspose":
            reach = math.ceil(k / s) - 1
            start.append(sight.start[i] - reach * d)
            end.append(sight.end[i])
            jump.append(d / s)
            continue
        pad = _padding(attributes, i, k, s, None if shape is None else shape[sight.axes[i]])
        start.append(sight.start[i] - pad * d)
        end.append(sight.end[i] + (k - 1 - pad) * d)
        jump.append(d * s)
    return replace(sight, start=_pair(start), end=_pair(end), jump=_pair(jump))


def _padding(attributes: Mapping[str, Any], axis: int, kernel: int, stride: int, size: int | None) -> int:
    auto = attributes.get("auto_pad", "NOTSET")
    if auto in ("NOTSET", ""):
        pads = attributes.get("pads") or [0, 0, 0, 0]
        return int(pads[axis])
    if auto == "VALID":
        return 0
    total = max(kernel - stride if size is None or size % stride == 0 else kernel - size % stride, 0)
    return total // 2 if auto == "SAME_UPPER" else total - total // 2


def _resized(sight: Sight, attributes: Mapping[str, Any], shape: Any, output: Any, constant: Any) -> Sight:
    """A map made larger: neighbours come closer; smooth modes look at more of them."""
    assert sight.axes is not None
    taps = {"nearest": 0, "linear": 1, "cubic": 3}.get(str(attributes.get("mode", "nearest")), 1)
    scales = constant(2) or constant(1) or attributes.get("scales")
    start, end, jump = [], [], []
    for i, axis in enumerate(sight.axes):
        ratio = None
        if shape is not None and output is not None and shape[axis] and output[axis]:
            ratio = output[axis] / shape[axis]
        elif scales and len(scales) > axis:
            ratio = float(scales[axis])
        if not ratio:
            return replace(sight, axes=None, sees_all=True)
        start.append(sight.start[i] - (taps // 2 + taps % 2) * sight.jump[i])
        end.append(sight.end[i] + taps // 2 * sight.jump[i])
        jump.append(sight.jump[i] / ratio)
    return replace(sight, start=_pair(start), end=_pair(end), jump=_pair(jump))


def _sliced(sight: Sight, attributes: Mapping[str, Any], shape: Any, output: Any, constant: Any) -> Sight:
    assert sight.axes is not None
    starts = constant(1) or attributes.get("starts") or []
    axes = constant(3) or attributes.get("axes") or list(range(len(starts)))
    steps = constant(4) or [1] * len(starts)
    start, end, jump = list(sight.start), list(sight.end), list(sight.jump)
    rank = len(shape) if shape else 4
    for begin, axis, step in zip(starts, axes, steps, strict=False):
        for i in (0, 1):
            if axis % rank == sight.axes[i] and step > 0:
                at = begin if begin >= 0 or not shape or not shape[axis] else begin + shape[axis]
                start[i], end[i] = start[i] + at * jump[i], end[i] + at * jump[i]
                jump[i] *= step
    return replace(sight, start=_pair(start), end=_pair(end), jump=_pair(jump))


def _transposed(sight: Sight, attributes: Mapping[str, Any], shape: Any, output: Any, constant: Any) -> Sight:
    assert sight.axes is not None
    rank = len(shape or output or (0, 0, 0, 0))
    order = attributes.get("perm") or list(reversed(range(rank)))
    return replace(sight, axes=(order.index(sight.axes[0]), order.index(sight.axes[1])))


def _reshaped(sight: Sight, attributes: Mapping[str, Any], shape: Any, output: Any, constant: Any) -> Sight:
    """Stays a map where rows and columns stand as they were, as in a channel shuffle."""
    assert sight.axes is not None
    y, x = sight.axes
    if shape is None or output is None or None in shape or None in output or x != y + 1:
        return replace(sight, axes=None)
    behind = math.prod(shape[x + 1 :])
    for axis in range(1, len(output)):
        if output[axis - 1 : axis + 1] == shape[y : x + 1] and math.prod(output[axis + 1 :]) == behind:
            return replace(sight, axes=(axis - 1, axis))
    rows, columns = shape[y], shape[x]
    for axis, size in enumerate(output):
        if size == rows * columns and math.prod(output[axis + 1 :]) == behind:
            return replace(sight, axes=None, flat=(axis, rows, columns))
    return replace(sight, axes=None)


def _moved_flat(sight: Sight, operator: str, attributes: Mapping[str, Any], shape: Any, output: Any) -> Sight:
    """Rows and columns in one axis: where it goes, and whether it becomes rows and columns again."""
    assert sight.flat is not None
    axis, rows, columns = sight.flat
    if operator == "Transpose":
        rank = len(shape or output or ())
        order = attributes.get("perm") or list(reversed(range(rank)))
        return replace(sight, flat=(order.index(axis), rows, columns))
    if shape is None or output is None or None in shape or None in output:
        return replace(sight, flat=None)
    behind = math.prod(shape[axis + 1 :])
    for x in range(1, len(output)):
        if output[x - 1 : x + 1] == (rows, columns) and math.prod(output[x + 1 :]) == behind:
            return replace(sight, axes=(x - 1, x), flat=None)
    for at, size in enumerate(output):
        if size == rows * columns and math.prod(output[at + 1 :]) == behind:
            return replace(sight, flat=(at, rows, columns))
    return replace(sight, flat=None)


def _gathered(sight: Sight, attributes: Mapping[str, Any], shapes: Sequence[Shape | None]) -> Sight:
    """Picks along another axis leave the map; one pick takes its axis away."""
    shape, picks = shapes[0], shapes[1] if len(shapes) > 1 else None
    taken = int(attributes.get("axis") or 0)
    places = sight.axes if sight.axes is not None else (sight.flat[0],) if sight.flat is not None else ()
    if shape is None or picks is None or taken % len(shape) in places:
        return replace(sight, axes=None, flat=None)
    by = len(picks) - 1
    moved = [a + (by if a > taken % len(shape) else 0) for a in places]
    if sight.axes is not None:
        return replace(sight, axes=(moved[0], moved[1]))
    return sight if sight.flat is None else replace(sight, flat=(moved[0], *sight.flat[1:]))


def _shifted(by: int) -> Any:
    """Unsqueeze and Squeeze of axes before the map."""

    def move(sight: Sight, attributes: Mapping[str, Any], shape: Any, output: Any, constant: Any) -> Sight:
        assert sight.axes is not None
        axes = constant(1) or attributes.get("axes")
        rank = len(output) if by > 0 and output else len(shape or ())
        if not axes or not rank:
            return replace(sight, axes=None)
        taken = sorted(a % rank for a in axes)
        kept = [a for a in range(rank) if a not in taken]
        moved = [kept[a] if by > 0 else kept.index(a) if a in kept else -1 for a in sight.axes]
        return replace(sight, axes=None if -1 in moved else (moved[0], moved[1]))

    return move


def _blocked(grow: bool) -> Any:
    """SpaceToDepth and DepthToSpace."""

    def move(sight: Sight, attributes: Mapping[str, Any], shape: Any, output: Any, constant: Any) -> Sight:
        block = int(attributes.get("blocksize", 1))
        if not grow:
            return replace(sight, jump=_pair([j / block for j in sight.jump]))
        end = [e + (block - 1) * j for e, j in zip(sight.end, sight.jump, strict=True)]
        return replace(sight, end=_pair(end), jump=_pair([j * block for j in sight.jump]))

    return move


_SPECIAL: dict[str, Callable[..., Sight]] = {
    "Resize": _resized,
    "Upsample": _resized,
    "Slice": _sliced,
    "Transpose": _transposed,
    "Reshape": _reshaped,
    "Flatten": _reshaped,
    "Unsqueeze": _shifted(1),
    "Squeeze": _shifted(-1),
    "SpaceToDepth": _blocked(True),
    "DepthToSpace": _blocked(False),
}


def _reduced(sight: Sight, operator: str, attributes: Mapping[str, Any], constant: Any) -> Sight:
    """A mean over the whole map is no map; over colours it is one still."""
    assert sight.axes is not None
    axes = attributes.get("axes") or constant(1)
    if operator not in _GLOBAL and axes is not None:
        rank = max(sight.axes) + 1
        if not {a % rank if a < 0 else a for a in axes} & set(sight.axes) and attributes.get("keepdims", 1):
            return sight
    return replace(sight, axes=None, sees_all=True)


def _unfolded(sight: Sight, output: Shape | None) -> Sight:
    """Back to rows and columns, behind attention: the stride is kept where it still fits the map."""
    if output is None or len(output) != 4 or not sight.sees_all:
        return sight
    return replace(sight, axes=(2, 3))


def _joined(sights: Sequence[Sight | None]) -> Sight | None:
    """Union of what the branches see; the ways of those that are no maps count as a look at the whole image."""
    known = [s for s in sights if s is not None]
    maps = [s for s in known if s.axes is not None]
    if not known:
        return None
    chosen = maps or known
    low = [min(s.start[i] for s in chosen) for i in (0, 1)]
    high = [max(s.end[i] for s in chosen) for i in (0, 1)]
    jump = [max(s.jump[i] for s in chosen) for i in (0, 1)]
    sees_all = any(s.sees_all for s in known)
    return Sight(chosen[0].axes, _pair(low), _pair(high), _pair(jump), sees_all, chosen[0].flat)


def _pair(values: Sequence[float]) -> tuple[float, float]:
    return float(values[0]), float(values[1])
