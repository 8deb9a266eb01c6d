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

LEAVES = frozenset(
    (
        "errors",
        "ragged",
        "boxes",
        "columns",
        "masks",
        "kernels",
        "files",
        "caches",
        "distributions",
        "garbage",
        "wording",
        "_version",
    )
)
BASE = frozenset(("registry", "findings", "tables"))

#: room -> rooms it may import besides itself. A module directly under detkit is a room of its own.
MAY_IMPORT: dict[str, frozenset[str]] = {
    "__init__": frozenset(("_version",)),  # everything else lazily, by name
    "__main__": frozenset(("cli",)),
    "_version": frozenset(),
    "errors": frozenset(),
    "boxes": frozenset(("errors",)),
    "columns": frozenset(),
    "masks": frozenset(("errors",)),
    "ragged": frozenset(("errors",)),
    "kernels": frozenset(("errors", "caches", "distributions")),
    "caches": frozenset(),
    "garbage": frozenset(),
    "wording": frozenset(),
    "distributions": frozenset(),
    "files": frozenset(("errors",)),
    "config": frozenset(("errors",)),
    "registry": LEAVES,
    "findings": LEAVES,
    "tables": LEAVES | {"findings"},  # a table carries what its reader noticed
    "formats": LEAVES | BASE,
    "anchors": LEAVES | BASE,
    "detectors": LEAVES | BASE,
    "evaluation": (LEAVES | BASE) - {"files"},
    "transforms": LEAVES | BASE | {"formats", "evaluation", "detectors"},
    "checks": LEAVES | BASE | {"formats", "evaluation", "detectors"},
    "reports": frozenset(("errors", "findings", "wording", "tables", "files", "registry", "_version")),
    "api": LEAVES
    | BASE
    | {"config", "formats", "evaluation", "transforms", "checks", "anchors", "detectors", "reports"},
    "scale": LEAVES | BASE | {"api", "evaluation"},
    "compat": LEAVES | BASE | {"api", "evaluation", "formats"},
    "cli": frozenset(
        ("api", "reports", "errors", "findings", "wording", "files", "formats", "kernels", "_version", "scale")
    ),
}
#: Where result types live: `reports` may import these modules, and nothing else of their rooms.
RESULT_TYPES = frozenset(("detkit.evaluation.result", "detkit.evaluation.gate", "detkit.evaluation.matches"))
#: Result types that only annotations name: imported under TYPE_CHECKING.
ANNOTATED_TYPES = RESULT_TYPES | {"detkit.transforms.stats", "detkit.api.overlaps"}
#: Rooms that may name result types in annotations.
NAMES_TYPES = frozenset(("reports", "cli"))
#: Families: their files share one contract, which their room documents once.
FAMILIES = (
    *("formats", "reports", "reports.analyses", "evaluation.protocols", "evaluation.analyses", "detectors", "checks"),
)
#: Rooms whose imports of other rooms under TYPE_CHECKING are not held against them: they name types, they call nothing.
LAZY_FACADES = frozenset(("__init__",))

#: distribution -> where alone it may be imported (room, or module).
ONLY_IN: dict[str, tuple[str, ...]] = {
    "numba": ("kernels",),
    "llvmlite": ("kernels",),
    "pycocotools": ("masks", "compat"),
    "onnxruntime": ("detectors",),
    "onnx": ("detectors",),
    "albumentations": ("transforms.augment",),
    "typer": ("cli",),
    "click": ("cli",),
    "rich": ("cli",),
}
MAY_PRINT = ("cli._console", "compat._say")
MAY_EXIT = ("cli._errors", "__main__", "compat.__main__")
READS_FILES = frozenset(
    (
        *("read_text", "read_bytes", "write_text", "write_bytes", "iterdir", "glob", "rglob", "is_file", "is_dir"),
        *("unlink", "mkdir", "exists", "resolve", "touch", "rename", "symlink_to", "hardlink_to"),
    )
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


# --- which rooms import which


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
    """Sections a public function with several parameters ought to have; `parameters as ...` stands for both."""
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


@pytest.mark.parametrize("module", FILES)
def test_module_keeps_the_rules(module: str) -> None:
    found = violations(module, FILES[module].read_text(encoding="utf-8"))
    assert [str(v) for v in found if v.key not in KNOWN_BREAKS] == []


def test_listed_breaks_are_still_there() -> None:
    """A break that was mended is struck off the list, so that it cannot come back."""
    found = {v.key for name, path in FILES.items() for v in violations(name, path.read_text(encoding="utf-8"))}
    assert sorted(set(KNOWN_BREAKS) - found) == []


def test_every_room_has_an_import_rule() -> None:
    assert sorted({room_of(name) for name in FILES} - set(MAY_IMPORT)) == []


@pytest.mark.parametrize("module", [n for n in FILES if not any(p.startswith("_") for p in n.split("."))])
def test_exported_names_exist(module: str) -> None:
    """Also those that a module makes up when asked."""
    loaded = importlib.import_module(f"detkit.{module}")
    assert [name for name in getattr(loaded, "__all__", ()) if not hasattr(loaded, name)] == []


def test_public_names_of_detkit_exist_and_are_listed_once() -> None:
    import detkit

    assert [name for name in detkit.__all__ if not hasattr(detkit, name)] == []
    assert dir(detkit) == sorted(set(detkit.__all__))
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = detkit.nonsense


HEAVY = ("numba", "onnxruntime", "onnx", "albumentations", "cv2", "pycocotools", "scipy", "matplotlib")


@pytest.mark.parametrize("module", ["detkit", "detkit.cli"])
def test_import_is_light(module: str) -> None:
    code = f"import sys, {module}; print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_help_of_every_command_is_light() -> None:
    code = (
        "import sys, detkit.cli as c\n"
        "from typer.testing import CliRunner\n"
        "for name in c.COMMANDS:\n"
        "    assert CliRunner().invoke(c.app, [name, '--help']).exit_code == 0, name\n"
        f"print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


# --- the checker itself: each planted violation is found, and what is allowed is not

DOC = '"""A module."""\n'
LONG = DOC + "x = 1\n" * MOST_LINES
BIG = DOC + "def run() -> None:\n" + "    x = 1\n" * (MOST_STATEMENTS + 1)
NESTED = DOC + "def run() -> None:\n    if x:\n" + "        x = 1\n" * MOST_STATEMENTS
BARE = DOC + '__all__ = ["f"]\ndef f(a: int, b: int) -> int:\n    """A sum."""\n    return a + b\n'
TOLD = BARE.replace('A sum."""', 'A sum; parameters as `g`."""')
FULL = BARE.replace(
    'A sum."""',
    'A sum.\n\n    Parameters\n    ----------\n    a, b : int\n\n    Returns\n    -------\n    int\n    """',
)
_ROOMS = ("api", "boxes", "cli", "config", "errors", "files", "formats", "formats._base", "masks", "evaluation.result")
KNOWN = frozenset(f"detkit.{name}" for name in _ROOMS)

PLANTED = [
    ("boxes", DOC + "from detkit.tables import Images", "may not import"),
    ("errors", DOC + "from detkit.boxes import clip", "may not import"),
    ("kernels.iou", DOC + "from detkit.findings import Finding", "may not import"),
    ("config", DOC + "from detkit.files import atomic_file", "may not import"),
    ("findings", DOC + "from detkit.formats import read_dataset", "may not import"),
    ("formats.coco", DOC + "from detkit.evaluation.result import Evaluation", "may not import"),
    ("formats.coco", DOC + "from detkit import config", "may not import"),
    ("evaluation.align", DOC + "from detkit import formats", "may not import"),
    ("evaluation.align", DOC + "from ..formats import names", "may not import"),
    ("evaluation.align", DOC + "def f():\n    import detkit.files", "may not import"),
    ("evaluation.align", DOC + "if TYPE_CHECKING:\n    from detkit.formats import Kind", "may not import"),
    ("transforms.split", DOC + "from detkit.formats._base import Probe", "inside of another room"),
    ("transforms.split", DOC + "from detkit.formats import _base", "inside of another room"),
    ("transforms.split", DOC + "from detkit.api import read", "may not import"),
    ("reports.html", DOC + "from detkit.formats import names", "may not import"),
    ("reports.html", DOC + "from detkit.evaluation.engine import score", "may not import"),
    ("reports.html", DOC + "from detkit.transforms.stats import describe", "may not import"),
    ("cli.eval", DOC + "from detkit.evaluation.result import Evaluation", "may not import"),
    ("cli.eval", DOC + "from detkit.tables import Dataset", "may not import"),
    ("api", DOC + "from detkit.cli import main", "may not import"),
    ("api", DOC + "from detkit import cli", "may not import"),
    ("__init__", DOC + "from detkit.api import read", "may not import"),
    ("newroom", DOC + "from detkit import errors", "may not import"),
    ("evaluation.align", DOC + "import numba", "only in kernels"),
    ("kernels.iou", DOC + "from pycocotools import mask", "only in masks compat"),
    ("api", DOC + "def f():\n    from onnxruntime import InferenceSession", "only in detectors"),
    ("transforms.split", DOC + "import albumentations", "only in transforms.augment"),
    ("api", DOC + "import typer", "only in cli"),
    ("reports.text", DOC + "from rich.console import Console", "only in cli"),
    ("api", DOC + "print(1)", "prints"),
    ("cli.eval", DOC + "sys.stdout.write('x')", "prints"),
    ("cli.eval", DOC + "sys.exit(1)", "exits"),
    ("api", DOC + "raise SystemExit(2)", "exits"),
    ("formats.coco", DOC + "assert path.exists(), 'no such file'", "assert"),
    ("formats.coco", DOC + "assert width > 0", "assert"),
    ("evaluation.gate", DOC + "open('x')", "reads paths"),
    ("evaluation.gate", DOC + "Path(name).suffix", "reads paths"),
    ("evaluation.gate", DOC + "rules.read_text()", "reads paths"),
    ("tables", LONG, f"over {MOST_LINES} lines"),
    ("cli.eval", BIG, f"over {MOST_STATEMENTS} statements"),
    ("cli.eval", NESTED, f"over {MOST_STATEMENTS} statements"),
    ("boxes", "x = 1", "no docstring"),
    ("boxes", DOC + '__all__ = ["f"]\ndef f(): ...', "no docstring"),
    ("boxes", DOC + '__all__ = ["b", "a"]\na = b = 1', "__all__ is not sorted"),
    ("boxes", DOC + '__all__ = ["a", "a"]\na = 1', "__all__ repeats a name"),
    ("boxes", DOC + '__all__ = ["gone"]', "__all__ names nothing"),
    ("boxes", BARE, "no section Parameters"),
    ("boxes", BARE, "no section Returns"),
]
ALLOWED = [
    ("tables", DOC + "from detkit.findings import Finding"),
    ("formats.coco", DOC + "from detkit.formats._base import Probe\nfrom detkit import boxes, files, masks"),
    ("evaluation.align", DOC + "from pathlib import PurePosixPath\nname = PurePosixPath('a').name"),
    ("evaluation.result", DOC + "def f(path: str | Path): ..."),
    ("transforms.split", DOC + "from detkit.formats import names\nfrom detkit.kernels.iou import pairwise_iou"),
    ("reports.html", DOC + "from detkit.evaluation.result import Evaluation"),
    ("cli.eval", DOC + "if TYPE_CHECKING:\n    from detkit.evaluation.result import Evaluation"),
    ("__init__", DOC + "if TYPE_CHECKING:\n    from detkit.api import read"),
    ("__main__", DOC + "from detkit.cli import main\nsys.exit(main())"),
    ("cli._console", DOC + "print(1)"),
    ("cli._errors", DOC + "sys.exit(4)"),
    ("masks", DOC + "from pycocotools import mask"),
    ("evaluation.gate", DOC + "assert rows.keypoints is not None\nassert isinstance(x, int)"),
    ("boxes", DOC + '__all__ = ["LAYOUTS", "Box", "area"]\nLAYOUTS = Box = area = 1'),
    ("boxes", FULL),
    ("boxes", TOLD),
    ("formats.coco", BARE),  # a family's contract is documented once, in its room
]


@pytest.mark.parametrize(("module", "source", "rule"), PLANTED)
def test_planted_violation_is_found(module: str, source: str, rule: str) -> None:
    assert rule in {v.rule for v in violations(module, source, KNOWN)}


@pytest.mark.parametrize(("module", "source"), ALLOWED)
def test_what_is_allowed_is_not_reported(module: str, source: str) -> None:
    assert [str(v) for v in violations(module, source, KNOWN)] == []
