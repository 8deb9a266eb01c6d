"""`detkit merge-results`: fold the parts that `detkit eval --shard i/n` wrote to the result of one process."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from detkit.cli import _console, _options, _reports
from detkit.cli._write import check_outputs, deliver

__all__ = ["merge_results"]


def merge_results(
    parts: Annotated[list[Path], typer.Argument(help="All parts of one evaluation, in any order.", show_default=False)],
    format: Annotated[_options.Rendering, typer.Option("--format", help="How the result is rendered.")] = (
        _options.Rendering.text
    ),
    output: _options.Output = None,
    report: _reports.ReportOption = None,
    overwrite: _options.Overwrite = False,
    require: _options.Require = None,
    rules: _options.Rules = None,
    jobs: _options.Jobs = None,
) -> None:
    """Fold the parts of an evaluation to exactly the result of one process; with rules, exit 1 when one fails.

    Example: detkit merge-results part-*.npz --format json -o result.json
    """
    from detkit import api, reports
    from detkit.api import sharding

    inputs = (*parts, rules)
    check_outputs(output, inputs=inputs, overwrite=overwrite)
    targets = _reports.parse(
        report,
        known=api.report_kinds() if report else (),
        inputs=inputs,
        outputs=(output,),
        overwrite=overwrite,
    )
    with _reports.refusals(targets, overwrite=overwrite):
        demands = api.read_rules(require, rules)
        with _console.working("merging"):
            result = sharding.merge_results(parts, jobs=jobs)
        _console.findings(result.findings)
        verdict = api.gate({"result": result}, demands) if demands else None
    deliver(reports.render(format.value, result, verdict), output, overwrite=overwrite)
    _reports.write(targets, lambda kind: reports.render(kind, result, verdict), overwrite=overwrite)
    if verdict is not None:
        _reports.conclude(result, verdict)
        raise typer.Exit(verdict.exit_code)
