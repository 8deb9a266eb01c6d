"""One image of a scene at a time, drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from detkit.api import _pixels
from detkit.api._canvas import GROUND, OUTCOME_COLOURS, TEXT, Canvas
from detkit.api._fonts import Fonts
from detkit.api._marks import Mark, paint, predictions_of, truths_of
from detkit.api._scene import DrawSettings, Scene

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Artist", "with_strip"]


class Artist:
    """Draws one image of a scene at a time; safe to call from many threads."""

    def __init__(self, scene: Scene, settings: DrawSettings, fonts: Fonts) -> None:
        self.scene, self.settings, self.fonts = scene, settings, fonts
        self.missing: set[str] = set()

    def picture(self, image: int, room: tuple[int, int] | None = None) -> Image.Image:
        """The drawn image; made to fit a room where one is given, up to four times as large."""
        from PIL import Image

        scene, settings = self.scene, self.settings
        photo = _pixels.rgb(_pixels.displayed(str(scene.truth.images.paths[image])))
        size = photo.size
        if room is None and settings.max_side is not None:
            room = (min(max(size), settings.max_side),) * 2
        if room is not None:
            ratio = min(room[0] / size[0], room[1] / size[1], 4.0)
            smaller = (max(1, round(size[0] * ratio)), max(1, round(size[1] * ratio)))
            photo = photo.resize(smaller, Image.Resampling.LANCZOS)
        units = (1.0, 1.0) if scene.truth.units == "normalised" else size
        scale = (photo.size[0] / units[0], photo.size[1] / units[1])
        truths = truths_of(scene.truth, image, scene.outcomes, alone=settings.beside)
        if scene.detections is None:
            return self._panel(photo, truths, scale)
        style: Literal["solid", "dashed"] = "dashed" if truths and not settings.beside else "solid"
        found = predictions_of(scene.detections, image, scene.outcomes, style)
        if not settings.beside:
            return with_strip(self._panel(photo, [*truths, *found], scale), self._legend(image), self.fonts)
        left, right = self._panel(photo.copy(), truths, scale), self._panel(photo, found, scale)
        gap = max(4, photo.size[0] // 150)
        both = Image.new("RGB", (2 * left.size[0] + gap, left.size[1]), GROUND)
        both.paste(left, (0, 0))
        both.paste(right, (left.size[0] + gap, 0))
        return with_strip(both, self._legend(image), self.fonts)

    def _panel(self, photo: Image.Image, marks: list[Mark], scale: tuple[float, float]) -> Image.Image:
        canvas = Canvas(photo, self.fonts, self.settings.line_width)
        self.missing |= paint(canvas, marks, scale, self.settings.look)
        return photo

    def _legend(self, image: int) -> list[tuple[str, tuple[int, int, int]]]:
        """Words and their colours for the strip below."""
        scene = self.scene
        how = "truth left, predictions right" if self.settings.beside else "truth solid, predictions dashed"
        if scene.detections is None or scene.outcomes is None:
            return [(how, TEXT)] if len(scene.truth.annotations) else []
        mine = slice(int(scene.detections.offsets[image]), int(scene.detections.offsets[image + 1]))
        own = slice(int(scene.truth.offsets[image]), int(scene.truth.offsets[image + 1]))
        counts = {kind: int((scene.outcomes.predictions[mine] == kind).sum()) for kind in ("TP", "FP")}
        counts["FN"] = int((scene.outcomes.truths[own] == "FN").sum())
        return [*((f"{kind} {count}", OUTCOME_COLOURS[kind]) for kind, count in counts.items()), (how, TEXT)]


def with_strip(
    image: Image.Image, words: Sequence[tuple[str, tuple[int, int, int]]], fonts: Fonts, size: int | None = None
) -> Image.Image:
    """The image with a line of words below it; words that do not fit are left out."""
    from PIL import Image, ImageDraw

    if not words:
        return image
    size = size or max(11, min(40, round(min(image.size) * 0.035)))
    high = round(size * 1.7)
    out = Image.new("RGB", (image.size[0], image.size[1] + high), GROUND)
    out.paste(image, (0, 0))
    pen = ImageDraw.Draw(out)
    x = float(size // 2)
    for text, colour in words:
        font = fonts.of(text, size)
        shown = text if font is not None else text.encode("ascii", "replace").decode("ascii")
        font = font or fonts.of("", size)
        if x > size and x + pen.textlength(shown, font=font) > out.size[0]:
            break
        while shown and x + pen.textlength(shown, font=font) > out.size[0]:
            shown = shown[:-1]
        pen.text((x, image.size[1] + high / 2), shown, font=font, fill=colour, anchor="lm")
        x += pen.textlength(shown, font=font) + size
    return out
