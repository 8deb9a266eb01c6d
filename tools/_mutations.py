"""Mutations of a folder of annotations: what `fuzz_formats` does to a fixture before it is read."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import stat
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

__all__ = ["mutate", "snapshot"]

NUMBERS = (
    b"NaN", b"nan", b"Infinity", b"-inf", b"1e999", b"-1e999", b"1e308", b"-1", b"0", b"-0.0", b"1e-400", b"5e-324",
    b"9" * 5000, b"99999999999999999999", b"9223372036854775807", b"9223372036854775808", b"-9223372036854775809",
    b"1.7e308", b"-1.7e308", b"1e200", b"4294967296", b"2147483648",
    b"0x10", b"1_000", b"1,5", b"", b"null", b"true", b"1e", b"--1", b"\xd9\xa1", b"1.5",
)  # fmt: skip
TEXTS = (
    "../../x", "../../../../../../etc/passwd", "/etc/passwd", "/tmp/x.jpg", "C:\\x.jpg", "..\\..\\x", "", ".", "..",
    "/",
    "a/../b", "a\nb", "a\tb", "a\0b", "\x1b[31mred", "\u202egpj.exe", "\ud800", "a" * 300, "a" * 100_000, " ", "NaN",
    "-1", "0", "1e999", "\ufeff", "é", "e\u0301", "CON", "~", "$HOME", "%s", "{0}", "<x>", "&amp;", "'", '"', "*.jpg",
    "-",
    "__proto__", "nul\x00", "2147483648", "a,b", "a;b", "# x", "0 0.5 0.5 0.1 0.1", "\u2028", "\x85", "\x0b",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 1e308, 10**19, 10**25, float("nan"), float("inf"), "", "x", "12", "NaN", [], {},
    [[]],
    [None], [1, 2, 3], [1, 2, 3, 4], ["a"], [[1, 2], [3, 4]], {"a": 1}, {"x": None}, [{"id": 1}], [[[[[[1]]]]]],
    -(2**63),
)  # fmt: skip
BOMBS = (
    b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>',
    b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
    b'<?xml version="1.0" encoding="utf-16"?>',
    b'<?xml version="1.0" encoding="nonsense"?>',
)
MANY = 10_000
#: Characters of the largest text whose structure is damaged, and about those it may have afterwards.
MOST_TEXT, MOST_GROWN = 2_000_000, 20_000_000


def mutate(case: Path, target: Path, random: Random) -> None:
    """Copy a case and damage the copy, one to four times."""
    shutil.copytree(case, target, symlinks=True)
    target.chmod(0o755)
    for _ in range(random.choice((1, 1, 1, 2, 2, 4))):
        files = sorted(p for p in target.rglob("*") if p.is_file() and not p.is_symlink())
        if not files:
            return
        # Text of a few files decides what is read; pictures are many and mostly not opened.
        texts = [p for p in files if p.suffix.lower() not in (".png", ".jpg", ".jpeg")] or files
        file = random.choice(texts if random.random() < 0.85 else files)
        with contextlib.suppress(OSError, MemoryError):
            random.choices((_bytes, _tokens, _tree, _place, _far, _twice), (3, 4, 4, 2, 1, 1))[0](file, target, random)


def snapshot(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Kind, size and time of change of everything below a folder, links not followed."""
    found = {}
    for base, folders, files in os.walk(folder):
        for name in (*folders, *files):
            place = Path(base, name)
            status = place.lstat()
            changed = 0 if stat.S_ISDIR(status.st_mode) else status.st_mtime_ns
            found[os.path.relpath(place, folder)] = (stat.S_IFMT(status.st_mode), status.st_size, changed)
    return {k: (v[0], 0 if stat.S_ISDIR(v[0]) else v[1], v[2]) for k, v in found.items()}


def _bytes(file: Path, root: Path, random: Random) -> None:
    """Damage that knows nothing of the content."""
    data = file.read_bytes()
    at, end = sorted(random.randint(0, len(data)) for _ in range(2))
    middle = random.randint(at, end)
    flipped = bytes([data[at] ^ (1 << random.randrange(8))]) if at < len(data) else b"\x00"
    lines = data.splitlines(keepends=True)
    random.shuffle(lines)
    damages: tuple[Callable[[], bytes], ...] = (
        lambda: data[:at],
        lambda: data[at:],
        lambda: b"",
        lambda: data[:at] + flipped + data[at + 1 :],
        lambda: data[:at] + data[middle:end] + data[at:middle] + data[end:],
        lambda: data[:at] + data[end:],
        lambda: data[:end] + data[at:],
        lambda: data[:at] + random.randbytes(random.randrange(1, 9)) + data[at:],
        lambda: data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"),
        lambda: data.replace(b"\n", b"\r"),
        lambda: b"\xef\xbb\xbf" + data,
        lambda: data.decode("utf-8", "replace").encode("utf-16"),
        lambda: data[:at] + b"\xff\xfe\x80" + data[at:],
        lambda: data[:at] + "é".encode()[:1],
        lambda: data[:at] + b"\x00" * 50 + data[at:],
        lambda: b"\x00" * 1000,
        lambda: b"\x1f\x8b" + data,
        lambda: b"PK\x03\x04" + data,
        lambda: b"".join(lines),
        lambda: data + data,
        lambda: data[:at] + b"[" * 100_000 + data[at:],
        lambda: data[:at] + b'{"a":' * 100_000 + data[at:],
        lambda: data[:at] + b"<a>" * 20_000 + data[at:],
        lambda: random.choice(BOMBS) + data,
        lambda: data[:at] + b"9" * 200_000 + data[at:],
        lambda: b"\n" * 100_000 + data,
        lambda: b"x" * 1_000_000 + data,
    )
    file.write_bytes(random.choice(damages)())


def _tokens(file: Path, root: Path, random: Random) -> None:
    """A number, a text, a word or a line that is odd."""
    data = file.read_bytes()
    if len(data) > 2_000_000:
        return
    pattern = random.choice((rb"-?\d[\d.eE+-]*", rb'"[^"\n]*"', rb"[A-Za-z_][\w.-]*", rb"(?m:^)[^\n]*\n", rb">[^<>]*<"))
    found = list(re.finditer(pattern, data))
    if not found:
        return
    for _ in range(random.choice((1, 1, 1, 3, 10))):
        match = random.choice(found)
        old = match.group()
        text = random.choice(TEXTS).encode("utf-8", "surrogatepass")
        if old.startswith(b'"'):
            new = b'"' + (json.dumps(random.choice(TEXTS)).encode()[1:-1] if random.random() < 0.7 else text) + b'"'
        elif old.startswith(b">"):
            new = b">" + (text if random.random() < 0.5 else random.choice(NUMBERS)) + b"<"
        elif old.endswith(b"\n"):
            new = random.choice(
                (
                    b"",
                    old * 2,
                    old * max(1, min(1000, 10**6 // len(old))),
                    text + b"\n",
                    old.rstrip() + b" 1\n",
                    b"\n\n" + old,
                )
            )
        else:
            new = random.choice(NUMBERS) if random.random() < 0.7 else text
        data = data[: match.start()] + new + data[match.end() :]
        found = list(re.finditer(pattern, data))
        if not found or len(data) > 5_000_000:
            break
    file.write_bytes(data)


def _far(file: Path, root: Path, random: Random) -> None:
    """Neighbouring numbers at both ends of the floats, whose difference, sum and product are none."""
    data = file.read_bytes()
    found = list(re.finditer(rb"(?<![\w.])-?\d[\d.eE+-]*", data))
    if not found:
        return
    first = random.randrange(len(found))
    ends = random.choice((("1.7e308",), ("-1.7e308", "1.7e308") * 2, ("-1.7e308",) * 2 + ("1.7e308",) * 2))
    for match, end in reversed(list(zip(found[first:], ends, strict=False))):
        data = data[: match.start()] + end.encode() + data[match.end() :]
    file.write_bytes(data)


def _twice(file: Path, root: Path, random: Random) -> None:
    """One key of an object, or one column or tag, under the name of another: it stands twice."""
    data = file.read_bytes()
    key, head, cell = (
        rb'"[^"\n]{1,60}"(?=\s*:)',
        rb"(?m:^)[\w. -]{1,60}(?=\s*[:=,])",
        rb"(?<=,)[\w. -]{1,60}(?=[,\r\n])",
    )
    names = list(re.finditer(b"|".join((key, head, cell)), data))
    if len(names) < 2:
        return
    one, other = random.sample(names, 2)
    file.write_bytes(data[: one.start()] + other.group() + data[one.end() :])


def _tree(file: Path, root: Path, random: Random) -> None:
    """A JSON, JSON lines, YAML or XML value damaged in its structure; text files get tokens."""
    text = file.read_text(encoding="utf-8-sig", errors="replace")
    if len(text) > MOST_TEXT:
        return
    if file.suffix.lower() == ".parquet":
        _spoil_parquet(file, random)
        return
    if file.suffix.lower() in (".yaml", ".yml"):
        file.write_text(_spoilt_yaml(text, random), encoding="utf-8", errors="surrogatepass")
        return
    try:
        if file.suffix == ".jsonl":
            lines = text.splitlines()
            number = random.randrange(len(lines))
            lines[number] = json.dumps(_spoilt(json.loads(lines[number]), random, len(lines[number])))
            file.write_text("\n".join(lines))
        else:
            file.write_text(json.dumps(_spoilt(json.loads(text), random, len(text))))
    except (ValueError, IndexError, RecursionError):
        if text.lstrip().startswith("<"):
            file.write_text(_spoilt_xml(text, random), encoding="utf-8", errors="surrogatepass")
        else:
            _tokens(file, root, random)


def _spoil_parquet(file: Path, random: Random) -> None:
    """Values of one column, the columns themselves, or what the metadata say."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with contextlib.suppress(pa.ArrowException, ValueError, TypeError, RecursionError):
        table = pq.read_table(file)
        metadata = dict(table.schema.metadata or {})
        at = random.randrange(table.num_columns)
        name, column = table.column_names[at], table.column(at)
        kind = random.random()
        if kind < 0.15 and metadata:
            key = random.choice(sorted(metadata))
            metadata[key] = json.dumps(_spoilt(json.loads(metadata[key]), random, len(metadata[key]))).encode()
        elif kind < 0.25:
            table = table.remove_column(at)
        elif kind < 0.35:
            table = table.append_column(random.choice((*table.column_names, *TEXTS[:5])), column)
        elif kind < 0.45:
            odd_type = random.choice((pa.string(), pa.binary(), pa.float32(), pa.int64(), pa.null(), pa.bool_()))
            table = table.set_column(at, name, column.cast(odd_type, safe=False))
        else:
            table = table.set_column(at, name, pa.array(_spoilt_values(column, random), column.type))
        pq.write_table(table.replace_schema_metadata(metadata), file)


def _spoilt_values(column: Any, random: Random) -> list[Any]:
    """Values of a column, some of them odd ones that its type holds."""
    values: list[Any] = column.to_pylist()
    numbers = (None, 0, -1, 2**31 - 1, -(2**31), 2**62, 1.5, float("nan"), float("inf"), 1.7e308, -1.7e308, 5e-324)
    for _ in range(random.choice((1, 1, 2, 5)) if values else 0):
        row = random.randrange(len(values))
        old = values[row]
        if isinstance(old, list):
            values[row] = random.choice((None, [], old[:1], old[:-1], old * 2, old * MANY, [None], [None, *old[1:]]))
            if old and isinstance(old[0], (int, float)) and random.random() < 0.5:
                values[row] = [random.choice(numbers[1:]), *old[1:]]
            elif old and isinstance(old[0], list):
                values[row] = random.choice(([[]], [old[0][:3]], [None, *old], [[1.7e308, -1.7e308] * 3]))
        elif isinstance(old, (str, bytes)):
            text = random.choice((*TEXTS, "[" * 100_000, "{", "null", "[1]"))
            values[row] = None if text == "" else text.encode("utf-8", "replace") if isinstance(old, bytes) else text
        else:
            values[row] = random.choice(numbers)
    return values


def _spoilt(value: Any, random: Random, length: int) -> Any:
    """The value with one node replaced, left out, doubled, or put deep inside lists.

    Thousands of copies are made once at the most: copies of copies would be gigabytes, and tell nothing new.
    """
    many = min(MANY, MOST_GROWN // max(length, 1))
    nodes: list[tuple[Any, Any]] = []
    stack = [value]
    while stack:
        node = stack.pop()
        keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
        for key in keys:
            nodes.append((node, key))
            stack.append(node[key])
    if not nodes:
        return random.choice(VALUES)
    for _ in range(random.choice((1, 1, 1, 2, 5))):
        holder, key = random.choice(nodes)
        if key not in holder if isinstance(holder, dict) else key >= len(holder):
            continue
        if _spoil(holder, key, random, many) == many:
            many = 1
    return value


def _spoil(holder: Any, key: Any, random: Random, many: int) -> int:
    """Damage one node, and return how many copies were made."""
    copies = 0
    kind = random.random()
    if kind < 0.45:
        holder[key] = deepcopy(random.choice(VALUES))
    elif kind < 0.6:
        holder[key] = random.choice(TEXTS)
    elif kind < 0.75:
        del holder[key]
    elif kind < 0.8 and isinstance(holder, dict):
        holder[random.choice(TEXTS)] = holder.pop(key)
    elif kind < 0.85:
        holder[key] = [holder[key]]
    elif kind < 0.9:
        deep: Any = holder[key]
        for _ in range(random.choice((10, 100, 400))):
            deep = [deep] if random.random() < 0.5 else {"a": deep}
        holder[key] = deep
    elif isinstance(holder, list):
        copies = random.choice((1, 1, 2, many))
        holder.extend([holder[key]] * copies)
    elif isinstance(holder[key], dict):
        copies = random.choice((1, many))
        holder[key] = {**holder[key], **{f"n{i}": i for i in range(copies)}}
    else:
        holder[key] = str(holder[key])
    return copies


def _spoilt_xml(text: str, random: Random) -> str:
    tags = sorted(set(re.findall(r"</?([A-Za-z_][\w.-]*)", text)))
    if not tags:
        return text
    tag = random.choice(tags)
    values = re.findall(r'="([^"]*)"', text)
    element = re.search(rf"<{re.escape(tag)}\b[^>]*>.*?</{re.escape(tag)}>", text, re.DOTALL)
    odd = random.choice(TEXTS).replace("\0", "").replace("<", "&lt;")
    options = [
        text.replace(f"<{tag}>", "<other>").replace(f"</{tag}>", "</other>"),
        text.replace(f"<{tag}>", f"<{tag} x='{odd[:50]}'>"),
        "<deep>" * 5000 + text + "</deep>" * 5000,
        "".join(random.choice(BOMBS).decode()) + text,
    ]
    if values:
        options += [text.replace(f'="{random.choice(values)}"', f'="{odd}"', 1)] * 3
    if element:
        found = element.group()
        inside = [f"<{tag}>{odd}</{tag}>", f"<{tag}>{random.choice(NUMBERS).decode('utf-8')}</{tag}>"]
        options += [
            text.replace(found, new, 1)
            for new in ("", found * 2, found * max(1, min(500, 10**6 // len(found))), f"<{tag}/>", *inside * 2)
        ]
    return random.choice(options)


def _spoilt_yaml(text: str, random: Random) -> str:
    names = ", ".join(f"c{i}" for i in range(MANY))
    odd = json.dumps(random.choice(TEXTS))
    options = (
        re.sub(r"(?m)^names:.*", "", text) + f"\nnames: [{names}]\n",
        text + f"\nnc: {random.choice(('1e999', '-1', '99999999999999999999', '[]', 'x', 'null', '.nan'))}\n",
        text + f"\nnames: {random.choice(('null', '3', '{a: 1}', '{-1: a}', '{99999999999: a}', '[1, null]'))}\n",
        text + "\na: &a [x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a]\nnames: [*b, *b, *b, *b]\n",
        text + "\nnames: &n [*n]\n",
        text + "\nx: !!python/object/apply:os.system ['true']\n",
        "{" * 2000 + text,
        "- " * 3000 + text,
        text + f"\npath: {odd}\n",
        text + f"\ntrain: {odd}\n",
        text + f"\nval: [{odd}, {odd}]\n",
        text + "\ntrain: {a: b}\n",
        text + "\n? [a, b]\n: c\n",
        text + "\n\tx: 1\n",
        text + "\nnames:\n  2001-01-01: a\n  .inf: b\n  1.5: c\n",
        f"{text}\n---\n{text}",
    )
    return random.choice(options)


def _place(file: Path, root: Path, random: Random) -> None:
    """The file itself is missing, another one, a link, a folder, a pipe, or has an odd name."""
    others = sorted(p for p in root.rglob("*") if p.is_file())
    kind = random.randrange(14)
    odd = random.choice((b"a\nb", b"\xff\xfe", b"\x1b[2J", "\u202egpj".encode(), b" ", b"-rf", b"%s", b"a" * 200, b"0"))
    if kind == 0:
        file.unlink()
    elif kind == 1:
        shutil.copyfile(random.choice(others), file)
    elif kind == 2:
        file.rename(file.with_name(os.fsdecode(odd) + file.suffix))
    elif kind == 3:
        shutil.copyfile(file, file.with_name(os.fsdecode(odd) + file.suffix))
    elif kind == 4:
        shutil.copyfile(file, file.with_name(file.name.swapcase()))
    elif kind == 5:
        file.unlink()
        os.mkfifo(file)
    elif kind == 6:
        os.mkfifo(file.with_name("pipe" + file.suffix))
    elif kind == 7:
        file.unlink()
        file.symlink_to(file.name)
    elif kind == 8:
        (file.parent / "loop").symlink_to(".")
    elif kind == 9:
        file.unlink()
        file.mkdir()
    elif kind == 10:
        file.unlink()
        file.symlink_to(random.choice(("/etc/passwd", "/dev/zero", "/dev/null", "/", "..", "missing")))
    elif kind == 11:
        (file.parent / f"pipe{file.suffix}").symlink_to("/dev/zero")
    elif kind == 12:
        for number in range(200):
            shutil.copyfile(file, file.with_name(f"{file.stem}{number}{file.suffix}"))
    else:
        deep = file.parent.joinpath(*(["d"] * 40))
        deep.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, deep / file.name)
