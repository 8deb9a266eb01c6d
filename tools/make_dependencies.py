"""Write the table of what detkit installs, from pyproject.toml, the reasons below and the packages' own licences.

    python tools/make_dependencies.py            write them
    python tools/make_dependencies.py --check    exit 1 when the page differs

A licence that cannot be read here, since the package is not installed or this is a check, stays as the page has it: a
check therefore says the same on every machine.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference" / "dependencies.md"
sys.path.insert(0, str(ROOT / "tools"))

from make_docs import with_block  # noqa: E402

#: Why each is there, by its name in pyproject.toml.
REASONS = {
    "numpy": "columns, arrays, all arithmetic outside the kernels",
    "numba": "compiles the kernels: overlaps, matching, accumulation, suppression, clustering",
    "llvmlite": "compiles with Numba, and loads kept machine code where detkit cannot, without importing Numba",
    "typer": "the command line; from 0.26 on without Click, whose next release drops what older ones import; 0.29 "
    "brings pydantic and a tenth of a second at every start",
    "rich": "progress bars",
    "pillow": "reads, draws and writes images",
    "pycocotools": "run-length masks: the reference's own code for encoding and overlaps of masks",
    "msgspec": "parses JSON into typed records, faster than the standard library",
    "pyyaml": "`data.yaml`, rules files",
    "defusedxml": "reads Pascal VOC and CVAT without entity bombs",
    "onnxruntime": "runs detectors",
    "onnxruntime-gpu": "runs detectors on NVIDIA GPUs; wheels for 64-bit x86 on Linux and Windows only",
    "onnx": "reads what a model file says about itself, converts to half precision",
    "albumentations": "warps images with their boxes; pinned: the last release under this licence",
    "matplotlib": "plots of a report as PNG and SVG files (the HTML page draws its own)",
    "av": "decodes video frames",
    "pyarrow": "reads and writes Parquet",
    "zstandard": "reads JSON compressed with Zstandard where Python itself cannot",
    "dask": "spreads shards of an evaluation over processes and machines",
}
_NAME = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?([^;]*)")


def main(arguments: list[str] | None = None) -> int:
    """Write or check the page; 1 when a check finds a difference."""
    parser = argparse.ArgumentParser(description="Write the tables of dependencies.")
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 when the page is out of date")
    check = parser.parse_args(arguments).check
    page = PAGE.read_text(encoding="utf-8")
    text = with_block(page, "dependencies", table(known_licences(page), ask=not check), PAGE)
    if text == page:
        return 0
    print(f"{PAGE.relative_to(ROOT)}: {'out of date' if check else 'written'}")
    if check:
        print("hint: python tools/make_dependencies.py", file=sys.stderr)
        return 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


def table(kept: dict[str, str], *, ask: bool) -> str:
    """A row for each package that detkit asks for itself, with the licence of the installed one if asked for."""
    rows = ["| package | asked for by | licence | what for |", "|---|---|---|---|"]
    for name, (bound, groups) in sorted(required().items()):
        if name not in REASONS:
            raise SystemExit(f"pyproject.toml asks for {name}: say in REASONS of {Path(__file__).name} what for")
        licence = (installed_licence(name) if ask else None) or kept.get(name, "unknown")
        rows.append(f"| `{name}{bound}` | {', '.join(groups)} | {licence} | {REASONS[name]} |")
    return "\n".join(rows)


def required() -> dict[str, tuple[str, list[str]]]:
    """Version bound and the extras (or `core`) of each package in pyproject.toml."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found: dict[str, tuple[str, list[str]]] = {}
    for group, lines in {"core": project["dependencies"], **project["optional-dependencies"]}.items():
        for line in lines:
            ((name, bound),) = _NAME.findall(line)
            if name == project["name"]:
                continue
            _, groups = found.setdefault(name, (bound.strip(), []))
            if group not in groups:
                groups.append(group)
    return found


def known_licences(page: str) -> dict[str, str]:
    """The licences the page states, by package."""
    return dict(re.findall(r"^\| `([A-Za-z0-9._-]+?)(?:[=<>!~][^`]*)?` \| [^|]+ \| ([^|]+) \|", page, re.MULTILINE))


def installed_licence(name: str) -> str | None:
    """What the installed package says of itself in one line: the expression, a classifier, or a short free text."""
    try:
        metadata = importlib.metadata.metadata(name)
    except importlib.metadata.PackageNotFoundError:
        return None
    classified = [c.rpartition(" :: ")[2] for c in metadata.get_all("Classifier") or () if c.startswith("License ::")]
    free = (metadata.get("License") or "").strip()
    found = metadata.get("License-Expression") or ", ".join(classified) or free
    return found.splitlines()[0] if found else None


if __name__ == "__main__":
    raise SystemExit(main())
