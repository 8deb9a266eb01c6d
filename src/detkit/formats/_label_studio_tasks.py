"""Label Studio's files as tasks of one form, and the names of their images."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from detkit.errors import InputError
from detkit.formats._base import Kind, Probe
from detkit.formats._images import SUFFIXES, is_inside
from detkit.formats._json_file import names_in, read_json
from detkit.formats._labelme_read import json_below
from detkit.formats._manifest import read_manifest

__all__ = ["Task", "image_names", "keeps_prefix", "probe", "results_of", "tasks_of"]

_UPLOAD = re.compile(r"(?:^|/)(?:data/)?upload/(?:\d+/)?([^/]+)$")
_PREFIX = re.compile(r"^[0-9a-f]{8}-(?=.)", re.IGNORECASE)
_SAMPLE = 20


@dataclass(frozen=True)
class Task:
    """One image with what was said of it.

    Parameters
    ----------
    image : str
        As stated: a path or an address.
    data : mapping
        Fields of the task's `data`.
    annotations, predictions : list of mapping
        With a list `result` each.
    """

    image: str
    data: Mapping[str, Any]
    annotations: list[Mapping[str, Any]]
    predictions: list[Mapping[str, Any]]


def probe(path: Path, kind: Kind) -> Probe:
    """Whether a path is Label Studio's JSON, and why or why not."""
    if path.is_file():
        if path.suffix.lower() != ".json":
            return Probe(False, f"a `{path.suffix or 'suffixless'}` file, expected .json or a folder with one")
        files = [path]
    else:
        files = [file for _, file in json_below(path)[:_SAMPLE]]
        manifest = read_manifest(path, "label_studio")
        if manifest is not None and manifest.kind in ("dataset", "detections"):
            return Probe(manifest.kind == kind, f"detkit.json says this is a Label Studio folder ({manifest.kind})")
    if not files:
        return Probe(False, "no .json file in the folder")
    tasks = [task for file in files for task in _quietly(file)]
    if not tasks:
        return Probe(False, f"`{files[0].name}` holds no tasks with `data` and `annotations` or `predictions`")
    if kind == "dataset":
        found = any(task.annotations for task in tasks)
        return Probe(found, "tasks with annotations" if found else "tasks without annotations")
    found = any(p["result"] for task in tasks for p in task.predictions)
    return Probe(found, "tasks with predictions" if found else "tasks without predictions")


def _quietly(file: Path) -> list[Task]:
    names = names_in(file)
    if names is not None and not names & {"data", "task"}:
        return []
    try:
        return tasks_of(read_json(file)) or []
    except InputError:
        return []


def tasks_of(value: Any) -> list[Task] | None:
    """Tasks of a JSON value: an export, a single task, or one annotation with its task; None for anything else."""
    if isinstance(value, dict) and isinstance(value.get("task"), dict) and isinstance(value.get("result"), list):
        value = [{"data": value["task"].get("data"), "annotations": [value]}]
    records = [value] if isinstance(value, dict) else value
    if not isinstance(records, list):
        return None
    tasks = [_task(record) for record in records]
    known = [task for task in tasks if task is not None]
    # A list of something else that has a record like a task is still something else.
    return known if known and 2 * len(known) > len(records) else None


def _task(record: Any) -> Task | None:
    if not isinstance(record, dict):
        return None
    data = record.get("data")
    if not isinstance(data, dict):
        return _minimal(record)
    said = {key: record[key] for key in ("annotations", "completions", "predictions") if key in record}
    if not said or not all(isinstance(v, list) for v in said.values()):
        return None
    image = _image_in(data)
    if image is None:
        return None
    annotations = _with_results(said.get("annotations", said.get("completions", [])))
    return Task(image, data, annotations, _with_results(said.get("predictions", [])))


def _with_results(values: list[Any]) -> list[Mapping[str, Any]]:
    return [v for v in values if isinstance(v, dict) and isinstance(v.get("result"), list)]


def _minimal(record: Mapping[str, Any]) -> Task | None:
    """A task of JSON-MIN: regions stand under the name of their control, beside the fields of the data."""
    regions = [
        {**region, "type": kind, "value": region, "from_name": name}
        for name, values in record.items()
        if isinstance(values, list)
        for region in values
        if isinstance(region, dict)
        for kind in [_kind_of(region)]
        if kind is not None
    ]
    image = _image_in(record)
    if image is None or not (regions or "annotation_id" in record):
        return None
    return Task(image, record, [{"result": regions}], [])


def _kind_of(region: Mapping[str, Any]) -> str | None:
    return next((key for key, v in region.items() if key.endswith("labels") and isinstance(v, list)), None)


def _image_in(data: Mapping[str, Any]) -> str | None:
    """The field that states the image: called so, else the first text that ends like an image's name."""
    texts = {key: value for key, value in data.items() if isinstance(value, str) and value}
    for key in ("image", "img", "ocr", "captioning", "url"):
        if key in texts:
            return texts[key]
    return next((v for v in texts.values() if PurePosixPath(_path_of(v)).suffix.lower() in SUFFIXES), None)


def image_names(stated: list[str]) -> list[tuple[str, str]]:
    """For each image its name, and the name with the prefix that uploads get (the same where there is none).

    `/data/upload/1/1a2b3c4d-a.jpg` is `a.jpg`, unless two uploads would share that name. Of a local file and of one in
    a bucket the folders are kept, of another address the last part.
    """
    full = [_path_of(text) for text in stated]
    short = [_PREFIX.sub("", name) if _UPLOAD.search(text) else name for name, text in zip(full, stated, strict=True)]
    owners: dict[str, set[str]] = {}
    for name, text in zip(short, stated, strict=True):
        owners.setdefault(name, set()).add(text)
    return [(s if len(owners[s]) == 1 else f, f) for s, f in zip(short, full, strict=True)]


def keeps_prefix(stated: str, name: str) -> bool:
    """Whether an upload is called by its prefix and name, since another upload has the same name."""
    return _UPLOAD.search(stated) is not None and _PREFIX.match(name) is not None


def _path_of(text: str) -> str:
    upload = _UPLOAD.search(text)
    if upload:
        return unquote(upload[1])
    parts = urlsplit(text)
    query = parse_qs(parts.query)
    if "local-files" in parts.path and "d" in query:
        path = query["d"][0]
    elif parts.scheme in ("s3", "gs", "azure-blob"):
        path = unquote(parts.path)
    elif parts.scheme in ("http", "https"):
        path = unquote(parts.path).rpartition("/")[2]
    else:
        path = unquote(text)
    path = "/".join(p for p in path.replace("\\", "/").split("/") if p not in ("", "."))
    return path if is_inside(path) else path.rpartition("/")[2]


def results_of(entry: Mapping[str, Any]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Position and content of each result that is an object."""
    for number, result in enumerate(entry["result"]):
        if isinstance(result, dict) and isinstance(result.get("value"), dict):
            yield number, result
