"""Findings and losses."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace

import pytest

from detkit.findings import CODES, Finding, Loss, RoughFinding, is_rest, summarize
from detkit.wording import examples, percent


def test_codes_are_well_formed_and_named_once() -> None:
    assert all(re.fullmatch(r"DK[1-7]\d\d", code) for code in CODES)
    names = [name for _, name in CODES.values()]
    assert len(set(names)) == len(names)
    assert list(CODES) == sorted(CODES)


def test_finding_says_where_and_how_bad() -> None:
    finding = Finding("DK102", "found `x`", file="a.txt", line=3)
    assert (finding.severity, finding.name, finding.where) == ("error", "invalid-row", "a.txt:3")
    assert finding.to_dict()["line"] == 3


def test_summary_adds_counts_by_code() -> None:
    found = [Finding("DK201", "", count=2), Finding("DK102", ""), Finding("DK201", "")]
    assert summarize(found) == {"DK102": 1, "DK201": 2 + 1}


def test_what_is_beyond_a_limit_is_known_also_from_json() -> None:
    rest = Finding.rest("DK201", 3, file="a.json", fixable=True)
    assert (rest.count, rest.file, rest.fixable) == (3, "a.json", True)
    assert is_rest(json.loads(json.dumps(rest.to_dict())))
    assert not is_rest(Finding("DK404", "`and 3 more, not listed` cannot be read").to_dict())
    assert not is_rest({})


def test_a_rough_finding_is_written_like_any_other() -> None:
    rough, plain = (kind("DK401", "gone", count=2) for kind in (RoughFinding, Finding))
    assert rough.to_dict() == plain.to_dict()
    assert asdict(rough) == asdict(plain)
    assert isinstance(replace(rough, file="a.txt"), RoughFinding)


def test_loss_reads_as_a_sentence() -> None:
    assert str(Loss("crowd annotations", "dropped", 3, ("a.jpg",))) == "crowd annotations: 3 dropped (e.g. a.jpg)"


def test_examples_are_cut() -> None:
    assert examples(["a", "b", "c", "d"], 2) == "`a`, `b`, ..."


@pytest.mark.parametrize(
    ("share", "digits", "text"),
    [
        (None, 1, "-"),
        (0.0, 1, "0.0 %"),
        (0.1234, 1, "12.3 %"),
        (1.0, 1, "100.0 %"),
        (0.0004, 1, "< 0.1 %"),
        (0.0005, 1, "0.1 %"),
        (0.004, 0, "< 1 %"),
        (0.95, None, "95 %"),
        (0.995, None, "99.5 %"),
    ],
)
def test_shares_read_as_people_write_them(share: float | None, digits: int | None, text: str) -> None:
    assert percent(share, digits) == text


def test_a_long_text_is_folded_between_words_and_never_inside_a_command() -> None:
    from detkit.wording import folded

    assert folded("  short  text", 20) == ["  short  text"]
    text = "  driver   not ready: run `docker run --gpus all` or mend it"
    assert folded(text, 30) == ["  driver   not ready: run", "    `docker run --gpus all` or", "    mend it"]
    assert folded("a " + "x" * 40 + " b", 20, hang="") == ["a", "x" * 40, "b"]
    assert "".join("".join(folded(text, width)).replace(" ", "") for width in (10, 30)) == text.replace(" ", "") * 2
