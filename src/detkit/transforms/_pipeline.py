"""The pipeline of an augmentation as a file states it: a list of steps, checked before anything is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from detkit.errors import UsageError

__all__ = ["GROUPS", "PRESETS", "Step", "parse_steps"]

#: Steps that choose among others.
GROUPS = ("OneOf", "SomeOf", "Sequential")
_KEYS = ("name", "p", "params", "transforms")

_FLIP = {"name": "HorizontalFlip", "p": 0.5}
#: Pipelines by name, weakest first.
PRESETS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "light": (
        _FLIP,
        {"name": "RandomBrightnessContrast", "p": 0.3, "params": {"brightness_limit": 0.15, "contrast_limit": 0.15}},
    ),
    "standard": (
        _FLIP,
        {
            "name": "Affine",
            "p": 0.6,
            "params": {"scale": [0.8, 1.2], "translate_percent": [-0.08, 0.08], "rotate": [-7, 7], "fill": 114},
        },
        {"name": "RandomBrightnessContrast", "p": 0.5, "params": {"brightness_limit": 0.25, "contrast_limit": 0.25}},
        {"name": "HueSaturationValue", "p": 0.4},
        {"name": "Blur", "p": 0.1, "params": {"blur_limit": [3, 5]}},
    ),
    "heavy": (
        _FLIP,
        {
            "name": "Affine",
            "p": 0.8,
            "params": {
                "scale": [0.6, 1.4],
                "translate_percent": [-0.15, 0.15],
                "rotate": [-20, 20],
                "shear": [-6, 6],
                "fill": 114,
            },
        },
        {"name": "Perspective", "p": 0.2, "params": {"scale": [0.02, 0.06], "fill": 114}},
        {"name": "ColorJitter", "p": 0.7},
        {
            "name": "OneOf",
            "p": 0.4,
            "transforms": [{"name": "MotionBlur", "p": 1.0}, {"name": "GaussNoise", "p": 1.0}],
        },
        {"name": "ImageCompression", "p": 0.3, "params": {"quality_range": [50, 95]}},
        {"name": "CoarseDropout", "p": 0.3, "params": {"fill": 114}},
    ),
}


@dataclass(frozen=True)
class Step:
    """One transform of a pipeline, or a choice among several.

    Parameters
    ----------
    name : str
        Of the class in albumentations.
    p : float
        Probability.
    params : mapping
        Its arguments.
    steps : tuple of Step
        Of a choice.
    place : str
        Where it stands, for messages.
    """

    name: str
    p: float = 0.5
    params: Mapping[str, Any] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    place: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as a pipeline file states them."""
        inner = {"transforms": [step.to_dict() for step in self.steps]} if self.steps else {}
        return {"name": self.name, "p": self.p, "params": dict(self.params), **inner}


def parse_steps(content: Any, place: str = "pipeline") -> tuple[Step, ...]:
    """The steps of a pipeline.

    Parameters
    ----------
    content : object
        A list of names or of mappings with `name` and, by choice, `p`, `params` and `transforms`; or a mapping with
        that list under `transforms`.
    place : str
        What to call it in messages.

    Returns
    -------
    tuple of Step

    Raises
    ------
    UsageError
        Not such a list; the message says which step.
    """
    if isinstance(content, Mapping) and "name" not in content:
        content = content.get("transforms", content)
    if isinstance(content, str) or not isinstance(content, Sequence) or not content:
        raise UsageError(f"{place}: found {type(content).__name__}, expected a list of transforms")
    return tuple(_step(entry, f"{place}[{n}]") for n, entry in enumerate(content))


def _step(entry: Any, place: str) -> Step:
    if isinstance(entry, str):
        entry = {"name": entry}
    if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
        raise UsageError(f"{place}: found {entry!r}, expected a name, or a mapping with `name`, `p` and `params`")
    name = str(entry["name"])
    place = f"{place} {name}"
    unknown = [key for key in entry if key not in _KEYS]
    if unknown:
        raise UsageError(
            f"{place}: unknown key `{unknown[0]}`, expected {', '.join(_KEYS)}",
            hint=f"arguments of the transform go under `params`: {{name: {name}, params: {{{unknown[0]}: ...}}}}",
        )
    p, params = entry.get("p", 0.5), entry.get("params") or {}
    if isinstance(p, bool) or not isinstance(p, int | float) or not 0 <= p <= 1:
        raise UsageError(f"{place}: p is {p!r}, expected a probability from 0 to 1")
    if not isinstance(params, Mapping) or "p" in params:
        raise UsageError(f"{place}: params is {params!r}, expected a mapping of arguments without `p`")
    if (name in GROUPS) != ("transforms" in entry):
        raise UsageError(f"{place}: `transforms` belongs to {', '.join(GROUPS)}, and to no other")
    steps = parse_steps(entry["transforms"], place) if name in GROUPS else ()
    return Step(name, float(p), params, steps, place)
