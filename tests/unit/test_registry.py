"""Implementations are found by file name and by entry point."""

from __future__ import annotations

import importlib.metadata
from types import SimpleNamespace

import pytest

from detkit import registry
from detkit.errors import UsageError


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> object:
    plugin = SimpleNamespace(CAPABILITIES="planted")
    point = SimpleNamespace(name="zz_planted", load=lambda: plugin)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [point] if group == "detkit.formats" else [])
    registry.names.cache_clear()
    registry.load.cache_clear()
    yield plugin
    registry.names.cache_clear()
    registry.load.cache_clear()


def test_own_implementations_are_module_files() -> None:
    assert {"coco", "csv", "voc", "yolo"} <= set(registry.names("detkit.formats"))
    assert not any(name.startswith("_") for name in registry.names("detkit.formats"))
    assert registry.load("detkit.formats", "coco").__name__ == "detkit.formats.coco"


def test_plugged_in_implementations_are_entry_points(planted: object) -> None:
    assert "zz_planted" in registry.names("detkit.formats")
    assert registry.load("detkit.formats", "zz_planted") is planted


def test_unknown_name_lists_the_nearest() -> None:
    with pytest.raises(UsageError, match="unknown format `cocoo`") as caught:
        registry.load("detkit.formats", "cocoo")
    assert "`coco`" in str(caught.value.hint)
