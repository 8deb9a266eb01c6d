"""Writing YOLO folders, and what comes back from them."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from detkit import formats
from detkit.errors import InputError, MissingExtraError, UsageError
from detkit.formats import ReadOptions, WriteOptions, yolo
from detkit.formats._yolo_rings import join_rings
from detkit.tables import Categories, Dataset, Detections, Images, Ragged, Shapes, id_array

BCCD = Path(__file__).resolve().parents[3].parent / "shared/data/bccd"
COCO51 = Path(__file__).resolve().parents[3].parent / "shared/data/coco51"


def images(names=("a.jpg", "b.jpg"), sizes=((100, 50), (64, 48)), **more):
    ids = more.pop("ids", None)
    return Images(id_array(ids or range(1, len(names) + 1)), tuple(names), np.array(sizes[: len(names)], float), **more)


def dataset(xywh=((1, 2, 3, 4), (10.5, 20.25, 30.125, 7)), image_index=(0, 1), category_index=None, **more):
    categories = more.pop("categories", Categories.from_names(["cat", "dog"]))
    return Dataset.build(
        more.pop("images", None) or images(),
        categories,
        image_index=image_index,
        category_index=[0] * len(xywh) if category_index is None else category_index,
        xywh=xywh,
        **more,
    )


def round_trip(data, folder, **options):
    losses = formats.write_dataset(data, folder, "yolo", WriteOptions(**options))
    return formats.read_dataset(folder, "auto"), {(x.what, x.action): x.count for x in losses}


def folder(path):
    path.mkdir()
    return path


def same(first, second):
    assert second.annotations.image_index.tolist() == first.annotations.image_index.tolist()
    assert second.annotations.category_index.tolist() == first.annotations.category_index.tolist()
    assert second.annotations.xywh.tolist() == first.annotations.xywh.tolist()
    assert second.images.file_names == first.images.file_names
    assert second.images.ids.tolist() == first.images.ids.tolist()
    assert np.array_equal(second.images.sizes, first.images.sizes, equal_nan=True)
    assert second.images.has_own_ids == first.images.has_own_ids
    assert second.categories.ids.tolist() == first.categories.ids.tolist()
    assert second.categories.names == first.categories.names
    assert second.categories.supercategories == first.categories.supercategories
    assert second.categories.has_own_ids == first.categories.has_own_ids
    assert second.categories.has_names == first.categories.has_names
    assert {k: v.tolist() for k, v in second.splits.items()} == {k: sorted(v.tolist()) for k, v in first.splits.items()}
    assert list(second.splits) == list(first.splits)
    assert second.units == first.units


def test_what_is_written(tmp_path):
    data = dataset(category_index=[1, 0], splits={"train": np.array([0]), "val": np.array([1])})
    assert yolo.write(data, folder(tmp_path / "x"), WriteOptions()) == []
    root = tmp_path / "x"
    assert (root / "labels/train/a.txt").read_text() == f"1 {(1 + 3 / 2) / 100} {(2 + 4 / 2) / 50} {3 / 100} {4 / 50}\n"
    assert yaml.safe_load((root / "data.yaml").read_text()) == {
        "path": ".",
        "train": "images/train",
        "val": "images/val",
        "nc": 2,
        "names": {0: "cat", 1: "dog"},
    }
    assert (root / "detkit-images.csv").read_text() == (
        "file,width,height,id,name\nimages/train/a.jpg,100,50,1,a.jpg\nimages/val/b.jpg,64,48,2,b.jpg\n"
    )
    manifest = json.loads((root / "detkit.json").read_text())
    assert manifest["task"] == "detect"
    assert manifest["categories"][1] == {"index": 1, "id": 2, "name": "dog", "supercategory": None}
    assert manifest["image_ids"] is True


def test_the_same_input_gives_the_same_bytes(tmp_path):
    for name in "xy":
        formats.write_dataset(dataset(), tmp_path / name, "yolo")
    files = sorted(p.relative_to(tmp_path / "x") for p in (tmp_path / "x").rglob("*") if p.is_file())
    assert len(files) == 5
    assert all((tmp_path / "x" / f).read_bytes() == (tmp_path / "y" / f).read_bytes() for f in files)


@pytest.mark.parametrize(
    "splits",
    [
        {},
        {"train": [0], "val": [1]},
        {"train": [0]},
        {"train": [0, 1], "val": []},
        {"trainval": [0, 1], "val": [1], "train": [0]},
        {"val": [1], "test": [1]},
        {"valid": [0], "path": [1]},
        {"val": [0], "valid": [1]},
        {"unassigned": [1]},
        {"fold 1": [0], "names": [1]},
    ],
)
def test_splits_come_back(tmp_path, splits):
    data = dataset(splits={k: np.array(v, np.int64) for k, v in splits.items()})
    back, losses = round_trip(data, tmp_path / "x")
    same(data, back)
    assert not losses


@pytest.mark.parametrize("split", ["valid", "validation"])
def test_the_validation_split_has_the_key_ultralytics_reads(tmp_path, split):
    formats.write_dataset(dataset(splits={"train": np.array([0]), split: np.array([1])}), tmp_path / "x", "yolo")
    assert yaml.safe_load((tmp_path / "x/data.yaml").read_text())["val"] == f"images/{split}"


def test_ids_names_and_order_come_back(tmp_path):
    data = dataset(
        images=images(("z.jpg", "sub dir/ä.b.JPG"), ids=[70, 5]),
        categories=Categories(np.array([18, 1]), ("no", 'a: "b" #'), ("animal", None)),
        category_index=[1, 0],
    )
    back, losses = round_trip(data, tmp_path / "x")
    same(data, back)
    assert losses == {}


@pytest.mark.parametrize("ids", [["007", "8"], [7, "7"], ["a,b", 'x"y']])
def test_ids_of_text_come_back(tmp_path, ids):
    back, _ = round_trip(dataset(images=images(ids=ids)), tmp_path / "x")
    assert back.images.ids.tolist() == ids


def test_numbered_images_stay_numbered(tmp_path):
    data = dataset(images=images(has_own_ids=False), categories=Categories.from_names(["0"], has_names=False))
    back, _ = round_trip(data, tmp_path / "x")
    same(data, back)


def test_edited_names_win_over_the_manifest(tmp_path):
    data = dataset(categories=Categories(np.array([18, 1]), ("a", "b")))
    formats.write_dataset(data, tmp_path / "x", "yolo")
    text = (tmp_path / "x/data.yaml").read_text()
    (tmp_path / "x/data.yaml").write_text(text.replace("1: b", "1: c"))
    back = formats.read_dataset(tmp_path / "x")
    assert back.categories.names == ("a", "c")
    assert back.categories.ids.tolist() == [1, 2]
    assert [f.code for f in back.findings] == ["DK109"]


def test_negatives_and_images_without_size_survive(tmp_path):
    data = dataset(
        xywh=[(1, 2, 3, 4)], image_index=[1], images=images(("n.jpg", "b.jpg"), ((np.nan, np.nan), (64, 48)))
    )
    back, _ = round_trip(data, tmp_path / "x")
    same(data, back)
    assert (tmp_path / "x/labels/n.txt").read_bytes() == b""


def test_images_are_linked_copied_or_left(tmp_path):
    Image.new("L", (100, 50)).save(tmp_path / "src.png")
    data = dataset(
        xywh=[(1, 2, 3, 4)],
        image_index=[0],
        images=images(("a.png", "b.png"), paths=(str(tmp_path / "src.png"), None)),
    )
    _, losses = round_trip(data, tmp_path / "linked")
    assert (tmp_path / "linked/images/a.png").resolve() == (tmp_path / "src.png").resolve()
    assert losses[("image files", "not found, only listed")] == 1
    round_trip(data, tmp_path / "copied", place_images="copy")
    assert not (tmp_path / "copied/images/a.png").is_symlink()
    back, losses = round_trip(data, tmp_path / "left", place_images="leave")
    assert list((tmp_path / "left/images").iterdir()) == []
    assert ("image files", "not found, only listed") not in losses
    same(data, back)
    found = yolo.read(tmp_path / "copied", ReadOptions())
    assert found.images.paths == (str(tmp_path / "copied/images/a.png"), None)


def test_names_never_leave_the_target(tmp_path):
    names = ("../../evil/a.jpg", "/abs/b.jpg", "C:\\w\\c.jpg", "", "./d.jpg")
    data = dataset(
        xywh=[(1, 2, 3, 4)], image_index=[0], images=images(names, ((10, 10),) * 5, ids=[1, 2, 3, "x/../9", 5])
    )
    back, losses = round_trip(data, tmp_path / "deep/x")
    assert back.images.file_names == ("evil/a.jpg", "abs/b.jpg", "w/c.jpg", "9.jpg", "d.jpg")
    assert losses[("file names", "made relative")] == 4
    assert losses[("images without a file name", "named by their id")] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["deep"]
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["x"]


def test_two_images_with_one_label_are_named(tmp_path):
    with pytest.raises(InputError, match=r"`a.jpg` \(id 1\) and `a.png` \(id 2\) would share.*labels/a.txt"):
        formats.write_dataset(dataset(images=images(("a.jpg", "a.png"))), tmp_path / "x", "yolo")
    assert list(tmp_path.iterdir()) == []
    split = dataset(images=images(("a.jpg", "a.png")), splits={"train": np.array([0]), "val": np.array([1])})
    same(split, round_trip(split, tmp_path / "x")[0])


@pytest.mark.parametrize("split", ["../x", "a/b", "..", ""])
def test_split_names_that_are_no_folder(tmp_path, split):
    with pytest.raises(InputError, match="cannot be the name of a folder"):
        formats.write_dataset(dataset(splits={split: np.array([0])}), tmp_path / "x", "yolo")


def test_two_classes_with_one_name(tmp_path):
    data = dataset(categories=Categories(np.array([3, 8]), ("a", "a")))
    with pytest.raises(InputError, match=r"two classes are named `a` \(ids 3 and 8\)"):
        formats.write_dataset(data, tmp_path / "x", "yolo")


def test_unknown_sizes_are_named(tmp_path):
    data = dataset(images=images(sizes=((np.nan, np.nan), (64, 48))))
    with pytest.raises(InputError, match=r"size of 1 image with boxes is unknown.*`a.jpg`") as caught:
        formats.write_dataset(data, tmp_path / "x", "yolo")
    assert "--image-sizes" in caught.value.hint


def test_shares_are_written_as_they_are(tmp_path):
    unknown = ((np.nan, np.nan),) * 2
    data = dataset(xywh=[(0.1, 0.2, 0.3, 0.4), (0.5, 0.5, 0.1, 0.7)], images=images(sizes=unknown), units="normalised")
    back, _ = round_trip(data, tmp_path / "x")
    assert (tmp_path / "x/labels/a.txt").read_text() == "0 0.25 0.4 0.3 0.4\n"
    assert back.units == "normalised"
    assert np.allclose(back.annotations.xywh, data.annotations.xywh, rtol=0, atol=1e-15)


def test_crowds_and_ignored(tmp_path):
    data = dataset(is_crowd=[True, False], is_ignored=[False, True])
    back, losses = round_trip(data, tmp_path / "a")
    assert len(back.annotations) == 1
    assert losses[("crowd annotations", "dropped")] == 1
    assert losses[("difficult (ignored) flags", "written as ordinary objects")] == 1
    assert len(round_trip(data, tmp_path / "b", crowds="keep")[0].annotations) == 2
    assert len(round_trip(data, tmp_path / "c", ignored="drop")[0].annotations) == 0
    with pytest.raises(UsageError, match="no difficult flag"):
        round_trip(data, tmp_path / "d", crowds="difficult")


TRIANGLE = [1, 2, 4, 2, 1, 6]


def test_polygons_come_back_and_boxes_without_become_corners(tmp_path):
    data = dataset(shapes=Shapes.from_rows([[TRIANGLE], None]))
    back, losses = round_trip(data, tmp_path / "x")
    assert back.annotations.xywh.tolist() == data.annotations.xywh.tolist()
    assert back.annotations.shapes.polygons(0)[0].ravel().tolist() == TRIANGLE
    assert back.annotations.shapes.polygons(1)[0].tolist() == [
        [10.5, 20.25], [40.625, 20.25], [40.625, 27.25], [10.5, 27.25]
    ]  # fmt: skip
    assert losses == {("objects without polygons", "written as their box's corners"): 1}
    assert back.annotations.is_oriented is None
    assert round_trip(data, tmp_path / "b", shapes="box")[0].annotations.shapes is None
    assert len(round_trip(data, tmp_path / "d", shapes="drop")[0].annotations) == 1


def test_parts_are_joined_and_thin_ones_dropped_and_boxes_compared(tmp_path):
    rows = [[TRIANGLE, [3, 3, 4, 3, 4, 6], [0, 0, 1, 1]], [[0, 0, 10, 0, 10, 10]]]
    back, losses = round_trip(dataset(shapes=Shapes.from_rows(rows)), tmp_path / "x")
    assert losses == {
        ("polygon parts", "joined"): 2,
        ("polygon parts", "dropped (fewer than three points)"): 1,
        ("boxes that differ from their outline", "replaced by the outline's bounding box"): 1,
    }
    assert len(back.annotations.shapes.polygons(0)[0]) == 3 + 3 + 2
    assert back.annotations.xywh[1].tolist() == [0, 0, 10, 10]


def area(ring):
    x, y = ring[:, 0], ring[:, 1]
    return abs((x * np.roll(y, -1) - np.roll(x, -1) * y).sum()) / 2


def test_a_bridge_adds_no_area():
    square = np.array([[0.0, 0], [2, 0], [2, 2], [0, 2]])
    joined = join_rings([square, square + np.array([5, 0]), square + np.array([0, 9])])
    assert len(joined) == 4 * 3 + 2 * 2
    assert area(joined) == 3 * 2 * 2
    assert join_rings([square]) is square


def test_oriented_boxes_come_back(tmp_path):
    rows = [[[5, 0, 10, 5, 5, 10, 0, 5]], [[1, 1, 4, 1, 4, 5, 1, 5]]]
    data = dataset(xywh=[(0, 0, 10, 10), (1, 1, 3, 4)], shapes=Shapes.from_rows(rows), is_oriented=[True, True])
    back, losses = round_trip(data, tmp_path / "x")
    assert back.annotations.is_oriented.tolist() == [True, True]
    assert back.annotations.shapes.points.values.tolist() == data.annotations.shapes.points.values.tolist()
    assert back.annotations.xywh.tolist() == data.annotations.xywh.tolist()
    assert [f.code for f in back.findings] == []
    assert losses == {}
    mixed = dataset(xywh=[(0, 0, 10, 10), (1, 1, 3, 4)], shapes=Shapes.from_rows(rows), is_oriented=[True, False])
    back, losses = round_trip(mixed, tmp_path / "m")
    assert losses[("oriented boxes", "written as polygons")] == 1
    # Four points each, and still polygons: the manifest says so.
    assert back.annotations.is_oriented is None


def test_poses_come_back(tmp_path):
    points = [[1, 2, 2, 3.5, 4, 1], [0, 0, 0, 60, 40, 2]]
    data = dataset(keypoints=Ragged.from_rows(points, (3,)), info={"flip_idx": [1, 0]})
    back, _ = round_trip(data, tmp_path / "x")
    assert back.annotations.keypoints.values.tolist() == data.annotations.keypoints.values.tolist()
    assert back.info == {"kpt_shape": [2, 3], "flip_idx": [1, 0]}
    assert (tmp_path / "x/labels/a.txt").read_text().split()[5:] == ["0.01", "0.04", "2", "0.035", "0.08", "1"]


def test_poses_with_polygons_and_with_objects_without_keypoints(tmp_path):
    data = dataset(keypoints=Ragged.from_rows([[1, 2, 2], None], (3,)), shapes=Shapes.from_rows([[TRIANGLE], None]))
    back, losses = round_trip(data, tmp_path / "x")
    assert losses[("polygons", "dropped (keypoints are written instead)")] == 1
    assert losses[("objects without keypoints", "written with zero keypoints")] == 1
    assert [k.tolist() for k in (back.annotations.keypoints[0], back.annotations.keypoints[1])] == [
        [[1, 2, 2]],
        [[0, 0, 0]],
    ]


def test_different_numbers_of_keypoints_cannot_be_held(tmp_path):
    data = dataset(keypoints=Ragged.from_rows([[1, 2, 2], [1, 2, 2, 3, 4, 1]], (3,)))
    back, losses = round_trip(data, tmp_path / "x")
    assert back.annotations.keypoints is None
    assert losses[("keypoints", "dropped (objects have 1, 2 keypoints, a YOLO set has one number)")] == 2


def mask(size=(50, 100), hole=False):
    pixels = np.zeros(size, np.uint8)
    pixels[10:20, 5:25] = 1
    pixels[30:40, 5:25] = 1
    if hole:
        pixels[13:16, 10:15] = 0
    flat = pixels.ravel(order="F")
    cuts = np.flatnonzero(np.diff(flat)) + 1
    return {"size": list(size), "counts": np.diff([0, *cuts, flat.size]).tolist()}


def test_masks_need_opencv(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    data = dataset(shapes=Shapes.from_rows([mask(), None]))
    with pytest.raises(MissingExtraError, match="opencv"):
        formats.write_dataset(data, tmp_path / "x", "yolo")
    assert len(round_trip(data, tmp_path / "b", shapes="box")[0].annotations) == 2


def test_masks_are_traced(tmp_path):
    pytest.importorskip("cv2", reason="needs OpenCV (extra `augment`)")
    data = dataset(
        xywh=[(5, 10, 20, 30), (1, 2, 3, 4)], shapes=Shapes.from_rows([mask(hole=True), [[1, 2, 4, 2, 1, 6]]])
    )
    back, losses = round_trip(data, tmp_path / "x")
    assert losses[("run-length masks", "traced to polygons")] == 1
    assert losses[("mask holes", "filled")] == 1
    assert losses[("polygon parts", "joined")] == 2
    assert back.annotations.xywh[0].tolist() == [5.5, 10.5, 20 - 1, 30 - 1]


def test_a_dry_run_writes_nothing(tmp_path):
    formats.write_dataset(dataset(), tmp_path / "x", "yolo", dry_run=True)
    assert list(tmp_path.iterdir()) == []


thousandths = st.integers(0, 4_000_000).map(lambda n: n / 1000)


@settings(derandomize=True, deadline=None, max_examples=50)
@given(
    sizes=st.lists(st.tuples(st.integers(1, 9000), st.integers(1, 9000)), min_size=1, max_size=3),
    boxes=st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 3), thousandths, thousandths, thousandths, thousandths), max_size=6
    ),
)
def test_boxes_of_three_decimals_come_back_exactly(tmp_path_factory, sizes, boxes):
    boxes = sorted((b for b in boxes if b[0] < len(sizes)), key=lambda b: b[0])
    data = dataset(
        xywh=np.array([b[2:] for b in boxes], float).reshape(-1, 4),
        image_index=[b[0] for b in boxes],
        category_index=[b[1] for b in boxes],
        images=images([f"{i}.jpg" for i in range(len(sizes))], sizes),
        categories=Categories.from_names(["a", "b", "c", "d"]),
    )
    root = tmp_path_factory.mktemp("trip")
    back, _ = round_trip(data, root / "x")
    same(data, back)
    round_trip(back, root / "y")
    first = {p.relative_to(root / "x"): p.read_bytes() for p in (root / "x").rglob("*.txt")}
    assert first == {f: (root / "y" / f).read_bytes() for f in first}


@settings(derandomize=True, deadline=None, max_examples=50)
@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 64000), st.integers(0, 48000)), min_size=3, max_size=9),
        min_size=1,
        max_size=5,
    )
)
def test_polygons_of_three_decimals_come_back_exactly(tmp_path_factory, rings):
    rings = [np.array(r) / 1000 for r in rings]
    boxes = [[*r.min(axis=0), *np.round(r.max(axis=0) - r.min(axis=0), 9)] for r in rings]
    data = dataset(
        xywh=boxes, image_index=[1] * len(rings), shapes=Shapes.from_rows([[r.ravel().tolist()] for r in rings])
    )
    back, losses = round_trip(data, tmp_path_factory.mktemp("trip") / "x")
    assert losses == {}
    assert back.annotations.shapes.points.values.tolist() == data.annotations.shapes.points.values.tolist()
    assert back.annotations.xywh.tolist() == data.annotations.xywh.tolist()


def predictions(**more):
    return Detections.build(
        more.pop("images", None) or images(("sub/a.jpg", "b.jpg", "none.jpg"), ((100, 50), (64, 48), (9, 9))),
        Categories(np.array([3, 9]), ("cat", "dog"), has_names=more.pop("has_names", True)),
        image_index=[0, 0, 1],
        category_index=[1, 0, 1],
        xywh=[[1, 2, 3, 4], [5.125, 6, 7, 8], [0, 0, 64, 48]],
        score=[0.9, 1 / 3, 1e-7],
        **more,
    )


def test_predictions_are_written_for_every_image(tmp_path):
    assert formats.write_detections(predictions(), tmp_path / "p", "yolo") == []
    root = tmp_path / "p"
    assert (root / "sub/a.txt").read_text().splitlines()[1].split()[-1] == repr(1 / 3)
    assert (root / "b.txt").read_text() == "1 0.5 0.5 1.0 1.0 1e-07\n"
    assert (root / "none.txt").read_bytes() == b""
    assert yaml.safe_load((root / "data.yaml").read_text()) == {"names": {0: "cat", 1: "dog"}}
    assert "sub/a.jpg,100,50,1,sub/a.jpg" in (root / "detkit-images.csv").read_text()
    assert yolo.detect(root, "dataset").why == "detkit.json says these are predictions"
    assert not yolo.detect(root, "dataset").matches
    formats.write_detections(predictions(has_names=False), tmp_path / "q", "yolo")
    assert not (tmp_path / "q/data.yaml").exists()


def test_predictions_come_back(tmp_path):
    data = predictions()
    formats.write_detections(data, tmp_path / "p", "yolo")
    assert formats.detect(tmp_path / "p", "detections") == "yolo"
    back = formats.read_detections(tmp_path / "p", "yolo", ReadOptions(reference_images=data.images))
    assert back.categories.names == ("cat", "dog")
    assert sorted(back.score.tolist()) == sorted(data.score.tolist())
    assert sorted(back.xywh.tolist()) == sorted(data.xywh.tolist())
    assert back.units == "pixels"


def test_predictions_without_sizes(tmp_path):
    unknown = images(("a.jpg", "b.jpg", "c.jpg"), ((np.nan, np.nan),) * 3)
    with pytest.raises(InputError, match="size of 2 images") as caught:
        formats.write_detections(predictions(images=unknown), tmp_path / "p", "yolo")
    assert "--truth" in caught.value.hint
    data = predictions(images=unknown, units="normalised")
    formats.write_detections(data, tmp_path / "p", "yolo")
    assert (tmp_path / "p/a.txt").read_text().splitlines()[0] == "1 2.5 4.0 3.0 4.0 0.9"
    assert not (tmp_path / "p/detkit-images.csv").exists()


def test_outlines_and_keypoints_of_predictions_are_counted(tmp_path):
    data = predictions(
        shapes=Shapes.from_rows([[TRIANGLE], None, None]), keypoints=Ragged.from_rows([[1, 2, 2], None, None], (3,))
    )
    losses = formats.write_detections(data, tmp_path / "p", "yolo")
    assert [(x.what, x.action, x.count) for x in losses] == [
        ("keypoints", "dropped", 1),
        ("outlines", "turned into boxes", 1),
    ]
    formats.write_detections(data, tmp_path / "q", "yolo", WriteOptions(shapes="drop"))
    assert len((tmp_path / "q/sub/a.txt").read_text().splitlines()) == 1


@pytest.mark.skipif(not BCCD.is_dir(), reason="no ../shared/data/bccd beside the checkout")
def test_real_boxes_come_back_exactly(tmp_path):
    import xml.etree.ElementTree as ElementTree

    names, rows, index, classes = [], [], [], []
    for position, file in enumerate(sorted((BCCD / "Annotations").glob("*.xml"))[:60]):
        root = ElementTree.parse(file).getroot()
        names.append(root.findtext("filename"))
        for item in root.findall("object"):
            x0, y0, x1, y1 = (int(item.findtext(f"bndbox/{k}")) for k in ("xmin", "ymin", "xmax", "ymax"))
            rows.append([x0 - 1, y0 - 1, x1 - x0 + 1, y1 - y0 + 1])
            index.append(position)
            classes.append(["RBC", "WBC", "Platelets"].index(item.findtext("name")))
    paths = tuple(str(BCCD / "JPEGImages" / n) for n in names)
    data = dataset(
        xywh=rows,
        image_index=index,
        category_index=classes,
        images=images(names, [(640, 480)] * len(names), paths=paths),
        categories=Categories.from_names(["RBC", "WBC", "Platelets"]),
    )
    back, _ = round_trip(data, tmp_path / "x")
    same(data, back)
    assert back.findings == ()
    (tmp_path / "x/detkit-images.csv").unlink()
    from_headers = formats.read_dataset(tmp_path / "x")
    assert from_headers.images.sizes.tolist() == data.images.sizes.tolist()
    assert sorted(from_headers.annotations.xywh.tolist()) == sorted(data.annotations.xywh.tolist())
