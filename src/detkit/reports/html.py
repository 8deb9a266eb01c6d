"""The result as one self-contained HTML page: no request leaves it, and no text from files becomes markup.

The page is a shell with a style sheet, a script and the figures as JSON; the script draws. The content security policy
names the hashes of both, so nothing else runs even where a class is named `</script>`.
"""

from __future__ import annotations

import base64
import hashlib
import html as markup
import json
import re
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files as resources
from string import Template
from typing import TYPE_CHECKING, Any

from detkit._version import __version__
from detkit.reports._gallery import Gallery
from detkit.reports._gate_table import gate_table
from detkit.reports._table import number
from detkit.reports._tables import Table
from detkit.reports._verdict import headline
from detkit.reports.analyses import tables
from detkit.wording import plural

if TYPE_CHECKING:
    from detkit.evaluation.gate import GateReport
    from detkit.evaluation.result import Evaluation

__all__ = ["render"]

_TITLES = {
    "curves": "Curves and thresholds",
    "thresholds": "Best thresholds",
    "confusion": "Confusion matrix",
    "errors": "Error types",
    "misses": "Why truths were missed",
    "calibration": "Calibration",
    "miss_rate": "Miss rate and false positives per image",
    "slices": "Slices",
    "images": "Images with errors",
    "suspects": "Suspected label errors",
}
#: Sections in the order a reader needs them; others follow by name.
_ORDER = tuple(_TITLES)
#: How many metrics stand large at the top.
_HEADLINES = 3


def render(
    result: Evaluation,
    gate: GateReport | None = None,
    *,
    title: str | None = None,
    gallery: Gallery | None = None,
    comparison: Sequence[Table] = (),
) -> str:
    """The page; images are those of the gallery."""
    title = title or f"Detection report: {_name(result)}"
    gallery = gallery or Gallery((), {}, "")
    cards = _headline(result)
    content: dict[str, Any] = {
        "headline": cards,
        "verdict": _verdict(gate),
        "metrics": [_plain(table) for table in _metrics(result)],
        "classes": _plain(_classes(result)),
        "sections": [_section(name, result.analyses[name]) for name in _ordered(result.analyses)],
        "gallery": {"pictures": [p.to_dict() for p in gallery.pictures], "note": gallery.note},
        "crops": {key: [p.to_dict() for p in shown] for key, shown in gallery.crops.items()},
        "comparison": [_plain(table) for table in comparison] or None,
        "findings": _plain(_findings(result)),
        "settings": [_plain(table) for table in _settings(result)],
    }
    page = resources("detkit.reports") / "page"
    style, script = ((page / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    main = "; ".join(f"{card['name']} {card['value']}" for card in cards[:_HEADLINES])
    return Template((page / "page.html").read_text(encoding="utf-8")).substitute(
        csp=markup.escape(policy, quote=True).replace("&#x27;", "'"),
        version=__version__,
        title=markup.escape(title),
        lead=markup.escape(_lead(result)),
        noscript=markup.escape(main),
        style=style,
        script=script,
        data=_island(content),
    )


def _island(content: Mapping[str, Any]) -> str:
    """JSON that cannot end the element that holds it."""
    text = json.dumps(content, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _plain(table: Table) -> dict[str, Any]:
    return {
        "title": table.title,
        "header": list(table.header),
        "rows": [list(row) for row in table.rows],
        "left": table.left,
        "notes": list(table.notes),
    }


def _name(result: Evaluation) -> str:
    source = result.detections_source
    return "predictions" if source is None else source.path.replace("\\", "/").rstrip("/").rpartition("/")[2]


def _lead(result: Evaluation) -> str:
    protocol, coverage = result.protocol, result.coverage
    truths = sum(row.ground_truths for row in result.per_class)
    return (
        f"{protocol.name} {protocol.iou_type}: {plural(truths, 'truth')} and "
        f"{plural(len(result.detections), 'detection')} of {plural(len(result.per_class), 'class', 'classes')} on "
        f"{plural(coverage.images, 'image')} ({coverage.predicted} with predictions)."
    )


def _headline(result: Evaluation) -> list[dict[str, str | None]]:
    cards: list[dict[str, str | None]] = []
    for name, value in list(result.metrics.items())[:_HEADLINES]:
        ends = _interval(result, name)
        cards.append({"name": name, "value": number(value), "note": ends})
    found = result.analyses.get("thresholds")
    best = found and found["overall"]
    if found and best and best["score_threshold"] is not None:
        name = f"F{found['beta']:g} at score >= {best['score_threshold']:.3g}"
        parts = f"precision {number(best['precision'], 3)}, recall {number(best['recall'], 3)}"
        cards.append({"name": name, "value": number(best["f"]), "note": parts})
    return cards


def _interval(result: Evaluation, name: str) -> str | None:
    """`[0.31, 0.35]` where the result carries an interval of the metric."""
    ends = (result.intervals or {}).get(name)
    return None if ends is None else f"[{ends[0]:.4f}, {ends[1]:.4f}]"


def _verdict(gate: GateReport | None) -> dict[str, Any] | None:
    if gate is None:
        return None
    # The verdict beside the name: on a phone the last column lies outside the window.
    rows = [[metric, verdict, *figures] for metric, *figures, verdict in gate_table(gate, details=True).cells]
    notes = [*gate.problems, *(r.message for r in gate.rows if r.verdict in ("undefined", "error"))]
    table = Table("rules", ["metric", "verdict", "value", "limit", "margin"], rows, left=2, notes=notes)
    return {"text": headline(gate), "failed": gate.exit_code != 0, "table": _plain(table)}


def _metrics(result: Evaluation) -> list[Table]:
    intervals = result.intervals is not None
    header = ["metric", "value", *(["interval"] if intervals else [])]
    rows = [
        [name, number(value), *([_interval(result, name) or "-"] if intervals else [])]
        for name, value in result.metrics.items()
    ]
    bands = [[b.name, f"{b.low:g} to {b.high:g}", str(b.count)] for b in result.bands]
    return [
        Table("metrics", header, rows),
        Table("matched detections by overlap", ["band", "IoU", "count"], bands),
    ]


def _classes(result: Evaluation) -> Table:
    columns = list(result.per_class[0].metrics) if result.per_class else []
    sizes = [name for name in columns if not re.fullmatch(r"m?A[PR]\d*", name)]
    columns = [name for name in columns if name not in sizes]
    best = (result.analyses.get("thresholds") or {}).get("classes", {})
    header = ["class", *columns, *(["best score", "F", "precision", "recall"] if best else []), "truths", "detections"]
    header += sizes
    rows = []
    for row in result.per_class:
        cells = [row.name, *(number(row.metrics[c]) for c in columns)]
        if best:
            at = best.get(row.name, {})
            cells += [number(at.get(key), 3) for key in ("score_threshold", "f", "precision", "recall")]
        cells += [str(row.ground_truths), str(row.detections)]
        rows.append([*cells, *(number(row.metrics[c]) for c in sizes)])
    note = "A class's name shows its curves." if "curves" in result.analyses else ""
    return Table("classes", header, rows, notes=[note] if note else [])


def _ordered(analyses: Mapping[str, Any]) -> list[str]:
    return sorted(analyses, key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name))


def _section(name: str, found: Mapping[str, Any]) -> dict[str, Any]:
    chart = _CHARTS[name](found) if name in _CHARTS else None
    title = _TITLES.get(name, name.replace("_", " ").capitalize())
    return {"name": name, "title": title, "tables": [_plain(t) for t in tables(name, found)], "chart": chart}


def _curves(found: Mapping[str, Any]) -> dict[str, Any]:
    """Counts over scores of all classes together and of each."""
    edges = found["histogram_edges"]
    rows = [{"name": "all classes", **found["overall"]}, *found["classes"]]
    return {
        "beta": found["beta"],
        "iou_threshold": found["iou_threshold"],
        "score_threshold": found["score_threshold"],
        "classes": [
            {
                **{key: row[key] for key in ("name", "truths", "score", "tp", "fp")},
                "histogram": row["histogram"] and {**row["histogram"], "edges": edges},
            }
            for row in rows
        ],
    }


def _confusion(found: Mapping[str, Any]) -> dict[str, Any]:
    """Names with the background last, and the cells that hold anything."""
    return {
        "classes": [*(row["name"] for row in found["classes"]), "background"],
        "cells": [
            {"row": cell["truth"], "column": cell["prediction"], "count": cell["count"]} for cell in found["cells"]
        ],
    }


def _calibration(found: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Bins of the reliability diagram that hold detections."""
    return [row for row in found["bins"] if row["count"]]


def _misses(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Reasons that occur, whose examples the page shows."""
    return [{"reason": row["reason"], "count": row["count"]} for row in found["reasons"] if row["count"]]


_CHARTS: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "curves": _curves,
    "confusion": _confusion,
    "misses": _misses,
    "calibration": _calibration,
}


def _findings(result: Evaluation) -> Table:
    rows = [[f.code, f.severity, f"{f.where}: {f.message}" if f.where else f.message] for f in result.findings]
    title = "what was noticed" if rows else "nothing was noticed"
    return Table(title, ["code", "severity", "message"], rows, left=3)


def _settings(result: Evaluation) -> list[Table]:
    plain = result.to_dict()
    protocol = [[name, _text(value)] for name, value in plain["protocol"].items()]
    inputs = [
        [side, name, _text(value)]
        for side, fields in plain["inputs"].items()
        for name, value in fields.items()
        if value is not None
    ]
    shown = [
        Table("protocol", ["setting", "value"], protocol, left=2),
        Table("inputs", ["input", "field", "value"], inputs, left=3),
    ]
    if result.intervals is not None:
        drawn = [[name, _text(value)] for name, value in result.intervals["settings"].items()]
        shown.append(Table("intervals", ["setting", "value"], drawn, left=2))
    return shown


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(_rounded(value), ensure_ascii=False)


def _rounded(value: Any) -> Any:
    """The value with its figures as a reader writes them: 0.9 and not the 0.8999999999999999 that it is."""
    if isinstance(value, float):
        short = float(f"{value:.12g}")
        return int(short) if short.is_integer() else short
    if isinstance(value, Mapping):
        return {key: _rounded(part) for key, part in value.items()}
    return [_rounded(part) for part in value] if isinstance(value, list | tuple) else value
