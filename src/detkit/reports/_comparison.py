"""A comparison of models as text or Markdown: the difference that matters first, then the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from detkit.reports import markdown as md
from detkit.reports._metrics import shown_once
from detkit.reports._table import number, table
from detkit.reports._tables import Table
from detkit.reports.text import gate_lines
from detkit.wording import percent, plural, printable

if TYPE_CHECKING:
    from detkit.evaluation.gate import GateReport

__all__ = ["markdown", "sentence", "tables", "text"]

_CLASSES_SHOWN = 20
#: Smaller p-values are said to be below it.
_LEAST_P = 0.001
_HEADER = ("A", "B", "B - A", "interval", "p")
Found = Mapping[str, Any]


def text(found: Found, gate: GateReport | None = None) -> str:
    """Plain text for a terminal of 80 columns; `found` is of schema `detkit.comparison/1`."""
    pairs = _pairs(found)
    lines: list[str] = []
    if len(pairs) > 1:
        lines += [_best(found), "", *table(*_ranking(found)), ""]
    for pair in pairs:
        lines += [
            printable(sentence(pair, found["headline"])),
            f"A {printable(pair['a'])}",
            f"B {printable(pair['b'])}",
        ]
        lines += ["", *table(["metric", *_HEADER], _rows(found, pair)), ""]
        if pair["slices"]:
            lines += [*table([f"slice, {found['headline']}", *_HEADER], _slices(pair)), ""]
        if len(pairs) == 1:
            lines += _classes(pair)
    lines += [*_how(found), *([""] if gate else []), *(gate_lines(gate) if gate else [])]
    return "\n".join(lines) + "\n"


def markdown(found: Found, gate: GateReport | None = None) -> str:
    """Markdown for a step summary or a comment; `found` is of schema `detkit.comparison/1`."""
    pairs = _pairs(found)
    lines: list[str] = [*md.gate_lines(gate)] if gate else []
    if len(pairs) > 1:
        lines += [f"**{md.escape(_best(found))}**", "", *_grid(*_ranking(found)), ""]
    for pair in pairs:
        lines += [f"**{md.escape(sentence(pair, found['headline']))}**", ""]
        lines += [f"A: {md.escape(pair['a'])}, B: {md.escape(pair['b'])}", ""]
        lines += [*_grid(["metric", *_HEADER], _rows(found, pair)), ""]
        if pair["slices"]:
            lines += [*_grid([f"slice, {found['headline']}", *_HEADER], _slices(pair)), ""]
        lines += ["<details><summary>Classes</summary>", ""]
        lines += [*_grid(["class, AP", *_HEADER], _class_rows(pair)), "", "</details>", ""]
    return "\n".join([*lines, *(md.escape(line) for line in _how(found))]) + "\n"


def tables(found: Found) -> list[Table]:
    """The same as neutral tables; `found` is of schema `detkit.comparison/1`."""
    pairs, how = _pairs(found), " ".join(_how(found))
    shown = []
    if len(pairs) > 1:
        header, rows = _ranking(found)
        shown.append(Table(_best(found), header, rows))
    for pair in pairs:
        note = [f"A {pair['a']}, B {pair['b']}", how]
        shown.append(Table(sentence(pair, found["headline"]), ["metric", *_HEADER], _rows(found, pair), notes=note))
        if pair["slices"]:
            shown.append(Table("slices", [f"slice, {found['headline']}", *_HEADER], _slices(pair)))
        shown.append(Table("classes, largest difference first", ["class, AP", *_HEADER], _class_rows(pair)))
    return shown


def sentence(pair: Found, metric: str) -> str:
    """`B is better: AP 0.3521 -> 0.3612, +0.0091 [+0.0042, +0.0140], p = 0.001`.

    Better or worse is said only where the whole interval lies on one side of 0.
    """
    row = pair["metrics"][metric]
    if row["delta"] is None:
        return f"{metric} is undefined: nothing to compare"
    ci = row["ci"]
    verdict = "no difference shown"
    if ci is not None and (ci[0] > 0 or ci[1] < 0):
        verdict = "B is better" if ci[0] > 0 else "B is worse"
    p = "" if row["p_value"] is None else f", p {'' if row['p_value'] < _LEAST_P else '= '}{_p(row['p_value'])}"
    return f"{verdict}: {metric} {number(row['a'])} -> {number(row['b'])}, {_signed(row['delta'])} {_interval(ci)}{p}"


def _pairs(found: Found) -> list[Found]:
    return list(found.get("pairs") or [found])


def _best(found: Found) -> str:
    first = found["ranking"][0]
    share = "" if first["share_first"] is None else f", first in {percent(first['share_first'])} of the replicates"
    return printable(f"best: {first['model']}, {found['headline']} {number(first['value'])}{share}")


def _ranking(found: Found) -> tuple[list[str], list[list[str]]]:
    rows = [
        [
            row["model"],
            str(row["rank"]),
            number(row["value"]),
            _interval(row["ci"], signed=False),
            percent(row["share_first"]),
        ]
        for row in found["ranking"]
    ]
    return ["model", "rank", found["headline"], "interval", "first"], rows


def _rows(found: Found, pair: Found) -> list[list[str]]:
    shown = shown_once(pair["metrics"], found["protocol"]["iou_thresholds"])
    return [[name, *_cells(row)] for name, row in shown.items()]


def _slices(pair: Found) -> list[list[str]]:
    return [[name, *_cells(row)] for name, rows in pair["slices"].items() for row in rows.values()]


def _class_rows(pair: Found) -> list[list[str]]:
    """Classes with a difference, the largest first."""
    rows = [row for row in pair["per_class"] if row["AP"]["delta"] is not None]
    rows.sort(key=lambda row: -abs(row["AP"]["delta"]))
    return [[row["name"], *_cells(row["AP"])] for row in rows]


def _classes(pair: Found) -> list[str]:
    rows = _class_rows(pair)
    if not rows:
        return []
    lines = table(["class, AP (largest first)", *_HEADER], rows[:_CLASSES_SHOWN])
    if len(rows) > _CLASSES_SHOWN:
        lines.append(f"... {len(rows) - _CLASSES_SHOWN} more classes (all of them: --format json)")
    return [*lines, ""]


def _cells(row: Found) -> list[str]:
    delta = "-" if row["delta"] is None else _signed(row["delta"])
    return [number(row["a"]), number(row["b"]), delta, _interval(row["ci"]), _p(row["p_value"])]


def _how(found: Found) -> list[str]:
    settings = found["settings"]
    test = f", p from {plural(settings['permutations'], 'permutation')}" if settings["permutations"] else ""
    level = percent(settings["level"], None)
    lines = [
        f"{level} percentile intervals from {settings['replicates']} bootstrap replicates of "
        f"{settings['units']} {settings['unit']}s,",
        f"seed {settings['seed']}{test}",
    ]
    return lines if len(" ".join(lines)) > 80 else [" ".join(lines)]


def _interval(ci: Sequence[float] | None, *, signed: bool = True) -> str:
    if ci is None:
        return "-"
    return f"[{', '.join(_signed(end) if signed else number(end) for end in ci)}]"


def _signed(value: float) -> str:
    return f"{value:+.4f}"


def _p(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}" if value >= _LEAST_P else "< 0.001"


def _grid(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return md.grid(header, rows, "---:")
