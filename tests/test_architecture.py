"""The import rules of the design, and the habits every module keeps, read from the syntax tree of each module.

`violations(module, source)` is the checker; it works on text, so that the tests at the end can plant violations and see
it find them. `KNOWN_BREAKS` holds what breaks a rule today, each with its reason: a break that is not listed fails, and
so does a listed one that is no longer there.
"""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "detkit"

LEAVES = frozenset(("errors", "boxes", "masks", "kernels", "files", "_version"))
BASE = frozenset(("registry", "findings", "tables"))

#: room -> rooms it may import besides itself. A module directly under detkit is a room of its own.
MAY_IMPORT: dict[str, frozenset[str]] = {
    "__init__": frozenset(("_version",)),  # everything else lazily, by name
    "__main__": frozenset(("cli",)),
    "_version": frozenset(),
    "errors": frozenset(),
    "boxes": frozenset(("errors",)),
    "masks": frozenset(("errors",)),
    "kernels": frozenset(("errors",)),
    "files": frozenset(("errors",)),
    "config": frozenset(("errors",)),
    "registry": LEAVES,
    "findings": LEAVES,
    "tables": LEAVES | {"findings"},  # a table carries what its reader noticed
    "formats": (LEAVES | BASE) - {"kernels"},
    "anchors": LEAVES | BASE,
    "detectors": LEAVES | BASE,
    "evaluation": (LEAVES | BASE) - {"files"},
    "transforms": LEAVES | BASE | {"formats", "evaluation", "detectors"},
    "checks": LEAVES | BASE | {"formats", "evaluation", "detectors"},
    "reports": frozenset(("errors", "findings", "tables", "files", "registry", "_version")),
    "api": LEAVES
    | BASE
    | {"config", "formats", "evaluation", "transforms", "checks", "anchors", "detectors", "reports"},
    "scale": LEAVES | BASE | {"api", "evaluation"},
    "compat": LEAVES | BASE | {"api", "evaluation", "formats"},
    "cli": frozenset(("api", "reports", "errors", "findings", "files", "formats", "kernels", "_version", "scale")),
}
#: Where result types live: `reports` may import these modules, and nothing else of their rooms.
RESULT_TYPES = frozenset(("detkit.evaluation.result", "detkit.evaluation.gate", "detkit.evaluation.matches"))
#: Result types that only annotations name: imported under TYPE_CHECKING.
ANNOTATED_TYPES = RESULT_TYPES | {"detkit.transforms.stats"}
#: Rooms that may name result types in annotations.
NAMES_TYPES = frozenset(("reports", "cli"))
#: Families: their files share one contract, which their room documents once.
FAMILIES = ("formats", "reports", "evaluation.protocols", "detectors", "checks")
#: Rooms whose imports of other rooms under TYPE_CHECKING are not held against them: they name types, they call nothing.
LAZY_FACADES = frozenset(("__init__",))

#: distribution -> where alone it may be imported (room, or module).
ONLY_IN: dict[str, tuple[str, ...]] = {
    "numba": ("kernels",),
    "pycocotools": ("masks",),
    "onnxruntime": ("detectors",),
    "onnx": ("detectors",),
    "albumentations": ("transforms.augment",),
    "typer": ("cli",),
    "click": ("cli",),
    "rich": ("cli",),
}
MAY_PRINT = ("cli._console",)
MAY_EXIT = ("cli._errors", "__main__")
READS_FILES = frozenset(
    ("read_text", "read_bytes", "write_text", "write_bytes", "iterdir", "glob", "rglob", "is_file", "is_dir", "unlink")
    + ("mkdir", "exists", "resolve", "touch", "rename", "symlink_to", "hardlink_to")
)
MOST_LINES = 400
MOST_STATEMENTS = 25

#: (module, rule, what) -> why it is so today.
KNOWN_BREAKS: dict[tuple[str, str, str], str] = {}


@dataclass(frozen=True)
class Violation:
    """One broken rule: in which module, which rule, what breaks it, and where."""

    module: str
    rule: str
    what: str
    line: int = 0

    @property
    def key(self) -> tuple[str, str, str]:
        return self.module, self.rule, self.what

    def __str__(self) -> str:
        return f"{self.module}:{self.line}: {self.rule}: {self.what}"


def violations(module: str, source: str, known: frozenset[str] | None = None) -> list[Violation]:
    """Every rule that a module breaks; `module` is its dotted name without `detkit.`, `__init__` for detkit itself."""
    tree = ast.parse(source)
    return [
        *_wrong_imports(module, tree, MODULES if known is None else known),
        *_output_and_exits(module, tree),
        *_file_access(module, tree),
        *_shape(module, tree, source),
        *_exports(module, tree),
        *_docstrings(module, tree),
    ]


# --- imports


def imports(module: str, tree: ast.Module, known: frozenset[str]) -> Iterator[tuple[str, int, bool]]:
    """(dotted target, line, only for type checkers) of every import in a module."""
    for_types = {id(n) for block in ast.walk(tree) if _is_type_checking(block) for n in ast.walk(block)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno, id(node) in for_types
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = f"detkit.{module}".split(".")[: -node.level]
                base = ".".join([*package, *([node.module] if node.module else [])])
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield full if full in known else base, node.lineno, id(node) in for_types


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def room_of(module: str) -> str:
    return module.partition(".")[0]


def _wrong_imports(module: str, tree: ast.Module, known: frozenset[str]) -> Iterator[Violation]:
    room = room_of(module)
    for target, line, for_types in imports(module, tree, known):
        top = target.partition(".")[0]
        if top in ONLY_IN and not any(module == place or module.startswith(f"{place}.") for place in ONLY_IN[top]):
            yield Violation(module, "only in " + " ".join(ONLY_IN[top]), top, line)
        if top != "detkit" or (for_types and room in LAZY_FACADES):
            continue
        inner = target.removeprefix("detkit").removeprefix(".")
        other = room_of(inner) if inner else "__init__"
        if other == room:
            continue
        if room in NAMES_TYPES and for_types and target in ANNOTATED_TYPES:
            continue
        if room == "reports" and target in RESULT_TYPES:
            continue
        if other not in MAY_IMPORT.get(room, frozenset()):
            yield Violation(module, "may not import", target, line)
        elif any(part.startswith("_") for part in inner.split(".")[1:]):
            yield Violation(module, "inside of another room", target, line)


# --- printing, exiting, reading


def _output_and_exits(module: str, tree: ast.Module) -> Iterator[Violation]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert) and not _narrows(node.test):
            yield Violation(module, "assert", "assert", node.lineno)
        if isinstance(node, ast.Call):
            name = _dotted(node.func)
            if name in ("print", "sys.stdout.write", "sys.stderr.write") and module not in MAY_PRINT:
                yield Violation(module, "prints", name, node.lineno)
            if name in ("sys.exit", "os._exit", "exit", "quit") and module not in MAY_EXIT:
                yield Violation(module, "exits", name, node.lineno)
        if isinstance(node, ast.Raise) and node.exc is not None and module not in MAY_EXIT:
            raised = _dotted(node.exc.func if isinstance(node.exc, ast.Call) else node.exc)
            if raised == "SystemExit":
                yield Violation(module, "exits", raised, node.lineno)


def _narrows(test: ast.expr) -> bool:
    """`x is not None` and `isinstance(x, ...)` tell the type checker what is already so: no user can fail them."""
    if isinstance(test, ast.Compare):
        return isinstance(test.ops[0], ast.IsNot) and _dotted(test.left) != "?"
    return isinstance(test, ast.Call) and _dotted(test.func) == "isinstance"


def _file_access(module: str, tree: ast.Module) -> Iterator[Violation]:
    """`evaluation` works on tables, never on paths."""
    if room_of(module) != "evaluation":
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = _dotted(node.func)
            last = name.rpartition(".")[2]
            if name in ("open", "io.open", "Path", "pathlib.Path") or (last in READS_FILES and "." in name):
                yield Violation(module, "reads paths", name, node.lineno)


def _dotted(node: ast.expr) -> str:
    """`sys.stdout.write` of such an expression; a part that is no name is `?`."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return "?"


# --- size, exports, docstrings


def _shape(module: str, tree: ast.Module, source: str) -> Iterator[Violation]:
    if len(source.splitlines()) > MOST_LINES:
        yield Violation(module, f"over {MOST_LINES} lines", "module", len(source.splitlines()))
    if room_of(module) != "cli":
        return
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            count = sum(isinstance(n, ast.stmt) for n in ast.walk(node)) - 1 - (ast.get_docstring(node) is not None)
            if count > MOST_STATEMENTS:
                yield Violation(module, f"over {MOST_STATEMENTS} statements", node.name, node.lineno)


def _exports(module: str, tree: ast.Module) -> Iterator[Violation]:
    exported = exported_names(tree)
    if exported is None:
        return
    if exported != sorted(exported, key=_export_order):
        yield Violation(module, "__all__ is not sorted", "__all__")
    if len(set(exported)) != len(exported):
        yield Violation(module, "__all__ repeats a name", "__all__")
    defined = set(_defined(tree.body))
    yield from (Violation(module, "__all__ names nothing", name) for name in exported if name not in defined)


def _export_order(name: str) -> tuple[int, str]:
    """Constants, classes, the rest; each by name."""
    bare = name.strip("_")
    return (0 if bare.isupper() and len(bare) > 1 else 1 if bare[:1].isupper() else 2), name


def exported_names(tree: ast.Module) -> list[str] | None:
    for node in tree.body:
        if isinstance(node, ast.Assign) and _dotted(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return None


def _defined(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
            if node.name == "__getattr__":
                yield from (c.value for c in ast.walk(node) if isinstance(c, ast.Constant) and isinstance(c.value, str))
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.If | ast.Try):
            yield from _defined([*node.body, *node.orelse])


def _docstrings(module: str, tree: ast.Module) -> Iterator[Violation]:
    if not ast.get_docstring(tree):
        yield Violation(module, "no docstring", "module")
    exported = set(exported_names(tree) or ())
    parent, _, _ = module.rpartition(".")
    contract = any(part.startswith("_") for part in module.split(".")) or room_of(module) == "cli" or parent in FAMILIES
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name not in exported or _is_overload(node):
            continue
        text = ast.get_docstring(node) or ""
        if not text:
            yield Violation(module, "no docstring", node.name, node.lineno)
        elif isinstance(node, ast.FunctionDef) and not contract:
            yield from (Violation(module, f"no section {s}", node.name, node.lineno) for s in _lacking(node, text))


def _lacking(node: ast.FunctionDef, text: str) -> Iterator[str]:
    """Numpydoc sections a public function with several parameters ought to have; `parameters as ...` stands for both."""
    if re.search(r"\bparameters as `\w+`", text):
        return
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    if len(arguments) < 2:
        return
    if not _has_section(text, "Parameters"):
        yield "Parameters"
    returns = node.returns is not None and not (isinstance(node.returns, ast.Constant) and node.returns.value is None)
    if returns and not (_has_section(text, "Returns") or _has_section(text, "Yields")):
        yield "Returns"


def _has_section(text: str, title: str) -> bool:
    return re.search(rf"^{title}\n-{{{len(title)}}}$", text, re.MULTILINE) is not None


def _is_overload(node: ast.FunctionDef) -> bool:
    return any(_dotted(d).endswith("overload") for d in node.decorator_list)


# --- the package


def _module_name(path: Path) -> str:
    parts = list(path.relative_to(PACKAGE).with_suffix("").parts)
    if len(parts) > 1 and parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts)


FILES = {_module_name(path): path for path in sorted(PACKAGE.rglob("*.py")) if "_demo" not in path.parts}
MODULES = frozenset(f"detkit.{name}" for name in FILES)
