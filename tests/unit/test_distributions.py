"""What is installed, told from folder names, beside `importlib.metadata`."""

from __future__ import annotations

import importlib.metadata
import sys
import zipfile
from importlib.machinery import PathFinder
from pathlib import Path

import pytest

from detkit.distributions import may_plug_in, version
from plugins import describe


@pytest.mark.parametrize("name", ["numba", "llvmlite", "numpy"])
def test_versions_are_those_of_the_library(name: str) -> None:
    assert version(name) == importlib.metadata.version(name)


def test_a_version_that_is_not_there() -> None:
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        version("no_such_distribution")


@pytest.fixture
def asked_anew(monkeypatch: pytest.MonkeyPatch):
    """Only the standard finder, which other tests' libraries may have replaced by their own."""
    monkeypatch.setattr(sys, "meta_path", [Standard])
    may_plug_in.cache_clear()
    yield
    may_plug_in.cache_clear()


class Standard(PathFinder):
    """Finds distributions, and says so, as the standard one does."""

    __module__ = PathFinder.__module__

    @staticmethod
    def find_distributions(context: object) -> list[object]:
        return []


@pytest.mark.usefixtures("asked_anew")
def test_a_folder_on_the_path_plugs_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    describe(tmp_path, "detkit.formats", "mine", "module")
    assert not may_plug_in("detkit.formats")
    monkeypatch.syspath_prepend(tmp_path)
    may_plug_in.cache_clear()
    assert may_plug_in("detkit.formats")
    assert not may_plug_in("detkit.detectors")


@pytest.mark.usefixtures("asked_anew")
def test_an_archive_on_the_path_leaves_it_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        archive.writestr("example-1.0.dist-info/entry_points.txt", "[detkit.formats]\nmine = module\n")
    monkeypatch.syspath_prepend(tmp_path / "packed.zip")
    assert may_plug_in("detkit.formats")


@pytest.mark.usefixtures("asked_anew")
def test_another_finder_of_distributions_leaves_it_open(monkeypatch: pytest.MonkeyPatch) -> None:
    class Finder:
        @staticmethod
        def find_distributions(context: object) -> list[object]:
            return []

    monkeypatch.setattr(sys, "meta_path", [Standard, Finder])
    assert may_plug_in("detkit.formats")


@pytest.mark.usefixtures("asked_anew")
def test_what_cannot_be_listed_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "example-1.0.dist-info").mkdir()
    monkeypatch.setattr(sys, "path", ["/no/such/folder", str(tmp_path), ""])
    assert not may_plug_in("detkit.formats")
