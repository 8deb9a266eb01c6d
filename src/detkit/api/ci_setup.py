"""The files of a CI gate, made from one result: rules with floors, the baseline with its matches, and a workflow."""

from __future__ import annotations

import json
import math
import os
import shlex
import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detkit import files
from detkit._version import __version__
from detkit.api._ci_files import GITHUB, GITLAB
from detkit.api._ci_rules import headlines, rules_text, starting_rules
from detkit.api.explaining import find_matches, load_matches
from detkit.api.gating import gate, load_result
from detkit.errors import CannotJudgeError, DetkitError, InputError, UsageError
from detkit.evaluation.gate import rules_from_mapping

__all__ = ["Setup", "init_ci"]

PROVIDERS = {"github": (".github/workflows/detkit.yml", GITHUB), "gitlab": (".gitlab/detkit.yml", GITLAB)}
RULES, BASELINE, MATCHES = ".detkit/rules.toml", ".detkit/baseline.json", ".detkit/baseline.npz"
_NO_MATCHES = "score with `detkit eval --save-matches FILE` for a gate that compares on the same images"


#: What a result does not say, so that the workflow lacks it.
_LEFT = (
    "make the predictions in the workflow, before the step that scores them",
    "name in it what DETKIT_PACKAGE is: a wheel, or git+URL@TAG",
    "add to its `detkit eval` what the result does not state: --split, --classes, --class-map, --drop-invalid, formats",
)


@dataclass(frozen=True)
class Setup:
    """What was written.

    Parameters
    ----------
    paths : tuple of Path
        Workflow, rules, baseline, and its matches where the result has them.
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
    paths = tuple(folder / part for part in (name, RULES, BASELINE, *([MATCHES] if matches else [])))
    for path in paths:
        files.refuse_existing(path, overwrite=overwrite)
    found = headlines(content)
    rules = rules_text(found, paired=matches is not None)
    remarks = _check(content, rules, source)
    inputs, missing = _inputs(content, folder)
    workflow = template.replace("@VERSION@", __version__)
    workflow = workflow.replace("@EVAL@", f"detkit eval {inputs}{_options(content, source)}")
    texts = (workflow, rules, json.dumps(_public(content, folder, matches), indent=2, ensure_ascii=False) + "\n")
    for path, text in zip(paths, texts, strict=False):
        with files.atomic_file(path, overwrite=overwrite) as place:
            place.write_text(text, encoding="utf-8")
    if matches is not None:
        with files.atomic_file(paths[-1], overwrite=overwrite) as place:
            shutil.copyfile(matches, place)
    notes = [*(one.note for one in found), *_LEFT]
    return Setup(paths, tuple(notes), (*missing, *([] if lack is None else [lack]), *remarks))


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


def _inputs(content: Mapping[str, Any], folder: Path) -> tuple[str, list[str]]:
    """Truth and predictions as the workflow names them, inside the repository or a name to fill in; what is missing."""
    words, missing = [], []
    for side, stand_in in (("ground_truth", "TRUTH"), ("predictions", "PREDICTIONS")):
        stated, name = content["inputs"][side].get("path"), side.replace("_", " ")
        path = _inside(stated, folder)
        if path is None:
            missing.append(
                f"{stated}: not below `{folder}`; write where the {name} will be for {stand_in} in the workflow"
            )
        elif not (folder / path).exists():
            missing.append(f"{path}: no such file below `{folder}`, where the workflow will read the {name}")
        words.append(shlex.quote(path or stand_in))
    return " ".join(words), missing


def _inside(path: Any, folder: Path) -> str | None:
    """The path below the folder, None where it lies elsewhere; a relative one may also count from the folder."""
    if not isinstance(path, str):
        return None
    root = folder.resolve()
    here, below = Path(path).resolve(), (root / path).resolve()
    place = below if below.exists() and not here.exists() else here
    return place.relative_to(root).as_posix() if place.is_relative_to(root) else None


def _public(content: Mapping[str, Any], folder: Path, matches: Path | None) -> dict[str, Any]:
    """The result without this machine's folders; its matches are those beside it."""
    inputs = {
        side: {**part, "path": _inside(part.get("path"), folder) or Path(str(part.get("path"))).name}
        for side, part in content["inputs"].items()
    }
    beside = {"path": Path(MATCHES).name, "sha256": files.sha256_of([matches])} if matches else None
    return {**content, "inputs": inputs, "matches": beside}


def _options(content: Mapping[str, Any], source: Path) -> str:
    """The options that set up the result's protocol again; those of the protocol itself are left out."""
    from detkit.evaluation import protocols

    stated = content["protocol"]
    if missing := [key for key in ("name", "iou_type", *_FLAGS) if key not in stated]:
        raise InputError(f"does not state `{missing[0]}` of its protocol", path=source, place="protocol")
    usual = protocols.get(stated["name"], stated["iou_type"]).to_dict()
    words = [] if stated["name"] == "coco" else ["--protocol", stated["name"]]
    words += [] if stated["iou_type"] == "bbox" else ["--iou-type", stated["iou_type"]]
    for key, (flag, shown) in _FLAGS.items():
        if stated[key] != usual[key]:
            words += [flag, *shown(stated[key])]
    return "".join(f" {shlex.quote(word)}" for word in words)


def _numbers(values: Any) -> list[str]:
    return [",".join(repr(value) for value in values)]


def _sides(ranges: Mapping[str, Any]) -> list[str]:
    """Areas as side lengths; the first range holds everything and is the program's own."""
    parts = (
        f"{name}:{math.sqrt(low):g}-{'inf' if high is None else f'{math.sqrt(high):g}'}"
        for name, (low, high) in list(ranges.items())[1:]
    )
    return [",".join(parts)]


_FLAGS: dict[str, tuple[str, Any]] = {
    "iou_thresholds": ("--iou-thresholds", _numbers),
    "max_detections": ("--max-detections", _numbers),
    "area_ranges": ("--area-ranges", _sides),
    "area": ("--area", lambda value: [value]),
    "at_image_size": ("--at-image-size", lambda value: [f"{value:g}"]),
    "score_threshold": ("--score-threshold", lambda value: [repr(value)]),
    "sigmas": ("--sigmas", _numbers),
    "class_wise": ("--class-agnostic", lambda value: []),
    "iou_comparison": ("--strict-iou", lambda value: []),
    "strict_parity": ("--strict-parity", lambda value: []),
}


def _check(content: Mapping[str, Any], rules: str, source: Path) -> tuple[str, ...]:
    """The gate that is about to be written, run on its own baseline: it must pass. Its remarks are returned."""
    stated = list(rules_from_mapping(tomllib.loads(rules), RULES))
    verdict = gate({os.fspath(source): content}, stated, baseline=content)
    if verdict.outcome != "pass":
        reasons = [*verdict.problems, *(row.message for row in verdict.rows if row.verdict in ("fail", "undefined"))]
        raise CannotJudgeError(f"the result is no baseline: {'; '.join(dict.fromkeys(reasons)) or verdict.outcome}")
    return verdict.notes
