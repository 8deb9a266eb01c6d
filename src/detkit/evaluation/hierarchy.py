"""A class hierarchy applied to a truth: a box of a class is also one of every class above it.

Source: tensorflow/models, research/object_detection/dataset_tools/oid_hierarchical_labels_expansion.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.errors import InputError
from detkit.evaluation.federated import NEGATIVE, POSITIVE
from detkit.findings import Finding
from detkit.ragged import fresh_ids
from detkit.tables import Annotations, Categories, Dataset, freeze, id_array
from detkit.wording import examples, plural

__all__ = ["Hierarchy", "expand", "read_hierarchy"]

_DEEPEST = 100


@dataclass(frozen=True)
class Hierarchy:
    """Which classes stand above which.

    Parameters
    ----------
    ancestors : mapping of str to tuple of str
        Label -> labels above it, nearest first, each once; the root is left out.
    """

    ancestors: Mapping[str, tuple[str, ...]]


def read_hierarchy(document: Any) -> Hierarchy:
    """A hierarchy from the tree that Open Images publishes.

    Parameters
    ----------
    document : mapping
        `{"LabelName": root, "Subcategory": [{"LabelName": ..., "Subcategory": [...]}, ...]}`; the root is a common
        roof and no class. Other fields (`Part`) are not read.

    Returns
    -------
    Hierarchy

    Raises
    ------
    InputError
        Not such a tree; the message names the place.
    """
    above: dict[str, list[str]] = {}

    def walk(nodes: Any, path: tuple[str, ...], place: str) -> None:
        if not isinstance(nodes, Sequence) or isinstance(nodes, str):
            raise InputError(f"class hierarchy: {place} is {type(nodes).__name__}, expected a list")
        for n, node in enumerate(nodes):
            here = f"{place}[{n}]"
            label = node.get("LabelName") if isinstance(node, Mapping) else None
            if not isinstance(label, str):
                raise InputError(f"class hierarchy: {here} has no `LabelName`, expected a node with its label")
            if label in path or len(path) > _DEEPEST:
                raise InputError(f"class hierarchy: {here}: `{label}` stands below itself")
            own = above.setdefault(label, [])
            own += [name for name in reversed(path) if name not in own]
            walk(node.get("Subcategory", ()), (*path, label), f"{here}.Subcategory")

    if not isinstance(document, Mapping) or "Subcategory" not in document:
        raise InputError("class hierarchy: no `Subcategory` at the top, expected the tree that Open Images publishes")
    walk(document["Subcategory"], (), "Subcategory")
    return Hierarchy({label: tuple(names) for label, names in above.items()})


def expand(truth: Dataset, hierarchy: Hierarchy) -> Dataset:
    """The truth with a copy of each box for every class above its own, and the images' class lists likewise.

    A class that is present makes those above it present; one that is absent makes those below it absent.

    Parameters
    ----------
    truth : Dataset
    hierarchy : Hierarchy
        Its labels are names of classes, their ids as text, or their field `freebase_id`. Labels that are no class of
        the truth are passed over.

    Returns
    -------
    Dataset
        Copies follow their box and have new annotation ids. Classes the hierarchy lacks stay, with a finding `DK110`.

    Raises
    ------
    InputError
        No class of the truth is in the hierarchy.
    """
    categories = truth.categories
    place = _places(categories)
    above = [()] * len(categories)  # type: list[tuple[int, ...]]
    known = set()
    for label, names in hierarchy.ancestors.items():
        if label in place:
            known.add(place[label])
            above[place[label]] = tuple(place[name] for name in names if name in place)
    if len(categories) and not known:
        raise InputError(
            f"no class of the truth is in the class hierarchy (classes: {examples(categories.names)}; "
            f"hierarchy: {examples(list(hierarchy.ancestors))})",
            hint="labels are met with names, ids and the field `freebase_id` of the classes",
        )
    findings = truth.findings
    apart = [categories.names[k] for k in range(len(categories)) if k not in known]
    if apart:
        counted = plural(len(apart), "class stands by itself, as it is", "classes stand by themselves, as they are")
        message = f"{counted} not in the class hierarchy: {examples(apart)}"
        findings = (*findings, Finding("DK110", message, count=len(apart)))
    images = replace(truth.images, extra=_labels(truth, above))
    return replace(truth, images=images, annotations=_boxes(truth.annotations, above), findings=findings)


def _places(categories: Categories) -> dict[str, int]:
    """Positions of the classes by everything a hierarchy may call them; names come first."""
    place: dict[str, int] = {}
    for k, fields in categories.extra.items():
        if isinstance(fields.get("freebase_id"), str):
            place[fields["freebase_id"]] = k
    place |= {str(i): k for k, i in enumerate(categories.ids.tolist())} if categories.has_own_ids else {}
    return place | {name: k for k, name in enumerate(categories.names)}


def _boxes(rows: Annotations, above: Sequence[tuple[int, ...]]) -> Annotations:
    more = np.array([len(names) for names in above], dtype=np.int64)
    times = 1 + more[rows.category_index] if len(rows) else np.zeros(0, np.int64)
    source = np.repeat(np.arange(len(rows)), times)
    if len(source) == len(rows):
        return rows
    first = np.concatenate([[0], np.cumsum(times)[:-1]])
    is_copy = np.ones(len(source), np.bool_)
    is_copy[first] = False
    classes = rows.category_index[source]
    classes[is_copy] = [k for own in rows.category_index.tolist() for k in above[own]]
    out = rows.take(source)
    return replace(out, category_index=freeze(classes), ids=_new_ids(rows.ids[source], is_copy))


def _new_ids(ids: NDArray[Any], is_copy: NDArray[np.bool_]) -> NDArray[Any]:
    out, places = ids.tolist(), np.flatnonzero(is_copy).tolist()
    for place, fresh in zip(places, fresh_ids([None] * len(places), out), strict=True):
        out[place] = fresh
    return id_array(out)


def _labels(truth: Dataset, above: Sequence[tuple[int, ...]]) -> Mapping[int, Mapping[str, Any]]:
    ids = truth.categories.ids.tolist()
    up = {ids[k]: [ids[p] for p in above[k]] for k in range(len(ids))}
    down: dict[Any, list[Any]] = {category: [] for category in ids}
    for child, parents in up.items():
        for parent in parents:
            down[parent].append(child)
    extra: dict[int, Mapping[str, Any]] = dict(truth.images.extra)
    for image, fields in truth.images.extra.items():
        wider = dict(fields)
        for name, ways in ((NEGATIVE, down), (POSITIVE, up)):
            stated = fields.get(name)
            if isinstance(stated, list | tuple) and all(isinstance(own, int | str) for own in stated):
                reached = [i for own in stated for i in ways.get(own, ())]
                wider[name] = list(dict.fromkeys([*stated, *reached]))
        extra[image] = wider
    return extra
