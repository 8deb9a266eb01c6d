"""What a check found, as values: severities, counts, fingerprints, and what a baseline leaves of it."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from detkit import checks
from detkit._version import __version__
from detkit.config import load_json
from detkit.errors import InputError, UsageError
from detkit.findings import CODES, Finding, is_rest

__all__ = ["CheckResult", "CheckSettings", "only_new", "read_baseline"]

Level = Literal["error", "warning", "info"]


@dataclass(frozen=True)
class CheckSettings:
    """What is checked, and how bad it is.

    Parameters
    ----------
    select, ignore : tuple of str
        Beginnings of codes or short names; an empty `select` stands for all.
    severity : mapping of str to {"error", "warning", "info"}
        Code (or its beginning) -> severity in place of its own.
    limit : int, optional
        Findings listed of a code; the others are one finding with their count.
    decode : bool
        Decode the pixels of images, too.
    cache : bool
        Remember image headers between runs.
    jobs : int
        Threads.
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    severity: Mapping[str, Level] = field(default_factory=dict)
    limit: int | None = None
    decode: bool = False
    cache: bool = True
    jobs: int = 4


@dataclass(frozen=True)
class CheckResult:
    """What was found.

    Parameters
    ----------
    path, format : str
    images, boxes : int or None
        None where the source could not be read.
    findings : tuple of Finding
        By code.
    settings : CheckSettings
    known : int or None
        Findings left away because a baseline has them; None without a baseline.
    gone : int
        Findings of the baseline that are no longer there.
    """

    path: str
    format: str
    images: int | None
    boxes: int | None
    findings: tuple[Finding, ...]
    settings: CheckSettings = CheckSettings()
    known: int | None = None
    gone: int = 0

    @property
    def is_readable(self) -> bool:
        """Whether the source was read at all."""
        return self.images is not None

    def severity_of(self, finding: Finding) -> Level:
        """The severity of a finding under the settings: the longest fitting beginning of its code decides."""
        stated = self.settings.severity
        fitting = [start for start in stated if finding.code.startswith(start) or start == finding.name]
        return stated[max(fitting, key=len)] if fitting else CODES[finding.code][0]

    def counts(self) -> dict[str, int]:
        """Code -> how many places it was found in, codes in order."""
        total: Counter[str] = Counter()
        for finding in self.findings:
            total[finding.code] += finding.count
        return dict(sorted(total.items()))

    def totals(self) -> dict[str, int]:
        """Places by severity: `error`, `warning`, `info`."""
        total = dict.fromkeys(("error", "warning", "info"), 0)
        for finding in self.findings:
            total[self.severity_of(finding)] += finding.count
        return total

    def failed(self, *, strict: bool = False) -> bool:
        """Whether there is an error, or with `strict` a warning."""
        total = self.totals()
        return bool(total["error"] or (strict and total["warning"]))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, schema `detkit.check/1`."""
        baseline = None if self.known is None else {"known": self.known, "gone": self.gone}
        known, here = checks.codes(), Path.cwd()
        return {
            "schema": "detkit.check/1",
            "detkit": __version__,
            "source": {"path": self.path, "format": self.format},
            "images": self.images,
            "boxes": self.boxes,
            "totals": self.totals(),
            "counts": self.counts(),
            "fixable": sum(f.count for f in self.findings if f.fixable),
            "fixable_unsafe": sum(f.count for f in self.findings if known[f.code].fix == "unsafe"),
            "baseline": baseline,
            "findings": [self._row(finding, here) for finding in self.findings],
        }

    def _row(self, finding: Finding, here: Path) -> dict[str, Any]:
        plain = {**finding.to_dict(), "severity": self.severity_of(finding), "file": _shown(finding.file, here)}
        plain["image"], plain["annotation"] = _simple(finding.image), _simple(finding.annotation)
        return {**plain, "fingerprint": fingerprint(finding, self.path)}


def read_baseline(given: str | Path | Mapping[str, Any]) -> Counter[str]:
    """Fingerprints of an earlier result, each as often as it stands there.

    Parameters
    ----------
    given : path-like or mapping
        Schema `detkit.check/1`.

    Raises
    ------
    InputError
        No such result.
    UsageError
        It lists only a part of its findings.
    """
    content = given if isinstance(given, Mapping) else load_json(given)
    path = None if isinstance(given, Mapping) else given
    if not isinstance(content, Mapping) or content.get("schema") != "detkit.check/1":
        hint = "write one with `detkit check SRC --format json -o FILE`"
        raise InputError("is no result of `detkit check` (schema `detkit.check/1`)", path=path, hint=hint)
    rows: Sequence[Any] = content.get("findings") or ()
    if not all(isinstance(row, Mapping) and isinstance(row.get("fingerprint"), str) for row in rows):
        raise InputError("has a finding without `fingerprint`", path=path)
    if any(map(is_rest, rows)):
        hint = "write it again without `--max-per-code`"
        raise UsageError(f"{path or 'the baseline'}: lists only a part of its findings", hint=hint)
    return Counter(row["fingerprint"] for row in rows)


def only_new(result: CheckResult, known: Counter[str]) -> CheckResult:
    """The result without findings whose fingerprint is known, each as often as it is."""
    left = Counter(known)
    new: list[Finding] = []
    for finding in result.findings:
        key = fingerprint(finding, result.path)
        if left[key] > 0:
            left[key] -= 1
        else:
            new.append(finding)
    gone = sum(left.values())
    return replace(result, findings=tuple(new), known=sum(known.values()) - gone, gone=gone)


def fingerprint(finding: Finding, source: str) -> str:
    """What makes a finding the same one in another run: its code, file, image and text, not its line.

    Parameters
    ----------
    finding : Finding
    source : str
        Files are named relative to it, so that another checkout has the same fingerprints.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    here = os.getcwd()  # noqa: PTH109 - asked for each of many findings
    file = "" if finding.file is None else _relative(finding.file, source, here)
    message = finding.message.replace(_absolute(source, here), "").replace(source, "")
    parts = (finding.code, file, str(finding.image), message)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


@lru_cache(maxsize=64)
def _absolute(source: str, here: str) -> str:
    return os.path.normpath(os.path.join(here, source))  # noqa: PTH118


@lru_cache(maxsize=4096)
def _relative(file: str, source: str, here: str) -> str:
    root = _absolute(source, here)
    root = root if Path(root).is_dir() else str(Path(root).parent)
    return Path(os.path.relpath(_absolute(file, here), root)).as_posix()


@lru_cache(maxsize=4096)
def _shown(file: str | None, here: Path) -> str | None:
    """A file as seen from the working folder where it lies below it, as CI systems want it."""
    if file is None:
        return None
    path = Path(file)
    return path.relative_to(here).as_posix() if path.is_absolute() and here in path.parents else path.as_posix()


def _simple(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
