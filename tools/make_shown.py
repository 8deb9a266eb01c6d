"""Write what commands print, and draw, into the pages that run as one session.

    python tools/make_shown.py [PAGE...]

Output that fits what the page shows stays as it is, `...` included. The rest is written in full: shorten it by hand
with a line `...`, and look at the difference before you commit it.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from doc_pages import ROOT, is_session, pictures, refilled


def main() -> int:
    pages = [Path(name).resolve() for name in sys.argv[1:]] or sorted((ROOT / "docs").rglob("*.md"))
    for page in pages:
        if not is_session(page):
            continue
        with tempfile.TemporaryDirectory() as place:
            folder = Path(shutil.copytree(ROOT / "fixtures" / "demo", Path(place).resolve() / "demo"))
            text = refilled(page, folder, print)
            for name, target in pictures(page):
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(folder / name, target)
        if text != page.read_text(encoding="utf-8"):
            page.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
