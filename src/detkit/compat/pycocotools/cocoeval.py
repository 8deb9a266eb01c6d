"""`COCOeval` and `Params`: pycocotools' evaluation, matched and accumulated by detkit's engine.

What the engine does not answer as the reference does (a subclass with a rule of its own, ids that are no numbers,
boxes that are not finite, thresholds in any order, misuse) the reference's own code does; `engine` tells which it was.
"""

from __future__ import annotations

import copy
import datetime
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from detkit.compat._say import say, seconds
from detkit.compat.pycocotools import _reference
from detkit.compat.pycocotools._results import Unread
from detkit.compat.pycocotools.coco import COCO
from detkit.errors import InputError
from detkit.garbage import gc_paused

if TYPE_CHECKING:
    from detkit.evaluation.engine import Scored
    from detkit.evaluation.protocols import Protocol
    from detkit.tables import Dataset, Detections

__all__ = ["COCOeval", "Params"]

__getattr__ = _reference.others_of("cocoeval")

Params = _reference.Params

#: Steps of the evaluation that a subclass may replace.
_STEPS = {name: getattr(_reference.COCOeval, name) for name in ("_prepare", "computeIoU", "computeOks", "evaluateImg")}
#: Attributes that come into being when they are first read.
_LATE = ("evalImgs", "ious", "_gts", "_dts")


@dataclass(frozen=True, eq=False)
class _Run:
    """What was evaluated, and what came out."""

    gts: list[dict[str, Any]]
    dts: list[dict[str, Any]] | Unread
    truth: Dataset
    detections: Detections
    protocol: Protocol
    scored: Scored


class COCOeval(_reference.COCOeval):  # type: ignore[misc]
    """Evaluation of results against a truth; a subclass of pycocotools' class of this name.

    `evaluate` and `accumulate` are the engine's; everything else is inherited. `evalImgs`, `ious`, `_gts` and
    `_dts` are made when they are first read.

    Parameters
    ----------
    cocoGt, cocoDt : COCO, optional
        Of this package or of pycocotools.
    iouType : {"segm", "bbox", "keypoints"}

    Attributes
    ----------
    engine : {"detkit", "pycocotools"}, optional
        Who did the last `evaluate`.
    """

    engine: str | None = None
    params: Any
    eval: dict[str, Any]
    _run: _Run | None = None

    def _say(self, *values: Any) -> None:
        say(*values)

    def evaluate(self) -> None:
        """Match results and truths under `params`, image by image."""
        with seconds() as spent:
            run = self._matched()
        if run is None:
            self._run, self.engine = None, "pycocotools"
            for name in _LATE:
                self.__dict__.setdefault(name, {})
            super().evaluate()
            return
        self._say("Running per image evaluation...")
        if self.params.useSegm is not None:
            self._say(f"useSegm (deprecated) is not None. Running {self.params.iouType} evaluation")
        self._say(f"Evaluate annotation type *{self.params.iouType}*")
        self._run, self.engine, self.eval = run, "detkit", {}
        for name in _LATE:
            self.__dict__.pop(name, None)
        self._paramsEval = copy.deepcopy(self.params)
        self._say(f"DONE (t={spent[0]:0.2f}s).")

    def _matched(self) -> _Run | None:
        """What the engine makes of it, None where the reference has to be asked."""
        if any(getattr(type(self), name) is not step or name in self.__dict__ for name, step in _STEPS.items()):
            return None
        from detkit.compat.pycocotools._tables import NotPlain, Places, detections_of, protocol_of, truth_of
        from detkit.evaluation.engine import score

        try:
            params = _ordered(self.params)
            protocol = protocol_of(params)
            places = Places.of(params.imgIds, params.catIds)
            gts, dts = self._rows(self.cocoGt, params), self._rows(self.cocoDt, params, columns=True)
            _prepare_truths(gts, params.iouType)
            truth, detections = truth_of(gts, places, protocol.iou_type), detections_of(dts, places, protocol.iou_type)
            scored = score(truth, detections, protocol)
        except (NotPlain, InputError, KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError):
            # The reference meets the same and raises what it raises.
            return None
        vars(self.params).update(vars(params))
        return _Run(gts, dts, truth, detections, protocol, scored)

    def _rows(self, coco: Any, params: Any, *, columns: bool = False) -> Any:
        """Annotations of the images and classes asked for, masks compressed; or all results as columns."""
        if columns and params.iouType == "bbox" and _is_plain(coco):
            unread = coco.unread()
            if unread is not None:
                return unread
        images = np.asarray(params.imgIds).tolist()
        if params.useCats:
            ids = coco.getAnnIds(imgIds=images, catIds=np.asarray(params.catIds).tolist())
        else:
            ids = coco.getAnnIds(imgIds=images)
        rows = coco.loadAnns(ids)
        if params.iouType == "segm":
            with gc_paused():
                for row in rows:
                    row["segmentation"] = coco.annToRLE(row)
        return rows

    def accumulate(self, p: Any = None) -> None:
        """Precision, recall and scores of what was evaluated, into `eval`.

        Parameters
        ----------
        p : Params, optional
            By default `params`. Others than those evaluated are accumulated by the reference's own code.
        """
        params = self.params if p is None else p
        run = self._run
        if run is None or "evalImgs" in self.__dict__ or not _same_settings(params, self._paramsEval):
            super().accumulate(p)
            return
        self._say("Accumulating evaluation results...")
        with seconds() as spent:
            scored = run.scored
            params.catIds = params.catIds if params.useCats == 1 else [-1]
            thresholds, recalls, classes, areas, caps = scored.precision.shape
            self.eval = {
                "params": params,
                "counts": [thresholds, recalls, classes, areas, caps],
                "date": datetime.datetime.now().strftime("%Y-%m-%d %H:%M:%S"),
                "precision": scored.precision.copy(),
                "recall": scored.recall.copy(),
                "scores": scored.scores.copy(),
            }
        self._say(f"DONE (t={spent[0]:0.2f}s).")

    def __getattr__(self, name: str) -> Any:
        """What the last `evaluate` left to be made when somebody reads it."""
        if name not in _LATE or self.__dict__.get("_run") is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        with gc_paused():
            made = {"evalImgs": self._eval_imgs, "ious": self._all_ious}.get(name, self._cells_of_rows)()
        self.__dict__.update(made)
        return self.__dict__[name]

    def __getstate__(self) -> dict[str, Any]:
        """What pycocotools' object would hold: for pickles and deep copies everything is made."""
        made = {name: getattr(self, name) for name in _LATE}
        return {**{name: value for name, value in vars(self).items() if name != "_run"}, **made}

    def _eval_imgs(self) -> dict[str, Any]:
        from detkit.compat.pycocotools._cells import Cells, cell_results
        from detkit.evaluation.engine import score

        run, params = self._run, self._paramsEval
        assert run is not None
        dts = run.dts
        scored = score(run.truth, run.detections, run.protocol, with_partners=True)
        gt_rows, dt_rows = run.truth.annotations.source_row.tolist(), run.detections.source_row.tolist()
        cells = Cells(
            params.imgIds,
            params.catIds if params.useCats else [-1],
            self.params.areaRng if self.params.areaRng == params.areaRng else params.areaRng,
            params.maxDets[-1],
            [run.gts[row]["id"] for row in gt_rows],
            [row + 1 for row in dt_rows] if isinstance(dts, Unread) else [dts[row]["id"] for row in dt_rows],
            run.detections.score.tolist() if isinstance(dts, Unread) else [dts[row]["score"] for row in dt_rows],
        )
        return {"evalImgs": cell_results(scored, cells)}

    def _all_ious(self) -> dict[str, Any]:
        """Overlaps by the reference's own functions, under the parameters that were evaluated."""
        now, self.params = self.params, self._paramsEval
        try:
            compute = self.computeOks if self.params.iouType == "keypoints" else self.computeIoU
            class_ids = self.params.catIds if self.params.useCats else [-1]
            return {"ious": {(i, c): compute(i, c) for i in self.params.imgIds for c in class_ids}}
        finally:
            self.params = now

    def _cells_of_rows(self) -> dict[str, Any]:
        run = self._run
        assert run is not None
        dts = self._rows(self.cocoDt, self._paramsEval) if isinstance(run.dts, Unread) else run.dts
        made: dict[str, Any] = {}
        for name, rows in (("_gts", run.gts), ("_dts", dts)):
            made[name] = defaultdict(list)
            for row in rows:
                made[name][row["image_id"], row["category_id"]].append(row)
        return made


def _ordered(params: Any) -> Any:
    """A copy of the parameters as `evaluate` leaves them: ids distinct and sorted, caps sorted."""
    params = copy.copy(params)
    if params.useSegm is not None:
        params.iouType = "segm" if params.useSegm == 1 else "bbox"
    params.imgIds = list(np.unique(params.imgIds))
    if params.useCats:
        params.catIds = list(np.unique(params.catIds))
    params.maxDets = sorted(params.maxDets)
    return params


def _prepare_truths(gts: list[dict[str, Any]], iou_type: str) -> None:
    for gt in gts:
        gt["ignore"] = gt["iscrowd"] if iou_type != "keypoints" else gt["num_keypoints"] == 0 or gt["iscrowd"]


def _is_plain(coco: Any) -> bool:
    """Whether rows may be taken from the columns: nobody replaced the methods that choose them."""
    return isinstance(coco, COCO) and all(
        getattr(type(coco), name) is getattr(COCO, name) and name not in vars(coco)
        for name in ("getAnnIds", "loadAnns")
    )


def _same_settings(params: Any, evaluated: Any) -> bool:
    """Whether these parameters accumulate what was evaluated, all of it."""
    names = ["imgIds", "areaRng", "maxDets", "iouThrs", "recThrs", *(["catIds"] if params.useCats else [])]
    return params.useCats in (0, 1) and all(
        np.array_equal(getattr(params, name), getattr(evaluated, name)) for name in ("useCats", *names)
    )
