"""What a result says it was asked for: enough for `ci init` and for a rescored baseline to ask for it again."""

from __future__ import annotations

import json
import shlex
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli._run import DEMO, Outcome, run, tree
from detkit import api
from detkit.api._request import changes_of, request_of, stated_request
from detkit.errors import InputError
from detkit.formats import ImageSizes

TRUTH, PREDICTIONS = "coco/instances_val.json", "predictions/coco.json"
RULES, BASELINE = ".detkit/rules.toml", ".detkit/baseline.json"


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    place = tmp_path / "demo"
    for part in ("coco", "predictions", "labels"):
        shutil.copytree(DEMO / part, place / part)
    shutil.copy(DEMO / "data.yaml", place)
    (place / "map.yaml").write_text('"1": star\n"2": null\n"3": circle\n"4": square\n', encoding="utf-8")
    (place / "some.txt").write_text("shape_005.jpg\nshape_007.jpg\nshape_029.jpg\n", encoding="utf-8")
    (place / "names.txt").write_text("circle\nsquare\ntriangle\nstar\n", encoding="utf-8")
    (place / "sizes.csv").write_text("name,width,height\nshape_005.jpg,160,160\n", encoding="utf-8")
    (place / "pictures").mkdir()
    return place


def score(place: Path, options: str, *, truth: str = TRUTH, predictions: str = PREDICTIONS) -> dict[str, Any]:
    """A result in `own.json`."""
    line = ["eval", truth, predictions, *shlex.split(options), "--format", "json", "-o", "own.json", "--overwrite"]
    done = run(line, place)
    assert done.code == 0, done.stderr
    found: dict[str, Any] = json.loads((place / "own.json").read_text(encoding="utf-8"))
    return found


def again(place: Path) -> tuple[Outcome, dict[str, Any]]:
    """The workflow's own command, run where nothing but the repository is left."""
    done = run(["ci", "init", "own.json", "--overwrite"], place)
    assert done.code == 0, done.stderr
    for name in ("map.yaml", "some.txt", "names.txt", "sizes.csv", "own.json"):
        (place / name).unlink()
    steps = yaml.safe_load((place / ".github/workflows/detkit.yml").read_text(encoding="utf-8"))["jobs"]["gate"][
        "steps"
    ]
    (line,) = [s for step in steps for s in str(step.get("run", "")).splitlines() if s.startswith("detkit eval")]
    repeated = run(shlex.split(line)[1:], place)
    assert repeated.code == 0, repeated.stderr
    return done, json.loads((place / "detkit-result.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("options", "stated"),
    [
        ("", {}),
        ("--protocol voc2012", {}),  # of the protocol: stated there
        (
            "--classes star,circle --truth-format coco --predictions-format coco --drop-invalid",
            {"truth_format": "coco", "predictions_format": "coco", "classes": ["star", "circle"], "drop_invalid": True},
        ),
        (
            "--image-list some.txt --strict --min-coverage 0.25",
            {"image_list": ["shape_005.jpg", "shape_007.jpg", "shape_029.jpg"], "strict": True, "min_coverage": 0.25},
        ),
        (
            "--class-map map.yaml --unmapped count",
            {"class_map": {"1": "star", "2": None, "3": "circle", "4": "square"}, "unmapped": "count"},
        ),
        (
            "--ignore-category square --ignore-category star --image-sizes sizes.csv",
            {
                "image_sizes": {
                    "default": None,
                    "by_name": {"shape_005.jpg": [160.0, 160.0], "shape_005": [160.0, 160.0]},
                },
                "ignore_category": ["square", "star"],
            },
        ),
        (
            "--image-sizes 160x120 --images pictures",
            {"images": "pictures", "image_sizes": {"default": [160.0, 120.0], "by_name": {}}},
        ),
    ],
)
def test_the_workflow_asks_for_what_the_result_was_asked_for(demo: Path, options: str, stated: dict[str, Any]) -> None:
    if "--strict" in options:  # nothing outside the chosen images
        rows = json.loads((demo / PREDICTIONS).read_text(encoding="utf-8"))
        (demo / PREDICTIONS).write_text(json.dumps([r for r in rows if r["image_id"] in (6, 8, 30)]), encoding="utf-8")
    ours = score(demo, options)
    assert ours["request"] == stated
    done, theirs = again(demo)
    for part in ("protocol", "request", "metrics", "per_class", "coverage"):
        assert theirs[part] == ours[part], part
    assert "--split, --classes" not in done.stderr
    judged = run(["gate", "detkit-result.json", "--rules", RULES, "--baseline", BASELINE], demo)
    assert judged.code == 0, judged.stdout + judged.stderr


def test_splits_and_names_of_a_folder_are_asked_for_again(demo: Path) -> None:
    shutil.copytree(demo / "predictions" / "yolo", demo / "yolo")
    ours = score(demo, "--split val --names names.txt", truth="data.yaml", predictions="yolo")
    assert ours["request"] == {"split": "val", "names": ["circle", "square", "triangle", "star"]}
    done, theirs = again(demo)
    assert "wrote .detkit/names.json" in done.stdout
    assert "git add" in done.stderr
    assert ".detkit/names.json" in done.stderr
    assert (theirs["request"], theirs["metrics"]) == (ours["request"], ours["metrics"])


def test_a_result_of_an_earlier_version_is_read_with_a_warning(demo: Path) -> None:
    content = score(demo, "--classes star")
    del content["request"]
    (demo / "own.json").write_text(json.dumps(content), encoding="utf-8")
    done = run(["ci", "init", "own.json"], demo)
    assert done.code == 0
    assert "warning an earlier detkit wrote the result: add to `detkit eval` in the workflow" in done.stderr
    assert run(["gate", "own.json", "--require", "AP>=0", "--baseline", "own.json"], demo).code == 0


@pytest.mark.parametrize(
    ("request_", "option", "said"),
    [
        (5, "request", "of the result is no object of options"),
        ({"classes": "star"}, "classes", "is 'star', expected a list of names"),
        ({"drop_invalid": "yes"}, "drop_invalid", "expected true or false"),
        ({"image_sizes": {"default": 3}}, "image_sizes", "expected `default` and `by_name`"),
        ({"image_sizes": {"default": None, "by_name": {"a": [1]}}}, "image_sizes", "expected"),
        ({"split": ["val"]}, "split", "is ['val'], expected text"),
        ({"class_map": {"a": 3}}, "class_map", "expected class names"),
        ({"rm": "x"}, "rm", "is no option that this version knows"),
    ],
)
def test_a_request_that_makes_no_sense_writes_nothing(demo: Path, request_: Any, option: str, said: str) -> None:
    content = score(demo, "")
    (demo / "own.json").write_text(json.dumps({**content, "request": request_}), encoding="utf-8")
    before = tree(demo)
    done = run(["ci", "init", "own.json"], demo)
    assert done.code == 2
    assert f"error: own.json: `{option}`" in done.stderr
    assert said in done.stderr
    assert tree(demo) == before


@pytest.mark.parametrize("name", ["star\n      - run: rm -r .", "${{ secrets.TOKEN }}", "a\x1b[2Jb"])
def test_a_name_is_one_word_of_the_workflow_or_refused(demo: Path, name: str) -> None:
    content = score(demo, "")
    (demo / "own.json").write_text(json.dumps({**content, "request": {"classes": [name]}}), encoding="utf-8")
    before = tree(demo)
    done = run(["ci", "init", "own.json"], demo)
    assert (done.code, "cannot stand in a workflow" in done.stderr) == (2, True)
    assert tree(demo) == before


def test_no_folder_of_this_machine_is_in_the_baseline(demo: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    score(demo, f"--images {tmp_path / 'elsewhere'}")
    done = run(["ci", "init", "own.json"], demo)
    assert "write where the images will be for IMAGES in the workflow" in done.stderr
    assert "--images IMAGES" in (demo / ".github/workflows/detkit.yml").read_text(encoding="utf-8")
    baseline = json.loads((demo / BASELINE).read_text(encoding="utf-8"))
    assert baseline["request"] == {"images": "elsewhere"}
    assert str(tmp_path) not in json.dumps(baseline)


@pytest.mark.parametrize("options", ["--protocol voc2012", "--iou-thresholds 0.5", "--iou-thresholds 0.75"])
def test_a_lone_overlap_has_one_floor(demo: Path, options: str) -> None:
    score(demo, f"{options} --save-matches own.npz")
    assert run(["ci", "init", "own.json"], demo).code == 0
    rules = tomllib.loads((demo / RULES).read_text(encoding="utf-8"))["gate"]["rules"]
    headline = "mAP" if "voc" in options else "AP"
    assert [rule["metric"] for rule in rules] == [headline, headline, "class.*.AP"]
    assert ["min" in rule for rule in rules] == [True, False, False]


@pytest.mark.parametrize(
    "options",
    [
        "--classes star,circle",
        "--image-list some.txt",
        "--class-map map.yaml",
        "--ignore-category square",
        "--unmapped count",
    ],
)
def test_a_baseline_is_scored_again_as_the_result_was(demo: Path, options: str) -> None:
    ours = score(demo, options)
    line = ["gate", "own.json", "--truth", TRUTH, "--baseline-predictions", PREDICTIONS, "--rules", "drop.toml"]
    (demo / "drop.toml").write_text('[[gate.rules]]\nmetric = "AP"\nmax_drop = 0\n', encoding="utf-8")
    done = run([*line, "--format", "json"], demo)
    assert done.code == 0, done.stdout + done.stderr
    (row,) = json.loads(done.stdout)["rules"]
    assert row["value"] == row["baseline"] == ours["metrics"]["AP"]


def test_settings_come_back_from_a_request() -> None:
    sizes = ImageSizes((3.0, 4.0), {"a.jpg": (5.0, 6.0)})
    settings = api.EvaluationSettings(
        truth_format="voc", predictions_format="csv", split="val", images_dir=Path("x"), image_sizes=sizes,
        names=("a", "b"), voc_offset=0, layout="xyxy", classes=["a"], images=["1"], class_map={"a": None},
        unmapped="error", ignore_category=["b"], hierarchy={"Subcategory": []}, drop_invalid=True, strict=True,
        min_coverage=0.5,
    )  # fmt: skip
    stated = stated_request({"request": json.loads(json.dumps(request_of(settings)))})
    assert stated is not None
    assert api.EvaluationSettings(**changes_of(stated)) == settings
    assert stated_request({}) is None
    with pytest.raises(InputError, match="`voc_offset` in `request` is 2, expected 0 or 1"):
        stated_request({"request": {"voc_offset": 2}})
