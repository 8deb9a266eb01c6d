"""Class names from files and from folders."""

import json
from pathlib import Path

import pytest

from detkit import formats
from detkit.errors import InputError
from detkit.formats._names import find_names, load_yaml, read_names


def put(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("x.txt", "cat\ndog\n\n \n", ("cat", "dog")),
        ("x.names", b"\xef\xbb\xbfcat\r\n big dog \r\n", ("cat", "big dog")),
        ("x.txt", "chat\u00e9\n1\n", ("chaté", "1")),
        ("x.txt", "cat\n".encode("utf-16"), ("cat",)),
        ("x.txt", "", ()),
        ("x.yaml", "names: [cat, no, 1.0]", ("cat", "no", "1.0")),
        ("x.yaml", "names:\n  2: c\n  '0': a\n  \"1\": b\nnc: 3", ("a", "b", "c")),
        ("x.yml", "0: a\n1: b", ("a", "b")),
        ("x.yaml", "- a\n- b", ("a", "b")),
        ("x.json", json.dumps(["a", "b"]), ("a", "b")),
        ("x.json", json.dumps({"1": "b", "0": "a"}), ("a", "b")),
        ("x.json", json.dumps({"names": {"0": "a"}, "nc": 1}), ("a",)),
        ("x.pbtxt", "item {\n id: 2\n name: 'dog'\n}\nitem {\n name: \"cat\" id: 1 }", ("cat", "dog")),
        ("x.txt", "item { name: '/m/1' id: 1 display_name: \"it's\" }", ("it's",)),
    ],
)
def test_names_are_read(tmp_path, name, content, expected):
    assert read_names(put(tmp_path / name, content)) == expected


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.txt", "cat\n\ndog\n", "line 2: blank line: class 1"),
        ("x.txt", "cat\ndog\ncat", "`cat` stands twice: class 0 and class 2"),
        ("x.txt", b"\xff\xfe\xfa", "not UTF-8"),
        ("x.txt", b"caf\xe9\n", "not UTF-8 text"),
        ("x.yaml", "names: [a, b]\nnc: 3", "`nc` is 3 but `names` has 2"),
        ("x.yaml", "names: {0: a, 2: b}", "2 names with numbers up to 2; number 1 has no name"),
        ("x.yaml", "names: {0: a, 0: b}", "key `0` stands twice"),
        ("x.yaml", "names: {0: a, 00: b}", "class number 0 stands twice"),
        ("x.yaml", "names: {a: 0}", "key `a` is not a class number"),
        ("x.yaml", "names: cat", "expected a list or a mapping"),
        ("x.yaml", "names: [[a]]", "names[0]"),
        ("x.yaml", "train: x", "no `names`"),
        ("x.yaml", "names: [a\n", "not YAML"),
        ("x.yaml", "names: !!python/object/apply:os.system [x]\nother: }", "not YAML"),
        ("x.json", "{", "not JSON"),
        ("x.json", "[null]", "expected a name"),
        ("x.pbtxt", "item { id: 1 name: 'a' } item { id: 3 name: 'b' }", "ids 1 to 3"),
        ("x.pbtxt", "item { id: 1 }", "without `id` or `name`"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, name, content, message):
    with pytest.raises(InputError) as caught:
        read_names(put(tmp_path / name, content))
    assert message in str(caught.value)


def test_scalars_stay_text(tmp_path):
    file = put(tmp_path / "x.yaml", "a: no\nb: 0x10\nc: 2020-01-01\nd:\ne: !!python/name:os.system ''")
    assert load_yaml(file) == {"a": "no", "b": "0x10", "c": "2020-01-01", "d": "", "e": ""}


def test_found_in_the_folder_or_two_above(tmp_path):
    folder = tmp_path / "a/b/c"
    file = put(folder / "0.txt", "0 0.5 0.5 0.5 0.5")
    assert find_names(folder) is None
    put(tmp_path / "a/classes.txt", "top\n")
    assert find_names(folder) == (("top",), tmp_path / "a/classes.txt")
    put(tmp_path / "a/b/obj.names", "middle\n")
    assert find_names(file) == (("middle",), tmp_path / "a/b/obj.names")
    put(folder / "data.yaml", "names: [near]")
    assert find_names(file) == (("near",), folder / "data.yaml")


def test_not_found_three_above_and_not_in_other_files(tmp_path):
    put(tmp_path / "classes.txt", "far\n")
    put(tmp_path / "a/b/labels.txt", "x\n")
    put(tmp_path / "a/b/other.yaml", "services: {names: [x]}")
    put(tmp_path / "a/b/broken.yaml", "}{")
    (tmp_path / "a/b/c").mkdir()
    assert find_names(tmp_path / "a/b/c") is None


def test_files_that_agree_are_fine_and_others_are_named(tmp_path):
    put(tmp_path / "data.yaml", "names: [a, b]")
    put(tmp_path / "classes.txt", "a\nb\n")
    assert find_names(tmp_path) == (("a", "b"), tmp_path / "data.yaml")
    put(tmp_path / "x.names", "b\na\n")
    with pytest.raises(InputError) as caught:
        find_names(tmp_path)
    assert "`data.yaml` and `x.names`" in caught.value.message
    assert "class 0 is `a` against `b`" in caught.value.message
    assert "--names" in caught.value.hint


def test_a_broken_data_yaml_is_an_error_not_passed_over(tmp_path):
    put(tmp_path / "data.yaml", "names: [a, b]\nnc: 3")
    with pytest.raises(InputError, match="`nc` is 3"):
        find_names(tmp_path)


def test_names_with_commas_in_place_of_a_file_get_a_hint():
    with pytest.raises(InputError, match="no such file") as caught:
        formats.read_names("cat,dog")
    assert caught.value.hint == "give a file with one name a line"
