"""Results for other programs: a flat dict for experiment trackers, and data frames."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from detkit.errors import UsageError

if TYPE_CHECKING:
    from detkit.evaluation.result import Evaluation

__all__ = ["flat_metrics", "frame"]


def flat_metrics(
    result: Evaluation | Mapping[str, Any], *, prefix: str = "", per_class: Sequence[str] = ()
) -> dict[str, float]:
    """Metrics as one flat dict, as MLflow, Weights & Biases and TensorBoard log them.

    Parameters
    ----------
    result : Evaluation or mapping
        A mapping is what `detkit eval --format json` wrote.
    prefix : str
        Put before every name, such as `val/`.
    per_class : sequence of str
        Metrics of every class to add, as `AP.dog`; none by default.

    Returns
    -------
    dict of str to float
        Undefined metrics are left out: trackers know no null.

    Raises
    ------
    UsageError
        A class metric that the result does not have.

    Examples
    --------
    >>> result = detkit.evaluate("truth.json", "found.json")  # doctest: +SKIP
    >>> mlflow.log_metrics(detkit.flat_metrics(result, prefix="val/"))  # doctest: +SKIP
    """
    plain: Mapping[str, Any] = result if isinstance(result, Mapping) else result.to_dict()
    values = dict(plain["metrics"])
    for name in per_class:
        for row in plain["per_class"]:
            if name not in row:
                known = [key for key, value in row.items() if isinstance(value, float | None) and key != "category_id"]
                raise UsageError(f"unknown class metric `{name}`; known: {', '.join(known)}")
            values[f"{name}.{row['name']}"] = row[name]
    return {f"{prefix}{name}": float(value) for name, value in values.items() if value is not None}


def frame(
    result: Evaluation,
    kind: Literal["classes", "metrics", "matches"] = "classes",
    *,
    library: Literal["pandas", "polars"] = "pandas",
) -> Any:
    """A data frame of a result.

    Parameters
    ----------
    result : Evaluation
    kind : {"classes", "metrics", "matches"}
        A row a class, a row a metric, or a row a box (the evaluation must have kept partners).
    library : {"pandas", "polars"}

    Returns
    -------
    pandas.DataFrame or polars.DataFrame
        Undefined is NaN or null.

    Raises
    ------
    UsageError
        Unknown kind or library, a library that is not installed, or matches of a result without partners.
    """
    if library not in ("pandas", "polars"):
        raise UsageError(f"library: found `{library}`, expected pandas or polars")
    columns = _columns(result, kind)
    try:
        return importlib.import_module(library).DataFrame(columns)
    except ImportError as error:
        raise UsageError(f"this needs `{library}`, which is not installed", hint=f"pip install {library}") from error


def _columns(result: Evaluation, kind: str) -> Mapping[str, Sequence[Any]]:
    if kind == "matches":
        from detkit.evaluation.matches import match_table

        return match_table(result)
    if kind == "metrics":
        return {"metric": list(result.metrics), "value": list(result.metrics.values())}
    if kind == "classes":
        rows = result.to_dict()["per_class"]
        return {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
    raise UsageError(f"kind: found `{kind}`, expected classes, metrics or matches")
