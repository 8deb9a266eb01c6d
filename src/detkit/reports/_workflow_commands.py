"""Lines of a log that a GitHub runner turns into annotations.

Source: docs.github.com, workflow commands; escapes as @actions/core `command.ts` has them.
"""

from __future__ import annotations

from detkit.wording import printable

__all__ = ["MOST", "command"]

#: A runner shows so many annotations of a kind for a step.
MOST = 10


def command(kind: str, title: str, message: str, *, file: str | None = None, line: int | None = None) -> str:
    """One annotation, such as `::error file=a.txt,line=3,title=T::M`.

    Parameters
    ----------
    kind : {"error", "warning", "notice"}
    title, message : str
    file : str, optional
    line : int, optional

    Returns
    -------
    str
    """
    held = {"file": file, "line": line, "title": title}
    properties = ",".join(f"{key}={_property(str(value))}" for key, value in held.items() if value is not None)
    return f"::{kind} {properties}::{_data(message)}"


def _data(text: str) -> str:
    return printable(text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A"))


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
