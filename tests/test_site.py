"""The documentation site: every page stands in its navigation, and nothing in it needs the network."""

from __future__ import annotations

import importlib.util
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def check_site() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_site", ROOT / "tools" / "check_site.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["check_site"] = module
    spec.loader.exec_module(module)
    return module


def listed(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    for part in nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ():
        yield from listed(part)


def test_every_page_stands_in_the_navigation_once() -> None:
    pages = sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))
    assert sorted(listed(PROJECT["nav"])) == pages, "add the page to `nav` in zensical.toml"


def test_no_link_leaves_the_documentation() -> None:
    """GitHub would follow one, the site cannot."""
    leaving = []
    for page in DOCS.rglob("*.md"):
        text = re.sub(r"^```.*?^```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        for target in re.findall(r"\]\(([^)\s#]+)", text):
            if ":" not in target and not (page.parent / target).resolve().is_relative_to(DOCS):
                leaving.append(f"{page.relative_to(ROOT)}: {target}")
    assert leaving == []


def test_every_page_has_one_title() -> None:
    for page in DOCS.rglob("*.md"):
        text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1, page


def test_fonts_are_the_systems() -> None:
    assert PROJECT["theme"]["font"] is False
    assert "site_url" not in PROJECT  # the site works in any folder


def test_what_the_site_is_built_with_is_pinned() -> None:
    lines = (ROOT / "requirements-docs.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("#") and "==" not in line] == []


def test_faults_of_a_built_site_are_found(check_site: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "index.html").write_text(
        '<a href="sub/page.html#there">a</a> <a href="sub/page.html#gone">b</a> <a href="gone.html">c</a>'
        '<img src="https://x.y/z.png"> <a href="https://x.y/">fine</a> <link rel="stylesheet" href="//x.y/s.css">'
        '<link rel="canonical" href="https://x.y/"> <img src="sub/">'
    )
    (tmp_path / "sub" / "page.html").write_text(
        '<h2 id="there">t</h2> <a href="../index.html">up</a> <a href="#top">x</a>'
    )
    assert check_site.faults(tmp_path) == [
        "index.html: loads https://x.y/z.png",
        "index.html: loads //x.y/s.css",
        "index.html: no such place: sub/page.html#gone",
        "index.html: no such place: gone.html",
        "index.html: no such place: sub/",
        "sub/page.html: no such place: #top",
    ]
