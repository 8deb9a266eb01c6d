"""The bad-input table: what is given, which exit code it gets, and what the message must say.

Every case runs in a folder with `truth.json` and `pred.json` (both good) beside its own files.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import _inputs as make

EVAL = "eval truth.json pred.json"


@dataclass(frozen=True)
class Bad:
    """One bad input.

    Parameters
    ----------
    name : str
    line : str
        Arguments, as in a shell.
    code : int
    says : tuple of str
        Each stands in stderr.
    files : mapping
        Name -> content, on top of the good truth and predictions.
    """

    name: str
    line: str
    code: int
    says: tuple[str, ...]
    files: dict[str, Any] = field(default_factory=dict)


def _results(name: str, says: tuple[str, ...], records: Any, code: int = 2) -> Bad:
    """Results that stand in for `pred.json`."""
    return Bad(name, EVAL, code, says, {"pred.json": records})


def _truth(name: str, says: tuple[str, ...], content: Any, code: int = 2) -> Bad:
    """A truth that stands in for `truth.json`."""
    return Bad(name, EVAL, code, says, {"truth.json": content})


def _rule(name: str, rule: str, code: int, *says: str) -> Bad:
    return Bad(name, f"{EVAL} --require {rule!r}", code, says)


_TRUTH_TEXT = json.dumps(make.truth())
_RESULTS_TEXT = json.dumps(make.predictions())
_ANNOTATION = make.truth()["annotations"][0]


def _spoilt(**changes: Any) -> dict[str, Any]:
    """The truth with its first annotation changed."""
    whole = make.truth()
    whole["annotations"][0] = {k: v for k, v in {**_ANNOTATION, **changes}.items() if v is not ...}
    return whole


FILES = [
    Bad("missing truth", "eval nope.json pred.json", 2, ("nope.json: no such file or folder",)),
    Bad("missing predictions", "eval truth.json nope.json", 2, ("nope.json: no such file or folder",)),
    Bad("missing convert source", "convert nope out --to coco", 2, ("nope: no such file or folder",)),
    Bad("missing stats source", "stats nope", 2, ("nope: no such file or folder",)),
    Bad("path below a file", "eval truth.json/x pred.json", 2, ("truth.json/x",)),
    Bad("name with a NUL", "eval 'a\0b' pred.json", 2, ("not a usable path",)),
    Bad("name too long", f"eval {'x' * 5000} pred.json", 2, ("name too long",)),
    Bad("a device", "eval /dev/null pred.json", 2, ("neither a file nor a folder",)),
    Bad("empty folder as truth", "eval empty pred.json", 2, ("not recognised as labelled dataset",), {"empty": None}),
    Bad("empty folder as predictions", "eval truth.json empty", 2, ("not recognised as predictions",), {"empty": None}),
    Bad("folder named as a file", "eval truth.json dir.json", 2, ("dir.json",), {"dir.json": None}),
    _truth("empty truth", ("truth.json", "empty"), b""),
    _results("empty predictions file", ("pred.json", "empty"), b""),
    _truth("only spaces", ("truth.json", "empty"), b" \n\t\n"),
    _results("binary junk as predictions", ("pred.json",), bytes(range(256)) * 8),
    _truth("binary junk as truth", ("truth.json",), bytes(range(255, -1, -1)) * 8),
    _truth("UTF-16 truth", ("truth.json", "UTF-16"), _TRUTH_TEXT.encode("utf-16")),
    _results("UTF-16 predictions", ("pred.json", "UTF-16"), _RESULTS_TEXT.encode("utf-16")),
    _truth("Latin-1 truth", ("truth.json", "UTF-8"), _TRUTH_TEXT.replace("cat", "kät").encode("latin-1")),
    _truth("truncated truth", ("truth.json", "byte"), _TRUTH_TEXT[:333]),
    _results("truncated predictions", ("pred.json", "byte"), _RESULTS_TEXT[:200]),
    _truth("two documents", ("truth.json", "byte"), _TRUTH_TEXT + _TRUTH_TEXT),
    _results("comma at the end", ("pred.json", "byte"), _RESULTS_TEXT[:-1] + ",]"),
    _truth("truth is a number", ("truth.json",), "17"),
    _results("predictions are a text", ("pred.json",), '"none"'),
    _results("predictions are null", ("pred.json",), "null"),
    _truth("truth is a list of texts", ("truth.json",), ["a", "b"]),
    _results("nested too deeply", ("pred.json", "nested"), "[" * 100_000 + "]" * 100_000),
    _results(
        "nested too deeply inside a record",
        ("pred.json",),
        [{**make.predictions()[0], "x": None}][:0] or '[{"image_id": 11, "x": ' + "[" * 50_000 + "]" * 50_000 + "}]",
    ),
]

RECORDS = [
    _results("no score", ("pred.json", "score", "annotations[2]", "--drop-invalid"), make.one_wrong(score=None)),
    _results("score is a text", ("score", "`high`"), make.one_wrong(score="high")),
    _results("score is NaN", ("score", "NaN"), make.one_wrong(score=float("nan"))),
    _results("score is infinite", ("score", "Infinity"), make.one_wrong(score=float("inf"))),
    _results("score is null", ("score",), json.dumps(make.predictions()).replace("0.8,", "null,", 1)),
    _results("score is a bool", ("score",), make.one_wrong(score=True)),
    _results("three box values", ("bbox", "3 values"), make.one_wrong(bbox=[1, 2, 3])),
    _results("five box values", ("bbox",), make.one_wrong(bbox=[1, 2, 3, 4, 5])),
    _results("box value NaN", ("bbox",), make.one_wrong(bbox=[1, float("nan"), 3, 4])),
    _results("box value a text", ("bbox",), make.one_wrong(bbox=[1, "2,5", 3, 4])),
    _results("box is a text", ("bbox",), make.one_wrong(bbox="1 2 3 4")),
    _results("no box", ("bbox",), make.one_wrong(bbox=None)),
    _results("no image id", ("image_id",), make.one_wrong(image_id=None)),
    _results("no category id", ("category_id",), make.one_wrong(category_id=None)),
    _results("category id is a list", ("category_id",), make.one_wrong(category_id=[1])),
    _results("a record is a number", ("pred.json",), [*make.predictions(), 7]),
    _truth("truth box of three values", ("truth.json", "bbox", "annotations[0]"), _spoilt(bbox=[1, 2, 3])),
    _truth("truth box NaN", ("truth.json", "bbox"), _spoilt(bbox=[1, 2, float("nan"), 4])),
    _truth("truth without boxes", ("truth.json", "bbox"), _spoilt(bbox=...)),
    _truth("truth with no images", ("truth.json",), make.truth(images=[]), 2),
    _truth("truth without annotations", ("truth.json",), {"images": [], "categories": []}),
    _truth(
        "truth without categories", ("truth.json",), {k: v for k, v in make.truth().items() if k != "categories"}, 0
    ),
    _truth("annotations are an object", ("truth.json", "annotations"), make.truth(annotations={"a": 1})),
    _truth(
        "duplicate image ids",
        ("truth.json", "image", "11"),
        make.truth(images=[*make.truth()["images"], {"id": 11, "file_name": "x.jpg"}]),
        0,
    ),
    _truth(
        "duplicate category ids",
        ("truth.json",),
        make.truth(categories=[*make.CATEGORIES, {"id": 1, "name": "cow"}]),
        0,
    ),
    _truth("duplicate annotation ids", ("truth.json", "id"), _spoilt(id=2), 0),
]
BAD = [*FILES, *RECORDS]
