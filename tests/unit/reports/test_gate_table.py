"""The verdict as a table: what decides comes first, passing classes are a line, one number of decimals a column."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detkit.evaluation.gate import GateReport, GateRow, figures
from detkit.reports import render_gate, verdict_line
from detkit.reports._gate_table import gate_table
from detkit.reports._metrics import shown_once


def row(value: float | None, limit: float, verdict: str | None = None, **changes: Any) -> GateRow:
    """A lower limit, judged as the gate does it."""
    metric = changes.pop("metric", "AP")
    fields: dict[str, Any] = {"result": "new.json", "rule": "a rule", "severity": "error", "operator": ">="}
    if value is None:
        return GateRow(
            metric=metric, verdict=verdict or "undefined", message=f"{metric} is undefined", limit=limit,
            limit_text=f">= {limit:.3f}", **{**fields, **changes},
        )  # fmt: skip
    shown, against, margin = figures(metric, value, limit, above=True)
    return GateRow(
        metric=metric, verdict=verdict or ("pass" if value >= limit else "fail"), message=f"{metric} is {shown}",
        value=value, limit=limit, margin=value - limit, value_text=shown, limit_text=f">= {against}",
        margin_text=margin, **{**fields, **changes},
    )  # fmt: skip


def classes(values: dict[str, float | None], limit: float = 0.5, **changes: Any) -> tuple[GateRow, ...]:
    return tuple(
        row(v, limit, metric=f"class.{name}.AP50", pattern="class.*.AP50", **changes) for name, v in values.items()
    )


MIXED = (
    row(0.7, 0.5, metric="AP50"),
    row(0.4, 0.5, "warn", metric="APsmall", severity="warn"),
    row(None, 0.2, metric="APlarge"),
    row(None, 0.2, metric="APmedium", severity="warn"),
    row(0.3, 0.5, metric="AP"),
    *classes({"cat": 0.61, "dog": 0.25, "owl": 0.875, "emu": 0.75}),
)


def test_what_decides_comes_first() -> None:
    found = gate_table(GateReport(MIXED))
    assert [(r.metric, r.verdict) for r in found.rows] == [
        ("AP", "fail"),
        ("class.dog.AP50", "fail"),
        ("APlarge", "undefined"),
        ("APsmall", "warn"),
        ("APmedium", "undefined"),  # of severity warn: decides nothing
        ("AP50", "pass"),
    ]
    # 0.61 - 0.5 is the least margin of those that pass
    assert found.folded == ("class.*.AP50: 3 of 4 pass, closest class.cat.AP50 0.610 >= 0.500 (+0.110)",)


def test_the_text_ends_with_the_verdict_and_details_show_each_row() -> None:
    report = GateReport(MIXED, notes=("new.json: 1 class left out",))
    lines = render_gate(report).splitlines()
    assert lines[2].split() == ["AP", "0.300", ">=", "0.500", "-0.200", "fail"]
    assert lines[8:] == [
        "class.*.AP50: 3 of 4 pass, closest class.cat.AP50 0.610 >= 0.500 (+0.110)",
        "  APlarge is undefined",
        "  APmedium is undefined",
        "note: new.json: 1 class left out",
        "verdict: CANNOT BE JUDGED (2 fail, 2 undefined, 1 warn, 4 pass)",
    ]
    everything = render_gate(report, details=True)
    assert all(f"class.{name}.AP50" in everything for name in ("cat", "dog", "owl", "emu"))
    assert "of 4 pass" not in everything


def test_of_many_warnings_those_that_miss_by_most_are_shown() -> None:
    """Thirty classes at 0.20, 0.21, ... 0.49 under a limit of 0.5: the ten lowest stay, in their order."""
    values: dict[str, float | None] = {f"c{n:02}": (20 + n * 7 % 30) / 100 for n in range(30)}
    rows = (row(0.3, 0.5, metric="AP"), *classes(values, verdict="warn", severity="warn"))
    found = gate_table(GateReport(rows))
    lowest = [name for name, value in values.items() if value is not None and value < 0.295]
    assert [r.metric for r in found.rows] == ["AP", *(f"class.{name}.AP50" for name in lowest)]
    assert (len(lowest), found.hidden) == (10, 20)
    lines = render_gate(GateReport(rows)).splitlines()
    assert lines[-2:] == [
        "... 20 warnings nearer to the limit left out (all of them: --details)",
        "verdict: FAILED (1 fail, 30 warn)",
    ]
    assert len(render_gate(GateReport(rows), details=True).splitlines()) == 2 + 31 + 1
    markdown = render_gate(GateReport(rows), "markdown")
    assert "- 20 more warnings, in the fold below" in markdown
    assert all(f"class.{name}.AP50" in markdown.partition("<details>")[2] for name in values)
    assert gate_table(GateReport(rows[:11])).hidden == 0


def test_every_failure_is_shown_and_undecided_warnings_come_before_others() -> None:
    failing = classes({f"f{n}": 0.1 for n in range(40)})
    unknown = classes({f"u{n}": None for n in range(3)}, severity="warn")
    found = gate_table(GateReport((*failing, *classes({f"w{n}": 0.1 for n in range(20)}, verdict="warn"), *unknown)))
    assert sum(r.verdict == "fail" for r in found.rows) == 40
    assert [r.metric for r in found.rows if r.verdict == "undefined"] == [r.metric for r in unknown]
    assert found.hidden == 13


def test_every_other_rendering_has_every_row() -> None:
    report = GateReport(MIXED)
    assert len(report.to_dict()["rules"]) == len(MIXED)
    for kind in ("junit", "markdown", "gitlab"):
        assert "class.owl.AP50" in render_gate(report, kind)
    assert render_gate(report, "json", details=True) == render_gate(report, "json")


def test_a_verdict_of_passing_classes_has_no_empty_table() -> None:
    text = render_gate(GateReport(classes({"cat": 0.61, "owl": 0.875})))
    assert text == (
        "class.*.AP50: 2 of 2 pass, closest class.cat.AP50 0.610 >= 0.500 (+0.110)\nverdict: passed (2 pass)\n"
    )


def test_one_passing_class_stays_in_the_table() -> None:
    found = gate_table(GateReport(classes({"cat": 0.61, "dog": 0.25})))
    assert [r.metric for r in found.rows] == ["class.dog.AP50", "class.cat.AP50"]
    assert found.folded == ()


def test_limits_and_results_are_folded_apart() -> None:
    two = {"cat": 0.61, "owl": 0.875}
    found = gate_table(
        GateReport((*classes(two), *classes(two, 0.6, judged="drop"), *classes(two, result="old.json")))
    ).folded
    assert [line.partition(",")[0] for line in found] == [
        "new.json: class.*.AP50: 2 of 2 pass",
        "new.json: class.*.AP50: 2 of 2 pass",
        "old.json: class.*.AP50: 2 of 2 pass",
    ]
    assert "0.610 >= 0.600 (+0.010)" in found[1]


def test_skipped_classes_are_counted_and_never_the_closest() -> None:
    skipped = [row(None, 0.5, "pass", metric=f"class.{n}.AP", pattern="class.*.AP", skipped=True) for n in "ab"]
    held = row(0.75, 0.5, metric="class.c.AP", pattern="class.*.AP")
    assert gate_table(GateReport((*skipped, held))).folded == (
        "class.*.AP: 3 of 3 pass, 2 of them skipped as undefined, closest class.c.AP 0.750 >= 0.500 (+0.250)",
    )
    assert gate_table(GateReport(tuple(skipped))).folded == ("class.*.AP: 2 of 2 pass, 2 of them skipped as undefined",)


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        # four decimals are needed by one row and shown by all
        ([(0.4996, 0.5), (0.75, 0.5)], [("0.4996", ">= 0.5000", "-0.0004"), ("0.7500", ">= 0.5000", "+0.2500")]),
        # a limit was written with four decimals
        ([(0.5, 0.4998), (0.75, 0.5)], [("0.5000", ">= 0.4998", "+0.0002"), ("0.7500", ">= 0.5000", "+0.2500")]),
        # eight decimals are that row's own matter
        (
            [(0.39999999, 0.4), (0.75, 0.5)],
            [("0.39999999", ">= 0.40000000", "-0.00000001"), ("0.750", ">= 0.500", "+0.250")],
        ),
    ],
)
def test_a_column_has_one_number_of_decimals(pairs: list[tuple[float, float]], expected: list[tuple[str, ...]]) -> None:
    report = GateReport(tuple(row(value, limit, metric=f"AP{n}") for n, (value, limit) in enumerate(pairs)))
    cells = {name: tuple(figures) for name, *figures, _ in gate_table(report).cells}
    assert [cells[f"AP{n}"] for n in range(len(pairs))] == expected


def test_counts_have_no_decimals_and_what_is_undefined_is_aligned() -> None:
    count = row(20.0, 15.0, metric="class.cat.ground_truths")
    report = GateReport((count, row(None, 0.2, metric="APlarge"), row(0.4996, 0.5)))
    cells = {cell[0]: cell[1:4] for cell in gate_table(report).cells}
    assert cells["class.cat.ground_truths"] == ["20", ">= 15", "+5"]
    assert cells["APlarge"] == ["undefined", ">= 0.2000", ""]


fractions = st.floats(0, 1).map(lambda v: round(v, 7))


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.lists(st.tuples(fractions, fractions), min_size=1, max_size=6))
def test_figures_tell_the_verdict_whatever_stands_beside_them(pairs: list[tuple[float, float]]) -> None:
    report = GateReport(tuple(row(value, limit) for value, limit in pairs))
    table = gate_table(report)
    for one, (_, value, limit, margin, verdict) in zip(table.rows, table.cells, strict=True):
        shown, against = float(value), float(limit.split()[1])
        assert (shown >= against) == (verdict == "pass")
        assert (shown == against) == (one.value == one.limit)
        assert (float(margin) < 0) == (verdict == "fail")
    places = {len(value.partition(".")[2]) for _, value, *_ in table.cells}
    assert len({p for p in places if p <= 6}) <= 1


def test_an_end_of_an_interval_is_named_and_explained() -> None:
    ends = {"judged": "change at best", "interval": (-0.2, -0.05)}
    bad = row(-0.05, 0.0, metric="AP", **ends)
    text = render_gate(GateReport((bad, *classes({"cat": 0.0, "owl": 0.0}, 0.0, judged="change at best"))))
    assert "AP, change at best  -0.050  >= 0.000  -0.050     fail" in text
    assert "class.*.AP50, change at best: 2 of 2 pass" in text
    assert "  AP is -0.050\n" in text


@pytest.mark.parametrize("width", [10, 60, 300])
def test_no_line_is_wider_than_a_terminal(width: int) -> None:
    names = {f"{'a name that goes on ' * 20}"[:width] + str(n): 0.1 * n for n in range(10)}
    text = render_gate(GateReport(classes(names), notes=("a note " * 40,)))
    assert [line for line in text.splitlines() if len(line) > 80 and " " in line.strip()[:80]] == []


@pytest.mark.parametrize(
    ("names", "thresholds", "expected"),
    [
        (("mAP", "AP50"), (0.5,), ["mAP"]),
        (("AP", "AP50", "AR"), (0.5,), ["AP", "AR"]),
        (("AP", "AP50", "AP75", "APsmall"), (0.75,), ["AP", "APsmall"]),
        (("mAP", "AP50", "AP75"), (0.5, 0.75), ["mAP", "AP50", "AP75"]),
        (("AP50",), (0.5,), ["AP50"]),
        ((), (0.5,), []),
    ],
)
def test_a_metric_is_shown_once(names: tuple[str, ...], thresholds: tuple[float, ...], expected: list[str]) -> None:
    assert list(shown_once(dict.fromkeys(names, 0.25), thresholds)) == expected


@pytest.mark.parametrize(
    ("rows", "problems", "line"),
    [
        (MIXED, (), "CANNOT BE JUDGED (2 fail, 2 undefined, 1 warn, 4 pass): APlarge is undefined"),
        (MIXED, ("r: no predictions", "r: another truth"), "CANNOT BE JUDGED"),
        (
            tuple(r for r in MIXED if r.value is not None),
            (),
            "FAILED (2 fail, 1 warn, 4 pass): AP is 0.300, and 1 more",
        ),
        ((row(0.3, 0.5), row(0.6, 0.5)), (), "FAILED (1 fail, 1 pass): AP is 0.300"),
        ((row(None, 0.5), row(0.6, 0.5)), (), "CANNOT BE JUDGED (1 undefined, 1 pass): AP is undefined"),
        ((row(0.4, 0.5, "warn", severity="warn"), row(0.6, 0.5)), (), "passed (1 warn, 1 pass)"),
    ],
)
def test_the_last_line_names_what_the_verdict_hangs_on(
    rows: tuple[GateRow, ...], problems: tuple[str, ...], line: str
) -> None:
    found = verdict_line(GateReport(rows, problems))
    assert found == line or (problems and found.startswith(line) and found.endswith(f": {problems[0]}"))
