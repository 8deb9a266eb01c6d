"""What every check file offers, and what it is given.

A check, or a small family of related ones, is one file of this room. It defines

- `CODES`: a `Code` for each finding it may make; severity and short name stand in `detkit.findings.CODES`;
- `run(dataset, context)`: yields a `Finding` for each fault, through `context.of_rows`, `of_images` or `of_dataset`,
  which know where things stand in the source and fold what goes beyond the limit into one finding with its count;
- `fix(dataset, context, code)`, where a code has a fix: the changed dataset and a `Loss` for all that was changed.

A fix is safe when it changes no label anyone could have meant: it cuts, renumbers, or takes away exact copies. A fix is
applied to the dataset as it stands, whatever findings were listed; applied twice it changes nothing the second time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from detkit.checks._geometry import Geometry
from detkit.checks._headers import Header, Headers
from detkit.checks._places import Places
from detkit.findings import CODES as NAMED
from detkit.findings import Finding, Loss
from detkit.tables import Dataset, freeze

if TYPE_CHECKING:
    from detkit.evaluation.analyses.suspects import Suspects

__all__ = ["Code", "Context", "Fixed", "Index", "box_text", "changed_rows", "dropped_rows"]

Fixed = tuple[Dataset, list[Loss]]
Index = NDArray[np.int64]


@dataclass(frozen=True)
class Code:
    """One kind of finding.

    Parameters
    ----------
    code : str
        A key of `detkit.findings.CODES`.
    summary : str
        What is found, one sentence.
    advice : str
        Why it matters and what to do.
    fix : {"safe", "unsafe"}, optional
        Whether the file can mend it.
    fix_text : str
        What the fix does.
    """

    code: str
    summary: str
    advice: str
    fix: Literal["safe", "unsafe"] | None = None
    fix_text: str = ""

    @property
    def severity(self) -> str:
        """`error`, `warning` or `info`."""
        return NAMED[self.code][0]

    @property
    def name(self) -> str:
        """Short name, `partly-outside`."""
        return NAMED[self.code][1]


@dataclass
class Context:
    """What checks know beside the dataset, computed once.

    Parameters
    ----------
    dataset : Dataset
    fixable : frozenset of str
        Codes that have a safe fix.
    limit : int, optional
        Findings a code lists; the rest becomes one finding with its count.
    jobs : int
        Threads that read image headers.
    decode : bool
        Whether pixels are decoded, too.
    one_split : bool
        Whether only a part of the dataset was read.
    suspects : Suspects, optional
        Suspicious labels by somebody's predictions.
    headers : Headers
        Reads image headers; kept over several contexts.
    known : dict
        What `once` has made.
    """

    dataset: Dataset
    fixable: frozenset[str] = frozenset()
    limit: int | None = None
    jobs: int = 4
    decode: bool = False
    one_split: bool = False
    suspects: Suspects | None = None
    headers: Headers = field(default_factory=Headers)
    known: dict[str, Any] = field(default_factory=dict, repr=False)

    def of(self, dataset: Dataset) -> Context:
        """The same for a changed dataset."""
        return self if dataset is self.dataset else replace(self, dataset=dataset, known={})

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """What `make` gives for this dataset, made once: a check and its fixes ask for the same."""
        if name not in self.known:
            self.known[name] = make()
        return self.known[name]

    @cached_property
    def geometry(self) -> Geometry:
        """Boxes against their images."""
        return Geometry(self.dataset)

    @cached_property
    def places(self) -> Places:
        """Where rows and images stand in the source."""
        return Places(self.dataset)

    @cached_property
    def image_headers(self) -> list[Header | None]:
        """The header of each image file; None where there is no file."""
        return self.headers.of(self.places.image_paths, jobs=self.jobs, decode=self.decode)

    def of_rows(self, code: str, rows: NDArray[Any], message: Callable[[int], str]) -> Iterator[Finding]:
        """A finding for each of these annotation rows.

        Parameters
        ----------
        code : str
        rows : (R,) int64 positions, or (N,) bool
        message : callable
            Row -> text.
        """
        rows = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        shown = rows if self.limit is None else rows[: self.limit]
        for row in shown.tolist():
            yield Finding(code, message(row), **self.places.of_row(row), fixable=code in self.fixable)
        yield from self.rest(code, len(rows) - len(shown))

    def of_images(self, code: str, positions: Sequence[int], message: Callable[[int], str]) -> Iterator[Finding]:
        """A finding for each of these images; parameters as `of_rows`."""
        shown = positions if self.limit is None else positions[: self.limit]
        for position in shown:
            yield Finding(code, message(position), **self.places.of_image(position), fixable=code in self.fixable)
        yield from self.rest(code, len(positions) - len(shown))

    def of_dataset(self, code: str, message: str, *, count: int = 1, file: str | None = None) -> Finding:
        """A finding about the dataset as a whole."""
        return Finding(code, message, file=file or self.places.source, count=count, fixable=code in self.fixable)

    def of_classes(self, code: str, messages: Sequence[str]) -> Iterator[Finding]:
        """A finding for each text about a class."""
        shown = messages if self.limit is None else messages[: self.limit]
        yield from (self.of_dataset(code, message) for message in shown)
        yield from self.rest(code, len(messages) - len(shown))

    def rest(self, code: str, count: int) -> Iterator[Finding]:
        """The finding that counts what is beyond the limit; none where nothing is."""
        if count > 0:
            yield Finding.rest(code, count, file=self.places.source, fixable=code in self.fixable)


def box_text(box: NDArray[np.float64]) -> str:
    """A box for a message: `[10, 20, 30.5, 40]`."""
    return "[" + ", ".join(f"{round(float(v), 4):g}" if abs(v) < 1e6 else f"{float(v):.6g}" for v in box) + "]"


def dropped_rows(dataset: Dataset, rows: NDArray[Any], what: str) -> Fixed:
    """The dataset without these rows, and the loss that says so."""
    rows = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
    if not len(rows):
        return dataset, []
    keep = np.ones(len(dataset.annotations), np.bool_)
    keep[rows] = False
    return dataset.take_rows(np.flatnonzero(keep)), [Loss(what, "dropped", len(rows), _examples(dataset, rows))]


def changed_rows(dataset: Dataset, rows: NDArray[Any], what: str, action: str, **columns: Any) -> Fixed:
    """The dataset with new columns, and the loss that names the changed rows with boxes before and after."""
    rows = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
    if not len(rows):
        return dataset, []
    frozen: dict[str, Any] = {
        name: freeze(value) if isinstance(value, np.ndarray) else value for name, value in columns.items()
    }
    changed = replace(dataset, annotations=replace(dataset.annotations, **frozen))
    return changed, [Loss(what, action, len(rows), _examples(dataset, rows, columns.get("xywh")))]


def _examples(dataset: Dataset, rows: Index, after: NDArray[np.float64] | None = None) -> tuple[str, ...]:
    texts = []
    for row in rows[:3].tolist():
        position = int(dataset.annotations.image_index[row])
        name = dataset.images.file_names[position] or f"image {dataset.images.ids[position]}"
        text = f"{name} {box_text(dataset.annotations.xywh[row])}"
        texts.append(text if after is None else f"{text} -> {box_text(after[row])}")
    return tuple(texts)
