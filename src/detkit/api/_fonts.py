"""Fonts for labels: the one Pillow brings, and others of the system where it lacks a character."""

from __future__ import annotations

import threading
import unicodedata
from pathlib import Path
from typing import Any

from detkit.errors import InputError

__all__ = ["Fonts"]

#: Looked for by name where the fonts of the system are, in this order: first wide ones, then those of one script.
_FALLBACKS = (
    *("DejaVuSans.ttf", "NotoSans-Regular.ttf", "Arial Unicode.ttf", "arialuni.ttf", "segoeui.ttf"),
    *("NotoSansCJK-Regular.ttc", "NotoSansCJKsc-Regular.otf", "wqy-microhei.ttc", "wqy-zenhei.ttc", "msyh.ttc"),
    *("PingFang.ttc", "Hiragino Sans GB.ttc", "msgothic.ttc", "malgun.ttf", "NotoSansArabic-Regular.ttf"),
    *("NotoSansHebrew-Regular.ttf", "NotoSansDevanagari-Regular.ttf", "NotoSansThai-Regular.ttf", "tahoma.ttf"),
)
#: A code point that no font has: what is drawn for it is drawn for every character that is missing.
_NOBODY = "\U0010ffff"


class Fonts:
    """Finds a font that has all characters of a text; safe to call from many threads.

    Parameters
    ----------
    path : path-like, optional
        A font file that is tried first.

    Raises
    ------
    InputError
        It is no font.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self._first = None if path is None else str(path)
        self._loaded: dict[tuple[str, int], Any] = {}
        self._has: dict[tuple[str, str], bool] = {}
        self._lock = threading.Lock()
        if path is not None and self._font(str(path), 12) is None:
            raise InputError("not a font that can be read, expected a TrueType or OpenType file", path=path)

    def of(self, text: str, size: int) -> Any:
        """A font with all characters of the text, or None."""
        with self._lock:
            for name in (*(() if self._first is None else (self._first,)), "", *_FALLBACKS):
                font = self._font(name, size)
                if font is not None and all(self._holds(name, font, c) for c in text):
                    return font
        return None

    def _font(self, name: str, size: int) -> Any:
        from PIL import ImageFont

        if (name, size) not in self._loaded:
            try:
                font: Any = ImageFont.truetype(name, size) if name else ImageFont.load_default(size)
            except (OSError, ValueError):
                font = None
            self._loaded[name, size] = font
        return self._loaded[name, size]

    def _holds(self, name: str, font: Any, character: str) -> bool:
        key = name, character
        if key not in self._has:
            # Spaces, joiners and combining marks leave no mark of their own.
            blank = unicodedata.category(character) in ("Zs", "Cf", "Mn", "Me")
            self._has[key] = blank or _drawn(font, character) != _drawn(font, _NOBODY)
        return self._has[key]


def _drawn(font: Any, character: str) -> tuple[Any, bytes]:
    mask = font.getmask(character)
    return mask.size, bytes(mask)
