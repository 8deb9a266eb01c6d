"""Configuration files: read whole or refused, found upwards, cut into sections, lines told."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from detkit import config
from detkit.config import find_config, line_of, load_config, load_json, section
from detkit.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "fixtures" / "cli" / "gate" / "rules"
EXPECTED = {"gate": {"rules": [{"metric": "AP", "min": 0.4}]}}
TOML = '[[gate.rules]]\nmetric = "AP"\nmin = 0.4\n'
YAML = "gate:\n  rules:\n    - metric: AP\n      min: 0.4\n"
JSON = '{"gate": {"rules": [{"metric": "AP", "min": 0.4}]}}'


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


# --- load_config


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("detkit.toml", TOML),
        ("rules.TOML", TOML),
        ("rules.yaml", YAML),
        ("rules.YML", YAML),
        ("rules.json", JSON),
        ("ünï code.v2.toml", TOML),
        ("crlf.toml", TOML.replace("\n", "\r\n")),
        ("crlf.yaml", YAML.replace("\n", "\r\n")),
        ("bom.toml", b"\xef\xbb\xbf" + TOML.encode()),
        ("bom.yaml", b"\xef\xbb\xbf" + YAML.encode()),
        ("bom.json", b"\xef\xbb\xbf" + JSON.encode()),
        ("anchors.yaml", "gate:\n  rules:\n    - &a {metric: AP}\n    - {<<: *a, min: 0.4}\n"),
    ],
)
def test_every_suffix_gives_the_same(tmp_path: Path, name: str, content: str | bytes) -> None:
    found = load_config(write(tmp_path, name, content))
    assert found["gate"]["rules"][-1] == EXPECTED["gate"]["rules"][0]


def test_an_empty_toml_file_is_no_settings(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, "detkit.toml", "")) == {}


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("a.toml", "[[gate.rules]]\nmin = 0,4\n", "line 2, column 8: is not valid TOML: expected newline"),
        ("a.toml", "a = 1\n\n[gate", "line 3: is not valid TOML"),
        ("a.toml", "a = 1\na = 2\n", "line 2, column 6: is not valid TOML: cannot overwrite a value"),
        ("a.toml", "a = AP\n", "line 1, column 5: is not valid TOML: invalid value"),
        ("a.toml", f"a = {'9' * 5000}\n", "is not valid TOML"),
        ("a.yaml", "a: 1\nb: [1,\nc: 2\n", "is not valid YAML"),
        ("a.yaml", "a: 1\n\tb: 2\n", "line 2, column 1: is not valid YAML"),
        ("a.yaml", "a: 1\na: 2\n", "line 2: key `a` is written twice"),
        ("a.yaml", "g:\n  - x: 1\n    x: 2\n", "line 3: key `x` is written twice"),
        ("a.yaml", "a: !!python/object/apply:os.getcwd []\n", "line 1, column 4: is not valid YAML"),
        ("a.yaml", "a: 1\n---\nb: 2\n", "is not valid YAML"),
        ("a.yaml", "a: \x00\n", "is not valid YAML"),
        ("a.yaml", "a: &x {b: *x}\n", "is not valid YAML"),
        ("a.yaml", "", "is empty, expected a table of settings"),
        ("a.yaml", "# only a remark\n", "is empty, expected a table of settings"),
        ("a.yaml", "- metric: AP\n", "holds a list of 1 (the first item has `metric`), expected a table of settings"),
        ("a.yaml", "AP>=0.4\n", "holds 'AP>=0.4', expected a table"),
        ("a.yaml", "[" * 5000, "is nested too deeply"),
        ("a.json", '{"a": 1,\n"b" 2}', "line 2, column 5: is not valid JSON"),
        ("a.json", "", "line 1, column 1: is not valid JSON"),
        ("a.json", '{"a": 1, "a": 2}', "key `a` is written twice"),
        ("a.json", "[1, 2]", "holds a list of 2"),
        ("a.json", "[" * 100_000, "is nested too deeply"),
        ("a.json", f'{{"a": {"9" * 5000}}}', "is not valid JSON"),
        ("a.toml", b"a = 1\nb = '\xff'\n", "line 2, byte 11: is not UTF-8: found byte 0xff"),
        ("a.toml", "a = 1\n".encode("utf-16"), "line 1, byte 0: is not UTF-8"),
        ("a.ini", "a = 1\n", "suffix is `.ini`, expected one of `.toml`, `.yaml`, `.yml`, `.json`"),
        ("rules", "a = 1\n", "suffix is ``"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, name: str, content: str | bytes, found: str) -> None:
    path = write(tmp_path, name, content)
    with pytest.raises(InputError) as caught:
        load_config(path)
    assert caught.value.message.startswith(f"{path}: ")
    assert found in caught.value.message


def test_json_of_any_kind_is_read_whatever_its_suffix(tmp_path: Path) -> None:
    assert load_json(write(tmp_path, "result.txt", JSON)) == EXPECTED
    assert load_json(write(tmp_path, "detections.json", "[1, null]")) == [1, None]
    assert load_json(write(tmp_path, "bom", b"\xef\xbb\xbf" + b"{}")) == {}
    for content in ("", JSON[:-3], "[" * 100_000, '{"a": 1, "a": 2}'):
        with pytest.raises(InputError, match=r"result\.json: "):
            load_json(write(tmp_path, "result.json", content))


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_config(tmp_path / "none.toml")
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        load_config(tmp_path / "folder.toml")
    with pytest.raises(InputError, match="cannot be read"):
        load_config(write(tmp_path, "file", "") / "below.toml")


@pytest.mark.parametrize("name", ["syntax.toml", "twice.yaml"])
def test_fixtures_that_are_refused(name: str) -> None:
    with pytest.raises(InputError, match=rf"{name}: line \d"):
        load_config(RULES / name)


# --- find_config


def test_the_nearest_configuration_counts(tmp_path: Path) -> None:
    outer = write(tmp_path, "detkit.toml", TOML)
    inner = write(tmp_path, "a/pyproject.toml", "[tool.detkit]\n")
    write(tmp_path, "a/b/pyproject.toml", "[tool.other]\nname = 'detkit'\n")
    deep = tmp_path / "a" / "b" / "c"
    deep.mkdir()
    assert find_config(deep) == inner
    assert find_config(deep / "file.json") == inner
    assert find_config(tmp_path) == outer
    beside = write(tmp_path, "a/detkit.toml", "")
    assert find_config(deep) == beside


def test_a_pyproject_that_never_mentions_detkit_is_not_parsed(tmp_path: Path) -> None:
    outer = write(tmp_path, "detkit.toml", TOML)
    write(tmp_path, "a/pyproject.toml", "broken [\n")
    assert find_config(tmp_path / "a") == outer
    write(tmp_path, "a/pyproject.toml", "[tool.detkit.gate]\nbroken [\n")
    with pytest.raises(InputError, match="line 2"):
        find_config(tmp_path / "a")


def test_the_search_ends_with_the_repository(tmp_path: Path) -> None:
    write(tmp_path, "detkit.toml", TOML)
    deep = tmp_path / "repository" / "a"
    deep.mkdir(parents=True)
    assert find_config(deep) == tmp_path / "detkit.toml"
    own = write(tmp_path, "repository/.git", "gitdir: elsewhere\n").parent  # a worktree: `.git` is a file
    assert find_config(deep) is None
    assert find_config(own) is None
    inside = write(own, "pyproject.toml", "[tool.detkit]\n")
    assert find_config(deep) == inside
    (own / ".git").unlink()
    (own / ".git").mkdir()
    inside.unlink()
    assert find_config(deep) is None


def test_a_folder_named_like_a_file_is_passed_over(tmp_path: Path) -> None:
    outer = write(tmp_path, "detkit.toml", TOML)
    (tmp_path / "a" / "detkit.toml").mkdir(parents=True)
    assert find_config(tmp_path / "a") == outer


def test_no_configuration_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "_is_file", lambda path: False)
    assert find_config(tmp_path) is None


# --- section


@pytest.mark.parametrize(
    ("name", "mapping"),
    [
        ("pyproject.toml", {"project": {}, "tool": {"other": {}, "detkit": EXPECTED}}),
        ("detkit.toml", EXPECTED),
        ("rules.yaml", {"tool": {"detkit": EXPECTED}}),
        ("rules.yaml", EXPECTED["gate"]),
    ],
)
def test_a_section_is_the_same_wherever_it_stands(name: str, mapping: dict[str, Any]) -> None:
    assert section(mapping, name, "gate") == EXPECTED["gate"]


@pytest.mark.parametrize("mapping", [{}, {"check": {}}, {"tool": {}}, {"tool": {"detkit": {}}}])
def test_a_section_that_is_not_there_is_empty(mapping: dict[str, Any]) -> None:
    assert section(mapping, "pyproject.toml", "gate") == {}


def test_only_the_gate_may_stand_bare() -> None:
    assert section({"rules": []}, "f.yaml", "check") == {}


@pytest.mark.parametrize(
    ("name", "mapping", "found"),
    [
        ("pyproject.toml", EXPECTED, "`gate` settings stand outside `tool.detkit`"),
        ("detkit.toml", {**EXPECTED, "tool": {"detkit": EXPECTED}}, "stand in tool.detkit.gate and in gate"),
        ("detkit.toml", {**EXPECTED, "rules": []}, "stand in gate and in the top level"),
        (
            "detkit.toml",
            {"gate": [{"metric": "AP"}]},
            "gate: is a list of 1 (the first item has `metric`), expected a table",
        ),
        ("detkit.toml", {"gate": "x"}, "gate: is 'x', expected a table"),
        ("pyproject.toml", {"tool": 5}, "tool: is 5, expected a table"),
        ("pyproject.toml", {"tool": {"detkit": []}}, "tool.detkit: is a list of 0, expected a table"),
    ],
)
def test_sections_that_are_refused(name: str, mapping: dict[str, Any], found: str) -> None:
    with pytest.raises(InputError) as caught:
        section(mapping, name, "gate")
    assert found in caught.value.message


def test_a_list_of_gates_names_the_header_to_write() -> None:
    with pytest.raises(InputError) as caught:
        section({"gate": [{"metric": "AP"}]}, "detkit.toml", "gate")
    assert caught.value.hint == "write `[[gate.rules]]`"


# --- line_of


@pytest.mark.parametrize(
    ("name", "content", "lines"),
    [
        ("a.toml", TOML + "\n" + TOML, [1, 5]),
        ("a.toml", TOML.replace("\n", "\r\n") * 2, [1, 4]),
        ("pyproject.toml", "[tool.detkit]\n[[ tool . detkit.gate.rules ]]  # first\nmetric = 'AP'\n", [2]),
        ("a.toml", "[[rules]]\na = 1\n[[rules]]\n", [1, 3]),
        ("a.toml", "[gate]\nrules = [{metric = 'AP'}]\n", [None]),
        ("a.toml", 'a = """\n[[gate.rules]]\n"""\n' + TOML, [None]),
        ("a.toml", "broken [\n" + TOML, [None]),
        ("a.toml", '[[gate.rules]]\nname = "a\u2028b"\n[[gate.rules]]\n', [1, 3]),
        ("a.yaml", YAML + "    - {metric: AP50, min: 0.5}\n", [3, 5]),
        ("a.yml", "# note\nrules:\n- metric: AP\n\n- metric: AP50\n", [3, 5]),
        ("a.json", JSON.replace("[", "[\n"), [2]),
        ("a.yaml", "a: [\n", [None]),
        ("a.yaml", "", [None]),
    ],
)
def test_lines_of_rules(tmp_path: Path, name: str, content: str, lines: list[int | None]) -> None:
    path = write(tmp_path, name, content)
    assert [line_of(path, index) for index in range(len(lines))] == lines
    assert line_of(path, len(lines)) is None
    assert line_of(path, -1) is None


def test_a_file_that_is_gone_has_no_lines(tmp_path: Path) -> None:
    assert line_of(tmp_path / "none.toml", 0) is None


# --- import rules


def test_only_light_imports_at_the_top() -> None:
    tree = ast.parse(Path(config.__file__).read_text(encoding="utf-8"))
    top = {node.module for node in tree.body if isinstance(node, ast.ImportFrom)}
    top |= {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    assert top == {"__future__", "collections.abc", "detkit.errors", "json", "pathlib", "re", "typing"}
    assert sorted(config.__all__) == config.__all__
