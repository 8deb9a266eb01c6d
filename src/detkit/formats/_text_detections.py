"""Predictions as one text file an image, in any layout of columns: shared by the formats `yolo` and `voc`."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detkit import boxes, files
from detkit.errors import InputError
from detkit.findings import Finding
from detkit.formats._base import Probe, ReadOptions
from detkit.formats._layouts import (
    YOLO,
    Decision,
    Layout,
    boxes_of,
    decide,
    first_beyond_shares,
    layout_named,
    scores_of,
)
from detkit.formats._stems import find_sizes
from detkit.formats._text_classes import class_number, classes_of
from detkit.formats._text_oriented import (
    bounds_of,
    corner_columns,
    corners_of,
    is_oriented,
    outlines_of,
    without_tracks,
)
from detkit.formats._text_rows import TextFile, TextRows, list_text_files, parse_files
from detkit.formats._text_start import has_content
from detkit.formats._widerface_text import probe_result
from detkit.tables import Detections, Images, Source, Units
from detkit.wording import examples, plural

__all__ = ["probe", "read_text_detections"]

_DOTA_RESULTS = re.compile(r"Task[12]_.+")
_SAMPLE = 200
_HINT_CONFIDENCE = "write the confidences too: Ultralytics needs `save_txt=True save_conf=True`"


def probe(path: Path, kind_of: str) -> Probe:
    """Whether a folder holds text predictions of the format `yolo` or `voc`; never both.

    `yolo` is class number, centre and size (or four corners) as shares of the image, confidence last; every other
    layout, and one that cannot be told, is `voc`. A folder whose text files are all empty is predictions without a
    row, and `yolo`.

    Parameters
    ----------
    path : Path
    kind_of : {"yolo", "voc"}

    Returns
    -------
    Probe
    """
    is_yolo, why = _classify(path)
    if is_yolo is None:
        return Probe(False, why)
    return Probe(is_yolo == (kind_of == "yolo"), why)


def _classify(path: Path) -> tuple[bool | None, str]:
    """Whether it is YOLO's layout (None: no text predictions at all), and why."""
    if not path.is_dir():
        return None, "a folder of .txt files, one an image, was expected; this is a file"
    found = list_text_files(path)
    if not found:
        return None, "no .txt file in the folder"
    if all(_DOTA_RESULTS.fullmatch(f.name) for f in found):
        return None, "files Task1_<class>.txt, which are DOTA's results"
    if _says_yolo(path):
        return True, "detkit.json says these are YOLO predictions"
    filled = [f for f in found if has_content(f.path)]
    if not filled:
        return True, f"{len(found)} .txt files, all empty"
    if _is_widerface(filled[0].path):
        return None, "results of WIDER FACE (format `widerface`): a name and a count before the rows"
    rows = parse_files(filled[:_SAMPLE], 5, flag="track", start_only=True)
    if _look_oriented(rows) and is_oriented(corner_columns(filled[:_SAMPLE], start_only=True)):
        return True, "rows are a class number and four corners, as YOLO tools write oriented boxes"
    short = sum(b.kind == "short" for b in rows.bad)
    if len(rows) < max(1, len(rows.bad) - short):
        example = rows.bad[0] if rows.bad else None
        place = "" if example is None else f" ({rows.files[example.file].path.name} line {example.line})"
        reason = rows.unreadable[0].message if example is None and rows.unreadable else ""
        if short and short >= len(rows.bad) - short:
            return _short_rows_are_yolo(rows), f"rows without a confidence column{place}"
        return None, f"rows are not class, confidence and four numbers{place}{reason}"
    if short > len(rows):
        return _short_rows_are_yolo(rows), "rows without a confidence column"
    decision = decide(rows.values, np.full((len(rows), 2), np.nan), 1)
    numbered = _numbered(rows)
    if decision.layout == YOLO and numbered:
        return True, f"rows are `{YOLO.name}` with class numbers"
    if decision.layout is not None:
        return False, f"rows are `{decision.layout.name}`{'' if numbered else ' with class names'}, not YOLO's"
    return False, f"rows are text predictions of a layout that is {decision.basis} without image sizes"


def _says_yolo(path: Path) -> bool:
    """Whether detkit wrote this folder as YOLO predictions: then few rows are enough to know the columns."""
    try:
        content = json.loads(files.read_small(path / files.FOLDER_MARK).decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.get("format") == "yolo" and content.get("kind") == "detections"


def _is_widerface(path: Path) -> bool:
    try:
        return probe_result(path)[0]
    except OSError:
        return False


def _look_oriented(rows: TextRows) -> bool:
    """Whether the bulk of rows has more numbers than a box and a confidence."""
    return sum(b.kind == "polygon" for b in rows.bad) > len(rows)


def _numbered(rows: TextRows) -> bool:
    return all(class_number(label) is not None for label in set(rows.labels))


def _short_rows_are_yolo(rows: TextRows) -> bool:
    """Whether the bulk of rows without a confidence are YOLO labels: a class and four shares."""
    truth = parse_files(rows.files, 4, start_only=True)
    return 2 * int((np.abs(truth.values) <= 1.5).all(axis=1).sum()) >= max(1, len(truth))


def read_text_detections(path: Path, options: ReadOptions, format: str) -> Detections:
    """Predictions from a folder with one text file an image.

    Parameters
    ----------
    path : Path
    options : ReadOptions
        `layout` forces the columns; `reference_images` and `image_sizes` give sizes.
    format : {"yolo", "voc"}
        `yolo` is always read in YOLO's layout, unless `layout` names another.

    Returns
    -------
    Detections
        One image a text file, empty files included; pixels where sizes are known, else `normalised` for relative
        layouts. File names are relative, without suffix. Rows of a class, four corners and a confidence have
        outlines.

    Raises
    ------
    InputError
        No text file, no confidence column, a layout that cannot be told, sizes known for some images only, a class
        number without a name.
    """
    if not path.is_dir():
        raise InputError("a folder with one .txt file an image was expected, this is a file", path=path)
    found = list_text_files(path)
    if not found:
        raise InputError("no .txt file in the folder", path=path)
    rows, oriented = _rows(found, options)
    _refuse_other_kinds(rows, path, oriented)
    names = [file.name for file in found]
    sizes, in_reference, findings = find_sizes(names, path, options)
    decision = Decision(YOLO, "forced") if oriented else _decision(rows, sizes, path, options, format)
    layout = decision.layout or YOLO
    findings += _said(decision, rows, path, options)
    if oriented:
        findings += without_tracks(rows, path)
    else:
        rows, extra = _without_tracks(rows, layout, path)
        findings += extra
    if layout.relative and len(rows):
        keep, extra, units = _relative_units(rows, sizes, in_reference, path, options)
        findings += extra
    else:
        keep, units = np.ones(len(found), np.bool_), "pixels"
    rows = rows.keep(keep[rows.file_index]) if len(rows) else rows
    categories, category_index, extra = classes_of(rows, path, options)
    findings += extra
    corners = corners_of(rows) if oriented else None
    xywh = boxes_of(rows.values, layout, options.voc_offset) if corners is None else bounds_of(corners)
    new_position = np.cumsum(keep) - 1
    image_index = new_position[rows.file_index] if len(rows) else np.empty(0, np.int64)
    row_sizes = sizes[rows.file_index] if layout.relative and units == "pixels" and len(rows) else None
    if row_sizes is not None:
        xywh = boxes.denormalise(xywh, row_sizes)
    score = scores_of(rows.values, layout) if corners is None else rows.values[:, -1]
    kept = np.flatnonzero(keep)
    images = Images(
        np.arange(1, len(kept) + 1),
        tuple(names[i] for i in kept),
        sizes[kept],
        has_own_ids=False,
    )
    findings += [*rows.findings(), *_suspect(rows, xywh, score)]
    return Detections.build(
        images,
        categories,
        image_index=image_index,
        category_index=category_index,
        xywh=xywh,
        score=score,
        shapes=None if corners is None or not options.with_shapes else outlines_of(corners, row_sizes),
        units=units,
        source=Source(str(path), format, files.sha256_of((f.path for f in found), root=path)),
        findings=tuple(findings),
    )


def _rows(found: Sequence[TextFile], options: ReadOptions) -> tuple[TextRows, bool]:
    """Rows of all files, and whether they are oriented boxes."""
    rows = parse_files(found, 5, flag="track", jobs=options.jobs)
    if options.layout is not None or not _look_oriented(rows):
        return rows, False
    with_corners = corner_columns(found, options.jobs)
    return (with_corners, True) if is_oriented(with_corners) else (rows, False)


def _refuse_other_kinds(rows: TextRows, path: Path, oriented: bool) -> None:
    """Raise where the files hold something else than predictions of boxes."""
    kinds = Counter(b.kind for b in rows.bad)
    if kinds["short"] > len(rows):
        held = "four corners" if oriented else "four numbers"
        raise InputError(
            f"no confidence column: {plural(kinds['short'], 'row holds', 'rows hold')} a class and {held}, "
            "expected a confidence too",
            path=path,
            place=_first(rows, "short"),
            hint=_HINT_CONFIDENCE,
        )
    if kinds["polygon"] > len(rows):
        raise InputError(
            "rows hold outlines (a class and more than six numbers), expected boxes with a confidence",
            path=path,
            place=_first(rows, "polygon"),
            hint="of outlines only oriented boxes (class, four corners, confidence) are read; use COCO results",
        )
    if rows.bad and not len(rows):
        bad = rows.bad[0]
        raise InputError(
            f"no row can be read ({len(rows.bad)} tried); {bad.message}",
            path=rows.files[bad.file].path,
            place=f"line {bad.line}",
        )


def _first(rows: TextRows, kind: str) -> str:
    bad = next(b for b in rows.bad if b.kind == kind)
    return f"{rows.files[bad.file].path.name} line {bad.line}"


def _decision(rows: TextRows, sizes: NDArray[np.float64], path: Path, options: ReadOptions, format: str) -> Decision:
    if options.layout is not None:
        return Decision(layout_named(options.layout), "forced")
    if not len(rows):
        return Decision(None, "none")
    if format == "yolo":
        return _expect_yolo(rows)
    decision = decide(rows.values, sizes[rows.file_index], options.voc_offset)
    if decision.layout is not None:
        return decision
    if decision.candidates:
        raise InputError(_ambiguous(decision), path=path, hint=_hint(decision.candidates, rows))
    raise InputError(
        "the rows fit no layout of columns\n" + "\n".join(_reasons(decision, rows)),
        path=path,
        hint="name the layout with `--layout`; rows that do not fit it are then reported one by one",
    )


def _expect_yolo(rows: TextRows) -> Decision:
    row = first_beyond_shares(rows.values, YOLO)
    if row is not None:
        file, line = rows.place(row)
        shown = " ".join(f"{value:g}" for value in rows.values[row])
        raise InputError(
            f"found `{shown}` after the class, expected shares of the image and a confidence (`{YOLO.name}`)",
            path=file,
            place=line,
            hint="other layouts are read with `--predictions-format voc` (`--from voc`); `--layout` forces one",
        )
    return Decision(YOLO, "forced")


def _ambiguous(decision: Decision) -> str:
    texts = []
    for layout in decision.candidates:
        measured = decision.overflow.get(layout.name)
        texts.append(f"`{layout.name}`" + ("" if measured is None else f" (mean overflow {measured:.3g})"))
    return f"the rows can be read as {' or '.join(texts)}"


def _hint(candidates: Sequence[Layout], rows: TextRows) -> str:
    if YOLO in candidates and _numbered(rows):
        return f"say which: `--layout {YOLO.name}` is what Ultralytics writes"
    may = "" if candidates[0].relative else " (image sizes, by `--images DIR`, may settle it too)"
    return f"say which with `--layout {candidates[0].name}`{may}"


def _reasons(decision: Decision, rows: TextRows) -> list[str]:
    lines = []
    for name, (text, row) in decision.reasons.items():
        file, line = rows.place(row)
        lines.append(f"  {name}: {text} ({Path(file).name} {line})")
    return lines


def _said(decision: Decision, rows: TextRows, path: Path, options: ReadOptions) -> list[Finding]:
    """What the user is told about how the layout was found."""
    if decision.layout is None or decision.basis in ("forced", "only") or not len(rows):
        return []
    if decision.basis == "overflow" and decision.layout == YOLO:
        return []
    others = examples([c.name for c in decision.candidates if c != decision.layout])
    text = {
        "overflow": "its boxes stay inside the images",
        "standard": "the order of columns that YOLO tools write",
        "ordered corners": "image sizes are unknown, and x2 > x1 and y2 > y1 in every row",
        "left and top": "image sizes are unknown, and the others leave the images to the left or the top",
    }[decision.basis]
    name = decision.layout.name
    return [Finding("DK107", f"rows read as `{name}`: {text}; {others} would be possible too", file=str(path))]


def _without_tracks(rows: TextRows, layout: Layout, path: Path) -> tuple[TextRows, list[Finding]]:
    """Rows with an extra last number: a track id in YOLO's layout, a bad row in any other."""
    count = int(rows.flagged.sum())
    if not count:
        return rows, []
    if layout != YOLO:
        return rows.drop(rows.flagged, f"found 7 columns, expected 6 in layout `{layout.name}`"), []
    return rows, [Finding("DK109", "track ids (seventh column) are not kept", file=str(path), count=count)]


def _relative_units(
    rows: TextRows, sizes: NDArray[np.float64], in_reference: NDArray[np.bool_], path: Path, options: ReadOptions
) -> tuple[NDArray[np.bool_], list[Finding], Units]:
    """Which images stay, and whether their shares can become pixels."""
    known = np.asarray(~np.isnan(sizes).any(axis=1), np.bool_)
    keep = np.ones(len(sizes), np.bool_)
    with_rows = np.asarray(np.bincount(rows.file_index, minlength=len(sizes)) > 0, np.bool_)
    if not known[with_rows].any():
        return keep, [], "normalised"
    unknown = with_rows & ~known
    lost = np.flatnonzero(unknown & in_reference)
    if len(lost) or (unknown.any() and options.reference_images is None):
        lost = lost if len(lost) else np.flatnonzero(unknown)
        raise InputError(
            f"image sizes are known for some images only; {len(lost)} have none: "
            + examples([rows.files[i].name for i in lost.tolist()]),
            path=path,
            hint="give them with `--image-sizes FILE` or `--images DIR`",
        )
    keep &= ~unknown
    if not unknown.any():
        return keep, [], "pixels"
    first = rows.files[int(np.argmax(unknown))]
    count = int(np.count_nonzero(unknown[rows.file_index]))
    message = (
        f"{plural(count, 'prediction is', 'predictions are')} left out, on {plural(int(unknown.sum()), 'image')} "
        f"that the truth does not know and whose size is unknown; the first is `{first.name}`"
    )
    return keep, [Finding("DK701", message, file=str(first.path), image=first.name, count=count)], "pixels"


def _suspect(rows: TextRows, xywh: NDArray[np.float64], score: NDArray[np.float64]) -> list[Finding]:
    """Rows that are kept but look wrong: they get here only where the layout was forced."""
    findings = []
    for row in np.flatnonzero(~((score >= 0) & (score <= 1))).tolist():
        file, line = rows.place(row)
        message = f"confidence {score[row]:g}, expected 0 to 1"
        findings.append(Finding("DK708", message, file=file, line=int(line.split()[1])))
    for row in np.flatnonzero(~(xywh[:, 2:] > 0).all(axis=1)).tolist():
        file, line = rows.place(row)
        width, height = xywh[row, 2:].tolist()
        message = f"width {width:g} and height {height:g}, expected both above zero"
        findings.append(Finding("DK201", message, file=file, line=int(line.split()[1])))
    return findings
