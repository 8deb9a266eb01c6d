"""Every dataset format to every other one: images, classes and boxes come back, and nothing is lost in silence.

What must differ is listed with its reason in `conversion_matrix`: a difference that is not there fails, and so does a
page that says otherwise.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import conversion_matrix as matrix
import conversion_page
import conversion_sources
from detkit import formats
from detkit.findings import Loss
from detkit.tables import Dataset

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "formats" / "index.md"
STALE = "run: python tools/make_matrix.py"
HAS_OPENCV = importlib.util.find_spec("cv2") is not None

Source = Callable[[str, str], tuple[Path, Dataset]]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """A source's files and table, made once."""
    root = tmp_path_factory.mktemp("sources")
    made: dict[tuple[str, str], tuple[Path, Dataset]] = {}

    def get(name: str, flavour: str) -> tuple[Path, Dataset]:
        if (name, flavour) not in made:
            made[name, flavour] = matrix.write_source(root / f"{name}-{flavour}", name, flavour)
        return made[name, flavour]

    return get


@pytest.fixture(scope="module")
def page() -> dict[tuple[str, str], str]:
    return conversion_page.cells_of(PAGE.read_text(encoding="utf-8"))


def test_every_readable_format_is_a_source() -> None:
    assert set(matrix.SOURCES) == set(formats.names("dataset"))
    assert set(matrix.SOURCES) <= set(matrix.TARGETS), "give conversion_sources a source for formats that are only read"


@pytest.mark.parametrize("name", matrix.SOURCES)
def test_a_source_holds_what_its_format_can(name: str, source: Source) -> None:
    """Else the table would praise conversions of next to nothing."""
    held = formats.capabilities(name).holds
    stated: set[str] = set()
    count = len(conversion_sources.ROWS)
    for flavour in conversion_sources.flavours(name):
        _, data = source(name, flavour)
        assert sorted(data.images.file_names) == sorted(conversion_sources.FILES)
        assert len(set(matrix.photos(data).values()) - {None}) == len(conversion_sources.FILES)
        assert len(data.annotations) in (count, count - 1)  # some have no place for the crowd
        assert [f for f in data.findings if f.severity == "error"] == []
        stated |= {feature for feature, column in matrix.COLUMNS.items() if column(data) is not None}
        stated |= {"attributes"} if matrix.attributes(data) else set()
    outlines = {"polygons", "oriented"}  # a format of four corners has no other polygons
    wanted = held & set(matrix.COLUMNS)
    assert wanted - stated <= (outlines if stated & outlines else set())
    assert "attributes" in stated or not (formats.capabilities(name).attributes or "attributes" in held)


@pytest.mark.parametrize("to", matrix.TARGETS)
@pytest.mark.parametrize("name", matrix.SOURCES)
def test_a_conversion(name: str, to: str, source: Source, page: dict[tuple[str, str], str], tmp_path: Path) -> None:
    lost: set[str] = set()
    for flavour in conversion_sources.flavours(name):
        if (flavour, to) == ("rle", "yolo") and not HAS_OPENCV:
            pytest.skip("tracing masks needs the extra `augment`")
        place, before = source(name, flavour)
        done = matrix.convert(place, before, name, to, tmp_path / flavour)
        differences = matrix.differences(done, name, to)
        assert done.is_source_untouched
        assert matrix.images(done.after) == matrix.images(before)
        if formats.capabilities(to).carries_images:
            assert matrix.photos(done.after) == matrix.photos(before)
        assert done.after.categories.names == before.categories.names
        allowed, _ = matrix.BOXES_DIFFER.get((flavour, to), (0.0, ""))
        assert matrix.box_error(done, to) <= (0 if name == to else allowed)
        assert [lack for lack in matrix.uncovered(done, differences) if not matrix.is_known_fault(lack, name, to)] == []
        assert [loss for loss in matrix.unfounded(done, differences) if not matrix.explained(loss, to)] == []
        assert matrix.added(done, to) <= set(matrix.ADDED.get(to, {}))
        assert [f for f in done.after.findings if f.severity == "error"] == []
        lost |= set(differences)
    if name == to:
        assert lost == set(), "a format gives back all that it holds"
    assert page.get((name, to)) == conversion_page.cell(lost), STALE


def test_the_page_is_current() -> None:
    """Its cells are compared with conversions above; here the rest of what is generated."""
    text = PAGE.read_text(encoding="utf-8")
    assert conversion_page.block(conversion_page.cells_of(text)) in text, STALE
    assert "?" not in conversion_page.cells_of(text).values(), STALE


def test_the_tool_tells_a_stale_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = importlib.util.spec_from_file_location("make_matrix", ROOT / "tools" / "make_matrix.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    monkeypatch.setattr(sys, "path", [*sys.path])
    spec.loader.exec_module(tool)
    page = tmp_path / "index.md"
    page.write_bytes(PAGE.read_bytes())
    cells = conversion_page.cells_of(PAGE.read_text(encoding="utf-8"))
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    monkeypatch.setattr(tool, "PAGE", page)
    monkeypatch.setattr(tool, "cells", lambda folder: cells)
    assert tool.main(["--check"]) == 0
    cells = {**cells, ("coco", "voc"): "ZZ"}
    assert tool.main(["--check"]) == 1
    assert page.read_bytes() == PAGE.read_bytes()
    assert tool.main([]) == 0
    assert conversion_page.cells_of(page.read_text(encoding="utf-8")) == cells
    assert capsys.readouterr().out == "index.md: out of date\nindex.md: written\n"


# --- the comparison itself: what it would miss, the table would hide


def _outcome(source: Source, change: Callable[[Dataset], Dataset], losses: tuple[Loss, ...] = ()) -> matrix.Outcome:
    _, before = source("coco", "polygons")
    return matrix.Outcome(before, change(before), losses, True)


def _without(data: Dataset, **columns: object) -> Dataset:
    return replace(data, annotations=replace(data.annotations, **columns))  # type: ignore[arg-type]


PLANTED: dict[str, Callable[[Dataset], Dataset]] = {
    "crowds": lambda d: _without(d, is_crowd=np.zeros(len(d.annotations), bool)),
    "ignored": lambda d: _without(d, is_ignored=~d.annotations.is_ignored),
    "polygons": lambda d: _without(d, shapes=None),
    "area": lambda d: _without(d, area=d.annotations.area + 1),
    "attributes": lambda d: _without(d, attributes={"weather": np.array([None] * len(d.annotations), object)}),
    "extra": lambda d: _without(d, extra={}),
    "info": lambda d: replace(d, info={}),
    "splits": lambda d: replace(d, splits={"train": d.splits["train"]}),
    "supercategories": lambda d: replace(d, categories=replace(d.categories, supercategories=())),
    "category_ids": lambda d: replace(d, categories=replace(d.categories, ids=d.categories.ids + 1)),
    "image_ids": lambda d: replace(d, images=replace(d.images, ids=d.images.ids + 1)),
    "annotation_ids": lambda d: _without(d, ids=d.annotations.ids + 1),
    "boxes": lambda d: _without(d, xywh=d.annotations.xywh + 1e-12),
}


@pytest.mark.parametrize("feature", PLANTED)
def test_a_silent_loss_is_seen(feature: str, source: Source) -> None:
    done = _outcome(source, PLANTED[feature])
    found = matrix.differences(done, "coco", "coco")
    assert set(found) == {feature}
    assert matrix.uncovered(done, found) != []
    said = tuple(Loss(word, "dropped", 1) for word in found[feature])
    assert matrix.uncovered(replace(done, losses=said), found) == []
    assert matrix.unfounded(replace(done, losses=said), found) == []


def test_a_loss_without_a_difference_is_seen(source: Source) -> None:
    done = _outcome(source, lambda d: d, (Loss("stated areas", "dropped", 6),))
    assert matrix.differences(done, "coco", "coco") == {}
    assert matrix.unfounded(done, {}) == ["stated areas: 6 dropped"]


def test_an_invention_is_seen(source: Source) -> None:
    flags = np.array([1.0] * len(conversion_sources.ROWS))
    done = _outcome(source, lambda d: _without(d, attributes={**d.annotations.attributes, "made_up": flags}))
    assert matrix.added(done, "coco") == {"attribute made_up"}


def test_a_missing_row_is_no_small_error(source: Source) -> None:
    assert matrix.box_error(_outcome(source, lambda d: d.take_rows(np.arange(3))), "coco") == float("inf")
