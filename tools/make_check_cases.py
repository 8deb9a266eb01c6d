"""Write fixtures/checks/<code>/: for each code a small dataset with that fault and no other, and what is to be found.

    python tools/make_check_cases.py            write the fixtures and docs/reference/checks.md
    python tools/make_check_cases.py --check    exit 1 when the page differs from the program

What is expected is written here by hand, beside the fault that is planted; no check is run to make it.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FIXTURES = ROOT / "fixtures" / "checks"
PAGE = ROOT / "docs" / "reference" / "checks.md"

Files = dict[str, Any]
#: code -> (files, what is expected, settings): written by `case`.
CASES: dict[str, tuple[Files, list[dict[str, Any]], dict[str, Any]]] = {}
NAMES = ("a", "b", "c", "d")
CAT, DOG = [4, 5, 12, 10], [20, 8, 14, 16]
WIDTH, HEIGHT = 48, 36


# --- pieces


def image(
    seed: int, size: tuple[int, int] = (WIDTH, HEIGHT), mode: str = "RGB", kind: str = "PNG", turned: bool = False
) -> bytes:
    """A flat image whose colour follows from the seed."""
    from PIL import Image

    colour = {"RGB": (40 * seed % 256, 90, 255 - 40 * seed % 256), "L": 60 + seed, "CMYK": (10, 20, 30, seed), "P": 0}
    picture = Image.new(mode, size, colour[mode])
    out = io.BytesIO()
    options: dict[str, Any] = {"bits": 1, "optimize": False} if mode == "P" else {}
    if turned:
        exif = Image.Exif()
        exif[0x0112] = 6
        options["exif"] = exif
    picture.save(out, kind, **options)
    return out.getvalue()


def found(code: str, **place: Any) -> dict[str, Any]:
    """One expected finding: its code and the parts of its place that the fixture states."""
    return {"code": code, **place}


def coco() -> dict[str, Any]:
    """Four images with a cat and a dog each; annotation ids 1 to 8."""
    return {
        "images": [
            {"id": i, "file_name": f"{n}.png", "width": WIDTH, "height": HEIGHT} for i, n in enumerate(NAMES, 1)
        ],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "annotations": [
            annotation(2 * i + 1 + c, i + 1, c + 1, [v + i for v in box])
            for i in range(len(NAMES))
            for c, box in enumerate((CAT, DOG))
        ],
    }


def annotation(number: int, image_id: int, category: int, box: list[float], **more: Any) -> dict[str, Any]:
    """One COCO annotation."""
    fields = {"id": number, "image_id": image_id, "category_id": category, "bbox": box, "area": box[2] * box[3]}
    return {**fields, "iscrowd": 0, **more}


def with_images(content: dict[str, Any], **replaced: bytes | None) -> Files:
    """The files of a COCO case: instances.json and an image each; `replaced` by stem, None for no file."""
    files: Files = {"instances.json": content}
    for number, item in enumerate(content["images"]):
        stem = item["file_name"].partition(".")[0]
        size = item.get("width", WIDTH), item.get("height", HEIGHT)
        data = replaced.get(stem, image(number, size))
        if data is not None:
            files[f"images/{item['file_name']}"] = data
    return files


def yolo(names: tuple[str, ...] = ("cat", "dog"), **labels: str | bytes) -> Files:
    """Images a, b in train and c, d in val, a cat and a dog each; labels replaced by stem."""
    files: Files = {"data.yaml": f"path: .\ntrain: images/train\nval: images/val\nnames: {list(names)}\n"}
    for number, stem in enumerate(NAMES):
        split = "train" if stem in "ab" else "val"
        files[f"images/{split}/{stem}.png"] = image(number)
        files[f"labels/{split}/{stem}.txt"] = labels.get(stem, rows(number))
    return files


def rows(number: int, *more: str) -> str:
    """Label rows of one image."""
    lines = [row(c, [v + number for v in box]) for c, box in enumerate((CAT, DOG))]
    return "".join(f"{line}\n" for line in (*lines, *more))


def row(category: int, box: list[float]) -> str:
    """`class cx cy w h`."""
    x, y, w, h = box
    return f"{category} {(x + w / 2) / WIDTH:.6f} {(y + h / 2) / HEIGHT:.6f} {w / WIDTH:.6f} {h / HEIGHT:.6f}"


def voc(first: str = "", **lists: str) -> Files:
    """A VOC folder; `first` is put before the objects of image a."""
    files: Files = {}
    for number, stem in enumerate(NAMES):
        objects = "".join(voc_object(name, [v + number for v in b]) for name, b in (("cat", CAT), ("dog", DOG)))
        objects = (first if stem == "a" else "") + objects
        size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>"
        files[f"Annotations/{stem}.xml"] = (
            f"<annotation>\n<filename>{stem}.png</filename>\n{size}\n{objects}</annotation>\n"
        )
        files[f"JPEGImages/{stem}.png"] = image(number)
    for name, text in (lists or {"train": "a\nb\n", "val": "c\nd\n"}).items():
        files[f"ImageSets/Main/{name}.txt"] = text
    return files


def voc_object(name: str, box: list[float]) -> str:
    """One `<object>` of a box xywh, written 1-based and inclusive."""
    x, y, w, h = box
    corners = "".join(
        f"<{t}>{v:g}</{t}>" for t, v in zip(("xmin", "ymin", "xmax", "ymax"), (x + 1, y + 1, x + w, y + h), strict=True)
    )
    return f"<object><name>{name}</name><bndbox>{corners}</bndbox></object>\n"


def case(code: str, files: Files, *expected: dict[str, Any], **settings: Any) -> None:
    """Note a fixture; without `expected` the code is found once, anywhere."""
    CASES[code] = files, list(expected or [found(code)]), settings


def changed(change: Callable[[dict[str, Any]], None], **images: bytes | None) -> Files:
    """The base COCO set with one change."""
    content = coco()
    change(content)
    return with_images(content, **images)


def extra_box(box: list[float], category: int = 1, **more: Any) -> Files:
    """The base COCO set with one more annotation, id 9, on image a.png."""
    return changed(lambda c: c["annotations"].append(annotation(9, 1, category, box, **more)))


def on_a(code: str, **more: Any) -> dict[str, Any]:
    """What is expected of annotation 9 on image a.png."""
    return found(code, file="instances.json", image="a.png", annotation=9, **more)


# --- the cases


def structure() -> None:
    """DK1xx."""
    case("DK101", yolo(b=b"0 0.5 0.5 \xff 0.2\n"), found("DK101", file="labels/train/b.txt"))
    case("DK102", changed(lambda c: c["annotations"][2].update(bbox=[1, 2, 3])), found("DK102", annotation=2))
    case("DK103", changed(lambda c: c["annotations"][4].update(id=1)), found("DK103", image="c.png", annotation=1))
    case("DK104", changed(lambda c: c["annotations"][3].update(image_id=99)), found("DK104", annotation=3))
    case("DK105", changed(lambda c: c["annotations"][3].update(category_id=99)), found("DK105", annotation=3))
    case("DK106", changed(lambda c: c["annotations"][3].update(id=4.0)))
    corners = "0.1 0.2 0.4 0.2 0.4 0.5 0.1 0.5", "0.5 0.3 0.8 0.3 0.8 0.7 0.5 0.7"
    turned = {s: f"0 {corners[0].replace('0.1', f'0.1{i}')}\n1 {corners[1]}\n" for i, s in enumerate(NAMES)}
    case("DK107", yolo(**turned), found("DK107", count=8))
    case("DK108", voc(train="a\nb\n", val="c\nd\n", trainval="a\nb\nc\n"), found("DK108", count=1))
    case("DK109", changed(lambda c: c["annotations"][3].update(ignore=1)))
    files = yolo()
    files["data.yaml"] = files["data.yaml"].replace("path: .", "path: nowhere")
    case("DK110", files, found("DK110", file="data.yaml"))
    case(
        "DK111",
        changed(lambda c: c["images"][3].update(file_name="a.png")),
        found("DK111", image="a.png"),
    )
    case("DK112", {"instances.json": coco()}, found("DK112", count=4))
    points = [6, 7, 2, 10, 9, 2, 12, 11, 1]
    fine = {"keypoints": points, "num_keypoints": 3}
    case("DK113", extra_box([6, 7, 10, 12], 2, keypoints=points, num_keypoints=2), on_a("DK113"))
    case("DK217", extra_box([6, 7, 10, 12], 2, **{**fine, "keypoints": [*points[:6], 60, 11, 2]}), on_a("DK217"))


def geometry() -> None:
    """DK2xx."""
    case("DK201", extra_box([5, 20, 0, 6]), on_a("DK201"))
    case("DK202", extra_box([50, 5, 6, 6]), on_a("DK202"))
    case("DK203", extra_box([40, 2, 14, 5]), on_a("DK203"))
    case("DK204", voc(voc_object("cat", [20, 25, 1, 4])),
         found("DK204", file="Annotations/a.xml", line=4, image="a.png", annotation=0))  # fmt: skip
    case("DK205", changed(lambda c: c["annotations"][3].pop("area")), found("DK205", count=1))
    square = [[5, 20, 11, 20, 11, 28, 5, 28]]
    bare = annotation(9, 1, 1, [5, 20, 6, 8], segmentation=square)
    del bare["bbox"]
    case("DK206", changed(lambda c: c["annotations"].append(bare)))
    case("DK207", yolo(b=rows(1, row(0, [30, 24, 2, 5]))),
         found("DK207", file="labels/train/b.txt", line=3, image="b.png"))  # fmt: skip
    case("DK208", extra_box([0, 0, WIDTH, HEIGHT]), on_a("DK208"))
    wide = coco()
    wide["images"][0].update(width=120)
    wide["annotations"].append(annotation(9, 1, 1, [2, 1, 90, 3.5]))
    case("DK209", with_images(wide), on_a("DK209"))
    case("DK210", extra_box([0.1, 0.2, 0.3, 0.4]), on_a("DK210"))
    corners = coco()
    for item in corners["annotations"]:
        x, y, w, h = item["bbox"]
        item.update(bbox=[x, y, x + w, y + h], area=(x + w) * (y + h))
    case("DK211", with_images(corners), found("DK211", count=8))
    case("DK212", voc(voc_object("cat", [-1, 20, 9, 5])), found("DK212", file="Annotations/a.xml", line=4, count=1))
    case("DK213", extra_box([10, 18, 6, 8], segmentation=square), on_a("DK213"))
    case("DK214", extra_box([5, 20, 6, 8], segmentation=square, area=9), on_a("DK214"))
    case("DK215", extra_box([5, 20, 6, 8], segmentation=[[5, 20, 11, 28, 5, 20, 11, 28]]), on_a("DK215"))
    beyond = [[38, 26, 52, 26, 52, 34, 38, 34]]
    case("DK216", extra_box([38, 26, 10, 8], segmentation=beyond), on_a("DK216"))


def classes() -> None:
    """DK3xx."""
    case("DK301", yolo(b=rows(1, row(7, [30, 24, 5, 5]))), found("DK301", file="labels/train/b.txt", line=3))
    case("DK302", voc(), found("DK302", count=1), names=["cat"])
    files = yolo()
    files["data.yaml"] = "path: .\ntrain: images/train\nval: images/val\n"
    case("DK303", files, found("DK303", count=2))
    names = {"DK304": "Cat", "DK308": "background", "DK309": "wolf "}
    for code, name in names.items():
        content = coco()
        content["categories"][1]["name"] = name
        case(code, with_images(content), found(code, count=1))
    twins = changed(lambda c: c["categories"][0].update(name="traffic light"))
    twins["instances.json"]["categories"][1]["name"] = "traffic-light"
    case("DK305", twins, found("DK305", count=1))
    case("DK306", changed(lambda c: c["categories"].append({"id": 3, "name": "bird"})), found("DK306", count=1))
    many = coco()
    many["images"][0].update(width=400, height=120)
    many["annotations"] += [annotation(9 + n, 1, 1, [8 * (n % 45), 40 + 8 * (n // 45), 5, 5]) for n in range(90)]
    many["annotations"] += [annotation(99 + n, 1, 1, [8 * n, 80, 6, 6]) for n in range(10)]
    many["annotations"] = [a for a in many["annotations"] if a["category_id"] == 1 or a["id"] == 8]
    case("DK307", with_images(many), found("DK307", count=1))


def pictures() -> None:
    """DK4xx."""
    case("DK401", changed(lambda c: None, c=None), found("DK401", image="c.png"))
    case("DK402", changed(lambda c: None, c=image(2, (80, 60))), found("DK402", file="images/c.png", image="c.png"))
    bare = coco()
    del bare["images"][2]["width"]
    case("DK403", {"instances.json": bare}, found("DK403", count=1), found("DK112", count=4))
    case("DK404", changed(lambda c: None, c=b"no image\n"), found("DK404", file="images/c.png"))
    turned = coco()
    for item in turned["images"]:
        item["file_name"] = item["file_name"].replace(".png", ".jpg")
    shots = {s: image(i, kind="JPEG") for i, s in enumerate(NAMES)}
    lying = {**shots, "c": image(2, (HEIGHT, WIDTH), kind="JPEG", turned=True)}
    case("DK405", with_images(turned, **lying), found("DK405", file="images/c.jpg", image="c.jpg"))
    case("DK406", with_images(turned, **{**shots, "c": image(2, mode="CMYK", kind="JPEG")}),
         found("DK406", file="images/c.jpg"))  # fmt: skip
    case("DK407", changed(lambda c: None, c=image(2, mode="L")), found("DK407", file="images/c.png"))
    huge = coco()
    huge["images"][2].update(width=8000, height=6400)
    case("DK408", with_images(huge, c=image(2, (8000, 6400), "P")), found("DK408", file="images/c.png"))
    small = coco()
    small["images"].append({"id": 5, "file_name": "e.png", "width": 30, "height": 8})
    small["annotations"].append(annotation(9, 5, 1, [2, 1, 9, 5]))
    case("DK409", with_images(small), found("DK409", file="images/e.png"))
    case("DK410", changed(lambda c: None, c=image(2, kind="JPEG")), found("DK410", file="images/c.png"))
    case("DK411", changed(lambda c: None, c=image(2)[:60]), found("DK411", file="images/c.png"), decode=True)
    case("DK412", with_images(turned, **{**shots, "c": shots["c"][:-20]}), found("DK412", file="images/c.jpg"))


def duplicates() -> None:
    """DK5xx."""
    case("DK501", extra_box(list(CAT)), on_a("DK501"))
    files = yolo()
    files["train.txt"] = "./images/train/a.png\n./images/train/b.png\n./images/train/a.png\n"
    files["data.yaml"] = files["data.yaml"].replace("train: images/train", "train: train.txt")
    case("DK502", files, found("DK502", file="train.txt", count=1))
    case("DK503", extra_box([4, 5, 12, 10.5]), on_a("DK503"))
    case("DK504", extra_box([4, 5, 12, 10.2], 2), on_a("DK504"))
    case("DK505", changed(lambda c: None, c=image(0)), found("DK505", file="images/c.png", image="c.png"))
    files = yolo()
    files["images/val/c.png"] = files["images/train/a.png"]
    case("DK506", files, found("DK506", file="images/val/c.png"))
    files = yolo()
    files["images/val/a.png"] = files.pop("images/val/c.png")
    files["labels/val/a.txt"] = files.pop("labels/val/c.txt")
    case("DK507", files, found("DK507", file="images/val/a.png"))


def training() -> None:
    """DK6xx."""
    files = yolo()
    files["data.yaml"] = files["data.yaml"].replace("val: images/val\n", "")
    case("DK601", {k: v for k, v in files.items() if "/val/" not in k}, found("DK601", count=1))
    case("DK602", changed(lambda c: c["annotations"].clear()), found("DK602", count=1))
    case("DK603", changed(lambda c: c["annotations"].__delitem__(slice(2, None))), found("DK603", count=1))
    many = coco()
    many["images"] = [{"id": n, "file_name": f"{n}.png", "width": WIDTH, "height": HEIGHT} for n in range(1, 101)]
    many["annotations"] = [annotation(n, n, 1, [4, 5, 10 + n / 10, 10]) for n in range(1, 101)]
    many["annotations"] += [annotation(100 + n, n, 2, [20, 16, 10, 10]) for n in range(1, 10)]
    case("DK604", {"instances.json": many}, found("DK604", count=1), found("DK112", count=100))
    case("DK605", yolo(c=row(0, [4, 5, 11, 10]) + "\n", d=row(0, [5, 5, 11, 10]) + "\n"), found("DK605", count=1))
    case("DK606", yolo(b=rows(1, "0 0.7 0.1 0.9 0.1 0.8 0.2")), found("DK606", file="labels/train/b.txt"))
    case("DK607", {**yolo(), "labels/train.cache": b"\x80\x04N."}, found("DK607", file="labels/train.cache"),
         old=["labels/train.cache"])  # fmt: skip
    files = yolo()
    files["images/train/a.jpg"] = image(9, kind="JPEG")
    case("DK608", files, found("DK608", image="a.png"))


def suspects() -> None:
    """DK72x."""
    truth = coco()
    good = [
        {"image_id": a["image_id"], "category_id": a["category_id"], "bbox": a["bbox"], "score": 0.95 - 0.001 * a["id"]}
        for a in truth["annotations"]
    ]
    more = {"image_id": 1, "category_id": 1, "bbox": [25, 1, 10, 6], "score": 0.99}
    case("DK720", {**with_images(truth), "found.json": [*good, more]}, found("DK720", image="a.png"),
         predictions="found.json")  # fmt: skip
    swapped = [dict(g) for g in good]
    swapped[1]["category_id"] = 1
    case("DK721", {**with_images(truth), "found.json": swapped}, found("DK721", image="a.png", annotation=2),
         predictions="found.json")  # fmt: skip
    moved = [dict(g) for g in good]
    moved[1]["bbox"] = [20, 2, 12, 15]
    case("DK722", {**with_images(truth), "found.json": moved}, found("DK722", image="a.png", annotation=2),
         predictions="found.json")  # fmt: skip


def all_cases() -> dict[str, tuple[Files, list[dict[str, Any]], dict[str, Any]]]:
    """Every case by code."""
    CASES.clear()
    for make in (structure, geometry, classes, pictures, duplicates, training, suspects):
        make()
    return dict(sorted(CASES.items()))


def lay(folder: Path, files: Files) -> None:
    """Write files below a folder: bytes as they are, text as UTF-8, anything else as JSON."""
    for name, content in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            content = content.encode()
        elif not isinstance(content, bytes):
            content = (json.dumps(content, separators=(",", ":")) + "\n").encode()
        place.write_bytes(content)


# --- the page


def page() -> str:
    """docs/reference/checks.md: a table, then a section a code."""
    from detkit import checks

    known = checks.codes()
    lines = [
        "# Checks",
        "",
        "What [`detkit check`](../how-to/check.md) looks for. Severities can be changed in the configuration; a *safe*",
        "fix changes no label anyone could have meant, an *unsafe* one needs `--unsafe-fixes`. A small dataset with",
        "each fault lies in `fixtures/checks/CODE/`. This page is written by `python tools/make_check_cases.py`.",
        "",
        "| code | name | severity | fix |",
        "|---|---|---|---|",
    ]
    for c in known.values():
        link = f"[{c.code}](#{c.code.lower()}-{c.name})"
        lines.append(f"| {link} | {c.name} | {c.severity} | {c.fix or ''} |")
    for c in known.values():
        lines += [
            "",
            f"## {c.code} {c.name}",
            "",
            f"*{c.severity}{f', {c.fix} fix' if c.fix else ''}.* {c.summary}",
            "",
        ]
        lines += [c.advice] + (["", f"Fix: {c.fix_text}"] if c.fix_text else [])
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Write everything, or check the page."""
    parser = argparse.ArgumentParser(description="Write the fixtures and the page of the checks.")
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 when the page is out of date")
    if parser.parse_args(arguments).check:
        current = PAGE.read_text(encoding="utf-8") == page()
        if not current:
            print(f"{PAGE.relative_to(ROOT)}: out of date; run python tools/make_check_cases.py", file=sys.stderr)
        return 0 if current else 1
    shutil.rmtree(FIXTURES, ignore_errors=True)
    for code, (files, expected, settings) in all_cases().items():
        lay(FIXTURES / code, files)
        lay(FIXTURES / code, {"expect.json": {"settings": settings, "expected": expected}})
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
