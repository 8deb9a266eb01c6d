"""Every intermediate of pycocotools' `COCOeval` against detkit's engine, with `==`.

Both sides get the same COCO dictionaries. The reference gets them in memory; detkit gets them as JSON files through its
own COCO reader, so that one comparison covers the whole way from file to number. Nothing is compared with a tolerance.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from detkit.errors import CannotJudgeError
from detkit.evaluation import evaluate, protocols
from detkit.evaluation.align import align
from detkit.evaluation.overlaps import cell_overlaps
from detkit.evaluation.protocols import AreaRange, Protocol
from detkit.evaluation.result import Evaluation
from detkit.kernels.iou import pairwise_iou
from detkit.kernels.match import FALSE, IGNORED, TRUE
from detkit.tables import Dataset, Detections

Truth = dict[str, Any]
Results = list[dict[str, Any]]


@dataclass(frozen=True)
class Params:
    """What both sides are told; None keeps the reference's default."""

    iou_type: str = "bbox"
    max_dets: tuple[int, ...] | None = None
    iou_thrs: tuple[float, ...] | None = None
    area_rng: tuple[tuple[str, float, float], ...] | None = None
    use_cats: bool = True
    img_ids: tuple[int, ...] | None = None
    cat_ids: tuple[int, ...] | None = None
    sigmas: tuple[float, ...] | None = None
    strict_parity: bool = False

    @property
    def caps(self) -> tuple[int, ...]:
        default = (20,) if self.iou_type == "keypoints" else (1, 10, 100)
        return tuple(sorted(self.max_dets or default))


@dataclass
class Comparison:
    """How many arrays and values were compared, and what differed."""

    compared: int = 0
    differences: list[str] = field(default_factory=list)
    refused: bool = False

    def same(self, what: str, expected: Any, found: Any) -> None:
        """Count one comparison; NaN equals NaN, and shape counts."""
        self.compared += 1
        expected, found = np.asarray(expected, dtype=np.float64), np.asarray(found, dtype=np.float64)
        if expected.shape != found.shape:
            self.differences.append(f"{what}: shape {expected.shape} expected, {found.shape} found")
        elif not np.array_equal(expected, found, equal_nan=True):
            at = tuple(int(i) for i in np.argwhere(~((expected == found) | (np.isnan(expected) & np.isnan(found))))[0])
            self.differences.append(f"{what}{list(at)}: {expected[at]!r} expected, {found[at]!r} found")


def reference(gt: Truth, dt: Results, params: Params) -> COCOeval:
    """`COCOeval` after evaluate, accumulate and (where it can) summarize; the inputs stay as they are."""
    gt = copy.deepcopy(gt)
    known = {image["id"] for image in gt["images"]}
    # loadRes refuses a file with one unknown image: each record keeps the id it would get in the whole file.
    kept = [dict(copy.deepcopy(row), __row=n + 1) for n, row in enumerate(dt) if row["image_id"] in known]
    with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
        truth = COCO()
        truth.dataset = gt
        truth.createIndex()
        if kept:
            results = truth.loadRes(kept)
            for row in results.dataset["annotations"]:
                row["id"] = row["__row"]
            results.createIndex()
        else:
            results = COCO()
            results.dataset = {"images": gt["images"], "categories": gt["categories"], "annotations": []}
            results.createIndex()
        run = COCOeval(truth, results, params.iou_type)
        p = run.params
        p.useCats = int(params.use_cats)
        if params.max_dets is not None:
            p.maxDets = list(params.max_dets)
        if params.iou_thrs is not None:
            p.iouThrs = np.array(params.iou_thrs)
        if params.area_rng is not None:
            p.areaRng = [[low, high] for _, low, high in params.area_rng]
            p.areaRngLbl = [name for name, _, _ in params.area_rng]
        if params.img_ids is not None:
            p.imgIds = list(params.img_ids)
        if params.cat_ids is not None:
            p.catIds = sorted(params.cat_ids)
        if params.sigmas is not None:
            p.kpt_oks_sigmas = np.array(params.sigmas)
        run.evaluate()
        run.accumulate()
        if params.iou_type == "keypoints" or len(params.caps) > 2:
            run.summarize()
    return run


def protocol_of(params: Params) -> Protocol:
    """detkit's protocol for these parameters."""
    areas = None if params.area_rng is None else tuple(AreaRange(*row) for row in params.area_rng)
    return protocols.get(
        "coco",
        params.iou_type,
        max_detections=params.max_dets,
        iou_thresholds=params.iou_thrs,
        area_ranges=areas,
        class_wise=params.use_cats,
        sigmas=params.sigmas,
        strict_parity=params.strict_parity,
    )


def tables(gt: Truth, dt: Results, folder: Path) -> tuple[Dataset, Detections]:
    """detkit's tables of the dictionaries, by way of files (the one place where the way in is chosen)."""
    from detkit.formats import coco
    from detkit.formats._base import ReadOptions

    (folder / "gt.json").write_text(json.dumps(gt), encoding="utf-8")
    (folder / "dt.json").write_text(json.dumps(dt), encoding="utf-8")
    truth = coco.read(folder / "gt.json", ReadOptions(jobs=1))
    return truth, coco.read_detections(folder / "dt.json", ReadOptions(jobs=1, reference_images=truth.images))


def candidate(gt: Truth, dt: Results, params: Params, folder: Path, *, jobs: int | None = None) -> Evaluation:
    """detkit's evaluation of the same input."""
    truth, detections = tables(_subset(gt, params), dt, folder)
    return evaluate(align(truth, detections), protocol_of(params), jobs=jobs, with_partners=True)


def compare(gt: Truth, dt: Results, params: Params, folder: Path, *, jobs: int | None = 1) -> Comparison:
    """The reference against detkit on one input.

    Under `strict_parity` the reference sees the input as it is. Otherwise detkit promises the correct answer: what the
    reference says once annotation ids are distinct and not 0, with AP at the largest cap.
    """
    out = Comparison()
    run = reference(gt if params.strict_parity else with_clean_ids(gt), dt, params)
    try:
        ours = candidate(gt, dt, params, folder, jobs=jobs)
    except CannotJudgeError as error:
        out.refused = True
        out.same(f"detections the reference sees ({error.message})", 0, sum(len(v) for v in _seen(run, params)))
        return out
    compare_cells(out, run, ours, gt, params)
    compare_arrays(out, run, ours, params)
    return out


def compare_cells(out: Comparison, run: COCOeval, ours: Evaluation, gt: Truth, params: Params) -> None:
    """Overlap matrices, matches, ignore flags and scores of every (class, area range, image)."""
    scored, truth, detections = ours.scored, ours.truth, ours.detections
    layout = scored.layout
    image_ids = truth.images.ids[layout.images].tolist()
    class_ids = truth.categories.ids[layout.classes].tolist() if params.use_cats else [-1]
    p = run.params
    out.same("imgIds", list(p.imgIds), image_ids)
    out.same("catIds", list(p.catIds), class_ids)
    gt_id = truth.annotations.ids if params.strict_parity else _clean_ids(gt, params)[truth.annotations.source_row]
    dt_id = detections.source_row + 1
    places = zip(*divmod(layout.cells, max(1, len(layout.images))), strict=True)
    cell_of = {(int(k), int(i)): c for c, (k, i) in enumerate(places)}
    overlap_of = cell_overlaps(truth, detections, ours.protocol)
    thresholds = len(p.iouThrs)
    for k, class_id in enumerate(class_ids):
        matched, first = scored.matched[k], int(layout.class_cells[k])
        for i, image_id in enumerate(image_ids):
            where = f"image {image_id} class {class_id}"
            c = cell_of.get((k, i))
            entries = [run.evalImgs[(k * len(p.areaRng) + a) * len(image_ids) + i] for a in range(len(p.areaRng))]
            out.same(f"{where} cell exists", entries[0] is not None, c is not None)
            if c is None or entries[0] is None:
                continue
            d = slice(int(layout.dt_starts[c]), int(layout.dt_starts[c + 1]))
            g = slice(int(layout.gt_starts[c]), int(layout.gt_starts[c + 1]))
            dt_rows, gt_rows = layout.dt_row[d], layout.gt_row[g]
            within_d = slice(d.start - int(layout.dt_starts[first]), d.stop - int(layout.dt_starts[first]))
            within_g = slice(g.start - int(layout.gt_starts[first]), g.stop - int(layout.gt_starts[first]))
            theirs = np.asarray(run.ious[image_id, class_id], dtype=np.float64)
            if len(dt_rows) and len(gt_rows) and theirs.size:
                crowd = truth.annotations.is_crowd[gt_rows]
                overlap = (
                    pairwise_iou(detections.xywh[dt_rows], truth.annotations.xywh[gt_rows], is_crowd=crowd)
                    if overlap_of is None
                    else overlap_of(dt_rows, gt_rows)
                )
                out.same(f"{where} ious", theirs, overlap)
                compare_iou_column(out, where, ours, matched.iou[within_d], overlap, matched, within_d)
            out.same(f"{where} dt rank", np.arange(len(dt_rows)), layout.dt_rank[d])
            for a, entry in enumerate(entries):
                where_a = f"{where} area {p.areaRngLbl[a]}"
                flags = matched.gt_ignored[a, within_g]
                order = np.argsort(flags, kind="stable")
                outcome = matched.outcome[a, :, within_d]
                partners = matched.partners[a, :, within_d]
                dt_matches = np.zeros(partners.shape)
                gt_matches = np.zeros((thresholds, len(gt_rows)))
                for t, n in np.argwhere(partners >= 0):
                    dt_matches[t, n] = gt_id[gt_rows[partners[t, n]]]
                    gt_matches[t, partners[t, n]] = dt_id[dt_rows[n]]
                out.same(f"{where_a} gtIds", entry["gtIds"], gt_id[gt_rows][order])
                out.same(f"{where_a} dtIds", entry["dtIds"], dt_id[dt_rows])
                out.same(f"{where_a} dtScores", entry["dtScores"], detections.score[dt_rows])
                out.same(f"{where_a} gtIgnore", entry["gtIgnore"], flags[order])
                out.same(f"{where_a} dtMatches", entry["dtMatches"], dt_matches)
                out.same(f"{where_a} gtMatches", entry["gtMatches"], gt_matches[:, order])
                out.same(f"{where_a} dtIgnore", entry["dtIgnore"], outcome == IGNORED)
                theirs_true = (entry["dtMatches"] != 0) & ~entry["dtIgnore"].astype(bool)
                theirs_false = (entry["dtMatches"] == 0) & ~entry["dtIgnore"].astype(bool)
                out.same(f"{where_a} true positives", theirs_true, outcome == TRUE)
                out.same(f"{where_a} false positives", theirs_false, outcome == FALSE)


def compare_iou_column(
    out: Comparison, where: str, ours: Evaluation, column: Any, overlap: Any, matched: Any, rows: slice
) -> None:
    """The overlap kept for each detection: with its partner, or with the nearest truth."""
    if np.isnan(overlap).any():
        return
    partner = matched.partners[0, ours.protocol.reference_threshold, rows]
    expected = [overlap[n, g] if g >= 0 else max(0.0, overlap[n].max()) for n, g in enumerate(partner)]
    out.same(f"{where} iou column", expected, column)


def compare_arrays(out: Comparison, run: COCOeval, ours: Evaluation, params: Params) -> None:
    """Precision, recall, scores and the statistics."""
    for name in ("precision", "recall", "scores"):
        out.same(name, run.eval[name], getattr(ours, name))
    expected = expected_statistics(run, params)
    found = list(ours.metrics.items())
    for n, (name, value) in enumerate(expected):
        out.compared += 1
        if n >= len(found) or found[n][0] != name:
            out.differences.append(f"metric {n}: `{name}` expected, {found[n][0] if n < len(found) else 'none'} found")
            continue
        known = -1.0 if found[n][1] is None else found[n][1]
        if not (known == value or (np.isnan(known) and np.isnan(value))):
            out.differences.append(f"metric {name}: {value!r} expected, {found[n][1]!r} found")


_BOX_ROWS: tuple[tuple[str, str, float | None, str, int | None], ...] = (
    ("AP", "precision", None, "all", None),
    ("AP50", "precision", 0.5, "all", None),
    ("AP75", "precision", 0.75, "all", None),
    ("APsmall", "precision", None, "small", None),
    ("APmedium", "precision", None, "medium", None),
    ("APlarge", "precision", None, "large", None),
    ("AR{}", "recall", None, "all", 0),
    ("AR{}", "recall", None, "all", 1),
    ("AR{}", "recall", None, "all", 2),
    ("ARsmall", "recall", None, "small", None),
    ("ARmedium", "recall", None, "medium", None),
    ("ARlarge", "recall", None, "large", None),
)
_KEYPOINT_ROWS: tuple[tuple[str, str, float | None, str, int | None], ...] = (
    ("AP", "precision", None, "all", None),
    ("AP50", "precision", 0.5, "all", None),
    ("AP75", "precision", 0.75, "all", None),
    ("APmedium", "precision", None, "medium", None),
    ("APlarge", "precision", None, "large", None),
    ("AR", "recall", None, "all", None),
    ("AR50", "recall", 0.5, "all", None),
    ("AR75", "recall", 0.75, "all", None),
    ("ARmedium", "recall", None, "medium", None),
    ("ARlarge", "recall", None, "large", None),
)


def expected_statistics(run: COCOeval, params: Params) -> list[tuple[str, float]]:
    """(name, value) of each statistic: the reference's own where it counts, else by its formula at the largest cap."""
    rows = _KEYPOINT_ROWS if params.iou_type == "keypoints" else _BOX_ROWS
    by_reference = len(run.stats) and (params.strict_parity or _canonical(params))
    out = []
    for n, (name, array, threshold, area, cap) in enumerate(rows):
        if cap is not None and cap >= len(params.caps):
            continue
        name = name if cap is None else name.format(params.caps[cap])
        if by_reference:
            out.append((name, float(run.stats[n])))
            continue
        if params.strict_parity and name == "AP" and 100 not in params.caps:
            # summarize() says -1 here and then fails, for want of a third cap.
            out.append((name, -1.0))
            continue
        values = run.eval[array]
        if threshold is not None:
            values = values[np.flatnonzero(np.asarray(run.params.iouThrs) == threshold)]
        places = [i for i, label in enumerate(run.params.areaRngLbl) if label == area]
        values = values[..., places, -1 if cap is None else cap]
        defined = values[values > -1]
        out.append((name, float(np.mean(defined)) if len(defined) else -1.0))
    return out


def with_clean_ids(gt: Truth) -> Truth:
    """The truth with annotation ids 1, 2, ... in file order: nothing of the reference's id quirks is left."""
    return dict(gt, annotations=[dict(row, id=n + 1) for n, row in enumerate(gt["annotations"])])


def has_id_quirk(gt: Truth) -> bool:
    """Whether the reference trips over an annotation id of this truth."""
    ids = [row["id"] for row in gt["annotations"]]
    return 0 in ids or len(set(ids)) < len(ids)


def load_case(folder: Path) -> tuple[Truth, Results]:
    """gt.json and dt.json of a folder."""
    return (
        json.loads((folder / "gt.json").read_text(encoding="utf-8")),
        json.loads((folder / "dt.json").read_text(encoding="utf-8")),
    )


def small_truth(
    annotations: Sequence[Mapping[str, Any]], *, images: Sequence[int] = (1,), classes: Sequence[int] = (1,)
) -> Truth:
    """A COCO object of 640 x 480 images; annotations get ids, areas and flags that they do not state."""
    rows = []
    for n, row in enumerate(annotations):
        full = {"id": n + 1, "image_id": images[0], "category_id": classes[0], "iscrowd": 0, **row}
        full.setdefault("area", full["bbox"][2] * full["bbox"][3])
        rows.append(full)
    return {
        "images": [{"id": i, "width": 640, "height": 480, "file_name": f"{i}.jpg"} for i in images],
        "categories": [{"id": k, "name": f"class {k}"} for k in classes],
        "annotations": rows,
    }


def strict(params: Params) -> Params:
    """The same under `strict_parity`."""
    return replace(params, strict_parity=True)


def _canonical(params: Params) -> bool:
    """Whether the largest cap is the one that the reference's statistics name."""
    if params.iou_type == "keypoints":
        return params.caps[-1] == 20
    return len(params.caps) == 3 and params.caps[-1] == 100


def _subset(gt: Truth, params: Params) -> Truth:
    """What a subset of images and classes leaves: detkit takes the subset before it scores."""
    images = {row["id"] for row in gt["images"]} if params.img_ids is None else set(params.img_ids)
    classes = {row["id"] for row in gt["categories"]} if params.cat_ids is None else set(params.cat_ids)
    return dict(
        gt,
        images=[row for row in gt["images"] if row["id"] in images],
        categories=[row for row in gt["categories"] if row["id"] in classes],
        annotations=[gt["annotations"][n] for n in _rows_of_subset(gt, params)],
    )


def _rows_of_subset(gt: Truth, params: Params) -> list[int]:
    images = {row["id"] for row in gt["images"]} if params.img_ids is None else set(params.img_ids)
    classes = {row["id"] for row in gt["categories"]} if params.cat_ids is None else set(params.cat_ids)
    rows = enumerate(gt["annotations"])
    everything = params.img_ids is None and params.cat_ids is None
    return [n for n, row in rows if everything or (row["image_id"] in images and row["category_id"] in classes)]


def _clean_ids(gt: Truth, params: Params) -> Any:
    """Ids under `with_clean_ids` of the rows that a subset keeps."""
    return np.array(_rows_of_subset(gt, params), dtype=np.int64) + 1


def _seen(run: COCOeval, params: Params) -> list[list[Any]]:
    images, classes = set(run.params.imgIds), set(run.cocoGt.getCatIds() if not params.use_cats else run.params.catIds)
    if params.cat_ids is not None:
        classes &= set(params.cat_ids)
    return [rows for (i, k), rows in run._dts.items() if i in images and k in classes]
