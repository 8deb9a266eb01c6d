"""Options that mean the same in every command, and how their texts are read."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from detkit import files
from detkit.cli import _usage
from detkit.errors import InputError, UsageError

if TYPE_CHECKING:
    from detkit.formats import ImageSizes

__all__ = [
    "Analyses",
    "Baseline",
    "Beta",
    "Caps",
    "ClassAgnostic",
    "ClassMap",
    "ClassesOption",
    "Confidence",
    "Details",
    "DropInvalid",
    "FromFormat",
    "Groups",
    "ImageList",
    "ImageSizesOption",
    "ImagesDir",
    "IouType",
    "Jobs",
    "Kind",
    "Layout",
    "Level",
    "MinCoverage",
    "MostKept",
    "NamesOption",
    "OperatingScore",
    "Output",
    "Overwrite",
    "Plots",
    "PredictionsFormat",
    "ProtocolOption",
    "Quality",
    "RawPredictions",
    "Rendering",
    "Replicates",
    "Require",
    "Rules",
    "ScoreThreshold",
    "Seed",
    "Slices",
    "Split",
    "Strict",
    "TextOrJson",
    "ThresholdsFile",
    "TruthFormat",
    "Unmapped",
    "VocOffset",
    "area_ranges",
    "caps",
    "floats",
    "image_list",
    "image_sizes",
    "listed",
    "names",
    "one_of",
    "part",
    "split_classes",
    "thresholds",
]


class Rendering(StrEnum):
    """How a result is rendered."""

    text = "text"
    json = "json"
    markdown = "markdown"
    csv = "csv"
    junit = "junit"
    github = "github"
    gitlab = "gitlab"
    html = "html"


Split = Annotated[str | None, typer.Option("--split", help="Read this split only; `all` for every image.")]
ImagesDir = Annotated[Path | None, typer.Option("--images", help="Folder of the image files.")]
ImageSizesOption = Annotated[
    str | None, typer.Option("--image-sizes", help="`640x480`, or a CSV with name, width and height.")
]
NamesOption = Annotated[
    Path | None, typer.Option("--names", help="File with class names in the order of their numbers.")
]
ClassesOption = Annotated[
    str | None,
    typer.Option("--classes", help="Only these classes, comma between; or a file of names, as --names."),
]
VocOffset = Annotated[
    int, typer.Option("--voc-offset", min=0, max=1, help="1: VOC pixels count from 1 and include both ends.")
]
Layout = Annotated[str | None, typer.Option("--layout", help="Column layout of text predictions, when two fit.")]
DropInvalid = Annotated[bool, typer.Option("--drop-invalid", help="Go on without unusable rows, and say so.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")]
Details = Annotated[bool, typer.Option("--details", help="Leave nothing out: every class, every row of the verdict.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file instead of stdout.")]
FromFormat = Annotated[str, typer.Option("--from", help="Format of the input, by default recognised by content.")]
ThresholdsFile = Annotated[
    Path | None, typer.Option("--thresholds", help="File with the least score of each class, applied after NMS.")
]
ScoreThreshold = Annotated[
    float | None, typer.Option("--score-threshold", "--conf", help="Keep scores >= this.", min=0.0)
]

Analyses = Annotated[
    str, typer.Option("--analyses", help="all, or names with commas between: curves, confusion, errors, ...")
]
OperatingScore = Annotated[
    float | None, typer.Option("--at-score", min=0, help="Score the analyses look at; by default that of the best F.")
]
Beta = Annotated[float, typer.Option("--beta", min=0, help="Weight of recall in F-beta.")]
Confidence = Annotated[
    float | None, typer.Option("--ci", min=0, max=1, help="Add bootstrap intervals of this level, such as 0.95.")
]
Level = Annotated[float, typer.Option("--level", min=0, max=1, help="Share of replicates that an interval holds.")]
Replicates = Annotated[int, typer.Option("--bootstrap", help="Replicates of the intervals.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Same seed, same numbers.")]
Groups = Annotated[
    str | None,
    typer.Option("--groups", help="JSON or CSV file: image -> video or scene; or an expression on file names."),
]
RawPredictions = Annotated[Path | None, typer.Option("--raw", help="Predictions before NMS: tells what NMS removed.")]
Slices = Annotated[
    Path | None, typer.Option("--slices", help="JSON or YAML file: slice name -> image ids or file names.")
]
ProtocolOption = Annotated[
    str, typer.Option("--protocol", help="coco, voc2007, voc2012, lvis, openimages, ultralytics, ultralytics8.")
]
IouType = Annotated[str, typer.Option("--iou-type", help="bbox, segm, keypoints, obb.")]
TruthFormat = Annotated[str, typer.Option("--truth-format", help="Format of the truth.")]
PredictionsFormat = Annotated[str, typer.Option("--predictions-format", help="Format of the predictions.")]
ClassMap = Annotated[
    Path | None, typer.Option("--class-map", help="File: class of the predictions -> class of the truth.")
]
Unmapped = Annotated[str, typer.Option("--unmapped", help="Classes the truth lacks: ignore, count or error.")]
Jobs = Annotated[int | None, typer.Option("--jobs", min=1, help="Threads; by default one a processor.")]
Require = Annotated[
    list[str] | None, typer.Option("--require", "--fail-under", help="Rule such as 'AP>=0.40'; may be repeated.")
]
Rules = Annotated[Path | None, typer.Option("--rules", help="File with gate rules.")]
Baseline = Annotated[Path | None, typer.Option("--baseline", help="Earlier result for max_drop rules.")]
ImageList = Annotated[
    str | None, typer.Option("--image-list", help="Only these images: a file, or names or ids with commas.")
]
Caps = Annotated[str | None, typer.Option("--max-detections", help="Caps per image and class: 1,10,100.")]
MostKept = Annotated[int | None, typer.Option("--max-detections", min=1, help="Most boxes kept in an image.")]
Strict = Annotated[bool, typer.Option("--strict", help="Predictions outside the truth are an error.")]
MinCoverage = Annotated[
    float | None, typer.Option("--min-coverage", min=0, max=1, help="Least share of images with predictions.")
]
Quality = Annotated[int, typer.Option("--quality", min=1, max=100, help="Quality of JPEG images.")]
Plots = Annotated[
    Path | None, typer.Option("--plots", help="Write plots to this folder, PNG and SVG; needs detkit[report].")
]
Kind = Annotated[
    str | None, typer.Option("--kind", help="dataset or detections, where both would fit.", show_default=False)
]
TextOrJson = Annotated[str, typer.Option("--format", help="text or json.")]
ClassAgnostic = Annotated[bool, typer.Option("--class-agnostic", help="Do not tell classes apart.")]


def part(split: str | None) -> str | None:
    """The split to read, None for every image."""
    return None if split == "all" else split


def listed(text: str | None, flag: str) -> list[str] | None:
    """Parts between commas; a part may be quoted to hold a comma. None stays None."""
    if text is None:
        return None
    import csv

    parts = next(csv.reader([text], skipinitialspace=True), [])
    found = [part.strip() for part in parts if part.strip()]
    if not found:
        raise UsageError(f"{flag}: found `{text}`, expected names with commas between")
    return found


def split_classes(classes: str | None, given_names: Path | None) -> tuple[list[str] | None, tuple[str, ...] | None]:
    """(classes to score, class names by number): `--classes FILE` names numbers, `--classes a,b` selects."""
    if classes is not None and given_names is None and files.is_file(classes):
        return None, names(Path(classes))
    return listed(classes, "--classes"), names(given_names)


def names(path: Path | None) -> tuple[str, ...] | None:
    """Class names from a file: a line each, or the `names` of a YAML."""
    if path is None:
        return None
    from detkit.formats import read_names

    return read_names(path)


def image_sizes(text: str | None) -> ImageSizes | None:
    """Image sizes from `640x480` or a CSV file."""
    if text is None:
        return None
    from detkit.formats import parse_image_sizes

    return parse_image_sizes(text)


def thresholds(text: str | None) -> tuple[float, ...] | None:
    """Overlap thresholds from `0.5,0.75` or `0.5:0.95:0.05` (both ends included)."""
    if text is None:
        return None
    _usage.refuse_percents(text, "--iou")
    try:
        if ":" in text:
            low, high, step = (float(part) for part in text.split(":"))
            count = round((high - low) / step) + 1 if step > 0 else 0
            if not 0 < count <= 1000:
                raise ValueError
            import numpy as np

            return tuple(np.linspace(low, high, count).tolist())
        return tuple(float(part) for part in text.split(","))
    except (ValueError, OverflowError):
        raise UsageError(f"iou thresholds: found `{text}`, expected `0.5,0.75` or `0.5:0.95:0.05`") from None


def caps(text: str | None) -> tuple[int, ...] | None:
    """Caps on detections per image from `1,10,100`."""
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"max detections: found `{text}`, expected whole numbers such as `1,10,100`") from None


def area_ranges(text: str | None) -> tuple[tuple[str, float, float], ...] | None:
    """Named size ranges from `tiny:0-16,rest:16-inf`, side lengths in pixels; `all` comes first by itself."""
    if text is None:
        return None
    ranges = [("all", 0.0, 1e10)]
    for part in text.split(","):
        match = re.fullmatch(r"\s*([^:\s]+)\s*:\s*(\d{1,9}(?:\.\d*)?)\s*-\s*(\d{1,9}(?:\.\d*)?|inf)\s*", part)
        if not match:
            raise UsageError(f"area ranges: found `{part}`, expected `name:low-high` with side lengths in pixels")
        low, high = float(match[2]), float(match[3])
        ranges.append((match[1], low**2, high**2))
    return tuple(ranges)


def floats(text: str | None, flag: str) -> tuple[float, ...] | None:
    """Numbers with commas between."""
    try:
        return None if text is None else tuple(float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"{flag}: found `{text}`, expected numbers with commas between") from None


def one_of(value: str | None, flag: str, *allowed: str) -> Any:
    """The value, once it is one of those allowed."""
    if value is not None and value not in allowed:
        raise UsageError(f"{flag}: found `{value}`, expected {', '.join(allowed[:-1])} or {allowed[-1]}")
    return value


def image_list(text: str | None) -> list[str] | None:
    """Image names or ids from a text file (a line each) or with commas between."""
    if text is None:
        return None
    if files.is_file(text):
        try:
            lines = Path(text).read_text(encoding="utf-8-sig").splitlines()
        except OSError as error:
            raise files.unreadable(text, error) from error
        except UnicodeDecodeError as error:
            raise InputError(f"not a readable text file: {error}", path=text) from error
        found = [line.strip() for line in lines if line.strip()]
        if not found:
            raise InputError("names no image, expected one a line", path=text)
        return found
    return listed(text, "--image-list")
