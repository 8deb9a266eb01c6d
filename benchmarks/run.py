"""Speed and memory of detkit beside other tools that do the same work, on the same files, each run a fresh process.

    python benchmarks/run.py [--rounds 5] [--all] [--only NAME] [--scale F] [--out docs/benchmarks.md] [--json FILE]

The other tools are installed into `.venv-peers` when they are not there yet. What is measured stands in
`benchmarks/speed/cells`, one file for each group of cells; `--list` names them and says which are measured by default.
Exit 1 when detkit fails or its result is not that of the reference.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import sysconfig
from collections.abc import Callable, Sequence
from pathlib import Path

from speed import data, machine, measure, peers, report
from speed.cell import Cell, Tool, same_bits
from speed.cells import all_cells
from speed.places import PEERS_ENVIRONMENT, PEERS_FILE, REPORT, RUNNERS, WORK, scrubbed, shown

OWN_PACKAGES = ("detkit", "numpy", "numba", "msgspec")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    cells = all_cells()
    tools = dict.fromkeys(tool.name for cell in cells for tool in cell.tools)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=_positive(int), default=5, help="counted rounds (default 5)")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--all", action="store_true", help="the cells that take long, too")
    which.add_argument("--only", action="append", choices=[c.name for c in cells], help="this cell; may be repeated")
    parser.add_argument("--list", action="store_true", help="name the cells and stop")
    parser.add_argument("--tool", action="append", choices=tools, help="only this tool; may be repeated")
    parser.add_argument("--scale", type=_positive(float), default=1.0, help="size of the generated data (default 1)")
    parser.add_argument("--out", type=Path, help="report (default docs/benchmarks.md when everything is measured)")
    parser.add_argument("--json", type=Path, help="every single run, for programs")
    parser.add_argument("--work", type=Path, default=WORK, help="where generated data is kept (default .scratch/bench)")
    parser.add_argument("--no-peers", action="store_true", help="detkit alone; installs nothing")
    return parser.parse_args(arguments)


def _positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = kind(text)
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"{text} is not above 0")
        return value

    return number


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def command_line(arguments: Sequence[str]) -> str:
    """The command that was given, without folders of this machine."""
    words = []
    for word in arguments:
        option, equals, value = word.partition("=") if word.startswith("-") else ("", "", word)
        words.append(option + equals + (shown(Path(value)) if Path(value).is_absolute() else value))
    return shlex.join(["python", "benchmarks/run.py", *words])


def wanted_cells(given: argparse.Namespace) -> list[Cell]:
    """The cells to measure."""
    if given.only:
        return [cell for cell in all_cells() if cell.name in given.only]
    return [cell for cell in all_cells() if cell.is_default or given.all]


def listing() -> str:
    """A line for each cell."""
    cells = all_cells()
    width = max(len(cell.name) for cell in cells)
    return "\n".join(f"{cell.name:{width}}  {cell.title}{'' if cell.is_default else ' (--all)'}" for cell in cells)


def usable_tools(cells: Sequence[Cell], given: argparse.Namespace) -> tuple[dict[str, list[Tool]], list[str]]:
    """The tools to measure by cell, and a note for each package that is missing."""
    tools = {cell.name: [t for t in cell.tools if given.tool is None or t.name in given.tool] for cell in cells}
    others = {package for found in tools.values() for tool in found if not tool.is_own for package in tool.packages}
    if given.no_peers:
        own = {name: [tool for tool in found if tool.is_own] for name, found in tools.items()}
        return own, ["other tools left out (`--no-peers`)"]
    if not others:
        return tools, []
    # One NumPy for all of them, so that no package brings another.
    problems = peers.install(PEERS_ENVIRONMENT, PEERS_FILE, others | {"numpy"}, progress)
    notes = [f"could not be installed: {name} ({why})" for name, why in problems.items()]
    for note in notes:
        progress(note)
    usable = {name: [t for t in found if not problems.keys() & set(t.packages)] for name, found in tools.items()}
    return usable, notes


def versions(tools: dict[str, list[Tool]]) -> dict[str, str]:
    """Version by package; the peers' own NumPy is named apart."""
    found = peers.versions(sys.executable, OWN_PACKAGES)
    names = [*dict.fromkeys(tool.packages[0] for cell in tools.values() for tool in cell if not tool.is_own)]
    if names:
        other = peers.versions(PEERS_ENVIRONMENT / "bin" / "python", [*names, "numpy"])
        found |= {name: other[name] for name in names} | {"numpy (peers)": other["numpy"]}
    return {name: version for name, version in found.items() if version is not None}


def job(tool: Tool, files: data.Files) -> measure.Job:
    """The tool's command with its places filled in; `{out}` is filled in for each run."""
    scripts = Path(sysconfig.get_path("scripts")) if tool.is_own else PEERS_ENVIRONMENT / "bin"
    places = {
        "python": sys.executable if tool.is_own else str(scripts / "python"),
        "scripts": str(scripts),
        "runners": str(RUNNERS),
        "out": "{out}",
        **{place: str(path.absolute()) for place, path in files.paths.items()},
    }
    command, count = (tuple(word.format_map(places) for word in words) for words in (tool.command, tool.count))
    return measure.Job(tool.name, command, tool.read, count, tool.accepts, tool.empty_cache, tool.once)


def measure_cell(cell: Cell, tools: Sequence[Tool], given: argparse.Namespace) -> report.Section:
    """The table of one cell."""
    progress(f"{cell.name}: {cell.title}")
    try:
        files = data.files_of(cell.data, given.work, given.scale)
    except data.NoDataError as error:
        progress(f"  not measured: {error}")
        return report.Section(cell, skipped=str(error))
    measured = measure.measure([job(tool, files) for tool in tools], given.rounds, progress)
    sizes = [f"{_megabytes(path)} of {place}" for place, path in files.paths.items() if path.is_file()]
    return report.Section(cell, ", ".join([files.origin, *sizes]) if files.paths else "", measured)


def _megabytes(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.2f} MB"


def failures(result: report.Report) -> list[str]:
    """What makes the run a failure: detkit fell over, or its result is not the reference's."""
    found = []
    for section in result.sections:
        own = {tool.name for tool in section.cell.tools if tool.is_own}
        reference = section.reference
        for measured in (m for m in section.measured if m.name in own):
            if measured.failure is not None:
                found.append(f"{section.cell.name}: {measured.name}: {measured.failure}")
            elif section.cell.is_exact and reference and not same_bits(measured.values or [], reference.values or []):
                what = f"its {section.cell.result} are not those of {section.cell.reference}"
                found.append(f"{section.cell.name}: {measured.name}: {what}")
    return found


def is_whole(given: argparse.Namespace) -> bool:
    """Whether no default cell is left out or made smaller."""
    return not (given.only or given.tool or given.no_peers or given.scale != 1)


def deliver(result: report.Report, given: argparse.Namespace) -> None:
    """Print the page and write what was asked for; only a whole run without failures replaces the project's page."""
    page = report.markdown(result)
    print(page)
    target = given.out or (REPORT if is_whole(given) and not failures(result) else None)
    texts = {target: page, given.json: json.dumps(report.document(result), indent=2) + "\n"}
    for path, text in texts.items():
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            progress(f"written: {shown(path)}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 measured, 1 detkit failed or its result is wrong, 2 usage."""
    given = parse(arguments)
    if given.list:
        print(listing())
        return 0
    if peers.versions(sys.executable, ["detkit"])["detkit"] is None:
        progress("error: detkit is not installed beside this Python\nhint: `make bench`, or .venv/bin/python")
        return 2
    cells = wanted_cells(given)
    tools, notes = usable_tools(cells, given)
    if given.scale != 1:
        notes.append(f"generated data at {given.scale:g} of its size (`--scale`)")
    left_out = [cell.name for cell in all_cells() if cell not in cells]
    if left_out and not given.only:
        notes.append(f"not measured without `--all`: {', '.join(left_out)}")
    words = list(sys.argv[1:] if arguments is None else arguments)
    result = report.Report(machine.describe(), versions(tools), command_line(words), given.rounds, notes)
    before = machine.clock()
    result.sections = [measure_cell(cell, tools[cell.name], given) for cell in cells]
    result.others_share = machine.others_share(before, machine.clock())
    result.floor = measure.own_peak()
    deliver(result, given)
    wrong = failures(result)
    for line in wrong:
        progress(scrubbed(f"error: {line}"))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
