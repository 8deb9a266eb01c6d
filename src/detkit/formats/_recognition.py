"""Which format a path is in, told from its content by asking every format."""

from __future__ import annotations

from pathlib import Path

from detkit.errors import InputError
from detkit.formats._archive import broken_start, existing, opened
from detkit.formats._base import Kind, Probe
from detkit.formats._members import module, names

__all__ = ["detect", "fits"]


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
        Missing or unreadable path, no format or several; the message says what each one lacked.
    """
    path = existing(path)
    with opened(path) as place:
        probes = {name: _probe(name, place, kind) for name in names(kind)}
    found = [name for name, probe in probes.items() if probe.matches]
    if len(found) == 1:
        return found[0]
    what = "labelled dataset" if kind == "dataset" else "predictions"
    flag = "--from (or --truth-format)" if kind == "dataset" else "--from (or --predictions-format)"
    reasons = "\n".join(f"  {name}: {probe.why}" for name, probe in probes.items())
    if found:
        raise InputError(
            f"several formats fit as {what}: {', '.join(found)}\n{reasons}", path=path, hint=f"name one with {flag}"
        )
    broken = broken_start(path)
    if broken is not None:
        raise InputError(broken, path=path)
    content = "labels" if kind == "dataset" else "predictions"
    hint = f"point at the file or folder that holds the {content}, or name the format with {flag}"
    raise InputError(f"not recognised as {what} of any known format\n{reasons}", path=path, hint=hint)


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


def _probe(name: str, place: Path, kind: Kind) -> Probe:
    """What a format says of a path; what it cannot even look into is not its own."""
    try:
        probe: Probe = module(name).detect(place, kind)
    except InputError as error:
        return Probe(False, str(error).splitlines()[0])
    except OSError as error:
        return Probe(False, f"{error.filename or place}: cannot be read: {error.strerror or error}")
    return probe
