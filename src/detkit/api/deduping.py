"""Find copies of images, inside a dataset and across splits or datasets, and write the dataset without them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from detkit import files
from detkit.api import _pixels
from detkit.api._cluster_sheet import write_cluster_sheet
from detkit.api.verbs import Changed, Written, read_source, source_names, write_changed
from detkit.errors import InputError, UsageError
from detkit.findings import Finding, Loss
from detkit.tables import Dataset
from detkit.transforms import dedupe as transform
from detkit.wording import examples, plural

if TYPE_CHECKING:
    from detkit.transforms.embed import Pixels

__all__ = ["DedupeSettings", "dedupe"]

Method = Literal["exact", "phash", "embedding"]
Int = NDArray[np.int64]
#: Most differing bits, least cosine similarity: what is taken where nothing is said.
_RADIUS, _COSINE = 14, 0.95
_EMBEDDED_AT_ONCE = 32


@dataclass(frozen=True)
class DedupeSettings:
    """How copies are found, and which stay.

    Parameters
    ----------
    method : {"exact", "phash", "embedding"}
        The same bytes; also what looks the same after resizing, compressing, a little cropping, other brightness; or
        what a network finds alike. The later two include the first.
    threshold : float, optional
        `phash`: most bits of 64 that differ, 0 to 24, by default 14; candidates are laid over each other before they
        count. `embedding`: least cosine similarity, by default 0.95.
    keep : {"best", "first", "all"}
        Which copy stays: most boxes, then most pixels; the first; all of them (report only).
    across_splits : bool
        Only copies in different splits, or in different datasets, count.
    model : path-like, optional
        For `embedding`: any network in an ONNX file that takes images.
    output : str, optional
        Name of its output to take.
    pixels : {"imagenet", "0-1", "-1-1", "0-255"}
        What values it takes.
    device : str
    """

    method: Method = "phash"
    threshold: float | None = None
    keep: transform.Keep = "best"
    across_splits: bool = False
    model: str | Path | None = None
    output: str | None = None
    pixels: Pixels = "imagenet"
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.method not in ("exact", "phash", "embedding"):
            raise UsageError(f"method: found `{self.method}`, expected exact, phash or embedding")
        if (self.method == "embedding") != (self.model is not None):
            raise UsageError(
                "method `embedding` needs a model, and no other method takes one", hint="--model FILE.onnx"
            )
        if self.method == "exact" and self.threshold is not None:
            raise UsageError("method `exact` takes no threshold")
        if self.method == "phash" and self.threshold is not None and self.threshold != int(self.threshold):
            raise UsageError(f"threshold: found {self.threshold:g}, expected a whole number of bits")

    @property
    def limit(self) -> float | None:
        """The threshold that holds."""
        if self.method == "exact":
            return None
        return self.threshold if self.threshold is not None else _RADIUS if self.method == "phash" else _COSINE


def dedupe(
    sources: str | Path | Dataset | Sequence[str | Path | Dataset],
    target: str | Path | None = None,
    settings: DedupeSettings | None = None,
    *,
    report: str | Path | None = None,
    sheet: str | Path | None = None,
    groups: str | Path | None = None,
    to: str | None = None,
    source_format: str = "auto",
    overwrite: bool = False,
    dry_run: bool = False,
    jobs: int | None = None,
    read_options: Mapping[str, Any] | None = None,
    write_options: Mapping[str, Any] | None = None,
    progress: _pixels.Progress | None = None,
) -> Written:
    """Find copies among the images of datasets; write what is left, or a list of what is not.

    Parameters
    ----------
    sources : path-like or Dataset, or several
        Never changed. Several are compared with each other too.
    target : path-like, optional
        A dataset without the copies (several sources are merged), or a text file (.txt) with the path of each image
        that would be left out.
    settings : DedupeSettings, optional
    report : path-like, optional
        JSON of everything found, `detkit.dedupe/1`.
    sheet : path-like, optional
        An image file that shows the clusters.
    groups : path-like, optional
        JSON: image -> its group, for `split --group FILE`.
    to, source_format, overwrite, dry_run, read_options, write_options
        See `detkit.api.verbs.change`.
    jobs : int, optional
        Threads; the result does not depend on it.
    progress : callable, optional
        Told (done, all) images.

    Returns
    -------
    Written
        `details` holds the clusters.

    Raises
    ------
    UsageError
        Settings that do not fit together.
    InputError
        No image file is known, or the model fails.
    OutputError
    """
    settings = settings or DedupeSettings()
    listed = [sources] if isinstance(sources, str | Path | Dataset) else list(sources)
    outputs = [Path(path) for path in (target, report, sheet, groups) if path is not None]
    for path in outputs:
        files.refuse_existing(path, overwrite=overwrite)
    if sheet is not None:
        _pixels.check_sheet(sheet)
    datasets = []
    for source in listed:
        dataset = read_source(source, outputs, source_format, read_options)
        _pixels.known_files(dataset)
        datasets.append(dataset)
    names = source_names(listed)
    found, noticed = find_duplicates(transform.candidates_of(datasets, names), settings, jobs, progress)
    details = _details(found, settings)
    changed = _without(datasets, names, found, noticed, details)
    written = _write(changed, datasets[0], target, to, overwrite, dry_run, write_options)
    if not dry_run:
        _write_extras(written, found, report, sheet, groups, overwrite, jobs)
    return written


def find_duplicates(
    candidates: transform.Candidates,
    settings: DedupeSettings,
    jobs: int | None = None,
    progress: _pixels.Progress | None = None,
) -> tuple[transform.Duplicates, list[Finding]]:
    """Copies among images by content, then by look among those of different content.

    Parameters
    ----------
    candidates : Candidates
    settings : DedupeSettings
    jobs : int, optional
    progress : callable, optional

    Returns
    -------
    Duplicates, list of Finding
    """
    contents = transform.contents_of(candidates.paths, jobs)
    findings = [
        Finding("DK401", "no image file found; it is not compared", image=name)
        for name, path in zip(candidates.names, candidates.paths, strict=True)
        if path is None
    ]
    pairs = transform.Pairs(np.empty((0, 2), np.int64), np.empty(0))
    if settings.method != "exact":
        # One image of each content stands for all of them.
        first = np.sort(np.unique(contents, return_index=True)[1])
        different = [n for n in first.tolist() if candidates.paths[n] is not None]
        search = _by_look if settings.method == "phash" else _by_embedding
        pairs, more = search(candidates, different, settings, jobs, progress)
        findings += more
    found = transform.cluster_pairs(
        candidates, pairs, settings.keep, contents=contents, across_splits=settings.across_splits
    )
    return found, findings


def _by_look(
    candidates: transform.Candidates,
    positions: Sequence[int],
    settings: DedupeSettings,
    jobs: int | None,
    progress: _pixels.Progress | None,
) -> tuple[transform.Pairs, list[Finding]]:
    from detkit.transforms.dedupe import SIDE, thumbnail

    grey, read_ones, findings = _each(candidates, positions, thumbnail, True, jobs, progress)
    thumbnails = np.stack(grey) if grey else np.empty((0, SIDE, SIDE), np.uint8)
    pairs, flat = transform.hash_pairs(thumbnails, read_ones, int(settings.limit or 0))
    if len(flat):
        shown = examples([candidates.names[i] for i in flat[:4]])
        message = f"{plural(len(flat), 'image')} of one colour: compared by content only: {shown}"
        findings.append(Finding("DK110", message, count=len(flat)))
    return pairs, findings


def _by_embedding(
    candidates: transform.Candidates,
    positions: Sequence[int],
    settings: DedupeSettings,
    jobs: int | None,
    progress: _pixels.Progress | None,
) -> tuple[transform.Pairs, list[Finding]]:
    from detkit.transforms.embed import Embedder

    network = Embedder(str(settings.model), output=settings.output, pixels=settings.pixels, device=settings.device)
    vectors: list[NDArray[np.float32]] = []
    used: list[Int] = []
    findings: list[Finding] = []
    # Tensors of a few images at a time: memory holds their vectors only.
    for start in range(0, len(positions), _EMBEDDED_AT_ONCE):
        tensors, good, more = _each(
            candidates, positions[start : start + _EMBEDDED_AT_ONCE], network.tensor, False, jobs, None
        )
        if tensors:
            vectors.append(network.vectors(tensors))
        used.append(good)
        findings += more
        if progress is not None:
            progress(min(start + _EMBEDDED_AT_ONCE, len(positions)), len(positions))
    table = np.concatenate(vectors) if vectors else np.empty((0, 1), np.float32)
    index = np.concatenate(used) if used else np.empty(0, np.int64)
    return transform.cosine_pairs(table, index, float(settings.limit or 0)), findings


def _each(
    candidates: transform.Candidates,
    positions: Sequence[int],
    function: Callable[[Any], NDArray[Any]],
    grey: bool,
    jobs: int | None,
    progress: _pixels.Progress | None,
) -> tuple[list[NDArray[Any]], Int, list[Finding]]:
    """What a function makes of each image that can be read, and which those are."""

    def one(position: int) -> NDArray[Any] | Finding:
        try:
            image = _pixels.displayed(str(candidates.paths[position]))
            return function(image if grey and image.mode == "L" else _pixels.rgb(image))
        except InputError as error:
            return Finding("DK404", f"{error.message}; it is not compared", image=candidates.names[position])

    results = list(_pixels.in_threads(one, positions, jobs, progress))
    good = [n for n, result in zip(positions, results, strict=True) if not isinstance(result, Finding)]
    made = [result for result in results if not isinstance(result, Finding)]
    return made, np.array(good, np.int64), [result for result in results if isinstance(result, Finding)]


def _details(found: transform.Duplicates, settings: DedupeSettings) -> dict[str, Any]:
    table = found.candidates
    return {
        "method": settings.method,
        "threshold": settings.limit,
        "keep": settings.keep,
        "across_splits": settings.across_splits,
        "compared": len(table),
        "leaks": sum(cluster.is_leak for cluster in found.clusters),
        "removed": [{"file_name": table.names[i], "path": table.paths[i]} for i in found.removed.tolist()],
        "clusters": found.to_list(),
    }


def _without(
    datasets: Sequence[Dataset],
    names: Sequence[str],
    found: transform.Duplicates,
    noticed: Sequence[Finding],
    details: Mapping[str, Any],
) -> Changed:
    """The datasets without what is removed, as one."""
    table = found.candidates
    stays = np.ones(len(table), np.bool_)
    stays[found.removed] = False
    parts = [d.take_images(np.flatnonzero(stays[table.source == n])) for n, d in enumerate(datasets)]
    gone = [table.names[i] for i in found.removed[:3].tolist()]
    boxes = int(table.boxes[found.removed].sum())
    losses = [
        Loss("images", "left out: copies", len(found.removed), tuple(gone)),
        Loss("boxes", "left out with their images", boxes, tuple(gone)),
    ]
    losses = [loss for loss in losses if loss.count]
    findings = (*noticed, *found.findings)
    if len(parts) == 1:
        return Changed(parts[0], tuple(losses), findings, details)
    from detkit.transforms.merge import merge

    joined = merge(parts, names)
    return Changed(joined.dataset, (*losses, *joined.losses), (*joined.findings, *findings), details)


def _write(
    changed: Changed,
    like: Dataset,
    target: str | Path | None,
    to: str | None,
    overwrite: bool,
    dry_run: bool,
    write_options: Mapping[str, Any] | None,
) -> Written:
    if target is not None and Path(target).suffix.lower() != ".txt":
        return write_changed(
            "dedupe",
            changed,
            target,
            to=to,
            like=like,
            overwrite=overwrite,
            dry_run=dry_run,
            write_options=write_options,
        )
    if target is not None and not dry_run:
        lines = [f"{row['path'] or row['file_name']}\n" for row in changed.details["removed"]]
        with files.atomic_file(target, overwrite=overwrite) as place:
            place.write_text("".join(lines), encoding="utf-8", errors="surrogateescape", newline="\n")
    findings = (*changed.dataset.findings, *changed.findings)
    counts = len(changed.dataset.images), len(changed.dataset.annotations)
    name = "none" if target is None else "list"
    return Written("dedupe", str(target or ""), name, *counts, findings, changed.losses, changed.details)


def _write_extras(
    written: Written,
    found: transform.Duplicates,
    report: str | Path | None,
    sheet: str | Path | None,
    groups: str | Path | None,
    overwrite: bool,
    jobs: int | None,
) -> None:
    for path, content in ((report, written.to_dict()), (groups, found.groups())):
        if path is not None:
            with files.atomic_file(path, overwrite=overwrite) as place:
                text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
                place.write_text(text + "\n", encoding="utf-8", errors="surrogateescape", newline="\n")
    if sheet is not None:
        write_cluster_sheet(found, Path(sheet), overwrite=overwrite, jobs=jobs)
