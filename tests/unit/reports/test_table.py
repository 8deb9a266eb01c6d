"""Tables that fit 80 columns and show nothing but text."""

from __future__ import annotations

from detkit.reports._table import number, table, width_of
from detkit.wording import printable


def test_numbers() -> None:
    assert number(None) == "-"
    assert number(0.12345) == "0.1235"


def test_control_characters_are_made_visible() -> None:
    assert printable("a\x1b[31mb\n") == "a\\x1b[31mb\\n"
    assert printable("кот 猫") == "кот 猫"


def test_wide_characters_take_two_cells() -> None:
    assert width_of("猫a") == 3
    assert width_of("e\u0301") == 1


def test_first_columns_are_left_and_the_rest_right() -> None:
    assert table(["name", "n"], [["ab", "1"], ["abcdef", "22"]]) == [
        "name     n",
        "------  --",
        "ab       1",
        "abcdef  22",
    ]


def test_a_long_name_is_cut_to_fit_80_cells() -> None:
    lines = table(["name", "value"], [["x" * 200, "1.0000"], ["猫" * 90, "2.0000"]])
    assert all(width_of(line) <= 80 for line in lines)
    assert "…" in lines[2]
    assert lines[2].endswith("1.0000")
