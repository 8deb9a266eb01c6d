"""Read mutated COCO files by the byte scanner and by the library reader, and compare.

    python tools/fuzz_reader.py --cases 10000 --seed 1

Each case is a small truth or results file, written token by token so that numbers, keys and white space come in every
spelling, then damaged in its structure and in its bytes. Both readers must give the same columns and findings, bit for
bit, or the same error. The first file that tells them apart is kept in the folder named by `--keep`.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from detkit.errors import DetkitError
from detkit.formats import ReadOptions, _coco_scan, coco
from detkit.kernels import json_outlines, json_rows

OPTIONS = ReadOptions(with_shapes=False, with_extra=False, read_sizes=False, jobs=2)
WITH_SHAPES = replace(OPTIONS, with_shapes=True)
WHOLE = replace(WITH_SHAPES, with_extra=True)
NEVER = 1 << 60
SPACES = ("", "", "", " ", "\n", "\t", "\r\n", "  ")
NUMBERS = (
    "0", "-0", "-0.0", "1", "0.5", "1e3", "1E-3", "2.5e+2", "1.0", "9007199254740993", "9007199254740992.5", "1e22",
    "1e23", "5e-324", "1e-400", "1e308", "123456789012345678", "1234567890123456789", "12345678901234567890",
    "0.1234567890123456789", "0.30000000000000004", "8.41e21", "1e-27", "3.14159265358979323846264338327950288",
    "179769313486231580793e289", "0.000000000000000000000000000001", "1" + "0" * 40, "1" * 309, "1" * 400,
)  # fmt: skip
ODD_VALUES = (
    "null", "true", "false", '"1"', '"a"', "[]", "{}", "[1,2,3]", "[1,2,3,4,5]", '[1,2,3,"4"]', "[null,1,2,3]", "1.0",
    "1.5", "-1", "2", "NaN", "Infinity", "-Infinity", "1e999", "01", "+1", ".5", "5.", "1e", "--1", "nul", "0x1", "'a'",
    '"\\u0041"', '"\\ud800"', '"\\x"', '"é"', '"a\tb"', "[[1,2,3,4]]", "[NaN,0,1,1]", "99999999999999999999",
    '{"size":[3,3],"counts":"0\\\\9"}', "[[1,2,3,4,5,6],[1.5,2,3,4,5,6]]", "1 2", "", "[1,2,3,4,]", '{"a":1,}',
)  # fmt: skip
UNKNOWN = (
    '"x"', '"segmentation"', '"attributes"', '"keypoints"', '"is_group_of"', '"is_oriented"', '"ignore"', '"score"',
    '"a\\u0062c"', '"é"', '""', '"bbox2"', '"i"', '"image"', '"annotations"', '"num_keypoints"', '"b\\"x"',
)  # fmt: skip
#: Masks of 3 x 4 pixels that are sound, then some that are not, or are written in a way of their own.
COUNTS = ('"0<"', '"237"', '"<"', '"12301"', '"0122O2"', '"\\\\0"')
ODD_MASKS = (
    '{"size":[3,4],"counts":[2,3,7]}', '{"size":[3,4],"counts":[2,3,8]}', '{"size":[3,4],"counts":"0\\u003c"}',
    '{"size":[3,4],"counts":"0="}', '{"size":[3],"counts":"<"}', '{"size":[3,4.0],"counts":"<"}', '{"size":[3,4]}',
    '{"size":[3,4],"counts":"<","more":[1]}', '{"size":[3,4],"size":[4,3],"counts":"<"}', '{"counts":""}',
    '{"size":[0,0],"counts":""}', '{"size":[-3,4],"counts":"<"}', '{"size":[3,4],"counts":null}',
    '{"size":[3,4],"counts":"\\\\"}', '{"size":[3,4],"counts":"é"}', '{"size":[03,4],"counts":"<"}',
    '{"size":[4294967296,4],"counts":"<"}', '{"size":[3,4],"counts":"<",}', '{"size":[3,4] "counts":"<"}',
)  # fmt: skip
LIBRARY_VALUES = (
    "[[1,2],[3.5,4e1]]",
    '{"a":{"b":[{"c":null}]}}',
    '"text"',
    "true",
    "-1.5E+3",
    "[]",
    "{}",
    '"\\n\\u00e9"',
)


class _Case:
    """One file: a chooser, and how odd it may get."""

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed)
        self.oddity = self.random.choice((0.0, 0.0, 0.005, 0.03))
        self.is_unboxed = self.random.random() < 0.2

    def odd(self) -> bool:
        return self.random.random() < self.oddity

    def space(self) -> str:
        return self.random.choice(SPACES)

    def number(self) -> str:
        kind = self.random.random()
        if kind < 0.3:
            return f"{self.random.uniform(-5, 700):.{self.random.randrange(1, 4)}f}"
        if kind < 0.6:
            return repr(self.random.random() * 10 ** self.random.randint(-8, 4))
        if kind < 0.8:
            return str(self.random.randint(0, 700))
        return self.random.choice(NUMBERS)

    def whole(self, highest: int) -> str:
        return self.random.choice(ODD_VALUES + NUMBERS) if self.odd() else str(self.random.randint(0, highest))

    def value(self, plain: Callable[[], str]) -> str:
        return self.random.choice(ODD_VALUES) if self.odd() else plain()

    def box(self) -> str:
        space = self.space()
        return "[" + f",{space}".join(self.value(self.number) for _ in range(4)) + space + "]"

    def unknown(self) -> tuple[str, str]:
        key = self.random.choice(UNKNOWN if self.odd() else UNKNOWN[:4])
        return key, self.value(lambda: self.random.choice(LIBRARY_VALUES))

    def record(self, pairs: list[tuple[str, str]]) -> str:
        pairs = [pair for pair in pairs if not self.odd()]
        if self.random.random() < 0.3:
            self.random.shuffle(pairs)
        if self.odd() and pairs:
            pairs.append((self.random.choice(pairs)[0], self.random.choice(ODD_VALUES)))
        while self.random.random() < 0.1:
            pairs.insert(self.random.randint(0, len(pairs)), self.unknown())
        return self.braces(pairs)

    def braces(self, pairs: list[tuple[str, str]]) -> str:
        space = self.space()
        return "{" + space + f",{space}".join(f"{k}{self.space()}:{self.space()}{v}" for k, v in pairs) + space + "}"

    def list(self, items: list[str]) -> str:
        if self.odd():
            items = [*items, self.random.choice(ODD_VALUES)]
        space = self.space()
        return "[" + space + f"{space},{space}".join(items) + space + "]"

    def numbers(self, count: int) -> str:
        space = self.space()
        numbers = (self.random.choice(ODD_VALUES) if self.odd() else self.number() for _ in range(count))
        return "[" + space + f"{space},".join(numbers) + space + "]"

    def keypoints(self) -> str:
        return self.numbers(3 * self.random.choice((0, 1, 2)) if not self.odd() else self.random.randint(0, 7))

    def outline(self) -> str:
        if self.odd():
            return self.random.choice((*ODD_VALUES, *ODD_MASKS, *LIBRARY_VALUES))
        if self.random.random() < 0.5:
            rings = [self.numbers(2 * self.random.randint(0, 4)) for _ in range(self.random.choice((0, 1, 1, 2)))]
            return self.list(rings)
        if self.random.random() < 0.1:
            return ODD_MASKS[0]
        size = f"[{self.space()}3{self.space()},{self.space()}4{self.space()}]"
        pairs = [('"size"', size), ('"counts"', self.random.choice(COUNTS))]
        return self.braces(pairs if self.random.random() < 0.7 else pairs[::-1])

    def outlines(self) -> list[tuple[str, str]]:
        """Pairs that only the reading with shapes looks into."""
        pairs = [('"segmentation"', self.outline), ('"keypoints"', self.keypoints)]
        return [(key, self.value(make)) for key, make in pairs if self.random.random() < 0.5]

    def results(self) -> str:
        return self.list([self.record(self.result()) for _ in range(self.random.choice((1, 2, 3, 8)))])

    def result(self) -> list[tuple[str, str]]:
        score = self.value(lambda: f"{self.random.random():.{self.random.choice((2, 4, 17))}f}")
        ids = [('"image_id"', self.whole(9)), ('"category_id"', self.whole(4))]
        boxes = [] if self.is_unboxed else [('"bbox"', self.value(self.box))]
        return [*ids, *boxes, ('"score"', score), *self.outlines()]

    def truth(self) -> str:
        images = [self.record(self.image(i)) for i in range(self.random.randint(0, 4))]
        boxes = [self.record(self.annotation(i)) for i in range(self.random.choice((0, 1, 2, 3, 8)))]
        classes = [self.record([('"id"', str(i)), ('"name"', f'"c{i}"')]) for i in range(5)]
        pairs = [
            ('"images"', self.list(images)),
            ('"annotations"', self.list(boxes)),
            ('"categories"', self.list(classes)),
        ]
        if self.random.random() < 0.3:
            self.random.shuffle(pairs)
        if self.random.random() < 0.3:
            inner = self.random.choice((self.list(boxes), *LIBRARY_VALUES))
            pairs.insert(self.random.randint(0, len(pairs)), ('"info"', self.braces([('"annotations"', inner)])))
        if self.odd():
            pairs.append(self.random.choice(pairs))
        return self.record(pairs)

    def image(self, number: int) -> list[tuple[str, str]]:
        name = self.value(lambda: self.random.choice((f'"{number}.jpg"', '"\\u00e9.jpg"', '"é.jpg"')))
        sizes = [('"width"', self.value(lambda: "640")), ('"height"', self.value(lambda: "480"))]
        return [('"id"', str(number) if not self.odd() else self.whole(3)), ('"file_name"', name), *sizes]

    def annotation(self, number: int) -> list[tuple[str, str]]:
        pairs = [('"id"', self.whole(10**6) if self.odd() else str(number)), ('"image_id"', self.whole(3))]
        pairs += [('"category_id"', self.whole(4)), ('"bbox"', self.value(self.box))]
        pairs.append(('"area"', self.value(self.number)))
        pairs.append(('"iscrowd"', self.value(lambda: self.random.choice("001"))))
        if self.random.random() < 0.2:
            pairs.append(('"segmentation"', self.value(lambda: self.random.choice(LIBRARY_VALUES))))
        elif self.random.random() < 0.5:
            pairs += [*self.outlines(), ('"num_keypoints"', self.whole(17))]
        return pairs

    def bytes(self, kind: str) -> bytes:
        text = (self.space() + getattr(self, kind)() + self.space()).encode("utf-8", "surrogatepass")
        if self.random.random() < 0.1:
            text = b"\xef\xbb\xbf" + text
        for _ in range(self.random.choice((0, 0, 0, 1, 1, 2))):
            text = self.damaged(text)
        return text

    def damaged(self, text: bytes) -> bytes:
        at, end = sorted(self.random.randint(0, len(text)) for _ in range(2))
        byte = bytes([self.random.choice((*b'0123456789.-+eE,:{}[]" \nnulltrue\\', 0, 0x80, 0xC3, 0xFF))])
        return self.random.choice(
            (
                lambda: text[:at],
                lambda: text[:at] + byte + text[at:],
                lambda: text[:at] + byte + text[at + 1 :],
                lambda: text[:at] + text[at + 1 :],
                lambda: text[:at] + text[min(end, at + 20) :],
                lambda: text[:end] + text[at : min(end, at + 40)] + text[end:],
                lambda: text.replace(b"\n", b"\r\n"),
                lambda: text + byte,
                lambda: text.replace(b":", b": " + b"[" * 70 + b"]" * 70 + b', "x":', 1),
            )
        )()


def seen(value: Any) -> Any:
    """A table as plain values that are equal only where every bit is."""
    if isinstance(value, np.ndarray):
        content = repr(value.tolist()) if value.dtype == object else value.tobytes()
        return str(value.dtype), value.shape, content
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: seen(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, (list, tuple)):
        return [seen(v) for v in value]
    return {k: seen(v) for k, v in value.items()} if hasattr(value, "items") else repr(value)


def outcome(read: Callable[..., Any], path: Path, threshold: int, options: ReadOptions = OPTIONS) -> Any:
    """What a reader makes of a file: its table, or its error."""
    _coco_scan._WORTHWHILE = threshold
    try:
        return seen(read(path, options))
    except DetkitError as error:
        return type(error).__name__, str(error)


def compare(seed: str, folder: Path, counts: Counter[str]) -> str | None:
    """What differs for one case, None where nothing does; `counts` learns which way it went."""
    case = _Case(seed)
    kind = case.random.choice(("truth", "results"))
    text = case.bytes(kind)
    path = folder / "case.json"
    path.write_bytes(text)
    json_rows._PIECE = json_outlines._PIECE = case.random.choice((30, 200, 1 << 21))
    read = coco.read if kind == "truth" else coco.read_detections
    scan = getattr(_coco_scan, f"scan_{kind}")
    for name, options in (("", OPTIONS), (" with shapes", WITH_SHAPES), (" with all", WHOLE)):
        _coco_scan._WORTHWHILE = 0
        wanted = {"with_shapes": options.with_shapes, "with_extra": options.with_extra}
        scanned = scan(text, str(path), 1, **wanted) is not None
        fast, slow = outcome(read, path, 0, options), outcome(read, path, NEVER, options)
        how = "scanned" if scanned else "left to the library" if isinstance(slow, dict) else "refused by both"
        counts[f"{kind}{name}: {how}"] += 1
        if fast != slow:
            return f"{kind}{name}:\n  scanner {str(fast)[:2000]}\n  library {str(slow)[:2000]}"
    return None


def run(cases: int, seed: int) -> tuple[Counter[str], str | None, bytes]:
    """Compare so many files; which way they went, the first difference, and the file that showed it."""
    counts: Counter[str] = Counter()
    held = _coco_scan._WORTHWHILE, json_rows._PIECE, json_outlines._PIECE
    try:
        with tempfile.TemporaryDirectory(prefix="detkit-fuzz-") as folder:
            for number in range(cases):
                different = compare(f"{seed}:{number}", Path(folder), counts)
                if different is not None:
                    return counts, f"case {seed}:{number}, {different}", (Path(folder) / "case.json").read_bytes()
    finally:
        _coco_scan._WORTHWHILE, json_rows._PIECE, json_outlines._PIECE = held
    return counts, None, b""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-reader"))
    given = parser.parse_args()
    counts, different, text = run(given.cases, given.seed)
    for how, count in sorted(counts.items()):
        sys.stdout.write(f"{count:8d}  {how}\n")
    if different is None:
        return 0
    given.keep.mkdir(parents=True, exist_ok=True)
    (given.keep / "case.json").write_bytes(text)
    sys.stdout.write(f"{different}\nkept: {given.keep / 'case.json'}\n")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
