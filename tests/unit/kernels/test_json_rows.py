"""The byte scanner of lists of records against the library reader: the same columns, or it gives up."""

from __future__ import annotations

import json
import os
import random

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detkit.kernels import json_rows
from detkit.kernels.json_rows import Columns, Layout, scan_rows

WITHOUT = os.environ.get("NUMBA_DISABLE_JIT") == "1"
SETTINGS = settings(derandomize=True, deadline=None, max_examples=20 if WITHOUT else 80)
PLAIN = b'[{"image_id":1,"category_id":2,"bbox":[1,2,3,4],"score":0.5}]'
RESULTS = Layout(
    ("image_id", "category_id"), ("score",), required=frozenset(("image_id", "category_id", "score", "bbox"))
)
TRUTH = Layout(("id", "image_id"), ("area",), ("iscrowd",), frozenset(("image_id", "bbox")), ("is_oriented",))


class Record(msgspec.Struct):
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    score: float


def by_library(text: bytes) -> tuple[list[list[int]], list[list[float]]]:
    records = msgspec.json.decode(text, type=list[Record])
    ids = [[r.image_id for r in records], [r.category_id for r in records]]
    return ids, [[*r.bbox, r.score] for r in records]


def scan(text: bytes, jobs: int = 2) -> Columns | None:
    """The columns, where the list is all there is."""
    start = text.find(b"[")
    if start < 0 or text[:start].strip(b" \t\r\n"):
        return None
    columns = scan_rows(text, start, RESULTS, jobs)
    return None if columns is None or text[columns.end :].strip(b" \t\r\n") else columns


def check(text: bytes, jobs: int = 2) -> bool:
    """Whether the scanner read the text; equality, bit for bit, where it did."""
    scanned = scan(text, jobs)
    if scanned is None:
        return False
    ids, numbers = by_library(text)
    assert scanned.ids.tolist() == ids
    assert np.column_stack([scanned.boxes, scanned.numbers[0]]).tobytes() == np.array(numbers, np.float64).tobytes()
    return True


number = st.one_of(
    st.integers(-(10**17), 10**17).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.decimals(-5000, 5000, places=3, allow_nan=False).map(str),
    st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,2})?", fullmatch=True),
    st.sampled_from(
        ["0", "-0", "-0.0", "1e22", "1e23", "9007199254740993", "0.1", "123456789012345678", "5e-324", "2.5E+2"]
    ),
)
space = st.sampled_from(["", " ", "\n", "\t ", "\r\n"])


@st.composite
def results(draw: st.DrawFn) -> bytes:
    records = []
    for _ in range(draw(st.integers(1, 4))):
        box = (draw(space) + ",").join(draw(number) for _ in range(4))
        fields = [
            f'"image_id":{draw(space)}{draw(st.integers(-(10**9), 10**12))}',
            f'"category_id"{draw(space)}:{draw(st.integers(0, 10**4))}',
            f'"bbox":[{draw(space)}{box}{draw(space)}]',
            f'"score":{draw(number)}{draw(space)}',
        ]
        records.append("{" + draw(space) + ("," + draw(space)).join(draw(st.permutations(fields))) + "}")
    return (draw(space) + "[" + draw(space) + ",".join(records) + draw(space) + "]" + draw(space)).encode()


@SETTINGS
@given(results())
def test_every_plain_list_is_read_as_the_library_reads_it(text: bytes) -> None:
    assert check(text)


@pytest.mark.parametrize(
    "text",
    [
        b"[]",
        b"{}",
        b"",
        b"[{}]",
        PLAIN[:-1],
        PLAIN[:-2] + b",}]",
        PLAIN[:-1] + b",]",
        b"[," + PLAIN[1:],
        PLAIN + b"x",
        PLAIN[:-1] + PLAIN[1:],
        PLAIN.replace(b"0.5", b"NaN"),
        PLAIN.replace(b"0.5", b".5"),
        PLAIN.replace(b"0.5", b"5."),
        PLAIN.replace(b"0.5", b"+5"),
        PLAIN.replace(b"0.5", b"1e"),
        PLAIN.replace(b"0.5", b"01"),
        PLAIN.replace(b"0.5", b"1e999"),
        PLAIN.replace(b"0.5", b"null"),
        PLAIN.replace(b"0.5", b'"0.5"'),
        PLAIN.replace(b'"image_id":1', b'"image_id":1.0'),
        PLAIN.replace(b'"image_id":1', b'"image_id":"1"'),
        PLAIN.replace(b'"image_id":1', b'"image_id":true'),
        PLAIN.replace(b'"image_id":1', b'"image_id":99999999999999999999'),
        PLAIN.replace(b'"image_id":1', b'"image_id":1,"image_id":2'),
        PLAIN.replace(b'"image_id":1', b'"image_id":1,"area":02'),
        PLAIN.replace(b'"image_id":1', b'"image_id":1,"a\\u0062":2'),
        PLAIN.replace(b'"image_id":1', b'"image_id":1,"a":[1,]'),
        PLAIN.replace(b'"image_id":1', b'"image_id":1,"a":"\t"'),
        PLAIN.replace(b'"image_id":1', b'"image_id":1,"a":"\x1f"'),
        PLAIN.replace(b'"image_id":1', b'"image_id":1,"a":"\\u00g0"'),
        PLAIN.replace(b'"image_id":1', b'"image_id":1,"a":"\xff"'),
        PLAIN.replace(b'"image_id":1', b'"image_id":1,"a":' + b"[" * 61 + b"]" * 61),
        PLAIN.replace(b'"image_id":1', b'ximage_id":1'),
        PLAIN.replace(b'"score":0.5', b'"score":0.5,"is_oriented":1').replace(b"0.5", b"nul"),
        PLAIN.replace(b'"image_id":1,', b""),
        PLAIN.replace(b"[1,2,3,4]", b"[1,2,3]"),
        PLAIN.replace(b"[1,2,3,4]", b"[1,2,3,4,5]"),
        PLAIN.replace(b"[1,2,3,4]", b"[]"),
        PLAIN.replace(b"score", b"sc\\u006fre"),
    ],
)
def test_any_other_shape_is_left_to_the_library(text: bytes) -> None:
    assert scan(text) is None


def test_mutated_bytes_give_the_same_columns_or_none() -> None:
    chooser = random.Random(7)
    base = (
        b'[{"image_id":42,"category_id":18,"bbox":[258.15,41.29,348.26,243.78],"score":0.236},'
        b' {"score":1.5e-3,"bbox":[0,-1,2.25,3],"category_id":1,"image_id":7}]'
    )
    alphabet = b'0123456789.-+eE,:{}[]" \nabx\\'
    read = 0
    for _ in range(200 if WITHOUT else 2000):
        text = bytearray(base)
        for _ in range(chooser.randint(1, 3)):
            at = chooser.randrange(len(text))
            action = chooser.random()
            if action < 0.4:
                text[at] = chooser.choice(alphabet)
            elif action < 0.7:
                del text[at]
            else:
                text.insert(at, chooser.choice(alphabet))
        read += check(bytes(text), jobs=1)
    assert read > (5 if WITHOUT else 125)


def test_pieces_join_whatever_their_length(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"image_id": i, "category_id": i % 7, "bbox": [i / 3, 0, 1, 2], "score": i / 1000} for i in range(300)]
    text = json.dumps(rows).encode()
    for piece in (10, 97, 1000):
        monkeypatch.setattr(json_rows, "_PIECE", piece)
        assert len(json_rows._cuts(text, 1, len(text) - 1)) > 2
        assert check(text)


def test_pieces_with_objects_inside_records_close_up(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        {"image_id": i, "mask": {"size": [1, {}], "counts": "}, {"}, "bbox": [i, 1, 2, 3], "id": i + 7, "area": i / 7}
        for i in range(100)
    ]
    monkeypatch.setattr(json_rows, "_PIECE", 500)
    columns = scan_rows(b"x" + json.dumps(rows).encode() + b"}", 1, TRUTH)
    # A cut within a string may look like one between records: then the whole list is given up, never read wrongly.
    assert columns is None
    for row in rows:
        row["mask"]["counts"] = "0"
    text = b"x" + json.dumps(rows).encode() + b"}"
    assert len(json_rows._cuts(text, 1, len(text))) > 10
    columns = scan_rows(text, 1, TRUTH)
    assert columns is not None
    assert columns.end == len(text) - 1
    assert columns.ids.tolist() == [[i + 7 for i in range(100)], list(range(100))]
    assert columns.boxes.tolist() == [[i, 1, 2, 3] for i in range(100)]
    assert columns.numbers.tolist() == [[i / 7 for i in range(100)]]


def test_keys_that_may_be_missing_or_null() -> None:
    text = (
        b'[{"image_id":5,"bbox":[0,0,1,1],"iscrowd":1},{"id":3,"image_id":6,"bbox":[0,0,1,1],"area":null,"iscrowd":0}]'
    )
    columns = scan_rows(text, 0, TRUTH)
    assert columns is not None
    assert columns.ids.tolist() == [[0, 3], [5, 6]]
    assert np.isnan(columns.numbers).all()
    assert columns.flags.tolist() == [[1, 0]]
    names = [[n for bit, n in enumerate(TRUTH.keys()) if stated >> bit & 1] for stated in columns.stated.tolist()]
    assert names == [["image_id", "bbox", "iscrowd"], ["id", "image_id", "bbox", "iscrowd"]]


@pytest.mark.parametrize(
    "more", [b'"is_oriented":0', b'"iscrowd":2', b'"iscrowd":true', b'"image_id":2', b'"id":null3']
)
def test_what_only_the_library_reads(more: bytes) -> None:
    assert scan_rows(b'[{"image_id":1,"bbox":[1,2,3,4]}]', 0, TRUTH) is not None
    assert scan_rows(b'[{"image_id":1,"bbox":[1,2,3,4],' + more + b"}]", 0, TRUTH) is None


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@SETTINGS
@given(JSON_VALUES, st.booleans(), st.sampled_from([None, 1, " "]))
def test_any_value_is_passed_over(value: object, ascii_only: bool, indent: int | str | None) -> None:
    inner = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "surrogatepass")
    assert check(PLAIN.replace(b'"image_id"', b'"x" : ' + inner + b' , "image_id"'), jobs=1)


@SETTINGS
@given(
    JSON_VALUES, st.integers(0, 200), st.sampled_from(list(b'0123456789.-+eE,:{}[]" \\ntrue\x00\x1f')), st.booleans()
)
def test_nothing_is_passed_over_that_is_no_json(value: object, at: int, byte: int, insert: bool) -> None:
    inner = json.dumps(value).encode()
    at %= len(inner)
    damaged = inner[:at] + bytes([byte]) + inner[at + (not insert) :]
    if scan(PLAIN.replace(b'"image_id"', b'"x":' + damaged + b',"image_id"')) is not None:
        json.loads(PLAIN.replace(b'"image_id"', b'"x":' + damaged + b',"image_id"'))
