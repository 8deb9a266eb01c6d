"""Compare models on one truth, from paths or tables."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detkit import config, files
from detkit.api._analysing import read_slices
from detkit.api._pair_file import read_pairs
from detkit.api.scoring import EvaluationSettings, evaluate
from detkit.errors import InputError, UsageError
from detkit.tables import Dataset, Detections
from detkit.wording import examples, plural

if TYPE_CHECKING:
    from detkit.evaluation.comparison import Comparison
    from detkit.evaluation.gate import GateReport
    from detkit.evaluation.result import Evaluation

__all__ = ["compare", "group_images", "judge_comparison", "with_intervals"]

#: Group of images by id or file name, a file that says so, or an expression with one group on the file name.
Groups = Mapping[Any, Any] | str | Path


def compare(
    truth: str | Path | Dataset,
    *predictions: str | Path | Detections,
    settings: EvaluationSettings | None = None,
    labels: Sequence[str] | None = None,
    replicates: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    permutations: int | None = None,
    groups: Groups | None = None,
    slices: Mapping[str, Sequence[Any]] | str | Path | None = None,
    **changes: Any,
) -> Comparison:
    """Differences between models on one truth, with bootstrap intervals and p-values.

    Parameters
    ----------
    truth : path-like or Dataset
    *predictions : path-like or Detections
        Two or more; each is compared with the first.
    settings : EvaluationSettings, optional
        How all of them are scored.
    labels : sequence of str, optional
        Names of the models; by default those of their files, made different.
    replicates : int
        Bootstrap replicates.
    seed : int
    level : float
        Of the intervals.
    permutations : int, optional
        Of the test; by default as many as replicates, 0 leaves p-values out.
    groups : mapping, path-like or str, optional
        Video, scene or patient of each image: the unit that is drawn. A mapping of image id or file name to group, a
        JSON or CSV file of one, or a regular expression with one group that is matched within the file name.
    slices : mapping or path-like, optional
        Slice name -> ids or file names of its images; by default those of the settings.
    **changes
        Fields of `EvaluationSettings`.

    Returns
    -------
    Comparison

    Raises
    ------
    UsageError
        Fewer than two predictions, images without a group, unknown images in a slice.
    CannotJudgeError
        Predictions that do not meet the truth.

    Examples
    --------
    >>> found = detkit.compare("truth.json", "old.json", "new.json")  # doctest: +SKIP
    >>> found.pairs[0].metrics["AP"].ci  # doctest: +SKIP
    (0.004, 0.014)
    """
    from detkit.evaluation import comparison
    from detkit.evaluation.select import find_images
    from detkit.evaluation.uncertainty import Resampling

    if len(predictions) < 2:
        raise UsageError(
            f"{plural(len(predictions), 'prediction to compare', 'predictions to compare')}, expected two or more"
        )
    settings = replace(settings or EvaluationSettings(), **changes)
    resampling = Resampling(
        replicates, seed, level, replicates if permutations is None else permutations, settings.jobs
    )
    names = list(labels) if labels is not None else _labels(predictions)
    if len(names) != len(predictions) or len(set(names)) != len(names):
        raise UsageError(
            f"{plural(len(names), 'label')} for {plural(len(predictions), 'prediction')}, "
            "expected one of its own for each"
        )
    results = [evaluate(truth, one, settings) for one in predictions]
    wanted = read_slices(settings.slices if slices is None else slices) or {}
    scored = results[0].truth
    return comparison.compare(
        list(zip(names, results, strict=True)),
        resampling,
        groups=None if groups is None else group_images(results[0], groups),
        slices={name: find_images(scored, [str(member) for member in members]) for name, members in wanted.items()},
    )


def judge_comparison(found: Comparison, rules: Sequence[str]) -> GateReport:
    """Verdicts of rules such as `AP.delta>=-0.005` on a comparison.

    Parameters
    ----------
    found : Comparison
    rules : sequence of str

    Returns
    -------
    GateReport

    Raises
    ------
    UsageError
        An expression that cannot be read, an unknown metric, class or slice.
    """
    from detkit.evaluation.comparison_rules import judge_comparison as judge

    return judge(found, rules)


def group_images(result: Evaluation, groups: Groups) -> list[str]:
    """The group of each image of a result's truth, in its order.

    Parameters
    ----------
    result : Evaluation
    groups : mapping, path-like or str
        See `compare`.

    Returns
    -------
    list of str

    Raises
    ------
    UsageError
        Images without a group, or an expression without exactly one group.
    InputError
        A file that is no mapping.
    """
    images = result.truth.images
    if isinstance(groups, Mapping):
        known = _stated(groups)
    elif files.is_file(groups):
        known = _read_groups(Path(groups))
    else:
        return _by_expression(images.file_names, str(groups))
    found: list[str | None] = []
    for identifier, name in zip(images.ids.tolist(), images.file_names, strict=True):
        keys = (name, Path(name).name, Path(name).stem, str(identifier)) if name else (str(identifier),)
        found.append(next((known[key] for key in keys if key in known), None))
    lacking = [
        name or str(i)
        for i, name, group in zip(images.ids.tolist(), images.file_names, found, strict=True)
        if group is None
    ]
    if lacking:
        raise UsageError(f"{len(lacking)} of {len(images)} images have no group: {examples(lacking)}")
    return [str(group) for group in found]


def _by_expression(names: Sequence[str], expression: str) -> list[str]:
    try:
        pattern = re.compile(expression)
    except re.error as error:
        raise UsageError(f"groups `{expression}` is neither a file nor a regular expression: {error}") from error
    if pattern.groups != 1:
        raise UsageError(
            f"groups `{expression}` is no file, and as an expression it has {plural(pattern.groups, 'group')}, "
            "expected one",
            hint=r"for example --groups '^(\w+)_\d+'",
        )
    found = [pattern.search(name) for name in names]
    lacking = [name or "an image without a name" for name, match in zip(names, found, strict=True) if match is None]
    if lacking:
        raise UsageError(f"groups `{expression}` does not fit {len(lacking)} file names: {examples(lacking)}")
    return [match[1] or "" for match in found if match is not None]


def _read_groups(path: Path) -> dict[str, str]:
    """Image id or file name -> group, from a JSON, YAML or TOML mapping or a CSV of two columns."""
    if path.suffix.lower() != ".csv":
        content = config.load_config(path)
        if any(isinstance(value, dict | list) for value in content.values()):
            raise InputError("expected a mapping of image id or file name to group", path=path)
        return _stated(content)
    return dict(read_pairs(path, "image and group"))


def _stated(groups: Mapping[Any, Any]) -> dict[str, str]:
    """Groups by image as texts; null says that an image has none."""
    return {str(key): str(value) for key, value in groups.items() if value is not None}


def _labels(predictions: Sequence[Any]) -> list[str]:
    """Names of files, with as much of their folders as makes them different; letters for tables."""
    paths = [Path(p) if isinstance(p, str | Path) else None for p in predictions]
    names = [chr(ord("A") + n % 26) if p is None else p.name for n, p in enumerate(paths)]
    if len(set(names)) < len(names):
        names = [name if p is None else str(p) for name, p in zip(names, paths, strict=True)]
    if len(set(names)) < len(names):
        names = [f"{name} ({n})" for n, name in enumerate(names, 1)]
    return names


def with_intervals(
    result: Evaluation,
    level: float = 0.95,
    *,
    replicates: int = 1000,
    seed: int = 0,
    groups: Groups | None = None,
    jobs: int | None = None,
) -> Evaluation:
    """The result with bootstrap intervals of its metrics.

    Parameters
    ----------
    result : Evaluation
    level : float
        Share of replicates that an interval holds.
    replicates, seed : int
    groups : mapping, path-like or str, optional
        See `compare`.
    jobs : int, optional
        Threads; by default one a processor.

    Returns
    -------
    Evaluation
        With `intervals` set, as `detkit.evaluation.uncertainty.Intervals.to_dict` describes it.

    Raises
    ------
    UsageError
        A level outside 0 to 1, or a protocol that cannot be resampled.
    """
    from detkit.evaluation.uncertainty import Resampling, intervals

    found = intervals(
        result,
        Resampling(replicates, seed, level, 0, jobs),
        groups=None if groups is None else group_images(result, groups),
    )
    return replace(result, intervals=found.to_dict())
