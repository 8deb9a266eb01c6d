"""How many instructions each kernel executes on fixed inputs: a guard against slower kernels on any busy machine.

    python benchmarks/instructions.py [--only NAME] [--update] [--tolerance 0.05]

Counted by valgrind's callgrind, for a generic processor, so that the figures are nearly the same on every machine with
the same architecture. Compared with `benchmarks/instructions.json`: exit 1 where a kernel executes more than its figure
there allows; `--update` writes new figures. Without valgrind nothing is measured: exit 0, and the text says so.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

BASELINE = Path(__file__).with_name("instructions.json")
WORKER = Path(__file__).with_name("runners") / "kernel_calls.py"
TOLERANCE = 0.05
#: The same hashes in every process.
_ENVIRONMENT = {"PYTHONHASHSEED": "0"}
#: callgrind writes what it has counted so far whenever this function of the C library is entered.
_MARK = "getppid"


def count(names: list[str]) -> dict[str, int]:
    """Instructions by kernel; of all kernels where none is named."""
    worker = [sys.executable, str(WORKER), *names]
    with tempfile.TemporaryDirectory() as folder:
        kept = str(Path(folder) / "kernels")
        environment = {**os.environ, **_ENVIRONMENT, "NUMBA_CACHE_DIR": kept, "DETKIT_CACHE_DIR": kept}
        called = _run(worker, environment).split()  # compiled here, where that is quick
        out = Path(folder) / "counts"
        _run(
            ["valgrind", "--tool=callgrind", f"--dump-before={_MARK}", f"--callgrind-out-file={out}", *worker],
            environment,
        )
        # Every second file holds what happened between the marks of a kernel.
        return {name: _total(out.with_name(f"counts.{2 * n + 2}")) for n, name in enumerate(called)}


def _run(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        sys.exit(f"error: {Path(command[0]).name} failed: {last}")
    return done.stdout


def _total(file: Path) -> int:
    found = re.search(r"^summary: (\d+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        sys.exit(f"error: {file.name} holds no summary")
    return int(found[1])


def report(counts: dict[str, int], baseline: dict[str, int], tolerance: float) -> tuple[list[str], list[str]]:
    """A line for each kernel, and the names of those that execute more than they should."""
    lines, worse = [f"{'kernel':<16}{'instructions':>14}{'baseline':>14}{'change':>9}"], []
    for name, found in counts.items():
        before = baseline.get(name)
        change = f"{found / before - 1:+.1%}" if before else "new"
        lines.append(f"{name:<16}{found:>14,}{before or 0:>14,}{change:>9}")
        if before and found > before * (1 + tolerance):
            worse.append(name)
    return lines, worse


def main() -> int:
    """Exit code: 0 within the tolerance or not measured, 1 a kernel executes more."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", help="this kernel; may be repeated")
    parser.add_argument("--update", action="store_true", help="write the baseline anew")
    parser.add_argument("--tolerance", type=float, default=TOLERANCE, help="share that is let pass (default 0.05)")
    given = parser.parse_args()
    if shutil.which("valgrind") is None:
        print("not measured: valgrind is not installed")
        return 0
    known = json.loads(BASELINE.read_text(encoding="utf-8")) if BASELINE.is_file() else {}
    if known.get("machine") not in (None, platform.machine()) and not given.update:
        print(f"not measured: the baseline is of {known['machine']}, this is {platform.machine()}")
        return 0
    counts = count(given.only or [])
    lines, worse = report(counts, known.get("instructions", {}), given.tolerance)
    print("\n".join(lines))
    if given.update:
        figures = {**known.get("instructions", {}), **counts}
        BASELINE.write_text(json.dumps({"machine": platform.machine(), "instructions": figures}, indent=2) + "\n")
        return 0
    for name in worse:
        print(f"error: {name} executes more than {given.tolerance:.0%} above its baseline", file=sys.stderr)
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
