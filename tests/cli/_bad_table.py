"""The bad-input table: what is given, which exit code it gets, and what the message must say.

Every case runs in a folder with `truth.json` and `pred.json` (both good) beside its own files.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import _inputs as make

EVAL = "eval truth.json pred.json"


@dataclass(frozen=True)
class Bad:
    """One bad input, or an odd one that must not be refused (code 0).

    Parameters
    ----------
    name : str
    line : str
        Arguments, as in a shell.
    code : int
    says : tuple of str
        Each stands in what the command prints.
    files : mapping
        Name -> content, on top of the good truth and predictions.
    leaves : bool
        Whether the command writes something.
    """

    name: str
    line: str
    code: int
    says: tuple[str, ...]
    files: dict[str, Any] = field(default_factory=dict)
    leaves: bool = False


def _results(name: str, says: tuple[str, ...], records: Any, code: int = 2) -> Bad:
    """Results that stand in for `pred.json`."""
    return Bad(name, EVAL, code, says, {"pred.json": records})


def _truth(name: str, says: tuple[str, ...], content: Any, code: int = 2) -> Bad:
    """A truth that stands in for `truth.json`."""
    return Bad(name, EVAL, code, says, {"truth.json": content})


def _rule(name: str, rule: str, code: int, *says: str) -> Bad:
    return Bad(name, f"{EVAL} --require {rule!r}", code, says)


_TRUTH_TEXT = json.dumps(make.truth())
_RESULTS_TEXT = json.dumps(make.predictions())
_ANNOTATION = make.truth()["annotations"][0]


def _spoilt(**changes: Any) -> dict[str, Any]:
    """The truth with its first annotation changed."""
    whole = make.truth()
    whole["annotations"][0] = {k: v for k, v in {**_ANNOTATION, **changes}.items() if v is not ...}
    return whole


_YOLO = make.yolo_folder("yolo")
_LAYOUT = " --layout class-cxcywh-norm-conf"


def named(*names: str) -> dict[str, Any]:
    """The truth with other class names."""
    return make.truth(categories=[{"id": n, "name": s} for n, s in enumerate(names, 1)])


FILES = [
    Bad("missing truth", "eval nope.json pred.json", 2, ("nope.json: no such file or folder",)),
    Bad("missing predictions", "eval truth.json nope.json", 2, ("nope.json: no such file or folder",)),
    Bad("missing convert source", "convert nope out --to coco", 2, ("nope: no such file or folder",)),
    Bad("missing stats source", "stats nope", 2, ("nope: no such file or folder",)),
    Bad("path below a file", "eval truth.json/x pred.json", 2, ("truth.json/x",)),
    Bad("name too long", f"eval {'x' * 5000} pred.json", 2, ("name too long",)),
    Bad("a device", "eval /dev/null pred.json", 2, ("neither a file nor a folder",)),
    Bad("empty folder as truth", "eval empty pred.json", 2, ("not recognised as labelled dataset",), {"empty": None}),
    Bad("empty folder as predictions", "eval truth.json empty", 2, ("not recognised as predictions",), {"empty": None}),
    Bad("folder named as a file", "eval truth.json dir.json", 2, ("dir.json",), {"dir.json": None}),
    _results("empty predictions file", ("pred.json", "empty"), b""),
    _truth("only spaces", ("truth.json", "empty"), b" \n\t\n"),
    _results("binary junk as predictions", ("pred.json",), bytes(range(256)) * 8),
    _truth("binary junk as truth", ("truth.json",), bytes(range(255, -1, -1)) * 8),
    _truth("UTF-16 truth", ("truth.json", "UTF-16"), _TRUTH_TEXT.encode("utf-16")),
    _results("UTF-16 predictions", ("pred.json", "UTF-16"), _RESULTS_TEXT.encode("utf-16")),
    _truth("Latin-1 truth", ("truth.json", "UTF-8"), _TRUTH_TEXT.replace("cat", "kät").encode("latin-1")),
    _truth("truncated truth", ("truth.json", "byte"), _TRUTH_TEXT[:333]),
    _results("truncated predictions", ("pred.json", "byte"), _RESULTS_TEXT[:200]),
    _truth("two documents", ("truth.json", "byte"), _TRUTH_TEXT + _TRUTH_TEXT),
    _results("comma at the end", ("pred.json", "byte"), _RESULTS_TEXT[:-1] + ",]"),
    _truth("truth is a number", ("truth.json",), "17"),
    _results("predictions are a text", ("pred.json",), '"none"'),
    _results("predictions are null", ("pred.json",), "null"),
    _truth("truth is a list of texts", ("truth.json",), ["a", "b"]),
]

RECORDS = [
    _results("no score", ("pred.json", "score", "[2].score", "--drop-invalid"), make.one_wrong(score=None)),
    _results("score is a text", ("score", 'found "high"'), make.one_wrong(score="high")),
    _results("score is NaN", ("score", "NaN"), make.one_wrong(score=float("nan"))),
    _results("score is infinite", ("score", "Infinity"), make.one_wrong(score=float("inf"))),
    _results("score is a bool", ("score",), make.one_wrong(score=True)),
    _results("three box values", ("bbox", "[1, 2, 3]"), make.one_wrong(bbox=[1, 2, 3])),
    _results("five box values", ("bbox",), make.one_wrong(bbox=[1, 2, 3, 4, 5])),
    _results("box value NaN", ("bbox",), make.one_wrong(bbox=[1, float("nan"), 3, 4])),
    _results("box value a text", ("bbox",), make.one_wrong(bbox=[1, "2,5", 3, 4])),
    _results("box is a text", ("bbox",), make.one_wrong(bbox="1 2 3 4")),
    _results("no box", ("bbox",), make.one_wrong(bbox=None)),
    _results("no image id", ("image_id",), make.one_wrong(image_id=None)),
    _results("no category id", ("category_id",), make.one_wrong(category_id=None)),
    _results("category id is a list", ("category_id",), make.one_wrong(category_id=[1])),
    _results("a record is a number", ("pred.json",), [*make.predictions(), 7]),
    _truth("truth box of three values", ("truth.json", "bbox", "annotations[0]"), _spoilt(bbox=[1, 2, 3])),
    _truth("truth box NaN", ("truth.json", "bbox"), _spoilt(bbox=[1, 2, float("nan"), 4])),
    _truth("truth without boxes", ("truth.json", "bbox"), _spoilt(bbox=...)),
    _truth("truth without annotations", ("the truth has no images",), {"images": [], "categories": []}, 3),
    _truth(
        "truth without categories", ("truth.json",), {k: v for k, v in make.truth().items() if k != "categories"}, 0
    ),
    _truth("annotations are an object", ("truth.json", "annotations"), make.truth(annotations={"a": 1})),
    _truth(
        "duplicate image ids",
        ("truth.json", "image", "11"),
        make.truth(images=[*make.truth()["images"], {"id": 11, "file_name": "x.jpg"}]),
        0,
    ),
    _truth(
        "duplicate category ids",
        ("truth.json",),
        make.truth(categories=[*make.CATEGORIES, {"id": 1, "name": "cow"}]),
        0,
    ),
    _truth("duplicate annotation ids", ("truth.json", "id"), _spoilt(id=2), 0),
]
IDS = [
    _truth("negative width in truth", (), _spoilt(bbox=[50, 50, -10, 20]), 0),
    _results("negative width in predictions", (), make.one_wrong(bbox=[50, 50, -10, 20]), 0),
    _results("score above one", ("DK708",), make.one_wrong(score=37.5), 0),
    _results("string image ids", ("DK106",), [{**r, "image_id": str(r["image_id"])} for r in make.predictions()], 0),
    _results(
        "padded string image ids",
        ("not by id",),
        [{**r, "image_id": f"{r['image_id']}.jpg"} for r in make.predictions()],
        0,
    ),
    _results("BOM", (), b"\xef\xbb\xbf" + json.dumps(make.predictions()).encode(), 0),
    _truth("dangling image", ("truth.json", "999"), _spoilt(image_id=999), 0),
    _truth("dangling category", ("truth.json", "999"), _spoilt(category_id=999), 0),
    Bad("truth as predictions", "eval truth.json truth.json", 2, ("truth.json", "score")),
    Bad("results as truth", "eval pred.json pred.json", 2, ("pred.json", "results (predictions)")),
    _results("no predictions", ("empty",), [], 3),
    _results(
        "all image ids unknown",
        ("`5011`", "`11.jpg`"),
        [{**r, "image_id": r["image_id"] + 5000} for r in make.predictions()],
        3,
    ),
    _results(
        "image ids off by one",
        ("DK703", "shifted"),
        [{**r, "image_id": r["image_id"] + 1} for r in make.predictions()],
        0,
    ),
    Bad(
        "image ids off by one, with a rule",
        EVAL + " --require 'AP>=0.1'",
        3,
        ("shifted",),
        {"pred.json": [{**r, "image_id": r["image_id"] + 1} for r in make.predictions()]},
    ),
    _results(
        "class ids off by one",
        ("DK703", "shifted"),
        [{**r, "category_id": r["category_id"] - 1} for r in make.predictions()],
        0,
    ),
    Bad(
        "class ids off by one, with a rule",
        EVAL + " --require 'AP>=0.1'",
        3,
        ("DK703", "shifted"),
        {"pred.json": [{**r, "category_id": r["category_id"] - 1} for r in make.predictions()]},
    ),
    _results("all classes unknown", ("`77`", "`cat`"), [{**r, "category_id": 77} for r in make.predictions()], 3),
    Bad(
        "unknown class, unmapped error",
        EVAL + " --unmapped error",
        2,
        ("77", "--class-map"),
        {"pred.json": make.one_wrong(category_id=77)},
    ),
    _results("unknown class", ("DK702", "77"), make.one_wrong(category_id=77), 0),
    Bad(
        "outside strict",
        EVAL + " --strict",
        2,
        ("outside the truth", "999"),
        {"pred.json": make.one_wrong(image_id=999)},
    ),
    Bad("outside", EVAL, 0, ("DK701", "999"), {"pred.json": make.one_wrong(image_id=999)}),
]
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
    _truth("empty truth", ("truth.json: is empty",), b""),
    _truth("no images", ("the truth has no images",), make.truth(images=[]), 3),
    Bad(
        "decimal commas",
        "eval truth.json yolo" + _LAYOUT,
        2,
        ("11.txt", ","),
        {**make.yolo_folder("yolo"), "yolo/11.txt": "0 0,25 0,25 0,3 0,25 0,9\n"},
    ),
    Bad(
        "a word in a label",
        "eval truth.json yolo" + _LAYOUT,
        2,
        ("11.txt:1",),
        {**make.yolo_folder("yolo"), "yolo/11.txt": "cat 0.25 abc 0.3 0.25 0.9\n"},
    ),
    Bad(
        "nan in a label",
        "eval truth.json yolo" + _LAYOUT,
        2,
        ("11.txt:1",),
        {**make.yolo_folder("yolo"), "yolo/11.txt": "0 0.25 nan 0.3 0.25 0.9\n"},
    ),
    Bad("truncated zip", "eval a.zip pred.json", 2, ("a.zip",), {"a.zip": make.zipped({"t.json": make.truth()})[:-40]}),
    Bad("empty zip", "eval a.zip pred.json", 2, ("a.zip",), {"a.zip": make.zipped({})}),
    Bad("zip bad row", "eval a.zip pred.json", 2, ("a.zip",), {"a.zip": make.zipped({"t.json": _spoilt(bbox=[1])})}),
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
        {"truth.json": _TRUTH_TEXT[:-1] + ', "x": ' + "[" * 50000 + "]" * 50000 + "}"},
    ),
    Bad(
        "deep2",
        "eval truth.json pred.json",
        2,
        ("nested",),
        {"pred.json": json.dumps(make.predictions())[:-2] + ', "x": ' + "[" * 50000 + "]" * 50000 + "}]"},
    ),
]
RULES = [
    _rule("unknown metric", "APmidium>=0.4", 2, "APmidium", "`APmedium`"),
    _rule("unknown metric, nothing near", "zzz>=0.4", 2, "zzz", "known"),
    _rule("unknown class", "class.cta.AP>=0.4", 2, "cta", "`cat`"),
    _rule("no operator", "AP", 2, "quote"),
    _rule("shell ate it", "AP>", 2, "has no limit"),
    _rule("no limit", "AP>=", 2, "AP>="),
    _rule("limit is a word", "AP>=high", 2, "high"),
    _rule("limit in percent points", "AP>=40", 2, "40"),
    _rule("limit NaN", "AP>=nan", 2, "nan"),
    _rule("negative limit", "AP>=-1", 2, ""),
    _rule("equals", "AP==0.4", 2, "=="),
    _rule("empty rule", "", 2, ""),
    _rule("two operators", "0.1<=AP<=0.5", 2, ""),
    _rule("undefined metric", "APlarge>=0.1", 3, ""),
    _rule("no such metric attribute", "class.cat.foo>=0.1", 2, "foo"),
    _rule("no latency", "latency.p95_ms<=10", 3, "latency"),
    _rule("bad score", "recall@score=1.5>=0.1", 2, "1.5"),
    _rule("bad slice", "slice.night.AP>=0.1", 3, "slice"),
    _rule("failed", "AP<=0.1", 1, ""),
    Bad(
        "max_drop no baseline",
        EVAL + " --rules r.toml",
        3,
        (),
        {"r.toml": '[[gate.rules]]\nmetric = "AP"\nmax_drop = 0.01\n'},
    ),
    Bad(
        "missing baseline",
        EVAL + " --rules r.toml --baseline no.json",
        3,
        ("no.json", "missing"),
        {"r.toml": '[[gate.rules]]\nmetric = "AP"\nmax_drop = 0.01\n'},
    ),
    Bad("baseline without rules", EVAL + " --baseline no.json", 2, ("rules",)),
    Bad(
        "baseline is not a result",
        EVAL + " --require 'AP>=0.1' --baseline truth.json",
        2,
        ("truth.json", "COCO annotation file"),
    ),
    Bad("missing rules", EVAL + " --rules no.toml", 2, ("no.toml",)),
    Bad("rules nonsense", EVAL + " --rules r.toml", 2, ("r.toml", "line"), {"r.toml": "gate = = 3"}),
    Bad("rules empty", EVAL + " --rules r.toml", 2, ("r.toml",), {"r.toml": ""}),
    Bad(
        "rules unknown field",
        EVAL + " --rules r.toml",
        2,
        ("r.toml", "minn", "`min`"),
        {"r.toml": '[[gate.rules]]\nmetric = "AP"\nminn = 0.3\n'},
    ),
    Bad("rules no limit", EVAL + " --rules r.yaml", 2, ("r.yaml",), {"r.yaml": "rules:\n- metric: AP\n"}),
    Bad("rules bad suffix", EVAL + " --rules r.txt", 2, ("r.txt", ".txt"), {"r.txt": "rules:\n- metric: AP\n"}),
    Bad("gate nothing", "gate pred.json --require 'AP>=0.1'", 2, ("pred.json", "COCO detections")),
    Bad("gate missing", "gate no.json --require 'AP>=0.1'", 2, ("no.json",)),
    Bad(
        "gate truncated",
        "gate r.json --require 'AP>=0.1'",
        2,
        ("r.json", "line"),
        {"r.json": '{"schema": "detkit.evaluation/1", '},
    ),
    Bad("gate folder", "gate d --require 'AP>=0.1'", 2, ("d: is a folder",), {"d": None}),
]
OPTS = [
    Bad("unknown command", "evil truth.json", 2, ("evil", "eval")),
    Bad("unknown option", EVAL + " --protocl coco", 2, ("--protocl", "--protocol")),
    Bad("missing argument", "eval truth.json", 2, ("predictions",)),
    Bad("unknown protocol", EVAL + " --protocol cocoo", 2, ("cocoo", "`coco`")),
    Bad("unknown iou type", EVAL + " --iou-type box", 2, ("box", "bbox")),
    Bad("iou type the protocol lacks", EVAL + " --iou-type keypoints --protocol voc2012", 2, ("keypoints",)),
    Bad("unknown format", EVAL + " --format xml", 2, ("xml", "json")),
    Bad("unknown truth format", EVAL + " --truth-format coko", 2, ("coko", "`coco`")),
    Bad("wrong truth format", EVAL + " --truth-format voc", 2, ("truth.json",)),
    Bad("format holds no detections", "convert pred.json out --to xyz", 2, ("xyz",)),
    Bad("segm without masks", EVAL + " --iou-type segm", 2, ("masks",)),
    Bad("keypoints without", EVAL + " --iou-type keypoints", 2, ("keypoints",)),
    Bad("iou thresholds words", EVAL + " --iou-thresholds half", 2, ("half",)),
    Bad("iou thresholds above one", EVAL + " --iou-thresholds 1.5", 2, ("1.5",)),
    Bad("iou thresholds backwards", EVAL + " --iou-thresholds 0.9:0.5:0.1", 2, ("0.9:0.5:0.1",)),
    Bad("iou thresholds nan", EVAL + " --iou-thresholds nan", 2, ("nan",)),
    Bad("iou thresholds step zero", EVAL + " --iou-thresholds 0.5:0.9:0", 2, ("0.5:0.9:0",)),
    Bad("iou thresholds step inf", EVAL + " --iou-thresholds 0.5:inf:0.1", 2, ("inf",)),
    Bad("iou thresholds empty", EVAL + " --iou-thresholds ''", 2, ("iou",)),
    Bad("iou thresholds descending", EVAL + " --iou-thresholds 0.75,0.5", 2, ("ascend",)),
    Bad("caps", EVAL + " --max-detections 0", 2, ("positive",)),
    Bad("caps words", EVAL + " --max-detections many", 2, ("many",)),
    Bad("area nonsense", EVAL + " --area-ranges tiny", 2, ("tiny",)),
    Bad("area backwards", EVAL + " --area-ranges tiny:32-16", 2, ("tiny",)),
    Bad("area dots", EVAL + " --area-ranges tiny:1.2.3-16", 2, ("1.2.3",)),
    Bad("area twice", EVAL + " --area-ranges a:0-16,a:16-32", 2, ("a",)),
    Bad("area voc", EVAL + " --protocol voc2012 --area-ranges a:0-16", 2, ("area ranges",)),
    Bad("area ranges without COCO's", EVAL + " --area-ranges tiny:0-16,rest:16-inf", 0, ()),
    Bad("area word", EVAL + " --area round", 2, ("round", "stated")),
    Bad("at size 0", EVAL + " --at-image-size 0", 2, ("image size",)),
    Bad("at size nan", EVAL + " --at-image-size nan", 2, ("image size",)),
    Bad("sigmas words", EVAL + " --iou-type keypoints --sigmas a,b", 2, ("--sigmas",)),
    Bad("sigmas negative", EVAL + " --iou-type keypoints --sigmas -1", 2, ("sigmas",)),
    Bad("unmapped", EVAL + " --unmapped drop", 2, ("drop", "ignore")),
    Bad("unknown class", EVAL + " --classes cats", 2, ("cats", "`cat`")),
    Bad("unknown ignore class", EVAL + " --ignore-category cats", 2, ("cats", "`cat`")),
    Bad("unknown image", EVAL + " --image-list 99.jpg", 2, ("99.jpg",)),
    Bad("accumulation", EVAL + " --accumulation cats", 2, ("cats", "`cat`")),
    Bad("accumulation json+rules", EVAL + " --accumulation cat --require 'AP>=0.9'", 0, ()),
    Bad("split unknown", EVAL + " --split test", 2, ("test",)),
    Bad("matches suffix", EVAL + " --matches m.txt", 2, ("m.txt", ".csv")),
    Bad("score nan", EVAL + " --score-threshold nan", 2, ("score",)),
    Bad("score 2", EVAL + " --score-threshold 2", 3, ()),
    Bad(
        "coverage",
        EVAL + " --min-coverage 0.9",
        3,
        ("2 of 3", "0.9"),
        {"pred.json": [r for r in make.predictions() if r["image_id"] != 12]},
    ),
    Bad("coverage 2", EVAL + " --min-coverage 2", 2, ("min-coverage",)),
    Bad("jobs 0", EVAL + " --jobs 0", 2, ("--jobs",)),
    Bad("voc offset", EVAL + " --voc-offset 2", 2, ("--voc-offset",)),
    Bad("sizes nonsense", EVAL + " --image-sizes big", 2, ("big",)),
    Bad("sizes zero", EVAL + " --image-sizes 0x0", 2, ("0x0",)),
    Bad("images dir missing", EVAL + " --images nowhere", 2, ("nowhere",)),
    Bad("layout nonsense", "eval truth.json yolo --layout abc", 2, ("abc",), _YOLO),
    Bad("class map missing", EVAL + " --class-map no.json", 2, ("no.json",)),
    Bad("class map to nothing", EVAL + " --class-map m.json", 2, ("`cow`", "`cat`"), {"m.json": {"1": "cow"}}),
    Bad("class map number", EVAL + " --class-map m.json", 2, ("m.json",), {"m.json": {"1": 1}}),
    Bad("class map list", EVAL + " --class-map m.json", 2, ("m.json",), {"m.json": [1]}),
    Bad("place images", "convert truth.json out --to yolo --place-images move", 2, ("move", "link")),
    Bad("shapes", "convert truth.json out --to yolo --shapes rle", 2, ("rle", "keep")),
    Bad("kind", "convert truth.json out --to yolo --kind images", 2, ("images", "dataset")),
    Bad("nms threshold", "nms pred.json -o out.json --iou 1.5", 2, ("less than or",)),
    Bad("nms nan", "nms pred.json -o out.json --iou nan", 2, ("--iou-threshold",)),
    Bad("nms truth", "nms truth.json -o out.json", 2, ("truth.json",)),
    Bad("nms no output", "nms pred.json", 2, ("--output",)),
    Bad(
        "nms bad rows",
        "nms pred.json -o out.json",
        2,
        ("[2].score", "--drop-invalid"),
        {"pred.json": make.one_wrong(score=None)},
    ),
    Bad("stats format", "stats truth.json --format csv", 2, ("csv", "json")),
    Bad("iou one missing", "iou truth.json nope.json", 2, ("nope.json",)),
    Bad(
        "iou disjoint",
        "iou truth.json pred.json",
        3,
        (),
        {"pred.json": [{**r, "image_id": r["image_id"] + 5000} for r in make.predictions()]},
    ),
]
OUT = [
    Bad("exists", EVAL + " -o old.json", 2, ("old.json", "exists", "--overwrite"), {"old.json": "{}"}),
    Bad("folder as output", EVAL + " -o d --overwrite", 2, ("d: ", "folder"), {"d": None}),
    Bad("output below file", EVAL + " -o truth.json/x.json", 2, ("truth.json/x.json",)),
    Bad("output in proc", EVAL + " -o /proc/x.json", 2, ("/proc/x.json",)),
    Bad("output is truth", EVAL + " -o truth.json --overwrite", 2, ("truth.json",)),
    Bad("matches is truth", EVAL + " --matches pred.json --overwrite", 2, ("pred.json",)),
    Bad("output empty", EVAL + " -o ''", 2, ()),
    Bad("output long", EVAL + f" -o {'x' * 300}", 2, ("name",)),
    Bad("convert exists", "convert truth.json out --to yolo", 2, ("out", "exists"), {"out/a.txt": "x"}),
    Bad(
        "convert foreign",
        "convert truth.json out --to yolo --overwrite",
        2,
        ("detkit.json", "not replaced"),
        {"out/a.txt": "x"},
    ),
    Bad("convert onto itself", "convert truth.json truth.json --to coco --overwrite", 2, ("target is the source",)),
    Bad(
        "convert into parent",
        "convert d/truth.json d --to yolo --overwrite",
        2,
        ("source",),
        {"d/truth.json": make.truth()},
    ),
    Bad("convert inside source", "convert voc voc/out --to yolo", 2, ("inside",), make.voc_folder("voc")),
    Bad("convert by symlink", "convert voc ./voc/../voc --to yolo --overwrite", 2, ("source",), make.voc_folder("voc")),
    Bad("convert below file", "convert truth.json pred.json/out --to yolo", 2, ("pred.json",)),
    Bad("convert to file", "convert truth.json pred.json --to yolo --overwrite", 2, ("pred.json",)),
    Bad("convert to proc", "convert truth.json /proc/out --to yolo", 2, ("/proc/out",)),
    Bad("convert no format", "convert truth.json out", 2, ("--to",)),
    Bad("convert unknown format", "convert truth.json out --to yollo", 2, ("yollo", "`yolo`")),
    Bad("convert truth to csv", "convert truth.json out --to csv", 2, ("csv",)),
    Bad("convert strict", "convert truth.json out --to voc --strict", 1, ("lost", "nothing was written")),
    Bad("convert detections needs sizes", "convert pred.json out --to yolo", 2, ("--truth",)),
    Bad("convert predictions to voc dataset", "convert pred.json out --to voc --kind dataset", 2, ("pred.json",)),
    Bad("convert truth missing", "convert pred.json out --to yolo --truth no.json", 2, ("no.json",)),
    Bad("gate out exists", "gate r.json --require 'AP>=0.1' -o old", 2, (), {"old": "", "r.json": "{}"}),
    Bad("matrix exists", "iou truth.json pred.json --matrix old.npz", 2, ("old.npz",), {"old.npz": ""}),
    Bad("save matches exists", EVAL + " --save-matches old.npz", 2, ("old.npz",), {"old.npz": ""}),
    Bad("demo exists", "demo -o d", 2, ("d",), {"d/as-coco/x": ""}),
]
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
    Bad("10k classes", EVAL, 0, (), {"truth.json": named(*[f"c{n}" for n in range(10000)])}),
    Bad("stats 10k", "stats truth.json", 0, (), {"truth.json": named(*[f"c{n}" for n in range(10000)])}),
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

TABLE = [*FILES, *RECORDS, *IDS, *YOLO, *VOC, *AGAIN, *RULES, *OPTS, *OUT, *ODD]
