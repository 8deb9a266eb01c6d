"""`python -m detkit.compat script.py ...`: an unedited script, with the drop-ins installed.

As with `python script.py`: the script is `__main__`, `sys.argv` and `sys.path[0]` are its own, its exit code is the
exit code, and a traceback begins in it. `-m package.module` runs a module.
"""

from __future__ import annotations

import argparse
import runpy
import sys
from io import open_code
from pathlib import Path
from types import ModuleType, TracebackType

from detkit.compat import install


def main() -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(
        prog="python -m detkit.compat",
        description="Run a script with detkit in the place of pycocotools and faster_coco_eval.",
        epilog="example: python -m detkit.compat evaluate.py --results results.json",
    )
    parser.add_argument("-m", action="store_true", dest="is_module", help="SCRIPT is the name of a module")
    parser.add_argument("script", metavar="SCRIPT", help="Python file to run")
    parser.add_argument(
        "arguments", metavar="ARGUMENTS", nargs=argparse.REMAINDER, default=[], help="arguments of the script"
    )
    options = parser.parse_args()
    if not options.is_module and not Path(options.script).is_file():
        parser.error(f"no such file: {options.script}")
    install()
    sys.argv = [options.script, *options.arguments]
    try:
        run = _run_module if options.is_module else _run_script
        run(options.script)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:
        error = error.with_traceback(_beyond_this_file(error.__traceback__))
        sys.excepthook(type(error), error, error.__traceback__)
        sys.exit(1)


def _run_script(script: str) -> None:
    module = ModuleType("__main__")
    module.__file__ = script
    sys.modules["__main__"] = module
    sys.path[0] = str(Path(script).resolve().parent)
    with open_code(script if Path(script).is_absolute() else str(Path.cwd() / script)) as file:
        code = compile(file.read(), script, "exec", dont_inherit=True)
    exec(code, module.__dict__)


def _run_module(name: str) -> None:
    runpy.run_module(name, run_name="__main__", alter_sys=True)


def _beyond_this_file(traceback: TracebackType | None) -> TracebackType | None:
    """The traceback without the frames that led to the script; None where the script never began."""
    own = (__file__, runpy.__file__)
    rest = traceback
    while rest is not None and rest.tb_frame.f_code.co_filename in (*own, "<frozen runpy>"):
        rest = rest.tb_next
    return rest


if __name__ == "__main__":
    main()
