"""VOC files read by the kernel give what the XML library gives, whatever is done to them."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detkit.formats import ReadOptions, _voc_xml
from detkit.formats._voc_columns import Columns, columns_of
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
    lambda text: text.replace("<object>", "<part><object>", 1).replace(
        "</object>", "</object></part><object id='1'/>", 1
    ),
    lambda text: text.replace("<name>dog<", "<name><"),
    lambda text: text.replace("<name>dog<", "<name> \u3000 <", 1),
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


_PLAIN = _HEAD.format(name="a.jpg") + (
    "<object><name>dog</name><pose></pose><truncated>0</truncated><difficult>0</difficult>"
    "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>30</xmax><ymax>40</ymax></bndbox></object></annotation>"
)


def _read(
    paths: list[Path], options: ReadOptions, monkeypatch: pytest.MonkeyPatch, *, by_library: bool = False
) -> tuple[list[XmlRecord], Columns]:
    """Records and columns, as the kernel reads them, or by the XML library alone."""
    with monkeypatch.context() as patch:
        patch.setattr(_voc_xml, "_MANY", 10**9 if by_library else 0)
        reader = XmlReader(options)
        records = reader.read([str(path) for path in paths])
    assert not by_library or not any(record.plain for record in records)
    return records, columns_of(records, reader.rows(), options.voc_offset)


def _facts(read: tuple[list[XmlRecord], Columns]) -> list[object]:
    records, columns = read
    heads = [(r.file_name, r.size, dict(r.extra), r.unreadable, list(r.findings), r.digest, len(r)) for r in records]
    attributes = {name: list(map(repr, values.tolist())) for name, values in columns.attributes.items()}
    boxes = [v.hex() for v in columns.xywh.ravel().tolist()]
    names = [columns.names[i] for i in columns.name_index.tolist()]
    return [heads, names, sorted(columns.names), boxes, columns.difficult.tolist(), attributes, columns.extra]


@pytest.mark.parametrize("voc_offset", [0, 1])
@pytest.mark.parametrize("with_extra", [True, False])
def test_the_kernel_and_the_library_agree(
    tmp_path: Path, voc_offset: int, with_extra: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    random_ = random.Random(voc_offset)
    paths = []
    for number in range(400):
        text = _document(random_, f"image {number}.jpg", random_.choice(_ORDERS), random_.choice(_CORNERS))
        twist = random_.choice(_TWISTS) if number % 2 else _TWISTS[0]
        paths.append(tmp_path / f"{number}.xml")
        paths[-1].write_bytes(twist(text).encode())
    options = ReadOptions(voc_offset=voc_offset, with_extra=with_extra)
    monkeypatch.setattr(_voc_xml, "_CHUNK", 150)
    read = _read(paths, options, monkeypatch)
    assert _facts(_read(paths, options, monkeypatch, by_library=True)) == _facts(read)
    assert sum(record.plain > 0 for record in read[0]) > 100


@pytest.mark.parametrize("twist", range(len(_TWISTS)))
def test_each_twist_alone(tmp_path: Path, twist: int, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [tmp_path / "first.xml", tmp_path / "a.xml", tmp_path / "last.xml"]
    for path in paths:
        path.write_text(_PLAIN, encoding="utf-8")
    paths[1].write_bytes(_TWISTS[twist](_PLAIN).encode())
    options = ReadOptions()
    read = _read(paths, options, monkeypatch)
    assert [read[0][0].plain, read[0][2].plain] == [1, 1]
    assert _facts(_read(paths, options, monkeypatch, by_library=True)) == _facts(read)


_DOCUMENT = _document(random.Random(7), "a.jpg", _ORDERS[1], _CORNERS[1]).encode()
#: Where, how many bytes go, what comes instead.
_EDIT = st.tuples(
    st.integers(0, len(_DOCUMENT)),
    st.integers(0, 12),
    st.one_of(
        st.sampled_from(
            [b"", b"<", b">", b"/", b"&", b"<object>", b"</object>", b"<bndbox>", b"1", b"0.5", b"-", b" "]
        ),
        st.binary(max_size=3),
    ),
)


@settings(max_examples=250, deadline=None, derandomize=True, database=None)
@given(st.lists(st.lists(_EDIT, min_size=1, max_size=3), min_size=1, max_size=6))
def test_damaged_bytes_are_read_as_the_library_reads_them(
    tmp_path_factory: pytest.TempPathFactory, files: list[list[tuple[int, int, bytes]]]
) -> None:
    folder, paths = tmp_path_factory.mktemp("voc"), []
    for number, edits in enumerate(files):
        data = _DOCUMENT
        for at, gone, comes in edits:
            data = data[:at] + comes + data[at + gone :]
        paths.append(folder / f"{number}.xml")
        paths[-1].write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        fast, slow = (_read(paths, ReadOptions(), patch, by_library=library) for library in (False, True))
    assert _facts(fast) == _facts(slow)


def test_no_entity_is_expanded_and_no_document_type_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.xml"
    body = _document(random.Random(1), "a.jpg", _ORDERS[0], _CORNERS[0])
    path.write_text('<!DOCTYPE annotation [<!ENTITY x "boom">]>' + body.replace("dog", "&x;"), encoding="utf-8")
    (record,), _ = _read([path], ReadOptions(), monkeypatch)
    assert record.unreadable
    assert "document type" in record.findings[0].message


def test_plain_rows_have_exact_edges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.xml"
    path.write_text(_PLAIN.replace("<xmin>1<", "<xmin>1.1<").replace("<xmax>30<", "<xmax>30.3<"), encoding="utf-8")
    (record,), columns = _read([path], ReadOptions(), monkeypatch)
    assert record.plain == 1
    # Left 1.1 - 1, width 30.3 - 0.1: in decimals, not in binary fractions.
    np.testing.assert_array_equal(columns.xywh, [[0.1, 1.0, 30.2, 39.0]])


def test_an_odd_object_between_plain_ones_is_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = "<object><name>{}</name><bndbox><xmin>{}</xmin><ymin>2</ymin><xmax>30</xmax><ymax>40</ymax></bndbox></object>"
    path = tmp_path / "a.xml"
    for left, plain in (("5", 3), (" 5", 0)):
        objects = one.format("a", "1") + one.format("b", left) + one.format("c", "1")
        path.write_text(_HEAD.format(name="a.jpg") + objects + "</annotation>", encoding="utf-8")
        (record,), columns = _read([path], ReadOptions(), monkeypatch)
        assert record.plain == plain
        assert [columns.names[i] for i in columns.name_index] == ["a", "b", "c"]


def test_a_large_file_is_read_on_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [tmp_path / f"{number}.xml" for number in range(3)]
    for path in paths:
        path.write_text(_PLAIN, encoding="utf-8")
    paths[1].write_text(_PLAIN.replace("<segmented>", " " * 2000 + "<segmented>"), encoding="utf-8")
    monkeypatch.setattr(_voc_xml, "_LARGE", 2000)
    read = _read(paths, ReadOptions(), monkeypatch)
    assert [record.plain for record in read[0]] == [1, 0, 1]
    assert _facts(_read(paths, ReadOptions(), monkeypatch, by_library=True)) == _facts(read)


def test_a_file_that_cannot_be_read_is_named_beside_plain_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [tmp_path / f"{number}.xml" for number in range(3)]
    paths[0].write_text(_PLAIN, encoding="utf-8")
    paths[1].mkdir()
    read = _read(paths, ReadOptions(), monkeypatch)
    assert [record.unreadable for record in read[0]] == [False, True, True]
    assert [record.findings[0].message for record in read[0][1:]] == [
        "cannot be read: Is a directory",
        "cannot be read: No such file or directory",
    ]
    assert _facts(_read(paths, ReadOptions(), monkeypatch, by_library=True)) == _facts(read)
