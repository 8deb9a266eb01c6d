"""The names of faster_coco_eval's package and of its modules `core.coco`, `core.cocoeval` and `core.faster_eval_api`.

Of what it has beyond pycocotools there is here what one line of code asks for: `run()`, `stats_as_dict`, `all_stats`,
a `print_function`, area ranges and sigmas of one's own. The rest is refused with the name of what to use instead.
"""

from __future__ import annotations

import copy
import logging
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from detkit._version import __version__
from detkit.compat._install import install
from detkit.compat._say import say
from detkit.compat.pycocotools import coco, cocoeval, mask
from detkit.errors import UsageError

__all__ = ["COCO", "COCOeval", "COCOeval_faster", "Params", "__version__", "coco", "cocoeval", "core",
           "faster_eval_api", "init_as_pycocotools", "mask"]  # fmt: skip

_log = logging.getLogger(__name__)
core = faster_eval_api = sys.modules[__name__]
Params = cocoeval.Params

_SIZES = {"small": [0, 32**2], "medium": [32**2, 96**2], "large": [96**2, 1e5**2]}
_INSTEAD = {
    "lvis_style": "detkit.evaluate(truth, predictions, protocol='lvis')",
    "extra_calc": "detkit.evaluate, detkit report and detkit eval --analyses",
}


def init_as_pycocotools() -> None:
    """What `detkit.compat.install` does."""
    install()


class COCO(coco.COCO):
    """`detkit.compat.pycocotools.coco.COCO` with a dictionary for a file, and silent unless told where to print.

    Parameters
    ----------
    annotation_file : path-like or dict, optional
    use_deepcopy : bool
        Copy the dictionary.
    print_function : callable
        What takes each line; by default the log.
    """

    def __init__(
        self, annotation_file: Any = None, use_deepcopy: bool = False, print_function: Callable[..., Any] = _log.debug
    ) -> None:
        self.print_function = print_function
        self.use_deepcopy, self.annotation_file = use_deepcopy, annotation_file
        if isinstance(annotation_file, dict):
            super().__init__()
            self.dataset = copy.deepcopy(annotation_file) if use_deepcopy else annotation_file
            self.createIndex()
        else:
            super().__init__(annotation_file)

    def _say(self, *values: Any) -> None:
        self.print_function(" ".join(map(str, values)))

    def _new(self) -> COCO:
        return COCO(print_function=self.print_function)

    @property
    def img_ann_map(self) -> Any:
        """`imgToAnns`."""
        return self.imgToAnns

    @property
    def cat_img_map(self) -> Any:
        """`catToImgs`."""
        return self.catToImgs

    def get_ann_ids(self, img_ids: Any = (), cat_ids: Any = (), area_rng: Any = (), iscrowd: Any = None) -> list[Any]:
        """`getAnnIds`; parameters as `getAnnIds`."""
        return self.getAnnIds(img_ids or (), cat_ids or (), area_rng or (), iscrowd)

    def get_cat_ids(self, cat_names: Any = (), sup_names: Any = (), cat_ids: Any = ()) -> list[Any]:
        """`getCatIds`; parameters as `getCatIds`."""
        return list(self.getCatIds(cat_names or (), sup_names or (), cat_ids or ()))

    def get_img_ids(self, img_ids: Any = (), cat_ids: Any = ()) -> list[Any]:
        """`getImgIds`; parameters as `getImgIds`."""
        return list(self.getImgIds(img_ids or (), cat_ids or ()))

    def load_anns(self, ids: Any) -> list[dict[str, Any]]:
        """`loadAnns`."""
        return list(self.loadAnns(ids))

    def load_cats(self, ids: Any) -> list[dict[str, Any]]:
        """`loadCats`."""
        return list(self.loadCats(ids))

    def load_imgs(self, ids: Any) -> list[dict[str, Any]]:
        """`loadImgs`."""
        return list(self.loadImgs(ids))


class COCOeval_faster(cocoeval.COCOeval):  # noqa: N801
    """`detkit.compat.pycocotools.cocoeval.COCOeval` with faster_coco_eval's arguments and statistics.

    Parameters
    ----------
    cocoGt, cocoDt : COCO, optional
    iouType : {"segm", "bbox", "keypoints"}
    ranges : mapping of str to [low, high], optional
        Area ranges beside `all`.
    print_function : callable
        What takes each line; by default the log.
    kpt_oks_sigmas : sequence of float, optional
    use_area : bool
        Only True is known here.
    separate_eval, boundary_dilation_ratio, boundary_cpu_count, rle_iou_max_workers
        How the work is shared out there; not needed here.
    extra_calc, lvis_style
        Refused.

    Raises
    ------
    UsageError
        An argument or an iou type that is not known here.
    """

    def __init__(
        self,
        cocoGt: Any = None,
        cocoDt: Any = None,
        iouType: str = "segm",
        ranges: Mapping[str, Any] | None = None,
        print_function: Callable[..., Any] = _log.info,
        extra_calc: bool = False,
        kpt_oks_sigmas: Any = None,
        use_area: bool | None = True,
        lvis_style: bool = False,
        separate_eval: bool = False,
        boundary_dilation_ratio: float = 0.02,
        boundary_cpu_count: int = min(os.cpu_count() or 1, 4),
        rle_iou_max_workers: int = 8,
    ) -> None:
        if iouType not in ("segm", "bbox", "keypoints"):
            raise UsageError(f"iou type `{iouType}` is not known here; known: segm, bbox, keypoints")
        for name, wanted in (("lvis_style", lvis_style), ("extra_calc", extra_calc)):
            if wanted:
                raise UsageError(f"`{name}` of faster_coco_eval is not known here", hint=f"use {_INSTEAD[name]}")
        if not use_area:
            raise UsageError("`use_area=False` of faster_coco_eval is not known here", hint="give each truth an `area`")
        super().__init__(cocoGt, cocoDt, iouType)
        self.print_function, self.separate_eval = print_function, separate_eval
        self.lvis_style = self.extra_calc = self.matched = False
        if iouType == "keypoints":
            if kpt_oks_sigmas is not None:
                self.params.kpt_oks_sigmas = np.array(kpt_oks_sigmas, dtype=np.float64)
            if cocoGt is not None:
                self.params.catIds = sorted(cocoGt.catToImgs)
        else:
            named = _SIZES if ranges is None else ranges
            self.params.areaRng = [[0, 1e5**2], *named.values()]
            self.params.areaRngLbl = ["all", *named]

    def _say(self, *values: Any) -> None:
        self.print_function(" ".join(map(str, values)))

    def run(self) -> None:
        """Evaluate, accumulate, summarize."""
        self.evaluate()
        self.accumulate()
        self.summarize()

    def summarize(self) -> None:
        """Statistics into `all_stats`, in `stats` those without recall at single overlaps; each as a line."""
        if not self.eval:
            raise Exception("Please run accumulate() first")
        self.all_stats = np.array([self._statistic(*row) for _, *row in self._rows_of_statistics()])
        self.stats = self.all_stats[: len(self.all_stats) - 2 if self.params.iouType != "keypoints" else None]

    @property
    def stats_as_dict(self) -> dict[str, float]:
        """Statistics by faster_coco_eval's names of them."""
        rows = zip(self._rows_of_statistics(), self.all_stats, strict=True)
        return {name: float(value) for (name, *_), value in rows}

    @property
    def extended_metrics(self) -> dict[str, Any]:
        """Refused: detkit's own curves are counted from raw counts, and under other names."""
        raise UsageError(
            "`extended_metrics` of faster_coco_eval is not known here",
            hint="use detkit.evaluate(...).per_class and detkit eval --analyses curves",
        )

    def _rows_of_statistics(self) -> list[tuple[str, str, float | None, str, Any]]:
        """Name, array, overlap, area range and cap of each; a name may stand there twice."""
        p = self.params
        cap, sizes = p.maxDets[-1], [label for label in p.areaRngLbl if label != "all"]
        rows: list[tuple[str, str, float | None, str, Any]] = [
            ("AP_all", "precision", None, "all", cap),
            *((f"AP_{100 * t:.0f}", "precision", t, "all", cap) for t in (0.5, 0.75)),
            *((f"AP_{size}", "precision", None, size, cap) for size in sizes),
        ]
        at_overlaps = [(f"AR_{100 * t:.0f}", "recall", t, "all", cap) for t in (0.5, 0.75)]
        of_sizes = [(f"AR_{size}", "recall", None, size, cap) for size in sizes]
        if p.iouType == "keypoints":
            return [*rows, ("AR_all", "recall", None, "all", cap), *at_overlaps, *of_sizes]
        usual = list(p.maxDets) == [1, 10, 100]
        names = ("AR_all", "AR_second", "AR_third") if usual else [f"AR_{m}" for m in p.maxDets]
        of_caps = [(name, "recall", None, "all", m) for name, m in zip(names, p.maxDets, strict=True)]
        return [*rows, *of_caps, *of_sizes, *at_overlaps]

    def _statistic(self, array: str, threshold: float | None, area: str, cap: Any) -> float:
        p, values = self.params, self.eval[array]
        if threshold is not None:
            values = values[np.flatnonzero(np.asarray(p.iouThrs) == threshold)]
        values = values[..., p.areaRngLbl.index(area), list(p.maxDets).index(cap)]
        defined = values[values > -1]
        mean = float(np.mean(defined)) if len(defined) else -1.0
        title = "Average Precision  (AP)" if array == "precision" else "Average Recall     (AR)"
        overlap = f"{p.iouThrs[0]:0.2f}:{p.iouThrs[-1]:0.2f}" if threshold is None else f"{threshold:0.2f}"
        self._say(f" {title} @[ IoU={overlap:<9} | area={area:>6s} | maxDets={cap:>3d} ] = {mean:0.3f}")
        return mean


class COCOeval(COCOeval_faster):
    """The same, printing."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"print_function": say, **options})
