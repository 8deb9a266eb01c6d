"""From an image to the tensor a model wants, and from its boxes back to the image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from detkit.boxes import Resize, frames_of
from detkit.errors import UsageError

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["IMAGENET", "Frame", "Preparation", "changed", "prepare"]

#: Mean and standard deviation of ImageNet, on a scale of 0 to 1.
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclass(frozen=True)
class Preparation:
    """How an image becomes a tensor: value = (pixel / scale - mean) / std, colour by colour.

    Parameters
    ----------
    size : (width, height), optional
        Of the network input; None where the graph leaves it free and the caller must say.
    color : {"rgb", "bgr"}
        Order of the colours; mean and std follow it.
    scale : float
        255 or 1.
    mean, std : (3,) tuple of float
    resize : {"letterbox", "letterbox-topleft", "stretch"}
        Keep the aspect and pad both sides, keep it and pad right and below, or fill.
    pad : int
        Pixel value of the border, 0 to 255.
    nhwc : bool
        Colours last.
    dtype : {"float32", "float16", "uint8"}
    batched : bool
        Whether the input has a batch dimension.
    """

    size: tuple[int, int] | None = None
    color: Literal["rgb", "bgr"] = "rgb"
    scale: float = 255.0
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    resize: Resize = "letterbox"
    pad: int = 114
    nhwc: bool = False
    dtype: str = "float32"
    batched: bool = True

    @property
    def network_size(self) -> tuple[int, int]:
        """The size of the network input; a UsageError where nobody said it."""
        if self.size is None:
            raise UsageError("the model leaves its input size free", hint="say it with `--image-size 640`")
        return self.size

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for the run's record."""
        return dict(vars(self))


@dataclass(frozen=True)
class Frame:
    """How one image lies in the network input: network = image * scale + offset, for x and y.

    Parameters
    ----------
    image_size : (width, height)
        As displayed, in pixels.
    network_size : (width, height)
    scale : (x, y)
    offset : (x, y)
    """

    image_size: tuple[int, int]
    network_size: tuple[int, int]
    scale: tuple[float, float]
    offset: tuple[float, float]

    def to_image(self, xyxy: NDArray[Any], *, clip: bool = True) -> NDArray[np.float64]:
        """Network boxes in image pixels.

        Parameters
        ----------
        xyxy : (N, 4) float
            Also (N, 2K) of points x, y, x, y, ...
        clip : bool
            Cut to the image.

        Returns
        -------
        (N, 4) float64
        """
        values = np.asarray(xyxy, dtype=np.float64)
        pairs = values.reshape(len(values), values.shape[1] // 2, 2)
        points = (pairs - np.array(self.offset)) / np.array(self.scale)
        if clip:
            points = np.clip(points, 0, np.array(self.image_size, dtype=np.float64))
        return np.asarray(points.reshape(values.shape), dtype=np.float64)


def frame_of(image_size: tuple[int, int], preparation: Preparation) -> Frame:
    """How an image of this size lies in the network input."""
    scale_x, scale_y, left, top = frames_of(image_size, preparation.network_size, preparation.resize)[0].tolist()
    # Zero is added because a border may be minus zero.
    return Frame(image_size, preparation.network_size, (scale_x, scale_y), (left + 0.0, top + 0.0))


def prepare(
    image: Image.Image,
    preparation: Preparation,
    out: NDArray[Any] | None = None,
    image_size: tuple[int, int] | None = None,
) -> tuple[NDArray[Any], Frame]:
    """One image as a tensor without batch dimension, and how it lies in it.

    Parameters
    ----------
    image : PIL.Image.Image
        RGB, EXIF orientation applied.
    preparation : Preparation
    out : array, optional
        Filled and returned instead of a new array: of the tensor's shape and dtype, a place in a batch.
    image_size : (width, height), optional
        As displayed, where the file was read at a reduced size; boxes will be in these pixels.

    Returns
    -------
    tensor : (3, H, W) or (H, W, 3)
        Of the preparation's dtype, contiguous.
    frame : Frame

    Raises
    ------
    UsageError
        The input size is not known.
    """
    size = image_size or image.size
    frame = frame_of(size, preparation)
    net_width, net_height = frame.network_size
    if preparation.resize == "stretch":
        pixels = np.asarray(_resized(image, frame.network_size, size))
    else:
        new = (max(1, round(size[0] * frame.scale[0])), max(1, round(size[1] * frame.scale[1])))
        pixels = np.full((net_height, net_width, 3), preparation.pad, np.uint8)
        left, top = int(frame.offset[0]), int(frame.offset[1])
        pixels[top : top + new[1], left : left + new[0]] = np.asarray(_resized(image, new, size))
    if preparation.color == "bgr":
        pixels = pixels[:, :, ::-1]
    if not preparation.nhwc:
        pixels = pixels.transpose(2, 0, 1)
    tensor = np.empty(pixels.shape, preparation.dtype) if out is None else out
    if preparation.dtype == "uint8":
        np.copyto(tensor, pixels)
        return tensor, frame
    # Half precision is rounded once, at the end.
    values = tensor if preparation.dtype == "float32" else np.empty(pixels.shape, np.float32)
    np.copyto(values, pixels)
    if preparation.scale != 1:
        values /= np.float32(preparation.scale)
    shape = (1, 1, 3) if preparation.nhwc else (3, 1, 1)
    if any(preparation.mean):
        values -= np.array(preparation.mean, np.float32).reshape(shape)
    if preparation.std != (1.0, 1.0, 1.0):
        values /= np.array(preparation.std, np.float32).reshape(shape)
    if values is not tensor:
        np.copyto(tensor, values, casting="unsafe")
    return tensor, frame


def _resized(image: Image.Image, new: tuple[int, int], size: tuple[int, int]) -> Image.Image:
    """The image in a new size; `size` is its own as displayed."""
    from PIL import Image

    if image.size == new:
        return image
    if image.size == size:
        return image.resize(new, Image.Resampling.BILINEAR)
    # Read at 1/2, 1/4 or 1/8: the last row and column may lie partly beyond the image.
    by = round(size[0] / image.width) if size[0] >= size[1] else round(size[1] / image.height)
    box = (0.0, 0.0, min(size[0] / by, image.width), min(size[1] / by, image.height))
    return image.resize(new, Image.Resampling.BILINEAR, box=box)


_KEYS = ("color", "scale", "mean", "std", "resize", "pad")


def changed(preparation: Preparation, values: Mapping[str, str]) -> Preparation:
    """The preparation with what the user said (`--set key=value`); other keys are the families'.

    Raises
    ------
    UsageError
        A value that makes no sense.
    """
    fields: dict[str, Any] = {}
    for key in _KEYS:
        if key not in values:
            continue
        text = values[key]
        try:
            fields[key] = _parsed(key, text)
        except ValueError:
            raise UsageError(f"--set {key}: found `{text}`, expected {_EXPECTED[key]}") from None
    return replace(preparation, **fields)


_EXPECTED = {
    "color": "rgb or bgr",
    "scale": "255 or 1",
    "mean": "one number, or three with commas between",
    "std": "one number, or three with commas between",
    "resize": "letterbox, letterbox-topleft or stretch",
    "pad": "a whole number from 0 to 255",
}


def _parsed(key: str, text: str) -> Any:
    if key in ("color", "resize"):
        allowed = ("rgb", "bgr") if key == "color" else ("letterbox", "letterbox-topleft", "stretch")
        if text not in allowed:
            raise ValueError
        return text
    if key == "pad":
        value = int(text)
        if not 0 <= value <= 255:
            raise ValueError
        return value
    numbers = [float(part) for part in text.split(",")]
    if key == "scale":
        if len(numbers) != 1 or numbers[0] <= 0:
            raise ValueError
        return numbers[0]
    if len(numbers) == 1:
        numbers *= 3
    if len(numbers) != 3 or (key == "std" and 0 in numbers):
        raise ValueError
    return tuple(numbers)
