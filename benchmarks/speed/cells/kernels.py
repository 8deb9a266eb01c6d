"""Single functions, timed within the process too: beside start-up their own time would not be seen."""

from speed.cell import Cell, Data, Tool, counted, read_last, runner

_NMS = {"boxes": "nms_xywh.npy", "scores": "nms_score.npy", "classes": "nms_class.npy"}
_IOU = {"a": "iou_a.npy", "b": "iou_b.npy"}
_ARRAYS = ("--kind", "arrays")


def _tools(script: str, words: tuple[str, ...], tools: dict[str, tuple[str, ...]]) -> tuple[Tool, ...]:
    return tuple(Tool(name, packages, runner(script, name, *words), read_last) for name, packages in tools.items())


def _fit(values: object, _: object) -> str:
    return f"mean best IoU {values[0]:.4f}"  # type: ignore[index]


CELLS = (
    Cell(
        "nms",
        "class-wise NMS of 25,200 boxes of one image in 80 classes",
        _tools(
            "nms.py",
            ("{boxes}", "{scores}", "{classes}"),
            {
                "detkit": ("detkit",),
                "cv2.dnn.NMSBoxesBatched": ("opencv-python-headless",),
                "ensemble-boxes": ("ensemble-boxes",),
            },
        ),
        Data(_NMS, images=1, synthetic=_ARRAYS),
        "cv2.dnn.NMSBoxesBatched",
        result="kept boxes",
        verdict=counted("boxes kept"),
        is_exact=False,
    ),
    Cell(
        "iou",
        "IoU of 3,000 with 1,000 boxes",
        _tools(
            "iou.py",
            ("{a}", "{b}"),
            {"detkit": ("detkit",), "hotcoco": ("hotcoco",), "pycocotools": ("pycocotools",)},
        ),
        Data(_IOU, images=1, synthetic=_ARRAYS),
        "pycocotools",
        result="matrix",
    ),
    Cell(
        "anchors",
        "nine anchors of 150,000 box sizes",
        _tools(
            "anchors.py",
            ("{sizes}",),
            {"detkit": ("detkit",), "scipy kmeans": ("scipy",), "scipy kmeans2": ("scipy",)},
        ),
        Data({"sizes": "sizes.npy"}, images=1, synthetic=_ARRAYS),
        result="fit",
        verdict=_fit,
        is_exact=False,
    ),
)
