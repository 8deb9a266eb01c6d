"""Which formats there are, and what each can do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from detkit import registry
from detkit.errors import UsageError
from detkit.formats._base import Capabilities, Kind

__all__ = ["capabilities", "function", "module", "names"]

_ROOM = "detkit.formats"
_FUNCTIONS = {
    ("dataset", "read"): "read",
    ("dataset", "write"): "write",
    ("detections", "read"): "read_detections",
    ("detections", "write"): "write_detections",
}
_WHAT = {"dataset": "datasets", "detections": "predictions"}


def names(kind: Kind | None = None, action: str = "read") -> tuple[str, ...]:
    """Names of all formats, or of those that can `read` or `write` one kind of table.

    Parameters
    ----------
    kind : {"dataset", "detections"}, optional
    action : {"read", "write"}

    Returns
    -------
    tuple of str
    """
    known = registry.names(_ROOM)
    if kind is None:
        return known
    return tuple(n for n in known if hasattr(module(n), _FUNCTIONS[kind, action]))


def module(name: str) -> Any:
    """The module of a format.

    Raises
    ------
    UsageError
        There is none of that name.
    """
    return registry.load(_ROOM, name)


def capabilities(name: str) -> Capabilities:
    """What a format can hold."""
    held: Capabilities = module(name).CAPABILITIES
    return held


def function(name: str, kind: Kind, action: str) -> Callable[..., Any]:
    """The function of a format that reads or writes one kind of table.

    Raises
    ------
    UsageError
        It has none, or there is no such format.
    """
    found = getattr(module(name), _FUNCTIONS[kind, action], None)
    if found is None:
        able = ", ".join(names(kind, action))
        other: Kind = "detections" if kind == "dataset" else "dataset"
        only = f" (it holds {_WHAT[other]} only)" if hasattr(module(name), _FUNCTIONS[other, action]) else ""
        raise UsageError(f"format `{name}` does not {action} {_WHAT[kind]}{only}; those that do: {able}")
    return found  # type: ignore[no-any-return]
