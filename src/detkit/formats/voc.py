"""Pascal VOC: XML files with ImageSets, text truth, devkit (comp4) results and per-image text predictions.

Corners are inclusive and count from 1 (`voc_offset` 1): a box becomes the edges xmin - 1, ymin - 1, xmax, ymax. This
is the only place where the inclusive pixel is added; scoring adds nothing.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from detkit.findings import Loss
from detkit.formats._base import Capabilities, Kind, Probe, ReadOptions, WriteOptions
from detkit.tables import Dataset, Detections

__all__ = ["CAPABILITIES", "detect", "read", "read_detections", "write", "write_detections"]

CAPABILITIES = Capabilities(
    holds=frozenset(("image_sizes", "category_ids", "supercategories", "ignored", "extra", "splits", "scores")),
    attributes=frozenset(("truncated", "occluded", "pose")),
    read_from=(".xml", ".txt"),
    folder=True,
    detections_folder=True,
    carries_images=True,
    unlisted=frozenset(("detections",)),
)

_SAMPLE = 20


def detect(path: Path, kind: Kind) -> Probe:
    """Whether a path is a VOC dataset, or VOC-like predictions."""
    return _detect_dataset(path) if kind == "dataset" else _detect_detections(path)


def _detect_dataset(path: Path) -> Probe:
    from detkit.formats._voc_comp4 import comp4_folder
    from detkit.formats._voc_folder import find_roots, xml_below
    from detkit.formats._voc_text import probe_text_truth
    from detkit.formats._voc_xml import is_voc_file

    roots = find_roots(path)
    if not roots:
        if path.is_file():
            return Probe(False, "a folder with .xml files was expected; this is a file")
        if comp4_folder(path) is not None:
            return Probe(False, "devkit results (comp4), which are predictions")
        return probe_text_truth(path)
    files = [path] if path.is_file() else [file for _, file in islice(xml_below(roots[0].annotations), _SAMPLE)]
    problems = [is_voc_file(file) for file in files]
    if None not in problems:
        return Probe(False, f"{files[0].name}: {problems[0]}")
    odd = next((f"{f.name}: {p}" for f, p in zip(files, problems, strict=True) if p and "its objects" in p), None)
    if odd is not None:
        return Probe(False, odd)
    return Probe(True, f"XML files with <annotation> and <bndbox> in {roots[0].annotations.name}")


def _detect_detections(path: Path) -> Probe:
    from detkit.formats._text_detections import probe
    from detkit.formats._voc_comp4 import comp4_folder

    if comp4_folder(path) is not None:
        return Probe(True, "devkit results, comp4_det_<set>_<class>.txt")
    return probe(path, "voc")


def read(path: Path, options: ReadOptions) -> Dataset:
    """A dataset from XML files, or from one text file an image.

    Parameters
    ----------
    path : Path
        A VOC folder, a devkit, a folder of XML or text files, or one XML file.
    options : ReadOptions

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        Nothing that can be read, or no split of that name.
    """
    from detkit.formats._voc_folder import find_roots
    from detkit.formats._voc_read import read_xml_dataset
    from detkit.formats._voc_text import read_text_dataset

    if path.is_dir() and not find_roots(path):
        return read_text_dataset(path, options)
    return read_xml_dataset(path, options)


def write(dataset: Dataset, target: Path, options: WriteOptions) -> list[Loss]:
    """Write Annotations, ImageSets, JPEGImages, `classes.txt` and `detkit.json` into a folder."""
    from detkit.formats._voc_write import write_xml_dataset

    return write_xml_dataset(dataset, target, options)


def read_detections(path: Path, options: ReadOptions) -> Detections:
    """Predictions from devkit results, or from one text file an image in any layout of columns."""
    from detkit.formats._text_detections import read_text_detections
    from detkit.formats._voc_comp4 import comp4_folder, read_comp4

    folder = comp4_folder(path)
    if folder is not None:
        return read_comp4(folder, path, options)
    return read_text_detections(path, options, "voc")


def write_detections(detections: Detections, target: Path, options: WriteOptions) -> list[Loss]:
    """Write devkit results, one comp4 file a class, into a folder."""
    from detkit.formats._voc_comp4 import write_comp4

    return write_comp4(detections, target, options)
