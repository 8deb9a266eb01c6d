"""Inputs made to harm: bombs, names that leave the folder, links that run in circles, pipes, models that point away.

Each builder lays its files into an empty folder that holds `truth.json` and `pred.json` (both good).
"""

from __future__ import annotations

import io
import json
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from cli import _inputs as make
from cli._run import DEMO

_XML = "<annotation><filename>11.jpg</filename><size><width>9</width><height>9</height></size>{}</annotation>"
_OBJECT = "<object><name>cat</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax></bndbox></object>"


def zip_bomb(folder: Path) -> None:
    """Two gigabytes of zeros in two megabytes."""
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("truth.json", json.dumps(make.truth()))
    data = bytearray((folder / "a.zip").read_bytes())
    entry = data.index(b"PK\x01\x02")
    struct.pack_into("<I", data, entry + 24, 2**31)
    (folder / "a.zip").write_bytes(data)


def zip_lies(folder: Path) -> None:
    """The directory states ten bytes, the data unpack to a million."""
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("truth.json", " " * 1_000_000)
    data = bytearray((folder / "a.zip").read_bytes())
    struct.pack_into("<I", data, data.index(b"PK\x01\x02") + 24, 10)
    (folder / "a.zip").write_bytes(data)


def zip_damaged(folder: Path) -> None:
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("truth.json", json.dumps(make.truth()))
    data = bytearray((folder / "a.zip").read_bytes())
    data[45:60] = b"\xff" * 15
    (folder / "a.zip").write_bytes(data)


def zip_with(*names: str) -> Callable[[Path], None]:
    def lay(folder: Path) -> None:
        with zipfile.ZipFile(folder / "a.zip", "w") as archive:
            archive.writestr("truth.json", json.dumps(make.truth()))
            for name in names:
                archive.writestr(name, "x")

    return lay


def zip_link(folder: Path) -> None:
    """A member that says it is a link to a file outside."""
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr("truth.json", json.dumps(make.truth()))
        link = zipfile.ZipInfo("images")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc")


def tar_with(**kinds: bytes) -> Callable[[Path], None]:
    """A truth, and members of these types with a target outside."""

    def lay(folder: Path) -> None:
        with tarfile.open(folder / "a.tar", "w") as archive:
            data = json.dumps(make.truth()).encode()
            truth = tarfile.TarInfo("truth.json")
            truth.size = len(data)
            archive.addfile(truth, io.BytesIO(data))
            for name, kind in kinds.items():
                member = tarfile.TarInfo(name.replace("__", "/").replace("up", ".."))
                member.type, member.linkname = kind, "/etc/passwd"
                archive.addfile(member)

    return lay


def tar_bomb(folder: Path) -> None:
    """A header that announces more than any disk holds."""
    member = tarfile.TarInfo("truth.json")
    member.size = 2**40
    (folder / "a.tar").write_bytes(member.tobuf() + b"\0" * 1024)


def gzip_bomb(folder: Path) -> None:
    """JSON of nothing but spaces, a thousandth of its size when packed; it stays under a second to refuse."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = b" " * (1 << 20)
    (folder / "a.json.gz").write_bytes(b"".join(packer.compress(block) for _ in range(70)) + packer.flush())


def xml(*parts: str, head: str = "") -> Callable[[Path], None]:
    def lay(folder: Path) -> None:
        place = folder / "voc" / "Annotations"
        place.mkdir(parents=True)
        (place / "11.xml").write_text(head + _XML.format("".join(parts) or _OBJECT))

    return lay


LAUGHS = (
    '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    + "".join(f'<!ENTITY {c} "{f"&{p};" * 10}">' for p, c in zip("bcdefgh", "cdefghi", strict=True))
    + "]>"
)


def png(width: int, height: int) -> bytes:
    """A PNG that states this size, and holds nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def images(first: bytes | Callable[[Path], object]) -> Callable[[Path], None]:
    """A YOLO dataset of two pictures, the first of which is this."""

    def lay(folder: Path) -> None:
        for name in ("images", "labels"):
            (folder / "d" / name).mkdir(parents=True)
        for name in ("a", "b"):
            (folder / "d" / "labels" / f"{name}.txt").write_text("0 0.5 0.5 0.2 0.2\n")
        (folder / "d" / "data.yaml").write_text("path: .\ntrain: images\nnames: [cat]\n")
        good = (DEMO / "images" / "val").glob("*.jpg")
        (folder / "d" / "images" / "b.jpg").write_bytes(sorted(good)[0].read_bytes())
        place = folder / "d" / "images" / "a.jpg"
        if callable(first):
            first(place)
        else:
            place.write_bytes(first)

    return lay


def truncated_jpeg() -> bytes:
    whole = sorted((DEMO / "images" / "val").glob("*.jpg"))[0].read_bytes()
    return whole[: len(whole) // 3]


def many_images(folder: Path) -> None:
    """20,000 images, of which no file exists."""
    names = [{"id": i, "file_name": f"{i}.jpg", "width": 9, "height": 9} for i in range(20_000)]
    (folder / "truth.json").write_text(json.dumps(make.truth(images=names, annotations=[])))


def yaml(text: str) -> Callable[[Path], None]:
    def lay(folder: Path) -> None:
        images(b"")(folder)
        (folder / "d" / "images" / "a.jpg").unlink()
        (folder / "d" / "data.yaml").write_text(text)

    return lay


def labels(first: bytes | Callable[[Path], object], classes: bytes = b"cat\n") -> Callable[[Path], None]:
    """A YOLO dataset of two good pictures, and the labels of the first one."""

    def lay(folder: Path) -> None:
        good = sorted((DEMO / "images" / "val").glob("*.jpg"))[0]
        images(good.read_bytes())(folder)
        (folder / "d" / "data.yaml").unlink()
        (folder / "d" / "classes.txt").write_bytes(classes)
        place = folder / "d" / "labels" / "a.txt"
        place.unlink()
        if callable(first):
            first(place)
        else:
            place.write_bytes(first)

    return lay


def folders_in_a_circle(folder: Path) -> None:
    labels(b"0 0.5 0.5 0.2 0.2\n")(folder)
    for name in ("images", "labels"):
        (folder / "d" / name / "loop").symlink_to("..")


def yaml_bomb() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    return "\n".join([*lines, "names: *a8", "train: images", ""])


def text(name: str, content: str | bytes) -> Callable[[Path], None]:
    def lay(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)

    return lay


def labels_named(name: bytes) -> Callable[[Path], None]:
    """A label file, and its picture, with a name that terminals and tables do not like."""

    def lay(folder: Path) -> None:
        yaml("path: .\ntrain: images\nnames: [cat]\n")(folder)
        (folder / "d" / "images" / "b.jpg").rename(
            os.fsdecode(os.fsencode(folder / "d" / "images") + b"/" + name + b".jpg")
        )
        (folder / "d" / "labels" / "b.txt").rename(
            os.fsdecode(os.fsencode(folder / "d" / "labels") + b"/" + name + b".txt")
        )

    return lay


def names_in_truth(name: str) -> Callable[[Path], None]:
    def lay(folder: Path) -> None:
        whole = make.truth()
        whole["images"][0]["file_name"] = name
        (folder / "truth.json").write_text(json.dumps(whole))

    return lay


def model(location: str, *, length: int | None = None) -> Callable[[Path], None]:
    """The demo detector with its first weight in a file elsewhere."""

    def lay(folder: Path) -> None:
        import onnx

        graph = onnx.load(str(DEMO / "model" / "shapes.onnx"))
        tensor = graph.graph.initializer[0]
        size = len(tensor.raw_data)
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        fields = {"location": location, "offset": "0", "length": str(size if length is None else length)}
        for key, value in fields.items():
            entry = tensor.external_data.add()
            entry.key, entry.value = key, value
        (folder / "m").mkdir()
        (folder / "m" / "model.onnx").write_bytes(graph.SerializeToString())
        (folder / "weights.bin").write_bytes(b"\0" * size)
        (folder / "m" / "link.bin").symlink_to("../weights.bin")
        (folder / "m" / "loop.bin").symlink_to("loop.bin")
        (folder / "m" / "short.bin").write_bytes(b"\0" * 8)
        os.mkfifo(folder / "m" / "pipe.bin")

    return lay


def model_bytes(content: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def lay(folder: Path) -> None:
        (folder / "m").mkdir()
        (folder / "m" / "model.onnx").write_bytes(content((DEMO / "model" / "shapes.onnx").read_bytes()))

    return lay
