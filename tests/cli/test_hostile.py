"""The hostile-input table: what is made to harm gets an exit code and a message, and writes nothing it should not."""

from __future__ import annotations

import os
import shlex
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from cli import _hostile as lay
from cli import _inputs as make
from cli._run import DEMO, run, tree

EVAL_ZIP, EVAL_TAR, CHECK = "eval a.zip pred.json", "eval a.tar pred.json", "check d --format json"
MODEL = "model m/model.onnx"
PREDICT = f"predict m/model.onnx {DEMO}/images/val -o out.json"


class Hostile(NamedTuple):
    """What is laid, the command, its code, and what it says."""

    name: str
    build: Callable[[Path], object]
    line: str
    code: int
    says: tuple[str, ...] = ()


def hostile(name: str, build: Callable[[Path], object], line: str, code: int, *says: str) -> Hostile:
    return Hostile(name, build, line, code, says)


ARCHIVES = [
    hostile("zip bomb", lay.zip_bomb, EVAL_ZIP, 2, "a.zip", "more than is taken for sane"),
    hostile("zip that lies of its size", lay.zip_lies, EVAL_ZIP, 2, "a.zip", "damaged archive"),
    hostile("zip damaged inside", lay.zip_damaged, EVAL_ZIP, 2, "a.zip", "damaged archive"),
    hostile("zip climbs", lay.zip_with("../../x"), EVAL_ZIP, 2, "a.zip", "`../../x`", "outside the folder"),
    hostile("zip absolute", lay.zip_with("/tmp/x"), EVAL_ZIP, 2, "a.zip", "`/tmp/x`", "outside the folder"),
    hostile("zip drive", lay.zip_with("C:\\x"), EVAL_ZIP, 2, "a.zip", "outside the folder"),
    hostile("zip backslashes", lay.zip_with("..\\x"), EVAL_ZIP, 2, "a.zip", "outside the folder"),
    hostile("zip name both file and folder", lay.zip_with("a", "a/b"), EVAL_ZIP, 2, "a.zip", "damaged archive"),
    hostile("zip link is a file with text", lay.zip_link, EVAL_ZIP, 0),
    hostile("tar climbs", lay.tar_with(up__x=tarfile.REGTYPE), EVAL_TAR, 2, "a.tar", "outside the folder"),
    hostile("tar links are left out", lay.tar_with(a=tarfile.SYMTYPE, b=tarfile.LNKTYPE), EVAL_TAR, 0),
    hostile("tar devices are left out", lay.tar_with(a=tarfile.CHRTYPE, b=tarfile.FIFOTYPE), EVAL_TAR, 0),
    hostile("tar bomb", lay.tar_bomb, EVAL_TAR, 2, "a.tar"),
    hostile("gzip bomb", lay.gzip_bomb, "eval a.json.gz pred.json", 2, "a.json.gz"),
]

TEXTS = [
    hostile("billion laughs", lay.xml(head=lay.LAUGHS), "stats voc", 2, "document type or entities"),
    hostile("external entity", lay.xml(head='<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'),
            "stats voc", 2, "entities"),
    hostile("deep XML", lay.xml("<a>" * 50_000 + "</a>" * 50_000), "stats voc", 0),
    hostile("yaml of 10,000 classes", lay.yaml(f"path: .\ntrain: images\nnames: {[f'c{i}' for i in range(10_000)]}\n"),
            "stats d", 0),
    hostile("yaml bomb", lay.yaml(lay.yaml_bomb()), "stats d --kind dataset --from yolo", 2, "data.yaml"),
    hostile("yaml in itself", lay.yaml("names: &n [*n]\ntrain: images\n"), "stats d --kind dataset --from yolo", 2,
            "data.yaml"),
    hostile("yaml tag is text", lay.yaml("names: !!python/object/apply:os.system ['touch x']\ntrain: images\n"),
            "stats d", 0, "touch x"),
    hostile("yaml deep", lay.yaml("[" * 5000), "stats d --kind dataset --from yolo", 2, "data.yaml"),
    hostile("yaml deep lists", lay.yaml("- " * 5000 + "\n"), "stats d --kind dataset --from yolo", 2, "data.yaml"),
    hostile("deep JSON", lay.text("truth.json", "[" * 200_000), "eval truth.json pred.json", 2, "truth.json"),
    hostile("deep JSON in a field", lay.text("truth.json", '{"images":' + '{"a":' * 100_000), "stats truth.json", 2),
    hostile("number of 100,000 digits", lay.text("truth.json", '{"images": [{"id": ' + "9" * 100_000 + "}]}"),
            "stats truth.json", 2, "truth.json"),
    hostile("20,000 images that are not there", lay.many_images, "stats truth.json --images .", 0),
]  # fmt: skip

PICTURES = [
    hostile("png bomb", lay.images(lay.png(100_000, 100_000)), CHECK, 2, "a.jpg"),
    hostile("png of a billion columns", lay.images(lay.png(2**31 - 1, 1)), CHECK, 2),
    hostile("png bomb drawn", lay.images(lay.png(100_000, 100_000)), "draw d -o out", 2, "a.jpg"),
    hostile("truncated JPEG", lay.images(lay.truncated_jpeg()), CHECK + " --decode", 1, "a.jpg"),
    hostile("image is a pipe", lay.images(os.mkfifo), CHECK, 2, "a.jpg"),
    hostile("image is a pipe, converted", lay.images(os.mkfifo), "convert d out --to coco", 2, "a.jpg"),
    hostile("image is a folder", lay.images(Path.mkdir), CHECK, 0, "a.txt"),
    hostile("image is a loop of links", lay.images(lambda p: p.symlink_to(p.name)), CHECK, 2, "a.jpg"),
    hostile("image is endless", lay.images(lambda p: p.symlink_to("/dev/zero")), CHECK, 2, "a.jpg"),
    hostile(
        "image is endless, copied",
        lay.images(lambda p: p.symlink_to("/dev/zero")),
        "convert d out --to yolo --place-images copy",
        2,
        "a.jpg",
    ),
    hostile("image is endless, drawn", lay.images(lambda p: p.symlink_to("/dev/zero")), "draw d -o out", 2, "a.jpg"),
    hostile("image is a pipe, drawn", lay.images(os.mkfifo), "draw d -o out", 2, "a.jpg"),
    hostile(
        "image is a pipe, predicted",
        lay.images(os.mkfifo),
        f"predict {DEMO}/model/shapes.onnx d/images -o out.json",
        0,
        "a.jpg",
    ),
    hostile(
        "image is a bomb, predicted",
        lay.images(lay.png(100_000, 100_000)),
        f"predict {DEMO}/model/shapes.onnx d/images -o out.json",
        0,
        "a.jpg",
    ),
    hostile(
        "image is a pipe, copied", lay.images(os.mkfifo), "convert d out --to yolo --place-images copy", 2, "a.jpg"
    ),
]

LINK_TO_ZERO, ITSELF = (lambda p: p.symlink_to("/dev/zero")), (lambda p: p.symlink_to(p.name))
ROW = b"0 0.5 0.5 0.2 0.2\n"
THING = "<object><name>cat</name><bndbox><xmin>{}</xmin><ymin>1</ymin><xmax>{}</xmax><ymax>5</ymax></bndbox></object>"

LABELS = [
    hostile("labels are a pipe", lay.labels(os.mkfifo), CHECK, 1, "DK101", "a.txt"),
    hostile("labels are endless", lay.labels(LINK_TO_ZERO), CHECK, 1, "DK101", "a.txt"),
    hostile("labels are a loop of links", lay.labels(ITSELF), CHECK, 1, "DK101", "a.txt"),
    hostile("labels are a folder", lay.labels(Path.mkdir), CHECK, 1, "DK101", "a.txt"),
    hostile("folders in a circle", lay.folders_in_a_circle, CHECK, 0),
    hostile("labels are empty", lay.labels(b""), CHECK, 0),
    hostile("labels in UTF-16", lay.labels(ROW.decode().encode("utf-16")), CHECK, 0),
    hostile("labels with a byte order mark", lay.labels(b"\xef\xbb\xbf" + ROW), CHECK, 0),
    hostile("labels with other line ends", lay.labels(ROW.replace(b"\n", b"\r\n") * 2), CHECK, 0, "DK501"),
    hostile("labels cut in a character", lay.labels(ROW + b"\xc3"), CHECK, 1, "DK101", "a.txt"),
    hostile("labels with a zero byte", lay.labels(ROW + b"\0"), CHECK, 1, "a.txt"),
    hostile("labels of no number", lay.labels(b"0 nan 0.5 inf 0.2\n"), CHECK, 1, "DK102", "is not finite"),
    hostile("labels at the end of the floats", lay.labels(b"0 0.5 1.7e308 .2 .2\n"), CHECK, 1, "DK102", "too large"),
    hostile("a class beyond all integers", lay.labels(b"9" * 400 + ROW[1:]), CHECK, 1, "a.txt"),
    hostile("20,000 classes", lay.labels(ROW, b"".join(b"c%d\n" % i for i in range(20_000))), CHECK, 0),
    hostile("classes cut in a character", lay.labels(ROW, b"caf\xc3"), "stats d", 2, "classes.txt"),
    hostile("corners of no number", lay.xml(THING.format("NaN", "1e999")), "stats voc", 0, "no number"),
    hostile("corners at the ends of the floats", lay.xml(THING.format("-1.7e308", "1.7e308")), "stats voc", 0,
            "too far apart"),
    hostile("XML cut in a character", lay.text("voc/Annotations/a.xml", b"<annotation><filename>\xc3"), "stats voc", 2,
            "a.xml"),
    hostile("XML that is empty", lay.text("voc/Annotations/a.xml", b""), "stats voc", 2, "a.xml"),
    hostile("one key twice in JSON", lay.text("truth.json", '{"images": [], "images": 5, "annotations": []}'),
            "stats truth.json", 2, "truth.json"),
    hostile("one key twice in YAML", lay.yaml("names: [cat]\ntrain: images\nnames: [dog]\n"),
            "stats d --kind dataset --from yolo", 2, "data.yaml"),
]  # fmt: skip

NAMES = [
    hostile("line end in a name", lay.labels_named(b"a\nb"), "convert d out --to yolo", 0),
    hostile("escape sequence in a name", lay.labels_named(b"\x1b[2Jx"), "check d", 0),
    hostile("right to left", lay.labels_named("\u202egpj.a".encode()), "check d", 0),
    hostile("no UTF-8 in a name", lay.labels_named(b"\xff\xfe"), "convert d out.json --to coco", 0),
    hostile(
        "no UTF-8 in a name, VOC", lay.labels_named(b"\xff\xfe"), "convert d out --to voc", 2, "control characters"
    ),
    hostile("truth names a file above", lay.names_in_truth("../../../x.jpg"), "convert truth.json out --to yolo", 0),
    hostile("truth names an absolute file", lay.names_in_truth("/tmp/x.jpg"), "convert truth.json out --to voc", 0),
    hostile("truth names half a character", lay.names_in_truth("\ud800.jpg"), "convert truth.json out --to voc", 0),
    hostile("truth names a zero byte", lay.names_in_truth("a\0.jpg"), "convert truth.json out --to yolo", 0),
]

MODELS = [
    hostile("weights above", lay.model("../weights.bin"), MODEL, 2, "model.onnx", "../weights.bin"),
    hostile("weights absolute", lay.model("/etc/passwd"), MODEL, 2, "model.onnx", "/etc/passwd"),
    hostile("weights by a link", lay.model("link.bin"), MODEL, 2, "model.onnx", "link.bin"),
    hostile("weights in a loop of links", lay.model("loop.bin"), MODEL, 2, "model.onnx", "loop.bin"),
    hostile("weights in a pipe", lay.model("pipe.bin"), MODEL, 2, "model.onnx", "pipe.bin"),
    hostile("weights missing", lay.model("gone.bin"), MODEL, 2, "model.onnx", "gone.bin"),
    hostile("weights too short", lay.model("short.bin"), PREDICT, 2, "model.onnx"),
    hostile("weights of a huge length", lay.model("short.bin", length=2**62), PREDICT, 2, "model.onnx"),
    hostile("weights are the model", lay.model("model.onnx"), PREDICT, 2, "model.onnx"),
    hostile("model truncated", lay.model_bytes(lambda b: b[: len(b) // 2]), MODEL, 2, "model.onnx"),
    hostile("model of noise", lay.model_bytes(lambda b: bytes(range(256)) * 40), MODEL, 2, "model.onnx"),
    hostile("model empty", lay.model_bytes(lambda b: b""), MODEL, 2, "model.onnx"),
]

OUTPUTS = [
    hostile("output onto the input", lambda f: None, "convert truth.json truth.json --to coco --overwrite", 2,
            "source"),
    hostile("output inside the source", lay.xml(), "convert voc voc/Annotations/out --to yolo", 2, "inside"),
    hostile("output is the null device", lambda f: None, "eval truth.json pred.json -o /dev/null", 0),
    hostile("output folder is a device", lambda f: None, "convert truth.json /dev/null --to yolo", 2, "/dev/null"),
    hostile("output is full", lambda f: None, "eval truth.json pred.json -o /dev/full", 2, "/dev/full", "No space"),
    hostile("source is a pipe", lambda f: os.mkfifo(f / "p.json"), "stats p.json", 2, "p.json"),
    hostile("output is a pipe to nobody", lambda f: (f / "p.json").symlink_to("gone"),
            "eval truth.json pred.json -o p.json", 2, "exists already"),
]  # fmt: skip

TABLE = [*ARCHIVES, *TEXTS, *PICTURES, *LABELS, *NAMES, *MODELS, *OUTPUTS]


@pytest.mark.parametrize("row", TABLE, ids=[row.name for row in TABLE])
def test_hostile_input_has_its_code_and_message(tmp_path: Path, row: Hostile) -> None:
    folder = tmp_path / "a" / "b" / "work"
    folder.mkdir(parents=True)
    make.lay(folder, {"truth.json": make.truth(), "pred.json": make.predictions()})
    row.build(folder)
    before = tree(tmp_path)
    outcome = run(shlex.split(row.line), folder)
    printed = outcome.stderr + outcome.stdout
    assert outcome.code == row.code, printed
    for fragment in row.says:
        assert fragment in printed
    assert "Traceback" not in printed
    assert "a bug in detkit" not in printed
    assert "\x1b" not in printed
    assert outcome.code != 2 or "--format json" in row.line or printed.count("error: ") == 1
    written = {name for name in tree(tmp_path) - before if not name.startswith(("a/b/work/out", "a/b/work/./out"))}
    assert written == set()
    assert not [name for name in tree(tmp_path) if name.endswith((".tmp", ".old"))]
