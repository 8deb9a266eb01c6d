"""Programs that call pycocotools, each as the sequence of its calls: with the drop-ins they see what they saw before.

The sequences are those of pycocotools' two notebooks, of Detectron2's COCOEvaluator, of YOLOX's COCOEvaluator and of
what the READMEs of faster-coco-eval and hotcoco show.
"""

from __future__ import annotations

import contextlib
import copy
import io
import itertools
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from detkit.compat import install, uninstall

#: pycocotools' compiled `decode` warns under NumPy 2, whoever calls it.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SIDE = 160
SIGMAS = [0.05, 0.1, 0.2]

Seen = list[Any]
Caller = Callable[[Path], Seen]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Truth of boxes, polygons, masks, crowds and keypoints; results of each kind; captions."""
    from pycocotools import mask

    place = tmp_path_factory.mktemp("callers")
    rng = np.random.default_rng(7)
    truth, boxes, masks, points = [], [], [], []
    for number in range(1, 61):
        image, category = int(rng.integers(1, 9)) * 11, int(rng.choice([2, 5, 9]))
        x, y, width, height = (round(float(v), 2) for v in rng.uniform(4, 60, 4))
        corners = [x, y, x + width, y, x + width, y + height, x, y + height]
        keypoints = [
            [round(x + width * t, 1), round(y + height * t, 1), int(rng.integers(0, 3))] for t in (0.2, 0.5, 1)
        ]
        crowd = number % 10 == 0
        rle = mask.merge(mask.frPyObjects([corners], SIDE, SIDE))
        pixels = mask.decode(rle)
        row = {"id": number, "image_id": image, "category_id": category, "bbox": [x, y, width, height],
               "area": float(mask.area(rle)), "iscrowd": int(crowd), "keypoints": list(itertools.chain(*keypoints)),
               "num_keypoints": sum(v > 0 for *_, v in keypoints)}  # fmt: skip
        row["segmentation"] = {"size": [SIDE, SIDE], "counts": runs(pixels)} if crowd else [corners]
        truth.append(row)
        if number % 7 == 0:
            continue
        moved = np.roll(pixels, int(rng.integers(-4, 5)), axis=1)
        code = mask.encode(np.asfortranarray(moved))
        code = {"size": code["size"], "counts": code["counts"].decode()}
        score, shift = round(float(rng.uniform(0, 1)), 3), float(rng.integers(-3, 4))
        common = {"image_id": image, "category_id": category, "score": score}
        boxes.append({**common, "bbox": [x + shift, y, width, height]})
        masks.append({**common, "bbox": [x + shift, y, width, height], "segmentation": code})
        points.append({**common, "keypoints": [v + shift * (n % 3 < 2) for n, v in enumerate(row["keypoints"])]})
    images = [{"id": 11 * n, "height": SIDE, "width": SIDE, "file_name": f"{n}.jpg"} for n in range(1, 9)]
    for image in images:
        (place / "web").mkdir(exist_ok=True)
        (place / "web" / image["file_name"]).write_bytes(bytes([image["id"]]))
        image["coco_url"] = (place / "web" / image["file_name"]).as_uri()
    skeleton = {"keypoints": ["a", "b", "c"], "skeleton": [[1, 2], [2, 3]]}
    categories = [{"id": i, "name": n, "supercategory": s, **skeleton} for i, n, s in
                  [(9, "dog", "animal"), (2, "person", "person"), (5, "cat", "animal")]]  # fmt: skip
    spoken = [{"id": 4, "image_id": 11, "caption": "two dogs"}, {"id": 5, "image_id": 22, "caption": "a cat"}]
    files = {
        "instances.json": {"info": {"year": 2017, "version": "1.0"}, "images": images, "annotations": truth,
                           "categories": categories},
        "captions.json": {"images": images, "annotations": spoken},
        "bbox.json": boxes, "segm.json": masks, "keypoints.json": points,
        "said.json": [{"image_id": 22, "caption": "an animal"}],
    }  # fmt: skip
    for name, content in files.items():
        (place / name).write_text(json.dumps(content))
    return place


def runs(pixels: np.ndarray) -> list[int]:
    """Lengths of runs down the columns, zeros first: a mask as the annotation files hold it."""
    flat = pixels.T.ravel()
    ends = np.flatnonzero(np.diff(flat, prepend=0))
    return [int(n) for n in np.diff([0, *ends, len(flat)])]


def evaluated(run: Any) -> Seen:
    return [run.stats, *(run.eval[name] for name in ("precision", "recall", "scores"))]


# --- the programs


def demo_notebook(place: Path) -> Seen:
    """pycocoDemo: categories, images, annotations, masks; what is drawn; captions; a download."""
    import matplotlib.pyplot as plt
    from pycocotools.coco import COCO

    coco = COCO(str(place / "instances.json"))
    coco.info()
    cats = coco.loadCats(coco.getCatIds())
    seen: Seen = [[cat["name"] for cat in cats], sorted({cat["supercategory"] for cat in cats})]
    cat_ids = coco.getCatIds(catNms=["person", "dog"])
    seen += [cat_ids, coco.getCatIds(supNms="animal"), coco.getCatIds(catIds=5)]
    img_ids = coco.getImgIds(catIds=cat_ids)
    seen += [img_ids, coco.getImgIds(imgIds=[11, 22]), coco.getImgIds(imgIds=[33, 22, 11], catIds=cat_ids)]
    img = coco.loadImgs(img_ids[0])[0]
    ann_ids = coco.getAnnIds(imgIds=img["id"], catIds=cat_ids, iscrowd=None)
    anns = coco.loadAnns(ann_ids)
    seen += [ann_ids, coco.getAnnIds(iscrowd=True), coco.getAnnIds(areaRng=[200, 900]), copy.deepcopy(anns)]
    crowds = coco.loadAnns(coco.getAnnIds(iscrowd=True))
    seen += [coco.annToMask(ann) for ann in [*anns, *crowds]]
    seen += [coco.annToRLE(ann) for ann in [*anns, *crowds]]
    np.random.seed(3)
    figure = plt.figure()
    plt.imshow(np.zeros((SIDE, SIDE)))
    coco.showAnns(anns, draw_bbox=True)
    coco.showAnns(crowds)
    axes = plt.gca()
    seen += [[path.vertices for path in group.get_paths()] for group in axes.collections]
    seen += [group.get_facecolor() for group in axes.collections]
    seen += [np.asarray(image.get_array()) for image in axes.images]
    seen += [np.asarray(line.get_xydata(), dtype=np.float64) for line in axes.lines]
    plt.close(figure)
    seen += [coco.showAnns([]), coco.download(None)]
    coco.download(str(place / "downloads"), img_ids[:2])
    coco.download(str(place / "downloads"), img_ids[:2])
    seen += sorted((p.name, p.read_bytes()) for p in (place / "downloads").iterdir())
    captions = COCO(str(place / "captions.json"))
    captions.showAnns(captions.loadAnns(captions.getAnnIds(imgIds=11)))
    said = captions.loadRes(str(place / "said.json"))
    return [*seen, said.dataset["images"], said.anns, said.getImgIds()]


def evaluation_notebook(place: Path) -> Seen:
    """pycocoEvalDemo: each type of results, on the first images."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    seen: Seen = []
    for kind in ("segm", "bbox", "keypoints"):
        truth = COCO(str(place / "instances.json"))
        results = truth.loadRes(str(place / f"{kind}.json"))
        img_ids = sorted(truth.getImgIds())[:6]
        run = COCOeval(truth, results, kind)
        run.params.imgIds = img_ids
        if kind == "keypoints":
            run.params.kpt_oks_sigmas = np.array(SIGMAS)
        run.evaluate()
        run.accumulate()
        run.summarize()
        seen += [*evaluated(run), run.evalImgs]
    return seen


def array_of_results(place: Path) -> Seen:
    """An array of seven columns, and the helpers that other modules import from `coco` and `cocoeval`."""
    from pycocotools import cocoeval
    from pycocotools.coco import COCO, _isArrayLike, maskUtils

    truth = COCO(str(place / "instances.json"))
    rows = json.loads((place / "bbox.json").read_text())
    array = np.array([[r["image_id"], *r["bbox"], r["score"], r["category_id"]] for r in rows])
    run = cocoeval.COCOeval(truth, truth.loadRes(array), "bbox")
    run.evaluate()
    run.accumulate()
    run.summarize()
    code = maskUtils.frPyObjects([[1, 1, 9, 1, 9, 9]], 10, 10)
    listed = truth.loadNumpyAnnotations(array)
    return [*evaluated(run), listed, cocoeval.maskUtils.area(code), _isArrayLike([1]), _isArrayLike(1)]


def detectron2(place: Path) -> Seen:
    """COCOEvaluator: its own evaluator of boxes, masks and keypoints; another cap; recall of proposals."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    try:
        from detectron2.evaluation.fast_eval_api import COCOeval_opt
    except ImportError:
        COCOeval_opt = COCOeval

    class CappedEval(COCOeval):  # type: ignore[misc]
        """Statistics under the largest cap that was set."""

        def summarize(self) -> None:
            precision = self.eval["precision"][..., 0, -1]
            self.stats = np.array([np.mean(precision[precision > -1])])

    seen: Seen = []
    with contextlib.redirect_stdout(io.StringIO()):
        api = COCO(str(place / "instances.json"))
    seen.append(len(api.getAnnIds()) > 0)
    for task in ("bbox", "keypoints", "segm"):
        given = json.loads((place / f"{task}.json").read_text())
        if task == "segm":
            given = copy.deepcopy(given)
            for row in given:
                row.pop("bbox", None)
        results = api.loadRes(given)
        run = COCOeval_opt(api, results, task)
        if task == "keypoints":
            run.params.kpt_oks_sigmas = np.array(SIGMAS)
            assert len(next(iter(api.anns.values()))["keypoints"]) // 3 == len(run.params.kpt_oks_sigmas)
        else:
            run.params.maxDets = [1, 10, 100]
        run.params.imgIds = api.getImgIds()[:5]
        run.evaluate()
        run.accumulate()
        run.summarize()
        of_classes = [run.eval["precision"][:, :, k, 0, -1] for k in range(len(api.cats))]
        seen += [*evaluated(run), [float(np.mean(p[p > -1])) for p in of_classes], [r["area"] for r in given]]
    run = CappedEval(api, api.loadRes(json.loads((place / "bbox.json").read_text())), "bbox")
    run.params.maxDets = [1, 10, 300]
    run.evaluate()
    run.accumulate()
    run.summarize()
    seen += evaluated(run)
    anns = api.loadAnns(api.getAnnIds(imgIds=11))
    return [*seen, [ann["bbox"] for ann in anns if ann["iscrowd"] == 0]]


def yolox(place: Path) -> Seen:
    """COCOEvaluator: its own evaluator where there is one, results from a file, the text of the summary."""
    from pycocotools.coco import COCO

    try:
        from yolox.layers.fast_coco_eval_api import COCOeval_opt
    except ImportError:
        from pycocotools.cocoeval import COCOeval as COCOeval_opt

    truth = COCO(str(place / "instances.json"))
    run = COCOeval_opt(truth, truth.loadRes(str(place / "bbox.json")), "bbox")
    run.evaluate()
    run.accumulate()
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        run.summarize()
    return [*evaluated(run), text.getvalue(), list(truth.cats)]


CALLERS = [demo_notebook, evaluation_notebook, array_of_results, detectron2, yolox]


# --- before and after


def seen_by(caller: Caller, place: Path) -> Seen:
    """What a program sees and prints, seconds left out."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        seen = caller(place)
    return [*seen, re.sub(r"t=\d+\.\d+s", "t=", text.getvalue())]


def differing(a: Any, b: Any, where: str = "") -> Iterator[str]:
    """Places where values, shapes or kinds of value are not the same."""
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        for key in a:
            yield from differing(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, list | tuple) and type(a) is type(b) and len(a) == len(b):
        for n, (x, y) in enumerate(zip(a, b, strict=True)):
            yield from differing(x, y, f"{where}[{n}]")
    elif isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        if a.dtype.kind != b.dtype.kind or not np.array_equal(a, b, equal_nan=a.dtype.kind == "f"):
            yield where
    elif type(a) is not type(b) or a != b:
        yield f"{where}: {a!r} is not {b!r}"


@pytest.fixture
def installed() -> Iterator[None]:
    install()
    yield
    uninstall()


@pytest.mark.parametrize("caller", CALLERS)
def test_a_program_sees_what_it_saw_before(
    caller: Caller, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib").use("Agg")
    sides = []
    for side in ("before", "after"):
        place = tmp_path / side
        place.mkdir()
        for source in folder.glob("*.json"):
            (place / source.name).write_bytes(source.read_bytes())
        if side == "after":
            install()
        try:
            sides.append(seen_by(caller, place))
        finally:
            uninstall()
    assert list(differing(*sides)) == []
    assert len(sides[0]) > 5


@pytest.mark.usefixtures("installed")
def test_every_program_was_answered_by_the_engine(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was compared is the engine's answer, not the reference's own."""
    from pycocotools.cocoeval import COCOeval

    engines = []
    accumulate = COCOeval.accumulate

    def noting(self: Any, p: Any = None) -> None:
        engines.append(self.engine)
        accumulate(self, p)

    monkeypatch.setattr(COCOeval, "accumulate", noting)
    for caller in CALLERS[1:]:
        seen_by(caller, folder)
    assert engines == ["detkit"] * (3 + 1 + 4 + 1)


@pytest.mark.usefixtures("installed")
def test_compiled_evaluators_of_others_are_stood_in_for() -> None:
    """Detectron2 takes its own evaluator for missing where it is pycocotools' class itself."""
    from pycocotools.cocoeval import COCOeval

    for name in ("detectron2.evaluation.fast_eval_api", "yolox.layers.fast_coco_eval_api"):
        assert issubclass(sys.modules[name].COCOeval_opt, COCOeval)
        assert sys.modules[name].COCOeval_opt is not COCOeval
    uninstall()
    assert "detectron2.evaluation.fast_eval_api" not in sys.modules


def test_what_readmes_show(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """faster-coco-eval's and hotcoco's first line, then pycocotools' names; and `run()`: pycocotools' numbers."""
    expected = seen_by(evaluation_notebook, folder)
    try:
        sys.modules.update({"faster_coco_eval": stand_in()})
        import faster_coco_eval

        faster_coco_eval.init_as_pycocotools()
        assert list(differing(seen_by(evaluation_notebook, folder), expected)) == []
        from faster_coco_eval import COCO, COCOeval_faster

        truth = COCO(str(folder / "instances.json"))
        for n, kind in enumerate(("segm", "bbox", "keypoints")):
            given = {"kpt_oks_sigmas": SIGMAS} if kind == "keypoints" else {}
            run = COCOeval_faster(truth, truth.loadRes(str(folder / f"{kind}.json")), kind, **given)
            run.params.imgIds = sorted(truth.getImgIds())[:6]
            run.run()
            assert np.array_equal(run.eval["precision"], expected[5 * n + 1])
            assert np.array_equal(run.stats, expected[5 * n])
    finally:
        uninstall()
        sys.modules.pop("faster_coco_eval", None)


def stand_in() -> ModuleType:
    """The module that is imported where nothing was installed before."""
    from importlib import import_module

    return import_module("detkit.compat.faster_coco_eval")


def test_a_name_that_neither_module_has(folder: Path) -> None:
    from detkit.compat.pycocotools import coco

    with pytest.raises(AttributeError, match="has no attribute 'maskutils'"):
        _ = coco.maskutils
    with pytest.raises(AttributeError, match=r"module 'pycocotools\.coco' has no attribute '__path__'"):
        _ = coco.__path__
