"""The files of a CI gate, made from one result: rules with floors, the baseline, and a workflow."""

from __future__ import annotations

import json
import math
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from pathlib import Path
from typing import Any

from detkit import files
from detkit._version import __version__
from detkit.api._ci_files import GITHUB, GITLAB
from detkit.api.gating import gate, load_result, load_rules
from detkit.errors import CannotJudgeError, InputError, UsageError

__all__ = ["Setup", "init_ci"]

PROVIDERS = {"github": (".github/workflows/detkit.yml", GITHUB), "gitlab": (".gitlab/detkit.yml", GITLAB)}
RULES, BASELINE = ".detkit/rules.toml", ".detkit/baseline.json"
#: How far below its present value a floor lies where the result states no interval.
MARGIN = 0.02
#: How far a class may fall before it is warned of.
_CLASS_DROP = 0.05
_HEADLINES = ("AP", "AP50", "mAP")


@dataclass(frozen=True)
class Setup:
    """What was written.

    Parameters
    ----------
    paths : tuple of Path
        Workflow, rules, baseline.
    notes : tuple of str
        Where the floors come from, and what to look at before committing.
    """

    paths: tuple[Path, ...]
    notes: tuple[str, ...]


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
    paths = tuple(folder / part for part in (name, RULES, BASELINE))
    for path in paths:
        files.refuse_existing(path, overwrite=overwrite)
    rules, notes = _rules(content)
    _check(content, rules, source)
    inputs, remarks = _inputs(content, folder)
    workflow = template.replace("@VERSION@", __version__)
    workflow = workflow.replace("@EVAL@", f"detkit eval {inputs}{_options(content, source)}")
    texts = (workflow, rules, json.dumps(_public(content, folder), indent=2, ensure_ascii=False) + "\n")
    for path, text in zip(paths, texts, strict=True):
        with files.atomic_file(path, overwrite=overwrite) as place:
            place.write_text(text, encoding="utf-8")
    return Setup(paths, (*notes, *remarks))


def _rules(content: Mapping[str, Any]) -> tuple[str, list[str]]:
    """The rules file, and where its floors come from."""
    lines = ["# Rules of the gate: `detkit gate --help`, docs/reference/gate.md.", ""]
    notes = []
    for metric in _HEADLINES:
        value = content["metrics"].get(metric)
        if not isinstance(value, int | float) or not math.isfinite(value):
            continue
        low = _lower_end(content, metric)
        floor = _down(value - MARGIN if low is None else low)
        why = f"{value:.4f} less {MARGIN}: the result states no interval" if low is None else f"lower end, {value:.4f}"
        lines += ["[[gate.rules]]", f'metric = "{metric}"', f"min = {floor}  # {why}", ""]
        notes.append(f"{metric} >= {floor} ({why})")
    if not notes:
        raise CannotJudgeError("no headline metric of the result is defined: there is no floor to set")
    lines += [
        "# A class that falls is a warning: with few boxes it falls by chance.",
        *("[[gate.rules]]", 'metric = "class.*.AP"', f"max_drop = {_CLASS_DROP}", 'severity = "warn"'),
        "allow_missing = true",
    ]
    return "\n".join(lines) + "\n", notes


def _lower_end(content: Mapping[str, Any], metric: str) -> float | None:
    """Lower end of the metric's interval, None where the result states none."""
    intervals = content.get("intervals")
    if not isinstance(intervals, Mapping):
        return None
    found = intervals.get(metric, (intervals.get("metrics") or {}).get(metric))
    pair = found.get("ci") if isinstance(found, Mapping) else found
    if not isinstance(pair, list | tuple) or len(pair) != 2 or not isinstance(pair[0], int | float):
        return None
    return float(pair[0]) if math.isfinite(pair[0]) else None


def _down(value: float) -> Decimal:
    """Three decimals, never above the value, never below 0."""
    return max(Decimal(repr(value)).quantize(Decimal("0.001"), rounding=ROUND_FLOOR), Decimal("0.000"))


def _inputs(content: Mapping[str, Any], folder: Path) -> tuple[str, list[str]]:
    """Truth and predictions as the workflow names them: inside the repository, else a name to fill in."""
    words, notes = [], []
    for side, stand_in in (("ground_truth", "TRUTH"), ("predictions", "PREDICTIONS")):
        path = _inside(content["inputs"][side].get("path"), folder)
        if path is None:
            notes.append(f"write the path of the {side.replace('_', ' ')} for {stand_in} in the workflow")
        words.append(shlex.quote(path or stand_in))
    notes.append("make the predictions in the workflow, before the step that scores them")
    return " ".join(words), notes


def _inside(path: Any, folder: Path) -> str | None:
    if not isinstance(path, str):
        return None
    place, root = Path(path).resolve(), folder.resolve()
    return place.relative_to(root).as_posix() if place.is_relative_to(root) else None


def _public(content: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The result without this machine's folders, and without matches that are not committed."""
    inputs = {
        side: {**part, "path": _inside(part.get("path"), folder) or Path(str(part.get("path"))).name}
        for side, part in content["inputs"].items()
    }
    return {**content, "inputs": inputs, "matches": None}


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


def _check(content: Mapping[str, Any], rules: str, source: Path) -> None:
    """The gate that is about to be written, run on its own baseline: it must pass."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="detkit-ci-") as scratch:
        path = Path(scratch, "rules.toml")
        path.write_text(rules, encoding="utf-8")
        verdict = gate({os.fspath(source): content}, load_rules(path), baseline=content)
    if verdict.outcome != "pass":
        reasons = [*verdict.problems, *(row.message for row in verdict.rows if row.verdict in ("fail", "undefined"))]
        raise CannotJudgeError(f"the result is no baseline: {'; '.join(dict.fromkeys(reasons)) or verdict.outcome}")
