"""Findings and losses."""

from __future__ import annotations

import re

from detkit.findings import CODES, Finding, Loss, examples, summarize


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


def test_loss_reads_as_a_sentence() -> None:
    assert str(Loss("crowd annotations", "dropped", 3, ("a.jpg",))) == "crowd annotations: 3 dropped (e.g. a.jpg)"


def test_examples_are_cut() -> None:
    assert examples(["a", "b", "c", "d"], 2) == "`a`, `b`, ..."
