"""The `detkit eval` that makes a result again, in a workflow: inputs, options, and the files that options name."""

from __future__ import annotations

import csv
import io
import json
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detkit.api._request import stated_request
from detkit.errors import InputError

__all__ = ["Command", "command_of", "inside"]

#: Where files that options name are written, below the root of the repository.
_FOLDER = ".detkit"
_UNSTATED = (
    "an earlier detkit wrote the result: add to `detkit eval` in the workflow what it does not state: "
    "--split, --classes, --class-map, --drop-invalid, formats"
)


@dataclass
class Command:
    """A command line that grows, with what it needs.

    Parameters
    ----------
    words : list of str
    files : dict of str to str
        Path below the repository -> text.
    missing : list of str
        What the workflow will lack as things are.
    """

    words: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    @property
    def line(self) -> str:
        """The words, quoted for a shell."""
        return shlex.join(self.words)

    def place(self, stated: Any, folder: Path, stand_in: str, what: str) -> str:
        """A path as the workflow names it, inside the repository or a name to fill in; notes what is not there."""
        path = inside(stated, folder)
        if path is None:
            self.missing.append(
                f"{stated}: not below `{folder}`; write where the {what} will be for {stand_in} in the workflow"
            )
        elif not (folder / path).exists():
            self.missing.append(f"{path}: no such file below `{folder}`, where the workflow will read the {what}")
        return path or stand_in

    def file(self, name: str, text: str) -> str:
        """The path of a file with this text, which is to be written."""
        path = f"{_FOLDER}/{name}"
        self.files[path] = text
        return path


def command_of(content: Mapping[str, Any], source: Path, folder: Path) -> Command:
    """The command that scores as a result was scored.

    Parameters
    ----------
    content : mapping
        A validated result.
    source : Path
        Its file, for messages.
    folder : Path
        Root of the repository.

    Returns
    -------
    Command

    Raises
    ------
    InputError
        The result does not state its protocol whole, or a request that makes no sense, or a name with a line break or
        an expression of GitHub's in it.
    """
    command = Command(["detkit", "eval"])
    for side, stand_in in (("ground_truth", "TRUTH"), ("predictions", "PREDICTIONS")):
        stated = content["inputs"][side].get("path")
        command.words.append(command.place(stated, folder, stand_in, side.replace("_", " ")))
    command.words += _protocol(content["protocol"], source)
    request = stated_request(content, source)
    if request is None:
        command.missing.append(_UNSTATED)
    _add(command, request or {}, folder)
    odd = next((word for word in command.words if not word.isprintable() or "${{" in word), None)
    if odd is not None:
        raise InputError(f"{odd!r:.60} cannot stand in a workflow: it would be more than a word there", path=source)
    return command


def _add(command: Command, request: Mapping[str, Any], folder: Path) -> None:
    """The options of a request, and the files that some of them name."""
    for option, value in request.items():
        flag = f"--{option.replace('_', '-')}"
        if isinstance(value, bool):
            command.words += [flag] if value else []
        elif option == "images":
            command.words += [flag, command.place(value, folder, "IMAGES", "images")]
        elif option == "ignore_category":
            command.words += [word for name in value for word in (flag, name)]
        elif option in _FILES:
            name, written = _FILES[option]
            command.words += [flag, command.file(name, written(value))]
        elif option == "image_sizes":
            command.words += [flag, _sizes(value, command)]
        else:
            command.words += [flag, _row(value) if isinstance(value, list) else str(value)]


def inside(path: Any, folder: Path) -> str | None:
    """The path below the folder, None where it lies elsewhere; a relative one may also count from the folder."""
    if not isinstance(path, str):
        return None
    root = folder.resolve()
    here, below = Path(path).resolve(), (root / path).resolve()
    place = below if below.exists() and not here.exists() else here
    return place.relative_to(root).as_posix() if place.is_relative_to(root) else None


def _protocol(stated: Mapping[str, Any], source: Path) -> list[str]:
    """The options that set up the result's protocol again; those of the protocol itself are left out."""
    from detkit.evaluation import protocols

    if missing := [key for key in ("name", "iou_type", *_FLAGS) if key not in stated]:
        raise InputError(f"does not state `{missing[0]}` of its protocol", path=source, place="protocol")
    usual = protocols.get(stated["name"], stated["iou_type"]).to_dict()
    words = [] if stated["name"] == "coco" else ["--protocol", stated["name"]]
    words += [] if stated["iou_type"] == "bbox" else ["--iou-type", stated["iou_type"]]
    for key, (flag, shown) in _FLAGS.items():
        if key == "area_ranges" and len(stated[key]) < 2:
            continue  # a truth in shares of the image has no sizes, whatever is asked for
        if stated[key] != usual[key]:
            words += [flag, *shown(stated[key])]
    return words


def _row(values: Sequence[Any]) -> str:
    """Values with commas between; one that holds a comma is quoted."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(values)
    return text.getvalue()


def _sizes(stated: Mapping[str, Any], command: Command) -> str:
    """`640x480`, or the file that lists them."""
    if not stated["by_name"] and stated["default"] is not None:
        return "x".join(f"{side:g}" for side in stated["default"])
    rows = [["file_name", "width", "height"], *([name, *size] for name, size in stated["by_name"].items())]
    return command.file("image-sizes.csv", "".join(f"{_row(row)}\n" for row in rows))


def _lines(values: Sequence[str]) -> str:
    return "".join(f"{value}\n" for value in values)


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _numbers(values: Any) -> list[str]:
    return [",".join(repr(value) for value in values)]


def _sides(ranges: Mapping[str, Any]) -> list[str]:
    """Areas as side lengths; the first range holds everything and is the program's own."""
    parts = (
        f"{name}:{math.sqrt(low):g}-{'inf' if high is None else f'{math.sqrt(high):g}'}"
        for name, (low, high) in list(ranges.items())[1:]
    )
    return [",".join(parts)]


#: Options whose value is a file in the workflow: its name, and how it is written.
_FILES: dict[str, tuple[str, Any]] = {
    "names": ("names.json", _json),
    "image_list": ("image-list.txt", _lines),
    "class_map": ("class-map.json", _json),
    "hierarchy": ("hierarchy.json", _json),
}
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
