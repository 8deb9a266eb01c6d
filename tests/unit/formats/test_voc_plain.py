"""VOC files read by pattern give what the XML library gives, whatever is done to them."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from detkit.formats import ReadOptions
from detkit.formats._voc_columns import columns_of
from detkit.formats._voc_xml import XmlReader, XmlRecord

_ORDERS = (
    ("name", "pose", "truncated", "difficult", "bndbox"),
    ("name", "pose", "truncated", "occluded", "bndbox", "difficult"),
    ("name", "bndbox"),
)
_CORNERS = (("xmin", "ymin", "xmax", "ymax"), ("xmax", "xmin", "ymax", "ymin"))
_HEAD = (
    "<annotation>\n\t<folder>x</folder>\n\t<filename>{name}</filename>\n\t<path>/a/{name}</path>\n"
    "\t<source>\n\t\t<database>Unknown</database>\n\t</source>\n"
    "\t<size>\n\t\t<width>640</width>\n\t\t<height>480</height>\n\t\t<depth>3</depth>\n\t</size>\n"
    "\t<segmented>0</segmented>\n"
)
#: Changes to a document that XML gives a meaning to, or that make it no XML or no usable annotation.
_TWISTS = (
    lambda text: text,
    lambda text: text.replace("<object>", "<!-- x --><object>", 1),
    lambda text: text.replace("<object>", "<!-- <object>", 1).replace("</object>", "</object> -->", 1),
    lambda text: text.replace("<object>", "<part><object>", 1).replace("</object>", "</object></part>", 1),
    lambda text: text.replace("</name>", " &amp; co</name>", 1),
    lambda text: text.replace("<name>", "<name> ", 1),
    lambda text: text.replace("</name>", "\n</name>", 1),
    lambda text: text.replace("<name>", "<name>\x07", 1),
    lambda text: text.replace("<name>", "<name>]]>", 1),
    lambda text: text.replace("</name>", " é\u3000</name>", 1),
    lambda text: text.replace("</name>", "\uffff</name>", 1),
    lambda text: text.replace("<xmin>", "<xmin>-", 1),
    lambda text: text.replace("<xmin>", "<xmin> ", 1),
    lambda text: text.replace("<xmax>", "<xmax>0.00000000001", 1),
    lambda text: text.replace("<xmax>", "<xmax>nan", 1),
    lambda text: text.replace("<xmax>", "<xmin>", 1).replace("</xmax>", "</xmin>", 1),
    lambda text: text.replace("<object>", "<object><part>hand</part>", 1),
    lambda text: text.replace("<object>", '<object id="1">', 1),
    lambda text: text.replace("<object>", "<object>words", 1),
    lambda text: text.replace("</object>", "</object>words", 1),
    lambda text: text.replace("</object>", "", 1),
    lambda text: text.replace("<difficult>0", "<difficult>yes", 1),
    lambda text: text.replace("<truncated>0", "<truncated>0.4", 1),
    lambda text: text.replace("<width>640", "<width>0", 1),
    lambda text: text.replace("<source>", "<source><filename>other.jpg</filename><width>5</width>", 1),
    lambda text: text.replace("<filename>", "<source><filename>o.jpg</filename></source><filename>", 1),
    lambda text: text.replace("<size>", "<size><width>9</width>", 1),
    lambda text: text.replace("</annotation>", "", 1),
    lambda text: text + "<annotation/>",
    lambda text: "\ufeff" + text,
    lambda text: '<?xml version="1.0" encoding="utf-8"?>\n' + text,
    lambda text: '<?xml version="1.0" encoding="cp037"?>\n' + text,
    lambda text: '<!DOCTYPE a [<!ENTITY e "x">]>' + text.replace("</name>", "&e;</name>", 1),
    lambda text: text.replace("\n", "\r\n"),
    lambda text: "",
    lambda text: "<annotation></annotation>",
    lambda text: text.split("<object>")[0] + "</annotation>",
)


def _document(random_: random.Random, name: str, order: tuple[str, ...], corners: tuple[str, ...]) -> str:
    text = _HEAD.format(name=name)
    for _ in range(random_.randint(1, 4)):
        digits = random_.choice((0, 0, 0, 2, 9))
        edge = {axis: round(random_.uniform(1, 400), digits) for axis in ("xmin", "ymin")}
        for axis in ("x", "y"):
            edge[f"{axis}max"] = round(
                edge[f"{axis}min"] + random_.choice((-1, 0, 0.01, 1) + (5, 33.3, 77) * 20), digits
            )
        texts = {k: f"{v:.{digits}f}" for k, v in edge.items()}
        inner = {"name": random_.choice(("dog", "no. 5", "traffic light"))}
        inner["pose"] = random_.choice(("Left", "unspecified", ""))
        inner |= {flag: random_.choice("0001") for flag in ("truncated", "difficult", "occluded")}
        inner["bndbox"] = "".join(f"<{tag}>{texts[tag]}</{tag}>\n" for tag in corners)
        text += "<object>\n" + "".join(f"\t<{tag}>{inner[tag]}</{tag}>\n" for tag in order) + "</object>\n"
    return text + "</annotation>\n"


def _facts(records: list[XmlRecord], voc_offset: int) -> list[object]:
    columns = columns_of(records, voc_offset)
    heads = [(r.file_name, r.size, r.extra, r.unreadable, r.findings, r.digest, len(r)) for r in records]
    attributes = {name: list(map(repr, values.tolist())) for name, values in columns.attributes.items()}
    boxes = [v.hex() for v in columns.xywh.ravel().tolist()]
    return [heads, columns.names, boxes, columns.difficult, attributes, columns.extra]


def _slow(options: ReadOptions) -> XmlReader:
    reader = XmlReader(options)
    reader.plain.read = lambda data: None  # type: ignore[method-assign]
    return reader


@pytest.mark.parametrize("voc_offset", [0, 1])
@pytest.mark.parametrize("with_extra", [True, False])
def test_the_pattern_and_the_library_agree(tmp_path: Path, voc_offset: int, with_extra: bool) -> None:
    random_ = random.Random(voc_offset)
    paths = []
    for number in range(400):
        text = _document(random_, f"image {number}.jpg", random_.choice(_ORDERS), random_.choice(_CORNERS))
        twist = random_.choice(_TWISTS) if number % 2 else _TWISTS[0]
        paths.append(tmp_path / f"{number}.xml")
        paths[-1].write_bytes(twist(text).encode())
    options = ReadOptions(voc_offset=voc_offset, with_extra=with_extra)
    plain, slow = XmlReader(options), _slow(options)
    read = [plain.read(str(path)) for path in paths]
    # The slow reader's records have no columns: both are brought to the same ones.
    assert _facts([slow.read(str(path)) for path in paths], voc_offset) == _facts(read, voc_offset)
    assert sum(record.rows is not None for record in read) > 50


@pytest.mark.parametrize("twist", range(len(_TWISTS)))
def test_each_twist_alone(tmp_path: Path, twist: int) -> None:
    path, first = tmp_path / "a.xml", tmp_path / "first.xml"
    text = _HEAD.format(name="a.jpg") + (
        "<object><name>dog</name><pose></pose><truncated>0</truncated><difficult>0</difficult>"
        "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>30</xmax><ymax>40</ymax></bndbox></object></annotation>"
    )
    first.write_text(text, encoding="utf-8")
    path.write_bytes(_TWISTS[twist](text).encode())
    options = ReadOptions()
    reader = XmlReader(options)
    assert reader.read(str(first)).rows is None  # the first of its kind is learned from
    assert reader.read(str(first)).rows is not None
    assert _facts([_slow(options).read(str(path))], 1) == _facts([reader.read(str(path))], 1)


def test_no_entity_is_expanded_and_no_document_type_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    reader = XmlReader(ReadOptions())
    body = _document(random.Random(1), "a.jpg", _ORDERS[0], _CORNERS[0])
    path.write_text(body, encoding="utf-8")
    reader.read(str(path))
    path.write_text('<!DOCTYPE annotation [<!ENTITY x "boom">]>' + body.replace("dog", "&x;"), encoding="utf-8")
    record = reader.read(str(path))
    assert record.unreadable
    assert "document type" in record.findings[0].message


def test_rows_of_the_pattern_have_exact_edges(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    reader = XmlReader(ReadOptions())
    body = _HEAD.format(name="a.jpg") + (
        "<object><name>dog</name><bndbox><xmin>1.1</xmin><ymin>2</ymin><xmax>30.3</xmax><ymax>40</ymax></bndbox>"
        "</object></annotation>"
    )
    path.write_text(body, encoding="utf-8")
    reader.read(str(path))
    record = reader.read(str(path))
    assert record.rows is not None
    # Left 1.1 - 1, width 30.3 - 0.1: in decimals, not in binary fractions.
    np.testing.assert_array_equal(columns_of([record], 1).xywh, [[0.1, 1.0, 30.2, 39.0]])


def test_an_odd_object_between_plain_ones_is_not_passed_over(tmp_path: Path) -> None:
    one = "<object><name>{}</name><bndbox><xmin>{}</xmin><ymin>2</ymin><xmax>30</xmax><ymax>40</ymax></bndbox></object>"
    path, reader = tmp_path / "a.xml", XmlReader(ReadOptions())
    for left in ("5", " 5"):
        objects = one.format("a", "1") + one.format("b", left) + one.format("c", "1")
        path.write_text(_HEAD.format(name="a.jpg") + objects + "</annotation>", encoding="utf-8")
        reader.read(str(path))
        assert columns_of([reader.read(str(path))], 1).names == ["a", "b", "c"]
