"""TOOL BOXES SCORES CLASSES: class-wise suppression at IoU 0.5 of the boxes of one image, all scores distinct."""

import sys

import numpy as np
from _inside import best, digest, tell

name, *files = sys.argv[1:]
xywh, score, category = (np.load(file) for file in files)
THRESHOLD = 0.5


def detkit():
    from detkit.kernels.nms import nms

    return lambda: nms(xywh, score, category, iou_threshold=THRESHOLD)


def cv2():
    from cv2.dnn import NMSBoxesBatched

    return lambda: NMSBoxesBatched(xywh, score, category, 0.0, THRESHOLD)


def ensemble():
    from ensemble_boxes import nms

    # It takes corners as shares of the image, and returns boxes: the distinct scores say which they are.
    corners = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1) / 640.0
    row = {value: number for number, value in enumerate(score)}

    def kept():
        _, scores, _ = nms([corners], [score], [category], iou_thr=THRESHOLD)
        return scores

    return lambda: kept(), lambda scores: [row[value] for value in scores]


made = {"detkit": detkit, "cv2.dnn.NMSBoxesBatched": cv2, "ensemble-boxes": ensemble}[name]()
function, rows = made if isinstance(made, tuple) else (made, list)
found, seconds = best(function)
kept = np.sort(np.array(rows(found), np.int64))
tell([len(kept), digest(kept)], seconds)
