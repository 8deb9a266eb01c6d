"""Run ONNX detectors over images."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detkit import formats
from detkit.api._classes import classes_of, in_classes
from detkit.api._detector_request import devices_of, names_of, request_of
from detkit.api._finishing import finish, output_of
from detkit.api._recording import choices_of, counted, model_facts, record_of, where_of
from detkit.api._running import Report, Run
from detkit.api._sources import source_of
from detkit.api._thresholds import read_thresholds
from detkit.findings import Finding, Loss
from detkit.tables import Dataset, Detections

if TYPE_CHECKING:
    from detkit.api.chunking import Elsewhere

__all__ = ["PredictSettings", "Prediction", "predict"]


@dataclass(frozen=True)
class PredictSettings:
    """How `predict` runs a model; fields left None take what the model or the profile says.

    Parameters
    ----------
    family : str, optional
        By default recognised from the graph.
    values : mapping of str to str
        What the graph does not say: `color scale mean std resize pad labels background anchors`.
    device : str or sequence of str
        `auto`, `cpu`, `cuda`, `cuda:0,2`, ...; a sequence of single devices is a worker process each.
    batch : int, optional
    image_size : (width, height), optional
        Of the network input, where the model leaves it free.
    names : sequence of str, optional
        Class names in the order of the model's classes.
    label_base : {"0", "1", "coco91"}, optional
        What the model's class numbers count from.
    profile : {"eval", "deploy"}
    score_threshold, iou_threshold : float, optional
    multi_label : bool, optional
        A box may be of several classes.
    max_detections : int
        Per image.
    class_agnostic : bool
        Boxes of different classes suppress each other too.
    truth : path-like or Dataset, optional
        Images, image ids and class ids are this dataset's.
    source_format, truth_format : str
        Format of `images` (`images` takes a folder as plain images) and of the truth.
    split : str, optional
        `all` for every image; by default `val` (or `test`) where a dataset has several splits.
    precision : {"fp32", "fp16"}, optional
    threads, jobs : int, optional
        Threads that compute on the CPU, and threads that read images.
    every : int
        Every n-th frame of a video.
    tile : (width, height), optional
        Slide a window of so many image pixels over larger images.
    overlap : float, optional
        Share of a window that its neighbour shows too, 0.2 by default.
    whole : bool
        With windows: run the whole image as well.
    tta : sequence of {"flip", "scale"}
        Test-time augmentation: run each view mirrored too, or at several sizes.
    merge : {"nms", "wbf"}, optional
        How boxes of several views are joined, by `iou_threshold`: suppression (default) or weighted box fusion.
    letterbox : {"square", "rect"}
        `rect` pads images only to the next multiple of the model's stride.
    draft : bool
        Read JPEG files much larger than the network input at a reduced size: faster, and scores move a little.
    thresholds : path-like, optional
        File of `detkit.thresholds/1`: the least score of each class, after suppression.
    """

    family: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    device: str | Sequence[str] = "auto"
    batch: int | None = None
    image_size: tuple[int, int] | None = None
    names: Sequence[str] | None = None
    label_base: str | None = None
    profile: str = "eval"
    score_threshold: float | None = None
    iou_threshold: float | None = None
    multi_label: bool | None = None
    max_detections: int = 300
    class_agnostic: bool = False
    truth: str | Path | Dataset | None = None
    source_format: str = "auto"
    truth_format: str = "auto"
    split: str | None = None
    precision: str | None = None
    threads: int | None = None
    jobs: int | None = None
    every: int = 1
    tile: tuple[int, int] | None = None
    overlap: float | None = None
    whole: bool = True
    tta: Sequence[str] = ()
    merge: str | None = None
    letterbox: str = "square"
    draft: bool = False
    thresholds: str | Path | None = None


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a run found and how it ran.

    Parameters
    ----------
    table : Detections, optional
        None where the rows went straight to the target; `detections` reads them.
    boxes : int
        How many there are.
    model : mapping
        Path, SHA-256, family and why, producer.
    settings : mapping
        Everything the answers depend on.
    assumptions : tuple of str
        What was taken for granted about the model, a line each.
    device, provider : str
        What really ran.
    images, unreadable, absent, resumed : int
        How many there are; could not be read; have no file; were answered by an earlier run.
    seconds : float
        For the images answered now, without loading the model.
    target, format : str, optional
        What was written.
    findings : tuple of Finding
    losses : tuple of Loss
    """

    table: Detections | None
    boxes: int
    model: Mapping[str, Any]
    settings: Mapping[str, Any]
    assumptions: tuple[str, ...]
    device: str
    provider: str
    images: int
    unreadable: int
    absent: int
    resumed: int
    seconds: float
    target: str | None
    format: str | None
    findings: tuple[Finding, ...]
    losses: tuple[Loss, ...]

    @cached_property
    def detections(self) -> Detections:
        """The rows; read back from the target where they went straight to it."""
        if self.table is not None:
            return self.table
        return replace(formats.read_detections(self.target or "", self.format or "auto"), findings=self.findings)

    @property
    def images_per_second(self) -> float | None:
        """Speed of the images answered now, None where there were none."""
        count = self.images - self.resumed - self.unreadable - self.absent
        return count / self.seconds if count and self.seconds > 0 else None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, schema `detkit.prediction/1`."""
        return {
            "schema": "detkit.prediction/1",
            "model": dict(self.model),
            "settings": dict(self.settings),
            "assumptions": list(self.assumptions),
            "device": self.device,
            "provider": self.provider,
            "images": self.images,
            "unreadable": self.unreadable,
            "absent": self.absent,
            "resumed": self.resumed,
            "detections": self.boxes,
            "seconds": self.seconds,
            "images_per_second": self.images_per_second,
            "output": None if self.target is None else {"path": self.target, "format": self.format},
            "findings": [f.to_dict() for f in self.findings],
            "losses": [loss.to_dict() for loss in self.losses],
        }


def predict(
    model: str | Path,
    images: str | Path | Dataset,
    target: str | Path | None = None,
    settings: PredictSettings | None = None,
    *,
    format: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    shard_rows: int | None = None,
    progress: Report | None = None,
    announce: Callable[[Sequence[str]], None] | None = None,
    elsewhere: Elsewhere | None = None,
    **changes: Any,
) -> Prediction:
    """Run an ONNX detector over images.

    Parameters
    ----------
    model : path-like
        ONNX file.
    images : path-like or Dataset
        Folder, glob pattern, list file, image, video, or a dataset in any format.
    target : path-like, optional
        Where to write; without it the detections are returned only.
    settings : PredictSettings, optional
    format : str, optional
        Of the target; by default told by its suffix.
    resume : bool
        Go on with a run to the same target that was interrupted.
    overwrite : bool
    shard_rows : int, optional
        Most rows a shard, where the target is a folder of shards.
    progress : callable, optional
        Is called with (images answered, images in all).
    announce : callable, optional
        Is called once, before the first image, with lines that say what was assumed.
    elsewhere : Elsewhere, optional
        Who answers the images instead of this process.
    **changes
        Fields of `PredictSettings`.

    Returns
    -------
    Prediction

    Raises
    ------
    UsageError
        A device that does not start, settings that do not fit the model, an interrupted run of other settings.
    InputError
        Model or images cannot be read or recognised, or no image could be read.
    OutputError
        The target exists, or an interrupted run to it does.

    Examples
    --------
    >>> detkit.predict("yolox.onnx", "photos/", "found.json").images  # doctest: +SKIP
    """
    from detkit import detectors

    settings = replace(settings or PredictSettings(), **changes)
    output = None if target is None else output_of(target, format, overwrite=overwrite, shard_rows=shard_rows)
    thresholds = None if settings.thresholds is None else read_thresholds(settings.thresholds)
    devices = devices_of(settings.device)
    source = source_of(images, settings)
    names = names_of(model, settings)
    request = request_of(model, settings, names, source.truth)
    detector = detectors.open_detector(request, devices[0])
    request = replace(request, batch=detector.batch)
    classes = classes_of(names, detector.classes, source.truth, settings.label_base)
    record = record_of(detector, request, classes)
    facts = (model_facts(detector), (*detector.assumptions(), *choices_of(settings.profile, detector)))
    findings = [*source.findings, *source.pictures.findings, *detector.findings, *classes.findings]
    if thresholds is not None:
        known = in_classes(classes, 0)[0]
        thresholds.check(known)
        record["thresholds"] = thresholds.to_dict()
        facts = (facts[0], (*facts[1], *thresholds.lines(known, request.choice.score_threshold)))
        findings += thresholds.findings(known)
    if announce is not None:
        announce([*facts[1], f"{counted(source.pictures)}, {where_of(devices, detector)}"])
    used = (detector.session.device, detector.session.provider)
    with tempfile.TemporaryDirectory(prefix="detkit-") as scratch:
        folder = _part_folder(target, Path(scratch), elsewhere)
        with detectors.locked(folder):
            run = Run(devices, request, detector, source.pictures, progress, elsewhere)
            del detector
            state = {"model": facts[0]["sha256"], "images": source.pictures.digest(), **record}
            parts, resumed, seconds = run.answered(folder, state, resume=resume, overwrite=overwrite)
            done = finish(parts, source, classes, output, thresholds)
            detectors.remove_parts(folder)
    found = (*findings, *done.findings)
    written: tuple[str | None, str | None] = (None, None) if output is None else (str(target), output.format)
    return Prediction(
        None if done.detections is None else replace(done.detections, findings=found),
        done.boxes,
        *(facts[0], record, facts[1], *used),
        *(len(source.pictures), done.unreadable, done.absent, resumed, seconds),
        *written,
        *(found, done.losses),
    )


def _part_folder(target: str | Path | None, scratch: Path, elsewhere: Elsewhere | None) -> Path:
    """Where the answers are kept until all are there."""
    from detkit import detectors

    place = scratch / "run" if target is None else Path(target)
    if elsewhere is not None:
        place = (elsewhere.folder or place.parent).absolute() / place.name
    return detectors.part_folder(place)
