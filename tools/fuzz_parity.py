"""Compare detkit with pycocotools on many random inputs: every intermediate, no tolerance.

    python tools/fuzz_parity.py --cases 2000 --seed 0

A failure is written as a folder that `load_case` of tests/parity/harness.py reads back: cut it down to a fixture.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

# Of ten cases seven are boxes, two masks, one keypoints.
KINDS = ("box", "box", "segm", "box", "box", "keypoint", "box", "segm", "box", "box")


def run(seeds: range) -> tuple[int, int, int, int, list[tuple[int, str, str]]]:
    """Cases, cases times parameter sets, comparisons, refusals and failures of these seeds."""
    import strategies
    from parity.harness import compare

    runs = comparisons = refused = 0
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            case = getattr(strategies, f"{KINDS[seed % len(KINDS)]}_case")(seed)
            for params in strategies.parameter_sets(case, seed):
                runs += 1
                try:
                    found = compare(case.gt, case.dt, params, Path(folder))
                except Exception as error:  # a crash is a failure like any other, and the run goes on
                    failures.append((seed, repr(params), f"{type(error).__name__}: {error}"))
                    continue
                comparisons += found.compared
                refused += found.refused
                if found.differences:
                    more = f" (and {len(found.differences) - 1} more)" if len(found.differences) > 1 else ""
                    failures.append((seed, repr(params), found.differences[0] + more))
    return len(seeds), runs, comparisons, refused, failures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=2000, help="number of random inputs")
    parser.add_argument("--seed", type=int, default=0, help="first seed; case n is seed + n")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--save", type=Path, help="folder for the inputs that failed")
    options = parser.parse_args()
    started = time.perf_counter()
    chunks = [
        range(start, min(start + 50, options.seed + options.cases))
        for start in range(options.seed, options.seed + options.cases, 50)
    ]
    totals, failures = [0, 0, 0, 0], []
    with ProcessPoolExecutor(options.jobs) as pool:
        for done, (*counts, found) in enumerate(pool.map(run, chunks), 1):
            totals = [a + b for a, b in zip(totals, counts, strict=True)]
            failures += found
            for seed, params, message in found:
                print(f"seed {seed}: {params}\n  {message}", flush=True)
            print(f"{done}/{len(chunks)}", end="\r", file=sys.stderr, flush=True)
    for seed in sorted({seed for seed, _, _ in failures}) if options.save else ():
        save(seed, options.save / str(seed))
    cases, runs, comparisons, refused = totals
    print(
        f"{cases} cases, {runs} runs (case x parameter set, {refused} with nothing to score), "
        f"{comparisons} comparisons, {len(failures)} failures in {time.perf_counter() - started:.0f} s"
    )
    return 1 if failures else 0


def save(seed: int, folder: Path) -> None:
    """The input of a seed as gt.json and dt.json."""
    import strategies

    case = getattr(strategies, f"{KINDS[seed % len(KINDS)]}_case")(seed)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "gt.json").write_text(json.dumps(case.gt, indent=1), encoding="utf-8")
    (folder / "dt.json").write_text(json.dumps(case.dt, indent=1), encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
