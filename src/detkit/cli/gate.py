"""`detkit gate`: judge results that `detkit eval --format json` wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from detkit.cli import _console, _options, _reports
from detkit.cli._write import check_outputs, deliver
from detkit.errors import OutputError, UsageError

if TYPE_CHECKING:
    from detkit.evaluation.gate import GateReport
    from detkit.evaluation.result import Evaluation

__all__ = ["gate"]


class GateRendering(StrEnum):
    """How a verdict is rendered."""

    text = "text"
    json = "json"
    markdown = "markdown"
    junit = "junit"
    github = "github"
    gitlab = "gitlab"


@dataclass(frozen=True)
class _Case:
    """What is judged against what; `files` are those of the first result and of the baseline."""

    results: Mapping[str, Evaluation | Mapping[str, Any]]
    baseline: Evaluation | Mapping[str, Any] | None
    files: tuple[Path | None, Path | None] = (None, None)

    @property
    def first(self) -> Evaluation | Mapping[str, Any]:
        return next(iter(self.results.values()))


def gate(
    results: Annotated[
        list[Path] | None, typer.Argument(help="Results of `detkit eval --format json`.", show_default=False)
    ] = None,
    rules: Annotated[
        Path | None,
        typer.Option(
            "--rules", help="Rules file; by default detkit.toml or pyproject.toml here or above in the repository."
        ),
    ] = None,
    require: _options.Require = None,
    baseline: _options.Baseline = None,
    update_baseline: Annotated[
        Path | None,
        typer.Option("--update-baseline", help="Baseline that the result replaces when it passes and nothing fell."),
    ] = None,
    allow_lower: Annotated[
        bool, typer.Option("--allow-lower", help="Update the baseline also where a metric fell within its rule.")
    ] = False,
    truth: Annotated[
        Path | None, typer.Option("--truth", help="Labelled dataset to score predictions on, any format.")
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option("--predictions", help="Predictions to judge on --truth, instead of a result.")
    ] = None,
    baseline_predictions: Annotated[
        Path | None,
        typer.Option("--baseline-predictions", help="Old predictions: scored again on --truth, they are the baseline."),
    ] = None,
    min_coverage: _options.MinCoverage = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show which classes and images moved the metric against the baseline.")
    ] = False,
    format: Annotated[GateRendering, typer.Option("--format", help="How the verdict is rendered.")] = (
        GateRendering.text
    ),
    details: Annotated[
        bool, typer.Option("--details", help="Every row, where passing classes of a rule are one line.")
    ] = False,
    output: _options.Output = None,
    report: _reports.ReportOption = None,
    overwrite: _options.Overwrite = False,
) -> None:
    """Pass or fail: exit 0 passed, 1 failed, 2 wrong rule or file, 3 cannot be judged.

    Example: detkit gate result.json --require 'AP>=0.40' --require 'class.person.AP50>=0.6'
    """
    from detkit import api
    from detkit.reports.explanation import with_verdict

    paths = list(results or [])
    inputs = (*paths, truth, predictions, baseline, baseline_predictions, rules)
    targets = _reports.parse(
        report,
        known=[member.value for member in GateRendering],
        inputs=inputs,
        outputs=(output, update_baseline),
        overwrite=overwrite,
    )
    with _reports.refusals(targets, overwrite=overwrite):
        _check(paths, baseline, baseline_predictions, update_baseline, allow_lower)
        check_outputs(output, inputs=inputs, overwrite=overwrite)
        nearest = None if rules or require else api.find_rules()
        demands = api.read_rules(require, rules or nearest)
        earlier = baseline or (update_baseline if update_baseline and update_baseline.exists() else None)
        case = _collect(paths, earlier, truth, predictions, baseline_predictions)
        existed = case.baseline is not None
        if update_baseline is not None and not existed:
            _console.status(f"{update_baseline}: no baseline yet, the result is judged against itself")
            case = _Case(case.results, case.first, (case.files[0], case.files[0]))
        verdict = api.gate(case.results, demands, baseline=case.baseline, min_coverage=min_coverage)
        verdict = api.naming_rules(verdict, nearest)
        found = _explained(case, verdict) if explain else None
    deliver(with_verdict(verdict, found, format.value, details=details), output, overwrite=overwrite)
    _reports.write(targets, lambda kind: with_verdict(verdict, found, kind), overwrite=overwrite)
    _reports.summarise(lambda: with_verdict(verdict, found, "markdown"))
    if update_baseline is not None:
        _update(case, update_baseline, verdict, demands if existed else None, allow_lower)
    raise typer.Exit(verdict.exit_code)


def _check(
    paths: list[Path],
    baseline: Path | None,
    baseline_predictions: Path | None,
    update: Path | None,
    allow_lower: bool,
) -> None:
    """Refuse what leaves no baseline, or two."""
    if baseline is not None and baseline_predictions is not None:
        raise UsageError("both --baseline and --baseline-predictions are given, expected one of them")
    if allow_lower and update is None:
        raise UsageError("--allow-lower speaks of a baseline to update", hint="add --update-baseline FILE")
    if update is None:
        return
    if len(paths) > 1:
        raise UsageError(f"{len(paths)} results, expected one beside --update-baseline")
    if any(update.resolve() == path.resolve() for path in paths):
        raise OutputError(f"{update}: is the result that is judged", hint="write the baseline to a file of its own")


def _collect(
    paths: list[Path],
    baseline: Path | None,
    truth: Path | None,
    predictions: Path | None,
    baseline_predictions: Path | None,
) -> _Case:
    """Results and baseline: read, or scored on the truth that is given."""
    from detkit import api
    from detkit.api.gating import check_request

    check_request(
        len(paths),
        truth=truth is not None,
        predictions=predictions is not None,
        baseline_predictions=baseline_predictions is not None,
    )
    results: dict[str, Any] = {str(path): api.load_result(path) for path in paths}
    if truth is not None and predictions is not None:
        results[str(predictions)] = _scored(truth, predictions)
    files = (paths[0] if paths else None, baseline)
    if truth is not None and baseline_predictions is not None:
        like = next(iter(results.values())) if paths else None
        return _Case(results, _scored(truth, baseline_predictions, like), files)
    return _Case(results, None if baseline is None else api.load_baseline(baseline), files)


def _scored(truth: Path, predictions: Path, like: Mapping[str, Any] | None = None) -> Evaluation:
    from detkit.api.rescoring import rescore

    with _console.working(f"scoring {predictions.name}", compiles=True):
        result = rescore(truth, predictions, like)
    _console.findings(result.findings)
    return result


def _explained(case: _Case, verdict: GateReport) -> dict[str, Any]:
    from detkit.api.explaining import explain_verdict

    if case.baseline is None:
        raise UsageError("there is nothing to explain a change from", hint="add --baseline FILE")
    if len(case.results) != 1:
        raise UsageError(f"{len(case.results)} results, expected one beside --explain")
    return explain_verdict(verdict, case.first, case.baseline, paths=case.files)


def _update(case: _Case, target: Path, verdict: GateReport, demands: list[Any] | None, allow_lower: bool) -> None:
    """Replace the baseline where that is right; without demands there was none to compare with."""
    from detkit.api.baselining import fallen, keep_baseline

    source: Any = case.files[0] or case.first
    judged = demands is not None and verdict.outcome == "pass" and case.baseline is not None
    fell = fallen(case.first, case.baseline or {}, demands or []) if judged else None
    done = keep_baseline(source, target, verdict, fell=fell, allow_lower=allow_lower)
    _console.status(f"{target}: baseline {'written' if done.written else 'kept'}: {done.reason}")
    if not done.written and verdict.outcome == "pass":
        _console.hint("pass --allow-lower to lower it")
