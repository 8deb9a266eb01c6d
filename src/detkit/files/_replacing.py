"""New content for a file where it is."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from detkit.files._leftovers import temporary_beside

__all__ = ["replace_content"]


def replace_content(path: str | Path, content: bytes) -> None:
    """New content in one step, on the disk before it shows, with the mode of the old file; a link stays a link.

    What killed processes left is not looked for, as `atomic_file` does: that lists the folder, for each of its files.

    Parameters
    ----------
    path : path-like
        Of a file that exists.
    content : bytes

    Raises
    ------
    OSError
        The file is as it was.
    """
    target = Path(os.path.realpath(path))
    temporary = temporary_beside(target)
    try:
        with temporary.open("wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        with contextlib.suppress(OSError):
            temporary.chmod(target.stat().st_mode & 0o7777)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
