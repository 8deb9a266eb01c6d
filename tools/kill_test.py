"""Kill commands at random moments, and look at what they leave.

    python tools/kill_test.py --kills 50 --seed 0 --command convert --command predict

Each command runs once undisturbed; then again and again on a fresh target, and its process group gets SIGKILL after a
random share of the time it took. Half of the kills meet a target of an earlier run and `--overwrite`. After each kill:

- under the final name stands nothing, the earlier output, or the whole new one, byte for byte;
- every byte and time of change of the source is what it was;
- what else was left bears a temporary name (`.NAME.*.tmp`, `.NAME.*.old`) or is the part folder that `predict` goes
  on from;
- the same command then gives the bytes of the undisturbed run, or says what to do and gives them when told so
  (`--resume`, `--overwrite`), without a traceback, and what the killed run left is gone.

Commands are forked from this process and not started by an interpreter of their own, so that more kills fall into their
work.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
TEMPORARY = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{8}-\d+-[0-9a-f]{8}\.(tmp|old)")
LEFT = "left.txt"


@dataclass(frozen=True)
class Command:
    """A command with names of sources and `{out}` in its words, what it writes, and the sources it reads."""

    words: str
    outputs: tuple[str, ...]
    needs: tuple[str, ...]


COMMANDS = {
    "convert": Command("convert {bccd} {out}/yolo --to yolo --place-images copy", ("yolo",), ("bccd",)),
    "predict": Command("predict {model} {coco51}/images -o {out}/pred.json --batch 1", ("pred.json",), ("coco51",)),
    "augment": Command("augment {demo}/coco/instances_train.json {out}/more --to coco --images {demo}/images/train "
                       "-n 2 --seed 3", ("more",), ("demo",)),
    "split": Command("split {bccd} {out}/parts --seed 1", ("parts",), ("bccd",)),
    "tile": Command("tile {coco51}/instances.json {out}/tiles --size 320 --images {coco51}/images", ("tiles",),
                    ("coco51",)),
    "check --fix": Command("check {bccd} --fix -o {out}/fixed", ("fixed",), ("bccd",)),
    "eval -o": Command("eval {coco14_100}/instances.json {coco14_100}/bbox_results.json --format json "
                       "-o {out}/result.json --matches {out}/matches.csv", ("result.json", "matches.csv"),
                       ("coco14_100",)),
    "merge": Command("merge {bccd} {coco51}/instances.json {out}/merged --to coco", ("merged",), ("bccd", "coco51")),
    "dedupe": Command("dedupe {coco51}/instances.json --images {coco51}/images -o {out}/clean", ("clean",),
                      ("coco51",)),
    "filter": Command("filter {bccd} {out}/large --where w>40", ("large",), ("bccd",)),
    "remap": Command("remap {bccd} {out}/cells --map RBC=cell,WBC=cell", ("cells",), ("bccd",)),
    "sample": Command("sample {bccd} {out}/few -n 60 --seed 1", ("few",), ("bccd",)),
    "crops": Command("crops {coco51}/instances.json -o {out}/crops --images {coco51}/images", ("crops",), ("coco51",)),
    "draw": Command("draw {coco51}/instances.json -o {out}/look --images {coco51}/images", ("look",), ("coco51",)),
    "report": Command("report {coco14_100}/instances.json {coco14_100}/bbox_results.json -o {out}/report.html",
                      ("report.html",), ("coco14_100",)),
    "compare -o": Command("compare {coco14_100}/instances.json {coco14_100}/bbox_results.json "
                          "{coco14_100}/bbox_results.json --format json -o {out}/compare.json", ("compare.json",),
                          ("coco14_100",)),
    "nms": Command("nms {coco14_100}/bbox_results.json -o {out}/kept.json", ("kept.json",), ("coco14_100",)),
    "ensemble": Command("ensemble {coco14_100}/bbox_results.json {coco14_100}/bbox_results.json -o {out}/both.json "
                        "--truth {coco14_100}/instances.json", ("both.json",), ("coco14_100",)),
    "targets": Command("targets {bccd} -o {out}/targets.npz --image-size 416 --anchors "
                       "10,13,16,30,33,23,30,61,62,45,59,119", ("targets.npz",), ("bccd",)),
    "anchors -o": Command("anchors {bccd} -k 6 --image-size 416 --format json -o {out}/anchors.json", ("anchors.json",),
                          ("bccd",)),
    "ci init": Command("ci init {result} --dir {out}", (".github/workflows/detkit.yml", ".detkit/rules.toml",
                                                        ".detkit/baseline.json"), ()),
}  # fmt: skip


@dataclass
class Row:
    """What the kills of one command showed."""

    name: str
    kills: int = 0
    late: int = 0
    whole: int = 0
    half: int = 0
    changed: int = 0
    leftovers: int = 0
    strange: int = 0
    told: int = 0
    kept: int = 0
    faults: list[str] = field(default_factory=list)


def digest(path: Path) -> str | None:
    """Names and bytes of everything below a path (links by where they point); None where nothing is there."""
    if not os.path.lexists(path):
        return None
    total = hashlib.sha256()
    places = [path] if not path.is_dir() or path.is_symlink() else sorted(path.rglob("*"))
    for place in places:
        total.update(os.fsencode(place.relative_to(path)) + b"\0")
        if place.is_symlink():
            total.update(b"link" + os.fsencode(place.readlink()))
        elif place.is_file():
            total.update(place.read_bytes())
    return total.hexdigest()


def state(folders: Sequence[Path]) -> str:
    """Digest of sources: names, bytes and times of change."""
    total = hashlib.sha256()
    for folder in folders:
        for place in sorted(folder.rglob("*")):
            total.update(f"{place} {place.lstat().st_mtime_ns} {place.lstat().st_size}\n".encode())
        total.update((digest(folder) or "").encode())
    return total.hexdigest()


def start(words: Sequence[str], folder: Path) -> int:
    """The command in a process group of its own; its number."""
    child = os.fork()
    if child:
        return child
    os.setsid()
    log = os.open(folder / LEFT, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for number in (1, 2):
        os.dup2(log, number)
    from detkit.cli import main

    sys.argv = ["detkit", *words]
    code = 4
    try:
        main()
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def finished(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class Trial:
    """One command, killed again and again."""

    def __init__(self, name: str, home: Path) -> None:
        self.row = Row(name)
        self.command = COMMANDS[name]
        self.home = home
        self.sources = {
            "demo": ROOT / "fixtures" / "demo", "bccd": DATA / "bccd", "coco51": DATA / "coco51",
            "coco14_100": DATA / "coco14_100",
        }  # fmt: skip
        self.sources = {key: self._copied(path) for key, path in self.sources.items() if key in self.command.needs}
        self.before = state(list(self.sources.values()))
        self.out = home / "out"
        self.result = home / "result.json"
        if "{result}" in self.command.words:
            self._make_result()

    def _make_result(self) -> None:
        demo = ROOT / "fixtures" / "demo"
        truth, predictions = demo / "coco" / "instances_val.json", demo / "predictions" / "coco.json"
        words = ["eval", str(truth), str(predictions), "--format", "json", "-o", str(self.result)]
        finished(start(words, self.home))

    def _copied(self, path: Path) -> Path:
        place = self.home / path.name
        shutil.copytree(path, place)
        return place

    def words(self, *more: str) -> list[str]:
        """The command line, its places filled in."""
        places = {**self.sources, "out": self.out, "result": self.result,
                  "model": ROOT / "fixtures" / "demo" / "model" / "shapes.onnx"}  # fmt: skip
        return [*self.command.words.format(**places).split(), *more]

    def outputs(self) -> list[str | None]:
        """Digests of what stands under the final names."""
        return [digest(self.out / name) for name in self.command.outputs]

    def leftovers(self) -> list[str]:
        """Names beside the outputs."""
        expected = {Path(name).parts[0] for name in self.command.outputs}
        return [place.name for place in self.out.iterdir() if place.name not in expected]

    def fresh(self) -> None:
        """An empty folder for the outputs."""
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.mkdir()

    def run(self, *more: str) -> int:
        """The command to its end; its exit code."""
        return finished(start(self.words(*more), self.home))

    def said(self) -> str:
        """What the last command printed."""
        return (self.home / LEFT).read_text(encoding="utf-8", errors="replace")

    def undisturbed(self) -> None:
        """Learn what the command writes, and how long it takes."""
        self.fresh()
        if self.run() not in (0, 1):
            raise SystemExit(f"{self.row.name}: the undisturbed run failed:\n{self.said()}")
        self.fresh()
        started = time.perf_counter()
        self.run()
        self.seconds = time.perf_counter() - started
        self.whole = self.outputs()

    def kill(self, chooser: random.Random) -> None:
        """One kill, and everything that has to hold after it."""
        self.fresh()
        again = chooser.random() < 0.5
        if again:
            self.run()
        more = ("--overwrite",) if again else ()
        child = start(self.words(*more), self.home)
        time.sleep(chooser.uniform(0, 1.05) * self.seconds)
        try:
            os.killpg(child, signal.SIGKILL)
        except ProcessLookupError:
            self.row.late += 1
        finished(child)
        self.row.kills += 1
        found = self.outputs()
        self.row.whole += found == self.whole
        self._expect(all(f in (None, w) for f, w in zip(found, self.whole, strict=True)), "half", "half a file")
        self._expect(state(list(self.sources.values())) == self.before, "changed", "a source changed")
        left = self.leftovers()
        self.row.leftovers += bool(left)
        strange = [p for p in left if TEMPORARY.fullmatch(p) is None and ".part" not in p]
        self._expect(not strange, "strange", f"left behind: {strange}")
        self._again(more)

    def _again(self, more: tuple[str, ...]) -> None:
        """The same command, then what it says to do."""
        code = self.run(*more)
        for flag in ("--resume", "--overwrite"):
            if code == 2 and flag in self.said() and flag not in more:
                self.row.told += 1
                code = self.run(*more, flag)
        said = self.said()
        fine = code in (0, 1) and "Traceback" not in said and self.outputs() == self.whole
        self._expect(fine, "strange", f"the next run: exit {code}, {said[-500:]}")
        left = self.leftovers()
        self._expect(not left, "kept", f"still there after the next run: {left}, which said {said[-300:]!r}")

    def _expect(self, holds: bool, count: str, what: str) -> None:
        if not holds:
            setattr(self.row, count, getattr(self.row, count) + 1)
            self.row.faults.append(f"kill {self.row.kills}: {what}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50, help="for each command")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--command", action="append", choices=list(COMMANDS), dest="commands")
    given = parser.parse_args()
    if not DATA.is_dir():
        raise SystemExit(f"real data is not here: {DATA} is absent")
    rows = []
    for name in given.commands or list(COMMANDS):
        with tempfile.TemporaryDirectory(prefix="detkit-kill-") as home:
            trial = Trial(name, Path(home))
            trial.undisturbed()
            chooser = random.Random(f"{given.seed}:{name}")
            for _ in range(given.kills):
                trial.kill(chooser)
        rows.append(trial.row)
        show(trial.row, trial.seconds)
    return int(any(row.faults for row in rows))


def show(row: Row, seconds: float) -> None:
    sys.stdout.write(
        f"{row.name:12} {seconds:5.1f} s, {row.kills:3} kills ({row.late} too late), {row.whole:3} whole outputs, "
        f"{row.half} half files, {row.changed} changed sources, {row.leftovers:3} left something, {row.told:3} said "
        f"what to do, {row.kept} left after the next run, {len(row.faults)} faults\n"
    )
    for fault in row.faults[:5]:
        sys.stdout.write(f"  {fault}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
