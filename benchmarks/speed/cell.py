"""What a cell of the benchmark is: data, tools that do the same work on it, and how their results are compared."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

#: Metric names in the order of pycocotools' `stats`, by IoU type; boxes and masks have the same twelve.
_TWELVE = (
    *("AP", "AP50", "AP75", "APsmall", "APmedium", "APlarge"),
    *("AR1", "AR10", "AR100", "ARsmall", "ARmedium", "ARlarge"),
)
_TEN = ("AP", "AP50", "AP75", "APmedium", "APlarge", "AR", "AR50", "AR75", "ARmedium", "ARlarge")
METRICS = {"bbox": _TWELVE, "segm": _TWELVE, "keypoints": _TEN}


class Reading(NamedTuple):
    """What a tool printed: the numbers it found, and the seconds it took within its process where it says so."""

    values: list[float]
    inside: float | None = None


@dataclass(frozen=True)
class Data:
    """Files of a cell: a folder of the shared data, or what a generator writes.

    Parameters
    ----------
    files : mapping
        Name of a place in commands -> path in the folder.
    shared : str
        Folder of the shared data; the cell is skipped where it is absent.
    images : int
        How many images to generate; `--scale` makes them fewer or more.
    realistic : tuple of str
        Arguments of the generator that lies in the shared data; without it, `synthetic` is generated instead.
    synthetic : tuple of str
        Arguments of `benchmarks/synthetic.py`.
    """

    files: Mapping[str, str] = field(default_factory=lambda: {"truth": "gt.json", "predictions": "dt.json"})
    shared: str = ""
    images: int = 0
    realistic: tuple[str, ...] = ()
    synthetic: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tool:
    """One way to do the work of a cell.

    Parameters
    ----------
    name : str
        As it stands in the report.
    packages : tuple of str
        Distributions it needs, as pinned in `peers.txt`, the tool itself first; `("detkit",)` for our own environment.
    command : tuple of str
        `{python}` and `{scripts}` are of the tool's environment, `{runners}` the folder of runner scripts, `{out}` an
        empty folder, which is also the working folder of the run; the other places are those of the cell's data.
    read : callable, optional
        From stdout to what was found.
    count : tuple of str, optional
        Command that says afterwards what was written; it is not measured, and `read` gets its stdout.
    accepts : tuple of int
        Exit codes that mean success: a checker that finds errors says so with its code.
    empty_cache : bool
        Each run gets a new, empty folder for compiled kernels.
    once : bool
        Runs in one counted round only, as a tool does whose warm-up takes long.
    """

    name: str
    packages: tuple[str, ...]
    command: tuple[str, ...]
    read: Callable[[str], Reading] | None = None
    count: tuple[str, ...] = ()
    accepts: tuple[int, ...] = (0,)
    empty_cache: bool = False
    once: bool = False

    @property
    def is_own(self) -> bool:
        """Whether it runs in detkit's environment."""
        return self.packages == ("detkit",)


@dataclass(frozen=True)
class Cell:
    """One table of the report; the first tool is the one that ratios are relative to.

    Parameters
    ----------
    name, title : str
    tools : tuple of Tool
    data : Data, optional
    reference : str, optional
        Tool whose result the others are compared with.
    result : str
        What the result is, in one word, for the head of its column.
    verdict : callable
        `(values, values of the reference or None)` to the words of that column.
    is_exact : bool
        The run fails where a result of detkit is not the reference's to the last bit.
    is_default : bool
        Measured without `--all` and `--only`.
    """

    name: str
    title: str
    tools: tuple[Tool, ...]
    data: Data | None = None
    reference: str | None = None
    result: str = "metrics"
    verdict: Callable[[Sequence[float], Sequence[float] | None], str] = field(default=lambda a, b: agreement(a, b))
    is_exact: bool = True
    is_default: bool = True


def same_bits(left: Sequence[float], right: Sequence[float]) -> bool:
    """Whether the numbers are equal to the last bit."""
    return [float(value).hex() for value in left] == [float(value).hex() for value in right]


def agreement(values: Sequence[float], reference: Sequence[float] | None) -> str:
    """Whether the numbers are the reference's, or by how much they differ."""
    if reference is None:
        return "not compared"
    if same_bits(values, reference):
        return "equal"
    if len(values) != len(reference):
        return f"{len(values)} numbers, not {len(reference)}"
    return f"differ by up to {max(abs(a - b) for a, b in zip(values, reference, strict=True)):.1e}"


def counted(noun: str) -> Callable[[Sequence[float], Sequence[float] | None], str]:
    """Verdict on `[count, digest]`: equal, or how many there are and how many the reference has."""

    def verdict(values: Sequence[float], reference: Sequence[float] | None) -> str:
        said = f"{values[0]:,.0f} {noun}"
        if reference is None:
            return said
        if same_bits(values, reference):
            return f"equal ({said})"
        return f"differ: {said}, {reference[0]:,.0f} in the reference"

    return verdict


def read_last(stdout: str) -> Reading:
    """The last line of a runner script: a JSON list, or an object with `values` and `inside` (seconds)."""
    found = json.loads(stdout.rstrip().splitlines()[-1])
    if isinstance(found, list):
        return Reading([float(value) for value in found])
    return Reading([float(value) for value in found["values"]], found.get("inside"))


def metrics_of(names: Sequence[str]) -> Callable[[str], Reading]:
    """Reader of these entries of `metrics` in JSON; undefined (null) is -1, as in pycocotools."""

    def read(stdout: str) -> Reading:
        found: dict[str, Any] = json.loads(stdout)["metrics"]
        return Reading([-1.0 if found[name] is None else float(found[name]) for name in names])

    return read


def runner(script: str, *words: str) -> tuple[str, ...]:
    """Command of a script in `benchmarks/runners`."""
    return ("{python}", "{runners}/" + script, *words)
