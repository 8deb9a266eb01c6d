"""MOTChallenge: a folder a sequence, rows `frame,id,left,top,width,height,confidence,class,visibility`.

Pixels count from 1. In a truth the confidence is a flag: 0 is a row that is not scored. Detections (`det/det.txt`) have
`-1` or places in the world after the confidence.
"""

from __future__ import annotations

from pathlib import Path

from detkit.errors import InputError
from detkit.findings import Loss
from detkit.formats._base import Capabilities, Kind, Probe, ReadOptions, WriteOptions
from detkit.tables import Dataset, Detections

__all__ = ["CAPABILITIES", "detect", "read", "read_detections", "write", "write_detections"]

CAPABILITIES = Capabilities(
    holds=frozenset(("image_ids", "image_sizes", "category_ids", "supercategories", "ignored", "splits", "scores")),
    attributes=frozenset(("track_id", "visibility")),
    read_from=(".txt",),
    folder=True,
    detections_folder=True,
    carries_images=True,
)

_TRUTH_COLUMNS = 9


def detect(path: Path, kind: Kind) -> Probe:
    """Whether this is a MOTChallenge truth (`gt/gt.txt`), or its detections or results.

    Parameters
    ----------
    path : Path
    kind : {"dataset", "detections"}

    Returns
    -------
    Probe
    """
    from detkit.formats._mot_text import find, probe_rows

    what = "gt" if kind == "dataset" else "det"
    try:
        sequences = find(path, what)
    except InputError as error:
        # A sequence whose seqinfo.ini is damaged is one all the same: reading says what is wrong.
        return Probe(True, error.message)
    if not sequences:
        return Probe(False, f"no `{what}/{what}.txt` in it, in its folders or in theirs")
    columns, why = zip(*(probe_rows(sequence.file) for sequence in sequences[:20]), strict=True)
    described = any(s.folder is not None and (s.folder / "seqinfo.ini").is_file() for s in sequences)
    if 0 in columns:
        return Probe(False, f"{sequences[columns.index(0)].file.name}: {why[columns.index(0)]}")
    if max(columns) < 0:
        return Probe(described, "a sequence (seqinfo.ini) without rows" if described else "empty text files")
    # A file by itself is a truth where it has a class and a visibility; in a folder, its place says what it is.
    alone = sequences[0].folder is None
    is_truth = _TRUTH_COLUMNS in columns
    if alone and is_truth != (kind == "dataset"):
        return Probe(False, f"{why[0]}: {'a truth' if is_truth else 'detections'}")
    if path.is_file() and not alone and sequences[0].file.parent.name != what:
        return Probe(False, f"a file in a folder `{sequences[0].file.parent.name}`, expected `{what}`")
    return Probe(True, next(text for count, text in zip(columns, why, strict=True) if count > 0))


def read(path: Path, options: ReadOptions) -> Dataset:
    """The ground truth of a sequence, or of folders of sequences; see `_mot_read`."""
    from detkit.formats._mot_read import read_dataset

    return read_dataset(path, options)


def read_detections(path: Path, options: ReadOptions) -> Detections:
    """Detections (`det/det.txt`) or a tracker's results (one text file a sequence)."""
    from detkit.formats._mot_read import read_detections as read_rows

    return read_rows(path, options)


def write(dataset: Dataset, target: Path, options: WriteOptions) -> list[Loss]:
    """Write `<sequence>/gt/gt.txt`, `labels.txt` and `seqinfo.ini` into a folder."""
    from detkit.formats._mot_write import write_dataset

    return write_dataset(dataset, target, options)


def write_detections(detections: Detections, target: Path, options: WriteOptions) -> list[Loss]:
    """Write `<sequence>/det/det.txt`, `labels.txt` and `seqinfo.ini` into a folder."""
    from detkit.formats._mot_write import write_detections as write_rows

    return write_rows(detections, target, options)
