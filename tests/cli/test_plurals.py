"""One image is no `1 images`: counts in messages and reports go through `wording.plural`."""

from __future__ import annotations

import ast
import re
from itertools import pairwise
from pathlib import Path

import detkit

ROOT = Path(detkit.__file__).parent
ROOMS = ("anchors", "api", "checks", "cli", "evaluation", "formats", "reports", "scale", "transforms")
FILES = sorted({path for room in ROOMS for path in (ROOT / room).rglob("*.py")})
NOUN = re.compile(
    r" (images|boxes|classes|crops|plots|videos|datasets|copies|truths|detections|predictions|files|rows)\b"
    r"(?!/s| each|, expected one)"
)
#: Before a count that says what there is to choose from, and that is seldom one: `3 of 20 images`.
OF = re.compile(r"(of|all|than)\s$")


def _counts(tree: ast.AST) -> list[str]:
    """Nouns in the plural that follow a value in an f-string."""
    found = []
    for node in ast.walk(tree):
        parts = node.values if isinstance(node, ast.JoinedStr) else []
        for before, (value, text) in zip([None, *parts], pairwise(parts), strict=False):
            if isinstance(before, ast.Constant) and OF.search(str(before.value)):
                continue
            if isinstance(value, ast.FormattedValue) and isinstance(text, ast.Constant):
                met = NOUN.match(str(text.value))
                found += [f"{{{ast.unparse(value.value)}}}{met[0]}"] if met else []
    return found


def test_counts_are_put_into_words_by_one_function() -> None:
    found = {path.relative_to(ROOT).as_posix(): _counts(ast.parse(path.read_text(encoding="utf-8"))) for path in FILES}
    assert {name: counts for name, counts in found.items() if counts} == {}


def test_a_count_out_of_many_may_stay() -> None:
    assert _counts(ast.parse('f"{k} of {n} images, fewer than {m} boxes, {r} images/s"')) == []


def test_a_bare_plural_is_seen() -> None:
    assert _counts(ast.parse('f"wrote {path}: {n} images, {k} more"')) == ["{n} images"]
