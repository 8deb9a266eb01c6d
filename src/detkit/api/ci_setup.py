"""The files of a CI gate, made from one result: rules with floors, the baseline with its matches, and a workflow."""

from __future__ import annotations

import json
import os
import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detkit import files
from detkit._version import __version__
from detkit.api._ci_command import command_of, inside
from detkit.api._ci_files import GITHUB, GITLAB
from detkit.api._ci_rules import headlines, rules_text, starting_rules
from detkit.api.explaining import find_matches, load_matches
from detkit.api.gating import gate, load_result
from detkit.errors import CannotJudgeError, DetkitError, UsageError
from detkit.evaluation.gate import rules_from_mapping

__all__ = ["Setup", "init_ci"]

PROVIDERS = {"github": (".github/workflows/detkit.yml", GITHUB), "gitlab": (".gitlab/detkit.yml", GITLAB)}
RULES, BASELINE, MATCHES = ".detkit/rules.toml", ".detkit/baseline.json", ".detkit/baseline.npz"
_NO_MATCHES = "score with `detkit eval --save-matches FILE` for a gate that compares on the same images"


#: What a result does not say, so that the workflow lacks it.
_LEFT = (
    "make the predictions in the workflow, before the step that scores them",
    "name in it what DETKIT_PACKAGE is: a wheel, or git+URL@TAG",
)


@dataclass(frozen=True)
class Setup:
    """What was written.

    Parameters
    ----------
    paths : tuple of Path
        Workflow, rules, baseline, its matches where the result has them, and the files that options name.
    notes : tuple of str
        Where the floors come from, and what to look at before committing.
    warnings : tuple of str
        What the workflow will lack as things are, and what a rule cannot judge.
    """

    paths: tuple[Path, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def init_ci(
    result: str | Path, folder: str | Path = ".", provider: str = "github", *, overwrite: bool = False
) -> Setup:
    """Write workflow, rules and baseline of a gate that the result passes.

    Parameters
    ----------
    result : path-like
        Written by `detkit eval --format json`.
    folder : path-like
        Root of the repository.
    provider : {"github", "gitlab"}
    overwrite : bool
        Replace files that are there; without it nothing is written when one exists.

    Returns
    -------
    Setup

    Raises
    ------
    UsageError
        Unknown provider.
    InputError
        No evaluation result, or one that does not state its protocol whole.
    CannotJudgeError
        The result has no defined headline, or cannot be judged: it would be no baseline.
    OutputError
        A file exists.
    """
    if provider not in PROVIDERS:
        raise UsageError(f"unknown provider `{provider}`; known: {', '.join(PROVIDERS)}")
    source, folder = Path(result), Path(folder)
    content = load_result(source)
    name, template = PROVIDERS[provider]
    matches, lack = _matches(content)
    found = headlines(content)
    rules = rules_text(found, paired=matches is not None)
    remarks = _check(content, rules, source)
    command = command_of(content, source, folder)
    texts = {
        name: template.replace("@VERSION@", __version__).replace("@EVAL@", command.line),
        RULES: rules,
        BASELINE: json.dumps(_public(content, folder, matches), indent=2, ensure_ascii=False) + "\n",
        **command.files,
    }
    paths = [folder / part for part in (*texts, *([MATCHES] if matches else []))]
    for path in paths:
        files.refuse_existing(path, overwrite=overwrite)
    for part, text in texts.items():
        with files.atomic_file(folder / part, overwrite=overwrite) as place:
            place.write_text(text, encoding="utf-8")
    if matches is not None:
        with files.atomic_file(paths[-1], overwrite=overwrite) as place:
            shutil.copyfile(matches, place)
    notes = [*(one.note for one in found), *_LEFT]
    return Setup(tuple(paths), tuple(notes), (*command.missing, *([] if lack is None else [lack]), *remarks))


def _matches(content: Mapping[str, Any]) -> tuple[Path | None, str | None]:
    """The saved matches where they are at hand and can be resampled, else why not."""
    place = find_matches(content)
    if place is None:
        return None, f"the result has no saved matches: {_NO_MATCHES}"
    try:
        load_matches(place, content["matches"].get("sha256"))
        verdict = gate({"result": content}, starting_rules(headlines(content)), baseline=content)
    except DetkitError as error:
        return None, f"the saved matches are left out: {error.message}"
    if verdict.problems or verdict.outcome == "pass":
        return place, None  # what concerns the whole result is told when all rules are tried
    return None, f"the saved matches are left out: {next(r.message for r in verdict.rows if r.verdict != 'pass')}"


def _public(content: Mapping[str, Any], folder: Path, matches: Path | None) -> dict[str, Any]:
    """The result without this machine's folders; its matches are those beside it."""
    inputs = {side: {**part, "path": _here(part.get("path"), folder)} for side, part in content["inputs"].items()}
    request = content.get("request")
    if isinstance(request, Mapping) and "images" in request:
        request = {**request, "images": _here(request["images"], folder)}
    beside = {"path": Path(MATCHES).name, "sha256": files.sha256_of([matches])} if matches else None
    asked = {} if request is None else {"request": request}
    return {**content, **asked, "inputs": inputs, "matches": beside}


def _here(path: Any, folder: Path) -> str | None:
    """The path below the folder, or its name where it lies elsewhere; None for tables that came from no file."""
    return None if path is None else inside(path, folder) or Path(str(path)).name


def _check(content: Mapping[str, Any], rules: str, source: Path) -> tuple[str, ...]:
    """The gate that is about to be written, run on its own baseline: it must pass. Its remarks are returned."""
    stated = list(rules_from_mapping(tomllib.loads(rules), RULES))
    verdict = gate({os.fspath(source): content}, stated, baseline=content)
    if verdict.outcome != "pass":
        reasons = [*verdict.problems, *(row.message for row in verdict.rows if row.verdict in ("fail", "undefined"))]
        raise CannotJudgeError(f"the result is no baseline: {'; '.join(dict.fromkeys(reasons)) or verdict.outcome}")
    return verdict.notes
