"""What the figures were measured on, and whether the machine was busy with other things meanwhile."""

from __future__ import annotations

import datetime
import os
import platform
import resource
from dataclasses import dataclass
from pathlib import Path


def cores() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe() -> dict[str, str]:
    """Processor, memory, system, Python and date, in words."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": f"{_processor()}, {cores()} cores",
        "memory": f"{memory:.0f} GiB",
        "system": f"{_system()}, {platform.machine()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown processor"


def _system() -> str:
    try:
        return f"{platform.freedesktop_os_release()['PRETTY_NAME']} (kernel {platform.release()})"
    except (OSError, KeyError):
        return f"{platform.system()} {platform.release()}"


@dataclass(frozen=True)
class Clock:
    """Processor seconds so far: of the whole machine, and of this process with its children; and the wall clock."""

    machine: float
    own: float
    wall: float


def clock() -> Clock | None:
    """The counters now, None where the system does not tell the machine's."""
    try:
        fields = Path("/proc/stat").read_text(encoding="utf-8").split("\n", 1)[0].split()[1:9]
        uptime = float(Path("/proc/uptime").read_text(encoding="utf-8").split()[0])
    except OSError:
        return None
    user, nice, system, _, _, irq, softirq, steal = (int(value) for value in fields)
    own = sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )
    return Clock((user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK"), own, uptime)


def others_share(before: Clock | None, after: Clock | None) -> float | None:
    """Share of the machine's processor time that other processes used between two readings, 0 to 1."""
    if before is None or after is None or after.wall <= before.wall:
        return None
    others = (after.machine - before.machine) - (after.own - before.own)
    return min(1.0, max(0.0, others / ((after.wall - before.wall) * (os.cpu_count() or 1))))
