"""Configuration files, found, read and cut into sections: pyproject.toml, detkit.toml, and rules in TOML, YAML or JSON.

A file is read whole or refused: a syntax error, a key written twice, or a file that is no table of settings raises,
because a setting that is silently lost would let a gate pass.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any

from detkit.errors import InputError

__all__ = ["find_config", "line_of", "load_config", "load_json", "section"]

#: A section that may stand bare in a file of its own, and the key that gives such a file away.
_BARE = {"gate": "rules"}
_TOML_HINT = {
    "Cannot overwrite a value": "a key or table is written twice",
    "Cannot declare": "a table is declared twice; a list of rules has double brackets",
    "Invalid value": "text needs quotes",
}


def load_config(path: str | Path) -> dict[str, Any]:
    """The whole content of a TOML, YAML or JSON file, chosen by its suffix.

    Parameters
    ----------
    path : path-like
        `pyproject.toml`, `detkit.toml`, any `.toml`, `.yaml`, `.yml` or `.json`; the case of the suffix is ignored.

    Returns
    -------
    dict
        Empty for an empty TOML file.

    Raises
    ------
    InputError
        Missing, not UTF-8, another suffix, a syntax error (with its line), a key written twice, or no mapping.
    """
    path = Path(path)
    reader = _READERS.get(path.suffix.lower())
    text = _read_text(path)
    if reader is None:
        raise InputError(
            f"suffix is `{path.suffix}`, expected one of {', '.join(f'`{s}`' for s in _READERS)}", path=path
        )
    content = _parsed(path, text, reader)
    if content is None:
        raise InputError("is empty, expected a table of settings", path=path)
    if not isinstance(content, dict):
        hint = "put the list under a key, as `rules:`" if isinstance(content, list) else None
        raise InputError(f"holds {_kind(content)}, expected a table of settings", path=path, hint=hint)
    return content


def load_json(path: str | Path) -> Any:
    """Whatever a JSON file holds, its suffix aside: what it should be is for the caller to say.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    InputError
        Missing, not UTF-8, not JSON (with its line), or a key written twice in one object.
    """
    path = Path(path)
    return _parsed(path, _read_text(path), _read_json)


def find_config(start: str | Path) -> Path | None:
    """The nearest configuration file at or above a place, None when there is none.

    In each folder `detkit.toml` comes first, then a `pyproject.toml` with a `[tool.detkit]` table; a
    `pyproject.toml` without it is passed over. The search ends with the folder that holds `.git`: what lies above a
    repository is not part of it, and other machines do not have it.

    Parameters
    ----------
    start : path-like
        A folder, or a file in it.

    Raises
    ------
    InputError
        A `pyproject.toml` on the way speaks of detkit and cannot be read.
    """
    place = Path(start).absolute()
    for folder in (place, *place.parents):
        if _is_file(folder / "detkit.toml"):
            return folder / "detkit.toml"
        if _is_file(project := folder / "pyproject.toml") and _speaks_of_detkit(project):
            return project
        if _exists(folder / ".git"):
            break
    return None


def section(mapping: Mapping[str, Any], path: str | Path, name: str) -> dict[str, Any]:
    """One section of a configuration: `tool.detkit.NAME` or `NAME`, empty when the file has none.

    A file may also hold nothing but the section itself, as a rules file with `rules` at its top.

    Parameters
    ----------
    mapping : mapping
        What `load_config` returned.
    path : path-like
        The file: in a `pyproject.toml` only `tool.detkit` counts.
    name : str
        `gate`, `check`, ...

    Returns
    -------
    dict

    Raises
    ------
    InputError
        The section is no table, stands in the file twice, or stands outside `tool.detkit` in a `pyproject.toml`.
    """
    path = Path(path)
    own = _dig(mapping, path, ("tool", "detkit"))
    places: dict[str, Any] = {f"tool.detkit.{name}": own.get(name), name: mapping.get(name)}
    bare = _BARE.get(name)
    if bare is not None and bare in mapping:
        places["the top level"] = mapping
    found = {place: value for place, value in places.items() if value is not None}
    if path.name == "pyproject.toml" and (strays := [place for place in found if not place.startswith("tool.")]):
        hint = f"in pyproject.toml write `[tool.detkit.{name}]`"
        raise InputError(f"`{name}` settings stand outside `tool.detkit`", path=path, place=strays[0], hint=hint)
    if len(found) > 1:
        raise InputError(f"`{name}` settings stand in {' and in '.join(found)}, expected one place", path=path)
    for place, value in found.items():
        if not isinstance(value, Mapping):
            advice = f"write `[[{place}.{bare}]]`" if isinstance(value, list) and bare else None
            raise InputError(f"is {_kind(value)}, expected a table", path=path, place=place, hint=advice)
        return dict(value)
    return {}


def line_of(path: str | Path, index: int, key: str = "gate.rules") -> int | None:
    """The 1-based line where an item of a list of tables starts, None where that cannot be told simply.

    Parameters
    ----------
    path : path-like
        A readable configuration file.
    index : int
        0-based position in the list.
    key : str
        Dotted place of the list, without `tool.detkit`.

    Returns
    -------
    int or None
    """
    path = Path(path)
    try:
        text = _read_text(path)
    except InputError:
        return None
    lines = _toml_lines(text, key) if path.suffix.lower() == ".toml" else _yaml_lines(text, key.split("."))
    return lines[index] if 0 <= index < len(lines) else None


def _parsed(path: Path, text: str, reader: Callable[[Path, str], Any]) -> Any:
    try:
        return reader(path, text)
    except RecursionError:
        raise InputError("is nested too deeply", path=path) from None


def _read_text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise InputError("no such file", path=path) from None
    except IsADirectoryError:
        raise InputError("is a folder, expected a file", path=path) from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", path=path) from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        hint = "save it as UTF-8"
        place = f"line {line}, byte {error.start}"
        raise InputError(
            f"is not UTF-8: found byte 0x{raw[error.start]:02x}", path=path, place=place, hint=hint
        ) from error


def _read_toml(path: Path, text: str) -> Any:
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message, _, _ = str(error).rpartition(" (at ")
        found = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
        last = text.rstrip().count("\n") + 1
        place = f"line {found[1]}, column {found[2]}" if found else f"line {last}"
        hint = next((hint for start, hint in _TOML_HINT.items() if message.startswith(start)), None)
        raise InputError(
            f"is not valid TOML: {_lower(message or str(error))}", path=path, place=place, hint=hint
        ) from error
    except ValueError as error:  # a whole number of thousands of digits, an impossible date
        raise InputError(f"is not valid TOML: {_lower(str(error))}", path=path) from error


def _read_json(path: Path, text: str) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise InputError(f"key `{key}` is written twice in one object", path=path)
            found[key] = value
        return found

    try:
        return json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InputError(f"is not valid JSON: {_lower(error.msg)}", path=path, place=place) from error
    except ValueError as error:  # a whole number of thousands of digits
        raise InputError(f"is not valid JSON: {_lower(str(error))}", path=path) from error


def _read_yaml(path: Path, text: str) -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """The safe loader, made to refuse a key written twice: it would keep the last and say nothing."""

    def unique(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                place = f"line {key.start_mark.line + 1}"
                raise InputError(f"key `{key.value}` is written twice in one mapping", path=path, place=place)
            seen.add(str(key.value))
        return loader.construct_mapping(node, deep=True)

    Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, unique)
    try:
        return yaml.load(text, Loader=Loader)  # a subclass of the safe loader: builds plain values only
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}, column {mark.column + 1}" if mark else None
        raise InputError(f"is not valid YAML: {_lower(error.problem or str(error))}", path=path, place=line) from error
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"is not valid YAML: {_lower(str(error).splitlines()[0])}", path=path) from error


_READERS: dict[str, Callable[[Path, str], Any]] = {
    ".toml": _read_toml,
    ".yaml": _read_yaml,
    ".yml": _read_yaml,
    ".json": _read_json,
}


def _speaks_of_detkit(project: Path) -> bool:
    """Whether a pyproject.toml has a `[tool.detkit]` table; one that never mentions detkit is not even parsed."""
    try:
        if b"detkit" not in project.read_bytes():
            return False
    except OSError:
        return False
    tool = load_config(project).get("tool")
    return isinstance(tool, dict) and "detkit" in tool


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def _dig(mapping: Mapping[str, Any], path: Path, keys: tuple[str, ...]) -> Mapping[str, Any]:
    for depth, key in enumerate(keys):
        value = mapping.get(key, {})
        if not isinstance(value, Mapping):
            raise InputError(f"is {_kind(value)}, expected a table", path=path, place=".".join(keys[: depth + 1]))
        mapping = value
    return mapping


def _toml_lines(text: str, key: str) -> list[int]:
    """Lines of the `[[key]]` headers; none when a look-alike in a string makes their number wrong."""
    dots = r"\s*\.\s*".join(map(re.escape, key.split(".")))
    bare = "|" + re.escape(key.rpartition(".")[2])
    header = re.compile(rf"\s*\[\[\s*(?:(?:tool\s*\.\s*detkit\s*\.\s*)?{dots}{bare})\s*\]\]\s*(?:#.*)?")
    lines = [number for number, line in enumerate(text.split("\n"), 1) if header.fullmatch(line)]
    import tomllib

    try:
        content: Any = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return []
    lists = [_at(content, prefix) for prefix in _prefixes(key.split("."))]
    return lines if len(lines) == sum(len(items) for items in lists if isinstance(items, list)) else []


def _yaml_lines(text: str, keys: list[str]) -> list[int]:
    """Lines of the items of a YAML list; JSON is read the same way."""
    import yaml

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        return []
    for prefix in _prefixes(keys):
        node: Any = root
        for key in prefix:
            pairs = node.value if isinstance(node, yaml.MappingNode) else []
            node = next((value for name, value in pairs if name.value == key), None)
        if isinstance(node, yaml.SequenceNode):
            return [item.start_mark.line + 1 for item in node.value]
    return []


def _prefixes(keys: list[str]) -> tuple[list[str], ...]:
    return (["tool", "detkit", *keys], keys, keys[-1:])


def _at(content: Any, keys: list[str]) -> Any:
    for key in keys:
        content = content.get(key) if isinstance(content, dict) else None
    return content


def _kind(value: Any) -> str:
    if isinstance(value, list):
        keys = ", ".join(f"`{key}`" for key in list(value[0])[:5]) if value and isinstance(value[0], dict) else ""
        return f"a list of {len(value)}{f' (the first item has {keys})' if keys else ''}"
    shown = repr(value)
    return shown if len(shown) <= 40 else f"{shown[:37]}..."


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]
