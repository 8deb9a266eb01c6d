"""Whether an input is there, the refusal where it is not, and what lies there under nearly the same name."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

from detkit.errors import InputError

__all__ = ["is_file", "missing_path", "unreadable"]

#: Names of a folder that a mistyped one is compared with at most: a folder of a million images is no list to read.
_MOST_NAMES = 5000
#: How alike two names are, their suffixes apart: one slip in three letters is near, `train` and `val` are not.
_LIKENESS = 0.66


def is_file(given: object) -> bool:
    """Whether a text that may also be a list or an expression is the name of a file; a long one is no possible name.

    Parameters
    ----------
    given : object

    Returns
    -------
    bool
    """
    try:
        return isinstance(given, str | Path) and Path(given).is_file()
    except (OSError, ValueError):
        return False


def missing_path(path: str | Path, what: str = "file or folder", *, hint: str | None = None) -> InputError:
    """The error for an input that is not there; it names what is there under nearly the same name.

    Parameters
    ----------
    path : path-like
    what : str
        What was expected there.
    hint : str, optional
        Where nothing of a similar name is found.

    Returns
    -------
    InputError
    """
    near = _near(Path(path))
    return InputError(f"no such {what}", path=path, hint=hint if near is None else f"did you mean `{near}`?")


def unreadable(path: str | Path, error: OSError) -> InputError:
    """The error for an input that the file system does not give.

    Parameters
    ----------
    path : path-like
    error : OSError

    Returns
    -------
    InputError
    """
    if isinstance(error, FileNotFoundError):
        return missing_path(path, "file")
    return InputError(f"cannot be read: {error.strerror or error}", path=path)


def _near(path: Path) -> Path | None:
    """The path with every part that is not there replaced by the most alike that is; None where none is alike."""
    found = Path(path.anchor)
    for part in path.parts[1:] if path.anchor else path.parts:
        try:
            name = part if (found / part).exists() else _most_alike(part, found)
        except (OSError, ValueError):
            return None
        if name is None:
            return None
        found /= name
    return None if found == path else found


def _most_alike(name: str, folder: Path) -> str | None:
    """The name in a folder most like this one, by its stem; of equally alike ones that with the likest suffix."""
    from difflib import SequenceMatcher

    with os.scandir(folder) as entries:
        others = sorted(entry.name for entry in islice(entries, _MOST_NAMES))
    stem, suffix = os.path.splitext(name.lower())  # noqa: PTH122 - a name, not a path
    matcher = SequenceMatcher(None, b=stem)
    best, found = (_LIKENESS, -1.0), None
    for other in others:
        its_stem, its_suffix = os.path.splitext(other.lower())  # noqa: PTH122
        matcher.set_seq1(its_stem)
        if other == name or matcher.quick_ratio() < best[0]:
            continue
        rank = (matcher.ratio(), SequenceMatcher(None, its_suffix, suffix).ratio())
        if rank > best:
            best, found = rank, other
    return found
