"""Rows of the bad-input table: what is given, which exit code it gets, and what the message must say.

Every case runs in a folder with `truth.json` and `pred.json` (both good) beside its own files.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from cli import _inputs as make

EVAL = "eval truth.json pred.json"


@dataclass(frozen=True)
class Bad:
    """One bad input, or an odd one that must not be refused (code 0).

    Parameters
    ----------
    name : str
    line : str
        Arguments, as in a shell.
    code : int
    says : tuple of str
        Each stands in what the command prints.
    files : mapping
        Name -> content, on top of the good truth and predictions.
    leaves : bool
        Whether the command writes something.
    """

    name: str
    line: str
    code: int
    says: tuple[str, ...]
    files: dict[str, Any] = field(default_factory=dict)
    leaves: bool = False


def results(name: str, says: tuple[str, ...], records: Any, code: int = 2) -> Bad:
    """Results that stand in for `pred.json`."""
    return Bad(name, EVAL, code, says, {"pred.json": records})


def truth(name: str, says: tuple[str, ...], content: Any, code: int = 2) -> Bad:
    """A truth that stands in for `truth.json`."""
    return Bad(name, EVAL, code, says, {"truth.json": content})


def rule(name: str, rule: str, code: int, *says: str) -> Bad:
    return Bad(name, f"{EVAL} --require {rule!r}", code, says)


TRUTH_TEXT = json.dumps(make.truth())
RESULTS_TEXT = json.dumps(make.predictions())
_ANNOTATION = make.truth()["annotations"][0]


def spoilt(**changes: Any) -> dict[str, Any]:
    """The truth with its first annotation changed."""
    whole = make.truth()
    whole["annotations"][0] = {k: v for k, v in {**_ANNOTATION, **changes}.items() if v is not ...}
    return whole


YOLO_ROWS = make.yolo_folder("yolo")
LAYOUT = " --layout class-cxcywh-norm-conf"


def named(*names: str) -> dict[str, Any]:
    """The truth with other class names."""
    return make.truth(categories=[{"id": n, "name": s} for n, s in enumerate(names, 1)])
