"""Images as vectors, by any network in an ONNX file that turns an image into numbers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from detkit import detectors
from detkit.errors import InputError, UsageError
from detkit.wording import plural

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Embedder", "Pixels"]

Pixels = Literal["imagenet", "0-1", "-1-1", "0-255"]

#: Values as (scale, mean, standard deviation); the first is what nearly every backbone was trained on.
_PIXELS: dict[str, tuple[float, tuple[float, float, float], tuple[float, float, float]]] = {
    "imagenet": (255.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "0-1": (255.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "-1-1": (255.0, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "0-255": (1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}
#: Outputs that exporters give the vector of the whole image.
_NAMES = ("image_embeds", "embeddings", "embedding", "pooler_output", "features")
_USUAL_SIDE = 224


class Embedder:
    """A network that is asked for one vector an image.

    Parameters
    ----------
    model : path-like
    output : str, optional
        Name of the output to take; by default one with a usual name, else the first of two dimensions, else the last.
        Maps and tokens are averaged over their places.
    pixels : {"imagenet", "0-1", "-1-1", "0-255"}
        What the network takes for values.
    device : str
        One entry of `parse_device`.

    Raises
    ------
    UsageError, InputError, MissingExtraError
    """

    def __init__(
        self, model: str | Path, *, output: str | None = None, pixels: Pixels = "imagenet", device: str = "auto"
    ) -> None:
        if pixels not in _PIXELS:
            raise UsageError(f"pixels: found `{pixels}`, expected {', '.join(_PIXELS)}")
        graph = detectors.read_graph(model)
        port = graph.image
        if port.dtype not in ("float32", "float16", "uint8") or len(port.shape) != 4:
            raise InputError(f"takes {port}, expected a batch of images", path=str(model))
        known = [o.name for o in graph.outputs]
        if output is not None and output not in known:
            raise UsageError(f"output: found `{output}`, the model has {', '.join(known)}")
        ranked = [*(n for n in _NAMES if n in known), *(o.name for o in graph.outputs if len(o.shape) == 2), known[-1]]
        self.output: str = output or ranked[0]
        self.batch: int | None = graph.batch
        self._port, self._is_nhwc = port, graph.is_nhwc
        self._size = graph.size or (_USUAL_SIDE, _USUAL_SIDE)
        self._scale, self._mean, self._std = _PIXELS[pixels]
        self._session = detectors.open_session(model, device)

    def tensor(self, image: Image.Image) -> NDArray[Any]:
        """An upright RGB image as the network takes it, without batch dimension; stretched to its size."""
        from PIL import Image as Pil

        small = image.resize(self._size, Pil.Resampling.BICUBIC)
        values = (np.asarray(small, dtype=np.float32) / self._scale - self._mean) / self._std
        values = values if self._is_nhwc else values.transpose(2, 0, 1)
        return np.ascontiguousarray(values, dtype=self._port.dtype)

    def vectors(self, tensors: list[NDArray[Any]]) -> NDArray[np.float32]:
        """(B, D) float32 of B tensors.

        Raises
        ------
        InputError
            The network fails, or does not give a vector of finite numbers an image.
        """
        step = self.batch or len(tensors)
        found = []
        for start in range(0, len(tensors), step):
            block = tensors[start : start + step]
            # A fixed batch is filled up with the last image.
            filled = np.stack(block + block[-1:] * (step - len(block)))
            found.append(self._pooled(self._session.run({self._port.name: filled})[self.output], step)[: len(block)])
        return np.concatenate(found)

    def _pooled(self, answer: NDArray[Any], count: int) -> NDArray[np.float32]:
        if answer.ndim < 2 or len(answer) != count:
            raise InputError(
                f"output `{self.output}` is {list(answer.shape)}, expected one row of each of {plural(count, 'image')}"
            )
        if answer.ndim == 4:
            answer = answer.mean(axis=(1, 2) if self._is_nhwc else (2, 3))
        elif answer.ndim == 3:
            answer = answer.mean(axis=1)
        vectors = answer.reshape(count, -1).astype(np.float32)
        if not np.isfinite(vectors).all():
            raise InputError(f"output `{self.output}` holds values that are not finite")
        return vectors
