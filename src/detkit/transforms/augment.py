"""Images and their objects through a pipeline of albumentations, which is imported here and nowhere else.

Plain boxes go through as boxes, polygons and keypoints as points, masks as masks. Points of albumentations count from
the centre of a pixel, ours from its edge. One more mask, of the whole image, comes along and tells which part of the
result shows it; after each step everything is cut to that.
"""

from __future__ import annotations

import difflib
import inspect
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.errors import InputError, MissingExtraError, UsageError
from detkit.transforms._augmented import Copy, Placed, assembled, partners_of
from detkit.transforms._items import Item, area_of, box_of_mask, clipped, items_of, outline_of, swapped
from detkit.transforms._mosaic import mosaic
from detkit.transforms._outlines import clip_rings, ring_area
from detkit.transforms._pipeline import GROUPS, PRESETS, Step, parse_steps

__all__ = ["PRESETS", "Augmenter", "Copy", "Item", "Placed", "Step", "assembled", "bends_lines", "items_of", "mosaic",
           "parse_steps", "partners_of", "placed"]  # fmt: skip

Float = NDArray[np.float64]

#: Warps that make a straight line crooked, or move parts of the image apart: polygons go through them as masks.
_BENDING = frozenset(
    ("ElasticTransform", "GridDistortion", "GridElasticDeform", "OpticalDistortion", "PiecewiseAffine",
     "RandomGridShuffle", "ThinPlateSpline", "Morphological")
)  # fmt: skip
#: What gives no image of 8 bits a colour, or needs more than the image and its objects.
_NO_IMAGE = frozenset(
    ("Normalize", "ToFloat", "FromFloat", "ToTensorV2", "ToTensor3D", "Lambda", "Mosaic",
     "RandomCropNearBBox")
)  # fmt: skip
_OUTSIDE_DATA = ("metadata_key", "reference_images", "read_fn", "templates")
#: Corners of a plain box, to know how much of it is left.
_CORNERS = ([0, 1], [2, 1], [2, 3], [0, 3])


def bends_lines(steps: Sequence[Step]) -> bool:
    """Whether a pipeline may make straight lines crooked."""
    return any(step.name in _BENDING or bends_lines(step.steps) for step in steps)


def placed(item: Item) -> Placed:
    """An object as the table takes it."""
    has_outline = item.mask is not None or bool(item.rings)
    return Placed(item.row, item.xyxy, outline_of(item), item.points, area_of(item) if has_outline else None)


class Augmenter:
    """A pipeline, built and checked; for one thread.

    Parameters
    ----------
    steps : sequence of Step

    Raises
    ------
    MissingExtraError
    UsageError
        An unknown transform or argument, or a value that does not fit; the message names all three.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        library = _library()
        # Step by step, so that what one step cuts off is gone before the next one turns or borders the image.
        self._steps = [_composed(library, step) for step in steps]

    def warp(
        self, image: NDArray[np.uint8], items: Sequence[Item], seed: int, partners: Callable[[int], Sequence[int]]
    ) -> tuple[NDArray[np.uint8], list[Item]]:
        """One image through the pipeline.

        Parameters
        ----------
        image : (H, W, 3) uint8
        items : sequence of Item
        seed : int
            Of every choice the pipeline makes.
        partners : callable
            Row -> for each keypoint, the one that takes its name in a mirror; empty where names do not tell.

        Returns
        -------
        image : (H', W', 3) uint8
        items : list of Item
            Those of which anything is left, with the share that is (`visible`).

        Raises
        ------
        UsageError
            The pipeline does not give images of 8 bits.
        InputError
            It fails on this image.
        """
        seeds = np.random.SeedSequence(seed).generate_state(len(self._steps)).tolist()
        left = list(items)
        for compose, own in zip(self._steps, seeds, strict=True):
            compose.set_random_seed(own)
            image, left = self._step(compose, image, left, partners)
        return np.ascontiguousarray(image), left

    def _step(
        self, compose: Any, image: NDArray[np.uint8], items: Sequence[Item], partners: Callable[[int], Sequence[int]]
    ) -> tuple[NDArray[np.uint8], list[Item]]:
        height, width = image.shape[:2]
        points, places = _points_of(items, width, height)
        plain = [n for n, item in enumerate(items) if item.mask is None and not item.rings]
        drawn = [n for n, item in enumerate(items) if item.mask is not None]
        whole = np.ones((1, height, width), np.uint8)
        try:
            found = compose(
                image=image,
                masks=np.concatenate([whole, *(items[n].mask[None] for n in drawn)]),  # type: ignore[index]
                bboxes=np.array([items[n].xyxy for n in plain], np.float32).reshape(-1, 4),
                item=plain,
                keypoints=(points - 0.5).astype(np.float32),
                point=list(range(len(points))),
            )
        except Exception as error:  # a pipeline may raise anything, cv2's own errors too
            raise InputError(f"the pipeline fails on an image of {width} x {height}: {error}") from error
        out = found["image"]
        if out.dtype != np.uint8 or out.ndim != 3 or out.shape[2] != 3 or len(found["keypoints"]) != len(points):
            raise UsageError(f"the pipeline gives {out.dtype} of shape {list(out.shape)}, expected RGB of 8 bits")
        moved = np.asarray(found["keypoints"], np.float64)[:, :2] + 0.5
        moved = np.round(moved, 4)
        boxes = dict(zip(map(int, found["item"]), np.asarray(found["bboxes"], np.float64), strict=True))
        layers = np.asarray(found["masks"])
        window = _window(layers[0], out.shape[1], out.shape[0])
        if window is None:
            return out, []
        pixels = {n: np.ascontiguousarray(layers[i + 1] > 0).astype(np.uint8) for i, n in enumerate(drawn)}
        mirrored = _is_mirrored(moved[:3])
        kept = []
        for n, item in enumerate(items):
            if n in plain and n not in boxes:
                continue
            new = _moved(item, moved, places[n], boxes.get(n), pixels.get(n))
            if mirrored and new.points is not None:
                new = replace(new, points=swapped(new.points, partners(item.row)))
            seen = clipped(new, window)
            if seen is not None:
                if not item.rings:
                    share = _visible(moved[places[n][0] : places[n][1]], window)
                    seen = replace(seen, visible=item.visible * share)
                kept.append(seen)
        return out, kept


def _library() -> Any:
    # Without it, importing asks the network for a newer version.
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import albumentations
    except ImportError as error:
        raise MissingExtraError("albumentations", "augment") from error
    return albumentations


def _composed(library: Any, step: Step) -> Any:
    return library.Compose(
        # The first does nothing: a pipeline of colours alone would warn that boxes have nobody to go to.
        [library.NoOp(p=1.0), _built(library, step)],
        # Clipping without filtering raises for a box that lies wholly outside.
        bbox_params=library.BboxParams(
            format="pascal_voc", label_fields=["item"], clip=True, filter_invalid_bboxes=True
        ),
        keypoint_params=library.KeypointParams(format="xy", remove_invisible=False, label_fields=["point"]),
    )


def _built(library: Any, step: Step) -> Any:
    """The transform of a step."""
    if step.name in GROUPS:
        inner = [_built(library, inner) for inner in step.steps]
        return _called(getattr(library, step.name), step, {"transforms": inner, **step.params})
    kind = getattr(library, step.name, None)
    known = _names(library)
    if step.name not in known:
        near = difflib.get_close_matches(step.name, known, 3, 0.5)
        because = (
            "cannot be used: it needs more than one image, or gives none of 8 bits"
            if kind is not None
            else "is no transform"
        )
        hint = (
            f"did you mean {' or '.join(near)}?" if near else f"{len(known)} are known, such as {', '.join(known[:4])}"
        )
        raise UsageError(f"{step.place}: `{step.name}` {because}", hint=hint)
    params = dict(step.params)
    if "rotate_method" in _arguments(kind):
        # The box around a turned box grows with every turn; the one around the ellipse in it stays on the object.
        params.setdefault("rotate_method", "ellipse")
    return _called(kind, step, params)


def _names(library: Any) -> list[str]:
    """Transforms of images that need no more than the image and its objects."""
    found = []
    for name in dir(library):
        kind = getattr(library, name)
        if not (inspect.isclass(kind) and issubclass(kind, library.BasicTransform)) or inspect.isabstract(kind):
            continue
        bases = (library.BasicTransform, library.DualTransform, library.ImageOnlyTransform, library.NoOp)
        refused = name in _NO_IMAGE or name.endswith("3D") or set(_OUTSIDE_DATA) & set(_arguments(kind))
        if (kind not in bases or name == "NoOp") and not refused:
            found.append(name)
    return sorted(found)


def _arguments(kind: Any) -> list[str]:
    return [name for name in inspect.signature(kind).parameters if name != "p"]


def _called(kind: Any, step: Step, params: dict[str, Any]) -> Any:
    """The transform with its arguments, or what is wrong with them."""
    known = _arguments(kind)
    for name in params:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1, 0.5)
            hint = f"did you mean `{near[0]}`?" if near else f"it takes {', '.join(known) or 'none'}"
            raise UsageError(f"{step.place}: `{step.name}` has no argument `{name}`", hint=hint)
    values = {k: tuple(v) if isinstance(v, list) and k != "transforms" else v for k, v in params.items()}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return kind(**values, p=step.p)
    except Exception as error:  # its checks raise pydantic's, Python's and its own errors
        raise UsageError(f"{step.place}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """`argument`: what is wrong, from pydantic's report where there is one."""
    checked = next(
        (e for e in (error, error.__cause__, error.__context__) if callable(getattr(e, "errors", None))), None
    )
    report: Any = getattr(checked, "errors", None)
    if report is not None and report():
        first = report()[0]
        name = str(first["loc"][0]) if first.get("loc") else ""
        return f"{f'`{name}` ' if name else ''}is {first.get('input')!r}: {first['msg'][:1].lower()}{first['msg'][1:]}"
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _points_of(items: Sequence[Item], width: int, height: int) -> tuple[Float, list[tuple[int, int, int]]]:
    """All points that are moved, and where those of each item are: start, end of its outline, end of its keypoints.

    The first three tell whether the image was mirrored.
    """
    middle, reach = np.array([width / 2, height / 2]), max(1.0, min(width, height) / 8)
    parts = [middle + np.array([[0.0, 0.0], [reach, 0.0], [0.0, reach]])]
    places, at = [], 3
    for item in items:
        outline = list(item.rings) if item.rings else [item.xyxy[corner][None] for corner in _CORNERS]
        count = sum(map(len, outline))
        keypoints = [] if item.points is None else [item.points[:, :2]]
        parts += [*outline, *keypoints]
        places.append((at, at + count, at + count + sum(map(len, keypoints))))
        at = places[-1][2]
    return np.concatenate(parts), places


def _is_mirrored(three: Float) -> bool:
    (ax, ay), (bx, by) = three[1] - three[0], three[2] - three[0]
    return bool(ax * by - ay * bx < 0)


def _window(whole: NDArray[np.uint8], width: int, height: int) -> tuple[float, float, float, float] | None:
    """The part of the result that shows the image."""
    box = box_of_mask(np.asarray(whole))
    if box is None:
        return None
    return max(0.0, box[0]), max(0.0, box[1]), min(float(width), box[2]), min(float(height), box[3])


def _moved(
    item: Item,
    points: Float,
    place: tuple[int, int, int],
    box: Float | None,
    mask: NDArray[np.uint8] | None,
) -> Item:
    start, middle, end = place
    rings: tuple[Float, ...] = ()
    if item.rings:
        ends = np.cumsum([len(ring) for ring in item.rings])[:-1]
        rings = tuple(np.split(points[start:middle], ends))
    keypoints = None
    if item.points is not None:
        keypoints = np.column_stack([points[middle:end], item.points[:, 2]])
        keypoints[item.points[:, 2] == 0] = 0
    xyxy = item.xyxy if box is None else np.round(box[:4], 4)
    return replace(item, xyxy=xyxy, rings=rings, points=keypoints, mask=mask)


def _visible(corners: Float, window: tuple[float, float, float, float]) -> float:
    whole = ring_area(corners)
    if whole <= 0:
        return 1.0
    return min(1.0, sum(ring_area(ring) for ring in clip_rings([corners], window)) / whole)
