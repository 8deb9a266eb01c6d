"""Anchors of detectors that have them: find them, judge them, hand them on, and the training targets they give.

Everything is in network pixels: the sides of a box after its image was letterboxed or stretched to the input size.
`network` brings a dataset there, `cluster` finds anchors, `assess` judges them, `assign` gives every object its cell
and anchor, `export` writes what a training configuration wants, `targets` are the grid tensors and their inverse.
"""

from __future__ import annotations

__all__: list[str] = []
