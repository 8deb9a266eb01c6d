"""What the parts of an expression mean: operators, functions, and how single values are compared."""

from __future__ import annotations

import ast
import io
import operator
import re
import tokenize
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from detkit.transforms._fields import Text

__all__ = [
    "ARITHMETIC",
    "CLASS",
    "COMPARISON",
    "FUNCTIONS",
    "IMAGE_FUNCTIONS",
    "MIRRORED",
    "NEGATED",
    "NUMBER_FUNCTIONS",
    "TEXT_FUNCTIONS",
    "kind_of",
    "lowered",
    "passes",
    "without_class",
]

#: `class` is a word of Python: it is parsed under a name of the same length, so that columns stay.
CLASS = "klass"

ARITHMETIC: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: np.divide,
    ast.FloorDiv: np.floor_divide,
    ast.Mod: np.mod,
    ast.Pow: np.power,
}
COMPARISON: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.eq,
}
MIRRORED = {
    operator.lt: operator.gt,
    operator.le: operator.ge,
    operator.gt: operator.lt,
    operator.ge: operator.le,
}
NEGATED = (ast.NotEq, ast.NotIn, ast.IsNot)
NUMBER_FUNCTIONS: Mapping[str, tuple[int, Callable[..., Any]]] = {
    "abs": (1, np.abs),
    "sqrt": (1, np.sqrt),
    "round": (1, np.round),
    "min": (2, np.minimum),
    "max": (2, np.maximum),
}
TEXT_FUNCTIONS: Mapping[str, Callable[[str, str], bool]] = {
    "startswith": str.startswith,
    "endswith": str.endswith,
    "matches": lambda value, expression: re.search(expression, value) is not None,
}
IMAGE_FUNCTIONS = ("any", "all", "count")
FUNCTIONS = (*NUMBER_FUNCTIONS, *TEXT_FUNCTIONS, "lower", *IMAGE_FUNCTIONS)


def without_class(text: str) -> str:
    """The text with the name `class` replaced by one that Python allows; texts in quotes stay."""
    lines = text.split("\n")
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.NAME and token.string == "class":
                row, column = token.start
                line = lines[row - 1]
                lines[row - 1] = line[:column] + CLASS + line[column + len(CLASS) :]
    except (tokenize.TokenError, SyntaxError, IndentationError):
        pass  # the parser says what is wrong, and where
    return " ".join(lines).strip("\n") if len(lines) > 1 else lines[0]


def passes(value: Any, test: Callable[[Any, Any], Any], other: Any) -> bool:
    """Whether a value passes; of several values, one of them; what is missing equals nothing but None."""
    if isinstance(value, tuple):
        return (not value) if other is None else any(test(v, other) for v in value)
    if value is None or other is None:
        return test is operator.eq and value is None and other is None
    return bool(test(value, other))


def lowered(value: Any) -> Any:
    """A text in small letters; several texts each so, None as it is."""
    return tuple(map(lowered, value)) if isinstance(value, tuple) else None if value is None else str(value).lower()


def kind_of(found: Any) -> str:
    """What a value is called in a message."""
    if found is None:
        return "None"
    if isinstance(found, Text | str):
        return "a text"
    if isinstance(found, list):
        return "a list"
    is_truth = isinstance(found, bool | np.bool_) or (isinstance(found, np.ndarray) and found.dtype == np.bool_)
    return "a condition" if is_truth else "a number"
