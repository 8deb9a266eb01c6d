"""Odd names, numbers and lists: refused with a reason, or taken as they are."""

from __future__ import annotations

import json

from cli import _inputs as make
from cli._bad import EVAL, Bad, named

ODD = [
    Bad("long classes", EVAL + " --classes " + ",".join(["cat"] * 200), 0, ()),
    Bad("long image list", EVAL + " --image-list " + ",".join(["11.jpg"] * 200), 0, ()),
    Bad("sizes csv binary", EVAL + " --image-sizes b.csv", 2, ("b.csv",), {"b.csv": bytes(range(256))}),
    Bad(
        "sizes csv bad", EVAL + " --image-sizes b.csv", 2, ("b.csv", "line 2"), {"b.csv": "11.jpg,100,80\n12.jpg,100\n"}
    ),
    Bad("names binary", EVAL + " --names b.txt", 2, ("b.txt",), {"b.txt": bytes(range(256))}),
    Bad("image list binary", EVAL + " --image-list b.txt", 2, ("b.txt",), {"b.txt": bytes(range(256))}),
    Bad("image list empty", EVAL + " --image-list b.txt", 2, ("b.txt",), {"b.txt": ""}),
    Bad("image list empty text", EVAL + " --image-list ''", 2, ()),
    Bad("classes empty", EVAL + " --classes ''", 2, ()),
    Bad("convert parent", "convert pred.json a/b/out --to yolo", 2, ("--truth",)),
    Bad("eval parent", EVAL + " -o a/b/out.json --require 'zzz>0.5'", 2, ()),
    Bad("nms convert fail", "nms pred.json -o a/out --to yolo", 2, ("--",)),
    Bad("class newline", EVAL, 0, (), {"truth.json": named("a\nb", "c\x1b[31md", "e\u202ef")}),
    Bad(
        "class newline acc",
        EVAL + " --accumulation 'e\u202ef'",
        0,
        (),
        {"truth.json": named("a\nb", "c\x1b[31md", "e\u202ef")},
    ),
    Bad(
        "control in message",
        EVAL + " --classes 'c\x1b[31m'",
        2,
        (),
        {"truth.json": named("a\nb", "c\x1b[31md", "e\u202ef")},
    ),
    Bad("control in path", "eval 'x\x1b[31m.json' pred.json", 2, ()),
    Bad(
        "control yolo class",
        "convert truth.json out --to yolo",
        0,
        (),
        {"truth.json": named("a\nb", "c\x1b[31md", "e\u202ef")},
        leaves=True,
    ),
    Bad(
        "control voc class",
        "convert truth.json out --to voc",
        2,
        ("control characters",),
        {"truth.json": named("a\nb", "c\x1b[31md", "e\u202ef")},
    ),
    Bad(
        "control rule",
        EVAL + " --require 'class[\"c\x1b[31md\"].AP>=0.1'",
        0,
        (),
        {"truth.json": named("a\nb", "c\x1b[31md", "e\u202ef")},
    ),
    Bad(
        "iou csv control",
        "iou truth.json pred.json --format csv",
        0,
        (),
        {"truth.json": named("a\nb", "c\x1b[31md", "e\u202ef")},
    ),
    Bad("same names", EVAL, 0, (), {"truth.json": named("a", "a", "b")}),
    Bad("empty name", EVAL, 0, (), {"truth.json": named("", "a", "b")}),
    Bad("400 classes", EVAL, 0, (), {"truth.json": named(*[f"c{n}" for n in range(400)])}),
    Bad("10,000 classes, counted", "stats truth.json", 0, (), {"truth.json": named(*[f"c{n}" for n in range(10000)])}),
    Bad("huge box", EVAL, 0, (), {"pred.json": make.one_wrong(bbox=[1e300, 1e300, 1e300, 1e300])}),
    Bad(
        "huge int",
        EVAL,
        2,
        (),
        json.dumps({"pred.json": ""})
        and {"pred.json": json.dumps(make.predictions()).replace("30, 20", "1" + "0" * 400 + ", 20")},
    ),
    Bad(
        "huge int2",
        EVAL,
        2,
        (),
        {"pred.json": json.dumps(make.predictions()).replace("30, 20", "1" + "0" * 5000 + ", 20")},
    ),
    Bad(
        "huge id",
        EVAL,
        0,
        ("DK701",),
        {"pred.json": json.dumps(make.predictions()).replace('"image_id": 11', '"image_id": 1' + "0" * 30)},
    ),
    Bad(
        "float id",
        EVAL,
        0,
        (),
        {"pred.json": json.dumps(make.predictions()).replace('"image_id": 11', '"image_id": 11.0')},
    ),
    Bad(
        "float id frac",
        EVAL,
        2,
        (),
        {"pred.json": json.dumps(make.predictions()).replace('"image_id": 11', '"image_id": 11.5')},
    ),
    Bad(
        "sizes text",
        EVAL,
        0,
        (),
        {
            "truth.json": make.truth(
                images=[{"id": i, "file_name": f"{i}.jpg", "width": "wide", "height": -4} for i in (11, 12, 13)]
            )
        },
    ),
    Bad(
        "file_name number",
        EVAL,
        0,
        (),
        {
            "truth.json": make.truth(
                images=[{"id": i, "file_name": i, "width": 100, "height": 80} for i in (11, 12, 13)]
            )
        },
    ),
    Bad(
        "image id missing",
        EVAL,
        2,
        (),
        {
            "truth.json": make.truth(
                images=[{"file_name": f"{i}.jpg", "width": 100, "height": 80} for i in (11, 12, 13)]
            )
        },
    ),
    Bad(
        "name missing",
        EVAL,
        0,
        (),
        {"truth.json": make.truth(categories=[{"id": 1}, {"id": 2, "name": None}, {"id": 3, "name": 7}])},
    ),
    Bad("surrogates", EVAL, 0, (), {"truth.json": json.dumps(make.truth()).replace('cat"', '\\ud800"')}),
    Bad(
        "surrogates json",
        EVAL + " --format json",
        0,
        (),
        {"truth.json": json.dumps(make.truth()).replace('cat"', '\\ud800"')},
    ),
    Bad(
        "surrogates out",
        EVAL + " -o o.txt",
        0,
        (),
        {"truth.json": json.dumps(make.truth()).replace('cat"', '\\ud800"')},
        leaves=True,
    ),
    Bad(
        "surrogates convert",
        "convert truth.json o.json --to coco",
        0,
        (),
        {"truth.json": json.dumps(make.truth()).replace('cat"', '\\ud800"')},
        leaves=True,
    ),
    Bad(
        "surrogates voc",
        "convert truth.json o --to voc",
        2,
        (),
        {"truth.json": json.dumps(make.truth()).replace('cat"', '\\ud800"')},
    ),
    Bad(
        "file names with newline",
        "convert t.json o --to yolo",
        0,
        (),
        {
            "t.json": make.truth(
                images=[{"id": i, "file_name": f"a\n{i}.jpg", "width": 100, "height": 80} for i in (11, 12, 13)]
            )
        },
        leaves=True,
    ),
    Bad(
        "file names dup",
        "convert t.json o --to yolo",
        2,
        ("would share the label file",),
        {
            "t.json": make.truth(
                images=[{"id": i, "file_name": "a.jpg", "width": 100, "height": 80} for i in (11, 12, 13)]
            )
        },
    ),
    Bad(
        "file names dup stem",
        "convert t.json o --to voc",
        2,
        ("would both be `a`",),
        {
            "t.json": make.truth(
                images=[
                    {"id": i, "file_name": f"a.{s}", "width": 100, "height": 80}
                    for i, s in ((11, "jpg"), (12, "png"), (13, "JPG"))
                ]
            )
        },
    ),
    Bad(
        "file names NUL",
        "convert t.json o --to yolo",
        0,
        (),
        {
            "t.json": make.truth(
                images=[{"id": i, "file_name": f"a\0{i}.jpg", "width": 100, "height": 80} for i in (11, 12, 13)]
            )
        },
        leaves=True,
    ),
    Bad(
        "file names long",
        "convert t.json o --to yolo",
        2,
        ("name too long",),
        {
            "t.json": make.truth(
                images=[
                    {"id": i, "file_name": "a" * 300 + f"{i}.jpg", "width": 100, "height": 80} for i in (11, 12, 13)
                ]
            )
        },
    ),
    Bad(
        "file names empty",
        "convert t.json o --to yolo",
        0,
        (),
        {"t.json": make.truth(images=[{"id": i, "file_name": "", "width": 100, "height": 80} for i in (11, 12, 13)])},
        leaves=True,
    ),
    Bad("iou stats det", "stats pred.json --format json", 0, ()),
    Bad("sigmas wrong number", EVAL + " --sigmas 0.1,0.2", 2, ()),
    Bad("textbook and protocol", EVAL + " --textbook --protocol coco", 0, ()),
    Bad("strict_parity", EVAL + " --strict-parity", 0, ()),
    Bad("json truth cyclic symlink", "eval loop pred.json", 2, ()),
    Bad("require on eval w/ format csv", EVAL + " --format csv --require 'AP>=0.9'", 0, ()),
    Bad("parquet", EVAL + " --matches m.parquet", 0, (), leaves=True),
    Bad("image size folder", EVAL + " --image-sizes .", 2, ()),
    Bad("classes is folder", EVAL + " --classes .", 2, ()),
    Bad("names is folder", EVAL + " --names .", 2, ()),
    Bad("class map is folder", EVAL + " --class-map .", 2, ()),
    Bad("rules is folder", EVAL + " --rules .", 2, ()),
    Bad(
        "coverage eval & rule",
        EVAL + " --min-coverage 0.9 --require 'AP>=0.9'",
        3,
        (),
        {"pred.json": [r for r in make.predictions() if r["image_id"] != 12]},
    ),
]
