"""`detkit check`: exit codes, outputs, and the copy that `--fix` writes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cli._run import DEMO, ROOT, run, tree
from detkit.api import checking
from detkit.errors import InputError

CASES = ROOT / "fixtures" / "checks"
QUIET = ("--no-cache", "--jobs", "1")


def laid(code: str, folder: Path) -> Path:
    place = Path(shutil.copytree(CASES / code, folder / code))
    (place / "expect.json").unlink()
    return place


@pytest.mark.parametrize(
    ("code", "options", "expected"),
    [
        ("DK203", (), 0),
        ("DK203", ("--strict",), 1),
        ("DK203", ("--strict", "--exit-zero"), 0),
        ("DK203", ("--strict", "--ignore", "DK2"), 0),
        ("DK202", (), 1),
        ("DK202", ("--exit-zero",), 0),
        ("DK202", ("--select", "DK5"), 0),
        ("DK202", ("--select", "wholly-outside"), 1),
        ("DK202", ("--select", "DK9"), 2),
        ("DK202", ("--format", "xml"), 2),
        ("DK202", ("--fix",), 2),
        ("DK202", ("--unsafe-fixes",), 2),
        ("DK202", ("--in-place",), 2),
        ("DK202", ("--fix", "--in-place", "--to", "yolo"), 2),
        ("DK202", ("--fix", "--undo"), 2),
        ("DK202", ("--undo",), 2),
        ("DK202", ("--fix", "--in-place"), 1),
        ("DK202", ("--fix", "--in-place", "--unsafe-fixes"), 0),
        ("DK202", ("--images", "nowhere"), 2),
        ("DK202", ("--report", "sarif=out.sarif", "--report", "html=out.html"), 1),
    ],
)
def test_exit_codes(code: str, options: tuple[str, ...], expected: int, tmp_path: Path) -> None:
    laid(code, tmp_path)
    outcome = run(["check", f"{code}/instances.json", *options, *QUIET], tmp_path)
    assert outcome.code == expected, outcome.stderr
    assert "Traceback" not in outcome.stderr
    if "--report" in options:
        assert json.loads((tmp_path / "out.sarif").read_text())["version"] == "2.1.0"
        assert "</html>" in (tmp_path / "out.html").read_text()


def test_the_demo_is_clean(tmp_path: Path) -> None:
    outcome = run(["check", DEMO / "data.yaml", "--strict", *QUIET], tmp_path)
    assert outcome.code == 0, outcome.stdout
    assert outcome.stdout.startswith("nothing found in ")


@pytest.mark.parametrize("text", ["", "{", '{"images": [', "[1, 2", "\x00\x01", '{"images": [], "annotations": NaN}'])
def test_json_is_valid_whatever_the_file_holds(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text)
    outcome = run(["check", "a.json", "--format", "json", *QUIET], tmp_path)
    assert outcome.code == 2
    assert json.loads(outcome.stdout)["counts"] == {"DK101": 1}


def test_fix_writes_a_copy_and_says_what_changed(tmp_path: Path) -> None:
    laid("DK203", tmp_path)
    before = {p: (tmp_path / p).read_bytes() for p in tree(tmp_path) if (tmp_path / p).is_file()}
    line = ["check", "DK203/instances.json", "--fix", "-o", "fixed.json", *QUIET]
    dry = run([*line, "--dry-run"], tmp_path)
    assert dry.code == 0
    assert not (tmp_path / "fixed.json").exists()
    done = run(line, tmp_path)
    assert done.code == 0
    assert "[40, 2, 14, 5] -> [40, 2, 8, 5]" in done.stdout
    assert "left in the copy: nothing" in done.stdout
    assert {p: (tmp_path / p).read_bytes() for p in before} == before
    assert run(line, tmp_path).code == 2  # exists already
    again = ["check", "fixed.json", "--images", "DK203/images", "--fix", "-o", "again.json", *QUIET]
    assert "nothing to fix" in run(again, tmp_path).stdout
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "fixed.json").read_bytes()


def test_unsafe_fixes_are_asked_for(tmp_path: Path) -> None:
    laid("DK202", tmp_path)
    line = ["check", "DK202/instances.json", "--fix", "-o", "fixed.json", "--overwrite", *QUIET]
    safe = run(line, tmp_path)
    assert (safe.code, "left in the copy: 1 DK202" in safe.stdout) == (1, True)
    unsafe = run([*line, "--unsafe-fixes"], tmp_path)
    assert (unsafe.code, "boxes wholly outside their image: 1 dropped" in unsafe.stdout) == (0, True)


def test_in_place_and_back(tmp_path: Path) -> None:
    source = laid("DK203", tmp_path) / "instances.json"
    old = source.read_bytes()
    line = ["check", "DK203/instances.json", "--fix", "--in-place", *QUIET]
    assert "fixed in place" in run([*line, "--dry-run"], tmp_path).stdout
    assert source.read_bytes() == old
    done = run(line, tmp_path)
    assert done.code == 0
    assert "left: nothing" in done.stdout
    (bundle,) = source.parent.glob("instances.json.detkit-undo-*.zip")
    assert f"detkit check --undo {bundle.relative_to(tmp_path)}" in done.stdout
    new = source.read_bytes()
    assert "nothing to fix" in run(line, tmp_path).stdout
    assert source.read_bytes() == new
    back = run(["check", "--undo", bundle], tmp_path)
    assert (back.code, back.stdout) == (0, "put back instances.json\n")
    assert source.read_bytes() == old
    assert run(["check", "--undo", bundle], tmp_path).code == 0  # a second time there is nothing to do
    source.write_bytes(new + b"\n")
    refused = run(["check", "--undo", bundle], tmp_path)
    assert refused.code == 2
    assert "1 of 1 files changed since" in refused.stderr
    assert source.read_bytes() == new + b"\n"


def test_a_baseline_hides_what_is_known(tmp_path: Path) -> None:
    laid("DK202", tmp_path)
    first = run(["check", "DK202", "--format", "json", "-o", "known.json", *QUIET], tmp_path)
    assert first.code == 1
    again = run(["check", "DK202", "--baseline", "known.json", *QUIET], tmp_path)
    assert again.code == 0
    assert "1 known from the baseline left away" in again.stdout


def test_lines_and_statistics(tmp_path: Path) -> None:
    laid("DK207", tmp_path)
    outcome = run(["check", "DK207", *QUIET], tmp_path)
    assert "labels/train/b.txt:3: box" in outcome.stdout
    counts = run(["check", "DK207", "--statistics", *QUIET], tmp_path).stdout
    assert "b.txt" not in counts
    assert "tiny-box" in counts


def test_settings_of_the_project_are_read(tmp_path: Path) -> None:
    laid("DK203", tmp_path)
    (tmp_path / "detkit.toml").write_text('[check.severity]\nDK203 = "error"\n')
    assert run(["check", "DK203", *QUIET], tmp_path).code == 1
    assert run(["check", "DK203", "--ignore", "DK203", *QUIET], tmp_path).code == 0


def test_an_unwritable_home_is_no_obstacle(tmp_path: Path) -> None:
    laid("DK203", tmp_path)
    outcome = run(["check", "DK203"], tmp_path, HOME="/proc/nowhere", XDG_CACHE_HOME="/proc/nowhere")
    assert outcome.code == 0


@pytest.mark.parametrize("kind", ["text", "markdown"])
def test_a_folder_of_no_known_format_has_a_line_for_what_each_format_lacks(tmp_path: Path, kind: str) -> None:
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "a.txt").write_text("hi\n")
    (tmp_path / "odd" / "b.json").write_text('{"a": 1}\n')
    outcome = run(["check", "odd", "--format", kind], tmp_path)
    assert outcome.code == 2
    lines = [line.strip(" -") for line in outcome.stdout.splitlines()]
    start = lines.index("odd: not recognised as a labelled dataset of any known format")
    plain = [line.replace("\\", "") for line in lines]
    assert "coco: b.json: no top-level list `images`" in plain[start:]
    assert "yolo: `a.txt` line 1 starts with `hi`, expected a class number" in plain[start:]


def test_a_hint_stands_on_a_line_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: Path, **options: object) -> None:
        raise InputError("several formats fit\n  a: yes\n  b: yes", path=source, hint="name one with --from")

    (tmp_path / "odd").mkdir()
    monkeypatch.setattr(checking, "read", refuse)
    outcome = run(["check", "odd"], tmp_path)
    assert outcome.code == 2
    said = "  odd: several formats fit\n    a: yes\n    b: yes\n  hint: name one with --from\n\n1 error\n"
    assert outcome.stdout == f"DK101 unreadable-file (error): 1\n{said}"


def test_half_a_surrogate_pair_in_a_name_is_no_obstacle(tmp_path: Path) -> None:
    whole = json.loads((DEMO / "coco" / "instances_val.json").read_text())
    whole["images"][0]["file_name"] = "\ud800.png"
    whole["annotations"][0]["bbox"][2] = 0
    (tmp_path / "truth.json").write_text(json.dumps(whole))
    outcome = run(["check", "truth.json", "--format", "json"], tmp_path)
    assert outcome.code == 1, outcome.stderr
    found = json.loads(outcome.stdout)["findings"]
    assert any(row["image"] == "\ud800.png" or "ud800" in row["message"] for row in found)
    assert all(len(row["fingerprint"]) == 16 for row in found)
