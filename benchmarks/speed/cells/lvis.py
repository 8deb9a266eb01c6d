"""LVIS metrics of boxes: partly labelled images, 1,203 classes, 300 detections an image."""

from speed.cell import Cell, Data, Tool, metrics_of, read_last, runner

_NAMES = (
    *("AP", "AP50", "AP75", "APsmall", "APmedium", "APlarge", "APr", "APc", "APf"),
    *("AR300", "ARsmall", "ARmedium", "ARlarge"),
)
_PLACES = ("{truth}", "{predictions}")
_REFERENCE = Tool("lvis", ("lvis", "opencv-python"), runner("lvis_api.py", *_PLACES), read_last)
_TOOLS = (
    Tool(
        "detkit CLI",
        ("detkit",),
        ("{scripts}/detkit", "eval", "--protocol", "lvis", "--format", "json", *_PLACES),
        metrics_of(_NAMES),
    ),
    Tool("hotcoco API", ("hotcoco",), runner("hotcoco_lvis.py", *_PLACES), read_last),
    Tool("faster-coco-eval", ("faster-coco-eval",), runner("faster_coco_eval_lvis.py", *_PLACES), read_last),
    _REFERENCE,
)


def _data(images: int) -> Data:
    return Data(
        images=images,
        realistic=("--preset", "lvis-like"),
        synthetic=("--kind", "lvis", "--truths", "12", "--detections", "300", "--classes", "1203"),
    )


CELLS = (
    Cell("lvis-small", "boxes by LVIS' rules, 500 images", _TOOLS, _data(500), _REFERENCE.name),
    Cell(
        "lvis",
        "boxes by LVIS' rules, 5,000 images with 1.4 million detections",
        tuple(tool for tool in _TOOLS if tool is not _REFERENCE),
        _data(5000),
        "hotcoco API",
        is_exact=False,
        is_default=False,
    ),
)
