"""Train the demo's detector on drawn shapes and write it as ONNX, laid out as an Ultralytics v8 export.

    python3.11 -m venv /tmp/train && /tmp/train/bin/pip install torch==2.13.0 numpy pillow onnx
    /tmp/train/bin/python tools/train_demo.py --out fixtures/demo/model/shapes.onnx

Images come from the drawing functions of `make_demo.py`, with a seed that is not the demo's: none of its images is ever
seen. The network is described once, as the rows of `LAYERS`; PyTorch trains it and `export` writes the same rows as
ONNX operators, batch normalisation folded into the convolutions. The same seed, threads and machine give the same
weights; on another machine the last digits differ, and with them the file.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import math
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    import torch

_SPEC = importlib.util.spec_from_file_location("make_demo", Path(__file__).with_name("make_demo.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
demo: Any = importlib.util.module_from_spec(_SPEC)
sys.modules["make_demo"] = demo
_SPEC.loader.exec_module(demo)

SIZE = 192
STRIDES = (8, 16, 32)
CLASSES = len(demo.NAMES)
PAD = 114
DEMO_SEED = 0
#: Share of drawn images of any size, beside those of the demo's sizes, so that the model is not bound to these.
ODD_SIZES = 0.2
LARGE_SHARE = 0.22
EMPTY_SHARE = 0.05
MOST_TRUTHS = demo.MAX_SHAPES


# --- the network ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Layer:
    """One step of the network.

    Attributes
    ----------
    name
        Of the step and of its result.
    op
        `conv` (convolution, batch normalisation, ReLU), `plain` (convolution with bias), `add`, `double` (every pixel
        twice each way) or `concat`.
    sources
        Names of earlier results.
    channels
        Of the result.
    kernel, stride, groups
        Of a convolution; `groups` is 0 for one a channel.
    """

    name: str
    op: str
    sources: tuple[str, ...]
    channels: int
    kernel: int = 1
    stride: int = 1
    groups: int = 1


def _layers() -> tuple[Layer, ...]:
    width = 32
    rows = [
        Layer("stem", "conv", ("images",), 16, 3, 2),
        Layer("down4", "conv", ("stem",), 24, 3, 2),
        Layer("body4", "conv", ("down4",), 24, 3),
        Layer("c4", "add", ("down4", "body4"), 24),
        Layer("down8", "conv", ("c4",), 40, 3, 2),
        Layer("body8", "conv", ("down8",), 40, 3),
        Layer("c8", "add", ("down8", "body8"), 40),
        Layer("down16", "conv", ("c8",), 48, 3, 2),
        Layer("narrow16", "conv", ("down16",), 16),
        Layer("body16", "conv", ("narrow16",), 48, 3),
        Layer("c16", "add", ("down16", "body16"), 48),
        Layer("deep32", "conv", ("c16",), 48, 3, 2, 0),
        Layer("c32", "conv", ("deep32",), 48),
        # From coarse to fine: each scale is told what the next coarser one sees.
        Layer("side32", "conv", ("c32",), width),
        Layer("up16", "double", ("side32",), width),
        Layer("side16", "conv", ("c16",), width),
        Layer("sum16", "add", ("up16", "side16"), width),
        Layer("p16", "conv", ("sum16",), width, 3),
        Layer("up8", "double", ("p16",), width),
        Layer("side8", "conv", ("c8",), width),
        Layer("sum8", "add", ("up8", "side8"), width),
        Layer("p8", "conv", ("sum8",), width, 3),
        Layer("p32", "conv", ("side32",), width, 3, 1, 0),
    ]
    for stride in STRIDES:
        for what, channels in (("box", 4), ("class", CLASSES)):
            rows += [
                Layer(f"{what}{stride}a", "conv", (f"p{stride}",), width, 3, 1, 0),
                Layer(f"{what}{stride}b", "conv", (f"{what}{stride}a",), width),
                Layer(f"{what}{stride}", "plain", (f"{what}{stride}b",), channels),
            ]
        rows.append(Layer(f"out{stride}", "concat", (f"box{stride}", f"class{stride}"), 4 + CLASSES))
    return tuple(rows)


LAYERS = _layers()
BY_NAME = {layer.name: layer for layer in LAYERS}


def channels_into(layer: Layer) -> int:
    """Return the channels of a layer's first source."""
    return 3 if layer.sources[0] == "images" else BY_NAME[layer.sources[0]].channels


def cells() -> tuple[np.ndarray, np.ndarray]:
    """Return the cells' centres ``(2, N)`` in network pixels and their strides ``(N,)``, scale after scale."""
    centres, steps = [], []
    for stride in STRIDES:
        count = SIZE // stride
        y, x = np.divmod(np.arange(count * count), count)
        centres.append((np.stack([x, y]) + 0.5) * stride)
        steps.append(np.full(count * count, stride))
    return np.concatenate(centres, axis=1).astype(np.float32), np.concatenate(steps).astype(np.float32)


def network() -> Any:
    """Return the untrained network; it maps images to ``(B, 4 + classes, N)``: edge distances in strides, logits."""
    import torch
    from torch import nn

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.steps = nn.ModuleDict({row.name: step_of(row) for row in LAYERS if row.op in ("conv", "plain")})

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            values = {"images": images}
            for row in LAYERS:
                given = [values[name] for name in row.sources]
                if row.op in ("conv", "plain"):
                    values[row.name] = self.steps[row.name](given[0])
                elif row.op == "add":
                    values[row.name] = given[0] + given[1]
                elif row.op == "double":
                    values[row.name] = nn.functional.interpolate(given[0], scale_factor=2.0, mode="nearest")
                else:
                    values[row.name] = torch.cat(given, dim=1)
            return torch.cat([values[f"out{stride}"].flatten(2) for stride in STRIDES], dim=2)

    def step_of(row: Layer) -> nn.Module:
        given = channels_into(row)
        groups = row.groups or given
        plain = row.op == "plain"
        conv = nn.Conv2d(given, row.channels, row.kernel, row.stride, row.kernel // 2, groups=groups, bias=plain)
        if not plain:
            return nn.Sequential(conv, nn.BatchNorm2d(row.channels, eps=1e-3, momentum=0.03), nn.ReLU())
        # At first every box is three cells wide and every class unlikely.
        nn.init.normal_(conv.weight, std=0.01)
        nn.init.constant_(conv.bias, 1.5 if row.name.startswith("box") else math.log(0.01 / 0.99))
        return conv

    return Network()


# --- images ---------------------------------------------------------------------------------------


def rasterise_near(outline: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return what `make_demo.rasterise` returns, but for rounding, drawn around the polygon only: many times faster."""
    low = np.clip(np.floor(outline.min(axis=0)).astype(int) - 1, 0, [width - 1, height - 1])
    high = np.clip(np.ceil(outline.max(axis=0)).astype(int) + 1, low + 1, [width, height])
    coverage = np.zeros((height, width))
    window = _RASTERISE(outline - low, int(high[0] - low[0]), int(high[1] - low[1]))
    coverage[low[1] : high[1], low[0] : high[0]] = window
    return coverage


_RASTERISE = demo.rasterise
demo.rasterise = rasterise_near


def plan_of(seed: int, number: int) -> Any:
    """Return the plan of one training image, of the demo's sizes and numbers of shapes."""
    rng = np.random.default_rng([seed, demo.STREAM_PLAN, number])
    width, height = demo.SMALL_SIZES[int(rng.integers(len(demo.SMALL_SIZES)))]
    kind = rng.random()
    if kind < LARGE_SHARE:
        width, height = demo.LARGE_SIZE
    elif kind < LARGE_SHARE + ODD_SIZES:
        width, height = (int(side) for side in rng.integers(112, 289, size=2))
    shapes = 0 if rng.random() < EMPTY_SHARE else int(rng.integers(1, MOST_TRUTHS + 1))
    return demo.ImagePlan(number, f"train_{number:05d}", "train", width, height, shapes)


def letterbox(pixels: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return an image in the middle of the network input on grey, and its ``(M, 4)`` x, y, w, h boxes as corners."""
    height, width = pixels.shape[:2]
    ratio = min(SIZE / width, SIZE / height)
    new = round(width * ratio), round(height * ratio)
    left, top = round((SIZE - new[0]) / 2 - 0.1), round((SIZE - new[1]) / 2 - 0.1)
    out = np.full((SIZE, SIZE, 3), PAD, np.uint8)
    out[top : top + new[1], left : left + new[0]] = Image.fromarray(pixels).resize(new, Image.Resampling.BILINEAR)
    corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1) * ratio
    return out, (corners + np.array([left, top, left, top])).astype(np.float32)


def draw(task: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return one training image as the network sees it, its boxes and labels, filled up with label -1."""
    seed, number = task
    scene = demo.draw_scene(seed, plan_of(seed, number))
    file = io.BytesIO()
    Image.fromarray(scene.pixels).save(file, "JPEG", quality=demo.JPEG_QUALITY)
    pixels = np.asarray(Image.open(file).convert("RGB"))
    given = np.array([truth.box for truth in scene.truths], np.float64).reshape(-1, 4)
    image, corners = letterbox(pixels, given)
    boxes, labels = np.zeros((MOST_TRUTHS, 4), np.float32), np.full(MOST_TRUTHS, -1)
    boxes[: len(corners)] = corners
    labels[: len(corners)] = [truth.label for truth in scene.truths]
    return image, boxes, labels


def draw_all(seed: int, count: int, jobs: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return images ``(count, SIZE, SIZE, 3)`` uint8, boxes ``(count, M, 4)`` and labels ``(count, M)``."""
    tasks = [(seed, number) for number in range(count)]
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        images, boxes, labels = zip(*pool.imap(draw, tasks, chunksize=16), strict=True)
    return np.stack(images), np.stack(boxes), np.stack(labels)


def varied(rng: np.random.Generator, images: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a batch turned, mirrored and recoloured at random; turns by quarters keep boxes exact."""
    out, moved = np.empty(images.shape, np.float32), np.empty_like(boxes)
    for i, (image, box) in enumerate(zip(images, boxes, strict=True)):
        if rng.random() < 0.5:  # mirror
            image, box = image[:, ::-1], np.stack([SIZE - box[:, 2], box[:, 1], SIZE - box[:, 0], box[:, 3]], axis=1)
        if rng.random() < 0.5:  # upside down
            image, box = image[::-1], np.stack([box[:, 0], SIZE - box[:, 3], box[:, 2], SIZE - box[:, 1]], axis=1)
        if rng.random() < 0.5:  # rows become columns
            image, box = image.transpose(1, 0, 2), box[:, [1, 0, 3, 2]]
        image = image[:, :, rng.permutation(3)].astype(np.float32)
        grey = (image == PAD).all(axis=2, keepdims=True)
        lit = (image - 128) * rng.uniform(0.85, 1.15) + 128 + rng.uniform(-15, 15)
        out[i], moved[i] = np.where(grey, PAD, np.clip(lit, 0, 255)) / 255, box
    return np.ascontiguousarray(out.transpose(0, 3, 1, 2)), moved


# --- training -------------------------------------------------------------------------------------


def corners_of(raw: torch.Tensor, centres: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
    """Return boxes ``(B, N, 4)`` in network pixels from distances of the four edges in strides, ``(B, 4, N)``."""
    import torch

    far = raw * steps
    return torch.cat([centres - far[:, :2], centres + far[:, 2:]], dim=1).transpose(1, 2)


def overlap(first: torch.Tensor, second: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return IoU, and the squared distance of centres relative to the diagonal of the box around both."""
    import torch

    low, high = torch.maximum(first[..., :2], second[..., :2]), torch.minimum(first[..., 2:], second[..., 2:])
    shared = (high - low).clamp(min=0).prod(dim=-1)
    area = [(box[..., 2:] - box[..., :2]).clamp(min=1e-3).prod(dim=-1) for box in (first, second)]
    around = torch.maximum(first[..., 2:], second[..., 2:]) - torch.minimum(first[..., :2], second[..., :2])
    apart = (first[..., :2] + first[..., 2:] - second[..., :2] - second[..., 2:]) / 2
    return shared / (area[0] + area[1] - shared), apart.square().sum(-1) / around.square().sum(-1).clamp(min=1e-3)


def assign(
    scores: torch.Tensor,
    boxes: torch.Tensor,
    truths: torch.Tensor,
    labels: torch.Tensor,
    centres: torch.Tensor,
    steps: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Share the truths out over the cells: each gets those few that already name it and place it best.

    Returns
    -------
    owner : (B, N) int64
        Truth of each cell, -1 for none.
    worth : (B, N) float32
        Wanted score: the best cell's is the IoU of the truth's best box, the others' are smaller.
    """
    import torch

    known = labels >= 0
    named = scores.gather(2, labels.clamp(min=0)[:, None].expand(-1, scores.shape[1], -1)).transpose(1, 2)
    iou, _ = overlap(truths[:, :, None], boxes[:, None])
    middle = (truths[..., :2] + truths[..., 2:]) / 2
    reach = (truths[..., 2:] - truths[..., :2]) / 2
    # A shape smaller than a cell may hold no cell's centre: it takes those next to it of the finest scale.
    least = torch.where(steps == STRIDES[0], 0.75 * STRIDES[0], 0.0)
    off = (centres.T - middle[:, :, None]).abs()
    near = (off <= torch.maximum(reach[:, :, None], least[:, None])).all(dim=-1) & known[:, :, None]
    fit = named.sqrt() * iou.pow(4) + 1e-6 / (1 + off.sum(-1))
    fit = torch.where(near, fit, 0.0)
    chosen = torch.zeros_like(near).scatter(2, fit.topk(9, dim=2).indices, value=True) & near
    best = torch.where(chosen, iou, -1.0).max(dim=1)
    owner = torch.where(best.values >= 0, best.indices, -1)
    owned = torch.nn.functional.one_hot(owner.clamp(min=0), labels.shape[1]).bool().transpose(1, 2)
    fit, iou = (torch.where(owned & chosen, value, 0.0) for value in (fit, iou))
    worth = fit / fit.amax(dim=2, keepdim=True).clamp(min=1e-12) * iou.amax(dim=2, keepdim=True)
    return owner, worth.sum(dim=1)


def loss_of(
    raw: torch.Tensor, truths: torch.Tensor, labels: torch.Tensor, centres: torch.Tensor, steps: torch.Tensor
) -> torch.Tensor:
    """Return classification plus box loss (IoU and centre distance) of one batch."""
    import torch

    boxes, logits = corners_of(raw[:, :4], centres, steps), raw[:, 4:].transpose(1, 2)
    with torch.no_grad():
        owner, worth = assign(logits.sigmoid(), boxes, truths, labels, centres, steps)
    held = owner >= 0
    image, cell = held.nonzero(as_tuple=True)
    wanted = torch.zeros_like(logits)
    wanted[image, cell, labels[image, owner[held]]] = worth[held]
    total = worth.sum().clamp(min=1.0)
    named = torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted, reduction="sum")
    iou, apart = overlap(boxes[held], truths[image, owner[held]])
    return (named + 5 * ((1 - iou + apart) * worth[held]).sum()) / total


def batches(count: int, size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Return batches of positions without end, each epoch in another order."""
    while True:
        order = rng.permutation(count)
        yield from (order[start : start + size] for start in range(0, count - size + 1, size))


def train(args: argparse.Namespace) -> dict[str, np.ndarray]:
    """Return the trained weights: a running mean of those of the last steps."""
    import torch

    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    torch.use_deterministic_algorithms(True)
    start = time.monotonic()
    images, boxes, labels = draw_all(args.seed, args.images, args.jobs)
    print(f"{len(images)} images drawn in {time.monotonic() - start:.0f} s", flush=True)
    net = network()
    print(f"{sum(p.numel() for p in net.parameters())} parameters", flush=True)
    mean = {name: value.detach().clone() for name, value in net.state_dict().items()}
    weights = [p for p in net.parameters() if p.ndim > 1]
    others = [p for p in net.parameters() if p.ndim <= 1]
    groups = [{"params": weights, "weight_decay": 0.02}, {"params": others, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=args.rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=args.rate, total_steps=args.steps, pct_start=0.1, div_factor=10, final_div_factor=100
    )
    centres, steps = (torch.from_numpy(array) for array in cells())
    rng = np.random.default_rng([args.seed, 1])
    chosen = batches(len(images), args.batch, rng)
    start, lost = time.monotonic(), 0.0
    for step in range(1, args.steps + 1):
        rows = next(chosen)
        seen, moved = varied(rng, images[rows], boxes[rows])
        loss = loss_of(
            net(torch.from_numpy(seen)), torch.from_numpy(moved), torch.from_numpy(labels[rows]), centres, steps
        )
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 10.0)
        optimiser.step()
        schedule.step()
        keep = min(0.995, step / (step + 20))
        for name, value in net.state_dict().items():
            mean[name] = mean[name].lerp(value, 1 - keep) if value.is_floating_point() else value.clone()
        lost += float(loss.detach())
        if step % 100 == 0:
            print(f"step {step}: loss {lost / 100:.3f}, {time.monotonic() - start:.0f} s", flush=True)
            lost = 0.0
            if args.interim:
                export(args.out, {name: value.numpy() for name, value in mean.items()})
    return {name: value.numpy() for name, value in mean.items()}


# --- export ---------------------------------------------------------------------------------------


def folded(weights: Mapping[str, np.ndarray], layer: Layer) -> tuple[np.ndarray, np.ndarray]:
    """Return kernel and bias of a convolution with its batch normalisation taken in."""
    if layer.op == "plain":
        return weights[f"steps.{layer.name}.weight"], weights[f"steps.{layer.name}.bias"]
    kernel = weights[f"steps.{layer.name}.0.weight"].astype(np.float64)
    gain, shift, mean, spread = (
        weights[f"steps.{layer.name}.1.{part}"].astype(np.float64)
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    gain = gain / np.sqrt(spread + 1e-3)
    return (kernel * gain[:, None, None, None]).astype(np.float32), (shift - mean * gain).astype(np.float32)


def export(path: Path, weights: Mapping[str, np.ndarray]) -> None:
    """Write the network as ONNX: images ``[B, 3, SIZE, SIZE]`` to centre, size and scores ``[B, 4 + classes, N]``."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes: list[Any] = []
    held: list[Any] = []

    def const(name: str, value: np.ndarray) -> str:
        held.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(op: str, name: str, *given: str, outputs: Sequence[str] = (), **attributes: Any) -> str:
        nodes.append(helper.make_node(op, list(given), list(outputs or (name,)), name=f"{op}_{name}", **attributes))
        return name

    twice = const("twice", np.array([1, 1, 2, 2], np.float32))
    for layer in LAYERS:
        if layer.op in ("conv", "plain"):
            kernel, bias = folded(weights, layer)
            named = const(f"{layer.name}.weight", kernel), const(f"{layer.name}.bias", bias)
            sides = {"kernel_shape": [layer.kernel] * 2, "strides": [layer.stride] * 2, "pads": [layer.kernel // 2] * 4}
            target = layer.name if layer.op == "plain" else f"{layer.name}.linear"
            add("Conv", target, layer.sources[0], *named, group=layer.groups or channels_into(layer), **sides)
            if layer.op == "conv":
                add("Relu", layer.name, target)
        elif layer.op == "double":
            how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
            add("Resize", layer.name, layer.sources[0], "", twice, **how)
        else:
            operator, extra = ("Add", {}) if layer.op == "add" else ("Concat", {"axis": 1})
            add(operator, layer.name, *layer.sources, **extra)
    flat = const("flat", np.array([0, 4 + CLASSES, -1], np.int64))
    levels = [add("Reshape", f"flat{stride}", f"out{stride}", flat) for stride in STRIDES]
    add("Concat", "raw", *levels, axis=2)
    add("Split", "parts", "raw", const("widths", np.array([2, 2, CLASSES])), outputs=("near", "far", "logits"), axis=1)
    centres, steps = cells()
    add("Sub", "skew", "far", "near")
    add("Mul", "shift", "skew", const("half_strides", steps[None, None] / 2))
    add("Add", "centre", "shift", const("centres", centres[None]))
    add("Add", "span", "far", "near")
    add("Relu", "extent", "span")
    add("Mul", "size", "extent", const("strides", steps[None, None]))
    add("Sigmoid", "scores", "logits")
    add("Concat", "output0", "centre", "size", "scores", axis=1)
    given = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, SIZE, SIZE])
    answer = helper.make_tensor_value_info("output0", TensorProto.FLOAT, ["batch", 4 + CLASSES, len(steps)])
    graph = helper.make_graph(nodes, "detkit-demo-shapes", [given], [answer], held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    model.producer_name = "detkit tools/train_demo.py"
    helper.set_model_props(
        model,
        {
            "description": "detkit demo: a small detector of drawn shapes",
            "author": "detkit",
            "license": "Apache-2.0",
            "stride": str(max(STRIDES)),
            "task": "detect",
            "batch": "1",
            "imgsz": str([SIZE, SIZE]),
            "names": str(dict(enumerate(demo.NAMES))),
        },
    )
    onnx.checker.check_model(model, full_check=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="the .onnx file to write")
    parser.add_argument("--seed", type=int, default=1, help="of images and weights; not the demo's own (default 1)")
    parser.add_argument("--images", type=int, default=3000, help="drawn images (default 3000)")
    parser.add_argument("--steps", type=int, default=1600, help="training steps (default 1600)")
    parser.add_argument("--batch", type=int, default=16, help="images a step (default 16)")
    parser.add_argument("--rate", type=float, default=4e-3, help="highest learning rate (default 0.004)")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch; more give other last digits (default 1)")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="processes that draw")
    parser.add_argument("--interim", action="store_true", help="write the model every 100 steps, not only at the end")
    args = parser.parse_args(argv)
    if args.seed == DEMO_SEED:
        parser.error(f"--seed {DEMO_SEED} draws the demo's own images: a model trained on them proves nothing")
    if args.batch > args.images:
        parser.error("--batch is larger than --images")
    start = time.monotonic()
    export(args.out, train(args))
    print(f"{args.out}: {args.out.stat().st_size / 1000:.0f} kB, {time.monotonic() - start:.0f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
