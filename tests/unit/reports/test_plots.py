"""Plots as files: which there are, that they are pictures, the same every time, and refusals."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from PIL import Image

from analysis_cases import scored
from detkit.errors import MissingExtraError, OutputError, UsageError
from detkit.evaluation import analyses
from detkit.evaluation.result import Evaluation
from detkit.reports import write_plots

pytest.importorskip("matplotlib")

NAMES = ["$x_1$ <dog>", "كلب", "cat"]
AXES = {
    "precision_recall": {"recall", "precision", "all classes"},
    "confidence": {"score threshold", "precision, recall, F1"},
    "scores": {"score", "detections, logarithmic", "true positives", "false positives"},
    "confusion": {"prediction", "truth"},
    "errors": {"kind of error", "dAP"},
    "reliability": {"mean confidence", "share of hits"},
}
PLOTS = set(AXES)
TEXT = "{http://www.w3.org/2000/svg}text"


@pytest.fixture(scope="module")
def result() -> Evaluation:
    truths = [(0, 0), (0, 1), (1, 2), (1, 1)]
    found = [(0, 0, 1.0, 0.9), (1, 1, 0.8, 0.7), (2, 1, 0.9, 0.6), (-1, 2, 1.0, 0.5)]
    plain = scored(truths, found, names=NAMES)
    return replace(plain, analyses={name: analyses.analyse(name, plain).to_dict() for name in analyses.names()})


def test_a_picture_and_a_drawing_of_each(result: Evaluation, tmp_path: Path) -> None:
    written = write_plots(result, tmp_path)
    assert {path.stem for path in written} == PLOTS
    assert sorted(written) == sorted(tmp_path.iterdir())
    for path in written:
        if path.suffix == ".png":
            with Image.open(path) as image:
                image.load()
                assert image.width > 600
        else:
            assert ET.parse(path).getroot().tag.endswith("svg")
    # Names are text, never formulas or markup.
    drawn = ET.parse(tmp_path / "precision_recall.svg").getroot().iter(TEXT)
    assert set(NAMES) <= {"".join(text.itertext()) for text in drawn}


def test_the_same_result_gives_the_same_bytes(result: Evaluation, tmp_path: Path) -> None:
    first, second = write_plots(result, tmp_path / "a"), write_plots(result, tmp_path / "b")
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]


def test_long_names_leave_room_and_many_classes_are_readable(tmp_path: Path) -> None:
    # A name that no plot has room for, and one in a script the font lacks, warn nobody: warnings are errors here.
    names = ["x" * 100_000, "\u4e2d" * 100, *(f"class {n}" for n in range(58))]
    plain = scored([(0, k) for k in range(60)], [(k, (k + 7) % 60, 1.0, 0.9) for k in range(60)], names=names)
    found = analyses.analyse("confusion", plain).to_dict()
    write_plots(replace(plain, analyses={"confusion": found}), tmp_path)
    with Image.open(tmp_path / "confusion.png") as image:
        # 41 names of 7 points each need at least 41 * 7 / 72 inches of 150 dots.
        assert image.height > 41 * 7 / 72 * 150
    texts = ["".join(t.itertext()) for t in ET.parse(tmp_path / "confusion.svg").getroot().iter(TEXT)]
    assert max(map(len, texts)) < 80
    assert "the 40 of 60 classes with the most confusions" in texts
    assert {"truth", "prediction", "background"} <= set(texts)


def test_few_classes_show_their_counts(result: Evaluation, tmp_path: Path) -> None:
    write_plots(replace(result, analyses={"confusion": result.analyses["confusion"]}), tmp_path)
    counts = [str(cell["count"]) for cell in result.analyses["confusion"]["cells"]]
    # A group of text each, after the ticks of the axes.
    texts = ["".join(t.itertext()) for t in ET.parse(tmp_path / "confusion.svg").getroot().iter(TEXT)]
    assert all(texts.count(count) >= counts.count(count) for count in counts)


@pytest.mark.parametrize("name", sorted(PLOTS))
def test_both_axes_say_what_they_show(result: Evaluation, tmp_path: Path, name: str) -> None:
    write_plots(result, tmp_path)
    texts = {"".join(t.itertext()) for t in ET.parse(tmp_path / f"{name}.svg").getroot().iter(TEXT)}
    assert AXES[name] <= texts


def test_only_what_was_analysed_is_drawn(result: Evaluation, tmp_path: Path) -> None:
    written = write_plots(replace(result, analyses={"errors": result.analyses["errors"]}), tmp_path)
    assert {path.name for path in written} == {"errors.png", "errors.svg"}
    with pytest.raises(UsageError, match="no analysis with a plot"):
        write_plots(replace(result, analyses={}), tmp_path)


def test_an_existing_file_is_kept(result: Evaluation, tmp_path: Path) -> None:
    only = replace(result, analyses={"errors": result.analyses["errors"]})
    (tmp_path / "errors.png").write_bytes(b"mine")
    with pytest.raises(OutputError, match="exists"):
        write_plots(only, tmp_path)
    assert (tmp_path / "errors.png").read_bytes() == b"mine"
    write_plots(only, tmp_path, overwrite=True)
    assert (tmp_path / "errors.png").read_bytes() != b"mine"


def test_without_matplotlib_the_extra_is_named(
    result: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match="matplotlib") as caught:
        write_plots(result, tmp_path)
    assert "detkit[report]" in str(caught.value)
