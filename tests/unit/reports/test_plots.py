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
PLOTS = {"precision_recall", "confidence", "scores", "confusion", "errors", "reliability"}


@pytest.fixture(scope="module")
def result() -> Evaluation:
    truths = [(0, 0), (0, 1), (1, 2), (1, 1)]
    found = [(0, 0, 1.0, 0.9), (1, 1, 0.8, 0.7), (2, 1, 0.9, 0.6), (-1, 2, 1.0, 0.5)]
    plain = scored(truths, found, names=NAMES)
    return replace(plain, analyses={name: analyses.analyse(name, plain).to_dict() for name in analyses.names()})


@pytest.mark.filterwarnings("ignore:Glyph .* missing from font")
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
    drawn = ET.parse(tmp_path / "precision_recall.svg").getroot().iter("{http://www.w3.org/2000/svg}text")
    assert set(NAMES) <= {"".join(text.itertext()) for text in drawn}


@pytest.mark.filterwarnings("ignore:Glyph .* missing from font")
def test_the_same_result_gives_the_same_bytes(result: Evaluation, tmp_path: Path) -> None:
    first, second = write_plots(result, tmp_path / "a"), write_plots(result, tmp_path / "b")
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]


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
