"""Images to splits: classes in equal shares, groups never cut; or by hash, so that no image ever moves.

Three ways, and what each guarantees. All keep groups whole and give the same splits for the same seed.

- stratified (`boxes` or `images`): sizes as asked for, each class as near to its share as groups allow; adding images
  may move others, unless the old splits are kept (`keep`).
- random (`none`): sizes as asked for, classes as chance has it.
- stable: a group's split follows from its own name and the seed alone, so adding or removing images moves no other
  group; sizes and classes are those of chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from detkit.errors import UsageError
from detkit.evaluation.images import image_label
from detkit.findings import Finding, Loss
from detkit.tables import Dataset, freeze
from detkit.transforms._assign import LabelCounts, by_hash, count_labels, randomly, stratified
from detkit.transforms._balance import balance_of
from detkit.transforms._change import Change
from detkit.transforms._groups import (
    KEYWORDS,
    GroupRule,
    Groups,
    by_attribute,
    by_keyword,
    by_mapping,
    by_pattern,
    join_rules,
)
from detkit.wording import examples, plural

__all__ = ["GroupRule", "Stratify", "fold_splits", "group_rule", "split"]

Stratify = Literal["boxes", "images", "none"]


def group_rule(dataset: Dataset, rule: str | Mapping[str, Sequence[str]], name: str | None = None) -> GroupRule:
    """Which images belong together by one rule.

    Parameters
    ----------
    dataset : Dataset
    rule : str or mapping
        `folder`, `video`, `export-prefix`, `bytes`; `@NAME`, an attribute of images or boxes; a regular expression on
        file names; or image -> keys.
    name : str, optional
        What to call a mapping.

    Returns
    -------
    GroupRule

    Raises
    ------
    UsageError
        The rule says nothing of any image.
    """
    if not isinstance(rule, str):
        return by_mapping(dataset.images, rule, name or "of a mapping")
    if rule.startswith("@"):
        return by_attribute(dataset, rule[1:].removeprefix("attribute:"))
    return by_keyword(dataset.images, rule) if rule in KEYWORDS else by_pattern(dataset.images, rule)


def split(
    dataset: Dataset,
    ratios: Mapping[str, float],
    *,
    stratify: Stratify = "boxes",
    rules: Sequence[GroupRule] = (),
    seed: int = 0,
    stable: bool = False,
    keep: Mapping[str, Sequence[int]] | None = None,
) -> Change:
    """The dataset with every image in one split.

    Parameters
    ----------
    dataset : Dataset
    ratios : mapping of str to float
        Split -> share of the images; they sum to 1.
    stratify : {"boxes", "images", "none"}
        What is shared out evenly: boxes of each class, images that have each class, or nothing but images.
    rules : sequence of GroupRule
        Images that a rule joins stay together; several rules join their groups.
    seed : int
    stable : bool
        By hash of the group's name instead.
    keep : mapping of str to positions, optional
        Earlier splits: these images stay where they are, and so does what is grouped with them.

    Returns
    -------
    Change
        The splits of the dataset are replaced; `details` holds sizes, classes and distances for the report.

    Raises
    ------
    UsageError
        Ratios that are no shares of one, `keep` that cuts a group or names other splits, or `keep` with `stable`.
    """
    names, shares = _ratios(ratios)
    if stable and keep:
        raise UsageError("a stable split needs no earlier one: nothing moves", hint="leave out --keep or --stable")
    groups = join_rules(dataset.images, rules)
    sizes = groups.sizes()
    fixed = _kept(dataset, groups, names, keep or {})
    if stable:
        of_group = by_hash(groups.keys, shares, seed)
    elif stratify == "none":
        of_group = randomly(sizes, shares, fixed, seed)
    else:
        of_group = stratified(_labels(dataset, groups, stratify), sizes, shares, fixed, seed)
    found = of_group[groups.index]
    nothing = np.full(len(groups), -1, np.int64)
    balance = balance_of(
        dataset, found, shares, lambda number: randomly(sizes, shares, nothing, seed + 1 + number)[groups.index]
    )
    members = {name: freeze(np.flatnonzero(found == s)) for s, name in enumerate(names)}
    way = "stable" if stable else "random" if stratify == "none" else "stratified"
    details: dict[str, Any] = {
        "method": {
            "way": way,
            "stratify": None if stable else stratify,
            "seed": seed,
            "ratios": dict(zip(names, shares, strict=True)),
            "groups": list(groups.rules),
            "kept": 0 if keep is None else int(sum(len(m) for m in keep.values())),
        },
        "groups": {
            "count": len(groups),
            "of_several_images": int(np.count_nonzero(sizes > 1)),
            "largest": int(sizes.max(initial=0)),
        },
        **balance.to_dict(names, dataset.categories.names, np.bincount(of_group, minlength=len(names))),
        "leaks": leaks(dataset, members, groups),
    }
    losses = (Loss("splits of the source", "replaced", len(dataset.splits), tuple(dataset.splits)[:3]),)
    return Change(
        replace(dataset, splits=members),
        losses if dataset.splits else (),
        (*groups.findings, *_noticed(details, groups, names, shares)),
        details,
    )


def fold_splits(dataset: Dataset, fold: str) -> Dataset:
    """The dataset for one fold of a split into folds: `val` is that fold, `train` the others.

    Parameters
    ----------
    dataset : Dataset
    fold : str
        Name of a split.

    Returns
    -------
    Dataset
    """
    rest = [members for name, members in dataset.splits.items() if name != fold]
    train = np.sort(np.concatenate(rest)) if rest else np.zeros(0, np.int64)
    return replace(dataset, splits={"train": freeze(train), "val": dataset.splits[fold]})


def leaks(dataset: Dataset, splits: Mapping[str, NDArray[np.int64]], groups: Groups) -> dict[str, int]:
    """Groups, and files, that stand in more than one split: looked for in the splits as they will be written.

    Parameters
    ----------
    dataset : Dataset
    splits : mapping of str to (M,) int64
    groups : Groups

    Returns
    -------
    dict of str to int
        `groups`, `files`.
    """
    of_group: dict[int, set[str]] = {}
    of_file: dict[str, set[str]] = {}
    for name, members in splits.items():
        for position in members.tolist():
            of_group.setdefault(int(groups.index[position]), set()).add(name)
            file = dataset.images.paths[position] or image_label(dataset.images, position)
            of_file.setdefault(file, set()).add(name)
    return {
        "groups": sum(len(found) > 1 for found in of_group.values()),
        "files": sum(len(found) > 1 for found in of_file.values()),
    }


def _ratios(ratios: Mapping[str, float]) -> tuple[list[str], list[float]]:
    shares = [float(value) for value in ratios.values()]
    told = ", ".join(f"{name}={value:g}" for name, value in ratios.items())
    if len(shares) < 2:
        raise UsageError(f"ratios `{told}`: expected two splits or more")
    if not all(0 < share < 1 for share in shares):
        raise UsageError(f"ratios `{told}`: expected numbers above 0 and below 1")
    if abs(sum(shares) - 1) > 1e-6:
        raise UsageError(f"ratios `{told}` sum to {sum(shares):g}, expected 1")
    return list(ratios), [share / sum(shares) for share in shares]


def _kept(
    dataset: Dataset, groups: Groups, names: Sequence[str], keep: Mapping[str, Sequence[int]]
) -> NDArray[np.int64]:
    """The split of groups with an image that stays, -1 elsewhere."""
    fixed = np.full(len(groups), -1, np.int64)
    for name, members in keep.items():
        if name not in names:
            raise UsageError(f"the split to keep has `{name}`, expected {' and '.join(names)}")
        for position in members:
            group = groups.index[position]
            before = fixed[group]
            if before not in (-1, names.index(name)):
                raise UsageError(
                    f"image `{image_label(dataset.images, int(position))}` is in `{name}`, and others of its group in "
                    f"`{names[before]}`: keeping both would cut the group",
                    hint="leave out --keep, or the --group that joins them",
                )
            fixed[group] = names.index(name)
    return fixed


def _labels(dataset: Dataset, groups: Groups, stratify: Stratify) -> LabelCounts:
    """What is shared out: each class, and images without a box."""
    rows, labels = dataset.annotations, len(dataset.categories) + 1
    empty = np.flatnonzero(np.diff(dataset.offsets) == 0)
    pairs = np.concatenate([rows.image_index * labels + rows.category_index, empty * labels + labels - 1])
    if stratify == "images":
        pairs = np.unique(pairs)
    return count_labels(groups.index[pairs // labels], pairs % labels, labels)


def _noticed(
    details: Mapping[str, Any], groups: Groups, names: Sequence[str], shares: Sequence[float]
) -> list[Finding]:
    findings = []
    largest, images = details["groups"]["largest"], len(groups.index)
    if len(groups) > 1 or largest > 1:
        room = min(shares) * images
        if largest > max(room, 1):
            message = f"the largest group has {plural(largest, 'image')}, more than a split may be small: {room:.0f}"
            findings.append(Finding("DK108", message))
    for part in details["splits"]:
        if images and not part["images"]:
            findings.append(
                Finding("DK108", f"split `{part['name']}` is empty: there are {plural(len(groups), 'group')}")
            )
    if sum(details["leaks"].values()):
        findings.append(Finding("DK502", f"images of one group are in several splits: {examples(names)}"))
    return findings
