"""Records of Hugging Face's metadata files and Parquet shards, and the class names beside them."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from detkit import files
from detkit.errors import InputError

__all__ = [
    "METADATA",
    "PARQUET",
    "Record",
    "class_names",
    "data_files",
    "has_boxes",
    "records",
    "split_of",
    "starts_with_a_line",
]

METADATA = ("metadata.jsonl", "metadata.csv")
PARQUET = ".parquet"
_SHARD = re.compile(r"^(.+?)-\d{5}-of-\d{5}(?:-[0-9a-f]+)?$")
_SPLITS = frozenset(("train", "val", "valid", "validation", "dev", "test"))
_BATCH = 256
#: Rows with pictures that are in memory at a time.
_PICTURES = 32
#: Bytes among which the first line of a text ends.
_FIRST_LINE = 1_000_000
#: Columns of a shard that are read; of `image` all but the picture where the sizes are stated.
_COLUMNS = ("image_id", "id", "file_name", "width", "height", "objects")


@dataclass(frozen=True)
class Record:
    """One image as a row of a file states it; `number` counts lines or rows from 1, `picture` is its file's bytes."""

    value: Mapping[str, Any]
    number: int
    picture: bytes | None = None


def data_files(path: Path) -> list[Path]:
    """The file itself, or all metadata files and Parquet shards below a folder, sorted."""
    if path.is_file():
        return [path]
    found: list[Path] = []
    for root, folders, names in os.walk(path):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        found += [Path(root, n) for n in names if n in METADATA or (n.endswith(PARQUET) and n[0] not in "._")]
    return sorted(found, key=lambda p: p.relative_to(path).as_posix())


def split_of(file: Path, root: Path, stated: list[Any] | None) -> str | None:
    """The split that a file holds: as detkit wrote it, else by the shard's name or the folder's."""
    folder = file.parent.name if file.parent != root else ""
    if stated is not None:
        return folder if folder in stated else None
    match = _SHARD.match(file.stem) if file.suffix == PARQUET else None
    if match:
        return match[1]
    return folder if folder.lower() in _SPLITS else None


def records(file: Path, *, pictures: bool = False) -> Iterator[Record | str]:
    """Rows of a file; a text is what is wrong with the row that stands there.

    The pictures of a shard are read where they are asked for, or where nothing else tells their size.

    Raises
    ------
    InputError
        The file cannot be read.
    MissingExtraError
    """
    if file.suffix.lower() == PARQUET:
        yield from _shard(file, pictures)
        return
    try:
        yield from _table(file) if file.suffix.lower() == ".csv" else _lines(file)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot be read: {error}", path=file) from error


def starts_with_a_line(file: Path) -> bool:
    """Whether a text has a line end among its first bytes, or is no longer than these."""
    try:
        with os.fdopen(files.open_regular(file), "rb") as handle:
            head = handle.read(_FIRST_LINE)
    except OSError as error:
        raise InputError(f"cannot be read: {error}", path=file) from error
    return b"\n" in head or len(head) < _FIRST_LINE


def has_boxes(file: Path, names: tuple[str, ...]) -> bool:
    """Whether a shard has images and a column `objects` with one of these fields: the schema alone is read."""
    from detkit.formats._parquet_files import open_file, pyarrow

    pa, _, _ = pyarrow()
    with open_file(file) as shard:
        schema = shard.schema_arrow
    if "objects" not in schema.names or not {"image", "image_id", "file_name"} & set(schema.names):
        return False
    kind = schema.field("objects").type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind = kind.value_type
    return pa.types.is_struct(kind) and any(field.name in names for field in kind)


def _lines(file: Path) -> Iterator[Record | str]:
    with os.fdopen(files.open_regular(file), encoding="utf-8-sig") as handle:
        for number, line in enumerate(handle, 1):
            if line.strip():
                yield _row(line, number)


def _row(line: str, number: int) -> Record | str:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        return f"line {number}: not JSON: {error}"
    return Record(value, number) if isinstance(value, dict) else f"line {number}: not an object"


def _table(file: Path) -> Iterator[Record | str]:
    """Rows of a CSV file, `objects` as JSON."""
    with os.fdopen(files.open_regular(file), newline="", encoding="utf-8-sig") as handle:
        reader = csv.DictReader(handle)
        for row in reader:
            number = reader.line_num
            try:
                yield Record({**row, "objects": json.loads(row.get("objects") or "null")}, number)
            except (ValueError, RecursionError) as error:
                yield f"line {number}: `objects` is not JSON: {error}"


def _shard(file: Path, pictures: bool) -> Iterator[Record | str]:
    from detkit.formats._parquet_files import open_file, pyarrow

    pa, _, _ = pyarrow()
    with open_file(file) as shard:
        schema = shard.schema_arrow
        columns = [name for name in _COLUMNS if name in schema.names]
        if "image" in schema.names:
            parts = {field.name for field in schema.field("image").type} if _is_struct(pa, schema, "image") else set()
            wanted = {"path"} if {"width", "height"} <= set(columns) and not pictures else {"path", "bytes"}
            columns += [f"image.{part}" for part in sorted(parts & wanted)]
        number = 0
        try:
            for batch in shard.iter_batches(_PICTURES if "image.bytes" in columns else _BATCH, columns=columns):
                for value in batch.to_pylist():
                    number += 1
                    image = value.pop("image", None) or {}
                    name = value.get("file_name") or image.get("path")
                    yield Record({**value, "file_name": name}, number, image.get("bytes"))
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise InputError(f"damaged Parquet file: {str(error).partition(chr(10))[0]}", path=file) from error


def _is_struct(pa: Any, schema: Any, name: str) -> bool:
    return bool(pa.types.is_struct(schema.field(name).type))


def class_names(files: list[Path], root: Path) -> tuple[tuple[str, ...], Path | None]:
    """Names of a ClassLabel, and the file that states them: a shard, `README.md` or `dataset_infos.json`."""
    for file in files:
        names = _names_in(_shard_features(file)) if file.suffix.lower() == PARQUET else ()
        if names:
            return names, file
    for folder in dict.fromkeys((root, root.parent)):
        for name, features in (("README.md", _card), ("dataset_infos.json", _infos)):
            file = folder / name
            names = _names_in(features(file)) if file.is_file() else ()
            if names:
                return names, file
    return (), None


def _shard_features(file: Path) -> Any:
    from detkit.formats._parquet_files import open_file

    with open_file(file) as shard:
        text = (shard.schema_arrow.metadata or {}).get(b"huggingface")
    try:
        return json.loads(text) if text else None
    except ValueError:
        return None


def _card(file: Path) -> Any:
    """`dataset_info` of a dataset card: YAML between two lines `---`."""
    import yaml

    try:
        parts = re.split(r"(?m)^---[ \t]*\r?$", files.read_small(file).decode("utf-8-sig"), maxsplit=2)
        content = yaml.safe_load(parts[1]) if len(parts) == 3 and not parts[0].strip() else None
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return None
    return content.get("dataset_info") if isinstance(content, dict) else None


def _infos(file: Path) -> Any:
    try:
        return json.loads(files.read_small(file).decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return None


def _names_in(features: Any, *, inside: bool = False) -> tuple[str, ...]:
    """The first ClassLabel's names inside of `objects`: a list, or a mapping of numbers to names."""
    if isinstance(features, dict):
        if inside and (names := _listed(features.get("names"))):
            return names
        inside = inside or features.get("name") == "objects"
        children = [(value, inside or key == "objects") for key, value in features.items()]
    else:
        children = [(value, inside) for value in features] if isinstance(features, list) else []
    found = (_names_in(value, inside=within) for value, within in children)
    return next(islice(filter(None, found), 1), ())


def _listed(names: Any) -> tuple[str, ...]:
    if isinstance(names, dict):
        keys = {str(key): value for key, value in names.items()}
        names = [keys.get(str(n)) for n in range(len(keys))]
    if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
        return ()
    return tuple(names) if len(set(names)) == len(names) else ()
