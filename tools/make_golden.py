"""Write the expected outputs of the golden command line cases anew: `python tools/make_golden.py [CASE...]`.

A new case is a new folder `fixtures/cli/<case>` with the command line in `cmd`, and its files in `input/`. Look at the
difference before you commit it: it is what users will see.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from cli._golden import CASES, PARTS, cases, expected, perform


def main() -> int:
    known = cases()
    wanted = sys.argv[1:] or known
    unknown = [name for name in wanted if name not in known]
    if unknown:
        print(f"no such case: {', '.join(unknown)}", file=sys.stderr)
        return 2
    changed = 0
    for name in wanted:
        with tempfile.TemporaryDirectory(prefix="detkit-golden-") as scratch:
            found = perform(name, Path(scratch) / "run")
        before = expected(name)
        for part in PARTS:
            text, place = getattr(found, part), CASES / name / part
            if text or part in ("stdout", "code"):
                place.write_text(text, encoding="utf-8")
            else:
                place.unlink(missing_ok=True)
        if found != before:
            changed += 1
            print(f"{name}: {', '.join(p for p in PARTS if getattr(found, p) != getattr(before, p))}")
    print(f"{len(wanted)} cases, {changed} changed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
