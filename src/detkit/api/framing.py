"""Frames of videos as image files, through PyAV."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from detkit import files
from detkit.api import _pixels
from detkit.errors import InputError, MissingExtraError, UsageError
from detkit.findings import Finding, Loss

__all__ = ["VIDEO_SUFFIXES", "FrameSettings", "Frames", "frames"]

VIDEO_SUFFIXES = frozenset([".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv"])
INDEX_NAME = "frames.csv"
_COLUMNS = ("image", "video", "frame", "seconds", "width", "height")


@dataclass(frozen=True)
class FrameSettings:
    """Which frames are saved; exactly one of the first three.

    Parameters
    ----------
    every : int, optional
        Every n-th frame, from the first one on.
    at : tuple of float, optional
        The frames shown at these seconds.
    fps : float, optional
        So many a second: the first frame at or after each step.
    limit : int, optional
        Most frames of a video.
    suffix : {".jpg", ".png"}
    quality : int
        Of JPEG files.
    """

    every: int | None = None
    at: tuple[float, ...] | None = None
    fps: float | None = None
    limit: int | None = None
    suffix: str = ".jpg"
    quality: int = 95

    def __post_init__(self) -> None:
        if sum(choice is not None for choice in (self.every, self.at, self.fps)) != 1:
            raise UsageError("frames: expected exactly one of every, at and fps")
        if self.every is not None and self.every < 1:
            raise UsageError(f"every: found {self.every}, expected 1 or more")
        if self.fps is not None and not 0 < self.fps < float("inf"):
            raise UsageError(f"fps: found {self.fps:g}, expected more than 0")
        if self.at is not None and not all(0 <= second < float("inf") for second in self.at):
            raise UsageError("at: expected seconds from 0 on")
        if self.suffix not in (".jpg", ".png"):
            raise UsageError(f"suffix: found `{self.suffix}`, expected .jpg or .png")


@dataclass(frozen=True)
class Frames:
    """What was saved.

    Parameters
    ----------
    target : str
    videos, images : int
    findings : tuple of Finding
    losses : tuple of Loss
        Seconds that no frame is shown at.
    """

    target: str
    videos: int
    images: int
    findings: tuple[Finding, ...] = ()
    losses: tuple[Loss, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values, schema `detkit.frames/1`."""
        return {
            "schema": "detkit.frames/1",
            "target": self.target,
            "videos": self.videos,
            "images": self.images,
            "findings": [f.to_dict() for f in self.findings],
            "losses": [loss.to_dict() for loss in self.losses],
        }


@dataclass(frozen=True)
class _Shown:
    """A frame, its number, and from when to when it is shown."""

    frame: Any
    number: int
    seconds: float
    until: float


def frames(
    source: str | Path,
    target: str | Path,
    settings: FrameSettings,
    *,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Frames:
    """Save frames of a video, or of all videos of a folder.

    Parameters
    ----------
    source : path-like
    target : path-like
        A folder: `video_000123.jpg` for frame 123 (the first is 0), below the sub-folder of the video, and
        `frames.csv` with file, video, frame and second of each. The names are those that `detkit predict` gives to
        the frames of a video.
    settings : FrameSettings
    overwrite : bool
    progress : callable, optional
        Told (done, all) videos.

    Returns
    -------
    Frames

    Raises
    ------
    InputError
        No video there, or one that cannot be read.
    MissingExtraError
        PyAV is not installed.
    OutputError
    """
    videos = _videos(Path(source))
    _av()
    rows: list[tuple[Any, ...]] = []
    losses: list[Loss] = []
    findings: list[Finding] = []
    with files.atomic_folder(target, overwrite=overwrite) as place:
        for done, (name, path) in enumerate(videos):
            stem = PurePosixPath(name).with_suffix("").as_posix()
            shown: set[float] = set()
            for found in _wanted(path, settings, shown, findings):
                image = _upright(found.frame)
                file = f"{stem}_{found.number:06d}{settings.suffix}"
                _pixels.save(image, place / file, quality=settings.quality)
                rows.append((file, name, found.number, f"{found.seconds:.6f}", *image.size))
            late = [f"{second:g} s of {name}" for second in settings.at or () if second not in shown]
            if late:
                losses.append(Loss("seconds", "no frame is shown then", len(late), tuple(late[:3])))
            if progress is not None:
                progress(done + 1, len(videos))
        with (place / INDEX_NAME).open("w", newline="", encoding="utf-8") as handle:
            csv.writer(handle, lineterminator="\n").writerows([_COLUMNS, *rows])
        _pixels.mark_folder(place, "frames")
    return Frames(str(target), len(videos), len(rows), tuple(findings), tuple(losses))


def _videos(source: Path) -> list[tuple[str, Path]]:
    """(relative name, path) of the videos of a folder, or of the one given."""
    if source.is_file():
        return [(source.name, source)]
    if not source.is_dir():
        raise files.missing_path(source)
    found = sorted(p for p in source.rglob("*") if p.suffix.lower() in VIDEO_SUFFIXES and p.is_file())
    if not found:
        raise InputError("no video in it", path=source, hint=f"known: {', '.join(sorted(VIDEO_SUFFIXES))}")
    names = [p.relative_to(source).as_posix() for p in found]
    stems = [PurePosixPath(name).with_suffix("") for name in names]
    twice = sorted({str(stem) for stem in stems if stems.count(stem) > 1})
    if twice:
        raise InputError(f"several videos are named `{twice[0]}`, and their frames would be named alike", path=source)
    return list(zip(names, found, strict=True))


def _wanted(path: Path, settings: FrameSettings, shown: set[float], findings: list[Finding]) -> Iterator[_Shown]:
    """The frames that are asked for; the seconds met are put into `shown`."""
    times = sorted(set(settings.at or ()))
    step = 0
    count = 0
    for found in _decoded(path, findings):
        if settings.every is not None:
            take = found.number % settings.every == 0
        elif settings.fps is not None:
            # A frame's time stamp is rounded by the container: a hair early is in time.
            take = found.seconds + 1e-6 >= step / settings.fps
            while take and step / settings.fps <= found.seconds + 1e-6:
                step += 1
        else:
            met = [t for t in times if t < found.until - 1e-6 and t not in shown]
            shown.update(met)
            take = bool(met)
        if take:
            yield found
            count += 1
        if count == settings.limit or (settings.at is not None and len(shown) == len(times)):
            return


def _decoded(path: Path, findings: list[Finding]) -> Iterator[_Shown]:
    """Frames in the order they are shown; a damaged end is a finding, a file without any frame an error."""
    av = _av()
    before: _Shown | None = None
    number = -1
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            rate = float(stream.average_rate or 0) or 25.0
            origin: float | None = None
            for number, frame in enumerate(container.decode(stream)):
                time = number / rate if frame.time is None else float(frame.time)
                origin = time if origin is None else origin
                seconds = max(time - origin, 0.0 if before is None else before.seconds)
                if before is not None:
                    yield _Shown(before.frame, before.number, before.seconds, seconds)
                before = _Shown(frame, number, seconds, seconds + 1 / rate)
    except (OSError, ValueError, IndexError, av.FFmpegError) as error:
        if number < 0:
            raise InputError(f"not a readable video: {error}", path=path) from error
        message = f"the video is damaged after frame {number}: {error}"
        findings.append(Finding("DK404", message, file=str(path)))
    if before is not None:
        yield before


def _upright(frame: Any) -> Any:
    """The frame as it is displayed."""
    image = frame.to_image()
    turn = int(getattr(frame, "rotation", 0) or 0) % 360
    return image.rotate(turn, expand=True) if turn else image


def _av() -> Any:
    try:
        import av
    except ImportError:
        raise MissingExtraError("av", "video") from None
    return av
