"""The commands by name: imported when they are asked for, listed from text so that `detkit --help` is quick."""

from __future__ import annotations

import functools
import importlib
import math
import os
from collections.abc import Callable
from typing import Any

import typer
import typer.core
import typer.main

from detkit.cli import _usage
from detkit.cli._hints import HintingCommand
from detkit.errors import UsageError

__all__ = ["COMMANDS", "LazyGroup", "function_of"]

#: Commands in the order of the help, each with its line there. A command is a module of this room with a function of
#: the same name (`evaluate` for `eval`, which is taken).
COMMANDS = {
    "eval": "Score predictions against truth, and judge the score.",
    "merge-results": "Fold the parts of `eval --shard` to one result.",
    "gate": "Judge results by rules: the exit code is the verdict.",
    "compare": "Compare models on one truth: differences with intervals.",
    "report": "Write one page that shows why: curves, confusion, misses.",
    "ci": "Write workflow, rules and baseline of a CI gate.",
    "predict": "Run an ONNX detector over images.",
    "bench": "Measure a model: latency, throughput, every stage.",
    "model": "Show what an ONNX detector is, without running it.",
    "convert": "Convert a dataset or predictions to another format.",
    "split": "Split a dataset: stratified, in groups, in folds, or stable.",
    "merge": "Join datasets: classes by name, ids and file names kept apart.",
    "filter": "Keep the boxes, images and classes that conditions name.",
    "remap": "Rename, join, drop, number or order classes.",
    "sample": "Take some of the images: by number, share, or per class.",
    "iou": "Overlaps between the boxes of two files.",
    "nms": "Keep the best of overlapping predictions.",
    "ensemble": "Join the predictions of several models.",
    "diff": "Compare two exports of a model, or two versions of a dataset.",
    "anchors": "Find anchors for a dataset, and judge those it has.",
    "targets": "Write the grid tensors a detector with anchors learns from.",
    "check": "Find faults of a dataset, by code, and mend them.",
    "stats": "Count what a dataset or a predictions file holds.",
    "draw": "Draw truth and predictions on the images.",
    "crops": "Cut every object out of its image.",
    "frames": "Save frames of a video as images.",
    "tile": "Cut large images into tiles, and join predictions on tiles.",
    "augment": "Write warped copies of images with their labels.",
    "dedupe": "Find copies of images and leave them out.",
    "demo": "Try all of this on a bundled dataset.",
    "doctor": "Show versions, optional parts, and what is wrong.",
    "warmup": "Compile the kernels ahead of the first run.",
}
_FUNCTION = {"eval": "evaluate"}
#: Commands that multiply large matrices. For all others NumPy's library starts no threads: that would take as long as
#: to load NumPy.
_MULTIPLYING = frozenset(("dedupe", "stats"))


def function_of(name: str) -> Callable[..., None]:
    """The function behind a command, its module imported now."""
    bare = name.replace("-", "_")
    module = importlib.import_module(f"detkit.cli.{bare}")
    function: Callable[..., None] = getattr(module, _FUNCTION.get(name, bare))
    return function


def _prepared(function: Callable[..., None]) -> Callable[..., None]:
    """The command, which refuses `nan` for every option at once (it lies in no range and outside of none)."""

    @functools.wraps(function)
    def checked(**values: Any) -> None:
        for name, value in values.items():
            if isinstance(value, float) and math.isnan(value):
                raise UsageError(f"--{name.replace('_', '-')} is nan, expected a number")
        if function.__name__ not in _MULTIPLYING:
            os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        function(**values)

    return checked


class LazyGroup(typer.core.TyperGroup):
    """A group whose commands are imported when they are asked for."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _Lazy()

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the order of the help."""
        return list(COMMANDS)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As typer does, refusing in our words."""
        with _usage.in_our_words(ctx):
            return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As typer does, refusing in our words."""
        if args and args[0] not in COMMANDS and not ctx.resilient_parsing:
            hint = _usage.did_you_mean(args[0], list(COMMANDS)) or "`detkit --help` lists the commands"
            raise UsageError(f"no such command `{args[0]}`", hint=hint)
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """One command, None where there is no such name."""
        return self.commands.get(cmd_name)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Usage, options and a line a command, in plain text."""
        formatter.write_usage(ctx.command_path, "[OPTIONS] COMMAND [ARGS]...")
        formatter.write_paragraph()
        formatter.write_text(self.help or "")
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))
        with formatter.section("Options"):
            records = [parameter.get_help_record(ctx) for parameter in self.get_params(ctx)]
            formatter.write_dl([(name.split("  ")[0], text) for name, text in filter(None, records)])
        formatter.write_paragraph()
        formatter.write_text("Start with `detkit demo`; each command has --help with an example.")


class _Lazy(dict[str, Any]):
    """Name -> command; the value is made on first use."""

    def __init__(self) -> None:
        super().__init__(dict.fromkeys(COMMANDS))

    def __getitem__(self, name: str) -> Any:
        command = super().__getitem__(name)
        if command is None:
            single = typer.Typer(
                pretty_exceptions_enable=False,
                add_completion=False,
                rich_markup_mode=None,
                context_settings={"help_option_names": ["-h", "--help"]},
            )
            single.command(name, cls=HintingCommand)(_prepared(function_of(name)))
            command = typer.main.get_command(single)
            super().__setitem__(name, command)
        return command

    def get(self, name: str, default: Any = None) -> Any:
        try:
            return self[name]
        except KeyError:
            return default
