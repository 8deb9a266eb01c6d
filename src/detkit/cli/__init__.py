"""The command line, one command a file. Only this room prints and picks exit codes.

Importing it loads typer and the standard library; a command is imported when it is asked for, and what it needs is
imported inside it.
"""

from __future__ import annotations

import gc
from functools import partial

import typer

from detkit.cli import _console, _errors
from detkit.cli._commands import COMMANDS, LazyGroup, function_of

__all__ = ["COMMANDS", "app", "function_of", "main"]

app = typer.Typer(
    name="detkit",
    cls=LazyGroup,
    help="Convert, check and score object detection datasets, run ONNX detectors, gate CI on the result.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _globals(
    ctx: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version and stop."),
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an internal error."),
    quiet: bool = typer.Option(False, "--quiet", "-q", help="Say nothing on stderr but errors."),
) -> None:
    _console.configure(quiet=quiet)
    _errors.configure(debug=debug)
    if version:
        from detkit._version import __version__

        _console.out(f"detkit {__version__}")
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        _console.out(ctx.get_help())
        raise typer.Exit(2)


def main() -> None:
    """Run the command line and exit with its code."""
    # Imports make objects that stay, and next to no cycles: looking for those every 700 objects is slow.
    gc.set_threshold(50_000)
    _errors.run(partial(app, prog_name="detkit"))
