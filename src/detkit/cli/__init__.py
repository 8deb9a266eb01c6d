"""The command line, one command a file. Only this room prints and picks exit codes.

Importing it loads typer and the standard library; what a command needs is imported inside the command.
"""

from __future__ import annotations

import importlib

import typer

from detkit.cli import _console, _errors

__all__ = ["app", "main"]

app = typer.Typer(
    name="detkit",
    help="Convert, check and score object detection datasets; gate CI on the result.",
    epilog="Start with: detkit demo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

#: Commands in the order of the help; each is a module of this room with a function of the same name.
COMMANDS = (
    "eval",
    "gate",
    "predict",
    "bench",
    "model",
    "convert",
    "iou",
    "nms",
    "ensemble",
    "diff",
    "stats",
    "demo",
    "doctor",
    "warmup",
)
_FUNCTION = {"eval": "evaluate"}


@app.callback(invoke_without_command=True)
def _globals(
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


for _name in COMMANDS:
    _module = importlib.import_module(f"detkit.cli.{_name}")
    app.command(_name)(getattr(_module, _FUNCTION.get(_name, _name)))


def main() -> None:
    """Run the command line and exit with its code."""
    _errors.run(app)
