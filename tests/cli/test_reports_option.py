"""`--report KIND=PATH` and the summary of a GitHub step, on `detkit gate`."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from cli._run import CASES, run, tree
from detkit.cli import _reports
from detkit.errors import OutputError, UsageError

GOOD = CASES / "gate" / "results" / "good.json"
KNOWN = ("text", "json", "junit")


def test_every_kind_is_written_beside_the_answer(tmp_path: Path) -> None:
    kinds = ("text", "json", "markdown", "junit", "github", "gitlab")
    line = ["gate", GOOD, "--require", "AP>=0.3", *(w for kind in kinds for w in ("--report", f"{kind}=out/{kind}"))]
    done = run(line, tmp_path)
    assert done.code == 0, done.stderr
    assert tree(tmp_path) == {"out", *(f"out/{kind}" for kind in kinds)}
    written = {kind: (tmp_path / "out" / kind).read_text(encoding="utf-8") for kind in kinds}
    assert written["text"] == done.stdout
    assert json.loads(written["json"])["outcome"] == "pass"
    assert ET.fromstring(written["junit"])[0].get("tests") == "1"
    for kind in kinds:
        assert run(["gate", GOOD, "--require", "AP>=0.3", "--format", kind], tmp_path).stdout == written[kind]


def test_a_dash_is_stdout(tmp_path: Path) -> None:
    done = run(["gate", GOOD, "--require", "AP>=0.99", "--report", "github=-"], tmp_path)
    assert done.code == 1
    assert "verdict: FAILED" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("::error title=detkit gate%3A AP>=0.99::")
    assert tree(tmp_path) == set()


def test_a_verdict_of_1_and_of_3_is_reported_too(tmp_path: Path) -> None:
    worse = ["gate", GOOD, "--require", "AP>=0.99", "--report", "junit=a.xml"]
    assert run(worse, tmp_path).code == 1
    assert ET.parse(tmp_path / "a.xml").getroot().get("failures") == "1"
    empty = ["gate", CASES / "gate" / "results" / "empty.json", "--require", "AP>=0.1", "--report", "junit=b.xml"]
    assert run(empty, tmp_path).code == 3
    assert ET.parse(tmp_path / "b.xml").getroot().get("errors") == "2"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["truncated.json", "--require", "AP>=0.1"], 2, "not valid JSON"),
        (["good.json", "--require", "APP>=0.1"], 2, "did you mean"),
        (["good.json", "--require", "AP>=0.1", "--baseline", "gone.json"], 3, "baseline is missing"),
        (["good.json", "--rules", "../rules/wrong_field.toml"], 2, "unknown field"),
    ],
)
def test_a_refusal_is_reported_with_its_reason(tmp_path: Path, arguments: list[str], code: int, message: str) -> None:
    """A CI system that finds no report, or yesterday's, would show nothing wrong."""
    results = CASES / "gate" / "results"
    words = [str(results / w) if w.endswith((".json", ".toml")) else w for w in arguments]
    (tmp_path / "j.xml").write_text("yesterday's", encoding="utf-8")
    summary = tmp_path / "summary.md"
    reports = ["--report", "junit=j.xml", "--report", "github=-", "--report", "json=v.json", "--overwrite"]
    done = run(["gate", *words, *reports], tmp_path, GITHUB_STEP_SUMMARY=str(summary))
    assert done.code == code
    (error,) = ET.parse(tmp_path / "j.xml").getroot().iter("error")
    assert message in (error.get("message") or "")
    assert done.stdout.startswith("::error title=")
    assert message in summary.read_text(encoding="utf-8").replace("\\", "")
    assert "v.json" not in tree(tmp_path)  # a reader of JSON is owed the schema it asked for


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("junit", "expected KIND=PATH"),
        ("=a.xml", "expected KIND=PATH"),
        ("junit=", "expected KIND=PATH"),
        ("junti=a.xml", "did you mean `junit`"),
        ("csv=a.csv", "unknown kind `csv`; known: text, json, markdown, junit, github, gitlab"),
    ],
)
def test_wrong_requests_name_what_is_expected(tmp_path: Path, given: str, message: str) -> None:
    done = run(["gate", GOOD, "--require", "AP>=0.3", "--report", given], tmp_path)
    assert (done.code, done.stdout) == (2, "")
    assert message in done.stderr
    assert tree(tmp_path) == set()


def test_targets_are_checked_before_any_work(tmp_path: Path) -> None:
    there = tmp_path / "there.xml"
    there.write_text("kept", encoding="utf-8")
    (tmp_path / "folder").mkdir()
    for bad, why in {
        f"junit={there}": "exists already",
        f"junit={tmp_path / 'folder'}": "is a folder",
        f"junit={GOOD}": "is an input",
        f"junit={tmp_path / 'out.txt'}": "written twice",
    }.items():
        with pytest.raises(OutputError, match=why):
            _reports.parse([bad], known=KNOWN, inputs=[GOOD], outputs=[tmp_path / "out.txt", None])
    with pytest.raises(OutputError, match="written twice"):
        _reports.parse(["junit=a", "text=./a"], known=KNOWN)
    assert there.read_text(encoding="utf-8") == "kept"
    (replaced,) = _reports.parse([f"junit={there}"], known=KNOWN, overwrite=True)
    assert replaced == _reports.Report("junit", there)


def test_a_path_may_hold_the_sign() -> None:
    assert _reports.parse(["text=a=b.txt"], known=KNOWN) == (_reports.Report("text", Path("a=b.txt")),)
    assert _reports.parse(None, known=KNOWN) == ()


def test_kinds_are_the_callers(tmp_path: Path) -> None:
    found = _reports.parse([f"thresholds={tmp_path / 't.json'}"], known=("thresholds",))
    _reports.write(found, lambda kind: f"{kind}!")
    assert (tmp_path / "t.json").read_text(encoding="utf-8") == "thresholds!"
    with pytest.raises(UsageError):
        _reports.parse(["junit=a"], known=("thresholds",))


def test_a_report_that_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    def fail(kind: str) -> str:
        raise UsageError(kind)

    with pytest.raises(UsageError):
        _reports.write((_reports.Report("text", tmp_path / "a" / "b.txt"),), fail)
    assert tree(tmp_path) == set()


# --- the summary of a step


def test_the_summary_is_appended(tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("# before\n", encoding="utf-8")
    done = run(["gate", GOOD, "--require", "AP>=0.3"], tmp_path, GITHUB_STEP_SUMMARY=str(summary))
    assert done.code == 0
    text = summary.read_text(encoding="utf-8")
    assert text.startswith("# before\n**Verdict**: passed")
    assert (
        text.removeprefix("# before\n")
        == run(["gate", GOOD, "--require", "AP>=0.3", "--format", "markdown"], tmp_path).stdout
    )


def test_no_variable_no_summary(tmp_path: Path) -> None:
    assert run(["gate", GOOD, "--require", "AP>=0.3"], tmp_path).code == 0
    assert tree(tmp_path) == set()


@pytest.mark.parametrize("present", [0, 1000, _reports.SUMMARY_LIMIT - 10, _reports.SUMMARY_LIMIT + 5])
def test_a_summary_stays_below_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, present: int) -> None:
    summary = tmp_path / "summary.md"
    summary.write_bytes(b"x" * present)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    text = "<details><summary>Classes</summary>\n\n" + "| ein Fußgänger 车 | 0.5 |\n" * 60_000 + "\n</details>\n"
    assert len(text.encode()) > _reports.SUMMARY_LIMIT
    _reports.summarise(lambda: text)
    raw = summary.read_bytes()
    assert len(raw) < max(_reports.SUMMARY_LIMIT, present + 1)
    added = raw[present:].decode("utf-8")  # no character is cut in two
    if present < _reports.SUMMARY_LIMIT - 1000:
        assert added.endswith("holds 1 MiB.\n")
        assert added.count("<details>") == added.count("</details>") == 1
        assert len(raw) > _reports.SUMMARY_LIMIT - 200
    else:
        assert added == ""


@pytest.mark.skipif(os.name == "nt", reason="a folder is no file there either, but says so otherwise")
def test_a_summary_that_cannot_be_written_changes_no_verdict(tmp_path: Path) -> None:
    done = run(["gate", GOOD, "--require", "AP>=0.3"], tmp_path, GITHUB_STEP_SUMMARY=str(tmp_path))
    assert done.code == 0
    assert "step summary not written" in done.stderr
