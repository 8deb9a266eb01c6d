"""Converting data sets: 20,000 images, about 150,000 boxes, label files only; boxes and images are counted afterwards.

What the tools write is theirs: whether a crowd becomes a box of YOLO is told by the count.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from speed.cell import Cell, Data, Tool, read_last, runner, same_bits

_IMAGES = 20_000
_CLASSES = 80
_SIZE = ("--truths", "7.5", "--detections", "0", "--classes", str(_CLASSES))
_COCO = Data(
    {"folder": ".", "truth": "annotations/instances_val.json", "names": "names.txt"},
    images=_IMAGES,
    synthetic=("--kind", "truth", *_SIZE),
)
_YOLO = Data(
    {"folder": ".", "truth": "data.yaml", "labels": "labels/val", "images": "images/val", "flat": "flat"},
    images=_IMAGES,
    synthetic=("--kind", "yolo", *_SIZE),
)
_VOC = Data(
    {"folder": ".", "labels": "Annotations", "images": "JPEGImages"},
    images=_IMAGES,
    synthetic=("--kind", "voc", *_SIZE),
)
_NAMES = ",".join(f"class_{number}" for number in range(1, _CLASSES + 1))
#: The others take several times as long; one counted round shows that.
_EVERY_ROUND = ("detkit", "hotcoco")
#: datumaro's program asks for the others.
_DATUMARO = ("datumaro", "tensorboardX", "tabulate", "scipy", "matplotlib")


def compared(values: Sequence[float], reference: Sequence[float] | None) -> str:
    """Verdict on `[boxes, images]`: what was written, and what the reference wrote where that differs."""
    said = _said(values)
    if reference is None:
        return said
    return f"equal ({said})" if same_bits(values, reference) else f"differ: {said}, not {_said(reference)}"


def _said(values: Sequence[float]) -> str:
    return f"{values[0]:,.0f} boxes, {values[1]:,.0f} images"


@dataclass(frozen=True)
class _To:
    """Tools that write one format, and where they write it."""

    kind: str
    out: str = "out"

    def tool(self, name: str, packages: tuple[str, ...], command: tuple[str, ...], out: str = "") -> Tool:
        count = runner("convert_count.py", self.kind, out or self.out)
        return Tool(name, packages, command, read_last, count, once=packages[0] not in _EVERY_ROUND)

    def detkit(self, source: str, *words: str) -> Tool:
        command = ("{scripts}/detkit", "convert", "--from", source, "--to", self.kind, *words, self.out)
        return self.tool("detkit CLI", ("detkit",), command)

    def hotcoco(self, source: str, *words: str) -> Tool:
        command = ("{scripts}/coco", "convert", "--from", source, "--to", self.kind, "--output", self.out)
        return self.tool("hotcoco CLI", ("hotcoco",), (*command, "--input", *words))

    def labelformat(self, *words: str) -> Tool:
        command = ("{scripts}/labelformat", "convert", "--task", "object-detection", *words)
        return self.tool("labelformat CLI", ("labelformat",), command)

    def globox(self, source: str, target: str, *words: str) -> Tool:
        command = ("{scripts}/globox", "convert", "-f", source, "-F", target, *words, self.out)
        return self.tool("globox CLI", ("globox",), command)

    def datumaro(self, source: str, target: str) -> Tool:
        command = ("{scripts}/datum", "convert", "-i", "{folder}", "-if", source, "-f", target, "-o", "out")
        return self.tool("datumaro CLI", _DATUMARO, command, out="out")


def _cell(name: str, title: str, data: Data, *tools: Tool) -> Cell:
    return Cell(name, title, tools, data, tools[0].name, result="labels", verdict=compared, is_exact=False)


_coco, _voc, _yolo = _To("coco", "out.json"), _To("voc"), _To("yolo")

CELLS = (
    _cell(
        "coco-to-yolo",
        "COCO to YOLO, 20,000 images",
        _COCO,
        _yolo.detkit("coco", "{truth}", "--crowds", "keep"),
        _yolo.hotcoco("coco", "{truth}"),
        _yolo.labelformat(
            *("--input-format", "coco", "--input-file", "{truth}"),
            *("--output-format", "yolov8", "--output-file", "out/data.yaml", "--output-split", "val"),
        ),
        _yolo.globox("coco", "yolov7", "--reverse_mapping_out", "{names}", "{truth}"),
        _yolo.datumaro("coco_instances", "yolo"),
    ),
    _cell(
        "coco-to-voc",
        "COCO to Pascal VOC, 20,000 images",
        _COCO,
        _voc.detkit("coco", "{truth}", "--crowds", "keep"),
        _voc.hotcoco("coco", "{truth}"),
        _voc.labelformat(
            *("--input-format", "coco", "--input-file", "{truth}"),
            *("--output-format", "pascalvoc", "--output-folder", "out"),
        ),
        _voc.globox("coco", "pascalvoc", "{truth}"),
        # datumaro is left out: it takes most of a minute.
    ),
    _cell(
        "yolo-to-coco",
        "YOLO to COCO, 20,000 images whose sizes are read from their headers",
        _YOLO,
        _coco.detkit("yolo", "{truth}"),
        _coco.hotcoco("yolo", "{flat}", "--images-dir", "{images}"),
        _coco.labelformat(
            *("--input-format", "yolov8", "--input-file", "{truth}", "--input-split", "val"),
            *("--output-format", "coco", "--output-file", "out.json"),
        ),
        _coco.globox("yolov5", "coco", "-d", "{images}", "-g", ".png", "--coco_auto_ids", "{labels}"),
        _coco.datumaro("yolo", "coco_instances"),
    ),
    _cell(
        "voc-to-coco",
        "Pascal VOC to COCO, 20,000 images",
        _VOC,
        _coco.detkit("voc", "{folder}"),
        _coco.hotcoco("voc", "{folder}"),
        _coco.labelformat(
            *("--input-format", "pascalvoc", "--input-folder", "{labels}", "--category-names", _NAMES),
            *("--output-format", "coco", "--output-file", "out.json"),
        ),
        _coco.globox("pascalvoc", "coco", "-d", "{images}", "--coco_auto_ids", "{labels}"),
        _coco.datumaro("voc_detection", "coco_instances"),
    ),
)
