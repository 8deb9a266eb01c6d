"""What every format file offers, and the options it is called with.

A format is one file of this room; its name is the public name. It defines

- `CAPABILITIES`: what it can hold, see `Capabilities`;
- `detect(path, kind)`: a `Probe`, decided from content and never from the name alone;
- `read(path, options)` -> `Dataset` and `write(dataset, target, options)` -> losses;
- `read_detections(path, options)` -> `Detections` and `write_detections(detections, target, options)` -> losses.

A function it cannot offer is left out. Readers leave unusable rows out with a finding `DK102` a row (fields missing,
not finite, wrong length) and raise `InputError` only where nothing can be read. Writers write to the path they get:
it is temporary and moved into place afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from detkit.tables import Images

__all__ = ["FEATURES", "Capabilities", "ImageSizes", "Kind", "Probe", "ReadOptions", "WriteOptions"]

Kind = Literal["dataset", "detections"]

#: What a format may hold beyond images, class names and boxes. The generic loss report compares these.
FEATURES = (
    "image_ids",
    "image_sizes",
    "category_ids",
    "supercategories",
    "annotation_ids",
    "area",
    "crowds",
    "ignored",
    "polygons",
    "rle",
    "keypoints",
    "oriented",
    "attributes",
    "extra",
    "info",
    "splits",
    "scores",
)


@dataclass(frozen=True)
class Capabilities:
    """What a format can hold and where it is written.

    Parameters
    ----------
    holds : frozenset of str
        Of `FEATURES`.
    attributes : frozenset of str
        Names of the attribute columns it holds when `attributes` is not in `holds` as a whole.
    image_fields, category_fields, info_fields : frozenset of str
        Names of the unknown fields of images, of classes, and of the top level, that it holds when `extra` or `info` is
        not in `holds` as a whole.
    read_from : tuple of str
        Suffixes of the files it is read from, for messages: what is recognised by no format is told what those lacked
        that are read from such files. None named: told of every path.
    file_suffixes : tuple of str
        A target with one of these suffixes is one file.
    folder : bool
        Whether a dataset may be written as a folder.
    detections_folder : bool
        Whether predictions may be written as a folder.
    carries_images : bool
        Whether the images are part of the layout (then they are linked by default).
    unlisted : frozenset of {"dataset", "detections"}
        Kinds of which an image without rows is not in what is written; the writer says so where that loses something.
    """

    holds: frozenset[str]
    attributes: frozenset[str] = frozenset()
    image_fields: frozenset[str] = frozenset()
    category_fields: frozenset[str] = frozenset()
    info_fields: frozenset[str] = frozenset()
    read_from: tuple[str, ...] = ()
    file_suffixes: tuple[str, ...] = ()
    folder: bool = True
    detections_folder: bool = False
    carries_images: bool = False
    unlisted: frozenset[Kind] = frozenset()


@dataclass(frozen=True)
class Probe:
    """Whether a path looks like a format, and why (or why not).

    Parameters
    ----------
    matches : bool
    why : str
        Said to the user where no format or several match.
    is_sure : bool
        The content belongs to no other format: those that were not asked yet need not be.
    """

    matches: bool
    why: str
    is_sure: bool = False


@dataclass(frozen=True)
class ImageSizes:
    """Image sizes from elsewhere: one for all, or by file name, relative path or stem.

    Parameters
    ----------
    default : (width, height), optional
    by_name : mapping of str to (width, height)
    """

    default: tuple[float, float] | None = None
    by_name: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def find(self, file_name: str) -> tuple[float, float] | None:
        """Size of an image by path, then name, then stem; the default where none is listed."""
        path = Path(file_name)
        for key in (file_name, path.name, path.stem):
            if key in self.by_name:
                return self.by_name[key]
        return self.default


@dataclass(frozen=True)
class ReadOptions:
    """How to read.

    Parameters
    ----------
    split : str, optional
        Read only this split where the format has splits; None reads all of them.
    images_dir : Path, optional
        Where to look for images.
    names : tuple of str, optional
        Class names in the order of their numbers.
    image_sizes : ImageSizes, optional
    voc_offset : {0, 1}
        1: pixel coordinates of inclusive formats count from 1.
    layout : str, optional
        Forces the column layout of text predictions, see `formats._layouts`.
    reference_images : Images, optional
        The truth's images, for predictions: gives their sizes.
    with_shapes, with_extra : bool
        False lets a reader skip outlines and keypoints, or unknown fields, that nobody will ask for.
    find_images : bool
        Look for image files also where `with_extra` is false: not every reader does then.
    unpack_images : bool
        Whether pictures inside of the labels' files are unpacked where images are looked for.
    read_sizes : bool
        Whether sizes that the labels do not state are read from the image files' headers.
    jobs : int
        Threads for reading many files.
    """

    split: str | None = None
    images_dir: Path | None = None
    names: tuple[str, ...] | None = None
    image_sizes: ImageSizes | None = None
    voc_offset: int = 1
    layout: str | None = None
    reference_images: Images | None = None
    with_shapes: bool = True
    with_extra: bool = True
    find_images: bool = False
    unpack_images: bool = True
    read_sizes: bool = True
    jobs: int = 4


@dataclass(frozen=True)
class WriteOptions:
    """How to write.

    Parameters
    ----------
    place_images : {"link", "copy", "leave"}, optional
        What to do with the image files; by default `link` where they are part of the layout, else `leave`.
    crowds : {"drop", "keep", "difficult"}
        For formats without crowds: leave them out, write them as ordinary objects, or flag them difficult.
    ignored : {"keep", "drop"}
        For formats without a difficult flag.
    shapes : {"keep", "box", "drop"}
        Outlines: keep, replace by their bounding box, or leave objects that have one out.
    category_ids : {"keep", "dense", "coco91"}
        For formats with ids: the table's own, 1..K, or COCO's 91-class numbering of the 80 names.
    voc_offset : {0, 1}
    target_name : str
        Name of the final target (writers see a temporary one).
    """

    place_images: Literal["link", "copy", "leave"] | None = None
    crowds: Literal["drop", "keep", "difficult"] = "drop"
    ignored: Literal["keep", "drop"] = "keep"
    shapes: Literal["keep", "box", "drop"] = "keep"
    category_ids: Literal["keep", "dense", "coco91"] = "keep"
    voc_offset: int = 1
    target_name: str = ""
