from __future__ import annotations

import json

import numpy as np
import pytest

from detkit.kernels import json_outlines
from detkit.kernels.json_outlines import read_lists, read_masks
from detkit.kernels.json_rows import Layout, scan_rows

LAYOUT = Layout((), spans=("v",))


def spans_of(text: bytes) -> np.ndarray:
    columns = scan_rows(text, 0, LAYOUT)
    assert columns is not None
    return columns.spans[0]


def records(*values: str) -> bytes:
    return ("[" + ",".join('{"v": ' + value + " }" for value in values) + "]").encode()


@pytest.mark.parametrize("piece", [1, 1 << 21])
def test_lists_of_numbers(piece, monkeypatch) -> None:
    monkeypatch.setattr(json_outlines, "_PIECE", piece)
    rows = [[1, 2.5, -3e-7], [], [0.1, 123456789012345678901234567890], [9007199254740993]]
    text = records(*map(json.dumps, rows), "null", " [ 1 , 2 ] ")
    found = read_lists(text, spans_of(text))
    assert found.starts.tolist() == [0, 3, 3, 5, 6, 6, 8]
    assert found.values.tolist() == [float(v) for row in (*rows, [1, 2]) for v in row]


@pytest.mark.parametrize("piece", [1, 1 << 21])
def test_lists_of_lists(piece, monkeypatch) -> None:
    monkeypatch.setattr(json_outlines, "_PIECE", piece)
    rows = [[[1, 2, 3], [4.5]], [], [[6, 7]]]
    text = records(*map(json.dumps, rows), " [ [ 8 ] ] ")
    found = read_lists(text, spans_of(text), nested=True)
    assert found.list_starts.tolist() == [0, 2, 2, 3, 4]
    assert found.lengths.tolist() == [3, 1, 2, 1]
    assert found.values.tolist() == [1, 2, 3, 4.5, 6, 7, 8]


WRONG = [
    "[1,]",
    "[1 2]",
    "[,1]",
    "[01]",
    "[1",
    "[[1]]",
    "[true]",
    "[1e999]",
    '["1"]',
    "1",
    "[1]]",
    "[.5]",
    "[NaN]",
    "{}",
]


@pytest.mark.parametrize("value", WRONG)
def test_anything_else_is_no_list_of_numbers(value) -> None:
    text = records("[1,2]", value, "[3]")
    columns = scan_rows(text, 0, LAYOUT)
    assert columns is None or read_lists(text, columns.spans[0]) is None


@pytest.mark.parametrize(
    "value", ["[1]", "[[1],]", "[[1]2]", "[[1][2]]", "[[[1]]]", "[[1,]]", "[[],[1]]", "{}", "[[1]"]
)
def test_anything_else_is_no_list_of_lists(value) -> None:
    text = records("[[1,2]]", value, "[[3]]")
    columns = scan_rows(text, 0, LAYOUT)
    assert columns is None or read_lists(text, columns.spans[0], nested=True) is None


@pytest.mark.parametrize("piece", [1, 1 << 21])
def test_masks(piece, monkeypatch) -> None:
    monkeypatch.setattr(json_outlines, "_PIECE", piece)
    odd = ['{"size":[3,4]}', '{"size":[3,4.5],"counts":"a"}', '{"size":[3,4],"counts":"\\u0041"}', "{}"]
    odd += ['{"size":[3,4],"counts":"a","x":1}', '{"size":[2147483648,1],"counts":"a"}', '{"counts":[1],"size":[1,1]}']
    odd += ['{"size":[3,4],"size":[3,4]}', '{"size":[3,4,5],"counts":"a"}', '{"size":[-1,4],"counts":"a"}']
    text = records('{"size":[3,4],"counts":"a\\\\b"}', *odd, '{ "counts" : "" , "size" : [ 0 , 2147483647 ] } ')
    found = read_masks(text, spans_of(text))
    assert found.plain.tolist() == [True, *[False] * len(odd), True]
    assert found.sizes[[0, -1]].tolist() == [[3, 4], [0, 2147483647]]
    assert found.counts.tobytes() == b"a\\b"
    assert found.starts.tolist() == [0, *[3] * (len(odd) + 2)]
