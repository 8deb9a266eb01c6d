"""What an evaluation reads and keeps, alike in one process and in every shard, and when there is too little of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detkit import config, files, formats
from detkit.errors import CannotJudgeError, InputError
from detkit.formats import ReadOptions
from detkit.tables import Dataset, Detections, Images

if TYPE_CHECKING:
    from detkit.api.scoring import EvaluationSettings
    from detkit.evaluation.align import Aligned
    from detkit.evaluation.protocols import Protocol
    from detkit.evaluation.result import Evaluation

__all__ = [
    "loaded",
    "narrowed",
    "options_of",
    "read_both",
    "read_predictions",
    "refuse_low_coverage",
    "refuse_low_scores",
    "selected",
]

#: Predictions in a file of so many bytes are read while the truth is.
_LARGE = 32 << 20


def loaded(settings: EvaluationSettings) -> EvaluationSettings:
    """The settings with the content of the files they name.

    Raises
    ------
    InputError
        A class map or a class tree that cannot be read.
    """
    return replace(settings, class_map=_class_map(settings.class_map), hierarchy=_tree(settings.hierarchy))


def options_of(settings: EvaluationSettings, protocol: Protocol, *, with_extra: bool = False) -> ReadOptions:
    """How the truth is read.

    Parameters
    ----------
    settings : EvaluationSettings
    protocol : Protocol
    with_extra : bool
        With attributes of images: they become slices, and nobody else asks for them.

    Returns
    -------
    ReadOptions
    """
    return ReadOptions(
        images_dir=settings.images_dir,
        names=settings.names,
        image_sizes=settings.image_sizes,
        voc_offset=settings.voc_offset,
        with_shapes=protocol.iou_type != "bbox",
        with_extra=with_extra,
    )


def read_predictions(
    predictions: str | Path | Detections, settings: EvaluationSettings, options: ReadOptions, images: Images
) -> Detections:
    """Predictions from a path, their images met with those of the truth.

    Parameters
    ----------
    predictions : path-like or Detections
    settings : EvaluationSettings
    options : ReadOptions
        From `options_of`.
    images : Images
        All of the truth, whatever the split.

    Returns
    -------
    Detections

    Raises
    ------
    InputError
    """
    if isinstance(predictions, Detections):
        return predictions
    options = replace(options, layout=settings.layout, reference_images=images)
    return formats.read_detections(predictions, settings.predictions_format, options)


def read_both(
    read_truth: Callable[[], tuple[Dataset, Dataset]],
    predictions: str | Path | Detections,
    settings: EvaluationSettings,
    options: ReadOptions,
) -> tuple[Dataset, Dataset, Detections]:
    """The truth and the predictions, a large file of these while the truth is read.

    Parameters
    ----------
    read_truth : callable
        Gives the part of the truth that is scored, and all of it.
    predictions, settings, options
        As `read_predictions` takes them.

    Returns
    -------
    scored, everything : Dataset
    detections : Detections

    Raises
    ------
    InputError
        Of the truth first, whatever is wrong with the predictions.
    """
    if not _is_large(predictions):
        scored, everything = read_truth()
        return scored, everything, read_predictions(predictions, settings, options, everything.images)
    known: Future[Images] = Future()
    with ThreadPoolExecutor(1) as pool:
        later: Any = _Later(known)
        found = pool.submit(read_predictions, predictions, settings, options, later)
        try:
            scored, everything = read_truth()
        except BaseException as error:
            known.set_exception(error)
            raise
        known.set_result(everything.images)
        return scored, everything, found.result()


def _is_large(predictions: str | Path | Detections) -> bool:
    try:
        return not isinstance(predictions, Detections) and Path(predictions).stat().st_size >= _LARGE
    except OSError:
        return False  # whoever reads it says what is wrong


class _Later:
    """Images of the truth, waited for by whoever asks them anything: most formats never do."""

    def __init__(self, known: Future[Images]) -> None:
        self._known = known

    def __getattr__(self, name: str) -> Any:
        return getattr(self._known.result(), name)

    def __len__(self) -> int:
        return len(self._known.result())


def narrowed(truth: Dataset, settings: EvaluationSettings) -> Dataset:
    """The truth with the images asked for alone, and with boxes of the classes above under a class tree.

    Parameters
    ----------
    truth : Dataset
    settings : EvaluationSettings
        From `loaded`.

    Returns
    -------
    Dataset

    Raises
    ------
    UsageError
        An unknown image.
    """
    if settings.images is not None:
        from detkit.evaluation.select import find_images

        truth = truth.take_images(find_images(truth, settings.images))
    if settings.hierarchy is not None:
        from detkit.evaluation import hierarchy

        truth = hierarchy.expand(truth, hierarchy.read_hierarchy(settings.hierarchy))
    return truth


def selected(aligned: Aligned, settings: EvaluationSettings) -> Aligned:
    """The classes asked for, with classes to ignore as regions to ignore.

    Parameters
    ----------
    aligned : Aligned
    settings : EvaluationSettings

    Returns
    -------
    Aligned

    Raises
    ------
    UsageError
        An unknown class.
    """
    from detkit.evaluation.select import find_classes, ignore_classes, keep_classes

    if settings.ignore_category:
        aligned = ignore_classes(aligned, find_classes(aligned.truth.categories, settings.ignore_category))
    if settings.classes is not None:
        aligned = keep_classes(aligned, find_classes(aligned.truth.categories, settings.classes))
    return aligned


def refuse_low_scores(result: Evaluation, rows: int, best: float | None) -> None:
    """Raise where predictions met the truth and none has a score that is looked at.

    Parameters
    ----------
    result : Evaluation
    rows : int
        How many predictions met the truth.
    best : float or None
        The highest of their scores, None where there are none.

    Raises
    ------
    CannotJudgeError
    """
    if rows and best is not None and not len(result.detections):
        raise CannotJudgeError(
            f"no prediction has a score >= {result.protocol.score_threshold:g} (the highest is {best:g}): "
            "nothing to compare",
            hint="lower --score-threshold",
        )


def refuse_low_coverage(result: Evaluation, least: float | None) -> None:
    """Raise where fewer images of the truth have predictions than were asked for.

    Parameters
    ----------
    result : Evaluation
    least : float, optional
        Share of the images.

    Raises
    ------
    CannotJudgeError
    """
    coverage = result.coverage
    if least is not None and (coverage.ratio is None or coverage.ratio < least):
        raise CannotJudgeError(
            f"predictions cover {coverage.predicted} of {coverage.images} truth images, "
            f"less than the {least:g} asked for"
        )


def _tree(given: Mapping[str, Any] | str | Path | None) -> Mapping[str, Any] | None:
    if given is None or isinstance(given, Mapping):
        return given
    try:
        tree: Mapping[str, Any] = json.loads(Path(given).read_bytes())
    except OSError as error:
        raise files.unreadable(given, error) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"is not usable JSON: {error}", path=given) from error
    return tree


def _class_map(given: Mapping[str, str | None] | str | Path | None) -> Mapping[str, str | None] | None:
    if given is None or isinstance(given, Mapping):
        return given
    mapping = config.load_config(Path(given))
    wrong = [k for k, v in mapping.items() if v is not None and not isinstance(v, str)]
    if wrong:
        raise InputError(f"the class map gives `{mapping[wrong[0]]}` for `{wrong[0]}`, expected a name", path=given)
    return {str(k): v for k, v in mapping.items()}
