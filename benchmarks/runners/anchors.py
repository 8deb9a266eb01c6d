"""TOOL SIZES: nine anchors of box sizes; prints the mean over the boxes of the IoU with their best anchor."""

import sys

import numpy as np
from _inside import best, tell

name, file = sys.argv[1:]
sizes = np.load(file)
K = 9


def detkit():
    from detkit.anchors.cluster import cluster

    return lambda: cluster(sizes, K)


def kmeans():
    from scipy.cluster.vq import kmeans as scipy_kmeans

    # As in the recipe of YOLOv5: sides divided by their spread, the best of 30 starts.
    spread = sizes.std(0)
    return lambda: scipy_kmeans(sizes / spread, K, iter=30, rng=0)[0] * spread


def kmeans2():
    from scipy.cluster.vq import kmeans2 as scipy_kmeans2

    spread = sizes.std(0)
    return lambda: scipy_kmeans2(sizes / spread, K, iter=300, minit="++", rng=0)[0] * spread


def mean_best_iou(anchors):
    shared = np.minimum(sizes[:, None], anchors[None]).prod(2)
    return float((shared / (sizes.prod(1)[:, None] + anchors.prod(1)[None] - shared)).max(1).mean())


found, seconds = best({"detkit": detkit, "scipy kmeans": kmeans, "scipy kmeans2": kmeans2}[name](), times=1)
tell([mean_best_iou(found)], seconds)
