"""Write the table of conversions, every dataset format to every other one, by converting.

    python tools/make_matrix.py            write it
    python tools/make_matrix.py --check    exit 1 when the page differs from what the program does

Needs the extra `augment` (masks are traced with OpenCV). The sources and the comparison are those of the contract test.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference" / "formats" / "index.md"
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tools")]

from make_docs import with_block  # noqa: E402

import conversion_matrix as matrix  # noqa: E402  (lies with the tests)
import conversion_page  # noqa: E402
from conversion_sources import flavours  # noqa: E402


def main(arguments: list[str] | None = None) -> int:
    """Write or check the page; 1 when a check finds a difference."""
    parser = argparse.ArgumentParser(description="Write the table of conversions.")
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 when the page is out of date")
    check = parser.parse_args(arguments).check
    with tempfile.TemporaryDirectory() as folder:
        block = conversion_page.block(cells(Path(folder)))
    page = PAGE.read_text(encoding="utf-8")
    text = with_block(page, "matrix", block, PAGE)
    if text == page:
        return 0
    print(f"{PAGE.relative_to(ROOT)}: {'out of date' if check else 'written'}")
    if check:
        print("hint: python tools/make_matrix.py", file=sys.stderr)
        return 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


def cells(folder: Path) -> dict[tuple[str, str], str]:
    """What stands in the table for each pair of formats."""
    lost: dict[tuple[str, str], set[str]] = {}
    unused = set(listed())
    for name in matrix.SOURCES:
        for flavour in flavours(name):
            place, before = matrix.write_source(folder / f"{name}-{flavour}", name, flavour)
            for to in matrix.TARGETS:
                done = matrix.convert(place, before, name, to, folder / f"{name}-{flavour}-{to}")
                differences = matrix.differences(done, name, to)
                lost.setdefault((name, to), set()).update(differences)
                unused -= set(seen(done, differences, name, to)) | {f"boxes: {flavour} to {to}"}
    for entry in sorted(unused):
        print(f"hint: listed in tests/conversion_matrix.py, but no longer so: {entry}", file=sys.stderr)
    return {pair: conversion_page.cell(features) for pair, features in lost.items()}


def listed() -> Iterator[str]:
    """Every known difference that has an entry."""
    yield from (f"boxes: {flavour} to {to}" for flavour, to in matrix.BOXES_DIFFER)
    yield from (f"added: {to} {thing}" for to, things in matrix.ADDED.items() for thing in things)
    yield from (f"said anyway: {to} {words}" for to, words in matrix.SAID_ANYWAY)
    yield from (f"silent: {name} to {to} {what}" for name, to, what in matrix.SILENT)


def seen(done: matrix.Outcome, lost: Mapping[str, set[str]], name: str, to: str) -> Iterator[str]:
    """The entries that a conversion needs."""
    yield from (f"added: {to} {thing}" for thing in matrix.added(done, to))
    for target, words in matrix.SAID_ANYWAY:
        if target in (None, to) and any(words in loss for loss in matrix.unfounded(done, lost)):
            yield f"said anyway: {target} {words}"
    yield from (f"silent: {name} to {to} {what.partition(': ')[2]}" for what in matrix.uncovered(done, lost))


if __name__ == "__main__":
    raise SystemExit(main())
