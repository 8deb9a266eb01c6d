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
    require: Annotated[
        list[str] | None,
        typer.Option("--require", "--fail-under", help="Rule such as 'AP>=0.40'; may be repeated."),
    ] = None,
    rules: Annotated[Path | None, typer.Option("--rules", help="File with gate rules.")] = None,
    jobs: Annotated[int | None, typer.Option("--jobs", min=1, help="Threads; by default one a processor.")] = None,
) -> None:
    """Fold the parts of an evaluation to exactly the result of one process; with rules, exit 1 when one fails.

    Example: detkit merge-results part-*.npz --format json -o result.json
    """
    from detkit import api, reports
    from detkit.api import sharding

    inputs = tuple(parts)
    check_outputs(output, inputs=inputs, overwrite=overwrite)
    targets = _reports.parse(
        report,
        known=api.report_kinds() if report else (),
        inputs=inputs,
        outputs=(output,),
        overwrite=overwrite,
    )
    with _reports.refusals(targets, overwrite=overwrite):
        demands = [*(require or []), *(api.load_rules(rules) if rules else [])]
        with _console.working("merging"):
            result = sharding.merge_results(parts, jobs=jobs)
        _console.findings(result.findings)
        verdict = api.gate({"result": result}, demands) if demands else None
    deliver(reports.render(format.value, result, verdict), output, overwrite=overwrite)
    _reports.write(targets, lambda kind: reports.render(kind, result, verdict), overwrite=overwrite)
    if verdict is not None:
        _reports.summarise(lambda: reports.render("markdown", result, verdict))
        raise typer.Exit(verdict.exit_code)
