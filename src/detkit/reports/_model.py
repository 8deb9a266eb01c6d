"""A model's inspection as plain text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from detkit.reports._table import table
from detkit.wording import folded, plural, printable

__all__ = ["text"]

_NAMES_SHOWN = 8


def text(found: Mapping[str, Any]) -> str:
    """Ports, family, weights, operators, heads, layers; `found` is of schema `detkit.model/1`."""
    width, height = found["image_size"]
    lines = [f"{found['path']}: opset {found['opset']}, made by {found['producer'] or 'an unnamed program'}"]
    for kind in ("inputs", "outputs"):
        lines += [f"{kind[:-1]}: {_port(port)}" for port in found[kind]]
    family = found["family"] or "not recognised"
    lines += [f"family: {family} ({line})" if n == 0 else line for n, line in enumerate(found["why"].splitlines())]
    names = found["classes"]
    if names is None:
        lines.append("classes: the file names none")
    else:
        more = ", ..." if len(names) > _NAMES_SHOWN else ""
        lines.append(f"classes: {len(names)}: {', '.join(names[:_NAMES_SHOWN])}{more}")
    precision = ", ".join(f"{name} {count}" for name, count in found["precision"].items()) or "none"
    lines.append(f"weights: {found['parameters']} ({precision})")
    assumed = " (assumed: the file leaves the size free)" if found["image_size_assumed"] else ""
    lines.append(f"multiply-accumulates: {found['macs']} at {width}x{height}{assumed}")
    if found["macs_unknown"]:
        lines.append(f"  without {plural(len(found['macs_unknown']), 'layer')} of shapes that the file does not tell")
    ordered = sorted(found["operators"].items(), key=lambda item: (-item[1], item[0]))
    lines.append(f"operators: {', '.join(f'{count} {name}' for name, count in ordered)}")
    lines += [f"no CUDA kernel: {row['operator']} ({row['reason']})" for row in found["no_cuda_kernel"]]
    lines = [part for line in lines for part in folded(printable(line))]
    lines += ["", *_heads(found)]
    if "layers" in found:
        lines += ["", *_layers(found["layers"])]
    return "\n".join(lines) + "\n"


def _port(port: Mapping[str, Any]) -> str:
    return f"{port['name']} {port['dtype']} [{', '.join('?' if d is None else str(d) for d in port['shape'])}]"


def _heads(found: Mapping[str, Any]) -> list[str]:
    if not found["heads"]:
        return ["heads: none found (no sliding layer on the way to the outputs)"]
    header = ["head", "stride", "receptive field", "grid", "whole image too"]
    with_objects = "objects" in found
    header += ["larger", "smaller"] if with_objects else []
    rows = []
    for n, head in enumerate(found["heads"], 1):
        row = [str(n), _pair(head["stride"]), _pair(head["receptive_field"])]
        row += [_pair(head["grid"]) if head["grid"] else "-", "yes" if head["sees_all"] else "no"]
        rows.append(row + ([str(head["larger"]), str(head["smaller"])] if with_objects else []))
    lines = table(header, rows)
    if with_objects:
        objects = found["objects"]
        lines += folded(
            f"of {objects['compared']} objects as the network sees them: larger than the receptive field on a side, "
            "smaller than the stride on both"
        )
        if objects["without_image_size"]:
            counted = plural(objects["without_image_size"], "object is", "objects are")
            lines.append(f"{counted} not compared: the size of the image is unknown")
    return lines


def _layers(layers: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = []
    for layer in layers:
        shape = "?" if layer["shape"] is None else "x".join("?" if d is None else str(d) for d in layer["shape"])
        seen = "-" if layer["field"] is None else f"{_pair(layer['field'])} / {_pair(layer['stride'])}"
        macs = "?" if layer["macs"] is None else str(layer["macs"])
        rows.append([layer["name"], layer["operator"], shape, str(layer["parameters"]), macs, seen])
    return table(["layer", "operator", "output", "weights", "MACs", "field / stride"], rows, left=2)


def _pair(values: Sequence[float]) -> str:
    x, y = values
    return f"{x:g}" if x == y else f"{x:g}x{y:g}"
