"""Lines, outlines, points and labels on an image, to be read on dark and on light ground."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from detkit.api._fonts import Fonts

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["COLOURS", "GREY", "GROUND", "OUTCOME_COLOURS", "TEXT", "Canvas", "Colour", "Style", "colour_of", "text_on"]

Colour = tuple[int, int, int]
Style = Literal["solid", "dashed", "dotted"]
#: Okabe and Ito 2008, Color universal design, without black; then tints and shades of them for more classes.
COLOURS: tuple[Colour, ...] = (
    *((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167)),
    *((255, 207, 112), (170, 221, 250), (122, 214, 187), (160, 150, 20), (110, 160, 220), (245, 160, 100)),
    *((235, 185, 212), (148, 100, 0), (30, 110, 150)),
)
GREY: Colour = (170, 170, 170)
#: Ground of what is no photo (strips of words, gaps of a sheet), and the words on it.
GROUND: Colour = (32, 32, 32)
TEXT: Colour = (235, 235, 235)
#: Far apart for every kind of colour vision, and in lightness.
OUTCOME_COLOURS: dict[str, Colour] = {
    "TP": (86, 180, 233),
    "FP": (213, 94, 0),
    "FN": (240, 228, 66),
    "ignored": GREY,
}
_DARK: Colour = (0, 0, 0)
_FILL = 80
#: An image holds at least so many lines of text, or no label; a label is at most so many times as wide as it is high.
_LABELS, _LETTERS = 3, 20
#: Characters of a name that are measured.
_LONGEST = 200


def colour_of(category: int) -> Colour:
    """Colour of a class by its position in the class list."""
    return COLOURS[category % len(COLOURS)]


def text_on(colour: Colour) -> Colour:
    """Black or white, whichever has the greater contrast on a colour (relative luminance of WCAG 2)."""
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (c / 255 for c in colour)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return _DARK if (luminance + 0.05) ** 2 > 0.05 * 1.05 else (255, 255, 255)


class Canvas:
    """An image that is drawn on.

    Parameters
    ----------
    image : PIL.Image.Image
        RGB; it is changed.
    fonts : Fonts
    line_width : int, optional
        By default by the size of the image.
    """

    def __init__(self, image: Image.Image, fonts: Fonts, line_width: int | None = None) -> None:
        from PIL import ImageDraw

        self.image = image
        self._fonts = fonts
        self._draw = ImageDraw.Draw(image, "RGBA")
        mean = sum(image.size) / 2
        self.line_width = line_width or max(2, round(mean * 0.003))
        self.text_size = max(11, min(64, round(mean * 0.022)))
        #: Left, top, right, bottom of the labels so far, with room for more.
        self._taken = np.empty((16, 4))
        self._labels = 0

    def line(self, points: NDArray[np.float64], colour: Colour, style: Style = "solid", *, closed: bool = True) -> None:
        """A line through points, on a dark line that is a little wider."""
        if len(points) < 2:
            return
        loop = np.concatenate([points, points[:1]]) if closed else points
        width = self.line_width
        pieces = [loop.tolist()] if style == "solid" else _dashes(loop, *self._rhythm(style))
        for edge, tone in ((2, (*_DARK, 160)), (0, (*colour, 255))):
            for piece in pieces:
                self._draw.line([tuple(p) for p in piece], fill=tone, width=width + edge, joint="curve")

    def _rhythm(self, style: Style) -> tuple[float, float]:
        unit = float(self.line_width)
        return (5 * unit, 3.5 * unit) if style == "dashed" else (1.5 * unit, 3 * unit)

    def fill(self, rings: Sequence[NDArray[np.float64]], colour: Colour) -> None:
        """Polygons, see-through."""
        for ring in rings:
            if len(ring) >= 3:
                self._draw.polygon([tuple(p) for p in ring.tolist()], fill=(*colour, _FILL))

    def mask(self, pixels: NDArray[np.uint8], colour: Colour) -> None:
        """A mask of the image's size, see-through with a firm rim."""
        from PIL import Image

        inside = pixels > 0
        core = inside.copy()
        core[1:] &= inside[:-1]
        core[:-1] &= inside[1:]
        core[:, 1:] &= inside[:, :-1]
        core[:, :-1] &= inside[:, 1:]
        alpha = np.where(core, _FILL, np.where(inside, 255, 0)).astype(np.uint8)
        self.image.paste(colour, (0, 0), Image.fromarray(alpha))

    def points(self, keypoints: NDArray[np.float64], edges: Sequence[tuple[int, int]], colour: Colour) -> None:
        """Labelled points and the edges between them; a point that is hidden in the picture is hollow.

        Parameters
        ----------
        keypoints : (P, 3) float64
            x, y, visibility.
        edges : sequence of (int, int)
            Positions of points.
        colour : Colour
        """
        labelled = keypoints[:, 2] != 0
        for a, b in edges:
            if max(a, b) < len(keypoints) and labelled[a] and labelled[b]:
                self.line(keypoints[[a, b], :2], colour, closed=False)
        radius = self.line_width * 1.3 + 1
        for x, y, visibility in keypoints[labelled].tolist():
            inner = (*colour, 255) if visibility != 1 else (255, 255, 255, 200)
            around = (x - radius, y - radius, x + radius, y + radius)
            self._draw.ellipse(around, fill=inner, outline=(*_DARK, 255) if visibility != 1 else (*colour, 255))

    def label(self, text: str, box: Sequence[float], colour: Colour) -> bool:
        """A text on its colour at a box (x, y, width, height), where no other label is; whether a font has it.

        A text that is wider than the image loses its middle; an image that labels would cover gets none.
        """
        text = "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in text)
        font = self._fonts.of(text, self.text_size)
        if font is None:
            return False
        if self.image.size[1] < _LABELS * self.text_size:
            return True
        pad = max(1, self.text_size // 6)
        text = self._fitted(text, font, min(self.image.size[0] - 2 * pad, _LETTERS * self.text_size))
        left, top, right, bottom = self._draw.textbbox((0, 0), text, font=font)
        width, height = right - left + 2 * pad, max(bottom - top, self.text_size * 0.8) + 2 * pad
        x, y = self._place(box, width, height)
        if self._labels == len(self._taken):
            self._taken = np.concatenate([self._taken, np.empty_like(self._taken)])
        self._taken[self._labels] = (x, y, x + width, y + height)
        self._labels += 1
        self._draw.rectangle((x, y, x + width - 1, y + height - 1), fill=(*colour, 235))
        self._draw.text((x + pad - left, y + pad - top), text, font=font, fill=(*text_on(colour), 255))
        return True

    def _fitted(self, text: str, font: Any, width: float) -> str:
        """The text, without its middle where it is wider: names differ at their ends more often."""
        if len(text) <= _LONGEST and self._draw.textlength(text, font=font) <= width:
            return text
        least, most = 0, min(len(text), _LONGEST)
        while least < most:
            kept = (least + most + 1) // 2
            fits = self._draw.textlength(_without_middle(text, kept), font=font) <= width
            least, most = (kept, most) if fits else (least, kept - 1)
        return _without_middle(text, least)

    def _place(self, box: Sequence[float], width: float, height: float) -> tuple[float, float]:
        """Above the box, in it, below it: where there is room and no label yet; else above it."""
        x, y, w, h = box
        most = (max(0.0, self.image.size[0] - width), max(0.0, self.image.size[1] - height))
        spots = [(x, y - height), (x, y), (x + w - width, y - height), (x, y + h), (x, y + h - height)]
        spots = [(min(max(0.0, a), most[0]), min(max(0.0, b), most[1])) for a, b in spots]
        left, top, right, bottom = self._taken[: self._labels].T
        for a, b in spots:
            if not ((a < right) & (a + width > left) & (b < bottom) & (b + height > top)).any():
                return a, b
        return spots[0]


def _without_middle(text: str, kept: int) -> str:
    """So many characters of both ends of the text."""
    return f"{text[: kept - kept // 2]}...{text[len(text) - kept // 2 :]}"


def _dashes(points: NDArray[np.float64], dash: float, gap: float) -> list[list[list[float]]]:
    """Pieces of a line; a dash goes round corners."""
    pieces: list[list[list[float]]] = []
    current: list[list[float]] = [points[0].tolist()]
    left, drawing = dash, True
    for a, b in zip(points[:-1].tolist(), points[1:].tolist(), strict=True):
        length = math.dist(a, b)
        at = 0.0
        while length - at > left:
            at += left
            spot = [a[n] + (b[n] - a[n]) * at / length for n in (0, 1)]
            if drawing:
                pieces.append([*current, spot])
            current, drawing = [spot], not drawing
            left = dash if drawing else gap
        left -= length - at
        if drawing:
            current.append(b)
    if drawing and len(current) > 1:
        pieces.append(current)
    return pieces
