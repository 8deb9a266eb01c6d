"""A path that is not there: the error names what lies there under nearly the same name."""

from __future__ import annotations

from pathlib import Path

import pytest

from detkit import files


@pytest.fixture
def laid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("coco/instances_train.json", "coco/instances_val.json", "data.yaml", "best.onnx", "Labels/a.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("coco/instance_val.json", "coco/instances_val.json"),
        ("cooc/instances_vla.json", "coco/instances_val.json"),
        ("./data.yml", "data.yaml"),
        ("Data.yaml", "data.yaml"),
        ("best.pt", "best.onnx"),
        ("labels", "Labels"),
        ("data.yaml/labels", None),
        ("truth.json", None),
        ("nothing/at/all.json", None),
        ("a\0b", None),
        ("", None),
    ],
)
def test_the_hint_names_what_is_there(laid: Path, given: str, meant: str | None) -> None:
    error = files.missing_path(given, "file", hint="other")
    assert error.message.endswith("no such file")
    assert error.hint == ("other" if meant is None else f"did you mean `{meant}`?")


def test_an_absolute_path_stays_one(laid: Path) -> None:
    assert files.missing_path(laid / "coca" / "instances_val.json").hint == (
        f"did you mean `{laid / 'coco' / 'instances_val.json'}`?"
    )


def test_a_link_to_nothing_is_not_suggested_for_itself(laid: Path) -> None:
    (laid / "links").mkdir()
    (laid / "links" / "a.json").symlink_to(laid / "gone")
    assert files.missing_path("links/a.json").hint is None


def test_only_a_missing_file_is_called_missing(laid: Path) -> None:
    assert files.unreadable("data.yml", FileNotFoundError(2, "No such file or directory")).hint == (
        "did you mean `data.yaml`?"
    )
    refused = files.unreadable("data.yaml", PermissionError(13, "Permission denied"))
    assert (refused.message, refused.hint) == ("data.yaml: cannot be read: Permission denied", None)
