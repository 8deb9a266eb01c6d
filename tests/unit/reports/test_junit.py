"""JUnit XML: counts, kinds and escapes; structure against our own schema with the standard library alone."""

from __future__ import annotations

import re
import string
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detkit.evaluation.gate import GateReport, GateRow
from detkit.reports import render_gate

SCHEMA = Path(__file__).resolve().parents[3] / "fixtures" / "junit" / "junit.xsd"
XS = "{http://www.w3.org/2001/XMLSchema}"


def row(verdict: str, **changes: object) -> GateRow:
    fields: dict[str, object] = {
        "result": "new.json", "rule": "AP >= 0.6", "metric": "AP", "severity": "error", "operator": ">=",
        "message": f"AP is told: {verdict}", "value": 0.5, "limit": 0.6, "margin": -0.1, "value_text": "0.500",
        "limit_text": ">= 0.600", "margin_text": "-0.100",
    }  # fmt: skip
    return GateRow(verdict=verdict, **{**fields, **changes})  # type: ignore[arg-type]


def suite(report: GateReport) -> ET.Element:
    root = ET.fromstring(render_gate(report, "junit"))
    assert list(problems(root)) == []
    (only,) = root
    return only


ALL = GateReport(
    (
        row("pass"),
        row("fail", rule="failed"),
        row("warn", rule="warned", severity="warn"),
        row("undefined", rule="lost"),
        row("undefined", rule="lost, shrugged", severity="warn"),
        row("error", rule="misspelt", metric=""),
        row("pass", rule="absent", skipped=True),
    ),
    notes=("1 class left out",),
)


def test_every_verdict_has_its_element() -> None:
    found = suite(ALL)
    assert {case.get("name"): [child.tag for child in case] for case in found.iter("testcase")} == {
        "AP >= 0.6": ["system-out"],
        "failed: AP": ["failure"],
        "warned: AP": ["system-out"],
        "lost: AP": ["error"],
        "lost, shrugged: AP": ["skipped"],
        "misspelt": ["error"],
        "absent: AP": ["skipped"],
    }


def test_totals_are_counts_of_the_elements() -> None:
    found = suite(ALL)
    assert [found.get(key) for key in ("tests", "failures", "errors", "skipped")] == ["7", "1", "2", "2"]
    assert {p.get("name"): p.get("value") for p in found.iter("property")} == {"outcome": "error", "exit_code": "2"}
    assert "1 class left out" in (found.findtext("system-out") or "")


def test_a_failure_tells_value_limit_and_margin() -> None:
    failure = next(suite(ALL).iter("failure"))
    assert (failure.get("type"), failure.get("message")) == ("fail", "AP is told: fail")
    assert (failure.text or "").split("\n")[1:] == ["value: 0.500", "limit: >= 0.600", "margin: -0.100"]


def test_what_cannot_be_judged_at_all_is_an_error() -> None:
    found = suite(GateReport((row("undefined", severity="warn"),), ("new.json: the predictions hold no detection",)))
    assert (found.get("errors"), found.get("skipped")) == ("1", "1")
    assert "no detection" in (next(found.iter("error")).get("message") or "")
    assert suite(GateReport(())).get("errors") == "1"


def test_names_are_stable_and_told_apart() -> None:
    """The two limits of a rule, and one rule on two results."""
    both = (row("pass", rule="r"), row("fail", rule="r", operator="<="), row("pass", rule="r"))
    assert [c.get("name") for c in suite(GateReport(both)).iter("testcase")] == ["r: AP", "r: AP (<=)", "r: AP (>=)"]
    two = GateReport((row("pass"), row("pass", result="out/other.json")))
    groups = [(c.get("classname"), c.get("name")) for c in suite(two).iter("testcase")]
    assert groups == [("detkit.gate.new_json", "AP >= 0.6"), ("detkit.gate.out_other_json", "AP >= 0.6")]
    same = [c.get("name") for c in suite(GateReport((row("pass"),) * 4)).iter("testcase")]
    assert len(set(same)) == 4


@pytest.mark.parametrize(
    "name", ["</testcase><x>", "a \"b\" & 'c'", "]]>", "\x00\x1b[31m\x08", "\ud800", "\ufffe", "a\nb"]
)
def test_no_name_breaks_the_document(name: str) -> None:
    report = GateReport((row("fail", rule=name, message=name, metric=name),), (name,), (name,))
    found = suite(report)
    case = next(found.iter("testcase"))
    assert len(list(found.iter("testcase"))) == 2
    shown = case.get("name") or ""
    if all(c in string.printable[:95] for c in name):
        assert shown == name
    assert "\x1b" not in shown


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.text(max_size=20))
def test_any_text_gives_a_whole_document(text: str) -> None:
    assert next(suite(GateReport((row("fail", rule=text, message=text),))).iter("failure")).get("type") == "fail"


def problems(root: ET.Element) -> Iterator[str]:
    """What breaks our schema: it is read here, as far as it goes, so that no validator needs to be installed."""
    schema = ET.parse(SCHEMA).getroot()
    named = {node.get("name"): node for node in schema}

    def complex_type(node: ET.Element) -> ET.Element | None:
        kind = node.get("type", "")
        return node.find(f"{XS}complexType") if not kind else named.get(kind)

    def attributes(kind: ET.Element) -> dict[str, str]:
        found = {}
        for node in kind.iter():
            if node.tag == f"{XS}attributeGroup":
                found |= {a.get("name", ""): a.get("type", "") for a in named[node.get("ref")].iter(f"{XS}attribute")}
        for group in (kind, kind.find(f"{XS}simpleContent/{XS}extension")):
            if group is not None:
                found |= {a.get("name", ""): a.get("type", "") for a in group.findall(f"{XS}attribute")}
        return found

    def check(element: ET.Element, declared: ET.Element, path: str) -> Iterator[str]:
        kind = complex_type(declared)
        if kind is None:
            if len(element) or element.attrib:
                yield f"{path}: expected text"
            return
        wanted = attributes(kind)
        if set(element.attrib) != set(wanted):
            yield f"{path}: attributes {sorted(element.attrib)}, expected {sorted(wanted)}"
        for name, value in element.attrib.items():
            pattern = {"xs:nonNegativeInteger": r"\d+", "xs:decimal": r"\d+(\.\d+)?"}.get(
                wanted.get(name, ""), r"(?s).*"
            )
            if not re.fullmatch(pattern, value):
                yield f"{path}@{name}: found {value}"
        choice, group = kind.find(f"{XS}choice"), kind.find(f"{XS}sequence")
        inner = list(choice if choice is not None else group if group is not None else ())
        known = {node.get("name"): node for node in inner}
        tags = [child.tag for child in element]
        order = [name for name in known for _ in range(tags.count(str(name)))]
        if tags != order or (choice is not None and len(tags) != 1):
            yield f"{path}: children {tags}"
        for name, node in known.items():
            low = 0 if choice is not None else int(node.get("minOccurs", "1"))
            if not low <= tags.count(str(name)) <= (10**9 if node.get("maxOccurs") else 1):
                yield f"{path}: {tags.count(str(name))} of {name}"
        for child in element:
            if child.tag in known:
                yield from check(child, known[child.tag], f"{path}/{child.tag}")

    yield from check(root, named["testsuites"], "testsuites")


@pytest.mark.parametrize(
    "break_it",
    [
        lambda root: root[0].attrib.pop("failures"),
        lambda root: root[0].set("tests", "many"),
        lambda root: root[0].append(ET.Element("testcase")),
        lambda root: root[0].insert(0, ET.Element("system-err")),
        lambda root: next(root.iter("failure")).attrib.pop("type"),
        lambda root: next(root.iter("testcase")).append(ET.Element("skipped", message="")),
    ],
)
def test_the_check_sees_a_broken_document(break_it: object) -> None:
    root = ET.fromstring(render_gate(ALL, "junit"))
    assert list(problems(root)) == []
    break_it(root)  # type: ignore[operator]
    assert list(problems(root)) != []
