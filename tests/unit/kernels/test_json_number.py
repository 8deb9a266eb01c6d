"""Numbers of JSON text against Python's own `float` and `int`, bit for bit."""

from __future__ import annotations

import os
import random
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest

from detkit.kernels.json_rows import Layout, scan_rows

#: Without the JIT every digit is a step of Python.
COUNT = 300 if os.environ.get("NUMBA_DISABLE_JIT") == "1" else 20_000
LAYOUT = Layout(("id",))


def read(numbers: list[str]) -> np.ndarray:
    boxes = ",".join(f'{{"id":1,"bbox":[{n},0,0,0]}}' for n in numbers)
    columns = scan_rows(f"[{boxes}]".encode(), 0, LAYOUT, jobs=1)
    assert columns is not None
    return columns.boxes[:, 0]


def expected(numbers: list[str]) -> np.ndarray:
    return np.array([float(int(n)) if n.lstrip("-").isdecimal() else float(n) for n in numbers])


def between_two_doubles(chooser: random.Random) -> str:
    """A decimal at, or a little beside, the middle between two doubles."""
    middle = Fraction(2 * (chooser.getrandbits(53) | 1 << 52) + 1, 2) * Fraction(2) ** chooser.randint(-30, 10)
    with localcontext() as context:
        context.prec = chooser.randint(16, 22)
        return f"{Decimal(middle.numerator) / Decimal(middle.denominator):f}"


def any_double(chooser: random.Random) -> str:
    value = np.frombuffer(chooser.randbytes(8))[0]
    return repr(float(value)) if np.isfinite(value) else "0"


KINDS = {
    "shortest form": lambda c: repr(c.random() * 10 ** c.randint(-9, 5)),
    "any double": any_double,
    "middle of two doubles": between_two_doubles,
    "rounded": lambda c: f"{c.uniform(-9999, 9999):.{c.randint(1, 19)}f}",
    "whole": lambda c: str(c.getrandbits(c.randint(1, 70))),
    "power of ten": lambda c: f"{c.getrandbits(c.randint(1, 64))}e{c.randint(-40, 40)}",
    "negative": lambda c: f"-{c.getrandbits(60)}.{c.getrandbits(10)}E+{c.randint(0, 9)}",
}


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_are_correctly_rounded(kind: str) -> None:
    chooser = random.Random(kind)
    numbers = [KINDS[kind](chooser) for _ in range(COUNT)]
    found, wanted = read(numbers), expected(numbers)
    wrong = np.flatnonzero(found.view(np.int64) != wanted.view(np.int64))
    assert [(numbers[i], found[i]) for i in wrong[:3]] == []


def test_zeros_and_ties() -> None:
    numbers = [
        "0",
        "-0",
        "0.0",
        "-0.0",
        "-0e5",
        "0e99999999",
        "9007199254740993",
        "9007199254740993.0",
        "5e-324",
        "1e-999",
    ]
    numbers += [
        "9007199254740995",
        "1.7976931348623157e308",
        "2.2250738585072011e-308",
        "8.5e22",
        "1e23",
        "-" + "1" * 300,
    ]
    assert read(numbers).tobytes() == expected(numbers).tobytes()


def test_whole_numbers_keep_all_digits() -> None:
    ids = [0, 1, -1, 2**53 + 1, 10**18 - 1, -(10**18) + 1]
    text = ",".join(f'{{"id":{i},"bbox":[0,0,0,0]}}' for i in ids)
    columns = scan_rows(f"[{text}]".encode(), 0, LAYOUT)
    assert columns is not None
    assert columns.ids.tolist() == [ids]
    assert scan_rows(b'[{"id":1000000000000000000,"bbox":[0,0,0,0]}]', 0, LAYOUT) is None
