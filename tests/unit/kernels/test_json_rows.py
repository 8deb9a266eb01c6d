"""The byte scanner of results lists against the library reader: the same columns, or it gives up."""

from __future__ import annotations

import json
import random

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detkit.kernels import json_rows
from detkit.kernels.json_rows import scan_results

SETTINGS = settings(derandomize=True, deadline=None, max_examples=200)
PLAIN = b'[{"image_id":1,"category_id":2,"bbox":[1,2,3,4],"score":0.5}]'


class Record(msgspec.Struct):
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    score: float


def by_library(text: bytes) -> tuple[list[list[int]], list[list[float]]]:
    records = msgspec.json.decode(text, type=list[Record])
    ids = [[r.image_id for r in records], [r.category_id for r in records]]
    return ids, [[*r.bbox, r.score] for r in records]


def check(text: bytes, jobs: int = 2) -> bool:
    """Whether the scanner read the text; equality, bit for bit, where it did."""
    scanned = scan_results(text, jobs)
    if scanned is None:
        return False
    ids, numbers = by_library(text)
    assert scanned[0].tolist() == ids
    assert scanned[1].tobytes() == np.array(numbers, dtype=np.float64).tobytes()
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
        PLAIN.replace(b'"image_id":1', b'"image_id":1,"area":2'),
        PLAIN.replace(b'"image_id":1,', b""),
        PLAIN.replace(b"[1,2,3,4]", b"[1,2,3]"),
        PLAIN.replace(b"[1,2,3,4]", b"[1,2,3,4,5]"),
        PLAIN.replace(b"[1,2,3,4]", b"[]"),
        PLAIN.replace(b"score", b"sc\\u006fre"),
    ],
)
def test_any_other_shape_is_left_to_the_library(text: bytes) -> None:
    assert scan_results(text) is None


def test_mutated_bytes_give_the_same_columns_or_none() -> None:
    chooser = random.Random(7)
    base = (
        b'[{"image_id":42,"category_id":18,"bbox":[258.15,41.29,348.26,243.78],"score":0.236},'
        b' {"score":1.5e-3,"bbox":[0,-1,2.25,3],"category_id":1,"image_id":7}]'
    )
    alphabet = b'0123456789.-+eE,:{}[]" \nabx\\'
    read = 0
    for _ in range(4000):
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
    assert read > 250


def test_pieces_join_whatever_their_length(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"image_id": i, "category_id": i % 7, "bbox": [i / 3, 0, 1, 2], "score": i / 1000} for i in range(300)]
    text = json.dumps(rows).encode()
    for piece in (10, 97, 1000):
        monkeypatch.setattr(json_rows, "_PIECE", piece)
        assert len(json_rows._cuts(text, 1, len(text) - 1)) > 2
        assert check(text)
