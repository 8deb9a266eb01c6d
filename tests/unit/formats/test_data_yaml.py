"""data.yaml and obj.data: fields, and where entries lead."""

from pathlib import Path

import pytest

from detkit.errors import InputError
from detkit.formats._data_yaml import read_darknet, read_data_yaml, resolve


def description(folder: Path, text: str):
    (folder / "data.yaml").write_text(text)
    return read_data_yaml(folder / "data.yaml")


def test_fields(tmp_path):
    found = description(
        tmp_path,
        "train: [a, b]\nvalid: c\ntest:\nnames: {1: y, 0: x}\nkpt_shape: [17, 3]\nflip_idx: [0, 2, 1]\ntask: pose\n"
        "download: https://example.com/x.zip\n",
    )
    assert found.entries == {"train": ["a", "b"], "valid": ["c"]}
    assert found.names == ("x", "y")
    assert found.kpt_shape == (17, 3)
    assert found.info == {"kpt_shape": [17, 3], "flip_idx": [0, 2, 1]}
    assert found.task == "pose"
    assert found.bases == (tmp_path,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[a]", "not a mapping"),
        ("train: {a: b}", "train: found"),
        ("train: [[a]]", "train: found"),
        ("kpt_shape: 17", "kpt_shape: found `17`"),
        ("kpt_shape: [17, 4]", "kpt_shape"),
        ("names: [a]\nnc: 2", "`nc` is 2 but `names` has 1"),
        ("names: [a]\nnc: many", "nc: found `many`"),
        ("val: a\nvalid: b", "`val` and `valid` name different images"),
        ("train: a\ntrain: b", "key `train` stands twice"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, text, message):
    with pytest.raises(InputError) as caught:
        description(tmp_path, text)
    assert message in str(caught.value)


def test_val_twice_with_the_same_images_is_one(tmp_path):
    assert description(tmp_path, "val: a\nvalid: a").entries == {"val": ["a"]}


def test_path_is_relative_to_the_file_first_then_to_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "cwd/data").mkdir(parents=True)
    (tmp_path / "set").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    assert description(tmp_path / "set", "path: data").bases == (tmp_path / "cwd/data", tmp_path / "set")
    (tmp_path / "set/data").mkdir()
    assert description(tmp_path / "set", "path: data").bases == (tmp_path / "set/data", tmp_path / "set")
    assert description(tmp_path / "set", "path: /no/such").root_missing == "/no/such"


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("train/images", ("train/images", False)),
        ("./train/images", ("train/images", False)),
        ("train\\images", ("train/images", False)),
        ("../train/images", ("train/images", True)),
        ("/content/set/train/images", ("train/images", True)),
        ("C:\\set\\train\\images", ("train/images", True)),
        ("/content/images", (None, False)),
        ("../images", ("images", True)),
        ("other/none", (None, False)),
        ("x" * 5000, (None, False)),
    ],
)
def test_entries(tmp_path, entry, expected):
    root = tmp_path / "root"
    for folder in ("train/images", "images"):
        (root / folder).mkdir(parents=True)
    found, relocated = resolve(entry, (root,), lambda p: __import__("os").path.isdir(p))
    assert (None if found is None else found.resolve().relative_to(root).as_posix(), relocated) == expected


def test_darknet(tmp_path):
    (tmp_path / "obj.names").write_text("a\nb\n")
    (tmp_path / "obj.data").write_text(
        "classes=2\n# note\ntrain  = data/train.txt\nvalid=x.txt\nnames = data/obj.names\n"
    )
    found = read_darknet(tmp_path / "obj.data")
    assert found.entries == {"train": ["data/train.txt"], "valid": ["x.txt"]}
    assert found.names == ("a", "b")
    (tmp_path / "obj.data").write_text("classes=3\ntrain=x\nnames=obj.names\n")
    with pytest.raises(InputError, match=r"`classes` is 3 but `obj.names` has 2"):
        read_darknet(tmp_path / "obj.data")
    (tmp_path / "obj.data").write_text("hello")
    with pytest.raises(InputError, match="no lines"):
        read_darknet(tmp_path / "obj.data")


@pytest.mark.parametrize("key", ["names", "train", "kpt_shape", "flip_idx", "task", "path", "nc"])
def test_a_yaml_bomb_is_not_unfolded(tmp_path, key):
    lines = ["b0: &b0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"b{i}: &b{i} [{', '.join([f'*b{i - 1}'] * 9)}]" for i in range(1, 12)]
    text = "\n".join([*lines, f"{key}: *b11", ""]) + ("names: [a]\n" if key == "nc" else "")
    if key in ("names", "train", "kpt_shape", "nc"):
        with pytest.raises(InputError) as caught:
            description(tmp_path, text)
        assert len(str(caught.value)) < 400
    else:
        assert len(str(description(tmp_path, text))) < 2000
