"""The benchmark program: its arithmetic, its measuring, and one tiny run of it without the other tools."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ROOT / "benchmarks"
if str(BENCHMARKS) not in sys.path:
    sys.path.insert(0, str(BENCHMARKS))

from speed import cell as cells_module  # noqa: E402
from speed import data, machine, measure, peers, places, report  # noqa: E402
from speed.cell import METRICS, Cell, Data, Reading, Tool  # noqa: E402
from speed.cells import all_cells  # noqa: E402

run = importlib.import_module("run")
PYTHON = sys.executable


def _run(wall: float, peak: float = 100.0) -> measure.Run:
    return measure.Run(wall, wall, peak)


def _silent(_: str) -> None:
    pass


# ------------------------------------------------------------------------------------------------- the whole program
def test_tiny_run_measures_detkit_and_names_no_folder_of_this_machine(tmp_path: Path) -> None:
    page, raw = tmp_path / "page.md", tmp_path / "raw.json"
    command = [PYTHON, str(BENCHMARKS / "run.py"), "--no-peers", "--rounds", "1", "--only", "val2017-small"]
    command += ["--scale", "0.05", "--work", str(tmp_path / "work"), "--out", str(page), "--json", str(raw)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    text, document = page.read_text(encoding="utf-8"), json.loads(raw.read_text(encoding="utf-8"))
    assert done.stdout.rstrip("\n") == text.rstrip("\n")
    for folder in (ROOT, ROOT.parent, tmp_path, Path.home()):
        assert f"{folder}/" not in text + raw.read_text(encoding="utf-8") + done.stderr
    (cell,) = document["cells"]
    assert [row["name"] for row in cell["measured"]] == ["detkit CLI", "detkit API"]
    assert len({row["digest"] for row in cell["measured"]}) == 1
    assert all(len(row["values"]) == 12 and len(row["runs"]) == 1 for row in cell["measured"])
    assert "| detkit CLI |" in text
    assert "not compared" in text
    assert "--work work --out page.md" in text


@pytest.mark.parametrize(
    "words",
    [["--rounds", "0"], ["--scale", "-1"], ["--scale", "nan"], ["--only", "nothing"], ["--all", "--only", "iou"]],
)
def test_wrong_usage_is_exit_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        run.main(words)
    assert stopped.value.code == 2
    assert words[0] in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "failure", "written"),
    [
        ([], None, True),
        ([], "exit 4", False),
        (["--scale", "0.5"], None, False),
        (["--only", "startup"], None, False),
        (["--all"], None, True),
        (["--no-peers"], None, False),
        (["--tool", "detkit CLI"], None, False),
    ],
)
def test_only_a_whole_run_without_failures_replaces_the_projects_page(
    words: list[str],
    failure: str | None,
    written: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(run, "REPORT", tmp_path / "benchmarks.md")
    run.deliver(_page(measure.Measured("detkit CLI", [_run(1.0)], [0.5], failure)), run.parse(words))
    assert (tmp_path / "benchmarks.md").exists() is written
    assert capsys.readouterr().out.startswith("# Benchmarks\n")


# ------------------------------------------------------------------------------------------------------- the tables
def test_every_runner_script_package_and_place_of_the_cells_exists() -> None:
    pinned = peers.pins(places.PEERS_FILE)
    cells = all_cells()
    assert len({cell.name for cell in cells}) == len(cells)
    for cell in cells:
        known = {"python", "scripts", "runners", "out", *(cell.data.files if cell.data else ())}
        assert cell.tools[0].is_own  # what ratios are relative to
        assert len({tool.name for tool in cell.tools}) == len(cell.tools)
        assert cell.reference is None or cell.reference in [tool.name for tool in cell.tools]
        for tool in cell.tools:
            assert tool.is_own or set(tool.packages) <= pinned.keys()
            for word in (*tool.command, *tool.count):
                assert {part.split("}")[0] for part in word.split("{")[1:]} <= known
                if word.startswith("{runners}/"):
                    assert (places.RUNNERS / word.removeprefix("{runners}/")).is_file()


def test_no_runner_is_left_over_and_none_hides_a_package_from_the_others() -> None:
    words = {word for cell in all_cells() for tool in cell.tools for word in (*tool.command, *tool.count)}
    scripts = {path.stem: path for path in places.RUNNERS.glob("*.py")}
    used = {word.removeprefix("{runners}/").removesuffix(".py") for word in words if word.startswith("{runners}/")}
    assert scripts.keys() == used | {"_inside", "kernel_calls"}
    imported = {
        name.split(".")[0]
        for path in scripts.values()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in (
            [alias.name for alias in node.names] if isinstance(node, ast.Import)
            else [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        )
    }  # fmt: skip
    assert imported & scripts.keys() == {"_inside"}


def test_cells_that_take_long_are_measured_only_when_asked_for() -> None:
    names = {cell.name for cell in run.wanted_cells(run.parse([]))}
    assert {"val2017", "segm", "keypoints", "dense", "uniform", "yolo", "check", "nms", "iou", "anchors"} <= names
    assert {"o365", "lvis", "bootstrap"}.isdisjoint(names)
    assert {"o365", "lvis", "bootstrap"} <= {cell.name for cell in run.wanted_cells(run.parse(["--all"]))}
    assert [cell.name for cell in run.wanted_cells(run.parse(["--only", "o365"]))] == ["o365"]
    assert "o365" in run.listing()


def test_readers_give_the_metrics_in_the_order_of_pycocotools() -> None:
    values = [number / 16 for number in range(12)]
    detkit = json.dumps({"metrics": dict(reversed(list(zip(METRICS["bbox"], [*values[:-1], None], strict=True))))})
    assert cells_module.metrics_of(METRICS["bbox"])(detkit) == Reading([*values[:-1], -1.0])
    assert cells_module.read_last(f"Loading...\n{json.dumps(values)}\n") == Reading(values)
    assert cells_module.read_last('{"values": [1], "inside": 0.25}') == Reading([1.0], 0.25)


def test_verdict_on_a_count_and_a_digest() -> None:
    kept = cells_module.counted("boxes")
    assert kept([1200.0, 7.0], None) == "1,200 boxes"
    assert kept([1200.0, 7.0], [1200.0, 7.0]) == "equal (1,200 boxes)"
    assert kept([1200.0, 7.0], [1200.0, 8.0]) == "differ: 1,200 boxes, 1,200 in the reference"


# --------------------------------------------------------------------------------------------------------- measuring
def test_a_process_is_measured_with_its_children() -> None:
    burn = "import time\nwhile time.process_time() < 0.2: pass\nblock = bytearray(100 * 2**20)\nprint('done')"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}], check=True)"
    measured, stdout = measure.run_process([PYTHON, "-c", parent])
    assert stdout == "done\n"
    assert measured.cpu >= 0.2
    assert measured.wall >= 0.2 / machine.cores()
    assert measured.peak >= 100


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ([PYTHON, "-c", "import sys; print('first\\nlast', file=sys.stderr); sys.exit(3)"], "exit 3: last"),
        ([PYTHON, "-c", "import os; os.kill(os.getpid(), 9)"], "exit -9: no message"),
        ([str(ROOT / "no-such-program")], r"cannot be started: .* '\./no-such-program'"),
    ],
)
def test_a_process_that_fails_says_how(command: list[str], message: str) -> None:
    with pytest.raises(measure.RunError, match=f"^{message}$"):
        measure.run_process(command)


def test_a_process_beyond_the_limit_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "LIMIT_SECONDS", 0.2)
    with pytest.raises(measure.RunError, match=r"took longer than 0\.2 s"):
        measure.run_process([PYTHON, "-c", "import signal; signal.pause()"])


def test_settings_of_the_caller_do_not_reach_the_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NUMBA_DISABLE_JIT", "PYTHONPATH", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    script = "import os; print(sorted(k for k in os.environ if k.startswith(('NUMBA_', 'PYTHONP', 'OMP_'))))"
    assert measure.run_process([PYTHON, "-c", script], {"NUMBA_CACHE_DIR": "x"})[1] == "['NUMBA_CACHE_DIR']\n"


def test_tools_are_interleaved_after_a_warm_up_round(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    def fake(command: list[str], *_: object, **__: object) -> tuple[measure.Run, str]:
        order.append(command[0])
        return _run(float(len(order))), "0.5"

    monkeypatch.setattr(measure, "run_process", fake)
    jobs = [measure.Job(name, (name,), lambda text: Reading([float(text)])) for name in "abc"]
    measured = measure.measure(jobs, 2, _silent)
    assert "".join(order) == "abc" + "bca" + "cab"
    assert [[r.wall for r in m.runs] for m in measured] == [[6.0, 8.0], [4.0, 9.0], [5.0, 7.0]]
    assert [r.round for r in measured[0].runs] == [1, 2]
    assert all(m.values == [0.5] and m.failure is None for m in measured)


def test_a_tool_with_a_long_warm_up_runs_in_one_counted_round(monkeypatch: pytest.MonkeyPatch) -> None:
    walls = {"quick": 1.0, "slow": measure.LONG_SECONDS + 1.0, "once": 1.0}
    monkeypatch.setattr(measure, "run_process", lambda command, *_, **__: (_run(walls[command[0]]), ""))
    jobs = [measure.Job(name, (name,), once=name == "once") for name in walls]
    quick, slow, once = measure.measure(jobs, 3, _silent)
    assert [r.round for r in quick.runs] == [1, 2, 3]
    assert [r.round for r in slow.runs] == [1]
    assert [r.round for r in once.runs] == [1]
    assert slow.is_long
    assert once.is_long


def test_each_run_works_in_an_empty_folder_and_other_exit_codes_can_mean_success() -> None:
    script = "import os, sys; assert os.getcwd() == os.path.realpath(sys.argv[1]) and not os.listdir(); "
    command = (PYTHON, "-c", script + "open('x', 'w').close(); sys.exit(1)", "{out}")
    accepted, refused = measure.measure(
        [measure.Job("a", command, accepts=(0, 1)), measure.Job("b", command)], 1, _silent
    )
    assert accepted.failure is None
    assert refused.failure == "exit 1: no message"


def test_what_was_written_is_counted_in_the_same_folder_and_not_measured() -> None:
    burn = "import time\nwhile time.process_time() < 0.3: pass\nblock = bytearray(100 * 2**20)\n"
    job = measure.Job(
        "writer",
        (PYTHON, "-c", "open('x', 'w').write('7')"),
        cells_module.read_last,
        (PYTHON, "-c", burn + "print('[' + open('x').read() + ']')"),
    )
    (measured,) = measure.measure([job], 1, _silent)
    assert measured.failure is None
    assert measured.values == [7.0]
    assert measured.runs[0].cpu < 0.3
    # A child starts as a copy of this process: it is never seen below its peak.
    assert measured.runs[0].peak <= max(60.0, measure.own_peak())


def test_a_tool_that_fails_drops_out_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = {"good": iter(["1", "1", "1"]), "wild": iter(["1", "2"]), "odd": iter(["x"])}

    def fake(command: list[str], *_: object, **__: object) -> tuple[measure.Run, str]:
        if command[0] == "down":
            raise measure.RunError("exit 1: no")
        return _run(1.0), next(outputs[command[0]])

    monkeypatch.setattr(measure, "run_process", fake)
    jobs = [measure.Job(name, (name,), lambda text: Reading([float(text)])) for name in ("good", "wild", "odd", "down")]
    good, wild, odd, down = measure.measure(jobs, 2, _silent)
    assert good.failure is None
    assert len(good.runs) == 2
    assert wild.failure == "its result differs from run to run"
    assert odd.failure is not None
    assert odd.failure.startswith("output not understood: ValueError")
    assert down.failure == "exit 1: no"


def test_a_cold_run_gets_an_empty_cache_folder_each_time() -> None:
    script = "import os, pathlib; f = pathlib.Path(os.environ['NUMBA_CACHE_DIR']); "
    script += "assert not any(f.iterdir()); (f / 'x').touch()"
    (measured,) = measure.measure([measure.Job("cold", (PYTHON, "-c", script), empty_cache=True)], 1, _silent)
    assert measured.failure is None


def test_share_of_other_processes() -> None:
    before, after = machine.Clock(10.0, 1.0, 100.0), machine.Clock(10.0 + 6.0, 1.0 + 4.0, 110.0)
    cores = machine.os.cpu_count() or 1
    assert machine.others_share(before, after) == pytest.approx((6.0 - 4.0) / (10.0 * cores))
    assert machine.others_share(None, after) is None


# -------------------------------------------------------------------------------------------------------- the report
def _rounds(*walls: float) -> list[measure.Run]:
    return [measure.Run(wall, wall, 100.0, round=number) for number, wall in enumerate(walls, 1)]


def test_ratio_is_the_median_of_the_ratios_within_the_rounds() -> None:
    tool, baseline = _rounds(2.0, 9.0, 4.0), _rounds(1.0, 3.0, 4.0)
    assert report.ratio(tool, baseline) == 2.0 / 1.0  # not the ratio of the medians, 4 / 3
    assert report.ratio(baseline, baseline) == 1.0
    assert report.ratio(tool[1:2], baseline) == 9.0 / 3.0
    within = [measure.Run(9.0, 9.0, 1.0, inside=0.5)]
    assert report.ratio(within, [measure.Run(1.0, 1.0, 1.0, inside=2.0)]) == 0.5 / 2.0


def test_agreement_is_to_the_last_bit() -> None:
    agreement = cells_module.agreement
    assert agreement([0.1 + 0.2, -1.0], [0.1 + 0.2, -1.0]) == "equal"
    assert agreement([0.1 + 0.2], [0.3]) == f"differ by up to {0.1 + 0.2 - 0.3:.1e}"
    assert agreement([0.5], None) == "not compared"
    assert agreement([0.5], [0.5, 0.5]) == "1 numbers, not 2"
    assert report.digest([0.1 + 0.2]) != report.digest([0.3])


NAMES = ("detkit CLI", "hotcoco API", "pycocotools")
TOOLS = tuple(Tool(name, ("detkit",) if "detkit" in name else (name.split()[0],), ()) for name in NAMES)


def _page(*measured: measure.Measured, share: float | None = None) -> report.Report:
    section = report.Section(Cell("cell", "title", TOOLS, None, "pycocotools"), "somewhere", list(measured))
    return report.Report({"memory": "1 GiB"}, {"detkit": "9"}, "python x", 2, ["a note"], [section], share, 50.0)


def test_page_has_a_row_for_each_tool_also_for_one_that_failed() -> None:
    ours = measure.Measured("detkit CLI", _rounds(1.0, 3.0), [0.5])
    slow = [measure.Run(20.0, 20.0, 40.0, round=1)]
    theirs = measure.Measured("pycocotools", slow, [0.25], is_long=True)
    broken = measure.Measured("hotcoco API", failure="exit 1: a | b")
    page = report.markdown(_page(ours, broken, theirs, share=0.5))
    assert "| tool | seconds | min | max | CPU s | peak MiB | ratio | metrics against pycocotools |" in page
    assert "| detkit CLI | 2.000 | 1.000 | 3.000 | 2.000 | 100 | 1.00 | differ by up to 2.5e-01 |" in page
    assert "| pycocotools ¹ | 20.0 | 20.0 | 20.0 | 20.0 | ≤ 50 | 20.00 | reference |" in page
    assert "| hotcoco API | failed |  |  |  |  |  | exit 1: a / b |" in page
    assert "50% of the processors meanwhile: **not a quiet machine" in page
    assert "- a note" in page


def test_page_shows_the_time_within_the_process_where_tools_tell_it() -> None:
    one = measure.Measured("detkit CLI", [measure.Run(1.0, 1.0, 60.0, inside=0.002)], [3.0])
    two = measure.Measured("pycocotools", [measure.Run(0.5, 0.5, 60.0, inside=0.008)], [3.0])
    page = report.markdown(_page(one, two))
    assert "| tool | seconds | min | max | inside ms | CPU s | peak MiB | ratio |" in page
    assert "| pycocotools | 0.500 | 0.500 | 0.500 | 8.00 | 0.500 | 60 | 4.00 | reference |" in page


def test_wrong_metrics_or_a_failure_of_detkit_fail_the_run_and_those_of_others_do_not() -> None:
    ours, theirs = measure.Measured("detkit CLI", [_run(1)], [0.5]), measure.Measured("pycocotools", [_run(1)], [0.5])
    other = measure.Measured("hotcoco API", failure="exit 1")
    assert run.failures(_page(ours, theirs, other)) == []
    ours.values = [0.5 + 2**-53]
    assert run.failures(_page(ours, theirs)) == ["cell: detkit CLI: its metrics are not those of pycocotools"]
    assert run.failures(_page(measure.Measured("detkit CLI", failure="exit 4"))) == ["cell: detkit CLI: exit 4"]


# ------------------------------------------------------------------------------------------------- data, peers, paths
def test_absent_data_is_said_and_the_cell_is_skipped(tmp_path: Path) -> None:
    cell = Cell("cell", "title", TOOLS, Data(shared="no_such_folder"))
    with pytest.raises(data.NoDataError, match=r"^\.\./shared/data/no_such_folder/gt\.json is absent$"):
        data.files_of(cell.data, tmp_path, 1.0)
    section = run.measure_cell(cell, [], run.parse(["--work", str(tmp_path)]))
    assert "Not measured: ../shared/data/no_such_folder/gt.json is absent." in report.markdown(
        report.Report({}, {}, "", 1, [], [section])
    )


def test_own_generator_stands_in_for_the_real_data_and_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "SHARED", tmp_path / "absent")
    wanted = Data(images=30, realistic=("--preset", "x"))
    files = data.files_of(wanted, tmp_path / "work", 0.1)
    assert files.origin == "`benchmarks/synthetic.py --seed 0 --images 3`"
    truth, predictions = (json.loads(path.read_text()) for path in files.paths.values())
    assert [image["id"] for image in truth["images"]] == [1, 2, 3]
    assert len(predictions) == 3 * 100
    assert all(a["area"] == round(a["bbox"][2] * a["bbox"][3] * 0.6, 4) for a in truth["annotations"])
    before = files.paths["truth"].read_bytes()
    files.paths["truth"].write_text("kept")
    assert data.files_of(wanted, tmp_path / "work", 0.1).paths["truth"].read_text() == "kept"
    assert data.files_of(wanted, tmp_path / "again", 0.1).paths["truth"].read_bytes() == before


def _generated(tmp_path: Path, name: str, images: int) -> dict[str, Path]:
    cell = next(cell for cell in all_cells() if cell.name == name)
    return data.files_of(cell.data, tmp_path, images / cell.data.images).paths


def test_generated_masks_keypoints_and_yolo_files_are_what_detkit_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import detkit

    monkeypatch.setattr(data, "SHARED", tmp_path / "absent")
    for name, iou_type in (("segm", "segm"), ("keypoints", "keypoints"), ("yolo", "bbox"), ("uniform", "bbox")):
        paths = _generated(tmp_path, name, 12)
        found = detkit.evaluate(paths["truth"], paths["predictions"], iou_type=iou_type).metrics
        assert 0 <= found["AP"] < 1
        assert name == "uniform" or found["AP"] > 0.05
    paths = _generated(tmp_path, "lvis-small", 4)
    assert 0 < detkit.evaluate(paths["truth"], paths["predictions"], protocol="lvis").metrics["AP"] < 1


CONVERSIONS = ("coco-to-yolo", "coco-to-voc", "yolo-to-coco", "voc-to-coco")


@pytest.mark.parametrize("name", CONVERSIONS)
def test_conversions_keep_every_box_and_image_of_the_generated_data(name: str, tmp_path: Path) -> None:
    cell = next(cell for cell in all_cells() if cell.name == name)
    files = data.files_of(cell.data, tmp_path, 12 / cell.data.images)
    source, paths = name.partition("-")[0], files.paths
    if source == "coco":
        boxes = len(json.loads(paths["truth"].read_text())["annotations"])
    elif source == "voc":
        boxes = sum(file.read_text().count("<object>") for file in paths["labels"].iterdir())
    else:
        boxes = sum(len(file.read_text().splitlines()) for file in paths["labels"].iterdir())
    (measured,) = measure.measure([run.job(cell.tools[0], files)], 1, _silent)
    assert measured.failure is None
    assert boxes > 12
    assert measured.values == [boxes, 12]


def test_verdict_on_boxes_and_images() -> None:
    compared = next(cell for cell in all_cells() if cell.name == "voc-to-coco").verdict
    assert compared([1200.0, 7.0], None) == "1,200 boxes, 7 images"
    assert compared([1200.0, 7.0], [1200.0, 7.0]) == "equal (1,200 boxes, 7 images)"
    assert compared([1200.0, 6.0], [1200.0, 7.0]) == "differ: 1,200 boxes, 6 images, not 1,200 boxes, 7 images"


def test_uniform_detections_follow_the_distribution_they_are_named_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "SHARED", tmp_path / "absent")
    rows = json.loads(_generated(tmp_path, "uniform", 100)["predictions"].read_text())
    assert len(rows) == round(100 * 36_781 / 5000)
    width, height = (sorted(row["bbox"][side] for row in rows) for side in (2, 3))
    assert 10 <= width[0] <= width[-1] <= 320
    assert 10 <= height[0] <= height[-1] <= 240
    # The mean of an even spread is its middle; its error over n draws is range / sqrt(12 n).
    assert abs(sum(width) / len(rows) - 165) < 4 * 310 / (12 * len(rows)) ** 0.5
    scores = [row["score"] for row in rows]
    assert abs(sum(scores) / len(rows) - 0.5) < 4 * 0.98 / (12 * len(rows)) ** 0.5


def test_a_generator_that_fails_leaves_no_folder(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("import sys; sys.exit('oh no')")
    with pytest.raises(data.NoDataError, match=r"^bad\.py failed: oh no$"):
        data._generate([PYTHON, str(bad)], tmp_path / "work" / "folder")
    assert list((tmp_path / "work").iterdir()) == []


def test_one_package_that_cannot_be_installed_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pinned = tmp_path / "peers.txt"
    pinned.write_text("# comment\none==1\ntwo==2  # why\nthree==3\nfour==4\n")
    needed = ("three", "two", "one")
    python = tmp_path / ".venv-peers" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    commands: list[str] = []

    def fake(command: list[str]) -> str | None:
        commands.append(command[-1])
        return "ERROR: no wheel" if command[-1] == "two==2" else None

    monkeypatch.setattr(peers, "_problem", fake)
    monkeypatch.setattr(peers, "versions", lambda _, names: dict.fromkeys(names) | {"one": "1"})
    assert peers.install(tmp_path / ".venv-peers", pinned, needed, _silent) == {"two": "ERROR: no wheel"}
    assert commands == ["two==2", "three==3"]
    monkeypatch.setattr(peers, "versions", lambda *_: {"one": "1", "two": "2", "three": "3"})
    assert peers.install(tmp_path / ".venv-peers", pinned, needed, _silent) == {}
    assert len(commands) == 2


def test_versions_of_an_environment_that_is_not_there_are_none(tmp_path: Path) -> None:
    assert peers.versions(tmp_path / "python", ["numpy"]) == {"numpy": None}
    assert peers.versions(PYTHON, ["no-such-package", "pytest"])["pytest"] == pytest.__version__


def test_texts_lose_the_folders_of_this_machine() -> None:
    assert places.shown(ROOT / "docs" / "x.md") == "docs/x.md"
    assert places.shown(ROOT.parent / "shared" / "x") == "../shared/x"
    assert places.shown(Path("/elsewhere/deep/x.json")) == "x.json"
    text = f"no file {ROOT}/a/b.py in {ROOT.parent}/c, '/opt/lib/d.so', see https://e.org/f/g and 1/2/3"
    assert places.scrubbed(text) == "no file ./a/b.py in ../c, '<...>/d.so', see https://e.org/f/g and 1/2/3"
    words = ["--out", str(ROOT / "p.md"), "--json=/elsewhere/raw.json", "--scale", "0.1"]
    assert run.command_line(words) == "python benchmarks/run.py --out p.md --json=raw.json --scale 0.1"
