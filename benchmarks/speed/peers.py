"""The other tools, in an environment of their own so that their pins never meet detkit's."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from speed.places import scrubbed

_VERSIONS = """
import importlib.metadata as metadata, json, sys
def version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
print(json.dumps({name: version(name) for name in sys.argv[1:]}))
"""


def pins(file: Path) -> dict[str, str]:
    """Version by package name."""
    lines = (line.split("#")[0].strip() for line in file.read_text(encoding="utf-8").splitlines())
    return dict(line.split("==", 1) for line in lines if line)


def versions(python: str | Path, names: Iterable[str]) -> dict[str, str | None]:
    """Installed version by package name, None where it is not installed or the interpreter does not start."""
    names = list(names)
    try:
        out = subprocess.run([python, "-c", _VERSIONS, *names], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return dict.fromkeys(names)
    return dict(json.loads(out))


def install(folder: Path, file: Path, names: Iterable[str], progress: Callable[[str], None]) -> dict[str, str]:
    """What could not be installed: reason by package name. Nothing is done where these are already there as pinned.

    Packages are installed in the order of the file.
    """
    python = folder / "bin" / "python"
    needed = set(names)
    wanted = {name: version for name, version in pins(file).items() if name in needed}
    present = versions(python, wanted)
    missing = [name for name, version in wanted.items() if present[name] != version]
    if not missing:
        return {}
    if not python.exists():
        progress(f"making {folder.name}")
        problem = _problem([sys.executable, "-m", "venv", "--clear", str(folder)])
        if problem:
            return dict.fromkeys(wanted, problem)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--constraint", str(file)]
    problems = {}
    for name in missing:  # one by one: a package without a wheel for this machine must not stop the others
        progress(f"installing {name} {wanted[name]}")
        problem = _problem([*pip, f"{name}=={wanted[name]}"])
        if problem:
            problems[name] = problem
    return problems


def _problem(command: list[str]) -> str | None:
    """The last line of what the command complained of, None where it succeeded."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    except OSError as error:
        return scrubbed(str(error))
    if done.returncode == 0:
        return None
    lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("ERROR", "error"))]
    return scrubbed((errors or lines or [f"exit {done.returncode}"])[-1].strip())
