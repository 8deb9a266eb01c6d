"""What an evaluation was asked for beyond its protocol, as plain values: enough to ask for it again.

The keys are the options of `detkit eval`, and only those that were given are there. Files are there by their content: a
result that names the class map of another machine could not be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detkit.errors import InputError
from detkit.formats import ImageSizes

if TYPE_CHECKING:
    from detkit.api.scoring import EvaluationSettings

__all__ = ["FIELDS", "changes_of", "request_of", "stated_request"]

#: Option -> field of `EvaluationSettings`.
FIELDS = {
    "truth_format": "truth_format",
    "predictions_format": "predictions_format",
    "split": "split",
    "images": "images_dir",
    "image_sizes": "image_sizes",
    "names": "names",
    "voc_offset": "voc_offset",
    "layout": "layout",
    "classes": "classes",
    "image_list": "images",
    "class_map": "class_map",
    "unmapped": "unmapped",
    "ignore_category": "ignore_category",
    "hierarchy": "hierarchy",
    "drop_invalid": "drop_invalid",
    "strict": "strict",
    "min_coverage": "min_coverage",
}


def request_of(settings: EvaluationSettings) -> dict[str, Any]:
    """The options that were given.

    Parameters
    ----------
    settings : EvaluationSettings
        With `class_map` and `hierarchy` read.

    Returns
    -------
    dict
        Plain values by the name of the option, in the order of `FIELDS`.
    """
    usual = type(settings)()
    given = {option: getattr(settings, field) for option, field in FIELDS.items()}
    return {
        option: _plain(value)
        for option, value in given.items()
        if value is not None and value != getattr(usual, FIELDS[option])
    }


def stated_request(result: Mapping[str, Any], path: str | Path | None = None) -> Mapping[str, Any] | None:
    """What a result says it was asked for, None where an earlier version wrote it.

    Parameters
    ----------
    result : mapping
        A validated result.
    path : path-like, optional
        Named in messages.

    Raises
    ------
    InputError
        An option that is not known, or a value of another kind.
    """
    found = result.get("request")
    if found is None:
        return None
    if not isinstance(found, Mapping):
        raise InputError("`request` of the result is no object of options", path=path)
    for option, value in found.items():
        if option not in FIELDS:
            raise InputError(f"`{option}` in `request` is no option that this version knows", path=path)
        fits, expected = _KINDS.get(option, _TEXT)
        if not fits(value):
            raise InputError(f"`{option}` in `request` is {value!r:.40}, expected {expected}", path=path)
    return found


def changes_of(request: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `EvaluationSettings` that a request sets.

    Parameters
    ----------
    request : mapping
        From `stated_request`.

    Returns
    -------
    dict
    """
    found = {FIELDS[option]: value for option, value in request.items()}
    if "images_dir" in found:
        found["images_dir"] = Path(found["images_dir"])
    if "names" in found:
        found["names"] = tuple(found["names"])
    if "image_sizes" in found:
        stated = found["image_sizes"]
        default = None if stated["default"] is None else tuple(stated["default"])
        found["image_sizes"] = ImageSizes(default, {name: tuple(size) for name, size in stated["by_name"].items()})
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, ImageSizes):
        default = None if value.default is None else list(value.default)
        return {"default": default, "by_name": {name: list(size) for name, size in value.by_name.items()}}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Path):
        return str(value)
    return [str(name) for name in value] if isinstance(value, list | tuple) else value


def _is_text_list(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_size(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and all(isinstance(side, int | float) for side in value)


def _is_sizes(value: Any) -> bool:
    if not isinstance(value, Mapping) or not isinstance(value.get("by_name"), Mapping) or "default" not in value:
        return False
    return (value["default"] is None or _is_size(value["default"])) and all(map(_is_size, value["by_name"].values()))


def _is_class_map(value: Any) -> bool:
    return isinstance(value, Mapping) and all(name is None or isinstance(name, str) for name in value.values())


_Kind = tuple[Callable[[Any], bool], str]
_TEXT: _Kind = (lambda value: isinstance(value, str), "text")
_NAMES: _Kind = (_is_text_list, "a list of names")
_FLAG: _Kind = (_is_flag, "true or false")
_KINDS: dict[str, _Kind] = {
    "image_sizes": (_is_sizes, "`default` and `by_name`"),
    "names": _NAMES,
    "voc_offset": (lambda value: value in (0, 1), "0 or 1"),
    "classes": _NAMES,
    "image_list": _NAMES,
    "class_map": (_is_class_map, "class names by class names"),
    "unmapped": (lambda value: value in ("ignore", "count", "error"), "ignore, count or error"),
    "ignore_category": _NAMES,
    "hierarchy": (lambda value: isinstance(value, Mapping), "a tree of classes"),
    "drop_invalid": _FLAG,
    "strict": _FLAG,
    "min_coverage": (lambda value: isinstance(value, int | float) and 0 <= value <= 1, "a share from 0 to 1"),
}
