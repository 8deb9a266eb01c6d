"""Findings in every format: valid, whole, and harmless whatever a name holds."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import detkit
from detkit.errors import UsageError
from detkit.findings import Finding
from detkit.reports import findings
from detkit.reports.findings import Options

AWKWARD = 'a|b <script>`x` \x1b[31m 车, "q"\n::error::* _y_ 100%'
NAMES = ("github", "html", "json", "markdown", "sarif", "text")


def content(*more: Finding, **fields: Any) -> dict[str, Any]:
    made = (
        *(Finding("DK203", f"box {i} sticks out", file="labels/a.txt", line=i, image="a.png") for i in range(1, 13)),
        Finding("DK202", AWKWARD, file=f"dir/{AWKWARD}.txt", line=3, image="b.png"),
        Finding("DK306", "class `x` has no boxes"),
        *more,
    )
    return {**detkit.CheckResult("data.yaml", "yolo", 5, 9, made).to_dict(), **fields}


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_formats_are_these() -> None:
    assert findings.names() == NAMES
    with pytest.raises(UsageError, match="known: github, html"):
        findings.render(content(), "htlm")


def test_every_format_names_codes_and_counts(name: str) -> None:
    text = findings.render(content(), name)
    assert text == findings.render(content(), name)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert [code for code in ("DK202", "DK203", "DK306") if code not in text] == []


def test_no_name_writes_to_the_terminal_or_breaks_the_page(name: str) -> None:
    text = findings.render(content(), name)
    assert "\x1b" not in text
    if name in ("html", "markdown"):
        assert "<script>" not in text
    if name == "github":  # one command a line, and none that a name brought
        assert all(line.startswith(("::error ", "::warning ", "::notice ")) for line in text.splitlines())


def test_nothing_found_says_so(name: str) -> None:
    empty = detkit.CheckResult("data.yaml", "yolo", 5, 9, ()).to_dict()
    text = findings.render(empty, name)
    assert "nothing found" in text or name in ("json", "sarif")


def test_text_shows_a_few_of_each_unless_asked_for_all() -> None:
    assert findings.render(content()).count("sticks out") == 5
    assert "and 7 more" in findings.render(content())
    assert findings.render(content(), "text", Options(shown=0)).count("sticks out") == 12
    counts = findings.render(content(), "text", Options(statistics=True))
    assert "sticks out" not in counts
    assert counts.split("DK203")[1].split()[:3] == ["partly-outside", "warning", "12"]


def test_github_has_ten_of_a_kind_with_places() -> None:
    lines = findings.render(content(), "github").splitlines()
    warnings = [line for line in lines if line.startswith("::warning")]
    assert len(warnings) == 10
    assert warnings[0] == "::warning file=labels/a.txt,line=1,title=DK203 partly-outside::box 1 sticks out"
    assert warnings[-1].endswith("and 3 more, see the log")


def test_json_is_strict_also_of_names_that_are_no_text() -> None:
    def refuse(token: str) -> None:
        raise AssertionError(token)

    odd = Finding("DK404", "cannot be read", file="b\udcff.png")
    text = findings.render(content(odd), "json")
    found = json.loads(text.encode("utf-8").decode("utf-8"), parse_constant=refuse)
    assert found["counts"] == {"DK202": 1, "DK203": 12, "DK306": 1, "DK404": 1}
    assert found["findings"][-1]["file"] == "b\udcff.png"


def test_sarif_has_what_the_standard_asks_for() -> None:
    log = json.loads(findings.render(content(), "sarif"))
    assert (log["version"], set(log)) == ("2.1.0", {"$schema", "version", "runs"})
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules) == 3
    assert len(run["results"]) == 14
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
        assert result["message"]["text"]
        for location in result.get("locations", ()):
            physical = location["physicalLocation"]
            assert not set(' <>"|\n') & set(physical["artifactLocation"]["uri"])
            assert physical["region"]["startLine"] >= 1
    prints = [r["partialFingerprints"]["detkit/v1"] for r in run["results"]]
    assert len(set(prints)) == len(prints)


def test_a_hundred_thousand_findings_stay_readable(name: str) -> None:
    """JSON holds all of them; what people and code scanning look at holds some, and the count of all."""
    count = 100_000
    found = tuple(Finding("DK203", f"box {n} sticks out", file="a.json", annotation=n) for n in range(count))
    text = findings.render(detkit.CheckResult("a.json", "coco", 9, count, found).to_dict(), name)
    assert (
        text.count("sticks out")
        == {"github": 9, "html": 200, "json": count, "markdown": 20, "sarif": 1000, "text": 5}[name]
    )
    assert len(text) < (40_000_000 if name == "json" else 1_000_000)
    if name == "json":
        assert len(json.loads(text)["findings"]) == count
    elif name == "sarif":
        (run,) = json.loads(text)["runs"]
        assert sum(result["occurrenceCount"] for result in run["results"]) == count
        assert run["results"][-1]["message"]["text"] == "99000 more places"
    else:
        assert any(str(n) in text for n in (count, 99_991))


def test_the_page_is_well_formed_and_needs_nothing_from_elsewhere() -> None:
    class Walk(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.open: list[str] = []

        def handle_starttag(self, tag: str, attrs: Any) -> None:
            assert tag not in ("script", "link", "img")
            if tag != "meta":
                self.open.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.open.pop() == tag

    page = findings.render(content(), "html")
    walk = Walk()
    walk.feed(page)
    assert walk.open == []
    assert page.count("sticks out") == 12


def test_what_a_copy_changed_is_shown(name: str, tmp_path: Path) -> None:
    if name in ("github", "sarif"):  # lists of faults
        return
    case = Path(__file__).resolve().parents[3] / "fixtures" / "checks" / "DK203" / "instances.json"
    done = detkit.mend(case, tmp_path / "fixed.json", detkit.CheckSettings(cache=False))
    text = findings.render(done.to_dict(), name)
    assert "cut to the image" in text
    assert "40, 2, 14, 5" in text
    assert "40, 2, 8, 5" in text  # 48 - 40
