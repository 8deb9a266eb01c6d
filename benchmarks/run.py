"""Speed and memory of detkit beside other COCO evaluators, on the same files, each run a fresh process.

    python benchmarks/run.py [--rounds 5] [--only NAME] [--scale F] [--out docs/benchmarks.md] [--json FILE]

The other tools are installed into `.venv-peers` when they are not there yet. What is measured stands in
`benchmarks/speed/tables.py`. Exit 1 when detkit fails or its metrics are not those of pycocotools.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import sysconfig
from collections.abc import Callable, Sequence
from pathlib import Path

from speed import data, machine, measure, peers, report, tables
from speed.places import PEERS_ENVIRONMENT, PEERS_FILE, REPORT, RUNNERS, WORK, scrubbed, shown

OWN_PACKAGES = ("detkit", "numpy", "numba", "msgspec")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    names = [cell.name for cell in tables.CELLS] + [tables.STARTUP_NAME]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=_positive(int), default=5, help="counted rounds (default 5)")
    parser.add_argument("--only", action="append", choices=names, help="measure this alone; may be repeated")
    parser.add_argument(
        "--tool", action="append", choices=[tool.name for tool in tables.TOOLS], help="only this tool; may be repeated"
    )
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


def usable_tools(given: argparse.Namespace) -> tuple[list[tables.Tool], list[str]]:
    """The tools to measure, and a note for each package that is missing."""
    tools = [tool for tool in tables.TOOLS if given.tool is None or tool.name in given.tool]
    if given.no_peers:
        return [tool for tool in tools if tool.package == "detkit"], ["other tools left out (`--no-peers`)"]
    if all(tool.package == "detkit" for tool in tools):
        return tools, []
    problems = peers.install(PEERS_ENVIRONMENT, PEERS_FILE, progress)
    notes = [f"could not be installed: {name} ({why})" for name, why in problems.items()]
    for note in notes:
        progress(note)
    return [tool for tool in tools if tool.package not in problems], notes


def versions(tools: Sequence[tables.Tool]) -> dict[str, str]:
    """Version by package; the peers' own NumPy is named apart."""
    found = peers.versions(sys.executable, OWN_PACKAGES)
    names = [*dict.fromkeys(tool.package for tool in tools if tool.package != "detkit")]
    if names:
        other = peers.versions(PEERS_ENVIRONMENT / "bin" / "python", [*names, "numpy"])
        found |= {name: other[name] for name in names} | {"numpy (peers)": other["numpy"]}
    return {name: version for name, version in found.items() if version is not None}


def filled(
    command: Sequence[str], *, own: bool, iou_type: str = "", files: data.Files | None = None
) -> tuple[str, ...]:
    """The command with its places filled in."""
    scripts = Path(sysconfig.get_path("scripts")) if own else PEERS_ENVIRONMENT / "bin"
    places = {
        "python": sys.executable if own else str(scripts / "python"),
        "scripts": str(scripts),
        "runners": str(RUNNERS),
        "truth": str(files.truth) if files else "",
        "predictions": str(files.predictions) if files else "",
        "iou_type": iou_type,
    }
    return tuple(word.format_map(places) for word in command)


def evaluation_job(tool: tables.Tool, cell: tables.Cell, files: data.Files) -> measure.Job:
    """The job of one tool on one cell."""
    command = filled(tool.command, own=tool.package == "detkit", iou_type=cell.iou_type, files=files)
    return measure.Job(tool.name, command, lambda stdout: tool.read(stdout, cell.iou_type))


def measure_cell(cell: tables.Cell, tools: Sequence[tables.Tool], given: argparse.Namespace) -> report.Section:
    """The table of one cell."""
    progress(f"{cell.name}: {cell.title}")
    try:
        files = data.files_of(cell, given.work, given.scale)
    except data.NoDataError as error:
        progress(f"  not measured: {error}")
        return report.Section(cell.name, cell.title, skipped=str(error))
    jobs = [evaluation_job(tool, cell, files) for tool in tools]
    origin = f"`{files.origin}`, {_megabytes(files.truth)} of truth, {_megabytes(files.predictions)} of detections"
    return report.Section(cell.name, cell.title, origin, measure.measure(jobs, given.rounds, progress))


def _megabytes(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.2f} MB"


def measure_startup(given: argparse.Namespace) -> report.Section:
    """The table of start-up commands; a command whose data is absent is a row that says so."""
    progress(f"{tables.STARTUP_NAME}: starting the program")
    jobs, absent = [], []
    for row in tables.STARTUP:
        if row.cell is None:
            jobs.append(measure.Job(row.name, filled(row.command, own=True)))
            continue
        cell = next(cell for cell in tables.CELLS if cell.name == row.cell)
        try:
            job = evaluation_job(tables.TOOLS[0], cell, data.files_of(cell, given.work, given.scale))
        except data.NoDataError as error:
            absent.append(measure.Measured(row.name, skipped=str(error)))
            continue
        jobs.append(measure.Job(row.name, job.command, job.read, empty_cache=True))
    measured = measure.measure(jobs, given.rounds, progress)
    return report.Section(tables.STARTUP_NAME, "starting the program", measured=[*measured, *absent])


def failures(result: report.Report) -> list[str]:
    """What makes the run a failure: detkit fell over, or its metrics are not the reference's."""
    found = [f"{m.name}: {m.failure}" for m in (result.startup.measured if result.startup else []) if m.failure]
    for section in result.cells:
        reference = report.find(section.measured, tables.REFERENCE)
        for measured in (m for m in section.measured if m.name.startswith("detkit")):
            if measured.failure is not None:
                found.append(f"{section.name}: {measured.name}: {measured.failure}")
            elif reference and report.agreement(measured.metrics, reference.metrics) != "equal":
                found.append(f"{section.name}: {measured.name}: its metrics are not those of {tables.REFERENCE}")
    return found


def is_whole(given: argparse.Namespace) -> bool:
    """Whether nothing is left out or made smaller."""
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
    """Exit code: 0 measured, 1 detkit failed or its metrics are wrong, 2 usage."""
    given = parse(arguments)
    if peers.versions(sys.executable, ["detkit"])["detkit"] is None:
        progress("error: detkit is not installed beside this Python\nhint: `make bench`, or .venv/bin/python")
        return 2
    tools, notes = usable_tools(given)
    if given.scale != 1:
        notes.append(f"generated data at {given.scale:g} of its size (`--scale`)")
    wanted = given.only or [*(cell.name for cell in tables.CELLS), tables.STARTUP_NAME]
    words = list(sys.argv[1:] if arguments is None else arguments)
    result = report.Report(machine.describe(), versions(tools), command_line(words), given.rounds, notes)
    before = machine.clock()
    for cell in tables.CELLS:
        if cell.name in wanted:
            result.cells.append(measure_cell(cell, tools, given))
    if tables.STARTUP_NAME in wanted:
        result.startup = measure_startup(given)
    result.others_share = machine.others_share(before, machine.clock())
    result.floor = measure.own_peak()
    deliver(result, given)
    wrong = failures(result)
    for line in wrong:
        progress(scrubbed(f"error: {line}"))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
