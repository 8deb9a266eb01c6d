"""What a reader, a writer or a check noticed: findings, and what a conversion lost.

A finding never stops the program by itself. A reader that meets an unusable row leaves it out, adds a finding
with code `DK102`, and goes on; whether that is an error is for the caller to say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["CODES", "Finding", "Loss", "RoughFinding", "is_rest", "summarize"]

Severity = Literal["error", "warning", "info"]

#: code -> (severity, short name). DK1xx structure, DK2xx geometry, DK3xx classes, DK4xx images,
#: DK5xx duplicates, DK6xx readiness for training, DK7xx truth against predictions.
CODES: dict[str, tuple[Severity, str]] = {
    "DK101": ("error", "unreadable-file"),
    "DK102": ("error", "invalid-row"),
    "DK103": ("warning", "duplicate-id"),
    "DK104": ("error", "dangling-image"),
    "DK105": ("error", "dangling-category"),
    "DK106": ("warning", "value-coerced"),
    "DK107": ("info", "layout-assumed"),
    "DK108": ("warning", "split-mismatch"),
    "DK109": ("warning", "field-ignored"),
    "DK110": ("info", "fallback-used"),
    "DK111": ("warning", "file-name-twice"),
    "DK112": ("info", "no-images-found"),
    "DK113": ("warning", "keypoint-count"),
    "DK201": ("error", "non-positive-size"),
    "DK202": ("error", "wholly-outside"),
    "DK203": ("warning", "partly-outside"),
    "DK204": ("info", "one-pixel"),
    "DK205": ("warning", "area-missing"),
    "DK206": ("warning", "box-from-shape"),
    "DK207": ("info", "tiny-box"),
    "DK208": ("info", "whole-image"),
    "DK209": ("warning", "odd-aspect"),
    "DK210": ("error", "looks-normalised"),
    "DK211": ("error", "looks-like-xyxy"),
    "DK212": ("warning", "counts-from-zero"),
    "DK213": ("warning", "box-outline-mismatch"),
    "DK214": ("warning", "area-mismatch"),
    "DK215": ("error", "broken-outline"),
    "DK216": ("warning", "outline-outside"),
    "DK217": ("warning", "keypoint-outside"),
    "DK301": ("error", "class-out-of-range"),
    "DK302": ("warning", "class-count-mismatch"),
    "DK303": ("info", "class-names-assumed"),
    "DK304": ("warning", "class-name-case"),
    "DK305": ("warning", "class-name-twins"),
    "DK306": ("info", "class-unused"),
    "DK307": ("info", "class-imbalance"),
    "DK308": ("warning", "background-class"),
    "DK309": ("warning", "class-name-blanks"),
    "DK401": ("warning", "image-missing"),
    "DK402": ("warning", "size-mismatch"),
    "DK403": ("warning", "size-unknown"),
    "DK404": ("error", "image-unreadable"),
    "DK405": ("warning", "exif-turned"),
    "DK406": ("warning", "unusual-mode"),
    "DK407": ("info", "mixed-modes"),
    "DK408": ("info", "huge-image"),
    "DK409": ("error", "small-image"),
    "DK410": ("warning", "wrong-suffix"),
    "DK411": ("error", "image-broken"),
    "DK412": ("warning", "image-cut-short"),
    "DK501": ("warning", "duplicate-row"),
    "DK502": ("warning", "image-listed-twice"),
    "DK503": ("warning", "near-duplicate-box"),
    "DK504": ("warning", "two-classes-one-box"),
    "DK505": ("warning", "same-image-twice"),
    "DK506": ("error", "leak"),
    "DK507": ("warning", "name-in-two-splits"),
    "DK601": ("warning", "split-missing"),
    "DK602": ("error", "no-labels"),
    "DK603": ("info", "many-negatives"),
    "DK604": ("info", "few-images"),
    "DK605": ("warning", "class-absent-from-split"),
    "DK606": ("warning", "mixed-rows"),
    "DK607": ("warning", "stale-cache"),
    "DK608": ("error", "shared-label-file"),
    "DK701": ("warning", "prediction-outside-truth"),
    "DK702": ("warning", "class-outside-truth"),
    "DK703": ("warning", "class-ids-shifted"),
    "DK704": ("info", "matched-by-name"),
    "DK705": ("info", "coverage"),
    "DK706": ("warning", "reference-differs"),
    "DK707": ("info", "ignored-truth"),
    "DK708": ("warning", "score-out-of-range"),
    "DK709": ("warning", "image-labels-unused"),
    "DK710": ("warning", "predictions-in-shares"),
    "DK711": ("warning", "predictions-look-like-xyxy"),
    "DK712": ("warning", "predictions-repeated"),
    "DK713": ("warning", "coverage-low"),
    "DK714": ("warning", "classes-permuted"),
    "DK715": ("warning", "images-permuted"),
    "DK720": ("warning", "suspect-overlooked"),
    "DK721": ("warning", "suspect-class"),
    "DK722": ("warning", "suspect-place"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing noticed, with its place.

    Parameters
    ----------
    code : str
        A key of `CODES`.
    message : str
        Lower case, what was found and what was expected.
    file : str, optional
        The file it stands in.
    line : int, optional
        1-based line of a text file.
    image : str or int, optional
        Image id or file name.
    annotation : str or int, optional
        Annotation id, or index of the record in its file.
    count : int, default 1
        How many places this finding stands for.
    fixable : bool, default False
        Whether a safe fix is known.
    """

    code: str
    message: str
    file: str | None = None
    line: int | None = None
    image: str | int | None = None
    annotation: str | int | None = None
    count: int = 1
    fixable: bool = False

    @classmethod
    def rest(cls, code: str, count: int, *, file: str | None = None, fixable: bool = False) -> Finding:
        """The finding that counts those of a code which are beyond a limit; see `is_rest`."""
        return cls(code, f"and {count} {_REST}", file=file, count=count, fixable=fixable)

    @property
    def severity(self) -> Severity:
        """`error`, `warning` or `info`, fixed by the code."""
        return CODES[self.code][0]

    @property
    def name(self) -> str:
        """Short name of the code, such as `invalid-row`."""
        return CODES[self.code][1]

    @property
    def where(self) -> str:
        """`file:line` or the image, as far as known."""
        if self.file is not None:
            return self.file if self.line is None else f"{self.file}:{self.line}"
        return "" if self.image is None else f"image {self.image}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, the shape of `findings` in every JSON output."""
        return {
            "code": self.code,
            "name": self.name,
            "severity": self.severity,
            "message": self.message,
            "file": self.file,
            "line": self.line,
            "image": self.image,
            "annotation": self.annotation,
            "count": self.count,
            "fixable": self.fixable,
        }


@dataclass(frozen=True, slots=True)
class RoughFinding(Finding):
    """A reader's finding that `detkit check` leaves out, because a check looks for the same, place by place.

    Parameters are those of `Finding`; elsewhere it is one like any other.
    """


_REST = "more of this kind, not listed"


def is_rest(row: Mapping[str, Any]) -> bool:
    """Whether a finding only counts those beyond a limit (`Finding.rest`).

    Parameters
    ----------
    row : mapping
        As `Finding.to_dict` gives it, also one read back from JSON: the text is all that tells it there.

    Returns
    -------
    bool
    """
    return row.get("message") == f"and {row.get('count')} {_REST}"


@dataclass(frozen=True, slots=True)
class Loss:
    """Something a conversion could not carry over, or changed on the way.

    Parameters
    ----------
    what : str
        The thing: `crowd annotations`, `category ids`, `rle masks`.
    action : str
        What happened to it: `dropped`, `clipped`, `renumbered`, `turned into boxes`.
    count : int
        How many.
    examples : tuple of str
        The first few places.
    """

    what: str
    action: str
    count: int
    examples: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"what": self.what, "action": self.action, "count": self.count, "examples": list(self.examples)}

    def __str__(self) -> str:
        tail = f" (e.g. {', '.join(self.examples)})" if self.examples else ""
        return f"{self.what}: {self.count} {self.action}{tail}"


def summarize(findings: Iterable[Finding]) -> dict[str, int]:
    """Count findings by code, each weighted by its `count`, codes in order.

    Parameters
    ----------
    findings : iterable of Finding

    Returns
    -------
    dict of str to int
    """
    total: Counter[str] = Counter()
    for finding in findings:
        total[finding.code] += finding.count
    return dict(sorted(total.items()))
