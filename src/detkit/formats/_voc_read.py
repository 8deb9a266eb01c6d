"""A VOC dataset of XML files as a `Dataset`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from detkit import files
from detkit.errors import InputError
from detkit.findings import Finding
from detkit.formats._base import ReadOptions
from detkit.formats._images import displayed_sizes
from detkit.formats._text_classes import case_twins, ordered_names
from detkit.formats._voc_columns import columns_of
from detkit.formats._voc_folder import ImageFiles, VocRoot, find_roots, pick_split, read_splits, suffix_of, xml_files
from detkit.formats._voc_manifest import manifest_categories
from detkit.formats._voc_xml import XmlReader, XmlRecord
from detkit.garbage import gc_paused
from detkit.tables import Categories, Dataset, Images, Source
from detkit.wording import examples

__all__ = ["read_xml_dataset"]


@dataclass
class _Collected:
    """Records of all roots in order, with everything that belongs to them."""

    reader: XmlReader
    names: list[str] = field(default_factory=list)
    paths: list[str | None] = field(default_factory=list)
    records: list[XmlRecord] = field(default_factory=list)
    splits: dict[str, list[int]] = field(default_factory=dict)
    sources: list[tuple[str, bytes]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def read_xml_dataset(path: Path, options: ReadOptions) -> Dataset:
    """All XML files at a path as one dataset.

    Parameters
    ----------
    path : Path
        A VOC folder (`Annotations`, `JPEGImages`, `ImageSets`), a devkit, a folder of XML files, or one XML file.
    options : ReadOptions

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        No XML file, none that can be read, or no split of that name.
    """
    roots = find_roots(path)
    if not roots:
        raise InputError("no .xml file in it", path=path)
    collected = _Collected(XmlReader(options))
    prepared = [_prepare(root, path) for root in roots]
    wanted = _wanted(prepared, options, path)
    with gc_paused():
        for (root, xml, splits, findings), stems in zip(prepared, wanted, strict=True):
            collected.findings += findings
            _add_root(collected, root, xml, splits, stems, options)
    if collected.records and all(r.unreadable for r in collected.records):
        first = collected.findings[[f.code for f in collected.findings].index("DK101")]
        count = len(collected.records)
        raise InputError(f"none of {count} XML files can be read; {first.where}: {first.message}", path=path)
    return _assemble(collected, path, options)


_Prepared = tuple[VocRoot, dict[str, str], dict[str, list[str]], list[Finding]]


def _prepare(root: VocRoot, path: Path) -> _Prepared:
    xml = {path.name[: -len(".xml")]: str(path)} if path.is_file() else dict(sorted(xml_files(root.annotations)))
    splits, findings = ({}, []) if path.is_file() else read_splits(root, xml)
    return root, xml, splits, findings


def _wanted(prepared: list[_Prepared], options: ReadOptions, path: Path) -> list[set[str] | None]:
    """Stems to read of each root; None for all."""
    if options.split is None:
        return [None] * len(prepared)
    named = {name: names for _, _, splits, _ in prepared for name, names in splits.items()}
    pick_split(named, options.split, path)
    chosen: list[set[str] | None] = []
    for _, _, splits, _ in prepared:
        try:
            chosen.append(pick_split(splits, options.split, path))
        except InputError:
            # Another year of the devkit has it; this one adds nothing.
            chosen.append(set())
    return chosen


def _add_root(
    collected: _Collected,
    root: VocRoot,
    xml: dict[str, str],
    splits: dict[str, list[str]],
    stems: set[str] | None,
    options: ReadOptions,
) -> None:
    images = ImageFiles(root.image_folders(options.images_dir))
    listed = list(dict.fromkeys(stem for names in splits.values() for stem in names))
    bare = [s for s in listed if s not in xml and s in images.by_stem and (stems is None or s in stems)]
    chosen = sorted([s for s in xml if stems is None or s in stems] + bare)
    with_file = [s for s in chosen if s in xml]
    read = dict(zip(with_file, collected.reader.read([xml[s] for s in with_file]), strict=True))
    records = [read[s] if s in read else XmlRecord() for s in chosen]
    start, position, renamed = len(collected.names), {}, []
    for stem, record in zip(chosen, records, strict=True):
        collected.findings += record.findings
        if record.unreadable:
            collected.records.append(record)
            collected.names.append("")
            collected.paths.append(None)
            continue
        position[stem] = len(collected.names)
        found = images.find(stem, record.file_name)
        stated = suffix_of(record.file_name)
        if record.file_name and _last(record.file_name) not in (_last(stem), _last(stem) + stated):
            renamed.append(xml[stem])
        suffix = suffix_of(found or "") or stated
        collected.names.append(f"{root.prefix}{stem}{suffix}")
        collected.paths.append(found)
        collected.records.append(record)
    collected.sources += [(xml[s], read[s].digest or hashlib.sha256(b"").digest()) for s in with_file]
    for name, members in splits.items():
        if stems is None or stems & set(members):
            target = collected.splits.setdefault(name, [])
            target += [position[s] for s in members if s in position]
    collected.findings += _renamed(renamed) + _listed(root, listed, xml, bare, stems) + images.findings()
    if stems is None:
        collected.findings += _unlabelled(root, images, collected.paths[start:])


def _last(name: str) -> str:
    name = name.replace("\\", "/")
    # A path object for what it would normalise only: there are many names.
    return name if "/" not in name and name != "." else PurePosixPath(name).name


def _renamed(renamed: list[str]) -> list[Finding]:
    if not renamed:
        return []
    message = (
        f"<filename> differs from the name of the XML file, which is taken: {examples([_last(p) for p in renamed])}"
    )
    return [Finding("DK106", message, file=renamed[0], count=len(renamed))]


def _listed(
    root: VocRoot, listed: list[str], xml: dict[str, str], bare: list[str], stems: set[str] | None
) -> list[Finding]:
    """What the split lists name beyond the XML files."""
    findings = []
    if bare:
        message = f"images without an XML file are listed and read as images without objects: {examples(bare)}"
        findings.append(Finding("DK401", message, file=str(root.lists), count=len(bare)))
    gone = [s for s in listed if s not in xml and s not in set(bare) and (stems is None or s in stems)]
    if gone:
        message = f"listed, but there is neither an XML file nor an image: {examples(gone)}"
        findings.append(Finding("DK401", message, file=str(root.lists), count=len(gone)))
    return findings


def _unlabelled(root: VocRoot, images: ImageFiles, used: Iterable[str | None]) -> list[Finding]:
    """Images of the dataset's own folders that no XML file is about."""
    own = [str(root.folder)] if root.folder != root.annotations else [str(root.annotations)]
    taken = {p for p in used if p is not None}
    every = [path for candidates in images.by_stem.values() for _, path in candidates]
    left = sorted(p for p in set(every) - taken if p.startswith(tuple(f"{o}/" for o in own)))
    if not left:
        return []
    message = f"images without an XML file that no split lists are not read: {examples([_last(p) for p in left])}"
    return [Finding("DK109", message, file=str(root.folder), count=len(left))]


def _assemble(collected: _Collected, path: Path, options: ReadOptions) -> Dataset:
    keep = [i for i, record in enumerate(collected.records) if not record.unreadable]
    new = {old: i for i, old in enumerate(keep)}
    records = [collected.records[i] for i in keep]
    paths = [collected.paths[i] for i in keep]
    names = [collected.names[i] for i in keep]
    findings = list(collected.findings)
    sizes = _sizes(records, names, paths, options, path, findings)
    images = Images(
        np.arange(1, len(keep) + 1),
        tuple(names),
        sizes,
        tuple(paths),
        has_own_ids=False,
        extra={i: record.extra for i, record in enumerate(records) if record.extra},
    )
    columns = columns_of(records, collected.reader.rows(), options.voc_offset)
    categories = _categories(set(columns.names), path, options, findings)
    position = {name: i for i, name in enumerate(categories.names)}
    sources = collected.sources + _manifest_files(path)
    return Dataset.build(
        images,
        categories,
        image_index=np.repeat(np.arange(len(records)), [len(r) for r in records]) if records else [],
        category_index=np.array([position[name] for name in columns.names], np.int64)[columns.name_index],
        xywh=columns.xywh,
        is_ignored=columns.difficult,
        shapes=columns.shapes,
        attributes=columns.attributes,
        extra=columns.extra,
        splits={
            name: np.unique(np.array([new[i] for i in members if i in new], np.int64))
            for name, members in collected.splits.items()
        },
        source=Source(str(path), "voc", files.sha256_of_digests(sources, root=path if path.is_dir() else None)),
        findings=tuple(findings),
    )


def _manifest_files(path: Path) -> list[tuple[str, bytes]]:
    manifest = path / files.FOLDER_MARK
    if not (path.is_dir() and manifest.is_file()):
        return []
    return [(str(manifest), hashlib.sha256(manifest.read_bytes()).digest())]


def _sizes(
    records: list[XmlRecord],
    names: list[str],
    paths: list[str | None],
    options: ReadOptions,
    path: Path,
    findings: list[Finding],
) -> NDArray[np.float64]:
    sizes = np.array([r.size or (np.nan, np.nan) for r in records], np.float64).reshape(-1, 2)
    missing = np.flatnonzero(np.isnan(sizes).any(axis=1)).tolist()
    if options.image_sizes is not None:
        for i in missing:
            sizes[i] = options.image_sizes.find(names[i]) or (np.nan, np.nan)
        missing = [i for i in missing if np.isnan(sizes[i]).any()]
    if missing and options.read_sizes:
        found, problems = displayed_sizes([paths[i] for i in missing], options.jobs)
        findings += problems
        for i, size in zip(missing, found, strict=True):
            sizes[i] = size or (np.nan, np.nan)
        missing = [i for i in missing if np.isnan(sizes[i]).any()]
    if missing:
        message = f"no size is stated and no image was read: {examples([names[i] for i in missing])}"
        findings.append(Finding("DK403", message, file=str(path), count=len(missing)))
    return sizes


def _categories(used: set[str], path: Path, options: ReadOptions, findings: list[Finding]) -> Categories:
    if options.names is None:
        stated = manifest_categories(path)
        if stated is not None and used <= set(stated.names):
            return stated
    names, extra = ordered_names(used, path, options)
    findings += extra
    findings += case_twins(sorted(used), path)
    return Categories.from_names(names)
