"""The next baseline of a gate: whether a judged result may become it, and its files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detkit import files
from detkit.api.explaining import find_matches
from detkit.api.gating import gate
from detkit.evaluation.gate import GateReport, Rule, parse_expression

if TYPE_CHECKING:
    from detkit.evaluation.result import Evaluation

__all__ = ["Baseline", "fallen", "keep_baseline"]


@dataclass(frozen=True)
class Baseline:
    """What became of a baseline.

    Parameters
    ----------
    written : bool
    reason : str
        One line: why it was written, or kept.
    """

    written: bool
    reason: str


def keep_baseline(
    source: Path | Evaluation,
    target: Path,
    verdict: GateReport,
    *,
    fell: Sequence[str] | None,
    allow_lower: bool = False,
) -> Baseline:
    """Make a judged result the new baseline, where that is right; says what was done.

    It is written when the gate passes and no judged metric is worse than in the baseline before. A metric that fell
    within its allowed drop passes, and still keeps the old baseline: else many small falls would lower the floor
    without anyone having said so.

    Parameters
    ----------
    source : Path or Evaluation
        The result's file, or a result that has none.
    target : Path
        The baseline; replaced whole or not at all, saved matches beside it.
    verdict : GateReport
        On the result, against the baseline.
    fell : sequence of str, optional
        What is worse than in the baseline before (`fallen`); None where there was none.
    allow_lower : bool
        Write also where a metric fell within its allowed drop.

    Returns
    -------
    Baseline
    """
    if verdict.outcome != "pass":
        return Baseline(False, f"the outcome is `{verdict.outcome}`")
    if fell and not allow_lower:
        more = f" and {len(fell) - 3} more" if len(fell) > 3 else ""
        return Baseline(False, f"within what is allowed, but worse than before: {', '.join(fell[:3])}{more}")
    _copy(source, target)
    if fell is None:
        return Baseline(True, "there was none")
    return Baseline(True, f"lowered as asked: {', '.join(fell)}" if fell else "nothing judged is worse than before")


def fallen(
    result: Evaluation | Mapping[str, Any], baseline: Evaluation | Mapping[str, Any], rules: Sequence[Any]
) -> list[str]:
    """The metrics that the rules judge and that are worse than in the baseline, however little.

    Parameters
    ----------
    result, baseline : Evaluation or mapping
    rules : sequence of (str or Rule)
        Those of severity `warn` set no floor.

    Returns
    -------
    list of str
        `AP 0.575 to 0.565`.
    """
    demands = [parse_expression(rule) if isinstance(rule, str) else rule for rule in rules]
    metrics = dict.fromkeys(rule.metric for rule in demands if rule.severity == "error")
    unchanged = [Rule(metric, max_drop=0.0, allow_missing=True) for metric in metrics]
    rows = gate({"result": result}, unchanged, baseline=baseline).rows if unchanged else ()
    return [f"{row.metric} {row.baseline:.6g} to {row.value:.6g}" for row in rows if row.verdict == "fail"]


def _copy(source: Path | Evaluation, target: Path) -> None:
    """The result as baseline; matches it names are copied beside it and named from there."""
    if not isinstance(source, Path):
        from detkit import reports

        with files.atomic_file(target, overwrite=True) as place:
            place.write_text(reports.render("json", source), encoding="utf-8")
        return
    raw = source.read_bytes()
    content = json.loads(raw.decode("utf-8-sig"))
    matches = find_matches(content, source)
    if matches is not None and matches.is_file():
        beside = target.with_suffix(".npz")
        if files.sha256_of([matches]) == content["matches"].get("sha256") and beside.resolve() != matches.resolve():
            with files.atomic_file(beside, overwrite=True) as place:
                shutil.copyfile(matches, place)
            content["matches"]["path"] = beside.name
            raw = (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()
    with files.atomic_file(target, overwrite=True) as place:
        place.write_bytes(raw)
