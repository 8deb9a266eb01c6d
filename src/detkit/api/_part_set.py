"""Parts that belong together: what is missing, given twice or of another evaluation is said; the rest is folded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit import files
from detkit.api import _part_settings as plain
from detkit.api._scoring_input import refuse_low_coverage, refuse_low_scores
from detkit.api._shard_input import joined_images
from detkit.errors import CannotJudgeError, InputError, UsageError
from detkit.evaluation.folding import Predicted, empty_like, fold, no_truth
from detkit.evaluation.partial import Part
from detkit.evaluation.result import Evaluation
from detkit.findings import Finding
from detkit.tables import Source
from detkit.wording import plural

__all__ = ["fold_parts"]

#: What all parts of one evaluation have in common, with the words for it.
_COMMON = {
    "truth": "truth",
    "settings": "settings",
    "protocol": "protocol settings",
    "classes": "classes",
    "truth_rows": "truth",
    "image_count": "truth",
    "predicted_classes": "classes of the predictions",
    "units": "units of the predictions",
    "by_number": "way to match classes",
    "looks": "looks at shifted classes",
}

Named = Sequence[tuple[str, Part]]


def fold_parts(given: Named, *, jobs: int | None = None) -> Evaluation:
    """The evaluation that one process would have made.

    Raises
    ------
    UsageError
        A part is missing or given twice.
    CannotJudgeError
        Parts of different evaluations, or what `detkit.api.scoring.evaluate` raises.
    """
    parts = _complete(given)
    _require_same(parts)
    digest = _digest_of_predictions(parts)
    first = parts[0][1].meta
    settings, alone = first["settings"], [part for _, part in parts]
    predicted = _predicted(parts, digest)
    truth = replace(
        no_truth(),
        images=plain.images_of(first["truth_images"]),
        categories=plain.categories_of(first["truth_classes"]),
        units=first["units"],
        source=None if first["truth"]["path"] is None else Source(**first["truth"]),
    )
    readers = [Finding(**f) for name in ("truth", "predictions") for f in first["findings"][name]]
    result = fold(
        alone,
        truth,
        predicted,
        findings=readers,
        class_map=settings["class_map"],
        unmapped=settings["unmapped"],
        elsewhere=None if first["elsewhere"] is None else plain.images_of(first["elsewhere"]),
        strict=settings["strict"],
        jobs=jobs,
    )
    _require_enough(result, alone, settings)
    return replace(result, request=first["request"])


def _complete(given: Named) -> Named:
    """The parts in order, once every shard is there and none twice."""
    if not given:
        raise UsageError("no parts are given", hint="name the files of `detkit eval --shard i/n -o PART.npz`")
    count = given[0][1].meta["shard"][1]
    by_number: dict[int, tuple[str, Part]] = {}
    for path, part in given:
        number, own = part.meta["shard"]
        if own != count:
            raise CannotJudgeError(f"{given[0][0]} is one of {plural(count, 'part')} and {path} is one of {own}")
        if number in by_number:
            raise UsageError(f"part {number}/{count} is given twice: {by_number[number][0]} and {path}")
        by_number[number] = (path, part)
    missing = [n for n in range(1, count + 1) if n not in by_number]
    if missing:
        shown = ", ".join(map(str, missing[:5])) + (", ..." if len(missing) > 5 else "")
        hint = f"make it with `--shard {missing[0]}/{count}`"
        raise UsageError(f"{'part' if len(missing) == 1 else 'parts'} {shown} of {count} missing", hint=hint)
    return [by_number[number] for number in sorted(by_number)]


def _require_same(parts: Named) -> None:
    path, base = parts[0][0], parts[0][1].meta
    for other, part in parts[1:]:
        for name, words in _COMMON.items():
            mine, theirs = _common(base, name), _common(part.meta, name)
            if mine != theirs:
                detail = _first_difference(mine, theirs)
                raise CannotJudgeError(
                    f"{path} and {other} are parts of different evaluations: their {words} differ{detail}",
                    hint="make all parts with the same command but for `--shard`",
                )
        if not np.array_equal(_whole(parts[0][1], "truths"), _whole(part, "truths")):
            raise CannotJudgeError(f"{path} and {other} counted different truths")


def _common(meta: Mapping[str, Any], name: str) -> Any:
    """What is compared of a part; where the truth lies does not matter."""
    return {"sha256": meta["truth"]["sha256"]} if name == "truth" else meta[name]


def _first_difference(mine: Any, theirs: Any) -> str:
    if not (isinstance(mine, Mapping) and isinstance(theirs, Mapping)):
        return ""
    name = next(key for key in {**mine, **theirs} if mine.get(key) != theirs.get(key))
    a, b = (_short(one.get(name)) for one in (mine, theirs))
    return f" (`{name}`: {a} and {b})"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:36]}..."


def _digest_of_predictions(parts: Named) -> str | None:
    """SHA-256 of all predictions as one reader states it."""
    path, base = parts[0][0], parts[0][1].meta["predictions"]
    for other, part in parts[1:]:
        theirs = part.meta["predictions"]
        keys = ("format", "sha256", "listing")
        if any(base.get(key) != theirs.get(key) for key in keys):
            raise CannotJudgeError(
                f"{path} and {other} are parts of different evaluations: their predictions differ",
                hint="make all parts again from the same predictions",
            )
    if "listing" not in base:
        digest: str | None = base["sha256"]
        return digest
    digests = {name: d for _, part in parts for name, d in part.meta["predictions"]["files"].items()}
    unread = [name for name, _ in base["listing"] if name not in digests]
    if unread:
        raise CannotJudgeError(f"no part read `{unread[0]}` of the predictions", hint="make all parts again")
    return files.sha256_of_digests([(name, bytes.fromhex(digest)) for name, digest in digests.items()])


def _predicted(parts: Named, digest: str | None) -> Predicted:
    metas, alone = [part.meta for _, part in parts], [part for _, part in parts]
    order = np.argsort(_joined(alone, "image_key"), kind="stable")
    images = joined_images([plain.images_of(meta["predicted_images"]) for meta in metas]).take(order)
    ids = images.ids.tolist()
    if len(set(ids)) < len(ids):
        raise InputError("an id is in the tables of several shards", path=metas[0]["predictions"]["path"])
    image_of = _joined(alone, "image_of")[order]
    _require_apart(parts)
    stated = metas[0]["predictions"]
    source = None if stated["path"] is None or digest is None else Source(stated["path"], stated["format"], digest)
    return Predicted(
        images,
        plain.categories_of(metas[0]["predicted_classes"]),
        _joined(alone, "image_rows")[order],
        np.sum([_whole(part, "class_rows") for part in alone], axis=0),
        image_of,
        _whole(alone[0], "class_of"),
        empty_like(metas[0]["units"], metas[0]["has_boxes"], source),
    )


def _require_apart(parts: Named) -> None:
    """Raise when two shards scored one image of the truth."""
    taken: dict[int, str] = {}
    for path, part in parts:
        places = _whole(part, "image_of")
        for place in np.unique(places[places >= 0]).tolist():
            if taken.setdefault(place, path) != path:
                raise CannotJudgeError(
                    f"{taken[place]} and {path} both hold predictions for image {place} of the truth",
                    hint="two predicted images stand for one: evaluate in one process",
                )


def _require_enough(result: Evaluation, parts: Sequence[Part], settings: Mapping[str, Any]) -> None:
    """As `detkit.api.scoring.evaluate` judges what is left to score."""
    best = [part.meta["best_score"] for part in parts if part.meta["best_score"] is not None]
    refuse_low_scores(result, sum(part.meta["aligned_rows"] for part in parts), max(best, default=None))
    refuse_low_coverage(result, settings["min_coverage"])


def _whole(part: Part, name: str) -> NDArray[Any]:
    return np.asarray(part.arrays[name][:])


def _joined(parts: Sequence[Part], name: str) -> NDArray[np.int64]:
    return np.concatenate([_whole(part, name) for part in parts])
