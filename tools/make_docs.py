"""Write the generated parts of the reference: the command line, findings, protocols, Python names.

    python tools/make_docs.py            write them
    python tools/make_docs.py --check    exit 1 when a page differs from the program

A page keeps what people wrote; only what stands between `<!-- begin generated: NAME -->` and `<!-- end generated -->`
is replaced. Everything is read from the functions themselves, so neither the terminal's width nor its colours matter.
"""

from __future__ import annotations

import argparse
import dataclasses
import enum
import importlib
import inspect
import re
import sys
import types
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "reference"
WIDTH = 100

#: Public modules whose names are listed besides those of `detkit` itself.
MODULES = (
    "detkit.formats",
    "detkit.evaluation.protocols",
    "detkit.evaluation.gate",
    "detkit.evaluation.result",
    "detkit.reports",
    "detkit.boxes",
)


def main(arguments: list[str] | None = None) -> int:
    """Write or check all pages; 1 when a check finds a difference."""
    parser = argparse.ArgumentParser(description="Write the generated parts of the reference.")
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 when a page is out of date")
    check = parser.parse_args(arguments).check
    stale = []
    for path, text in pages():
        if path.read_text(encoding="utf-8") == text:
            continue
        stale.append(path)
        if not check:
            path.write_text(text, encoding="utf-8")
    for path in stale:
        print(f"{path.relative_to(ROOT)}: {'out of date' if check else 'written'}")
    if check and stale:
        print("hint: python tools/make_docs.py", file=sys.stderr)
    return 1 if check and stale else 0


def pages(folder: Path = REFERENCE) -> Iterator[tuple[Path, str]]:
    """Each page with the text it ought to have."""
    for name, make in GENERATED.items():
        path = folder / f"{name}.md"
        yield path, with_block(path.read_text(encoding="utf-8"), name, make(), path)


def with_block(page: str, name: str, block: str, path: Path) -> str:
    """The page with its generated part replaced."""
    begin, end = f"<!-- begin generated: {name} -->", "<!-- end generated -->"
    if page.count(begin) != 1 or page.count(end) != 1:
        raise SystemExit(f"{path}: expected one `{begin}` and one `{end}`")
    head, rest = page.split(begin)
    tail = rest.split(end)[1]
    return f"{head}{begin}\n\n{block.strip()}\n\n{end}{tail}"


# --- the command line


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One argument or option of a command, as its help describes it."""

    names: tuple[str, ...]
    is_argument: bool
    kind: str
    repeats: bool
    default: str
    help: str
    required: bool


@dataclasses.dataclass(frozen=True)
class Command:
    """One command: name, what it does, an example, its parameters."""

    name: str
    text: str
    example: str
    parameters: tuple[Parameter, ...]


def commands() -> list[Command]:
    """Every command in the order of the help."""
    from detkit.cli import COMMANDS, function_of

    found = []
    for name in COMMANDS:
        function = function_of(name)
        text, _, example = inspect.cleandoc(inspect.getdoc(function) or "").partition("Example: ")
        found.append(Command(name, _one_line(text), example.strip(), _parameters(function)))
    return found


def global_options() -> tuple[Parameter, ...]:
    """Options that stand before the command."""
    from detkit.cli import app

    return _parameters(app.registered_callback.callback)


def _parameters(function: Callable[..., Any]) -> tuple[Parameter, ...]:
    hints = typing.get_type_hints(function, include_extras=True)
    parameters = inspect.signature(function).parameters.values()
    return tuple(_parameter(p, hints[p.name]) for p in parameters if p.name != "ctx")


def _parameter(found: inspect.Parameter, hint: Any) -> Parameter:
    default = found.default
    if typing.get_origin(hint) is typing.Annotated:
        hint, info = typing.get_args(hint)[:2]
    else:
        info, default = default, default.default
    is_argument = type(info).__name__ == "ArgumentInfo"
    kind, repeats = _kind(hint, info)
    # Typer keeps the first name of an annotated option in the place of the default.
    flags = [n for n in (info.default, *(info.param_decls or ())) if isinstance(n, str) and n.startswith("-")]
    flags = [flag for written in flags for flag in written.split("/")]
    names = (found.name.upper(),) if is_argument else tuple(flags or (f"--{found.name.replace('_', '-')}",))
    required = default is inspect.Parameter.empty or default is ...
    return Parameter(
        names, is_argument, kind, repeats, "" if required else _default(default), info.help or "", required
    )


def _kind(hint: Any, info: Any) -> tuple[str, bool]:
    """(word for the values, whether it may be repeated)."""
    parts = [a for a in typing.get_args(hint) if a is not type(None)]
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return _kind(parts[0], info)
    if typing.get_origin(hint) in (list, tuple):
        return _kind(parts[0], info)[0], True
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return " \\| ".join(str(member.value) for member in hint), False
    word = {bool: "", int: "INTEGER", float: "NUMBER", Path: "PATH", str: "TEXT"}.get(hint, "TEXT")
    if info.min is not None or info.max is not None:
        word += f" {'' if info.min is None else f'{info.min:g}'}..{'' if info.max is None else f'{info.max:g}'}"
    return word, False


def _default(value: Any) -> str:
    if value is None or value is False or value == ():
        return ""
    return str(value.value if isinstance(value, enum.Enum) else value)


def cli() -> str:
    """Every command with arguments, options, defaults and an example."""
    lines = ["Options that stand before the command:", "", *_option_table(global_options()), ""]
    for command in commands():
        arguments = [p for p in command.parameters if p.is_argument]
        options = [p for p in command.parameters if not p.is_argument]
        usage = [f"detkit {command.name}", *(["[OPTIONS]"] if options else [])]
        usage += [f"{p.names[0]}{'...' if p.repeats else ''}" for p in arguments]
        lines += [f"## detkit {command.name}", "", command.text, "", "```text", " ".join(usage), "```", ""]
        if command.example:
            lines += [f"Example: `{command.example}`", ""]
        if arguments:
            lines += ["| argument | meaning |", "|---|---|"]
            lines += [f"| `{p.names[0]}` | {_cell(p.help)} |" for p in arguments] + [""]
        if options:
            lines += [*_option_table(options), ""]
    return "\n".join(lines)


def _option_table(options: typing.Iterable[Parameter]) -> list[str]:
    lines = ["| option | value | default | meaning |", "|---|---|---|---|"]
    for p in options:
        names = ", ".join(f"`{name}`" for name in p.names)
        default = "required" if p.required else f"`{p.default}`" if p.default else ""
        lines.append(f"| {names} | {p.kind}{', repeatable' if p.repeats else ''} | {default} | {_cell(p.help)} |")
    return lines


# --- findings and protocols


def findings() -> str:
    """Every code with its severity and name."""
    from detkit.findings import CODES

    lines = ["| code | severity | name |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| `{code}` | {severity} | {name} |" for code, (severity, name) in CODES.items())])


def protocols() -> str:
    """Every protocol and overlap: settings as the result file states them, and metrics."""
    from detkit.errors import UsageError
    from detkit.evaluation import protocols as room
    from detkit.evaluation.result import metric_rows

    lines = []
    for name in room.names():
        groups: dict[str, list[str]] = {}
        for iou_type in ("bbox", "segm", "keypoints", "obb"):
            try:
                protocol = room.get(name, iou_type)
            except UsageError:
                continue
            groups.setdefault("\n".join(_protocol(protocol, metric_rows(protocol))), []).append(iou_type)
        for body, iou_types in groups.items():
            lines += [f"### {name}: {' and '.join(iou_types)}", "", body, ""]
    return "\n".join(lines)


def _protocol(protocol: Any, metrics: Any) -> list[str]:
    settings = protocol.to_dict()
    lines = ["| setting | value |", "|---|---|"]
    lines += [
        f"| `{key}` | {_setting(key, value)} |" for key, value in settings.items() if key not in ("name", "iou_type")
    ]
    lines += ["", "| metric | statistic | IoU | area | at most |", "|---|---|---|---|---|"]
    for row in metrics:
        iou = "mean over all" if row.iou is None and len(protocol.iou_thresholds) > 1 else row.iou
        iou = f"{protocol.iou_thresholds[0] if iou is None else iou:g}" if not isinstance(iou, str) else iou
        cap = settings["max_detections"][row.cap]
        area = row.area if row.group is None else f"{row.area}, classes `{row.group}`"
        lines.append(f"| `{row.name}` | {row.statistic} | {iou} | {area} | {'no limit' if cap is None else cap} |")
    return lines


def _setting(key: str, value: Any) -> str:
    if key == "area_ranges":
        return ", ".join(
            f"{name} {low:g} to {'any' if high is None else f'{high:g}'}" for name, (low, high) in value.items()
        )
    if key == "max_detections":
        return ", ".join("no limit" if cap is None else str(cap) for cap in value)
    if value is None or value == []:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(f"`{item}`" if isinstance(item, str) else f"{item:g}" for item in value)
    return f"{value:.10g}" if isinstance(value, float) else _cell(str(value))


# --- Python names


def python_api() -> str:
    """Public names with their signatures and what they are, by module."""
    lines = []
    for name in ("detkit", *MODULES):
        module = importlib.import_module(name)
        lines += [f"## {name}", "", _summary(module), ""]
        for public in module.__all__:
            if not public.startswith("_"):
                lines += _entry(name, public, getattr(module, public))
    return "\n".join(lines)


def _entry(module: str, name: str, thing: Any) -> list[str]:
    home = getattr(thing, "__module__", module)
    if module != "detkit" and name in importlib.import_module("detkit").__all__ and home != module:
        return []
    lines = [f"### {module}.{name}", ""]
    if callable(thing) and hasattr(thing, "__name__"):
        lines += ["```text", *_signature(name, thing), "```", ""]
        return [*lines, _summary(thing), ""]
    if typing.get_origin(thing) is typing.Literal:
        return [*lines, "One of " + ", ".join(f"`{value}`" for value in typing.get_args(thing)) + ".", ""]
    return [*lines, f"`{thing!r}`", ""]


def _signature(name: str, thing: Any) -> list[str]:
    try:
        signature = inspect.signature(thing)
    except ValueError:
        return [name]
    parts, seen_star = [], False
    for p in signature.parameters.values():
        if p.kind is p.KEYWORD_ONLY and not seen_star:
            parts.append("*")
            seen_star = True
        seen_star |= p.kind is p.VAR_POSITIONAL
        star = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
        note = "" if p.annotation is p.empty else f": {_annotation(p.annotation)}"
        value = "" if p.default is p.empty else f" = {_value(p.default)}"
        parts.append(f"{star}{p.name}{note}{value}")
    returns = (
        "" if inspect.isclass(thing) or signature.return_annotation is signature.empty else signature.return_annotation
    )
    tail = f" -> {_annotation(returns)}" if returns != "" else ""
    line = f"{name}({', '.join(parts)}){tail}"
    return [line] if len(line) <= WIDTH else [f"{name}(", *(f"    {part}," for part in parts), f"){tail}"]


def _annotation(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "None" if value is None else getattr(value, "__name__", str(value))


def _value(value: Any) -> str:
    text = repr(value)
    return "..." if text.startswith("<") or "mappingproxy" in text or " at 0x" in text else text


def _summary(thing: Any) -> str:
    """The first paragraph of the docstring."""
    return _one_line((inspect.getdoc(thing) or "").split("\n\n")[0])


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def _cell(text: str) -> str:
    return _one_line(text).replace("|", "\\|")


#: page -> its generated part
GENERATED: dict[str, Callable[[], str]] = {
    "cli": cli,
    "findings": findings,
    "protocols": protocols,
    "python-api": python_api,
}

if __name__ == "__main__":
    raise SystemExit(main())
