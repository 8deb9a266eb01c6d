"""Look through the built site: `python tools/check_site.py [site]`.

Exits 1 when a link leads nowhere, or when a page loads anything from another machine.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parents[1]
#: What a page loads by itself: element -> attribute. A link that somebody has to click may lead outside.
LOADS = {"img": "src", "script": "src", "iframe": "src", "source": "src", "video": "src", "link": "href"}
#: `link` elements that nothing is loaded for.
QUIET = {"canonical", "alternate", "prev", "next", "edit"}


class Page(HTMLParser):
    """Links, loads and anchors of one page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect what the element links to, loads or names."""
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        quiet = set(values.get("rel", "").split()) & QUIET
        if tag in LOADS and LOADS[tag] in values and not quiet:
            self.loads.append(values[LOADS[tag]])


def faults(site: Path) -> list[str]:
    """Everything that is wrong with the pages of a site, page by page."""
    pages = {path.resolve(): Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    return [f"{path.relative_to(site.resolve())}: {text}" for path in pages for text in _of_page(path, pages, site)]


def _of_page(path: Path, pages: dict[Path, Page], site: Path) -> Iterator[str]:
    page = pages[path]
    for target in page.loads:
        if urlsplit(target).netloc:
            yield f"loads {target}"
    for target in [*page.links, *(t for t in page.loads if not urlsplit(t).netloc)]:
        parts = urlsplit(target)
        if parts.scheme or parts.netloc or not target:
            continue
        # The page for what is not found is served at any depth, so its links start at the top.
        base = site.resolve() if parts.path.startswith("/") else path.parent
        there = (base / unquote(parts.path).lstrip("/")).resolve() if parts.path else path
        known = pages.get(there)
        if not there.is_file() or (parts.fragment and known and unquote(parts.fragment) not in known.anchors):
            yield f"no such place: {target}"


def main() -> int:
    site = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "site"
    found = faults(site)
    print(*found, sep="\n", end="\n" if found else "")
    print(f"{len(list(site.rglob('*.html')))} pages, {len(found)} faults")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
