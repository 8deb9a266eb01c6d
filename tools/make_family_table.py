"""Write the table of detector families in docs/reference/detectors/index.md: each is run as a user would run it.

    python tools/make_family_table.py [--check]

Every generated graph of fixtures/models goes through `detkit.predict` on PNG files: recognised without being named,
rows equal to the known answer one image at a time and eight in a batch, in half precision, and at another input size.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from PIL import Image

import detkit
from detkit.detectors import read_graph, recognise
from detkit.errors import DetkitError

ROOT = Path(__file__).resolve().parents[1]
MODELS = ROOT / "fixtures" / "models"
PAGE = ROOT / "docs" / "reference" / "detectors" / "index.md"
HEAD = """# Detector families

Each family is recognised by what a graph says of itself and decoded by one file of `detkit.detectors`. The table is
made by `tools/make_family_table.py`, which runs a generated graph of every layout with a known answer through
`detkit predict`:

- **recognised**: without `--family`; **decoded**: the rows equal the known answer, one image at a time;
- **batch 8**: the rows stay equal with `--batch 8` (`fixed`: the graph takes one image);
- **fp16**: with `--precision fp16`, the same objects within 2 % of the image's longer side and 0.02 of the score;
- **free size**: with height and width of the graph's input left free, the rows stay equal at its own size, and
  `--image-size` runs another one (`no`: the generated graph holds constants of its size, as many real exports do).

| graph | family | recognised | decoded | batch 8 | fp16 | free size |
|---|---|---|---|---|---|---|
"""
TAIL = """
In fp16 a box that lies at a threshold may come or go, and a graph whose constants do not survive half precision is
refused or answers otherwise: compare with [`detkit diff`](../../how-to/compare-exports.md) before you ship one.
"""


@dataclass(frozen=True)
class Case:
    """A graph and its answer."""

    name: str
    answer: dict

    @property
    def path(self):
        """The graph."""
        return MODELS / f"{self.name}.onnx"


def drawn(image):
    """The picture that the answer belongs to."""
    width, height = image["size"]
    pixels = np.zeros((height, width, 3), np.uint8)
    for left, top, right, bottom, colour in image["rectangles"]:
        pixels[top:bottom, left:right] = colour
    if image.get("texture"):
        sys.path.insert(0, str(ROOT / "tools" / "models"))
        import yolo

        pixels = yolo.drawn(image["size"], image["rectangles"], image["texture"])
    return Image.fromarray(pixels)


def freed(graph, path, target):
    """Write a copy whose input height and width are free; its own (width, height), None where they are free already."""
    model = onnx.load(str(path), format="protobuf")
    shape = next(i for i in model.graph.input if i.name == graph.image.name).type.tensor_type.shape.dim
    height, width = (1, 2) if shape[-1].dim_value == 3 and len(shape) in (3, 4) else (len(shape) - 2, len(shape) - 1)
    if len(shape) == 3 and shape[-1].dim_value == 3:
        height, width = 0, 1
    size = shape[width].dim_value, shape[height].dim_value
    if not all(size):
        return None
    shape[height].dim_param, shape[width].dim_param = "height", "width"
    del model.graph.value_info[:]
    for output in model.graph.output:
        for n, dim in enumerate(output.type.tensor_type.shape.dim):
            dim.dim_param = f"{output.name}_{n}"
    target.write_bytes(model.SerializeToString())
    return size


def rows_of(case, folder, path, **changes):
    """Rows of every image: (label, xywh, score)."""
    values = {**case.answer["settings"]}
    found = detkit.predict(
        path,
        folder,
        family=None,
        values={k: v if isinstance(v, str) else ",".join(map(str, v)) for k, v in values.items()},
        score_threshold=case.answer["score_threshold"],
        iou_threshold=case.answer["iou_threshold"],
        device="cpu",
        jobs=1,
        threads=1,
        **changes,
    ).detections
    rows = [[] for _ in range(len(found.images))]
    for image, label, box, score in zip(
        found.image_index.tolist(), found.category_index.tolist(), found.xywh, found.score.tolist(), strict=True
    ):
        rows[image].append((label, box, score))
    return rows


def equal(found, wanted, box, score):
    """Whether the rows are the wanted ones, in any order."""
    left = list(found)
    for row in wanted:
        fits = [
            r for r in left if r[0] == row["label"] and np.abs(r[1] - row["xywh"]).max() <= box
            and abs(r[2] - row["score"]) <= score
        ]  # fmt: skip
        if not fits:
            return False
        left = [r for r in left if r is not fits[0]]
    return not left


def share_found(found, wanted, box, score):
    """Share of wanted rows with an equal one."""
    return np.mean([any(equal([r], [row], box, score) for r in found) for row in wanted]) if wanted else 1.0


def line(case):
    """One row of the table."""
    graph = read_graph(case.path)
    kind = recognise(graph).name
    wanted = case.answer["rows"]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        picture = drawn(case.answer["image"])
        for n in range(9):
            picture.save(folder / f"{n}.png")
        side = max(picture.size)

        def tried(batch, path=case.path, **changes):
            try:
                return rows_of(case, folder, path, batch=batch, **changes)
            except DetkitError as error:
                return str(error).splitlines()[0]

        single, several = tried(1), tried(8)
        half = tried(1, precision="fp16")
        own, other = freed(graph, case.path, folder / "free.onnx"), None
        if own is not None:
            same = tried(1, folder / "free.onnx", image_size=own)
            other = tried(1, folder / "free.onnx", image_size=(2 * own[0], 2 * own[1]))
    exact = {"box": 2e-3, "score": 1e-4}
    good = "yes" if not isinstance(single, str) and all(equal(r, wanted, **exact) for r in single) else f"no: {single}"
    batch = (
        "fixed" if isinstance(several, str) else ("yes" if all(equal(r, wanted, **exact) for r in several) else "no")
    )
    if isinstance(half, str):
        fp16 = half
    else:
        share = np.mean([share_found(r, wanted, 0.02 * side, 0.02) for r in half])
        fp16 = "yes" if share == 1 else f"{100 * share:.0f} % of the rows"
    size = "no image input" if own is None else "no"
    if own is not None and not isinstance(same, str) and not isinstance(other, str):
        size = "yes" if all(equal(r, wanted, **exact) for r in same) else "answers otherwise"
    recognised = "yes" if kind == case.answer["family"] else f"as {kind}"
    return f"| `{case.name}` | `{case.answer['family']}` | {recognised} | {good} | {batch} | {fp16} | {size} |"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    cases = []
    for path in sorted(MODELS.glob("*.json")):
        answer = json.loads(path.read_text(encoding="utf-8"))
        if answer.get("family") and answer.get("rows"):
            cases.append(Case(path.stem, answer))
    text = HEAD + "\n".join(line(case) for case in cases) + "\n" + TAIL
    if given.check:
        sys.exit(0 if PAGE.read_text(encoding="utf-8") == text else f"{PAGE} is out of date")
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
