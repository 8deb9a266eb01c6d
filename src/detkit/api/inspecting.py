"""Look into a detector's file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from detkit.api.tables import read
from detkit.tables import Dataset

if TYPE_CHECKING:
    from detkit.detectors import Inspection

__all__ = ["inspect_model"]


def inspect_model(
    model: str | Path,
    *,
    family: str | None = None,
    image_size: tuple[int, int] | None = None,
    dataset: str | Path | Dataset | None = None,
    **options: Any,
) -> Inspection:
    """What an ONNX detector is made of: family and why, weights, multiplications, heads; nothing is run.

    Parameters
    ----------
    model : path-like
    family : str, optional
        By default recognised.
    image_size : (width, height), optional
        Where the model leaves it free.
    dataset : path-like or Dataset, optional
        Its objects are compared with each head's receptive field and stride.
    **options
        Fields of `ReadOptions`, and `format`, for the dataset.

    Returns
    -------
    Inspection

    Raises
    ------
    InputError
        Not an ONNX model, or one whose shapes contradict each other.
    """
    from detkit import detectors

    table = dataset if dataset is None or isinstance(dataset, Dataset) else read(dataset, **options)
    return detectors.inspect_model(str(model), family=family, image_size=image_size, dataset=table)
