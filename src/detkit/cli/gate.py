"""`detkit gate`: judge results that `detkit eval --format json` wrote."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from detkit.cli import _options
from detkit.cli._write import check_outputs, deliver

__all__ = ["gate"]


class GateRendering(StrEnum):
    """How a verdict is rendered."""

    text = "text"
    json = "json"
    markdown = "markdown"


def gate(
    results: Annotated[list[Path], typer.Argument(help="Results of `detkit eval --format json`.", show_default=False)],
    rules: Annotated[
        Path | None, typer.Option("--rules", help="Rules file; by default pyproject.toml or detkit.toml here or above.")
    ] = None,
    require: Annotated[
        list[str] | None,
        typer.Option("--require", "--fail-under", help="Rule such as 'AP>=0.40'; may be repeated."),
    ] = None,
    baseline: Annotated[Path | None, typer.Option("--baseline", help="Earlier result for max_drop rules.")] = None,
    min_coverage: Annotated[
        float | None, typer.Option("--min-coverage", min=0, max=1, help="Least share of images with predictions.")
    ] = None,
    format: Annotated[GateRendering, typer.Option("--format", help="How the verdict is rendered.")] = (
        GateRendering.text
    ),
    output: _options.Output = None,
    overwrite: _options.Overwrite = False,
) -> None:
    """Pass or fail: exit 0 passed, 1 failed, 2 wrong rule or file, 3 cannot be judged.

    Example: detkit gate result.json --require 'AP>=0.40' --require 'class.person.AP50>=0.6'
    """
    from detkit import api, reports

    check_outputs(output, inputs=tuple(results), overwrite=overwrite)
    found = {str(path): api.load_result(path) for path in results}
    demands = [*(require or []), *api.rules_for_gate(rules, bool(require))]
    earlier = None if baseline is None else api.load_baseline(baseline)
    verdict = api.gate(found, demands, baseline=earlier, min_coverage=min_coverage)
    deliver(reports.render_gate(verdict, format.value), output, overwrite=overwrite)
    raise typer.Exit(verdict.exit_code)
