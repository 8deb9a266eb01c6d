"""The documentation says what the program does: generated parts are current, examples run, links resolve."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from doc_pages import FENCE, ROOT, Block, blocks, fits, is_near, is_session, perform, pictures
from plugins import describe

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
DETKIT = [sys.executable, "-W", "error", "-m", "detkit"]

#: The start of a path that exists on one machine only.
MACHINE_PATH = re.compile(r"(?<![\w.:/])/(?:work|home|root|Users|tmp)/[\w.]|[A-Za-z]:\\\\?Users")
ALL = [block for page in PAGES if page.exists() for block in blocks(page)]
SESSIONS = [str(page.relative_to(ROOT)) for page in PAGES if is_session(page)]
#: Blocks that run by themselves.
ALONE = [b for b in ALL if b.page not in SESSIONS]
CONSOLE = [b for b in ALONE if b.language == "console" and not b.note.startswith("not run:")]
PYTHON = [b for b in ALONE if b.language == "python" and b.note == "runnable"]


def _name(block: Block) -> str:
    return f"{block.page}:{block.line}"


@pytest.fixture(scope="module")
def make_docs() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_docs", ROOT / "tools" / "make_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_docs"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """A copy of the demo dataset to run in."""
    return Path(shutil.copytree(ROOT / "fixtures" / "demo", tmp_path / "demo"))


def _environment(**more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("GITHUB_STEP_SUMMARY", "FORCE_COLOR", "DETKIT_DEBUG")}
    return {**kept, "NO_COLOR": "1", "PYTHONUTF8": "1", **more}


# --- generated parts


def test_generated_pages_are_current(make_docs: ModuleType) -> None:
    stale = [path.name for path, text in make_docs.pages() if path.read_text(encoding="utf-8") != text]
    assert stale == [], "run: python tools/make_docs.py"


def test_generated_text_depends_on_neither_width_nor_colour() -> None:
    code = (
        "import sys; sys.path.insert(0, 'tools'); import make_docs\n"
        "print(*(make() for make in make_docs.GENERATED.values()), sep='\\n')"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env=_environment(**env), capture_output=True, text=True, check=True
        ).stdout
        for env in (
            {"COLUMNS": "40", "PYTHONHASHSEED": "1"},
            {"COLUMNS": "300", "FORCE_COLOR": "1", "PYTHONHASHSEED": "2"},
        )
    }
    assert len(outputs) == 1
    assert "\x1b" not in outputs.pop()


def test_check_notices_a_page_that_is_out_of_date(
    make_docs: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(DOCS / "reference", tmp_path / "reference"))
    monkeypatch.setattr(make_docs, "ROOT", tmp_path)
    current = make_docs.pages
    monkeypatch.setattr(make_docs, "pages", lambda: current(folder))
    assert make_docs.main(["--check"]) == 0
    page = folder / "cli.md"
    good = page.read_text(encoding="utf-8")
    page.write_text(good.replace("detkit eval", "detkit evil"), encoding="utf-8")
    assert make_docs.main(["--check"]) == 1
    assert page.read_text(encoding="utf-8") != good
    assert "cli.md: out of date" in capsys.readouterr().out
    assert make_docs.main([]) == 0
    assert page.read_text(encoding="utf-8").count("detkit eval") == good.count("detkit eval")


def test_every_command_and_option_is_documented(make_docs: ModuleType) -> None:
    """Against what the program itself lists, not against the functions the page is made from."""
    from typer.main import get_command

    from detkit.cli import COMMANDS, app

    page = (DOCS / "reference" / "cli.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## detkit (\S+)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    assert list(sections) == list(COMMANDS)
    group = get_command(app)
    for name in group.commands:
        for parameter in group.commands[name].params:
            if parameter.param_type_name == "option" and "--help" not in parameter.opts:
                for flag in (*parameter.opts, *parameter.secondary_opts):
                    assert f"`{flag}`" in sections[name], f"{name} {flag}"


def test_every_command_and_option_explains_itself(make_docs: ModuleType) -> None:
    for command in make_docs.commands():
        assert command.text.endswith((".", ";")), command.name
        assert command.example.startswith(f"detkit {command.name}"), command.name
        assert [p.names for p in command.parameters if not p.help] == [], command.name


def test_one_flag_means_the_same_in_every_command(make_docs: ModuleType) -> None:
    """Of each long name there is one kind of value; its choices and its words may be the command's own."""
    kinds: dict[str, set[str]] = {}
    for command in make_docs.commands():
        for parameter in command.parameters:
            for name in parameter.names:
                kind = "TEXT" if "|" in parameter.kind else parameter.kind
                kinds.setdefault(name, set()).add(kind)
    # `eval` takes several overlaps and caps, the verbs that keep or join boxes one of each;
    # `bench` several batch sizes.
    several = {"--iou-threshold", "--iou", "--max-detections", "--batch"}
    assert {n: found for n, found in kinds.items() if n.startswith("--") and len(found) > 1 and n not in several} == {}


def test_every_finding_is_explained() -> None:
    from detkit.findings import CODES

    text = (DOCS / "reference" / "findings.md").read_text(encoding="utf-8").split("<!-- end generated -->")[1]
    explained = set(re.findall(r"DK\d{3}", text))
    assert explained == set(CODES)


def test_every_schema_is_described() -> None:
    page = (DOCS / "reference" / "json.md").read_text(encoding="utf-8")
    written = set()
    for path in (ROOT / "src" / "detkit").rglob("*.py"):
        written |= set(re.findall(r"\"(detkit\.[a-z_]+/\d+)\"", path.read_text(encoding="utf-8")))
    own_files = {"detkit.voc/1"}  # the mark in a folder that detkit wrote: nobody else's business
    assert sorted(schema for schema in written - own_files if f"## {schema}" not in page) == []


def _keys(value: object, depth: int = 2) -> set[str]:
    if isinstance(value, dict):
        return {k for k in value if isinstance(k, str)} | {
            i for v in value.values() for i in _keys(v, depth - 1) if depth
        }
    return _keys(value[0], depth - 1) if isinstance(value, list) and value and depth else set()


def test_every_field_of_the_json_outputs_is_described(demo: Path) -> None:
    import json

    import detkit
    from detkit import reports

    page = (DOCS / "reference" / "json.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (detkit\.\S+|Findings)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    truth, predictions = demo / "coco" / "instances_val.json", demo / "predictions" / "coco.json"
    result = detkit.evaluate(truth, predictions, score_threshold=0.1)
    outputs = [
        {k: v for k, v in result.to_dict().items() if k != "findings"},
        detkit.gate(result, ["AP>=0.5"]).to_dict(),
        detkit.stats(predictions).to_dict(),
        detkit.convert(demo / "data.yaml", demo / "as-voc", "voc", dry_run=True).to_dict(),
        json.loads(reports.render_overlaps(detkit.iou(truth, predictions), "json")),
        json.loads(reports.render_class(result, "star", "json")),
    ]
    for output in outputs:
        section = sections[output["schema"]]
        words = set(re.findall(r"[A-Za-z_0-9]+", section))
        names = {"all", "small", "medium", "large"}  # of area ranges
        assert sorted(_keys(output) - words - names) == [], output["schema"]
    found = {key for finding in result.findings for key in finding.to_dict()}
    assert sorted(found - set(re.findall(r"\w+", sections["Findings"]))) == []


# --- what the pages show


@pytest.mark.parametrize("block", CONSOLE, ids=_name)
def test_shown_commands_run(block: Block, demo: Path) -> None:
    """Each `$ detkit ...` line of a block in turn; the last one exits as the comment before the block says, else 0."""
    lines = [line[2:] for line in block.text.replace("\\\n", "").splitlines() if line.startswith("$ ")]
    lines = [line for line in lines if line.startswith("detkit ")]
    assert lines, "a console block shows at least one `$ detkit ...` line"
    expected = int(block.note.removeprefix("exit:")) if block.note.startswith("exit:") else 0
    for number, line in enumerate(lines):
        command = line.replace("detkit", "run_detkit", 1)
        script = f'run_detkit() {{ "$PYTHON" -W error -m detkit "$@"; }}\n{command}'
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=demo,
            env=_environment(PYTHON=sys.executable),
            capture_output=True,
            text=True,
        )
        wanted = expected if number == len(lines) - 1 else 0
        assert done.returncode == wanted, f"{line}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("block", PYTHON, ids=_name)
def test_shown_python_runs(block: Block, demo: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block.text], cwd=demo, env=_environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", SESSIONS)
def test_a_session_prints_what_its_page_shows(name: str, demo: Path) -> None:
    """All commands of the page, in order, in one folder; `python tools/make_shown.py` writes what they print."""
    wrong = [
        f"{block.page}:{block.line}: $ {one.command}\n--- shown\n{one.output}--- printed\n{printed}"
        for block, one, printed in perform(ROOT / name, demo)
        if not fits(one.output, printed, is_near(ROOT / name))
    ]
    assert wrong == [], "\n".join(wrong)
    for made, kept in pictures(ROOT / name):
        assert _difference(demo / made, kept) < 1, f"{kept.name}: run python tools/make_shown.py {name}"


def _difference(a: Path, b: Path) -> float:
    """Mean difference of pixels, 0 to 255; the same picture may be packed in another way."""
    import numpy as np
    from PIL import Image

    one, other = (np.asarray(Image.open(path).convert("RGB"), np.float64) for path in (a, b))
    return float(np.abs(one - other).mean()) if one.shape == other.shape else 255.0


def test_every_picture_is_shown_and_small() -> None:
    kept = {path.resolve() for path in (DOCS / "images").iterdir()}
    assert {place for name in SESSIONS for _, place in pictures(ROOT / name)} == kept
    assert [path.name for path in kept if path.stat().st_size > 300_000] == []


def test_shown_output_fits_only_what_was_printed() -> None:
    printed = "a\nb\nc\nd 0.912 s\n"
    for pattern in (printed, "a\n...\nd 0.9...\n", "...\nc\nd 0.912 s\n", "a\n...\n"):
        assert fits(pattern, printed), pattern
    for pattern in ("a\n", "b\n...\n", "a\nb\nc\nd 0.91 s\n", "a\nc\n...\n", ""):
        assert not fits(pattern, printed), pattern
    assert fits("", "\n")
    assert fits("a  0.90\n--  ----\n", "a  0.9149\n--  ------\n", near=True)
    assert not fits("a  0.90\n", "a  0.95\n", near=True)
    assert not fits("a  0.90\n", "b  0.90\n", near=True)


def test_pages_show_something_that_runs() -> None:
    """The two tests above would pass if no block was found."""
    assert len(SESSIONS) >= 5
    assert len(CONSOLE) >= 5
    assert len(PYTHON) >= 2


# --- how to add a format, a protocol, a report, a detector


def _plug_in(folder: Path, page: str, group: str) -> dict[str, str]:
    """The page's files and entry point as an installed package in `folder`; the environment that sees it."""
    shown = [b for b in ALL if b.page == page]
    for block in shown:
        if block.note.startswith("file: "):
            (folder / block.note.removeprefix("file: ")).write_text(block.text, encoding="utf-8")
    (entry,) = [b for b in shown if b.language == "toml"]
    ((name, value),) = tomllib.loads(entry.text)["project"]["entry-points"][group].items()
    describe(folder, group, name, value)
    return _environment(PYTHONPATH=str(folder))


def _detkit(*arguments: str, cwd: Path, env: dict[str, str], code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*DETKIT, *arguments], cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == code, f"{arguments}\n{done.stdout}\n{done.stderr}"
    return done


def test_the_format_of_the_how_to_works(tmp_path: Path, demo: Path) -> None:
    import json

    package = tmp_path / "package"
    package.mkdir()
    env = _plug_in(package, "docs/how-to/add-a-format.md", "detkit.formats")
    done = _detkit("convert", "data.yaml", "train.boxlist", "--json", cwd=demo, env=env)
    report = json.loads(done.stdout)
    assert report["to"] == "boxlist"
    lost = {loss["what"]: loss["count"] for loss in report["losses"]}
    assert lost == {"splits": 2}
    before = json.loads(_detkit("stats", "data.yaml", "--format", "json", cwd=demo, env=env).stdout)
    after = json.loads(_detkit("stats", "train.boxlist", "--format", "json", cwd=demo, env=env).stdout)
    assert after["boxes"] == before["boxes"]
    count = {c["name"]: c["boxes"] for c in before["classes"]}
    assert {c["name"]: c["boxes"] for c in after["classes"]} == count
    # back again: the same boxes, to the last digit
    _detkit("convert", "train.boxlist", "again.boxlist", cwd=demo, env=env)
    assert (demo / "again.boxlist").read_text() == (demo / "train.boxlist").read_text()


def test_the_format_of_the_how_to_keeps_the_contract(tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    env = _plug_in(package, "docs/how-to/add-a-format.md", "detkit.formats")
    rows = ("1,2,3", "1,2,3,NaN", "1,2,3,1e999", "1,2,3,true", "1,2,3,4")
    text = "".join(f'["box","cat",{row}]\n' for row in rows)
    (tmp_path / "bad.boxlist").write_text(f'# boxlist 1\n["box","cat",1,2,3,4]\n["image","a.jpg"]\n{text}')
    done = _detkit("stats", "bad.boxlist", "--format", "json", cwd=tmp_path, env=env)
    assert '"boxes": 1' in done.stdout
    code = (
        "import detkit; found = detkit.read('bad.boxlist').findings\n"
        "print([(f.code, f.line) for f in found])\n"
        "from detkit import formats; print('boxlist' in formats.names())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [str([("DK102", line) for line in (2, 4, 5, 6, 7)]), "True"]
    (tmp_path / "other.boxlist").write_text("nothing of the kind\n")
    done = _detkit("stats", "other.boxlist", cwd=tmp_path, env=env, code=2)
    assert "boxlist: the first line is not" in done.stderr
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(package)],
        cwd=package, env=env, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


def test_the_format_of_the_how_to_is_one_of_detkit_itself(tmp_path: Path) -> None:
    """Its module lies in the room in a copy of the package: contract and architecture hold there."""
    (module, _) = [b for b in ALL if b.page == "docs/how-to/add-a-format.md" and b.note.startswith("file: ")]
    for part in ("src", "tests", "fixtures", "docs/reference", "pyproject.toml"):
        source, target = ROOT / part, tmp_path / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_file():
            shutil.copyfile(source, target)
        else:
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.onnx", "models"))
    (tmp_path / "src/detkit/formats/boxlist.py").write_text(module.text, encoding="utf-8")
    (tmp_path / "docs/reference/formats/boxlist.md").write_text("# `boxlist`: box lists\n", encoding="utf-8")
    env = _environment(PYTHONPATH=str(tmp_path / "src"))
    (tmp_path / "fixtures/formats/boxlist/demo").mkdir(parents=True)
    _detkit("convert", "fixtures/demo/data.yaml", "fixtures/formats/boxlist/demo/train.boxlist", cwd=tmp_path, env=env)
    tests = ["tests/contract/test_formats.py", "tests/unit/formats/test_recognition.py", "tests/test_architecture.py"]
    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0", "-k", "boxlist", *tests]
    done = subprocess.run([sys.executable, *command], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    passed = re.search(r"^(\d+) passed", done.stdout, re.MULTILINE)
    assert passed is not None
    assert int(passed[1]) > 25


def test_the_protocol_of_the_how_to_works(tmp_path: Path, demo: Path) -> None:
    import json

    package = tmp_path / "package"
    package.mkdir()
    env = _plug_in(package, "docs/how-to/add-a-protocol.md", "detkit.evaluation.protocols")
    inputs = ("coco/instances_val.json", "predictions/coco.json", "--protocol", "tiny")
    result = json.loads(_detkit("eval", *inputs, "--format", "json", cwd=demo, env=env).stdout)
    assert result["protocol"]["name"] == "tiny"
    assert set(result["metrics"]) >= {"AP30", "AR30"}
    usual = json.loads(_detkit("eval", *inputs[:2], "--iou", "0.3", "--format", "json", cwd=demo, env=env).stdout)
    assert result["metrics"]["AP30"] == usual["metrics"]["AP"]
    text = _detkit("eval", *inputs, "--require", "AP30>=0.60", cwd=demo, env=env).stdout
    assert "verdict: passed" in text
    assert "IoU=0.30" in text
    done = _detkit("eval", *inputs, "--iou-type", "segm", cwd=demo, env=env, code=2)
    assert "knows boxes only" in done.stderr


def test_the_report_of_the_how_to_works(tmp_path: Path, demo: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    env = _plug_in(package, "docs/how-to/add-a-report.md", "detkit.reports")
    inputs = ("coco/instances_val.json", "predictions/coco.json", "--require", "AP>=0.5")
    _detkit("eval", *inputs, "--report", "wiki=scores.txt", cwd=demo, env=env)
    text = (demo / "scores.txt").read_text(encoding="utf-8")
    assert "| AP | 0.5751 |" in text
    assert "| square | 0.4733 |" in text
    assert text.endswith("\nverdict: pass\n* AP: pass\n")


def _corners_model(path: Path) -> None:
    """Two classes with two boxes each, whatever the image; the second box of a class lies on its first."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper, FLOAT = onnx.helper, onnx.TensorProto.FLOAT
    rows = [0.1, 0.2, 0.5, 0.6, 0.9, 0.1, 0.2, 0.5, 0.6, 0.4, 0.5, 0.5, 1.0, 1.0, 0.8, 0.5, 0.5, 1.0, 1.0, 0.3]
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "nothing"], ["zero"]),
        helper.make_node("Add", ["rows", "zero"], ["found"]),
    ]
    graph = helper.make_graph(
        nodes,
        "corners",
        [helper.make_tensor_value_info("image", FLOAT, [1, 3, 64, 64])],
        [helper.make_tensor_value_info("found", FLOAT, [1, 2, 2, 5])],
        [helper.make_tensor("rows", FLOAT, [1, 2, 2, 5], rows), helper.make_tensor("nothing", FLOAT, [], [0.0])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.helper.set_model_props(model, {"format": "corners"})
    onnx.save_model(model, str(path))


def test_the_detector_of_the_how_to_works(tmp_path: Path, demo: Path) -> None:
    import json

    package = tmp_path / "package"
    package.mkdir()
    env = _plug_in(package, "docs/how-to/add-a-detector.md", "detkit.detectors")
    _corners_model(demo / "detector.onnx")
    seen = _detkit("model", "detector.onnx", cwd=demo, env=env).stdout
    assert "family: corners (metadata `format` says `corners`)" in seen
    _detkit("predict", "detector.onnx", "images/val/shape_013.jpg", "-o", "found.json", cwd=demo, env=env)
    found = json.loads((demo / "found.json").read_text(encoding="utf-8"))
    rows = found["annotations"] if isinstance(found, dict) else found
    boxes = sorted(([round(v, 2) for v in row["bbox"]], round(row["score"], 2)) for row in rows)
    # 320 x 240 stretched: shares of the image; the weaker box of each pair is suppressed
    assert boxes == [([32, 48, 128, 96], 0.9), ([160, 120, 160, 120], 0.8)]
    done = _detkit("model", str(ROOT / "fixtures" / "demo" / "model" / "shapes.onnx"), cwd=demo, env=env)
    assert "family: ultralytics" in done.stdout


def test_the_check_of_the_how_to_works(demo: Path) -> None:
    """The module alone: that it is found by its name is the registry's affair."""
    import json

    from detkit.checks import Context
    from detkit.findings import CODES
    from detkit.formats import read_dataset

    page = [b for b in ALL if b.page == "docs/how-to/add-a-check.md"]
    (module,) = [b for b in page if b.note == "file: class_numbers.py"]
    names: dict[str, Any] = {"__name__": "class_numbers"}
    exec(compile(module.text, module.page, "exec"), names)
    assert names["CODES"][0].code not in CODES, "the example's number is taken: choose the next one"
    place = demo / "coco" / "instances_val.json"
    content = json.loads(place.read_text(encoding="utf-8"))
    for name, expected in (("square", []), ("7", ["class `7` has a number for a name"])):
        content["categories"][1]["name"] = name
        place.write_text(json.dumps(content), encoding="utf-8")
        dataset = read_dataset(place)
        assert [found.message for found in names["run"](dataset, Context(dataset))] == expected


# --- links and paths


def _anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def broken_links(page: Path) -> list[str]:
    """Relative links of a page that lead to no file, or to no heading."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", text)):
        if re.match(r"[a-z][a-z+.-]*:", target):
            continue
        file, _, anchor = target.partition("#")
        there = (page.parent / file).resolve() if file else page
        if not there.exists() or (anchor and (there.suffix != ".md" or anchor not in _anchors(there))):
            broken.append(target)
    return broken


@pytest.mark.parametrize("name", NAMES)
def test_links_resolve(name: str) -> None:
    assert broken_links(ROOT / name) == []


def test_broken_links_are_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# One title\n[a](gone.md) [b](#one-title) [c](#no-title) [d](https://x.y) [e](page.md#one-title)\n"
    )
    assert broken_links(page) == ["gone.md", "#no-title"]


@pytest.mark.parametrize("name", NAMES)
def test_no_path_of_one_machine(name: str) -> None:
    assert MACHINE_PATH.findall((ROOT / name).read_text(encoding="utf-8")) == []


def test_machine_paths_are_noticed() -> None:
    for text in ("see /home/me/x", "in `/work/main`", "(/tmp/a)", "C:\\Users\\me"):
        assert MACHINE_PATH.search(text), text
    for text in ("https://example.org/home/me", "fixtures/work/a", "docs/home/index"):
        assert not MACHINE_PATH.search(text), text


def test_every_page_is_reachable_from_the_index_or_the_readme() -> None:
    seen, waiting = set(), [DOCS / "index.md", ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md" or not page.exists():
            continue
        seen.add(page)
        links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        waiting += [(page.parent / link).resolve() for link in links if ":" not in link]
    missing = sorted(str(p.relative_to(DOCS)) for p in DOCS.rglob("*.md") if p.resolve() not in seen and p not in seen)
    assert missing == []
