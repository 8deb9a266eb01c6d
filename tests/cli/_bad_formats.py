"""Bad YOLO, VOC, archive and CSV inputs."""

from __future__ import annotations

import json

from cli import _inputs as make
from cli._bad import LAYOUT, TRUTH_TEXT, Bad, spoilt, truth

YOLO = [
    Bad("yolo numbers, no names", "eval truth.json yolo", 0, ("DK303", "positions"), make.yolo_folder("yolo")),
    Bad(
        "yolo numbers shifted",
        "eval truth.json yolo",
        2,
        ("class number 3", "out of range", "--names"),
        make.yolo_folder("yolo", first=1),
    ),
    Bad(
        "names one folder up, other order",
        "eval truth.json run/yolo",
        0,
        ("data.yaml",),
        {**make.yolo_folder("run/yolo"), "run/data.yaml": "names: [cat, dog, horse]"},
    ),
    Bad(
        "names two folders up, other order",
        "eval truth.json run/a/yolo --require 'AP>=0.99'",
        0,
        ("classes.txt",),
        {
            **{k: v.translate(str.maketrans("", "")) for k, v in make.yolo_folder("run/a/yolo").items()},
            "run/classes.txt": "cat\ndog\nhorse\n",
        },
    ),
    Bad(
        "names in another order",
        "eval truth.json yolo --require 'AP<=0.1'",
        0,
        (),
        {**make.yolo_folder("yolo"), "yolo/classes.txt": "dog\nhorse\ncat\n"},
    ),
    Bad(
        "names differ in case",
        "eval truth.json yolo --require 'AP>=0.99'",
        0,
        ("DK304", "`Cat`"),
        {**make.yolo_folder("yolo"), "yolo/classes.txt": "Cat\ndog\nHORSE\n"},
    ),
    Bad("five columns", "eval truth.json yolo", 2, ("save_conf=True",), make.yolo_folder("yolo", score=False)),
    Bad(
        "mixed rows",
        "stats yolo --from yolo --kind dataset --image-sizes 100x80",
        0,
        ("7 boxes", "1 with outlines"),
        {
            **make.yolo_folder("yolo", score=False),
            "yolo/12.txt": make.yolo_lines(12, score=False) + "0 0.1 0.1 0.2 0.1 0.2 0.2 0.1 0.2\n",
        },
    ),
    Bad(
        "nc mismatch",
        "stats d/data.yaml",
        2,
        ("nc", "4", "3"),
        {
            **make.yolo_folder("d/labels", score=False),
            "d/images": None,
            "d/data.yaml": "train: images\nval: images\nnc: 4\nnames: [cat, dog, horse]\n",
        },
    ),
    Bad(
        "missing dirs",
        "stats d/data.yaml",
        2,
        ("images/train",),
        {"d/data.yaml": "train: images/train\nval: images/val\nnames: [cat]\n"},
    ),
    Bad(
        "names with a gap",
        "stats d/data.yaml",
        2,
        ("names",),
        {"d/data.yaml": "train: images\nval: images\nnames: {0: cat, 2: dog}\n", "d/images": None},
    ),
    Bad(
        "names twice",
        "stats d/data.yaml",
        2,
        ("cat",),
        {"d/data.yaml": "train: images\nval: images\nnames: [cat, cat]\n", "d/images": None},
    ),
    Bad(
        "broken yaml",
        "stats d/data.yaml",
        2,
        ("line",),
        {"d/data.yaml": "train: [images\nval: images\nnames: [cat]\n", "d/images": None},
    ),
    Bad(
        "yaml tag",
        "stats d/data.yaml",
        2,
        ("data.yaml",),
        {"d/data.yaml": "train: !!python/object/apply:os.system ['touch hacked']\nnames: [a]\n"},
    ),
    Bad(
        "yaml bomb",
        "stats d/data.yaml",
        2,
        ("data.yaml",),
        {
            "d/data.yaml": "a: &a [x,x,x,x,x,x,x,x,x]\n"
            + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [" + ",".join(["*" + chr(97 + i)] * 9) + "]\n" for i in range(9))
            + "train: *j\nnames: *j\n"
        },
    ),
    Bad(
        "no split",
        "eval d/data.yaml pred.json --split test",
        2,
        ("test", "train"),
        {
            **make.yolo_folder("d/labels", score=False),
            "d/images": None,
            "d/data.yaml": "train: images\nval: images\nnames: [cat, dog, horse]\n",
        },
    ),
    Bad(
        "yolo without sizes",
        "convert yolo out.json --to coco --from yolo --kind dataset",
        2,
        ("--image-sizes",),
        make.yolo_folder("yolo", score=False),
    ),
    Bad("bad names file", "eval truth.json yolo --names nope.txt", 2, ("nope.txt",), make.yolo_folder("yolo")),
]

VOC = [
    Bad(
        "XML truncated eval",
        "eval voc pred.json",
        2,
        ("12.xml",),
        {**make.voc_folder("voc"), "voc/Annotations/12.xml": make.voc_xml(12)[:150]},
    ),
    Bad(
        "XML entity bomb",
        "eval voc pred.json",
        2,
        ("12.xml",),
        {
            **make.voc_folder("voc"),
            "voc/Annotations/12.xml": "<!DOCTYPE a [<!ENTITY a '"
            + "x" * 100
            + "'>"
            + "".join(f"<!ENTITY a{i} '{'&a%s;' % (i - 1 if i else '') * 10}'>" for i in range(9))
            + "]>"
            + make.voc_xml(12).replace("cat", "&a8;").replace("dog", "&a8;"),
        },
    ),
    Bad(
        "XML external entity",
        "eval voc pred.json",
        2,
        ("12.xml",),
        {
            **make.voc_folder("voc"),
            "voc/Annotations/12.xml": "<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>"
            + make.voc_xml(12).replace("dog", "&e;"),
        },
    ),
    Bad(
        "XML not a number",
        "eval voc pred.json",
        2,
        ("12.xml", "xmin", "ten"),
        {**make.voc_folder("voc"), "voc/Annotations/12.xml": make.voc_xml(12).replace("<xmin>6<", "<xmin>ten<")},
    ),
    Bad(
        "XML without a box",
        "eval voc pred.json",
        2,
        ("12.xml", "bndbox"),
        {**make.voc_folder("voc"), "voc/Annotations/12.xml": make.voc_xml(12, "<object><name>cat</name></object>")},
    ),
    Bad(
        "XML without a name",
        "eval voc pred.json",
        2,
        ("12.xml", "name"),
        {**make.voc_folder("voc"), "voc/Annotations/12.xml": make.voc_xml(12).replace("<name>dog</name>", "")},
    ),
    Bad(
        "../ in file names",
        "convert voc out --to yolo --place-images copy",
        0,
        ("wrote out",),
        {**make.voc_folder("voc"), "voc/Annotations/12.xml": make.voc_xml(12).replace("12.jpg", "../../12.jpg")},
        leaves=True,
    ),
    Bad(
        "../ in COCO file names",
        "convert t.json out --to yolo",
        0,
        ("made relative", "../../11.jpg"),
        {
            "t.json": make.truth(
                images=[{"id": i, "file_name": f"../../{i}.jpg", "width": 100, "height": 80} for i in (11, 12, 13)]
            )
        },
        leaves=True,
    ),
    Bad(
        "absolute COCO file names",
        "convert t.json out --to voc",
        0,
        ("cut to their last part", "/etc/11.jpg"),
        {
            "t.json": make.truth(
                images=[{"id": i, "file_name": f"/etc/{i}.jpg", "width": 100, "height": 80} for i in (11, 12, 13)]
            )
        },
        leaves=True,
    ),
    Bad(
        "zip with ../",
        "eval a.zip pred.json",
        2,
        (
            "a.zip",
            "..",
        ),
        {"a.zip": make.zipped({"../evil.json": make.truth(), "t.json": make.truth()})},
    ),
    Bad(
        "zip with absolute", "eval a.zip pred.json", 2, ("a.zip",), {"a.zip": make.zipped({"/evil.json": make.truth()})}
    ),
    Bad(
        "tar with ../",
        "eval a.tar.gz pred.json",
        2,
        ("a.tar.gz",),
        {"a.tar.gz": make.tarred({"../evil.json": make.truth()})},
    ),
    Bad(
        "truncated tar",
        "eval a.tar.gz pred.json",
        2,
        ("a.tar.gz",),
        {"a.tar.gz": make.tarred({"t.json": make.truth()})[:-40]},
    ),
    Bad(
        "zip flipped",
        "eval a.zip pred.json",
        2,
        ("a.zip",),
        {"a.zip": make.zipped({"t.json": make.truth()}).replace(b'"images"', b'"imXges"')},
    ),
    Bad("good zip", "eval a.zip pred.json", 0, (), {"a.zip": make.zipped({"t.json": make.truth()})}),
    Bad(
        "csv lacks columns",
        "eval truth.json p.csv",
        2,
        ("p.csv", "score"),
        {"p.csv": "image,category,x,y,width,height\n11.jpg,cat,1,2,3,4\n"},
    ),
    Bad(
        "csv ragged",
        "eval truth.json p.csv",
        2,
        ("p.csv:3",),
        {"p.csv": "image,category,score,x,y,width,height\n11.jpg,cat,0.5,1,2,3,4\n11.jpg,cat,0.5\n"},
    ),
    Bad(
        "csv empty score",
        "eval truth.json p.csv",
        2,
        ("p.csv:2",),
        {"p.csv": "image,category,score,x,y,width,height\n11.jpg,cat,,1,2,3,4\n"},
    ),
    Bad(
        "csv quote",
        "eval truth.json p.csv",
        2,
        ("p.csv",),
        {"p.csv": 'image,category,score,x,y,width,height\n"11.jpg,cat,0.5,1,2,3,4\n'},
    ),
    Bad(
        "csv NUL",
        "eval truth.json p.csv",
        2,
        ("p.csv",),
        {"p.csv": b"image,category,score,x,y,width,height\n11\0.jpg,cat,0.5,1,2,3,4\n"},
    ),
]

AGAIN = [
    Bad("swapped", "eval pred.json truth.json", 2, ("pred.json", "truth comes first")),
    truth("empty truth", ("truth.json: is empty",), b""),
    truth("no images", ("the truth has no images",), make.truth(images=[]), 3),
    Bad(
        "decimal commas",
        "eval truth.json yolo" + LAYOUT,
        2,
        ("11.txt", ","),
        {**make.yolo_folder("yolo"), "yolo/11.txt": "0 0,25 0,25 0,3 0,25 0,9\n"},
    ),
    Bad(
        "a word in a label",
        "eval truth.json yolo" + LAYOUT,
        2,
        ("11.txt:1",),
        {**make.yolo_folder("yolo"), "yolo/11.txt": "cat 0.25 abc 0.3 0.25 0.9\n"},
    ),
    Bad(
        "nan in a label",
        "eval truth.json yolo" + LAYOUT,
        2,
        ("11.txt:1",),
        {**make.yolo_folder("yolo"), "yolo/11.txt": "0 0.25 nan 0.3 0.25 0.9\n"},
    ),
    Bad("truncated zip", "eval a.zip pred.json", 2, ("a.zip",), {"a.zip": make.zipped({"t.json": make.truth()})[:-40]}),
    Bad("empty zip", "eval a.zip pred.json", 2, ("a.zip",), {"a.zip": make.zipped({})}),
    Bad("zip bad row", "eval a.zip pred.json", 2, ("a.zip",), {"a.zip": make.zipped({"t.json": spoilt(bbox=[1])})}),
    Bad(
        "XML truncated",
        "stats voc",
        0,
        ("DK101",),
        {**make.voc_folder("voc"), "voc/Annotations/12.xml": make.voc_xml(12)[:150]},
    ),
    Bad(
        "empty names file",
        "eval truth.json yolo --names n.txt",
        2,
        ("n.txt",),
        {**make.yolo_folder("yolo"), "n.txt": ""},
    ),
    Bad(
        "deep",
        "eval truth.json pred.json",
        2,
        ("nested",),
        {"truth.json": TRUTH_TEXT[:-1] + ', "x": ' + "[" * 50000 + "]" * 50000 + "}"},
    ),
    Bad(
        "deep2",
        "eval truth.json pred.json",
        2,
        ("nested",),
        {"pred.json": json.dumps(make.predictions())[:-2] + ', "x": ' + "[" * 50000 + "]" * 50000 + "}]"},
    ),
]
