"""Temporary names that say which process they belong to, and the removal of those that a killed process left."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
from functools import cache, partial
from pathlib import Path

__all__ = ["aside_of", "sweep", "temporary_beside"]


#: A temporary name, and in it the name of its target.
_TEMPORARY = re.compile(r"\.(.+)\.[0-9a-f]{8}-\d+-[0-9a-f]{8}\.tmp")


def temporary_beside(target: Path) -> Path:
    """A name beside a target that says which process it belongs to.

    Beside a temporary one, as a writer inside the block of another asks for, it is one more of the same target: the
    sweep of that target finds both.
    """
    within = _TEMPORARY.fullmatch(target.name)
    name = within[1] if within else target.name
    return target.with_name(f".{name[:80]}.{_machine()}-{os.getpid()}-{os.urandom(4).hex()}.tmp")


def aside_of(target: Path) -> Path:
    """A name for what stands at a target and is about to be replaced: `.old` is put back if the process is killed.

    What stands at a temporary name is nothing to go back to, and is `.tmp` itself.
    """
    beside = temporary_beside(target)
    return beside if _TEMPORARY.fullmatch(target.name) else beside.with_suffix(".old")


@cache
def _machine() -> str:
    """A word for this machine since it started, and for this container: where its process numbers mean something."""
    import socket

    said = [socket.gethostname()]
    for ask in (Path("/proc/sys/kernel/random/boot_id").read_text, partial(os.readlink, "/proc/self/ns/pid")):
        with contextlib.suppress(OSError):
            said.append(ask())
    return hashlib.blake2b("\n".join(said).encode(), digest_size=4).hexdigest()


def sweep(target: Path) -> None:
    """Remove what killed processes left beside a target; a folder they had set aside goes back to its place."""
    if os.name == "nt":  # no way to ask whether a process is alive without ending it
        return
    left = re.compile(re.escape(f".{target.name[:80]}.{_machine()}-") + r"(\d+)-[0-9a-f]{8}\.(tmp|old)")
    with contextlib.suppress(OSError):
        for name in os.listdir(target.parent):  # noqa: PTH208 - names alone are wanted, there may be many
            found = left.fullmatch(name)
            if found is None or _is_alive(int(found[1])):
                continue
            place = target.with_name(name)
            if found[2] == "old" and not target.exists():
                place.replace(target)
            elif place.is_dir():
                shutil.rmtree(place, ignore_errors=True)
            else:
                place.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
