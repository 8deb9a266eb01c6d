"""Implementations are found by file name and by entry point."""

from __future__ import annotations

import types
from pathlib import Path

import pytest

from detkit import registry
from detkit.errors import UsageError
from plugins import plugged_in


def test_own_implementations_are_module_files() -> None:
    assert {"coco", "csv", "voc", "yolo"} <= set(registry.names("detkit.formats"))
    assert not any(name.startswith("_") for name in registry.names("detkit.formats"))
    assert registry.load("detkit.formats", "coco").__name__ == "detkit.formats.coco"


def test_plugged_in_implementations_are_entry_points(tmp_path: Path) -> None:
    assert "zz_planted" not in registry.names("detkit.formats")
    with plugged_in(tmp_path, "detkit.formats", "zz_planted", "types"):
        assert "zz_planted" in registry.names("detkit.formats")
        assert registry.load("detkit.formats", "zz_planted") is types
        assert "zz_planted" not in registry.names("detkit.detectors")
    assert "zz_planted" not in registry.names("detkit.formats")


def test_unknown_name_lists_the_nearest() -> None:
    with pytest.raises(UsageError, match="unknown format `cocoo`") as caught:
        registry.load("detkit.formats", "cocoo")
    assert "`coco`" in str(caught.value.hint)
