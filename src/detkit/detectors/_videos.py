"""Frames of videos, through PyAV."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detkit.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Video", "count_frames"]


def count_frames(path: str | Path) -> int:
    """Number of frames of a video, by its packets and without decoding.

    Raises
    ------
    InputError
        Not a video.
    MissingExtraError
        PyAV is not installed.
    """
    av = _av()
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            return sum(1 for packet in container.demux(stream) if packet.size)
    except (OSError, ValueError, IndexError, av.FFmpegError) as error:
        raise InputError(f"not a readable video: {error}", path=path) from error


class Video:
    """Frames of one video, cheap in rising order."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._container: Any = None
        self._frames: Iterator[Any] = iter(())
        self._next = 0

    def frame(self, number: int) -> Image.Image:
        """The frame of a number, as it is displayed."""
        if self._container is None or number < self._next:
            self._open()
        try:
            for found in self._frames:
                self._next += 1
                if self._next > number:
                    return _turned(found)
        except (OSError, ValueError, _av().FFmpegError) as error:
            self.close()
            raise InputError(f"frame {number} cannot be decoded: {error}", path=self._path) from error
        raise InputError(f"frame {number} is not there: the video ends after {self._next}", path=self._path)

    def _open(self) -> None:
        self.close()
        av = _av()
        try:
            self._container = av.open(self._path)
            stream = self._container.streams.video[0]
            stream.thread_type = "AUTO"
            self._frames = self._container.decode(stream)
        except (OSError, ValueError, IndexError, av.FFmpegError) as error:
            raise InputError(f"not a readable video: {error}", path=self._path) from error

    def close(self) -> None:
        """Let go of the file."""
        if self._container is not None:
            self._container.close()
        self._container, self._frames, self._next = None, iter(()), 0


def _turned(frame: Any) -> Image.Image:
    image: Image.Image = frame.to_image()
    turn = int(getattr(frame, "rotation", 0) or 0) % 360
    return image.rotate(turn, expand=True) if turn else image


def _av() -> Any:
    try:
        import av
    except ImportError:
        raise MissingExtraError("av", "video") from None
    return av
