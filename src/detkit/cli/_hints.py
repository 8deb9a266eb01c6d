"""Hints in the words of the command that was called: its option that names a format, its inputs the right way round.

The rooms below know what is wrong with an input, and not under which option it came.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import typer.core

from detkit.cli import _usage
from detkit.errors import UnrecognisedError

__all__ = ["HintingCommand"]

_ARGUMENTS = "detkit.arguments"


class HintingCommand(typer.core.TyperCommand):
    """A command that completes the hint of an error it ends with."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As typer does, refusing in our words; the command's own are kept to be said again."""
        ctx.meta[_ARGUMENTS] = list(args)
        with _usage.in_our_words(ctx):
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except UnrecognisedError as error:
            if error.swapped_with is not None and error.path is not None:
                line = _swapped(ctx, error.path, error.swapped_with)
                error.hint = f"these look swapped, the truth comes first: {line}"
            else:
                flag = _format_flag(ctx, error)
                error.name_format(flag and f"name its format with `{flag}`")
            raise


def _swapped(ctx: Any, one: str, other: str) -> str:
    """The command with two of its words in each other's place."""
    words = {str(Path(one)): other, str(Path(other)): one}
    return f"{ctx.command_path} {shlex.join(words.get(str(Path(word)), word) for word in ctx.meta[_ARGUMENTS])}"


def _format_flag(ctx: Any, error: UnrecognisedError) -> str | None:
    """The option of this command that names the format of the input at fault, None where there is none."""
    known = {flag for parameter in ctx.command.params for flag in parameter.opts}
    of_the_other_kind = {"dataset": "--predictions-format", "detections": "--truth-format"}.get(error.kind or "")
    for parameter in ctx.command.params:
        own = f"--{parameter.name}-format"
        if own == of_the_other_kind or error.path is None or not _holds(ctx.params.get(parameter.name), error.path):
            continue
        if own in known:
            return own
        if parameter.param_type_name == "argument":
            return next((flag for flag in ("--from", "--predictions-format", "--truth-format") if flag in known), None)
    return None


def _holds(value: Any, path: str) -> bool:
    """Whether a path is the value of a parameter, or one of its values."""
    values = value if isinstance(value, list | tuple) else [value]
    return any(isinstance(v, str | Path) and str(Path(v)) == path for v in values)
