"""A detector ready to run: how it speaks, how images are prepared for it, and the session that holds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.detectors._base import Output, Settings, too_many_classes
from detkit.detectors._graph import Graph, load_model, read_graph
from detkit.detectors._masks import has_masks
from detkit.detectors._precision import in_precision
from detkit.detectors._prepare import Frame, Preparation, changed
from detkit.detectors._recognise import Recognised, recognise
from detkit.detectors._rows import Choice
from detkit.detectors._session import Session, open_session, processors
from detkit.detectors._views import Looks, View, fitted, network_sizes, views_of
from detkit.errors import DetkitError, InputError, UsageError
from detkit.findings import Finding
from detkit.wording import plural

__all__ = ["Detector", "Request", "model_files", "open_detector"]

#: Keys of `--set` that the families share, beyond those of the preparation.
_KEYS = frozenset(("anchors", "background", "classes", "color", "labels", "mean", "pad", "resize", "scale", "std"))
_MOST_LANES = 8
_BATCH_ON_GPU = 16
#: Input sizes are multiples of this where the model does not say its own.
_USUAL_STRIDE = 32


@dataclass(frozen=True)
class Request:
    """What decides the answer of a detector, and how it is run. Plain values: it travels to worker processes.

    Parameters
    ----------
    model : str
        Path of the ONNX file.
    family : str, optional
        By default recognised.
    values : mapping of str to str
        From `--set key=value`.
    image_size : (width, height), optional
        Of the network input, where the graph leaves it free.
    batch : int, optional
        Images a call; by default what the graph fixes, else 1 on the CPU and 16 elsewhere.
    precision : {"fp32", "fp16"}, optional
    names : int, optional
        Number of class names known; an answer with more classes is an error.
    choice : Choice
    threads, jobs : int, optional
        Threads that compute on the CPU, and threads that read images.
    looks : Looks
        Windows, mirroring, sizes: how every image is looked at.
    """

    model: str
    family: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    image_size: tuple[int, int] | None = None
    batch: int | None = None
    precision: str | None = None
    names: int | None = None
    choice: Choice = field(default_factory=Choice)
    threads: int | None = None
    jobs: int | None = None
    looks: Looks = field(default_factory=Looks)


@dataclass(frozen=True)
class Detector:
    """A model that was loaded and has answered once.

    Parameters
    ----------
    request : Request
    graph : Graph
    recognised : Recognised
    preparation : Preparation
    session : Session
    batch : int
    lanes : int
        How many batches may be in the model at the same time.
    classes : int, optional
        Number of classes it answers with, where its answer shows that.
    findings : tuple of Finding
    """

    request: Request
    graph: Graph
    recognised: Recognised
    preparation: Preparation
    session: Session
    batch: int
    lanes: int
    classes: int | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def settings(self) -> Settings:
        """What decoding is told."""
        return Settings(self.request.values, self.request.names)

    @property
    def needs_nms(self) -> bool:
        """Whether boxes are suppressed after decoding."""
        return bool(self.recognised.module.NEEDS_NMS)

    @property
    def stride(self) -> int:
        """What sides of the network input are multiples of, as the model says, else 32."""
        stated = self.graph.metadata.get("stride", "")
        return int(stated) if stated.isdecimal() and int(stated) else _USUAL_STRIDE

    def buffer(self, size: tuple[int, int] | None = None) -> NDArray[Any]:
        """Room for one batch, zeros; `size` (width, height) where it is not the usual input."""
        width, height = size or self.size
        shape = (height, width, 3) if self.preparation.nhwc else (3, height, width)
        return np.zeros((self.batch, *shape), self.preparation.dtype)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the network input."""
        assert self.preparation.size is not None
        return self.preparation.size

    def blank(self, size: tuple[int, int] | None = None) -> Frame:
        """The frame of a place in a batch that holds no image."""
        size = size or self.size
        return Frame(size, size, (1.0, 1.0), (0.0, 0.0))

    def views(self, image_size: tuple[int, int]) -> list[View]:
        """The looks at an image of this (width, height)."""
        return views_of(image_size, self.request.looks, self.preparation, self.stride)

    def prepared_for(self, size: tuple[int, int]) -> Preparation:
        """The preparation for a network input of this (width, height)."""
        return self.preparation if size == self.preparation.size else replace(self.preparation, size=size)

    def infer(self, tensors: NDArray[Any], frames: Sequence[Frame]) -> dict[str, NDArray[Any]]:
        """The model's raw answer to a batch."""
        feeds: dict[str, Any] = {self.graph.image.name: tensors if self.preparation.batched else tensors[0]}
        extra = getattr(self.recognised.module, "feeds", None)
        if extra is not None:
            feeds |= extra(self.graph, frames)
        return self.session.run(feeds)

    def decode(self, outputs: Mapping[str, NDArray[Any]], frames: Sequence[Frame]) -> list[Output]:
        """One answer an image, in network pixels.

        Raises
        ------
        InputError
            The family cannot make sense of the outputs.
        """
        try:
            with np.errstate(all="ignore"):
                found: list[Output] = self.recognised.module.decode(outputs, self.graph, self.settings, frames)
        except DetkitError:
            raise
        except Exception as error:  # outputs of a foreign model: whatever shape they have, the file is named
            ports = ", ".join(f"{k} {v.dtype}{list(v.shape)}" for k, v in outputs.items())
            message = f"family `{self.recognised.name}` cannot decode {ports}: {type(error).__name__}: {error}"
            hint = "is it another family? name it with `--family`"
            raise InputError(message, path=self.graph.path, hint=hint) from error
        if len(found) != len(frames):
            message = (
                f"family `{self.recognised.name}` found {plural(len(found), 'answer')} in a batch of {len(frames)}"
            )
            raise InputError(message, path=self.graph.path)
        return found

    def assumptions(self) -> list[str]:
        """What was taken for granted, a line each."""
        p = self.preparation
        values = "0-255" if p.scale == 1 else f"/{p.scale:g}"
        if any(p.mean) or p.std != (1.0, 1.0, 1.0):
            values += f", less {_triple(p.mean)}, by {_triple(p.std)}"
        pad = "" if p.resize == "stretch" else f" (border {p.pad})"
        said = sorted(_KEYS & self.request.values.keys())
        return [
            f"family {self.recognised.name}: {self.recognised.why}",
            f"preparation: {self.size[0]}x{self.size[1]}, {p.resize}{pad}, {p.color.upper()} {values}, {p.dtype}"
            + (f"; said: {', '.join(said)}" if said else "; usual for the family, change it with --set"),
            *self._looks_lines(),
        ]

    def _looks_lines(self) -> list[str]:
        looks, lines = self.request.looks, []
        joined = "NMS" if looks.merge == "nms" else "weighted box fusion"
        join = f"joined by {joined} {self.request.choice.iou_threshold:g}"
        if looks.tile is not None:
            also = " and the whole image" if looks.whole else ""
            lines.append(f"tiles {_by(looks.tile)}, overlap at least {looks.overlap:g}{also}; {join}")
        if looks.flip or looks.scale:
            sizes = network_sizes(self.size, looks, self.stride) if looks.scale else []
            what = [*(["mirrored too"] if looks.flip else []), *([f"at {', '.join(map(_by, sizes))}"] if sizes else [])]
            lines.append(f"test-time augmentation: {', '.join(what)}; {join}")
        if looks.letterbox == "rect":
            lines.append(f"letterbox rect: padded to multiples of {self.stride}")
        if looks.draft:
            lines.append("draft: large JPEG files are read at a reduced size")
        return lines


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _triple(values: Sequence[float]) -> str:
    return f"{values[0]:g}" if len(set(values)) == 1 else "(" + ", ".join(f"{v:g}" for v in values) + ")"


def open_detector(request: Request, device: str = "auto", *, single: bool = False) -> Detector:
    """A detector that was loaded on a device and has answered once, to a black image.

    Parameters
    ----------
    request : Request
    device : str
        One entry of `parse_device`.
    single : bool
        One call at a time, with all threads in it: for latency. Otherwise several calls share the processors.

    Returns
    -------
    Detector

    Raises
    ------
    UsageError
        The device does not start, or what was asked does not fit the model.
    InputError
        The model cannot be read, recognised, loaded or run.
    """
    graph = read_graph(request.model)
    recognised = recognise(graph, request.family)
    known = _KEYS | set(getattr(recognised.module, "SETTINGS", ()))
    unknown = sorted(request.values.keys() - known)
    if unknown:
        raise UsageError(f"--set {unknown[0]}: unknown key, known are {', '.join(sorted(known))}")
    preparation = changed(recognised.module.prepare(graph), request.values)
    preparation = _sized(preparation, graph, request.image_size)
    _refuse_looks(graph, preparation, request.looks)
    fixed = _fixed_batch(graph, preparation, request.batch)
    _refuse_operators(graph, device)
    content = in_precision(request.model, graph, request.precision)
    threads = request.threads or processors()
    on_cpu = device in ("cpu", "auto")
    lanes = min(threads, _MOST_LANES) if on_cpu and not single else 1
    one_shape = not (request.looks.scale or request.looks.letterbox == "rect")
    session = open_session(
        *(request.model, device), threads=threads, lanes=lanes, spinning=single, content=content, fixed_shapes=one_shape
    )
    lanes = lanes if session.device == "cpu" else 1
    usual = 1 if session.device == "cpu" else _BATCH_ON_GPU
    detector = Detector(request, graph, recognised, preparation, session, fixed or request.batch or usual, lanes)
    return _tried(detector, may_shrink=fixed is None and request.batch is None)


def _refuse_looks(graph: Graph, preparation: Preparation, looks: Looks) -> None:
    """Looks that the graph cannot take."""
    sides = graph.image.shape[-3:-1] if graph.is_nhwc else graph.image.shape[-2:]
    for asked, wanted in (("tta scale", looks.scale), ("letterbox rect", looks.letterbox == "rect")):
        if wanted and any(side is not None for side in sides):
            raise UsageError(
                f"{graph.path}: {asked} needs an input whose size is free, the model takes {graph.image}",
                hint="export it with dynamic height and width",
            )
    if looks.letterbox == "rect" and preparation.resize == "stretch":
        raise UsageError(f"{graph.path}: letterbox rect: images of this family are stretched, nothing is padded")


def _sized(preparation: Preparation, graph: Graph, wanted: tuple[int, int] | None) -> Preparation:
    if wanted is not None:
        if graph.size is not None and graph.size != wanted:
            stated, asked = ("x".join(map(str, size)) for size in (graph.size, wanted))
            raise UsageError(f"{graph.path}: the model takes {stated} only, --image-size is {asked}")
        return replace(preparation, size=wanted)
    if preparation.size is None:
        port = str(graph.image)
        raise UsageError(
            f"{graph.path}: the model leaves its input size free ({port})", hint="say it with `--image-size 640`"
        )
    return preparation


def _fixed_batch(graph: Graph, preparation: Preparation, wanted: int | None) -> int | None:
    fixed = graph.batch if preparation.batched else 1
    if wanted is not None and wanted < 1:
        raise UsageError(f"batch: found {wanted}, expected 1 or more")
    if wanted is not None and fixed is not None and wanted != fixed:
        raise UsageError(f"{graph.path}: the model takes {fixed} at a time, --batch is {wanted} ({graph.image})")
    return fixed


def _refuse_operators(graph: Graph, device: str) -> None:
    """Operators that exist inside TensorRT only are named before onnxruntime fails on them."""
    found = sorted(
        op for op in graph.operators if op.upper().startswith("TRT::") or op.rpartition("::")[2].endswith("_TRT")
    )
    if found and not device.startswith("tensorrt"):
        raise InputError(
            f"uses {', '.join(f'`{op}`' for op in found)}, which only TensorRT has",
            path=graph.path,
            hint="export again without the TensorRT plugin (NMS outside the graph), or run with `--device tensorrt`",
        )


def _tried(detector: Detector, *, may_shrink: bool) -> Detector:
    """The detector after one black batch: models that cannot run fail here, before anything is written."""
    try:
        found = _answer(detector)
    except InputError:
        _refuse_names(detector)
        if not may_shrink or detector.batch == 1:
            raise
        single = replace(detector, batch=1)
        found = _answer(single)
        message = f"the file leaves the batch free, but {detector.batch} at a time fail: images are run one by one"
        detector = replace(single, findings=(Finding("DK110", message, file=detector.graph.path),))
    classes = _class_count(found)
    known = detector.request.names
    if known is not None and classes is not None and classes > known:
        raise too_many_classes(detector.graph, f"answers with {classes} classes", known)
    _refuse_outputs(found, detector)
    _try_sizes(detector)
    return replace(detector, classes=classes)


def _class_count(found: Sequence[Output]) -> int | None:
    """Classes that have a score each; None where an answer holds chosen classes only."""
    widths = {output.scores.shape[1] for output in found if hasattr(output, "scores")}
    return widths.pop() if len(widths) == 1 else None


def _refuse_names(detector: Detector) -> None:
    """Raise where a model that makes no sense with so many names does so with another number of classes."""
    known = detector.request.names
    if known is None:
        return
    try:
        classes = _class_count(_answer(replace(detector, request=replace(detector.request, names=None))))
    except DetkitError:
        return
    if classes not in (None, known):
        raise too_many_classes(detector.graph, f"answers with {classes} classes", known)


def _answer(detector: Detector, size: tuple[int, int] | None = None) -> list[Output]:
    frames = [detector.blank(size)] * detector.batch
    return detector.decode(detector.infer(detector.buffer(size), frames), frames)


def _refuse_outputs(found: Sequence[Output], detector: Detector) -> None:
    """Views that make no sense of what this model answers with."""
    looks, path = detector.request.looks, detector.graph.path
    if looks.flip and any(output.keypoints is not None for output in found):
        raise UsageError(
            f"{path}: tta flip: the model answers with keypoints, and does not say which are left and right of a pair"
        )
    outlines = any(output.keypoints is not None or output.angle is not None or has_masks(output) for output in found)
    if looks.joins and looks.merge == "wbf" and outlines:
        raise UsageError(
            f"{path}: merge wbf: box fusion is for boxes, the model answers with masks, keypoints or oriented boxes",
            hint="leave it to `--merge nms`",
        )


def _try_sizes(detector: Detector) -> None:
    """Other input sizes that will be used are tried now: files declare sizes free that are not."""
    sizes = network_sizes(detector.size, detector.request.looks, detector.stride)
    if detector.request.looks.letterbox == "rect":
        sizes += [fitted(shape, sizes[0], detector.stride) for shape in ((4, 3), (3, 4))]
    for size in sizes:
        try:
            if size != detector.size:
                _answer(detector, size)
        except InputError as error:
            message = f"the file leaves its input size free, but {_by(size)} fails: {error.message}"
            raise InputError(message, hint="leave out `--tta scale` and `--letterbox rect`") from error


def model_files(path: str) -> list[str]:
    """The model file and the files of its external weights."""
    from pathlib import Path

    places = {
        entry.value
        for weight in load_model(path).graph.initializer
        for entry in weight.external_data
        if entry.key == "location"
    }
    return [path, *(str(Path(path).parent / place) for place in sorted(places))]
