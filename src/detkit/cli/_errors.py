"""From errors to exit codes: 0 passed, 1 judged and failed, 2 wrong request or input, 3 cannot be judged, 4 a bug."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Callable

from detkit import errors
from detkit.cli import _console

__all__ = ["configure", "run"]

WRONG, UNDECIDED, BUG, INTERRUPTED, UNREAD = 2, 3, 4, 130, 141
_CODES = ((errors.CannotJudgeError, UNDECIDED), (errors.DetkitError, WRONG))
_debug = bool(os.environ.get("DETKIT_DEBUG"))


def configure(*, debug: bool) -> None:
    """Set once, before a command runs."""
    global _debug
    _debug = _debug or debug


def run(app: Callable[[], object]) -> None:
    """Call the program and exit; every error becomes one message and one code."""
    warnings.simplefilter("ignore", RuntimeWarning)  # overflow in absurd boxes: results say inf or null, no traceback
    _open_missing_streams()
    try:
        app()
    except SystemExit as leaving:
        if isinstance(leaving.__context__, BrokenPipeError):  # typer gives 1, which is a verdict here
            _hush()
            sys.exit(UNREAD)
        if leaving.code == INTERRUPTED:  # typer turns Ctrl-C into this code and says nothing
            _console.error("interrupted")
        raise
    except errors.DetkitError as error:
        _console.error(str(error))
        sys.exit(next(code for kind, code in _CODES if isinstance(error, kind)))
    except KeyboardInterrupt:
        _console.error("interrupted")
        sys.exit(INTERRUPTED)
    except (_console.OutputClosedError, BrokenPipeError):
        _hush()
        sys.exit(UNREAD)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _console.error(f"{place}{error.strerror or error}")
        sys.exit(WRONG)
    except MemoryError:
        _console.error("out of memory\nhint: score a part with --split, --classes or --image-list")
        sys.exit(WRONG)
    except Exception as error:
        if _debug:
            raise
        _console.error(
            f"a bug in detkit: {type(error).__name__}: {error}\nhint: run again with `detkit --debug ...` and report it"
        )
        sys.exit(BUG)


def _open_missing_streams() -> None:
    """Give a process that was started with closed standard streams the null device in their place.

    Without it the next file that is opened would get their number, and take what is printed.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is not None:
            continue
        null = os.open(os.devnull, os.O_RDWR)
        if null != number:
            os.dup2(null, number)
            os.close(null)
        setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", errors="backslashreplace", closefd=False))


def _hush() -> None:
    """Let the rest of stdout vanish: nobody reads it, and the interpreter would complain when it flushes."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
