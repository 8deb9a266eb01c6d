"""Every error detkit raises on purpose.

    DetkitError
    ├── UsageError            the request is wrong: unknown name, option that does not fit, missing extra
    │   └── MissingExtraError an optional dependency is not installed
    ├── InputError            an input cannot be read or does not hold what is asked of it
    │   ├── InvalidRowsError  single rows of a readable file are unusable
    │   └── UnrecognisedError no format, or more than one, is told from the content
    ├── OutputError           an output cannot be written or exists already
    └── CannotJudgeError      everything was read, and no verdict can be given

Messages are lower case, say what was found and where, and what was expected; `hint` says what to do next.
Nothing in detkit below `cli/` prints or exits: it returns values or raises one of these.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

__all__ = [
    "CannotJudgeError",
    "DetkitError",
    "InputError",
    "InvalidRowsError",
    "MissingExtraError",
    "OutputError",
    "UnrecognisedError",
    "UsageError",
]


class DetkitError(Exception):
    """Base of every error detkit raises on purpose.

    Parameters
    ----------
    message : str
        What was found, where, and what was expected; lower case, no final full stop.
    hint : str, optional
        What the user can do about it.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\nhint: {self.hint}"


class UsageError(DetkitError):
    """The request is wrong: an unknown name, an option that does not fit, contradictory options."""


class MissingExtraError(UsageError):
    """An optional dependency is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"this needs `{package}`, which is not installed", hint=f'pip install "detkit[{extra}]"')


class InputError(DetkitError):
    """An input cannot be read, or does not hold what is asked of it.

    Parameters
    ----------
    message : str
        What was found and what was expected.
    path : path-like, optional
        The file or folder.
    place : str, optional
        Where in it: `line 12`, `byte 4096`, `annotations[3].bbox`.
    hint : str, optional
        What the user can do about it.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str | Path | None = None,
        place: str | None = None,
        hint: str | None = None,
    ) -> None:
        where = "" if path is None else f"{path}: " if place is None else f"{path}: {place}: "
        super().__init__(where + message, hint=hint)
        self.path = None if path is None else str(path)
        self.place = place


class InvalidRowsError(InputError):
    """Single rows of a readable file are unusable (field missing, not finite, wrong length).

    Parameters
    ----------
    places : sequence of str
        One line for each of the first unusable rows.
    count : int
        How many rows are unusable in all.
    path : path-like, optional
        The file or folder.
    """

    def __init__(self, places: Sequence[str], count: int, *, path: str | Path | None = None) -> None:
        noun = "row" if count == 1 else "rows"
        lines = [f"{count} unusable {noun}", *(f"  {place}" for place in places)]
        if count > len(places):
            lines.append(f"  and {count - len(places)} more")
        super().__init__("\n".join(lines), path=path, hint="mend them, or leave them out with `--drop-invalid`")
        self.count = count


class UnrecognisedError(InputError):
    """No format, or more than one, is told from the content of a path.

    Parameters
    ----------
    message : str
    path : path-like, optional
    place : str, optional
    hint : str, optional
        What helps beside naming the format.
    kind : {"dataset", "detections"}, optional
        What was expected.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str | Path | None = None,
        place: str | None = None,
        hint: str | None = None,
        kind: str | None = None,
    ) -> None:
        super().__init__(message, path=path, place=place, hint=hint)
        self.kind = kind
        self._other_hint = hint
        #: The path that is recognised as what was expected here: the two stand in each other's place.
        self.swapped_with: str | None = None
        self.name_format("name its format")

    def name_format(self, how: str | None) -> None:
        """Put into the hint how a format is named here, such as `name it with --from`; None where it cannot be."""
        self.hint = ", or ".join(filter(None, (self._other_hint, how))) or None


class OutputError(DetkitError):
    """An output cannot be written, or exists already and may not be replaced."""


class CannotJudgeError(DetkitError):
    """Everything was read, and still no verdict can be given (nothing to compare, undefined metric)."""
