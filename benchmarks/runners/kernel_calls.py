"""Calls each kernel, or those NAMED, on inputs that are always the same; prints their names.

Before and after a call it enters `getppid` of the C library, where callgrind writes what it has counted; the call
before that compiles or loads the kernel.
"""

import os
import sys
from collections.abc import Callable

import llvmlite.binding as llvm
import numpy as np

from detkit.kernels.fusion import fuse
from detkit.kernels.hamming import near_hashes
from detkit.kernels.iou import pairwise_iou
from detkit.kernels.json_rows import Layout, scan_rows
from detkit.kernels.kmeans import nearest
from detkit.kernels.match import Cells, match
from detkit.kernels.nms import grouped_nms
from detkit.kernels.polygon import polygon_iou
from detkit.kernels.soft_nms import grouped_soft_nms


def workloads() -> dict[str, Callable[[], object]]:
    """A call of each kernel on inputs that are always the same."""
    draws = np.random.default_rng(0)

    def boxes(count: int) -> np.ndarray:
        return np.concatenate([draws.random((count, 2)) * 500, 5 + draws.random((count, 2)) * 100], axis=1)

    xywh, score, group = boxes(4000), draws.random(4000), np.repeat(np.arange(40), 100)
    a, b = boxes(400), boxes(300)
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    quads = [one[:60, None, :2] + corners * one[:60, None, 2:] for one in (a, b)]
    truths = boxes(800)
    none = np.zeros(800, np.bool_)
    cells = Cells(
        *(np.arange(41) * 100, np.arange(41) * 20, xywh[:, 2:].prod(1), truths[:, 2:].prod(1), none, none, none)
    )
    ranges = np.array([[0, 1e10], [0, 1024], [1024, 9216], [9216, 1e10]])
    layout = Layout(("image_id", "category_id"), ("score",))
    record = '{{"image_id":{},"category_id":{},"bbox":[{:.3f},{:.3f},{:.2f},{:.2f}],"score":{}}}'
    rows = zip(range(4000), group.tolist(), *xywh.T.tolist(), score.tolist(), strict=True)
    results = f"[{','.join(record.format(*row) for row in rows)}]".encode()
    hashes = draws.integers(0, 2**63, 600).astype(np.uint64)
    return {
        "iou": lambda: pairwise_iou(a, b),
        "polygon-iou": lambda: polygon_iou(*quads),
        "nms": lambda: grouped_nms(xywh, score, group, jobs=1),
        "soft-nms": lambda: grouped_soft_nms(xywh, score, group, jobs=1),
        "fusion": lambda: fuse(xywh, score, group, np.zeros(4000, np.int64), np.ones(1)),
        "match": lambda: match(cells, np.arange(0.5, 1, 0.05), ranges, rule="greedy", boxes=(xywh, truths)),
        "nearest-anchor": lambda: nearest(xywh[:, 2:], b[:9, 2:]),
        "json-rows": lambda: scan_rows(results, 0, layout, jobs=1),
        "near-hashes": lambda: near_hashes(hashes, 6),
    }


# The same machine code on every processor, and none that valgrind does not know; stated before a kernel is compiled.
llvm.get_host_cpu_name = lambda: "generic"
llvm.get_host_cpu_features = llvm.FeatureMap

calls = workloads()
names = sys.argv[1:] or list(calls)
if not calls.keys() >= set(names):
    sys.exit(f"no kernel named {', '.join(sorted(set(names) - calls.keys()))}; known are {', '.join(calls)}")
for name in names:
    calls[name]()
    os.getppid()
    calls[name]()
    os.getppid()
    print(name)
