"""Every format keeps the same contract: a new file in the room without fixtures and a page fails here at once.

For each feature of `FEATURES` there is a small dataset that has it and little else. A format that says it holds the
feature gives it back; one that does not says what was lost.
"""

from __future__ import annotations

import importlib.util
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detkit import formats, registry
from detkit.errors import MissingExtraError, UnrecognisedError, UsageError
from detkit.evaluation.align import align
from detkit.formats import _recognition
from detkit.formats._base import FEATURES, Capabilities, Kind, Probe
from detkit.tables import Categories, Dataset, Detections, Images, Ragged, Shapes, id_array
from plugins import plugged_in

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "fixtures" / "formats"
NAMES = formats.names()
KINDS: tuple[Kind, ...] = ("dataset", "detections")
FUNCTIONS = ("read", "write", "read_detections", "write_detections")

FILES = ("a.jpg", "night/b c.png", "c.v2.JPG", "nothing.jpg")
SIZES = ((640, 480), (333, 251), (97, 1021), (64, 64))
#: Image of each row, class of each row, box: whole and broken pixels, one pixel wide, the whole image.
ROWS = (0, 0, 0, 1, 2)
CLASSES = (1, 0, 1, 2, 0)
BOXES = ((10, 20, 30, 40), (0, 0, 640, 480), (5.5, 6.25, 1, 7), (100.125, 3, 200.5, 248), (1, 1, 90, 1000))
CLASS_NAMES = ("person", "traffic light", "größe")


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# --- what each file of the room offers


def test_there_are_formats() -> None:
    assert {"coco", "voc", "yolo", "csv", "parquet"} <= set(NAMES)


def test_offers_the_contract(name: str) -> None:
    module = registry.load("detkit.formats", name)
    assert isinstance(module.CAPABILITIES, Capabilities)
    assert callable(module.detect)
    offered = [function for function in FUNCTIONS if hasattr(module, function)]
    assert {"read", "read_detections"} & set(offered)
    assert {"CAPABILITIES", "detect", *offered} <= set(module.__all__)


def test_capabilities_make_sense(name: str) -> None:
    holds = formats.capabilities(name)
    assert holds.holds <= set(FEATURES)
    assert all(s == s.lower() and s.startswith(".") for s in holds.file_suffixes)
    assert not (holds.attributes and "attributes" in holds.holds)
    if name in formats.names("dataset", "write"):
        assert holds.folder or holds.file_suffixes
    if name in formats.names("detections", "write"):
        assert holds.detections_folder or holds.file_suffixes
        assert "scores" in holds.holds


def test_has_fixtures_and_a_page(name: str) -> None:
    cases = [p for p in (ROOT / "fixtures" / "formats" / name).iterdir() if p.is_dir() and any(p.iterdir())]
    assert cases
    page = ROOT / "docs" / "reference" / "formats" / f"{name}.md"
    assert page.is_file(), f"write {page.relative_to(ROOT)}"
    title = page.read_text(encoding="utf-8").partition("\n")[0]
    assert title.startswith("# ")
    assert name in title.lower()


# --- recognition


def _nothing_of_the_kind(folder: Path) -> dict[str, Path]:
    made = {}
    for label, content in {
        "junk.txt": b"dear diary,\ntoday nothing happened\n",
        "junk.json": b'{"a": [1, 2, {"b": null}]}',
        "number.json": b"3",
        "cut.json": b'{"a": [1, 2, ',
        "junk.csv": b"first name,telephone\nada,1\n",
        "junk.xml": b"<?xml version='1.0'?><note><to>you</to></note>",
        "broken.xml": b"<annotation><object>",
        "junk.yaml": b"- 1\n- two\n",
        "broken.yaml": b"a: [1, 2\nb: {",
        "image.png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\0\0\0\0",
        "binary.json": bytes(range(256)) * 8,
        "binary.txt": b"\xff\xfe\0\0" * 100,
        "binary": bytes(256),
        "utf16.csv": "image,class,confidence,x,y,w,h\n".encode("utf-16"),
    }.items():
        made[label] = folder / label
        made[label].write_bytes(content)
    for suffix in (".json", ".txt", ".csv", ".xml", ".yaml", ".zip", ".png", ""):
        made[f"empty{suffix}"] = folder / f"empty{suffix}"
        made[f"empty{suffix}"].write_bytes(b"")
    for label in ("empty folder", "folder of images", "folder of notes", "deep"):
        made[label] = folder / "folders" / label
        made[label].mkdir(parents=True)
    (made["folder of images"] / "a.png").write_bytes(made["image.png"].read_bytes())
    (made["folder of notes"] / "README.txt").write_bytes(made["junk.txt"].read_bytes())
    (made["deep"] / "a" / "b").mkdir(parents=True)
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_detect_says_no_with_a_reason_and_never_raises(name: str, kind: Kind, tmp_path: Path) -> None:
    detect = registry.load("detkit.formats", name).detect
    images_only = {"folder of images"} if name == "yolo" else set()  # YOLO images may all be negatives
    for label, path in _nothing_of_the_kind(tmp_path).items():
        found = detect(path, kind)
        assert isinstance(found, Probe), label
        assert not found.matches or label in images_only, f"{label}: {found.why}"
        assert found.why.strip(), label


@pytest.mark.parametrize("kind", KINDS)
def test_where_a_format_is_sure_no_other_one_fits(kind: Kind) -> None:
    sure = 0
    for path in sorted(p for p in FIXTURES.rglob("*") if p.is_file()):
        said = {name: _recognition._probe(name, path, kind) for name in formats.names(kind)}
        if any(probe.is_sure for probe in said.values()):
            sure += 1
            assert sum(probe.matches for probe in said.values()) == 1, path
    assert sure > 5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", [".txt", ".json", ".xml", ".csv", ".parquet"])
def test_what_is_recognised_by_none_names_what_those_lacked_that_are_read_from_such_files(
    kind: Kind, suffix: str, tmp_path: Path
) -> None:
    junk = tmp_path / f"junk{suffix}"
    junk.write_text("dear diary,\ntoday nothing happened\n")
    with pytest.raises(UnrecognisedError) as caught:
        formats.detect(junk, kind)
    near = [name for name in formats.names(kind) if suffix in formats.capabilities(name).read_from]
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0].strip() for line in lines if line.startswith("  ") and ": " in line] == near
    others = len(formats.names(kind)) - len(near)
    assert (f"  and {others} formats read from other files" in lines) == bool(near)


def test_a_format_says_which_files_it_is_read_from(name: str) -> None:
    suffixes = formats.capabilities(name).read_from
    assert suffixes
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in suffixes)
    kept = {path.suffix.lower() for path in (FIXTURES / name).rglob("*")}
    assert kept & set(suffixes), f"no fixture of {name} is such a file"


# --- one feature at a time, there and back


def _images(**changes: Any) -> Images:
    count = len(FILES)
    given = {"ids": id_array(range(1, count + 1)), "file_names": FILES, "sizes": np.array(SIZES, float)}
    return Images(**{**given, "has_own_ids": False, **changes})


def _dataset(images: Images | None = None, categories: Categories | None = None, **changes: Any) -> Dataset:
    columns = {"image_index": ROWS, "category_index": CLASSES, "xywh": BOXES, **changes}
    return Dataset.build(images or _images(), categories or Categories.from_names(CLASS_NAMES), **columns)


def _rectangle(box: tuple[float, ...]) -> list[list[float]]:
    x, y, w, h = box
    return [[x, y, x + w, y, x + w, y + h, x, y + h]]


def _mask(i: int) -> dict[str, Any]:
    width, height = SIZES[ROWS[i]]
    x, y, w, h = (int(v) for v in BOXES[i])
    on, off = h, height - h
    counts = [x * height + y, on, *([off, on] * (w - 1))]
    return {"size": [height, width], "counts": [*counts, width * height - sum(counts)]}


def _points(box: tuple[float, ...]) -> list[list[float]]:
    x, y, w, h = box
    return [[x + w / 2, y + h / 2, 2], [x + w, y, 1], [0, 0, 0]]


BOX_AREA = np.array([w * h for _, _, w, h in BOXES])

#: feature -> a dataset that has it
WITH: dict[str, Callable[[], Dataset]] = {
    "image_ids": lambda: _dataset(_images(ids=id_array([40, 7, 900, 12]), has_own_ids=True)),
    "image_sizes": lambda: _dataset(),
    "category_ids": lambda: _dataset(categories=Categories(id_array([3, 18, 90]), CLASS_NAMES)),
    "supercategories": lambda: _dataset(categories=Categories(id_array([1, 2, 3]), CLASS_NAMES, ("animal", None, "x"))),
    "annotation_ids": lambda: _dataset(_images(has_own_ids=True), ids=id_array([51, 7, 99, 3, 1000])),
    "area": lambda: _dataset(area=BOX_AREA * 0.75),
    "crowds": lambda: _dataset(is_crowd=[False, True, False, True, False]),
    "ignored": lambda: _dataset(is_ignored=[True, False, False, True, False]),
    "polygons": lambda: _dataset(shapes=Shapes.from_rows([_rectangle(box) for box in BOXES])),
    "rle": lambda: _dataset(shapes=Shapes.from_rows([_mask(i) for i in range(len(BOXES))])),
    "keypoints": lambda: _dataset(keypoints=Ragged.from_rows([_points(box) for box in BOXES], (3,))),
    "oriented": lambda: _dataset(
        shapes=Shapes.from_rows([_rectangle(box) for box in BOXES]), is_oriented=[True] * len(BOXES)
    ),
    "attributes": lambda: _dataset(attributes={"weather": np.array([None, "rain", "fog", "rain", None], dtype=object)}),
    "extra": lambda: _dataset(extra={1: {"who": "ada"}, 4: {"who": "bob"}}),
    "info": lambda: _dataset(info={"info": {"year": 2026}, "licenses": [{"id": 1, "name": "own"}]}),
    "splits": lambda: _dataset(splits={"train": np.array([0, 3]), "val": np.array([1, 2])}),
}
#: feature -> words that one of the losses has when the feature is not held
LOST = {
    "image_ids": "image ids",
    "image_sizes": "sizes",
    "category_ids": "category ids",
    "supercategories": "supercategories",
    "annotation_ids": "annotation ids",
    "area": "stated areas",
    "crowds": "crowd annotations",
    "ignored": "difficult (ignored) flags",
    "polygons": "polygons",
    "rle": "mask",
    "keypoints": "keypoints",
    "oriented": "oriented boxes",
    "attributes": "attribute `weather`",
    "extra": "annotation field `who`",
    "info": "top-level fields",
    "splits": "splits",
}


def _target(folder: Path, name: str, kind: Kind) -> Path:
    holds = formats.capabilities(name)
    whole = holds.folder if kind == "dataset" else holds.detections_folder
    return folder / ("out" if whole else f"out{holds.file_suffixes[0]}")


def _rows(data: Dataset) -> list[tuple[Any, ...]]:
    """Rows as file name, class, box: in order of the images' names and of the rows in an image."""
    rows = data.annotations
    found = [
        (data.images.file_names[i], n, data.categories.names[c], *box)
        for n, (i, c, box) in enumerate(
            zip(rows.image_index.tolist(), rows.category_index.tolist(), rows.xywh.tolist(), strict=True)
        )
    ]
    return [(image, *rest) for image, _, *rest in sorted(found, key=lambda row: row[:2])]


def _in_order(data: Dataset, column: Any) -> list[Any]:
    """A column in the order of `_rows`."""
    names = [data.images.file_names[i] for i in data.annotations.image_index]
    return [column[i] for i in sorted(range(len(names)), key=lambda i: (names[i], i))]


def _by_name(data: Dataset, values: Any) -> dict[str, Any]:
    return dict(zip(data.images.file_names, values, strict=True))


def _outlines(data: Dataset) -> Any:
    shapes = data.annotations.shapes
    return shapes and _in_order(data, [[ring.tolist() for ring in shapes.polygons(i)] for i in range(len(shapes))])


def _extras(data: Dataset) -> list[Any]:
    return _in_order(data, [data.annotations.extra.get(i, {}).get("who") for i in range(len(data.annotations))])


#: feature -> what of a dataset must come back
SAME: dict[str, Callable[[Dataset], Any]] = {
    "image_ids": lambda d: _by_name(d, d.images.ids.tolist()),
    "image_sizes": lambda d: _by_name(d, d.images.sizes.tolist()),
    "category_ids": lambda d: dict(zip(d.categories.names, d.categories.ids.tolist(), strict=True)),
    "supercategories": lambda d: dict(zip(d.categories.names, d.categories.supercategories, strict=True)),
    "annotation_ids": lambda d: _in_order(d, d.annotations.ids.tolist()),
    "area": lambda d: _in_order(d, d.annotations.area.tolist()),
    "crowds": lambda d: _in_order(d, d.annotations.is_crowd.tolist()),
    "ignored": lambda d: _in_order(d, d.annotations.is_ignored.tolist()),
    "polygons": _outlines,
    "rle": lambda d: d.annotations.shapes and [dict(d.annotations.shapes.rle[i]) for i in range(len(d.annotations))],
    "keypoints": lambda d: (
        d.annotations.keypoints
        and _in_order(d, [d.annotations.keypoints[i].tolist() for i in range(len(d.annotations))])
    ),
    "oriented": lambda d: (
        None if d.annotations.is_oriented is None else (_in_order(d, d.annotations.is_oriented.tolist()), _outlines(d))
    ),
    "attributes": lambda d: _in_order(d, list(d.annotations.attributes["weather"])),
    "extra": _extras,
    "info": lambda d: {key: d.info[key] for key in ("info", "licenses")},
    "splits": lambda d: {k: sorted(d.images.file_names[i] for i in v) for k, v in d.splits.items()},
}


def test_every_feature_has_a_dataset() -> None:
    assert set(WITH) == set(LOST) == set(SAME) == set(FEATURES) - {"scores"}


@pytest.mark.parametrize("feature", WITH)
@pytest.mark.parametrize("name", formats.names("dataset", "write"))
def test_a_feature_comes_back_or_is_reported_lost(name: str, feature: str, tmp_path: Path) -> None:
    data, target = WITH[feature](), _target(tmp_path, name, "dataset")
    if name == "yolo" and feature == "rle" and importlib.util.find_spec("cv2") is None:
        with pytest.raises(MissingExtraError):
            formats.write_dataset(data, target, name)
        return
    losses = formats.write_dataset(data, target, name)
    lost = [loss for loss in losses if LOST[feature] in loss.what]
    if feature not in formats.capabilities(name).holds:
        assert lost, [str(loss) for loss in losses]
        assert all(loss.count > 0 for loss in lost)
        return
    back = formats.read_dataset(target, name)
    assert SAME[feature](back) == SAME[feature](data)
    assert lost == []
    assert _rows(back) == _rows(data)
    assert [f for f in back.findings if f.severity == "error"] == []


@pytest.mark.parametrize("name", formats.names("dataset", "write"))
def test_the_plain_dataset_comes_back_whole(name: str, tmp_path: Path) -> None:
    """Images without boxes, odd names, and every coordinate to the last digit; and nothing is called lost."""
    data, target = _dataset(), _target(tmp_path, name, "dataset")
    losses = formats.write_dataset(data, target, name)
    assert [str(loss) for loss in losses] == []
    assert formats.detect(target, "dataset") == name
    back = formats.read_dataset(target)
    assert sorted(back.images.file_names) == sorted(FILES)
    assert back.categories.names == CLASS_NAMES
    assert _rows(back) == _rows(data)
    assert back.units == "pixels"
    assert back.source is not None
    assert (back.source.path, back.source.format, len(back.source.sha256)) == (str(target), name, 64)


@pytest.mark.parametrize("name", formats.names("dataset", "write"))
def test_writing_twice_gives_the_same_bytes_and_reading_the_same_hash(name: str, tmp_path: Path) -> None:
    def written(place: Path) -> dict[str, bytes]:
        place.mkdir()
        target = _target(place, name, "dataset")
        formats.write_dataset(_dataset(), target, name)
        files = [target] if target.is_file() else sorted(p for p in target.rglob("*") if p.is_file())
        return {str(p.relative_to(place)): p.read_bytes() for p in files}

    first, second = written(tmp_path / "first"), written(tmp_path / "second")
    assert first == second
    assert first
    hashes = [formats.read_dataset(_target(tmp_path / p, name, "dataset"), name).source for p in ("first", "second")]
    assert len({source.sha256 for source in hashes if source is not None}) == 1


@pytest.mark.parametrize("name", formats.names("dataset", "write"))
def test_a_dry_run_writes_nothing_and_says_the_same(name: str, tmp_path: Path) -> None:
    data, target = WITH["crowds"](), _target(tmp_path, name, "dataset")
    told = formats.write_dataset(data, target, name, dry_run=True)
    assert list(tmp_path.iterdir()) == []
    assert told == formats.write_dataset(data, target, name)


@pytest.mark.parametrize("name", formats.names("dataset", "write"))
def test_an_empty_dataset_survives(name: str, tmp_path: Path) -> None:
    """Images and classes, and not one box."""
    data = _dataset(image_index=[], category_index=[], xywh=np.empty((0, 4)))
    target = _target(tmp_path, name, "dataset")
    formats.write_dataset(data, target, name)
    back = formats.read_dataset(target)
    assert (sorted(back.images.file_names), len(back.annotations)) == (sorted(FILES), 0)
    assert back.categories.names == CLASS_NAMES


# --- predictions

SCORES = (0.5, 0.25, 1.0, 0.123456789012345, 0.0)


def _detections(data: Dataset) -> Detections:
    columns = {"image_index": ROWS, "category_index": CLASSES, "xywh": BOXES, "score": SCORES}
    return Detections.build(data.images, data.categories, **columns)


def _scored(found: Detections) -> list[tuple[Any, ...]]:
    columns = (found.image_index, found.category_index, found.xywh, found.score)
    return sorted((i, c, *box, score) for i, c, box, score in zip(*(v.tolist() for v in columns), strict=True))


@pytest.mark.parametrize("name", formats.names("detections", "write"))
def test_predictions_come_back(name: str, tmp_path: Path) -> None:
    """In terms of the truth: some formats hold ids, some names, some only stems and class numbers."""
    truth = _dataset(_images(has_own_ids=True), Categories(id_array([1, 2, 3]), CLASS_NAMES))
    found, target = _detections(truth), _target(tmp_path, name, "detections")
    formats.write_detections(found, target, name)
    assert formats.detect(target, "detections") == name
    options = formats.ReadOptions(reference_images=truth.images)
    back = formats.read_detections(target, "auto", options)
    assert back.source is not None
    assert back.source.format == name
    met = align(truth, back)
    assert (met.outside, met.unmapped) == (0, 0)
    assert _scored(met.detections) == _scored(found)


# --- asking for what is not there


def test_what_a_format_cannot_do_is_a_wrong_request(name: str, tmp_path: Path) -> None:
    existing = tmp_path / "file.txt"
    existing.write_text("x")
    if name not in formats.names("dataset"):
        with pytest.raises(UsageError, match=f"`{name}` does not read dataset"):
            formats.read_dataset(existing, name)
    if name not in formats.names("dataset", "write"):
        with pytest.raises(UsageError, match=f"`{name}` does not write dataset"):
            formats.write_dataset(_dataset(), tmp_path / "out", name)


def test_an_unknown_format_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="unknown format `cocoo`") as caught:
        formats.capabilities("cocoo")
    assert "did you mean `coco`" in str(caught.value)


# --- a format of another distribution


@pytest.fixture
def lonely(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[types.ModuleType]:
    """A format `lonely` that an installed package offers, by its entry point."""
    module = types.ModuleType("somewhere_else")
    module.CAPABILITIES = Capabilities(holds=frozenset(), file_suffixes=(".lonely",), folder=False)  # type: ignore[attr-defined]
    module.detect = lambda path, kind: Probe(path.suffix == ".lonely", "by its suffix")  # type: ignore[attr-defined]
    module.read = lambda path, options: _dataset()  # type: ignore[attr-defined]
    module.write = lambda dataset, target, options: target.write_text("lonely\n") and []  # type: ignore[attr-defined]
    monkeypatch.setitem(__import__("sys").modules, "somewhere_else", module)
    with plugged_in(tmp_path_factory.mktemp("installed"), "detkit.formats", "lonely", "somewhere_else"):
        yield module


def test_a_format_of_another_package_takes_part(lonely: types.ModuleType, tmp_path: Path) -> None:
    assert formats.names() == tuple(sorted((*NAMES, "lonely")))
    assert registry.load("detkit.formats", "lonely") is lonely
    assert formats.format_of_target("x.lonely", "dataset") == "lonely"
    target = tmp_path / "x.lonely"
    losses = formats.write_dataset(WITH["crowds"](), target, "lonely")
    assert [(loss.what, loss.count) for loss in losses] == [("crowd annotations", 2), ("image sizes", 4)]
    assert formats.detect(target, "dataset") == "lonely"
    assert len(formats.read_dataset(target).annotations) == len(BOXES)
    assert "lonely" not in formats.names("detections")


def test_an_own_format_wins_over_a_plugged_in_one(tmp_path: Path) -> None:
    """Nobody replaces `coco` by installing a package."""
    with plugged_in(tmp_path, "detkit.formats", "coco", "json"):
        assert registry.load("detkit.formats", "coco").__name__ == "detkit.formats.coco"
        assert formats.names().count("coco") == 1
