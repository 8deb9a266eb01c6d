"""The table of conversions as text, and back: the generated part of `docs/reference/formats/index.md`."""

from __future__ import annotations

from collections.abc import Mapping

from conversion_matrix import ADDED, BOXES_DIFFER, SAID_ANYWAY, SILENT, SOURCES, TARGETS

#: Letter of each difference on the page, and what it stands for.
LETTERS: dict[str, tuple[str, str]] = {
    "boxes": ("B", "boxes: some edges move, see below"),
    "crowds": ("C", "crowd regions: left out, or kept as ordinary objects (`--crowds keep`)"),
    "ignored": (
        "D",
        "difficult (ignored) flags: the objects stay as ordinary ones, or are left out (`--ignored drop`)",
    ),
    "polygons": ("P", "polygons: turned into boxes, or parts of one outline joined"),
    "rle": ("M", "masks: turned into boxes or polygons"),
    "keypoints": ("K", "keypoints"),
    "oriented": ("O", "oriented boxes: turned into upright ones, or kept as polygons"),
    "area": ("A", "areas that differ from the box's"),
    "attributes": ("T", "attributes, or some of their values"),
    "extra": ("F", "fields of the source that only it knows"),
    "info": ("H", "top-level fields: licences, description"),
    "splits": ("S", "splits"),
    "supercategories": ("U", "supercategories"),
    "category_ids": ("N", "class ids: renumbered"),
    "image_ids": ("I", "image ids"),
    "annotation_ids": ("R", "annotation ids"),
}
IDENTICAL = "="


def cell(lost: set[str]) -> str:
    """What stands in the table for one pair."""
    return "".join(letter for feature, (letter, _) in LETTERS.items() if feature in lost) or IDENTICAL


def block(cells: Mapping[tuple[str, str], str]) -> str:
    """The generated part of the page, from the cells of all pairs."""
    lines = ["| from \\ to | " + " | ".join(TARGETS) + " |", "|---|" + ":-:|" * len(TARGETS)]
    for name in SOURCES:
        row = " | ".join(cells.get((name, to), "?") for to in TARGETS)
        lines.append(f"| [{name}]({name}.md) | {row} |")
    lines += ["", "| sign | what does not come back |", "|---|---|", f"| {IDENTICAL} | nothing: identical |"]
    lines += [f"| {letter} | {text} |" for letter, text in LETTERS.values()]
    lines += ["", "## Where boxes move", "", "| outlines | to | at most | why |", "|---|---|---|---|"]
    names = {"rle": "masks"}
    for (flavour, to), (pixels, why) in BOXES_DIFFER.items():
        lines.append(f"| {names.get(flavour, flavour)} | {to} | {pixels:g} pixel | {why} |")
    lines += ["", "## What a format adds", "", "| to | what | why |", "|---|---|---|"]
    for to, things in ADDED.items():
        lines += [f"| {to} | {_plain(thing)} | {why} |" for thing, why in things.items() if to in TARGETS]
    lines += ["", "## Losses that are said although nothing is lost", "", "| to | loss | why |", "|---|---|---|"]
    lines += [f"| {to or 'any'} | {words.replace('|', '')} | {why} |" for (to, words), why in SAID_ANYWAY.items()]
    faults = {key: why for key, why in SILENT.items() if key[0] in SOURCES and key[1] in TARGETS}
    if faults:
        lines += [
            "",
            "## Known faults: losses that are not said",
            "",
            "| from | to | what | why |",
            "|---|---|---|---|",
        ]
        lines += [f"| {name} | {to} | {what} | {why} |" for (name, to, what), why in faults.items()]
    return "\n".join(lines)


def _plain(thing: str) -> str:
    kind, _, name = thing.rpartition(" ")
    return f"{kind} `{name}`" if kind else thing.replace("_", " ")


def cells_of(page: str) -> dict[tuple[str, str], str]:
    """The cells that stand on the page."""
    rows = [line.strip("| \n").split(" | ") for line in page.splitlines() if line.startswith("| ")]
    header = next((row[1:] for row in rows if row[0].startswith("from ")), [])
    found: dict[tuple[str, str], str] = {}
    for first, *signs in rows:
        if first.startswith("[") and len(signs) == len(header):
            found |= {(first[1:].partition("]")[0], to): sign for to, sign in zip(header, signs, strict=True)}
    return found
