"""`COCO`: pycocotools' dataset class, reading faster and making records of results only when somebody asks."""

from __future__ import annotations

import copy
import os
from collections import defaultdict
from typing import Any

import numpy as np

from detkit.compat._say import say, seconds
from detkit.compat.pycocotools import _reference
from detkit.compat.pycocotools._results import Unread, decode_json, prepare_records, scan_array, scan_file
from detkit.garbage import gc_paused

__all__ = ["COCO"]

__getattr__ = _reference.others_of("coco")

#: Attributes that results read from a file or an array get when they are first asked for.
_LATE = ("dataset", "anns", "imgToAnns", "catToImgs")


class COCO(_reference.COCO):  # type: ignore[misc]
    """A dataset in memory: annotations, classes and images as dictionaries, and indexes of them.

    A subclass of pycocotools' class of this name. Reading, indexing, `getAnnIds` and `loadRes` are replaced by faster
    ones; everything else is inherited.

    Parameters
    ----------
    annotation_file : path-like, optional
        A COCO annotation file; None for an empty dataset whose `dataset` is set by hand before `createIndex`.

    Raises
    ------
    AssertionError
        The file holds something else than a JSON object.
    """

    def __init__(self, annotation_file: Any = None) -> None:
        super().__init__()
        if annotation_file is None:
            return
        self._say("loading annotations into memory...")
        with seconds() as spent, gc_paused():
            dataset = decode_json(_read(annotation_file))
        if not isinstance(dataset, dict):
            raise AssertionError(f"annotation file format {type(dataset)} not supported")
        self._say(f"Done (t={spent[0]:0.2f}s)")
        self.dataset = dataset
        self.createIndex()

    def _say(self, *values: Any) -> None:
        say(*values)

    def _new(self) -> COCO:
        """An empty dataset for results."""
        return COCO()

    def createIndex(self) -> None:
        """Index `dataset` by annotation, image and class."""
        self._say("creating index...")
        self._index()
        self._say("index created!")

    def _index(self) -> None:
        dataset = self.dataset
        annotations = dataset.get("annotations", [])
        by_image: defaultdict[Any, list[Any]] = defaultdict(list)
        images_of: defaultdict[Any, list[Any]] = defaultdict(list)
        for annotation in annotations:
            by_image[annotation["image_id"]].append(annotation)
        anns = {annotation["id"]: annotation for annotation in annotations}
        if "categories" in dataset:
            for annotation in annotations:
                images_of[annotation["category_id"]].append(annotation["image_id"])
        self.imgs, self.cats = _by_id(dataset, "images"), _by_id(dataset, "categories")
        self.anns, self.imgToAnns, self.catToImgs = anns, by_image, images_of

    def getAnnIds(self, imgIds: Any = [], catIds: Any = [], areaRng: Any = [], iscrowd: Any = None) -> list[Any]:
        """Ids of annotations that meet every condition given.

        Parameters
        ----------
        imgIds, catIds : sequence or id
            Of these images, of these classes; empty for all.
        areaRng : (low, high)
            Of an area between these, both excluded.
        iscrowd : bool, optional

        Returns
        -------
        list
            In order of the images asked for, else in file order.
        """
        if isinstance(catIds, list | tuple | np.ndarray):
            # Membership is asked for each annotation: a set answers at once.
            catIds = frozenset(catIds.tolist() if isinstance(catIds, np.ndarray) else catIds)
        ids: list[Any] = super().getAnnIds(imgIds, catIds, areaRng, iscrowd)
        return ids

    def loadRes(self, resFile: Any) -> COCO:
        """Results as a dataset of the same images and classes.

        Results of a list are completed in place (`id`, `area`, `iscrowd`, `segmentation`). Those of a large file
        of plain boxes, and those of an array, are kept as columns; `dataset`, `anns`, `imgToAnns` and `catToImgs`
        come into being when they are first read.

        Parameters
        ----------
        resFile : path-like, list of dict, or (N, 7) array
            File of results, the results, or rows image, x, y, width, height, score, class.

        Returns
        -------
        COCO

        Raises
        ------
        AssertionError
            Not a list, or results for images that this dataset does not have.
        IndexError
            There are no results.
        """
        with gc_paused():
            return self._results(resFile)

    def _results(self, source: Any) -> COCO:
        dataset = {"info": copy.deepcopy(self.dataset.get("info", {})), "images": list(self.dataset["images"])}
        res = self._new()
        self._say("Loading and preparing results...")
        with seconds() as spent:
            found = self._read_results(source)
            if not isinstance(found, Unread):
                _check_images([record["image_id"] for record in found], self.getImgIds())
                has_classes = prepare_records(found)
                if "caption" in found[0]:
                    described = {record["image_id"] for record in found}
                    dataset["images"] = [image for image in dataset["images"] if image["id"] in described]
            if isinstance(found, Unread) or has_classes:
                dataset["categories"] = copy.deepcopy(self.dataset["categories"])
        self._say(f"DONE (t={spent[0]:0.2f}s)")
        res.dataset = dataset
        if isinstance(found, Unread):
            res._keep(found)
        else:
            res.dataset["annotations"] = found
            res.createIndex()
        return res

    def _read_results(self, source: Any) -> Unread | list[dict[str, Any]]:
        columns = None
        if isinstance(source, str | os.PathLike):
            data = _read(source)
            columns = scan_file(data)
            if columns is None:
                source = decode_json(data)
        elif isinstance(source, np.ndarray):
            if type(self).loadNumpyAnnotations is _reference.COCO.loadNumpyAnnotations:
                columns = scan_array(source)
            if columns is None:
                source = self.loadNumpyAnnotations(source)
            else:
                self._say("Converting ndarray to lists...")
                self._say(source.shape)
                for row in range(0, len(source), 1000000):
                    self._say(f"{row}/{len(source)}")
        if columns is not None:
            _check_images(np.unique(columns.image_ids).tolist(), self.getImgIds())
            return columns
        if type(source) is not list:
            raise AssertionError("results in not an array of objects")
        return source

    def _keep(self, unread: Unread) -> None:
        """Results as columns: what is known without records is indexed, the rest is left for later."""
        self._say("creating index...")
        self.imgs, self.cats = _by_id(self.dataset, "images"), _by_id(self.dataset, "categories")
        self._header, self._unread = self.dataset, unread
        for name in _LATE:
            del self.__dict__[name]
        self._say("index created!")

    def __getattr__(self, name: str) -> Any:
        """The records of results that were kept as columns, and their indexes."""
        if name not in _LATE or "_unread" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        unread, given = self.__dict__.pop("_unread"), dict(self.__dict__)
        self.dataset = {**self.__dict__.pop("_header"), "annotations": unread.records()}
        self._index()
        # What was set by hand in the meantime stays.
        self.__dict__.update({late: given[late] for late in (*_LATE, "imgs", "cats") if late in given})
        return self.__dict__[name]

    def unread(self) -> Unread | None:
        """The columns of results whose records nobody has asked for yet, else None."""
        return None if any(name in self.__dict__ for name in _LATE) else self.__dict__.get("_unread")


def _read(path: Any) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123  # `Path` takes an empty name for the folder
        data: bytes = file.read()
    return data


def _by_id(dataset: dict[str, Any], table: str) -> dict[Any, Any]:
    return {record["id"]: record for record in dataset[table]} if table in dataset else {}


def _check_images(found: list[Any], known: list[Any]) -> None:
    unknown = set(found) - set(known)
    if unknown:
        first = next(image for image in found if image in unknown)
        raise AssertionError(
            f"Results do not correspond to current coco set: {len(unknown)} image ids of the results are not in it, "
            f"{first!r} among them"
        )
