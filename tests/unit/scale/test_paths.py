"""What travels to workers names no path that only this process can follow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from detkit.api import EvaluationSettings
from detkit.scale import evaluating


def test_settings_travel_by_content_and_whole_paths(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(evaluating, "run_all", lambda function, tasks, **options: sent.extend(tasks))
    monkeypatch.setattr(evaluating, "merge_results", lambda targets: None)
    monkeypatch.setattr(evaluating, "_as_named", lambda *given: None)
    monkeypatch.chdir(tmp_path)
    Path("map.json").write_text(json.dumps({"a": "b"}))
    Path("tree.json").write_text(json.dumps({"LabelName": "x"}))
    settings = EvaluationSettings(class_map="map.json", hierarchy=Path("tree.json"), images_dir=Path("images"))
    evaluating.evaluate("t.json", "p.json", settings, shards=2)
    assert len(sent) == 2
    for truth, predictions, _, target, told in sent:
        assert all(Path(path).is_absolute() for path in (truth, predictions, target, told.images_dir))
        assert (told.class_map, told.hierarchy) == ({"a": "b"}, {"LabelName": "x"})
