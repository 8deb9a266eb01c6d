"""Add analyses to an evaluation: read what they need, run them, keep their plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detkit import config
from detkit.errors import InputError, UsageError
from detkit.tables import Detections

if TYPE_CHECKING:
    from detkit.api.scoring import EvaluationSettings
    from detkit.evaluation.result import Evaluation

__all__ = ["chosen_analyses", "read_slices", "with_analyses"]


def chosen_analyses(wanted: Sequence[str] | str) -> tuple[str, ...]:
    """Names of analyses, `all` for every one.

    Raises
    ------
    UsageError
        Unknown name.
    """
    from detkit.evaluation import analyses

    wanted = [wanted] if isinstance(wanted, str) else list(wanted)
    if "all" in wanted:
        return analyses.names()
    for name in wanted:
        if name not in analyses.names():
            raise UsageError(f"unknown analysis `{name}`; known: all, {', '.join(analyses.names())}")
    return tuple(dict.fromkeys(wanted))


def with_analyses(result: Evaluation, settings: EvaluationSettings, *, raw: Detections | None = None) -> Evaluation:
    """The evaluation with the analyses its settings name.

    Parameters
    ----------
    result : Evaluation
        Scored with partners.
    settings : EvaluationSettings
    raw : Detections, optional
        Predictions before NMS, not yet aligned.

    Returns
    -------
    Evaluation
    """
    from detkit.evaluation import analyses
    from detkit.evaluation.analyses.thresholds import operating_point

    aligned = None
    if raw is not None:
        from detkit.evaluation.align import align

        aligned = align(result.truth, raw, unmapped=settings.unmapped).detections
    given = analyses.Settings(
        score_threshold=settings.operating_score,
        beta=settings.beta,
        slices=read_slices(settings.slices),
        raw=aligned,
        examples=settings.examples,
        jobs=settings.jobs,
    )
    # Found once, not by every analysis that looks at it.
    given = replace(given, score_threshold=operating_point(result, given))
    found = {name: analyses.analyse(name, result, given).to_dict() for name in chosen_analyses(settings.analyses)}
    return replace(result, analyses=found)


def read_slices(given: Mapping[str, Sequence[Any]] | str | Path | None) -> Mapping[str, Sequence[Any]] | None:
    """Slices of images by name, from a mapping or a JSON, YAML or TOML file.

    Raises
    ------
    InputError
        The file does not map names to lists of image ids or file names.
    """
    if given is None or isinstance(given, Mapping):
        return given
    slices = config.load_config(Path(given))
    for name, members in slices.items():
        if not isinstance(members, list) or not all(isinstance(m, str | int) and m is not True for m in members):
            raise InputError(
                f"slice `{name}`: expected a list of image ids or file names",
                path=given,
                hint='for example {"night": ["a.jpg", "b.jpg"]}',
            )
    return {str(name): members for name, members in slices.items()}
