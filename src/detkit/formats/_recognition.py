"""Which format a path is in, told from its content by asking every format."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeAlias, get_args

from detkit.errors import InputError, UnrecognisedError
from detkit.formats._archive import broken_start, existing, opened
from detkit.formats._base import Kind, Probe
from detkit.formats._json_bytes import head_of, plain_name
from detkit.formats._members import capabilities, module, names
from detkit.wording import plural

__all__ = ["detect", "fits", "recognise"]

#: Name of a format -> what it says of a path.
_Probes: TypeAlias = Mapping[str, Probe]
_KINDS: tuple[Kind, ...] = get_args(Kind)
_WHAT: Mapping[Kind, str] = {"dataset": "a labelled dataset", "detections": "predictions"}
_IS: Mapping[Kind, str] = {"dataset": "this is a labelled dataset", "detections": "these are predictions"}
_HINT: Mapping[Kind, str] = {
    "dataset": "point at the file or folder that holds the labels",
    "detections": "point at the file or folder that holds the predictions",
}
#: Most files are of this format: where it is sure, the code of the others is not even loaded.
_ASKED_FIRST = ("coco",)
#: Files of a folder that are looked at, by name, to say which formats it comes near to.
_MOST_FILES = 5000
_MOST_SUFFIXES = 3


def detect(path: str | Path, kind: Kind) -> str:
    """Name of the one format whose content this is.

    Parameters
    ----------
    path : path-like
        File or folder.
    kind : {"dataset", "detections"}

    Returns
    -------
    str

    Raises
    ------
    InputError
        Missing or unreadable path.
    UnrecognisedError
        No format or several; the message says what those lacked that come near, or that it is of the other kind.
    """
    path = existing(path)
    with opened(path) as place:
        probes = _probes(place, kind)
        found = _matching(probes)
        if len(found) == 1:
            return found[0]
        if found:
            raise _ambiguous(path, kind, probes)
        _refuse_broken(path)
        raise _of_the_other_kind(path, place, kind, probes) or _unknown(path, place, [kind], probes)


def recognise(path: str | Path) -> tuple[Kind, str]:
    """Whether a path is a dataset or predictions, and in which format: a dataset where it is recognised as one.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    kind : {"dataset", "detections"}
    name : str

    Raises
    ------
    InputError
        Missing or unreadable path.
    UnrecognisedError
        Neither, or several formats fit.
    """
    path = existing(path)
    with opened(path) as place:
        said: dict[Kind, _Probes] = {}
        for kind in _KINDS:
            said[kind] = _probes(place, kind)
            found = _matching(said[kind])
            if len(found) == 1:
                return kind, found[0]
        for kind, probes in said.items():
            if _matching(probes):
                raise _ambiguous(path, kind, probes)
        _refuse_broken(path)
        probes = {**said["detections"], **said["dataset"]}
        raise _unknown(path, place, _KINDS, dict(sorted(probes.items())))


def fits(path: str | Path, kind: Kind, name: str) -> bool:
    """Whether a path is recognised as this one format; the others are not asked.

    Parameters
    ----------
    path : path-like
    kind : {"dataset", "detections"}
    name : str

    Returns
    -------
    bool
    """
    with opened(existing(path)) as place:
        return _probe(name, place, kind).matches


def _probes(place: Path, kind: Kind) -> _Probes:
    """What the formats say, in order of their names; only the first one asked where it is sure."""
    first = {name: _probe(name, place, kind) for name in _ASKED_FIRST}
    if any(probe.is_sure for probe in first.values()):
        return first
    return {name: first.get(name) or _probe(name, place, kind) for name in names(kind)}


def _probe(name: str, place: Path, kind: Kind) -> Probe:
    """What a format says of a path; what it cannot even look into is not its own."""
    try:
        probe: Probe = module(name).detect(place, kind)
    except InputError as error:
        return Probe(False, str(error).splitlines()[0])
    except OSError as error:
        return Probe(False, f"{error.filename or place}: cannot be read: {error.strerror or error}")
    return probe


def _matching(probes: _Probes) -> list[str]:
    return [name for name, probe in probes.items() if probe.matches]


# --- saying why not


def _refuse_broken(path: Path) -> None:
    """Raise where the first bytes show why no format can be told."""
    broken = broken_start(path)
    if broken is not None:
        raise InputError(broken, path=path)


def _ambiguous(path: Path, kind: Kind, probes: _Probes) -> UnrecognisedError:
    found = _matching(probes)
    message = f"several formats fit as {_WHAT[kind]}: {', '.join(found)}"
    return UnrecognisedError("\n".join((message, *_reasons(probes, found))), path=path, kind=kind)


def _of_the_other_kind(path: Path, place: Path, kind: Kind, probes: _Probes) -> UnrecognisedError | None:
    """The error where predictions stand in the place of a dataset, or a dataset in theirs."""
    other = next(k for k in _KINDS if k != kind)
    found = _matching(_probes(place, other))
    if not found:
        return None
    message = f"not recognised as {_WHAT[kind]}: {_IS[other]} ({' or '.join(found)})"
    reasons = _reasons(probes, [name for name in found if name in probes])
    return UnrecognisedError("\n".join((message, *reasons)), path=path, kind=kind, hint=_HINT[kind])


def _unknown(path: Path, place: Path, kinds: Sequence[Kind], probes: _Probes) -> UnrecognisedError:
    """The error where nothing fits: what those formats lacked that are read from such files; the others are counted."""
    message = f"not recognised as {' or '.join(_WHAT[kind] for kind in kinds)}"
    suffixes = _suffixes(place)
    near = [name for name in probes if _is_read_from(name, suffixes)]
    if near:
        lines = [f"{message} of any known format", *_reasons(probes, near)]
        if len(near) < len(probes):
            lines.append(f"  and {plural(len(probes) - len(near), 'format')} read from other files")
        message = "\n".join(lines)
    elif suffixes:
        message += f": no format is read from {' or '.join(f'`{s}`' for s in suffixes[:_MOST_SUFFIXES])}"
    else:
        message += ": no files in it"
    return UnrecognisedError(message, path=path, kind=kinds[0], hint=_HINT[kinds[0]])


def _reasons(probes: _Probes, chosen: Iterable[str]) -> Iterator[str]:
    return (f"  {name}: {probes[name].why}" for name in chosen)


def _is_read_from(name: str, suffixes: list[str]) -> bool:
    known = capabilities(name).read_from
    return not known or not set(known).isdisjoint(suffixes)


def _suffixes(place: Path) -> list[str]:
    """Suffixes of the file, or of those in the folder, the most frequent first; JSON and XML are known by content."""
    if not place.is_dir():
        start = head_of(place, 64).lstrip(b"\xef\xbb\xbf \t\r\n")
        told = {b"{": ".json", b"[": ".json", b"<": ".xml"}.get(start[:1])
        return [told or Path(plain_name(place.name)).suffix.lower() or "suffixless"]
    inside = (name for _, _, inner in os.walk(place) for name in inner if not name.startswith("."))
    count = Counter(Path(plain_name(name)).suffix.lower() for name in islice(inside, _MOST_FILES))
    return [suffix for suffix, _ in count.most_common() if suffix]
