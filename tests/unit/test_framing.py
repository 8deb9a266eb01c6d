"""Frames of videos: which ones, how they are named, and when they are shown."""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detkit.api.framing import FrameSettings, frames
from detkit.errors import InputError, MissingExtraError, UsageError

needs_av = pytest.mark.skipif(importlib.util.find_spec("av") is None, reason="PyAV is not installed (detkit[video])")


def video(path: Path, count: int = 50, rate: int = 10) -> Path:
    """Frame n is grey of 5 n."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for n in range(count):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 5 * n, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def table_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "frames.csv").open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


@needs_av
@pytest.mark.parametrize(
    ("settings", "numbers"),
    [
        (FrameSettings(every=20), [0, 20, 40]),
        (FrameSettings(every=1, limit=3), [0, 1, 2]),
        (FrameSettings(at=(1.5, 3, 1.54)), [15, 30]),
        (FrameSettings(fps=1), [0, 10, 20, 30, 40]),
        (FrameSettings(fps=4), [0, 3, 5, 8, 10, 13, 15, 18, 20, 23, 25, 28, 30, 33, 35, 38, 40, 43, 45, 48]),
        (FrameSettings(fps=1000), list(range(50))),
    ],
    ids=str,
)
def test_frames_asked_for(tmp_path, settings, numbers):
    told = frames(video(tmp_path / "a.mkv"), tmp_path / "out", settings)
    rows = table_of(tmp_path / "out")
    assert [int(row["frame"]) for row in rows] == numbers
    assert [float(row["seconds"]) for row in rows] == pytest.approx([n / 10 for n in numbers])
    assert told.images == len(numbers)
    for row, n in zip(rows, numbers, strict=True):
        assert row["image"] == f"a_{n:06d}.jpg"
        # Lossless but for the colours of the JPEG; five apart.
        assert np.asarray(Image.open(tmp_path / "out" / row["image"])).mean() == pytest.approx(5 * n, abs=2.4)


@needs_av
def test_folders_are_kept_and_late_seconds_told(tmp_path):
    video(tmp_path / "in" / "a.mkv", 10)
    video(tmp_path / "in" / "day" / "b.avi", 30)
    told = frames(tmp_path / "in", tmp_path / "out", FrameSettings(at=(0.5, 2.0), suffix=".png"))
    assert [row["image"] for row in table_of(tmp_path / "out")] == [
        "a_000005.png",
        "day/b_000005.png",
        "day/b_000020.png",
    ]
    assert [(loss.count, loss.examples) for loss in told.losses] == [(1, ("2 s of a.mkv",))]


@needs_av
def test_what_is_no_video_is_an_error_and_leaves_nothing(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"no video")
    with pytest.raises(InputError, match="not a readable video"):
        frames(tmp_path / "a.mp4", tmp_path / "out", FrameSettings(every=1))
    assert not (tmp_path / "out").exists()


def test_two_videos_of_one_name_are_refused(tmp_path):
    for name in ("a.mp4", "a.avi"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match="several videos are named `a`"):
        frames(tmp_path, tmp_path / "out", FrameSettings(every=1))


def test_without_av_one_clear_line(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "a.mp4").touch()
    with pytest.raises(MissingExtraError, match=r"this needs `av`") as error:
        frames(tmp_path / "a.mp4", tmp_path / "out", FrameSettings(every=1))
    assert error.value.hint == 'pip install "detkit[video]"'
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "wrong",
    [{}, {"every": 1, "fps": 2.0}, {"every": 0}, {"fps": 0.0}, {"at": (-1.0,)}, {"every": 1, "suffix": ".gif"}],
)
def test_settings_without_sense_are_refused(wrong):
    with pytest.raises(UsageError):
        FrameSettings(**wrong)


def test_no_video_there(tmp_path):
    with pytest.raises(InputError, match="no video in it"):
        frames(tmp_path, tmp_path / "out", FrameSettings(every=1))
    with pytest.raises(InputError, match="no such file"):
        frames(tmp_path / "gone.mp4", tmp_path / "out", FrameSettings(every=1))
