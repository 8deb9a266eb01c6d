"""What the reader of the format noticed: unreadable files, unusable rows, dangling references, assumptions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from detkit.checks._base import Code, Context
from detkit.checks._repeated import is_made_again
from detkit.evaluation.quirks import unheeded_ignores
from detkit.findings import Finding
from detkit.tables import Dataset

__all__ = ["CODES", "PASSED_ON", "run"]

#: Codes of other checks, of which the reader tells what they cannot: repeated classes and images, folders not there.
PASSED_ON = frozenset(("DK103", "DK401"))
_LOST = "Left out when the dataset is read, so a fixed copy is without it (and says so). Mend the source by hand."
_SAID = "A fixed copy states it plainly."

CODES = (
    Code("DK101", "A file cannot be read at all.", _LOST),
    Code("DK102", "A row is unusable: a field is missing, not a number, not finite, or too many or too few.", _LOST),
    Code("DK104", "A row names an image that its file does not list.", _LOST),
    Code("DK105", "A row names a class that its file does not list.", _LOST),
    Code("DK106", "A value is written oddly and was read all the same.", f"Other tools may refuse it. {_SAID}"),
    Code("DK107", "The layout of columns was told from the numbers.", "Read the message: is that what is meant?"),
    Code("DK108", "Split lists contradict each other.", "The message says which one was followed."),
    Code("DK109", "A field was read past.", "The rest of the row is used; a fixed copy does not have the field."),
    Code("DK110", "The second choice was taken: an image found by name and not by path, a folder guessed.",
         "Write paths that lead to the files."),
    Code("DK205", "`area` is not stated; width times height is taken.",
         f"With masks this moves size metrics. {_SAID}"),
    Code("DK206", "No box is stated; the bounds of the outline are taken.", _SAID),
    Code("DK301", "A class number has no class (Ultralytics: class < nc).",
         f"Training stops at it. {_LOST} Or the list of names is too short."),
    Code("DK302", "The number of class names is not the one stated, or boxes name classes the list lacks.",
         "Complete the list of names."),
    Code("DK303", "Class names are not stated beside the boxes.",
         "Write them down: numbers alone are easily mixed up."),
    Code("DK403", "The size of an image is unknown.", "Give the images with `--images`, or sizes in the labels."),
    Code("DK502", "An image is listed twice.", "It is read once; a fixed copy lists it once."),
)  # fmt: skip


def run(dataset: Dataset, context: Context) -> Iterator[Finding]:
    """The reader's findings, but for those a check makes more exactly."""
    own = {code.code for code in CODES} | PASSED_ON
    shown: defaultdict[str, int] = defaultdict(int)
    rest: defaultdict[str, int] = defaultdict(int)
    for finding in (*dataset.findings, *unheeded_ignores(dataset)):
        if is_made_again(finding) or finding.code not in own:
            continue
        shown[finding.code] += 1
        if context.limit is None or shown[finding.code] <= context.limit:
            yield finding
        else:
            rest[finding.code] += finding.count
    for code, count in rest.items():
        yield from context.rest(code, count)
