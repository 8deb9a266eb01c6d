"""`detkit ci init`: the files of a CI gate, from one result."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from detkit.cli import _console, _options

__all__ = ["ci"]


class Action(StrEnum):
    """What `detkit ci` does."""

    init = "init"


class Provider(StrEnum):
    """Whose workflow is written."""

    github = "github"
    gitlab = "gitlab"


def ci(
    action: Annotated[Action, typer.Argument(help="init: write the files.", show_default=False)],
    result: Annotated[Path, typer.Argument(help="Result of `detkit eval --format json`.", show_default=False)],
    provider: Annotated[Provider, typer.Option("--provider", help="Whose workflow is written.")] = Provider.github,
    folder: Annotated[Path, typer.Option("--dir", help="Root of the repository.")] = Path(),
    overwrite: _options.Overwrite = False,
) -> None:
    """Write a workflow, rules with floors, and the baseline of a gate that this result passes.

    Floors lie at the lower end of a metric's interval where the result has one, else 0.02 below its value. Saved
    matches become part of the baseline: with them the gate compares on the same images, and tells worse from chance.

    Example: detkit ci init result.json --provider github
    """
    from detkit.api import ci_setup

    done = ci_setup.init_ci(result, folder, provider.value, overwrite=overwrite)
    written = [path.relative_to(folder).as_posix() for path in done.paths]
    _console.out("\n".join(f"wrote {path}" for path in written))
    for warning in done.warnings:
        _console.status(warning, "warning", "yellow")
    for note in done.notes:
        _console.status(note)
    _console.hint(f"commit them: git add {' '.join(written)} && git commit -m 'Gate detection metrics'")
