"""Conditions on boxes or images as text, such as `class == "car" and w * h < 32 ** 2`.

The text is parsed as Python and walked by hand: only what is written below has a meaning, nothing is called or looked
up by Python itself. Columns are computed whole.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from detkit.errors import UsageError
from detkit.tables import Dataset
from detkit.transforms._expression_parts import (
    ARITHMETIC,
    CLASS,
    COMPARISON,
    FUNCTIONS,
    IMAGE_FUNCTIONS,
    MIRRORED,
    NEGATED,
    NUMBER_FUNCTIONS,
    TEXT_FUNCTIONS,
    kind_of,
    lowered,
    passes,
    without_class,
)
from detkit.transforms._fields import BOX_FIELDS, IMAGE_FIELDS, Text, box_column, image_column, image_names
from detkit.wording import plural

__all__ = ["Condition", "condition"]

Level = Literal["boxes", "images"]
_LONGEST = 5000


class Condition:
    """A condition that was evaluated.

    Parameters
    ----------
    mask : (N,) bool
        Where it holds: a box or an image each.
    missing : mapping of str to int
        Fields it names -> how many have no value there: comparisons with them do not hold.
    """

    def __init__(self, mask: NDArray[np.bool_], missing: Mapping[str, int]) -> None:
        self.mask = mask
        self.missing = missing


def condition(dataset: Dataset, text: str, level: Level, flag: str) -> Condition:
    """Where a condition holds.

    Parameters
    ----------
    dataset : Dataset
    text : str
    level : {"boxes", "images"}
        What it is asked of. A condition on boxes may name fields of their images; one on images takes boxes through
        `any(...)`, `all(...)` and `count(...)`.
    flag : str
        For messages: the option it came from.

    Returns
    -------
    Condition

    Raises
    ------
    UsageError
        Not readable, an unknown name, or values that do not fit; the message points at the column.
    """
    walker = _Walker(dataset, text, level, flag, {})
    tree = walker.parsed()
    with np.errstate(all="ignore"):
        found = walker.value(tree)
        mask = walker.truth(found, tree)
    size = len(dataset.annotations) if level == "boxes" else len(dataset.images)
    return Condition(np.broadcast_to(mask, size).astype(np.bool_), walker.missing)


class _Walker:
    """Evaluates one expression at one level; a nested one for boxes inside a condition on images."""

    def __init__(self, dataset: Dataset, text: str, level: Level, flag: str, missing: dict[str, int]) -> None:
        self.dataset, self.text, self.level, self.flag, self.missing = dataset, text.strip(), level, flag, missing

    def parsed(self) -> ast.expr:
        if len(self.text) > _LONGEST:
            raise UsageError(f"{self.flag}: {len(self.text)} characters, expected at most {_LONGEST}")
        try:
            return ast.parse(without_class(self.text), mode="eval").body
        except SyntaxError as error:
            place = error.offset - 1 if error.offset else len(self.text)
            raise self.wrong(f"cannot be read: {error.msg.replace(CLASS, 'class')}", place) from None
        except (ValueError, RecursionError, MemoryError):
            raise UsageError(f"{self.flag}: the expression cannot be read: too deep, or a null byte") from None

    def wrong(self, message: str, place: ast.expr | int, hint: str | None = None) -> UsageError:
        column = place if isinstance(place, int) else len(self.text.encode()[: place.col_offset].decode())
        shown = " ".join(self.text.split("\n"))
        return UsageError(f"{self.flag}: column {column + 1}: {message}\n  {shown}\n  {' ' * column}^", hint=hint)

    def value(self, node: ast.expr) -> Any:
        method = _METHODS.get(type(node))
        if method is None:
            raise self.wrong(f"`{ast.unparse(node).replace(CLASS, 'class')}` is not known here", node,
                             "fields, numbers, texts, + - * / // % **, comparisons, in, and, or, not")  # fmt: skip
        try:
            return method(self, node)
        except RecursionError:
            raise UsageError(f"{self.flag}: the expression is nested too deep") from None

    def truth(self, found: Any, node: ast.expr) -> Any:
        if isinstance(found, bool | np.bool_) or (isinstance(found, np.ndarray) and found.dtype == np.bool_):
            return found
        raise self.wrong(f"expected a condition, found {kind_of(found)}", node)

    def number(self, found: Any, node: ast.expr) -> Any:
        if isinstance(found, np.ndarray | np.number | bool | np.bool_):
            return found + 0.0
        raise self.wrong(f"expected a number, found {kind_of(found)}", node)

    # --- the parts of an expression

    def constant(self, node: ast.Constant) -> Any:
        if isinstance(node.value, bool | str) or node.value is None:
            return node.value
        if isinstance(node.value, int | float):
            try:
                return np.float64(node.value)
            except OverflowError:
                raise self.wrong("the number is too large", node) from None
        raise self.wrong(f"expected a number or a text, found {node.value!r}", node)

    def sequence(self, node: ast.List | ast.Tuple | ast.Set) -> list[Any]:
        return [self.constant(item) if isinstance(item, ast.Constant) else self._signed(item) for item in node.elts]

    def _signed(self, node: ast.expr) -> Any:
        found = self.value(node)
        if isinstance(found, np.ndarray | Text | list):
            raise self.wrong("expected a number or a text in a list", node)
        return found

    def name(self, node: ast.Name) -> Any:
        return self._column("class" if node.id == CLASS else node.id, node)

    def attribute(self, node: ast.Attribute) -> Any:
        return self._member(node.value, node.attr, node)

    def subscript(self, node: ast.Subscript) -> Any:
        if not (isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str)):
            raise self.wrong('expected a name in quotes, such as attributes["name"]', node)
        return self._member(node.value, node.slice.value, node)

    def _member(self, owner: ast.expr, name: str, node: ast.expr) -> Any:
        if not isinstance(owner, ast.Name) or owner.id not in ("attributes", "image"):
            raise self.wrong("expected `attributes.NAME` of a box or `image.NAME` of an image", node)
        if owner.id == "image" and name in BOX_FIELDS and name not in IMAGE_FIELDS:
            raise self.wrong(f"images have no `{name}`", node)
        return self._column(f"{owner.id}.{name}", node)

    def _column(self, name: str, node: ast.expr) -> Any:
        try:
            if name.startswith("image.") or name in IMAGE_FIELDS:
                found = image_column(self.dataset, name.removeprefix("image."))
                if self.level == "boxes":
                    index = self.dataset.annotations.image_index
                    found = found.take(index) if isinstance(found, Text) else found[index]
            else:
                if self.level == "images" and (name in BOX_FIELDS or name.startswith("attributes.")):
                    raise self._of_a_box(name, node)
                found = box_column(self.dataset, name)
        except KeyError:
            raise self._unknown(name, node) from None
        self._note(name, found)
        return found

    def _of_a_box(self, name: str, node: ast.expr) -> UsageError:
        hint = f"any({name} ...), all({name} ...) and count({name} ...) look at boxes"
        return self.wrong(f"`{name}` is of a box, and this is asked of images", node, hint)

    def _note(self, name: str, found: Any) -> None:
        gaps = 0
        if isinstance(found, Text):
            gaps = int(found.where(lambda value: value is None).sum())
        elif found.dtype.kind == "f":
            gaps = int(np.isnan(found).sum())
        if gaps:
            self.missing[name] = gaps

    def _unknown(self, name: str, node: ast.expr) -> UsageError:
        attributes = [f"attributes.{key}" for key in self.dataset.annotations.attributes]
        known = [*BOX_FIELDS, *image_names(self.dataset), *attributes]
        close = get_close_matches(name, known, n=3, cutoff=0.6)
        hint = f"did you mean {' or '.join(f'`{c}`' for c in close)}?" if close else f"known: {', '.join(known)}"
        return self.wrong(f"unknown name `{name}`", node, hint)

    def unary(self, node: ast.UnaryOp) -> Any:
        found = self.value(node.operand)
        if isinstance(node.op, ast.Not):
            return np.logical_not(self.truth(found, node.operand))
        if isinstance(node.op, ast.Invert):
            raise self.wrong("`~` is not known here, `not` is", node)
        number = self.number(found, node.operand)
        return -number if isinstance(node.op, ast.USub) else number

    def both(self, node: ast.BoolOp) -> Any:
        join = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
        parts = [self.truth(self.value(part), part) for part in node.values]
        found = parts[0]
        for part in parts[1:]:
            found = join(found, part)
        return found

    def arithmetic(self, node: ast.BinOp) -> Any:
        function = ARITHMETIC.get(type(node.op))
        if function is None:
            raise self.wrong("this operator is not known here; conditions are joined by `and` and `or`", node)
        left, right = self.value(node.left), self.value(node.right)
        return function(self.number(left, node.left), self.number(right, node.right))

    def compare(self, node: ast.Compare) -> Any:
        left, left_node = self.value(node.left), node.left
        found: Any = True
        for op, right_node in zip(node.ops, node.comparators, strict=True):
            right = self.value(right_node)
            if isinstance(op, ast.In | ast.NotIn):
                part = self._within(left, right, left_node, right_node)
            else:
                test = COMPARISON.get(type(op), operator.eq)
                part = self._pair(test, left, right, left_node, right_node)
            if isinstance(op, NEGATED):
                part = np.logical_not(part)
            found = np.logical_and(found, part)
            left, left_node = right, right_node
        return found

    def _pair(self, test: Callable[[Any, Any], Any], left: Any, right: Any, node: ast.expr, other: ast.expr) -> Any:
        if isinstance(right, Text) and not isinstance(left, Text):
            return self._pair(MIRRORED.get(test, test), right, left, other, node)
        if isinstance(left, Text) and isinstance(right, Text):
            rows = zip(left.codes.tolist(), right.codes.tolist(), strict=True)
            return np.array([passes(left.values[a], test, right.values[b]) for a, b in rows], np.bool_)
        if isinstance(left, Text):
            if not (right is None or isinstance(right, str)):
                raise self.wrong(f"compares a text with {kind_of(right)}", other)
            return left.where(lambda value: passes(value, test, right))
        if right is None:
            gaps = np.isnan(left) if isinstance(left, np.ndarray) and left.dtype.kind == "f" else left is None
            return gaps if test is operator.eq else False
        if isinstance(left, str) and isinstance(right, str):
            return bool(test(left, right))
        if isinstance(left, str) or left is None or isinstance(left, list):
            raise self.wrong(f"compares {kind_of(left)} with {kind_of(right)}", node)
        if isinstance(right, str | list):
            raise self.wrong(f"compares {kind_of(left)} with {kind_of(right)}", other)
        return test(left, right)

    def _within(self, left: Any, right: Any, node: ast.expr, other: ast.expr) -> Any:
        if isinstance(left, str) and isinstance(right, Text):
            return right.where(lambda value: passes(value, lambda text, part: part in text, left))
        if not isinstance(right, list):
            raise self.wrong('expected a list, such as [1, 2], or `"text" in field`', other)
        found: Any = False
        for item in right:
            found = np.logical_or(found, self._pair(operator.eq, left, item, node, other))
        return found

    def call(self, node: ast.Call) -> Any:
        if node.keywords:
            raise self.wrong("named arguments are not known here", node)
        name, arguments = "", list(node.args)
        if isinstance(node.func, ast.Name):
            name = node.func.id
        elif isinstance(node.func, ast.Attribute):
            name, arguments = node.func.attr, [node.func.value, *arguments]
        if name in IMAGE_FUNCTIONS and isinstance(node.func, ast.Name):
            return self._of_boxes(name, arguments, node)
        if name in NUMBER_FUNCTIONS and isinstance(node.func, ast.Name):
            count, function = NUMBER_FUNCTIONS[name]
            self._expect(count, arguments, name, node)
            return function(*(self.number(self.value(a), a) for a in arguments))
        if name == "lower" or name in TEXT_FUNCTIONS:
            return self._of_text(name, arguments, node)
        name = name or ast.unparse(node.func)
        close = get_close_matches(name, FUNCTIONS, n=2, cutoff=0.6)
        raise self.wrong(f"unknown function `{name}`", node, f"known: {', '.join(close or FUNCTIONS)}")

    def _expect(self, count: int, arguments: list[ast.expr], name: str, node: ast.expr) -> None:
        if len(arguments) != count:
            raise self.wrong(f"`{name}` has {plural(len(arguments), 'argument')}, expected {count}", node)

    def _of_text(self, name: str, arguments: list[ast.expr], node: ast.expr) -> Any:
        self._expect(1 if name == "lower" else 2, arguments, name, node)
        column = self.value(arguments[0])
        if not isinstance(column, Text):
            raise self.wrong(f"`{name}` is of a text, found {kind_of(column)}", arguments[0])
        if name == "lower":
            return Text(tuple(lowered(value) for value in column.values), column.codes)
        argument = self.value(arguments[1])
        if not isinstance(argument, str):
            raise self.wrong(f"expected a text, found {kind_of(argument)}", arguments[1])
        if name == "matches":
            try:
                re.compile(argument)
            except re.error as error:
                raise self.wrong(f"not a regular expression: {error}", arguments[1]) from None
        return column.where(lambda value: passes(value, TEXT_FUNCTIONS[name], argument))

    def _of_boxes(self, name: str, arguments: list[ast.expr], node: ast.expr) -> Any:
        if self.level == "boxes":
            raise self.wrong(f"`{name}` is for conditions on images", node, "use it with --images-where")
        self._expect(1, arguments, name, node)
        inner = _Walker(self.dataset, self.text, "boxes", self.flag, self.missing)
        rows = self.dataset.annotations
        mask = np.broadcast_to(inner.truth(inner.value(arguments[0]), arguments[0]), len(rows))
        counts = np.bincount(rows.image_index[mask], minlength=len(self.dataset.images)).astype(np.float64)
        if name == "count":
            return counts
        return counts > 0 if name == "any" else counts == np.diff(self.dataset.offsets)


_METHODS: Mapping[type, Callable[[_Walker, Any], Any]] = {
    ast.Constant: _Walker.constant,
    ast.List: _Walker.sequence,
    ast.Tuple: _Walker.sequence,
    ast.Set: _Walker.sequence,
    ast.Name: _Walker.name,
    ast.Attribute: _Walker.attribute,
    ast.Subscript: _Walker.subscript,
    ast.UnaryOp: _Walker.unary,
    ast.BoolOp: _Walker.both,
    ast.BinOp: _Walker.arithmetic,
    ast.Compare: _Walker.compare,
    ast.Call: _Walker.call,
}
