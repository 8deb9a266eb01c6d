"""Values as JSON: in its own types, and as compact text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["encode", "plain"]


def encode(value: Any) -> bytes:
    """Compact JSON in UTF-8; numbers with the fewest digits that read back the same, what is not finite as null."""
    import msgspec

    try:
        return msgspec.json.encode(value, enc_hook=_known_types)
    except UnicodeEncodeError:
        # Half a surrogate pair from an escaped string: kept as the escape it came as.
        return json.dumps(plain(value), separators=(",", ":"), allow_nan=False).encode("ascii")


def plain(value: Any) -> Any:
    """The value in JSON's own types."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if hasattr(value, "__struct_fields__"):
        import msgspec

        return plain(msgspec.to_builtins(value, enc_hook=_known_types))
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if value is None or isinstance(value, (str, int, bool)):
        return value
    return plain(_known_types(value))


def _known_types(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    if isinstance(value, int):
        return _LongInteger(value)
    return str(value)


def _LongInteger(value: int) -> Any:  # noqa: N802 - stands for a type
    import msgspec

    return msgspec.Raw(str(value).encode("ascii"))
