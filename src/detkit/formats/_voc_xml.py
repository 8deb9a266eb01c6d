"""One VOC XML file as plain values, read without entities and without a document type."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Any

from detkit import files
from detkit.findings import Finding
from detkit.formats._base import ReadOptions
from detkit.formats._numbers import exact_box, parse_exact
from detkit.formats._text_start import start_of
from detkit.formats._voc_plain import Head, PlainFile, PlainFiles, PlainRows
from detkit.ragged import EMPTY

__all__ = ["XmlObject", "XmlReader", "XmlRecord", "is_voc_file"]

_DEEPEST = 50
#: Files that are in memory at once, and the size above which one of them is read on its own.
_CHUNK, _LARGE = 1024, 1 << 18
#: Bytes by which a file is known as an annotation, however long it is.
_START = 1 << 18
#: From so many files on, loading the kernel that reads plain ones is worth it.
_MANY = 512
_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_TRUE = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}
#: Where the file lies: it says nothing about the content, and is written anew.
_IMAGE_FIELDS = frozenset(("filename", "size", "object", "folder", "path"))
_OBJECT_FIELDS = frozenset(("name", "bndbox", "difficult", "truncated", "occluded", "pose", "polygon"))
_POINT = re.compile(r"[xy](\d+)$")


@dataclass
class XmlObject:
    """One `<object>`: class, box, flags; `truncated` and `occluded` are NaN and `pose` is empty where not stated."""

    name: str
    xywh: tuple[float, float, float, float]
    index: int
    difficult: bool = False
    truncated: float = float("nan")
    occluded: float = float("nan")
    pose: str = ""
    polygon: list[float] | None = None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class XmlRecord:
    """One `<annotation>`: `size` is None where missing or not positive.

    Objects stand in `objects`, or `plain` of them in the reader's `rows`; `digest` is the SHA-256 of the file's bytes.
    """

    file_name: str = ""
    size: tuple[float, float] | None = None
    objects: Sequence[XmlObject] = ()
    extra: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    findings: Sequence[Finding] = ()
    unreadable: bool = False
    plain: int = 0
    digest: bytes | None = None

    def __len__(self) -> int:
        return len(self.objects) + self.plain


class XmlReader:
    """Reads the XML files of one dataset; what is wrong with a file stands in its `findings`.

    Parameters
    ----------
    options : ReadOptions
    """

    def __init__(self, options: ReadOptions) -> None:
        self.options = options
        self.plain = PlainFiles(options, self._head_of)

    def read(self, paths: Sequence[str]) -> list[XmlRecord]:
        """Content of each file; `unreadable` where it is no VOC annotation at all (`DK101`)."""
        records: list[XmlRecord] = []
        for at in range(0, len(paths), _CHUNK):
            some = paths[at : at + _CHUNK]
            contents = files.each_file(self._content, some, self.options.jobs)
            small = [content if isinstance(content, bytes) else b"" for content in contents]
            plain = self.plain.read(small) if len(paths) >= _MANY else [None] * len(some)
            records += map(self._record, some, contents, plain)
        return records

    def rows(self) -> PlainRows:
        """Objects of the files that have `plain` ones, in the order in which the files were read."""
        return self.plain.rows()

    def _content(self, path: str) -> bytes | XmlRecord:
        """Bytes of a file; one that is large is read at once, as many of them would fill the memory."""
        try:
            data = files.read_small(path)
        except OSError as error:
            problem = f"cannot be read: {error.strerror or error}"
            return XmlRecord(findings=[Finding("DK101", problem, file=path)], unreadable=True)
        return data if len(data) <= _LARGE else self._parse(data, Path(path))

    def _record(self, path: str, content: bytes | XmlRecord, plain: PlainFile | None) -> XmlRecord:
        if isinstance(content, XmlRecord):
            return content
        if plain is None:
            return self._parse(content, Path(path))
        digest = hashlib.sha256(content).digest()
        return XmlRecord(plain.file_name, plain.size, extra=plain.extra, plain=plain.count, digest=digest)

    def _parse(self, data: bytes, path: Path) -> XmlRecord:
        root, problem, line = _root(data)
        digest = hashlib.sha256(data).digest()
        if root is None:
            finding = Finding("DK101", problem, file=str(path), line=line)
            return XmlRecord(findings=[finding], unreadable=True, digest=digest)
        findings: list[Finding] = []
        found = [_object(e, i, path, self.options, findings) for i, e in enumerate(root.findall("object"))]
        objects = [item for item in found if item is not None]
        return XmlRecord(_text(root, "filename"), _size(root), objects, self._extra(root), findings, digest=digest)

    def _extra(self, root: Any) -> dict[str, Any]:
        if not self.options.with_extra:
            return {}
        depth = _text(root, "size/depth")
        return ({"depth": depth} if depth else {}) | _plain_fields(root, _IMAGE_FIELDS)

    def _head_of(self, data: bytes) -> Head | None:
        root, _, _ = _root(data)
        if root is None:
            return None
        return _text(root, "filename"), _size(root), self._extra(root), len(root.findall("object"))


def is_voc_file(path: Path) -> str | None:
    """None where the file is a VOC annotation, else what it is."""
    try:
        data = start_of(path, _START)
        is_whole = len(data) == path.stat().st_size
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    root, problem, _ = _root(data, is_whole=is_whole)
    if root is None:
        return problem
    objects = root.findall("object")
    if objects and not any(o.find("bndbox") is not None for o in objects):
        return "its objects have no <bndbox>"
    if not objects and root.find("size") is None and root.find("filename") is None:
        return "it has neither <object> nor <size> nor <filename>"
    return None


def _root(data: bytes, *, is_whole: bool = True) -> tuple[Any, str, int | None]:
    """Root element, or None with the reason and its line; of a document that goes on, what its start has."""
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException

    try:
        root = _parsed(data, is_whole)
    except ParseError as error:
        return None, f"not well-formed XML: {error}", error.position[0]
    except DefusedXmlException:
        return None, "it declares a document type or entities, which are not read", None
    except (ValueError, LookupError, RecursionError) as error:
        return None, f"not readable as XML: {error}", None
    if root is None:
        return None, "not readable as XML: it begins with no element", None
    if root.tag != "annotation":
        return None, f"its root is <{root.tag[:60]}>, expected <annotation>", None
    return root, "", None


def _parsed(data: bytes, is_whole: bool) -> Any:
    from xml.etree.ElementTree import TreeBuilder

    from defusedxml.ElementTree import DefusedXMLParser, fromstring

    if is_whole:
        return fromstring(data, forbid_dtd=True)

    class Started(TreeBuilder):
        """Keeps the root, which the library gives at the end of a document only."""

        root: Any = None

        def start(self, tag: Any, attrs: Any, /) -> Any:
            element = super().start(tag, attrs)
            self.root = element if self.root is None else self.root
            return element

    started = Started()
    DefusedXMLParser(target=started, forbid_dtd=True).feed(data)
    return started.root


def _text(element: Any, tag: str) -> str:
    return (element.findtext(tag) or "").strip()


def _size(root: Any) -> tuple[float, float] | None:
    width, height = (float(parse_exact(_text(root, f"size/{side}")) or 0) for side in ("width", "height"))
    # As floats: a share of a pixel may be too small for one.
    return (width, height) if width > 0 and height > 0 else None


def _object(element: Any, index: int, path: Path, options: ReadOptions, findings: list[Finding]) -> XmlObject | None:
    """An object, or None where it cannot be used, which `findings` then say."""
    where = f"object {index + 1}"

    def report(code: str, message: str) -> None:
        findings.append(Finding(code, f"{where}: {message}", file=str(path), image=path.stem, annotation=index))

    name = _text(element, "name")
    bndbox = element.find("bndbox")
    if not name or bndbox is None:
        report("DK102", "<name> is missing or empty" if not name else f"`{name}` has no <bndbox>")
        return None
    corners: list[int | Decimal] = []
    for tag in _CORNERS:
        text = bndbox.findtext(tag)
        value = None if text is None else parse_exact(text)
        if value is None:
            report("DK102", f"<{tag}> is missing" if text is None else f"<{tag}> is `{text.strip()[:40]}`, no number")
            return None
        corners.append(value)
    xmin, ymin, xmax, ymax = corners
    box = exact_box(xmin, ymin, xmax, ymax, options.voc_offset)
    text = f"{xmin} {ymin} {xmax} {ymax}"
    # Read inclusively, a box of half a pixel has xmin above xmax: only a negative size is a reversed box.
    if box[2] < 0 or box[3] < 0:
        report("DK102", f"corners are reversed: {text}, expected xmin <= xmax and ymin <= ymax")
        return None
    if not (isfinite(box[2]) and isfinite(box[3])):
        report("DK102", f"corners are too far apart: {text}")
        return None
    if box[2] == 0 or box[3] == 0:
        report("DK201", f"no width or height: {text}")
    elif options.voc_offset and (xmin == xmax or ymin == ymax):
        report("DK204", f"one pixel wide or high: {text}")
    item = XmlObject(name, box, index)
    _add_fields(item, element, report, options)
    return item


def _add_fields(item: XmlObject, element: Any, report: Any, options: ReadOptions) -> None:
    """Flags, pose, outline and unknown fields of an object."""
    text = _text(element, "difficult").lower()
    if text in _TRUE:
        item.difficult = _TRUE[text]
    else:
        number = parse_exact(text)
        item.difficult = number is not None and number != 0
        if number is None:
            report("DK106", f"<difficult> is `{text[:40]}`, expected 0 or 1; taken as 0")
    item.truncated = _flag(element, "truncated", report)
    item.occluded = _flag(element, "occluded", report)
    pose = _text(element, "pose")
    item.pose = "" if pose.lower() == "unspecified" else pose
    polygon = element.find("polygon")
    if polygon is not None and options.with_shapes:
        item.polygon = _polygon(polygon)
        if item.polygon is None:
            report("DK106", "<polygon> is not a list of at least three points; the box is kept")
    if options.with_extra:
        item.extra = _plain_fields(element, _OBJECT_FIELDS)


def _flag(element: Any, tag: str, report: Any) -> float:
    text = _text(element, tag).lower()
    if not text or text == "unspecified":
        return float("nan")
    if text in _TRUE:
        return float(_TRUE[text])
    value = parse_exact(text)
    if value is None:
        report("DK106", f"<{tag}> is `{text[:40]}`, expected 0 or 1; taken as not stated")
        return float("nan")
    return float(value)


def _polygon(element: Any) -> list[float] | None:
    """Points as x1 y1 x2 y2 ... tags (Roboflow) or `<pt><x><y>`; coordinates are taken as stated."""
    points = element.findall("pt")
    if points:
        values = [parse_exact(p.findtext(axis) or "") for p in points for axis in ("x", "y")]
    else:
        numbers = sorted({int(m[1]) for child in element if (m := _POINT.match(child.tag))})
        values = [parse_exact(element.findtext(f"{axis}{n}") or "") for n in numbers for axis in ("x", "y")]
    known = [float(v) for v in values if v is not None]
    return known if len(known) == len(values) and len(known) >= 6 else None


def _plain_fields(element: Any, known: Iterable[str], depth: int = 0) -> dict[str, Any]:
    """Children that have no column, as text, or as mappings and lists of text where they are nested.

    What stands deeper than any tool writes is joined as text: the depth of a file is not the depth of the stack.
    """
    fields: dict[str, Any] = {}
    for child in element:
        if not isinstance(child.tag, str) or child.tag in known:
            continue
        value: Any = (child.text or "").strip()
        if len(child):
            value = _plain_fields(child, (), depth + 1) if depth < _DEEPEST else "".join(child.itertext()).strip()
        if child.tag in fields:
            before = fields[child.tag]
            fields[child.tag] = [*before, value] if isinstance(before, list) else [before, value]
        else:
            fields[child.tag] = value
    return fields
