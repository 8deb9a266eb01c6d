"""Class names for class numbers: read from a file the user names, or found beside the labels."""

from __future__ import annotations

import json
import re
import reprlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from detkit import files
from detkit.errors import InputError
from detkit.wording import plural

__all__ = ["find_names", "load_yaml", "names_from_value", "read_names", "read_text", "short"]

_HINT = "name the file that holds the class names with `--names`"
_PLAIN = ("obj.names", "_darknet.labels", "classes.txt", "names.txt")
_LARGEST_YAML = 4 * 2**20
_DEEPEST_YAML = 50


def find_names(path: Path) -> tuple[tuple[str, ...], Path] | None:
    """Class names in the order of their numbers and the file that states them, or None.

    Searched in the folder itself (or the file's folder), then one and two above. In one folder `data.yaml` comes
    first, then other YAML files with `names`, then `*.names`, `_darknet.labels`, `classes.txt`, `names.txt`.

    Parameters
    ----------
    path : Path
        A folder of labels or predictions, or one such file.

    Returns
    -------
    (names, file) or None

    Raises
    ------
    InputError
        Two files in one folder state different names, or a file cannot be read as names.
    """
    folder = path.absolute() if path.is_dir() else path.absolute().parent
    for place in dict.fromkeys((folder, folder.parent, folder.parent.parent)):
        found = _in_folder(place)
        if found is not None:
            return found
    return None


def read_names(path: Path) -> tuple[str, ...]:
    """Class names from one file, in the order of their numbers.

    Parameters
    ----------
    path : Path
        Text with a name a line, YAML with `names` (list or dict), JSON list or dict, or a label map in text format
        (`item { id: 1 name: 'x' }`, where the lowest id is class 0).

    Returns
    -------
    tuple of str

    Raises
    ------
    InputError
        Not readable, no names in it, numbers with holes, a name twice, or another count than `nc`.
    """
    suffix = path.suffix.lower()
    if suffix in (".yaml", ".yml"):
        return _names_of_yaml(path)
    if suffix == ".json":
        return _names_of_json(path)
    text = read_text(path)
    if suffix == ".pbtxt" or re.match(r"\s*item\s*:?\s*\{", text):
        return _names_of_label_map(text, path)
    return _names_of_lines(text, path)


def read_text(path: Path) -> str:
    """Text of a UTF-8 file without its byte order mark.

    Raises
    ------
    InputError
        Not readable, or not UTF-8 (UTF-16 with a byte order mark is read too).
    """
    try:
        data = files.read_small(path)
    except OSError as error:
        raise files.unreadable(path, error) from error
    try:
        return data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError("not UTF-8 text", path=path, place=f"byte {error.start}") from error


def load_yaml(path: Path) -> Any:
    """Content of a YAML file with every scalar as text (`no`, `1.0` and `0x1` stay what was typed).

    Raises
    ------
    InputError
        Not YAML, or a key that stands twice in one mapping.
    """
    import yaml

    class Loader(yaml.BaseLoader):
        pass

    def mapping(loader: yaml.BaseLoader, node: yaml.MappingNode) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise InputError(f"key `{key.value}` stands twice", path=path, place=f"line {key.start_mark.line + 1}")
            seen.add(str(key.value))
        return loader.construct_mapping(node, deep=True)

    Loader.add_constructor("tag:yaml.org,2002:map", mapping)
    text = read_text(path)
    if len(text) > _LARGEST_YAML:
        raise InputError(f"{len(text)} characters, too large for a dataset description", path=path)
    if _depth(text) > _DEEPEST_YAML:
        raise InputError(f"lists inside of lists more than {_DEEPEST_YAML} deep", path=path)
    try:
        # BaseLoader builds nothing but text, lists and dicts.
        return yaml.load(text, Loader=Loader)
    except (yaml.YAMLError, TypeError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        place = None if mark is None else f"line {mark.line + 1}"
        raise InputError(f"not YAML: {problem}", path=path, place=place) from error


def _depth(text: str) -> int:
    """How deep brackets stand in brackets; the parser's time grows with the square of it."""
    depth = deepest = 0
    for bracket in re.findall(r"[\[\]{}]", text):
        depth = depth + 1 if bracket in "[{" else max(0, depth - 1)
        deepest = max(deepest, depth)
    return deepest


def names_from_value(value: Any, path: Path, nc: Any = None) -> tuple[str, ...]:
    """Names from a list, or from a dict of number to name in any key order.

    Parameters
    ----------
    value : list or dict
    path : Path
        For messages.
    nc : str or int, optional
        Number of classes the same file states.

    Raises
    ------
    InputError
        Another type, numbers with holes, a name twice, or a count other than `nc`.
    """
    if isinstance(value, Mapping):
        names = _names_of_dict(value, path)
    elif isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        names = [_as_name(item, f"names[{i}]", path) for i, item in enumerate(value)]
    else:
        raise InputError(
            f"found `{short(value)}`, expected a list or a mapping of number to name", path=path, place="names"
        )
    _check_count(nc, len(names), path)
    return _unique(names, path)


def _in_folder(folder: Path) -> tuple[tuple[str, ...], Path] | None:
    found = [(names, file) for file in _candidates(folder) if (names := _quietly(file)) is not None]
    if not found:
        return None
    first = found[0]
    for names, file in found[1:]:
        if names != first[0]:
            raise InputError(
                f"`{first[1].name}` and `{file.name}` state different class names ({_difference(first[0], names)})",
                path=folder,
                hint=_HINT,
            )
    return first


def _candidates(folder: Path) -> list[Path]:
    try:
        files = sorted(f for f in folder.iterdir() if not f.name.startswith(".") and f.is_file())
    except OSError:
        return []
    yamls = [f for f in files if f.suffix.lower() in (".yaml", ".yml")]
    yamls.sort(key=lambda f: (f.name.lower() not in ("data.yaml", "data.yml"), f.name))
    plain = [f for f in files if f.suffix.lower() == ".names" or f.name.lower() in _PLAIN]
    return [*yamls, *plain]


def _quietly(file: Path) -> tuple[str, ...] | None:
    """Names of a candidate; None for a YAML file that is about something else."""
    if file.suffix.lower() not in (".yaml", ".yml"):
        names = _names_of_lines(read_text(file), file)
        return names or None
    try:
        content = load_yaml(file)
    except InputError:
        # A YAML file of another program may use tags or merge keys that do not concern us; our own must be sound.
        if file.stem.lower() == "data":
            raise
        return None
    if not isinstance(content, Mapping) or not isinstance(content.get("names"), (list, dict)) or not content["names"]:
        return None
    return names_from_value(content["names"], file, content.get("nc"))


def _names_of_yaml(path: Path) -> tuple[str, ...]:
    content = load_yaml(path)
    if isinstance(content, Mapping) and "names" in content:
        return names_from_value(content["names"], path, content.get("nc"))
    if isinstance(content, Mapping) and content and all(_number(key) is not None for key in content):
        return names_from_value(content, path)
    if isinstance(content, list):
        return names_from_value(content, path)
    raise InputError("no `names` in it", path=path)


def _names_of_json(path: Path) -> tuple[str, ...]:
    try:
        content = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"not JSON: {error}", path=path) from error
    if isinstance(content, dict) and "names" in content:
        return names_from_value(content["names"], path, content.get("nc"))
    return names_from_value(content, path)


def _names_of_lines(text: str, path: Path) -> tuple[str, ...]:
    lines = [line.strip() for line in text.splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    for number, line in enumerate(lines):
        if not line:
            raise InputError(f"blank line: class {number} would have no name", path=path, place=f"line {number + 1}")
    return _unique(lines, path)


def _names_of_label_map(text: str, path: Path) -> tuple[str, ...]:
    by_id: dict[int, str] = {}
    for block in re.findall(r"item\s*:?\s*\{(.*?)\}", re.sub(r"(?m)^\s*#.*$", "", text), re.DOTALL):
        number = re.search(r"\bid\s*:\s*(-?\d+)", block)
        quoted = r"\s*:\s*(?:'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\")"
        name = re.search(r"\bdisplay_name" + quoted, block) or re.search(r"(?<!_)\bname" + quoted, block)
        if number is None or name is None:
            raise InputError("an `item` without `id` or `name`", path=path)
        if int(number[1]) in by_id:
            raise InputError(f"id {number[1]} stands twice", path=path)
        by_id[int(number[1])] = re.sub(r"\\(.)", r"\1", name[1] if name[1] is not None else name[2])
    if not by_id:
        raise InputError("no `item { ... }` in it", path=path)
    first, last = min(by_id), max(by_id)
    if first not in (0, 1) or last - first + 1 != len(by_id):
        raise InputError(
            f"{plural(len(by_id), 'item')} with ids {first} to {last}, expected ids without holes from 1", path=path
        )
    return _unique([by_id[i] for i in range(first, last + 1)], path)


def _names_of_dict(value: Mapping[Any, Any], path: Path) -> list[str]:
    by_number: dict[int, str] = {}
    for key, item in value.items():
        number = _number(key)
        if number is None:
            raise InputError(f"key `{short(key)}` is not a class number", path=path, place="names")
        if number in by_number:
            raise InputError(f"class number {number} stands twice", path=path, place="names")
        by_number[number] = _as_name(item, f"names.{number}", path)
    missing = next((i for i in range(len(by_number)) if i not in by_number), None)
    if missing is not None:
        raise InputError(
            f"{len(by_number)} names with numbers up to {max(by_number)}; number {missing} has no name",
            path=path,
            place="names",
        )
    return [by_number[i] for i in range(len(by_number))]


def _number(key: Any) -> int | None:
    text = str(key).strip() if isinstance(key, (str, int)) else ""
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None


def _as_name(item: Any, place: str, path: Path) -> str:
    if isinstance(item, (Mapping, list, tuple)) or item is None:
        raise InputError(f"found `{short(item)}`, expected a name", path=path, place=place)
    return str(item)


def _check_count(nc: Any, count: int, path: Path) -> None:
    if nc is None or nc == "":
        return
    stated = _number(nc)
    if stated is None:
        raise InputError(f"found `{short(nc)}`, expected the number of classes", path=path, place="nc")
    if stated != count:
        raise InputError(f"`nc` is {stated} but `names` has {count}", path=path, hint="make the two agree")


def _unique(names: Sequence[str], path: Path) -> tuple[str, ...]:
    seen: dict[str, int] = {}
    for number, name in enumerate(names):
        if name in seen:
            raise InputError(f"name `{name}` stands twice: class {seen[name]} and class {number}", path=path)
        seen[name] = number
    return tuple(names)


def _difference(first: Sequence[str], second: Sequence[str]) -> str:
    if len(first) != len(second):
        return f"{len(first)} against {len(second)}"
    number, (a, b) = next((i, pair) for i, pair in enumerate(zip(first, second, strict=True)) if pair[0] != pair[1])
    return f"class {number} is `{a}` against `{b}`"


def short(value: Any) -> str:
    """A value for a message, cut to 60 characters."""
    # reprlib looks only a little into nested lists: aliases in YAML can make them astronomically large.
    return value[:60] if isinstance(value, str) else reprlib.repr(value)[:60]
