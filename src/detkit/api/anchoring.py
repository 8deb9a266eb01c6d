"""Anchors of a dataset, and the training targets they give."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from detkit.api.tables import read
from detkit.errors import UsageError
from detkit.tables import Dataset

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from detkit.anchors.report import AnchorReport
    from detkit.anchors.targets import Encoding, Targets
    from detkit.anchors.targets_file import Arrangement
    from detkit.boxes import Resize
    from detkit.kernels.kmeans import Metric

    Anchors = str | Sequence[Sequence[float]] | NDArray[np.float64]

__all__ = ["decode_targets", "encode_targets", "export_anchors", "find_anchors", "save_targets"]


def find_anchors(
    source: str | Path | Dataset,
    *,
    k: int | None = None,
    image_size: int | tuple[int, int] | None = None,
    model: str | Path | None = None,
    metric: Metric = "iou",
    resize: Resize | None = None,
    ratio_threshold: float = 4.0,
    restarts: int = 10,
    generations: int = 0,
    sweep: Sequence[int] = (),
    levels: int | None = None,
    strides: Sequence[int] | None = None,
    check: Anchors | None = None,
    seed: int = 0,
    **options: Any,
) -> AnchorReport:
    """Anchors that fit a dataset, how well, and how they compare with others.

    Parameters
    ----------
    source : path-like or Dataset
    k : int, optional
        By default as many as in `check`, else the knee of the sweep, else 9.
    image_size : int or (width, height), optional
        Of the network input: this or `model` is needed.
    model : path-like, optional
        An ONNX model that states its input size, and with a known family how it resizes.
    metric : {"iou", "ratio"}
        Distance 1 - IoU at a shared corner, or 1 - the worse side ratio.
    resize : {"letterbox", "letterbox-topleft", "stretch"}, optional
        By default the model's, else letterbox.
    ratio_threshold : float
        An anchor covers a box whose sides differ by less than this factor.
    restarts, generations, seed : int
        Starts of k-means++; generations of evolution afterwards.
    sweep : sequence of int
        Numbers of anchors to try.
    levels : int, optional
        Output levels, 3 by default.
    strides : sequence of int, optional
        Of the levels; by default 8, 16, 32.
    check : str or (K, 2) array_like, optional
        Anchors to compare with: `10,13 16,30 ...`, a JSON file of this report, or pairs.
    **options
        Fields of `ReadOptions`, and `format`.

    Returns
    -------
    AnchorReport

    Raises
    ------
    UsageError
        No input size, or settings that contradict each other.
    InputError
        Fewer distinct sizes than anchors.
    CannotJudgeError
        No box to fit anchors to.

    Examples
    --------
    >>> report = find_anchors("data.yaml", k=9, image_size=640)  # doctest: +SKIP
    >>> report.found.bpr  # doctest: +SKIP
    """
    from detkit.anchors.levels import strides_for
    from detkit.anchors.report import AnchorSettings, design

    size, model_resize = _size(image_size, model)
    settings = AnchorSettings(
        image_size=size,
        k=k,
        metric=metric,
        resize=resize or model_resize or "letterbox",
        ratio_threshold=ratio_threshold,
        restarts=restarts,
        generations=generations,
        seed=seed,
        strides=strides_for(levels, strides),
        sweep=tuple(sweep),
    )
    given = None if check is None else _pairs(check)
    table = source if isinstance(source, Dataset) else read(source, **options)
    return design(table, settings, given)


def export_anchors(found: AnchorReport, to: str) -> str:
    """Anchors as a training framework's configuration has them, ready to paste.

    Parameters
    ----------
    found : AnchorReport
    to : {"darknet", "mmdet", "yolov5", "yolov7"}

    Returns
    -------
    str

    Raises
    ------
    UsageError
        An unknown framework, or levels with different numbers of anchors where it allows none.
    """
    from detkit.anchors.export import as_text

    return as_text(found.levels, to, classes=found.classes)


def encode_targets(
    source: str | Path | Dataset,
    anchors: Anchors,
    *,
    image_size: int | tuple[int, int] | None = None,
    model: str | Path | None = None,
    strides: Sequence[int] | None = None,
    resize: Resize | None = None,
    encoding: Encoding = "cell",
    **options: Any,
) -> Targets:
    """Training targets `[pc, bx, by, bw, bh, c1..cn]` per cell and anchor.

    Parameters
    ----------
    source : path-like or Dataset
    anchors : str or (K, 2) array_like
        Level by level, the finest first: as `check` of `find_anchors`.
    image_size, model, resize
        As in `find_anchors`.
    strides : sequence of int, optional
        8, 16, 32 by default.
    encoding : {"cell", "image"}
        What `bw` and `bh` are shares of.
    **options
        Fields of `ReadOptions`, and `format`.

    Returns
    -------
    Targets
        `decode_targets` gives the boxes back.

    Raises
    ------
    UsageError
        The input size is no multiple of a stride, or the anchors do not fill the levels.
    """
    from detkit.anchors.levels import split_levels, strides_for
    from detkit.anchors.targets import encode

    size, model_resize = _size(image_size, model)
    levels = split_levels(_pairs(anchors), strides_for(None, strides))
    levels.grids(size)
    table = source if isinstance(source, Dataset) else read(source, **options)
    return encode(table, levels, size, resize=resize or model_resize or "letterbox", encoding=encoding)


def save_targets(
    targets: Targets, target: str | Path, *, arrangement: Arrangement = "batch", overwrite: bool = False
) -> None:
    """Write targets as .npz; parameters as `write_targets`."""
    from detkit.anchors.targets_file import write_targets

    write_targets(targets, target, arrangement=arrangement, overwrite=overwrite)


def decode_targets(targets: str | Path | Targets) -> Dataset:
    """The boxes that targets stand for, in the pixels of their images.

    Parameters
    ----------
    targets : path-like or Targets

    Returns
    -------
    Dataset
        Without the objects that had lost their place.

    Raises
    ------
    InputError
        Not a targets file.
    """
    from detkit.anchors.targets import Targets, decode
    from detkit.anchors.targets_file import read_targets

    return decode(targets if isinstance(targets, Targets) else read_targets(targets))


def _pairs(anchors: Anchors) -> NDArray[np.float64]:
    from detkit.anchors.levels import checked_anchors, parse_anchors

    return parse_anchors(anchors) if isinstance(anchors, str) else checked_anchors(anchors)


def _size(image_size: int | tuple[int, int] | None, model: str | Path | None) -> tuple[tuple[int, int], Resize | None]:
    """(input size, how the model resizes)."""
    given = (image_size, image_size) if isinstance(image_size, int) else image_size
    if model is None:
        if given is None:
            raise UsageError("the input size of the network is not known", hint="say --image-size 640, or --model FILE")
        return given, None
    from detkit import detectors
    from detkit.errors import InputError

    graph = detectors.read_graph(str(model))
    try:
        preparation = detectors.recognise(graph).module.prepare(graph)
    except InputError:
        preparation = None  # an unknown family still states its size
    size = graph.size or given or (None if preparation is None else preparation.size)
    if size is None:
        raise UsageError(f"{model}: the model leaves its input size free", hint="say it with --image-size 640")
    if given is not None and size != given:
        stated, asked = (f"{width}x{height}" for width, height in (size, given))
        raise UsageError(f"{model}: the model takes {stated} only, --image-size is {asked}")
    return size, None if preparation is None else preparation.resize
