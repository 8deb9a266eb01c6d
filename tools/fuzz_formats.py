"""Damage the fixtures of every format, in their bytes and their structure, and read what is left.

    python tools/fuzz_formats.py --seconds 60 --seed 1 --format yolo
    python tools/fuzz_formats.py --seconds 9999 --cases 5000 --seed 1 --format yolo

Each case is a copy of a folder of `fixtures/formats` with one to four mutations: cut, flipped and swapped bytes, odd
numbers, values of the wrong type, deep nesting, other encodings, thousands of classes, names that leave the folder,
links that run in circles, pipes. It is read by its own reader as a dataset and as predictions, and now and then by
`detkit check`, `stats` and `convert` in the same process. Allowed are success and detkit's own errors: any other
exception, a case of more than ten seconds, a gigabyte more memory than at the start, a changed input, and a file
written outside the target are faults; so are an error that names no file, and a table with values that are not finite
or boxes without size that no finding tells of. Each is shown with the seed that brings it back: `--case yolo:1:17`.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import multiprocessing
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from _mutations import mutate, snapshot

ROOT = Path(__file__).resolve().parents[1]
FIXTURES = ROOT / "fixtures" / "formats"
CASE_SECONDS = 10
#: Addresses a case may add: threads reserve far more than they use, so that this bounds the memory from above.
MORE_BYTES = 1 << 30
#: Formats whose targets `convert` tries: one of one file, and each layout that writes names taken from the input.
TARGETS = ("coco", "yolo", "voc", "labelme", "cvat", "createml", "supervisely", "openimages", "kitti", "dota")


class TooSlowError(BaseException):
    """A case took too long; no handler of `Exception` may swallow it."""


@dataclass
class Tally:
    """What became of the cases of one format."""

    cases: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    faults: dict[str, str] = field(default_factory=dict)
    slowest: tuple[float, str] = (0.0, "")


def formats() -> list[str]:
    """Names of the formats with fixtures."""
    return sorted(p.name for p in FIXTURES.iterdir() if p.is_dir())


def run_case(name: str, seed: int, number: int, tally: Tally) -> None:
    """One damaged copy, read in every way it is read; faults are kept by their kind."""
    label = f"{name}:{seed}:{number}"
    chooser = random.Random(label)
    with tempfile.TemporaryDirectory(prefix="detkit-fuzz-") as home:
        # Deep enough for names such as `../../../x` to stay in sight.
        scratch = Path(home, "a", "b", "c", "d")
        source, target = scratch / "in", scratch / "out"
        try:
            case = chooser.choice(sorted(p for p in (FIXTURES / name).iterdir() if p.is_dir() and any(p.iterdir())))
            source.parent.mkdir(parents=True)
            mutate(case, source, chooser)
            before = snapshot(Path(home))
            started = time.perf_counter()
            for what, call in calls(name, source, target, chooser):
                problem = attempt(call)
                tally.calls[f"{what}: {problem[0] if problem[0] in ('ok', 'refused') else 'fault'}"] += 1
                if problem[0] not in ("ok", "refused"):
                    tally.faults.setdefault(f"{what}: {problem[0]}", f"{label}\n{problem[1]}")
            tally.slowest = max(tally.slowest, (time.perf_counter() - started, label))
            changed = {p for p in before.items() ^ snapshot(Path(home)).items() if not inside(p[0], target, home)}
            if changed:
                kind = f"changed outside the target: {sorted(c[0] for c in changed)[:4]}"
                tally.faults.setdefault(kind, label)
        finally:
            unlock(home)
    tally.cases += 1


def unlock(home: str) -> None:
    """Give folders their rights back, so that they can be removed."""
    for base, folders, _ in os.walk(home):
        for folder in folders:
            place = Path(base, folder)
            if not place.is_symlink():
                place.chmod(0o700)


def inside(name: str, target: Path, home: str) -> bool:
    prefix = os.path.relpath(target, home)
    # A single file may stand in for the source, and stems of written files follow the target's name.
    return name == prefix or name.startswith(prefix + os.sep) or name == f"{prefix}.json"


def calls(name: str, source: Path, target: Path, chooser: random.Random) -> Iterator[tuple[str, Any]]:
    """The calls of one case, each with its label."""
    from detkit import formats as room
    from detkit.formats import ReadOptions

    options = ReadOptions(read_sizes=True, jobs=2)
    places = [source]
    files = sorted(p for p in source.rglob("*") if p.is_file()) if source.is_dir() else []
    if files and chooser.random() < 0.5:
        places.append(chooser.choice(files))
    for place in places:
        if name in room.names("dataset"):
            yield "read", lambda place=place: judge(room.read_dataset(place, name, options))
        if name in room.names("detections"):
            yield "read detections", lambda place=place: judge(room.read_detections(place, name, options))
    kind = chooser.random()
    if kind < 0.15:
        yield "detect", lambda: (room.detect(source, "dataset"), room.detect(source, "detections"))
    elif kind < 0.30:
        yield "check", lambda: command("check", source, "--format", "json")
    elif kind < 0.38:
        yield "stats", lambda: command("stats", source)
    elif kind < 0.55:
        to = chooser.choice(TARGETS)
        yield f"convert to {to}", lambda: command("convert", source, target, "--from", name, "--to", to)


class SilentError(Exception):
    """A reader accepted what it should have left out or told of."""


def judge(table: Any) -> None:
    """Raise where a table holds what no reader may let pass in silence."""
    rows = getattr(table, "annotations", table)
    points = () if rows.shapes is None else (rows.shapes.points.values,)
    keypoints = () if rows.keypoints is None else (rows.keypoints.values,)
    for values in (rows.xywh, *points, *keypoints, getattr(rows, "score", ())):
        if not np.isfinite(values).all():
            raise SilentError("a value that is not finite")
    sizes = table.images.sizes
    if not (np.isnan(sizes) | (np.isfinite(sizes) & (sizes > 0))).all():
        raise SilentError(f"an image size that is none: {sizes.tolist()}")
    codes = {finding.code for finding in table.findings}
    if not (rows.xywh[:, 2:] > 0).all() and "DK201" not in codes:
        raise SilentError("boxes without width or height, and no finding")
    if any(f.severity == "error" and f.file is None for f in table.findings):
        raise SilentError(f"a finding without a file: {[f for f in table.findings if f.file is None][:3]}")


def command(*words: str | Path) -> None:
    """One command in this process; an error of detkit's own ends it in peace, a bug comes out."""
    from detkit.cli import _errors, main

    held = sys.argv, _errors._debug
    sys.argv, _errors._debug = ["detkit", "--quiet", *map(str, words)], True
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            main()
    except SystemExit as leaving:
        if leaving.code not in (0, 1, 2, 3):
            raise RuntimeError(f"exit code {leaving.code}") from None
    finally:
        sys.argv, _errors._debug = held


def attempt(call: Any) -> tuple[str, str]:
    """`ok`, `refused`, or the kind of fault with where it came from."""
    from detkit.errors import DetkitError, InputError

    signal.setitimer(signal.ITIMER_REAL, CASE_SECONDS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            call()
    except DetkitError as error:
        lines = str(error)
        if isinstance(error, InputError) and "detkit-fuzz-" not in lines:
            return f"an error that names no file at {place_of(error)}", lines[:500]
        return ("refused", "") if lines.strip() else ("an empty message", "")
    except TooSlowError as error:
        return f"slow at {place_of(error)}", traceback.format_exc(limit=-12)
    except SilentError as error:
        return f"accepted: {str(error)[:60]}", ""
    except MemoryError as error:
        # The frames hold what filled the memory.
        traceback.clear_frames(error.__traceback__)
        return f"MemoryError at {place_of(error)}", ""
    except (Exception, SystemExit) as error:
        return f"{type(error).__name__} at {place_of(error)}", traceback.format_exc(limit=-12)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return "ok", ""


def place_of(error: BaseException) -> str:
    """The last line of detkit's own that the error came through."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f"{os.sep}detkit{os.sep}" in f.filename]
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "outside"


def _too_slow(*_: object) -> None:
    raise TooSlowError


def work(name: str, seed: int, first: int, seconds: float, cases: int, sender: Any) -> None:
    """Cases of one format until the time or the count is used up; what happened goes through the pipe."""
    signal.signal(signal.SIGALRM, _too_slow)
    warm_up(name)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MORE_BYTES, resource.RLIM_INFINITY))
    tally, end = Tally(), time.monotonic() + seconds
    for number in range(first, first + cases):
        if time.monotonic() > end:
            break
        sender.send(number)
        run_case(name, seed, number, tally)
    sender.send(tally)


def warm_up(name: str) -> None:
    """Load what the commands and the format's reader load, so that the time and the memory of a case are its own."""
    from detkit import formats as room

    for case in (p for p in (FIXTURES / name).iterdir() if p.is_dir()):
        for read in (room.read_dataset, room.read_detections):
            with contextlib.suppress(Exception):
                read(case, name, room.ReadOptions(jobs=2))
    with tempfile.TemporaryDirectory() as folder:
        for words in (("check", FIXTURES / "yolo" / "flat"), ("stats", FIXTURES / "voc" / "polygon")):
            with contextlib.suppress(BaseException):
                command(*words)
        for to in ("coco", "voc"):
            with contextlib.suppress(BaseException):
                command("convert", FIXTURES / "coco" / "polygons", Path(folder, to), "--to", to)


def fuzz(name: str, seed: int, seconds: float, cases: int = 1 << 60, first: int = 0) -> Tally:
    """Cases in a process of its own, which is killed when it hangs where no alarm reaches it."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=work, args=(name, seed, first, seconds, cases, sender))
    child.start()
    sender.close()
    number, heard = first, time.monotonic()
    patience = 60 + 3 * CASE_SECONDS
    try:
        while time.monotonic() - heard < patience:
            if not receiver.poll(1):
                continue
            heard = time.monotonic()
            message = receiver.recv()
            if isinstance(message, Tally):
                return message
            number = message
        fault = "hung in native code"
    except EOFError:
        child.join()
        fault = f"the process ended with {child.exitcode}"
    finally:
        child.kill()
        child.join()
    return Tally(number - first + 1, Counter(), {fault: f"{name}:{seed}:{number}"})


def show(name: str, tally: Tally) -> None:
    outcomes: Counter[str] = Counter()
    for what, count in tally.calls.items():
        outcomes[what.rsplit(": ", 1)[1]] += count
    seconds, case = tally.slowest
    sys.stdout.write(
        f"{name:12} {tally.cases:6} cases {outcomes.total():7} calls {outcomes['ok']:6} read "
        f"{outcomes['refused']:6} refused {len(tally.faults):3} kinds of fault, slowest {seconds:.1f} s ({case})\n"
    )
    for kind, where in tally.faults.items():
        sys.stdout.write(f"  {kind}\n    " + where.replace("\n", "\n    ") + "\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="for all formats together")
    parser.add_argument("--cases", type=int, default=1 << 60, help="of each format at the most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--format", action="append", choices=formats(), dest="formats")
    parser.add_argument("--case", help="one case again: format:seed:number")
    given = parser.parse_args()
    if given.case:
        name, seed, number = given.case.split(":")
        tally = fuzz(name, int(seed), 60, 1, int(number))
        show(name, tally)
        return int(bool(tally.faults))
    chosen = given.formats or formats()
    faults = 0
    for name in chosen:
        tally = fuzz(name, given.seed, given.seconds / len(chosen), given.cases)
        show(name, tally)
        faults += len(tally.faults)
    return int(bool(faults))


if __name__ == "__main__":
    raise SystemExit(main())
