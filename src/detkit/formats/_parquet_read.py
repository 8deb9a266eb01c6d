"""Parquet files to `Detections`: batch by batch into columns, ids and names looked up once a distinct value."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit import files
from detkit.errors import InputError
from detkit.findings import Finding
from detkit.formats._base import ReadOptions
from detkit.formats._parquet_batch import Table, numbers_of, positions_of
from detkit.formats._parquet_columns import Columns, columns_of, own_columns
from detkit.formats._parquet_files import SUFFIX, open_file, part_files, pyarrow
from detkit.formats._parquet_foreign import Foreign
from detkit.formats._parquet_header import SCHEMA, Header, keys_of, read_header
from detkit.formats._parquet_outlines import Outlines
from detkit.tables import Detections, Images, Source, id_array
from detkit.wording import plural

__all__ = ["read_files"]

_BATCH = 200_000


def read_files(path: Path, options: ReadOptions) -> Detections:
    """Predictions of a file, or of a folder's files in the order of their names.

    Raises
    ------
    InputError
        No Parquet, columns or shards missing, or metadata of another version.
    MissingExtraError
    """
    parts = part_files(path)
    if not parts:
        raise InputError(f"holds no `{SUFFIX}` files", path=path)
    pa, _, _ = pyarrow()
    with ThreadPoolExecutor(1) as pool, ExitStack() as stack:
        digest = pool.submit(files.sha256_of, parts, root=path if path.is_dir() else None)
        opened = [stack.enter_context(open_file(part)) for part in parts]
        headers = [read_header(f.metadata.metadata, part) for f, part in zip(opened, parts, strict=True)]
        own = [h for h in headers if h is not None]
        try:
            if own:
                found = _own(path, parts, opened, headers, options)
            else:
                found = _foreign(path, parts, opened, options)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise InputError(f"damaged Parquet file: {str(error).splitlines()[0]}", path=path) from error
        return replace(found, source=Source(str(path), "parquet", digest.result()))


def _own(
    path: Path, parts: Sequence[Path], opened: Sequence[Any], found: Sequence[Header | None], options: ReadOptions
) -> Detections:
    headers, findings = _shards(path, parts, found)
    images = _images([h.images for h in headers])
    first = headers[0]
    image_at = _lookup(path, images.ids)
    class_at = _lookup(path, first.categories.ids)
    table = Table(sum(f.metadata.num_rows for f in opened))
    outlines = Outlines(with_shapes=options.with_shapes, with_extra=options.with_extra)
    stated: dict[str, list[NDArray[Any]]] = {"area": [], "source_row": []}
    for part, file in zip(parts, opened, strict=True):
        columns = own_columns(file.schema_arrow)
        if isinstance(columns, str):
            raise InputError(f"{columns}, expected those of {SCHEMA}", path=part)
        extras = [name for name in columns.extras if name in stated or outlines.wants(name)]
        columns = replace(columns, extras=tuple(extras))
        outlines.begin(extras)
        for batch in file.iter_batches(_BATCH, columns=columns.used):
            bad = table.start(part, batch.num_rows)
            xywh, score = numbers_of(table, batch, columns, bad)
            image = _position(table, batch, columns.image_id, image_at, bad, "image")
            category = _position(table, batch, columns.category_id, class_at, bad, "category")
            kept = np.flatnonzero(~bad)
            table.add(kept, image, category, xywh, score)
            for name, found_values in stated.items():
                found_values.append(_stated(table, batch, name, kept, xywh))
            outlines.add(batch, kept)
        table.end()
    result = table.columns()
    return Detections.build(
        images,
        first.categories,
        **result,
        area=np.concatenate([*stated["area"], np.zeros(0)]),
        source_row=np.concatenate([*stated["source_row"], np.zeros(0, np.int64)]),
        has_boxes=first.has_boxes,
        units=first.units,
        findings=(*findings, *table.findings(suspects=first.has_boxes)),
        **outlines.columns(len(result["score"])),
    )


def _stated(table: Table, batch: Any, name: str, kept: NDArray[np.int64], xywh: NDArray[np.float64]) -> NDArray[Any]:
    """Areas or source rows of the rows kept, or what they are where the file has no such column."""
    if name in batch.schema.names:
        column = batch.column(name)
        if not column.null_count:
            return np.asarray(column.to_numpy(zero_copy_only=False)[kept])
    if name == "area":
        return np.asarray(xywh[kept, 2] * xywh[kept, 3])
    return table.rows_before(kept)


def _shards(path: Path, parts: Sequence[Path], found: Sequence[Header | None]) -> tuple[list[Header], list[Finding]]:
    """The headers in order, once all files are there and belong together."""
    headers = [h for h in found if h is not None]
    if len(headers) < len(found):
        other = parts[[h is None for h in found].index(True)]
        raise InputError("has no metadata of detkit, the files beside it have; expected shards of one run", path=other)
    if len(headers) == 1:
        shard = headers[0].shard
        if shard is None or shard[1] == 1:
            return headers, []
        if path.is_dir():
            raise InputError(_lacking({shard[0]}, shard[1]), path=path)
        message = f"shard {shard[0]} of {shard[1]} read alone: only its {plural(len(headers[0].images), 'image')}"
        return headers, [Finding("DK110", message, file=str(path))]
    shards = [h.shard for h in headers]
    counts = {s and s[1] for s in shards}
    numbers = [s[0] for s in shards if s is not None]
    if None in shards or len(counts) > 1 or len(set(numbers)) < len(numbers):
        raise InputError("holds several files that are no shards of one run", path=path, hint="give one of them")
    count = next(s[1] for s in shards if s is not None)
    if set(numbers) != set(range(1, count + 1)):
        raise InputError(_lacking(set(numbers), count), path=path)
    if numbers != sorted(numbers):
        raise InputError("the names of the shards are not in their order", path=path)
    for part, header in zip(parts, headers, strict=True):
        mine, theirs = headers[0].categories, header.categories
        if mine.names != theirs.names or mine.ids.tolist() != theirs.ids.tolist():
            raise InputError("has other classes than the first shard; expected shards of one run", path=part)
    return headers, []


def _lacking(numbers: set[int], count: int) -> str:
    lacking = sorted(set(range(1, count + 1)) - numbers)
    shown = ", ".join(map(str, lacking[:5])) + (", ..." if len(lacking) > 5 else "")
    noun = "shard" if len(lacking) == 1 else "shards"
    return f"{noun} {shown} of {count} missing"


def _images(parts: Sequence[Images]) -> Images:
    """The images of all shards, one after the other."""
    if len(parts) == 1:
        return parts[0]
    extra: dict[int, Any] = {}
    first = 0
    for part in parts:
        extra |= {first + i: fields for i, fields in part.extra.items()}
        first += len(part)
    return Images(
        id_array([i for part in parts for i in part.ids.tolist()]),
        tuple(name for part in parts for name in part.file_names),
        np.concatenate([part.sizes for part in parts]),
        has_own_ids=parts[0].has_own_ids,
        extra=extra,
    )


def _lookup(path: Path, ids: NDArray[Any]) -> dict[Any, int]:
    keys = keys_of(ids)
    found = {key: position for position, key in enumerate(keys)}
    if len(found) < len(keys):
        raise InputError("an id is in the tables of several shards", path=path)
    return found


def _position(
    table: Table, batch: Any, name: str | None, known: dict[Any, int], bad: NDArray[np.bool_], what: str
) -> NDArray[np.int64]:
    """Positions of ids in the header's table; rows with another id are reported and left out."""
    column = batch.column(name)
    index = positions_of(column, known, grow=False)
    table.reject(bad, index == -2, lambda row: f"`{name}` is null")
    code = {"image": "DK104", "category": "DK105"}[what]
    table.reject(
        bad,
        index == -1,
        lambda row: f"`{name}` is {column[row].as_py()!r}, which is no {what} of the file's metadata",
        code,
    )
    return index


def _foreign(path: Path, parts: Sequence[Path], opened: Sequence[Any], options: ReadOptions) -> Detections:
    columns: list[Columns] = []
    for part, file in zip(parts, opened, strict=True):
        found = columns_of(file.schema_arrow)
        if isinstance(found, str):
            raise InputError(found, path=part, hint="rename the columns, or write the file with `detkit convert`")
        columns.append(found)
    first = columns[0]
    for part, other in zip(parts, columns, strict=True):
        if other != first:
            raise InputError("has other columns than the first file of the folder", path=part)
    table = Table(sum(f.metadata.num_rows for f in opened))
    foreign = Foreign(path, first, options)
    for part, file in zip(parts, opened, strict=True):
        for batch in file.iter_batches(_BATCH, columns=first.used):
            bad = table.start(part, batch.num_rows)
            values = numbers_of(table, batch, foreign.columns, bad)
            image, category = foreign.keys(table, batch, bad)
            table.add(np.flatnonzero(~bad), image, category, *values)
        table.end()
    result = table.columns()
    images, categories = foreign.images(result), foreign.categories(result)
    findings = (*foreign.findings(result["xywh"]), *table.findings(suspects=True))
    return Detections.build(images, categories, **result, findings=findings)
