"""The action, the hooks, the example workflows and the schema of rules: nothing in them is invented."""

from __future__ import annotations

import json
import operator
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli._run import CASES, DEMO, ROOT, environment
from detkit import config
from detkit.api import ci_setup

EXAMPLES = ROOT / "docs" / "how-to" / "ci"
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
SCHEMA = json.loads((ROOT / "docs" / "reference" / "gate.schema.json").read_text(encoding="utf-8"))


# --- every command line is one that the program takes


def _texts() -> Iterator[tuple[str, str]]:
    for step in ACTION["runs"]["steps"]:
        yield f"action.yml {step.get('name', step.get('uses'))}", step.get("run", "")
    for provider, (_, template) in ci_setup.PROVIDERS.items():
        content = yaml.safe_load(template.replace("@EVAL@", "detkit eval TRUTH PREDICTIONS"))
        steps = (
            content["jobs"]["gate"]["steps"]
            if provider == "github"
            else [{"run": s} for s in content["detkit"]["script"]]
        )
        yield from ((f"ci init {provider}", step.get("run", "")) for step in steps)
    for job in yaml.safe_load((EXAMPLES / "github.yml").read_text(encoding="utf-8"))["jobs"].values():
        yield from (("github.yml", step.get("run", "")) for step in job["steps"])
    for line in yaml.safe_load((EXAMPLES / "gitlab-ci.yml").read_text(encoding="utf-8"))["detection"]["script"]:
        yield "gitlab-ci.yml", line
    for line in re.findall(r"sh '([^']*)'", (EXAMPLES / "Jenkinsfile").read_text(encoding="utf-8")):
        yield "Jenkinsfile", line


def command_lines() -> list[tuple[str, str]]:
    """(where, command) of every call of detkit: continued lines joined, expressions and expansions stood in for."""
    found = []
    for where, text in _texts():
        joined = re.sub(r"\\\n\s*", " ", text)
        for line in joined.splitlines():
            if line.strip().startswith("detkit "):
                found.append((where, re.sub(r"\$\{\{.*?\}\}", "x", line.strip().partition(" || ")[0])))
    return found


def check_line(line: str) -> None:
    """Raise where the real parser of the command refuses the line."""
    import typer.main

    from detkit.cli import app

    _, name, *words = shlex.split(line)
    words = [word for word in words if not word.startswith("${")]
    group = typer.main.get_command(app)
    command = group.commands[name]  # type: ignore[attr-defined]
    command.make_context(name, words)


def test_there_are_command_lines() -> None:
    assert {where.split()[0] for where, _ in command_lines()} == {
        "action.yml", "ci", "gitlab-ci.yml", "Jenkinsfile",
    }  # fmt: skip
    assert len(command_lines()) >= 9


@pytest.mark.parametrize("line", sorted({line for _, line in command_lines()}))
def test_the_program_takes_every_command_line(line: str) -> None:
    check_line(line)


@pytest.mark.parametrize(
    "line", ["detkit eval a b --jnuit x", "detkit gate a --format html5", "detkit gaet a", "detkit eval a"]
)
def test_the_check_refuses_what_is_invented(line: str) -> None:
    with pytest.raises(Exception, match=r"(?i)no such option|gaet|missing|expected text, json"):
        check_line(line)


# --- the action


def test_the_action_states_what_it_takes_and_gives() -> None:
    assert ACTION["runs"]["using"] == "composite"
    assert set(ACTION["outputs"]) == {"verdict", "json"}
    assert all(i.get("description") for i in (*ACTION["inputs"].values(), *ACTION["outputs"].values()))
    assert [name for name, i in ACTION["inputs"].items() if i.get("required")] == ["truth", "predictions", "package"]
    text = (ROOT / "action.yml").read_text(encoding="utf-8")
    used = set(re.findall(r"inputs\.([\w-]+)", text))
    assert used == set(ACTION["inputs"])
    named = {step["id"] for step in ACTION["runs"]["steps"] if "id" in step}
    assert set(re.findall(r"steps\.([\w-]+)\.outputs", text)) <= named


def test_no_expression_stands_in_a_script() -> None:
    """An input that is pasted into a script is a command: it comes through the environment."""
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step.get("run", "")
        if "run" in step:
            assert step["shell"] == "bash"


def _step(name: str) -> str:
    return str(next(step["run"] for step in ACTION["runs"]["steps"] if step.get("name") == name))


def act(place: Path, name: str, **inputs: str) -> tuple[int, str, dict[str, str]]:
    """One step of the action in bash: exit code, log, outputs."""
    tools = place / "bin"
    tools.mkdir(exist_ok=True)
    for tool, line in {"detkit": f'"{sys.executable}" -m detkit "$@"', "python": f'"{sys.executable}" "$@"'}.items():
        (tools / tool).write_text(f"#!/bin/sh\nexec {line}\n", encoding="utf-8")
        (tools / tool).chmod(0o755)
    names = ("TRUTH", "PREDICTIONS", "RULES", "REQUIRE", "BASELINE", "ARGS")
    given = {f"DETKIT_{n}": inputs.get(n.lower(), "") for n in names}
    files = {n: str(place / n.lower()) for n in ("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_STEP_SUMMARY", "RUNNER_TEMP")}
    for file in list(files.values())[:2]:
        Path(file).write_text("", encoding="utf-8")
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", _step(name)],
        cwd=place,
        env=environment(**given, **files, PATH=f"{tools}{os.pathsep}{os.environ['PATH']}"),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    lines = Path(files["GITHUB_OUTPUT"]).read_text(encoding="utf-8").splitlines()
    return done.returncode, done.stdout + done.stderr, dict(line.split("=", 1) for line in lines)


needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


@needs_bash
def test_the_action_judges(tmp_path: Path) -> None:
    """From the first run with a baseline artefact to a worse model, on real data, in a real shell."""
    job = {"truth": str(DEMO / "coco" / "instances_val.json"), "baseline": "artifact"}
    (tmp_path / "rules.toml").write_text('[[gate.rules]]\nmetric = "AP"\nmax_drop = 0.02\n', encoding="utf-8")
    good = str(DEMO / "predictions" / "coco.json")
    args = "--area\nbox\n"
    code, log, outputs = act(tmp_path, "Score and judge", **job, predictions=good, rules="rules.toml", args=args)
    assert (code, outputs) == (0, {"verdict": "pass", "json": "detkit-result.json"}), log
    assert json.loads((tmp_path / "detkit-result.json").read_text(encoding="utf-8"))["protocol"]["area"] == "box"
    assert {"baseline.json", "baseline.npz"} == {path.name for path in (tmp_path / "detkit-baseline").iterdir()}
    worse = str(DEMO / "predictions" / "coco_worse.json")
    require = "AP50>=0.1\nworst_class.AP>=0.1"
    more = {"rules": "rules.toml", "args": args, "require": require}
    code, log, outputs = act(tmp_path, "Score and judge", **job, predictions=worse, **more)
    assert (code, outputs["verdict"]) == (1, "fail"), log
    assert "::error title=detkit gate%3A AP max_drop 0.02::" in log
    assert "images: 7 with more errors" in log
    assert (tmp_path / "github_step_summary").read_text(encoding="utf-8").count("**Verdict**") == 2


@needs_bash
def test_the_action_tells_wrong_from_undecided(tmp_path: Path) -> None:
    truth = str(DEMO / "coco" / "instances_val.json")
    (tmp_path / "broken.json").write_text('[{"image_id"', encoding="utf-8")
    code, log, outputs = act(tmp_path, "Score and judge", truth=truth, predictions="broken.json", require="AP>=0")
    assert (code, outputs) == (2, {"verdict": "error"})
    assert "::error title=detkit::" in log
    nowhere = [{"image_id": 99_000, "category_id": 1, "bbox": [1, 1, 9, 9], "score": 0.5}]
    (tmp_path / "nowhere.json").write_text(json.dumps(nowhere), encoding="utf-8")
    code, _, outputs = act(tmp_path, "Score and judge", truth=truth, predictions="nowhere.json", require="AP>=0")
    assert (code, outputs) == (3, {"verdict": "undecided"})


@needs_bash
def test_an_input_is_never_a_command(tmp_path: Path) -> None:
    odd = "$(touch hacked); `touch hacked` \"; touch hacked; '"
    act(tmp_path, "Score and judge", truth=odd, predictions=odd, require=odd, rules=odd, args=odd, baseline=odd)
    assert not (tmp_path / "hacked").exists()


@needs_bash
def test_the_cache_is_named_after_what_kernels_depend_on(tmp_path: Path) -> None:
    package = tmp_path / "detkit"
    (package / "kernels").mkdir(parents=True)
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "kernels" / "__init__.py").write_text("x = 1\n", encoding="utf-8")
    code, log, outputs = act(tmp_path, "Name the kernel cache")
    assert code == 0, log
    assert outputs["folder"] == str(tmp_path / "runner_temp" / "detkit-cache")
    assert (tmp_path / "github_env").read_text(encoding="utf-8") == f"DETKIT_CACHE_DIR={outputs['folder']}\n"
    assert act(tmp_path, "Name the kernel cache")[2] == outputs
    (package / "kernels" / "__init__.py").write_text("x = 2\n", encoding="utf-8")
    assert act(tmp_path, "Name the kernel cache")[2]["key"] != outputs["key"]


# --- hooks


def test_hooks_call_commands_that_exist() -> None:
    from detkit.cli import COMMANDS

    for hook in HOOKS:
        assert {"id", "name", "description", "entry", "language"} <= set(hook)
        assert hook["entry"].split()[1] in COMMANDS
    used = yaml.safe_load((EXAMPLES / "pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    for hook in used:
        (known,) = [h for h in HOOKS if h["id"] == hook["id"]]
        check_line(f"{known['entry']} {shlex.join(hook['args'])}")


def test_the_examples_use_what_the_action_takes() -> None:
    steps = yaml.safe_load((EXAMPLES / "github.yml").read_text(encoding="utf-8"))["jobs"]["gate"]["steps"]
    (step,) = [s for s in steps if "detkit@" in str(s.get("uses"))]
    assert set(step["with"]) <= set(ACTION["inputs"])
    text = (EXAMPLES / "github.yml").read_text(encoding="utf-8")
    assert set(re.findall(r"steps\.detkit\.outputs\.(\w+)", text)) <= set(ACTION["outputs"])


# --- the schema of rules


_LIMITS: dict[str, Any] = {
    "minimum": operator.ge, "maximum": operator.le, "exclusiveMinimum": operator.gt, "exclusiveMaximum": operator.lt
}  # fmt: skip


def complaints(value: Any, schema: dict[str, Any], path: str = "") -> list[str]:
    """What breaks a JSON schema, for the keywords that ours uses; any other keyword is an error here."""
    known = {"$schema", "title", "description", "$defs", "$ref", "type", "properties", "required", "anyOf", "items",
             "minItems", "additionalProperties", "enum", "pattern", "dependentSchemas", *_LIMITS}  # fmt: skip
    assert set(schema) <= known, schema
    found = []
    if "$ref" in schema:
        found += complaints(value, SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")], path)
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "number": int | float, "integer": int}
    if "type" in schema:
        fits = isinstance(value, kinds[schema["type"]]) and (schema["type"] == "boolean" or not isinstance(value, bool))
        if not fits:
            return [*found, f"{path}: no {schema['type']}"]
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{path}: not of {schema['enum']}")
    if isinstance(value, str) and "pattern" in schema and not re.search(schema["pattern"], value):
        found.append(f"{path}: {value!r}")
    if isinstance(value, int | float):
        found += [
            f"{path}: {key} {schema[key]}"
            for key, holds in _LIMITS.items()
            if key in schema and not holds(value, schema[key])
        ]
    if isinstance(value, dict):
        found += [f"{path}: lacks {key}" for key in schema.get("required", ()) if key not in value]
        inner = schema.get("properties", {})
        found += [
            c
            for key, part in schema.get("dependentSchemas", {}).items()
            if key in value
            for c in complaints(value, part, path)
        ]
        if schema.get("additionalProperties") is False:
            found += [f"{path}: unknown {key}" for key in value if key not in inner]
        found += [
            c for key, part in inner.items() if key in value for c in complaints(value[key], part, f"{path}.{key}")
        ]
    if isinstance(value, list):
        found += [f"{path}: too short"] * (len(value) < schema.get("minItems", 0))
        found += [c for n, v in enumerate(value) for c in complaints(v, schema.get("items", {}), f"{path}[{n}]")]
    if "anyOf" in schema and all(complaints(value, part, path) for part in schema["anyOf"]):
        found.append(f"{path}: fits none")
    return found


RULES = CASES / "gate" / "rules"
GOOD = [RULES / "ten.toml", RULES / "simple.yaml", RULES / "bare.yml", RULES / "simple.json",
        CASES / "gate" / "project" / "pyproject.toml"]  # fmt: skip


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.name)
def test_rules_that_are_read_fit_the_schema(path: Path) -> None:
    from detkit import api

    assert api.load_rules(path)
    assert complaints(config.load_config(path), SCHEMA) == []


def test_a_wrong_field_does_not_fit() -> None:
    assert any("unknown" in c for c in complaints(config.load_config(RULES / "wrong_field.toml"), SCHEMA))


ONE: list[tuple[dict[str, Any], bool]] = [
    ({"metric": "AP", "min": 0.4}, True),
    ({"metric": "AP", "min": "40%"}, True),
    ({"metric": "AP", "max_drop": "2%"}, True),
    ({"metric": "AP", "max_drop": 0.02, "severity": "warn", "allow_missing": True, "name": "x"}, True),
    ({"metric": "AP", "significance": {"margin": 0.01}}, True),
    ({"metric": "AP", "significance": {}, "level": 0.9, "replicates": 200, "seed": 3}, True),
    ({"metric": "AP", "significance": {"margin": -0.01}}, False),
    ({"metric": "AP", "significance": {"margn": 0.01}}, False),
    ({"metric": "AP", "significance": 0.01}, False),
    ({"metric": "AP", "non_inferiority": 0.01}, True),
    ({"metric": "AP", "non_inferiority": 0.0}, False),
    ({"metric": "AP", "min": 0.4, "at": "lower"}, True),
    ({"metric": "AP", "max_drop": 0.1, "at": "lower"}, False),
    ({"metric": "AP", "min": 0.4, "at": "middle"}, False),
    ({"metric": "AP", "non_inferiority": 0.01, "level": 1.0}, False),
    ({"metric": "AP", "non_inferiority": 0.01, "replicates": 99}, False),
    ({"metric": "AP", "non_inferiority": 0.01, "seed": -1}, False),
    ({"metric": "AP"}, False),
    ({"min": 0.4}, False),
    ({"metric": " ", "min": 0.4}, False),
    ({"metric": "AP", "min": "forty"}, False),
    ({"metric": "AP", "min": True}, False),
    ({"metric": "AP", "min": None}, False),
    ({"metric": "AP", "max_drop": "2"}, False),
    ({"metric": "AP", "max_drop": -0.1}, False),
    ({"metric": "AP", "min": 0.4, "severity": "info"}, False),
    ({"metric": "AP", "min": 0.4, "allow_missing": "yes"}, False),
    ({"metric": "AP", "min": 0.4, "minimum": 0.4}, False),
]


@pytest.mark.parametrize(("rule", "fits"), ONE)
def test_schema_and_reader_agree(rule: dict[str, Any], fits: bool, tmp_path: Path) -> None:
    from detkit import api
    from detkit.errors import DetkitError

    assert (complaints({"gate": {"rules": [rule]}}, SCHEMA) == []) == fits
    (tmp_path / "rules.json").write_text(json.dumps({"gate": {"rules": [rule]}}), encoding="utf-8")
    try:
        api.load_rules(tmp_path / "rules.json")
        read = True
    except DetkitError:
        read = False
    assert read == fits


def test_the_schema_knows_every_field_of_a_rule() -> None:
    """The reader names its fields when it meets another."""
    from detkit.evaluation import _gate_rules

    assert set(SCHEMA["$defs"]["rule"]["properties"]) == set(_gate_rules._FIELDS)
