"""Converting data sets: the tools have to write as many boxes. 20,000 images, about 150,000 boxes, label files only."""

from speed.cell import Cell, Data, Tool, counted, read_last, runner

_TRUTH = Data(
    {"truth": "annotations/instances_val.json"},
    images=20_000,
    synthetic=("--kind", "truth", "--truths", "7.5", "--classes", "80"),
)
_LABELS = Data(
    {"truth": "data.yaml", "labels": "labels/val", "images": "images/val"},
    images=20_000,
    synthetic=("--kind", "yolo", "--truths", "7.5", "--detections", "0", "--classes", "80"),
)


def _tool(name: str, kind: str, target: str, *command: str) -> Tool:
    package = name.partition(" ")[0]
    return Tool(name, (package,), runner("convert_count.py", kind, target, *command), read_last)


def _cell(name: str, title: str, data: Data, *tools: Tool) -> Cell:
    return Cell(name, title, tools, data, tools[0].name, result="boxes", verdict=counted("boxes"), is_exact=False)


def _detkit(*words: str) -> tuple[str, ...]:
    return ("{scripts}/detkit", "convert", *words)


def _hotcoco(source: str, target: str, *words: str) -> tuple[str, ...]:
    return ("{scripts}/coco", "convert", "--from", source, "--to", target, *words)


CELLS = (
    _cell(
        "coco-to-yolo",
        "COCO to YOLO, 20,000 images",
        _TRUTH,
        _tool(
            "detkit CLI",
            "yolo",
            "out",
            *_detkit("--from", "coco", "{truth}", "out", "--to", "yolo", "--crowds", "keep"),
        ),
        _tool("hotcoco CLI", "yolo", "out", *_hotcoco("coco", "yolo", "--input", "{truth}", "--output", "out")),
        _tool(
            "globox CLI", "yolo", "out", "{scripts}/globox", "convert", "-f", "coco", "-F", "yolov7", "{truth}", "out"
        ),
    ),
    _cell(
        "coco-to-voc",
        "COCO to Pascal VOC, 20,000 images",
        _TRUTH,
        _tool(
            "detkit CLI", "voc", "out", *_detkit("--from", "coco", "{truth}", "out", "--to", "voc", "--crowds", "keep")
        ),
        _tool("hotcoco CLI", "voc", "out", *_hotcoco("coco", "voc", "--input", "{truth}", "--output", "out")),
        _tool(
            "globox CLI",
            "voc",
            "out",
            *("{scripts}/globox", "convert", "-f", "coco", "-F", "pascalvoc", "{truth}", "out"),
        ),
    ),
    _cell(
        "yolo-to-coco",
        "YOLO to COCO, 20,000 images whose sizes are read from their headers",
        _LABELS,
        _tool("detkit CLI", "coco", "out.json", *_detkit("--from", "yolo", "{truth}", "out.json")),
        _tool(
            *("globox CLI", "coco", "out.json", "{scripts}/globox", "convert", "-f", "yolov5", "-d", "{images}"),
            *("-g", ".png", "-F", "coco", "--coco_auto_ids", "{labels}", "out.json"),
        ),
    ),
)
