"""Join the predictions of several models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detkit.api.tables import read, refuse_unusable
from detkit.tables import Dataset, Detections

if TYPE_CHECKING:
    from detkit.transforms.ensemble import Ensemble

__all__ = ["ensemble"]


def ensemble(
    sources: Sequence[str | Path | Detections],
    *,
    truth: str | Path | Dataset | None = None,
    format: str = "auto",
    truth_format: str = "auto",
    drop_invalid: bool = False,
    read_options: dict[str, Any] | None = None,
    **settings: Any,
) -> Ensemble:
    """Predictions of several models joined into one table.

    Parameters
    ----------
    sources : sequence of (path-like or Detections)
    truth : path-like or Dataset, optional
        Gives image sizes, and joins files that name images differently.
    format, truth_format : str
    drop_invalid : bool
    read_options : dict, optional
        Fields of `ReadOptions`.
    **settings
        Fields of `detkit.transforms.ensemble.EnsembleSettings`: `method`, `weights`, `iou_threshold`, ...

    Returns
    -------
    Ensemble
        `detections`, the number of `boxes` of each table that took part, `losses`.

    Raises
    ------
    InvalidRowsError
        A file holds unusable rows.
    CannotJudgeError
        Two files have no image in common.
    """
    from detkit.transforms import ensemble as room

    options = dict(read_options or {})
    if truth is not None:
        truth = truth if isinstance(truth, Dataset) else read(truth, format=truth_format, **options)
        options |= {"reference_images": truth.images}
    # A split is the truth's: predictions have none.
    options.pop("split", None)
    tables = [
        source if isinstance(source, Detections) else read(source, kind="detections", format=format, **options)
        for source in sources
    ]
    for table in tables:
        refuse_unusable(table.findings, drop_invalid)
    return room.ensemble(tables, room.EnsembleSettings(**settings), truth=truth)
