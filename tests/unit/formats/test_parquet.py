"""Predictions as Parquet: nothing is lost there and back, and other programs' files are read by CSV's rules."""

import itertools
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detkit import formats
from detkit.errors import InputError, MissingExtraError, UsageError
from detkit.findings import summarize
from detkit.formats import ReadOptions, WriteOptions, parquet
from detkit.formats._parquet_write import cut
from detkit.tables import Categories, Detections, Images, Ragged, Shapes, id_array

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures/formats/parquet"


def read(case, **options):
    path = FIXTURES / case / "p.parquet" if isinstance(case, str) else case
    return parquet.read_detections(path, ReadOptions(**options))


def put(folder, file="p.parquet", /, **columns):
    pq.write_table(pa.table(columns), folder / file)
    return folder / file


def plain(rows=3, images=2, **rest):
    random = np.random.default_rng(rows)
    return Detections.build(
        Images(id_array(range(10, 10 + images)), ("",) * images, np.full((images, 2), np.nan)),
        Categories(id_array([3]), ("dog",)),
        image_index=np.arange(rows) * images // max(rows, 1),
        category_index=np.zeros(rows, int),
        xywh=random.random((rows, 4)),
        score=random.random(rows),
        **rest,
    )


def bits(found):
    """Everything a table holds, floats as their bits."""

    def exact(values):
        return np.ascontiguousarray(values, np.float64).view(np.int64).tolist()

    images, categories, shapes = found.images, found.categories, found.shapes
    outlines = shapes is not None and (
        shapes.kind.tolist(),
        [[exact(ring) for ring in shapes.polygons(i)] for i in range(len(shapes))],
        {i: dict(mask) for i, mask in shapes.rle.items()},
    )
    points = found.keypoints
    points = points is not None and [exact(points[i]) for i in range(len(found))]
    return {
        "images": (images.ids.tolist(), images.file_names, images.has_own_ids, dict(images.extra)),
        "sizes": exact(images.sizes),
        "classes": (categories.ids.tolist(), categories.names, categories.supercategories, dict(categories.extra)),
        "class flags": (categories.has_own_ids, categories.has_names),
        "rows": (found.image_index.tolist(), found.category_index.tolist(), found.source_row.tolist()),
        "numbers": [exact(found.xywh), exact(found.score), exact(found.area)],
        "outlines": outlines,
        "points": points,
        "rest": (found.units, found.has_boxes, dict(found.extra)),
    }


# --- there and back

number = st.floats(allow_nan=False, allow_infinity=False)
side = st.floats(0, exclude_min=True, allow_nan=False, allow_infinity=False)
name = st.text(st.characters(codec=None), max_size=6)
mask = st.fixed_dictionaries(
    {"size": st.lists(st.integers(1, 9), min_size=2, max_size=2), "counts": st.text("abc01", max_size=4)}
) | st.fixed_dictionaries(
    {"size": st.lists(st.integers(1, 9), min_size=2, max_size=2), "counts": st.lists(st.integers(0, 9), max_size=3)}
)
ring = st.lists(st.tuples(number, number), max_size=3).map(lambda points: [c for point in points for c in point])
outline = st.none() | mask | st.lists(ring, max_size=3)
fields = st.dictionaries(st.text(max_size=3), st.none() | st.booleans() | st.integers() | number | st.text(max_size=3))


def sometimes(values):
    return st.none() | values


@st.composite
def tables(draw):
    image_ids = draw(
        st.lists(st.integers(-(2**63), 2**63 - 1), unique=True, max_size=4)
        | st.lists(name, unique=True, max_size=4)
        | st.lists(st.sampled_from([1, "1", "a", 2**70]), unique=True, max_size=4)
    )
    class_ids = draw(st.lists(st.integers(-5, 5), unique=True, min_size=1, max_size=3) | st.just(["b", "a"]))
    count = draw(st.integers(0, 6)) if image_ids else 0
    wide, tall = len(image_ids), len(class_ids)
    image_index = [draw(st.integers(0, wide - 1)) for _ in range(count)]
    rest = {
        "shapes": draw(sometimes(st.lists(outline, min_size=count, max_size=count).map(Shapes.from_rows))),
        "keypoints": draw(
            sometimes(
                st.lists(st.lists(st.tuples(number, number, number), max_size=2), min_size=count, max_size=count).map(
                    lambda rows: Ragged.from_rows(rows, (3,))
                )
            )
        ),
        "extra": draw(st.dictionaries(st.integers(0, count - 1), fields)) if count else {},
        "has_boxes": draw(st.booleans()),
        "units": draw(st.sampled_from(["pixels", "normalised"])),
    }
    sizes = draw(st.lists(st.tuples(side | st.just(np.nan), side), min_size=wide, max_size=wide))
    images = Images(
        id_array(image_ids),
        tuple(draw(st.lists(name, min_size=wide, max_size=wide))),
        np.array(sizes, float).reshape(-1, 2),
        has_own_ids=draw(st.booleans()),
        extra=draw(st.dictionaries(st.integers(0, wide - 1), fields)) if wide else {},
    )
    categories = Categories(
        id_array(class_ids),
        tuple(draw(st.lists(name, min_size=tall, max_size=tall))),
        tuple(draw(st.lists(sometimes(st.text(max_size=3)), min_size=tall, max_size=tall))),
        draw(st.booleans()),
        draw(st.booleans()),
    )
    return Detections.build(
        images,
        categories,
        image_index=image_index,
        category_index=[draw(st.integers(0, tall - 1)) for _ in range(count)],
        xywh=np.array([[draw(number) for _ in range(4)] for _ in range(count)]).reshape(-1, 4),
        score=[draw(number) for _ in range(count)],
        area=draw(sometimes(st.lists(number, min_size=count, max_size=count))),
        **rest,
    )


@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning", "ignore:invalid value:RuntimeWarning")
@settings(derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=tables(), rows=st.integers(1, 4))
def test_there_and_back_to_the_bit(tmp_path, found, rows):
    target = tmp_path / "p.parquet"
    formats.write_detections(found, target, "parquet", overwrite=True)
    assert bits(read(target)) == bits(found)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet, "ROWS", rows)
        formats.write_detections(found, tmp_path / "shards", "parquet", overwrite=True)
    assert bits(read(tmp_path / "shards")) == bits(found)


@settings(derandomize=True, max_examples=50)
@given(counts=st.lists(st.integers(0, 5), max_size=12), rows=st.integers(1, 7))
def test_shards_are_whole_images_of_at_most_so_many_rows(counts, rows):
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(int)
    shards = cut(offsets, rows)
    assert [i for first, last in shards for i in range(first, last)] == list(range(len(counts)))
    for first, last in shards:
        assert sum(counts[first:last]) <= rows or last - first == 1
    # No two neighbours would have fitted into one.
    assert all(sum(counts[a:d]) > rows for (a, _), (_, d) in itertools.pairwise(shards))


def streamed(found, target, sizes, rows=None, overwrite=False):
    """A table written in batches of so many rows."""
    ends = np.cumsum(sizes)
    batches = [found.take(np.arange(end - size, end)) for size, end in zip(sizes, ends, strict=True)]
    formats.stream_detections(
        iter(batches),
        target,
        "parquet",
        images=found.images,
        categories=found.categories,
        counts=np.diff(found.offsets),
        columns=frozenset(["keypoints"] if found.keypoints is not None else []),
        rows=rows,
        overwrite=overwrite,
    )


def test_bytes_do_not_depend_on_the_batches(tmp_path, monkeypatch):
    monkeypatch.setattr("detkit.formats._parquet_write.ROWS", 7)
    found = plain(40, 9, keypoints=Ragged.from_rows([[i, i, 1] * (i % 3) for i in range(40)], (3,)))
    for label, sizes in {"one": [40], "many": [1] * 40, "odd": [13, 0, 2, 25]}.items():
        streamed(found, tmp_path / f"{label}.parquet", sizes)
        streamed(found, tmp_path / label, sizes, rows=10)
    whole = (tmp_path / "one.parquet").read_bytes()
    assert pq.ParquetFile(tmp_path / "one.parquet").metadata.num_row_groups == -(-40 // 7)
    shards = sorted(p.name for p in (tmp_path / "one").iterdir())
    assert len(shards) > 3
    for label in ("many", "odd"):
        assert (tmp_path / f"{label}.parquet").read_bytes() == whole
        assert {p.name: p.read_bytes() for p in (tmp_path / label).iterdir()} == {
            name: (tmp_path / "one" / name).read_bytes() for name in shards
        }
    assert bits(read(tmp_path / "one.parquet")) == bits(read(tmp_path / "one"))
    assert np.array_equal(read(tmp_path / "one").xywh, found.xywh)


def test_a_failing_stream_leaves_nothing_behind(tmp_path):
    found = plain(5)

    def batches():
        yield found
        raise ValueError("the run failed")

    for target in (tmp_path / "p.parquet", tmp_path / "shards"):
        with pytest.raises(ValueError, match="the run failed"):
            formats.stream_detections(
                batches(),
                target,
                "parquet",
                images=found.images,
                categories=found.categories,
                counts=np.array([5, 5]),
                rows=2,
            )
    assert list(tmp_path.iterdir()) == []


def test_options_are_kept(tmp_path):
    found = plain(3, shapes=Shapes.from_rows([None, [[0, 0, 1, 0, 1, 1]], {"size": [1, 1], "counts": "1"}]))

    def written(**options):
        formats.write_detections(found, tmp_path / "p.parquet", "parquet", WriteOptions(**options), overwrite=True)
        return read(tmp_path / "p.parquet")

    assert written(shapes="box").shapes is None
    assert len(written(shapes="box")) == 3
    assert written(shapes="drop").xywh.tolist() == found.xywh[:1].tolist()
    assert written(category_ids="dense").categories.ids.tolist() == [1]
    light = read(tmp_path / "p.parquet", with_shapes=False, with_extra=False)
    assert light.shapes is None


def test_plain_readers_see_plain_columns():
    table = pq.read_table([FIXTURES / "shards" / f"part-0000{i}.parquet" for i in range(2)])
    assert table.column_names[:9] == [
        *("image_id", "file_name", "category_id", "category_name", "x", "y", "width", "height", "score")
    ]
    assert table.column("file_name").to_pylist() == ["a.jpg", "a.jpg", "b.jpg"]
    assert table.column("score").to_pylist() == [0.9, 0.125, 0.3333333333333333]
    content = json.loads(pq.read_metadata(FIXTURES / "shards/part-00001.parquet").metadata[b"detkit"])
    assert (content["schema"], content["shard"]) == ("detkit.predictions/1", [2, 2])


# --- shards


def test_shards_are_read_in_order_and_images_without_boxes_stay():
    found = read(FIXTURES / "shards")
    assert found.images.ids.tolist() == [5, 9, 12]
    assert found.images.file_names == ("a.jpg", "b.jpg", "none.jpg")
    assert found.images.sizes.tolist() == [[640, 480], [333, 251], [8, 8]]
    assert found.image_index.tolist() == [0, 0, 1]
    assert found.findings == ()
    assert (found.source.format, len(found.source.sha256)) == ("parquet", 64)


def test_one_shard_alone_is_said():
    found = read(FIXTURES / "shards" / "part-00001.parquet")
    assert found.images.ids.tolist() == [9, 12]
    assert [(f.code, f.message) for f in found.findings] == [
        ("DK110", "shard 2 of 2 read alone: only its 2 images"),
    ]


def test_folders_that_are_no_run(tmp_path):
    folder = Path(shutil.copytree(FIXTURES / "shards", tmp_path / "run"))
    (folder / "part-00000.parquet").rename(folder / "z.parquet")
    with pytest.raises(InputError, match="names of the shards are not in their order"):
        read(folder)
    (folder / "z.parquet").unlink()
    with pytest.raises(InputError, match="shard 1 of 2 missing"):
        read(folder)
    shutil.copy(FIXTURES / "corners/p.parquet", folder / "q.parquet")
    with pytest.raises(InputError, match="has no metadata of detkit, the files beside it have"):
        read(folder)
    (folder / "q.parquet").unlink()
    for name in ("a", "b"):
        formats.write_detections(plain(), folder / f"{name}.parquet", "parquet")
    (folder / "part-00001.parquet").unlink()
    with pytest.raises(InputError, match="several files that are no shards of one run"):
        read(folder)


def test_a_folder_of_other_programs_files_is_one_table(tmp_path):
    for i in range(2):
        put(
            tmp_path, f"{i}.parquet", image_id=[i + 1, 1], label=["a", "b"], bbox=[[1.0, 1, 2, 2]] * 2, score=[0.5, 0.4]
        )
    (tmp_path / "_SUCCESS").touch()
    found = read(tmp_path)
    assert found.images.ids.tolist() == [1, 2]
    assert np.diff(found.offsets).tolist() == [3, 1]
    put(tmp_path, "2.parquet", image_id=[1], category=["a"], bbox=[[1.0, 1, 2, 2]], score=[0.5])
    with pytest.raises(InputError, match=r"2\.parquet: has other columns than the first file"):
        read(tmp_path)


# --- other programs' files


def test_list_of_four_is_xywh_and_said():
    found = read("list_of_four")
    assert found.images.ids.tolist() == [7, 3]
    assert found.categories.ids.tolist() == [1, 18]
    assert not found.categories.has_names
    assert found.category_index.tolist() == [1, 0, 1]
    assert found.xywh.tolist() == [[1, 2, 3, 4], [5.5, 6, 7, 8.25], [0, 0, 9, 9]]
    assert [(f.code, f.message) for f in found.findings] == [
        ("DK107", "lists of `bbox` are taken as x, y, width, height")
    ]
    corners = read("list_of_four", layout="class-xyxy-conf")
    assert corners.xywh[0].tolist() == [1, 2, 3 - 1, 4 - 2]
    with pytest.raises(UsageError, match="hold pixels, not shares"):
        read("list_of_four", layout="class-xyxy-norm-conf")


def test_corners_names_and_columns_nobody_reads():
    found = read("corners")
    assert found.images.file_names == ("b.jpg", "sub/a.jpg")
    assert not found.images.has_own_ids
    assert found.categories.names == ("cat", "dog")
    assert found.xywh.tolist() == [[1, 2, 3, 4], [5.5, 6, 7, 8.25], [0, 0, 9, 9]]
    assert [(f.code, f.message) for f in found.findings] == [("DK109", "columns nothing is read from: `model`")]


def test_class_numbers_are_named_by_a_list():
    found = read("class_numbers")
    assert (found.categories.names, found.categories.has_names) == (("0", "1", "2"), False)
    named = read("class_numbers", names=("cat", "bird", "dog"))
    assert named.categories.names == ("cat", "bird", "dog")
    assert named.category_index.tolist() == [2, 0, 2]


def test_bad_rows_have_their_number():
    found = read("bad_rows")
    assert found.xywh.tolist() == [[1, 2, 3, 4]]
    assert found.images.ids.tolist() == [7]
    bad = [f for f in found.findings if f.code == "DK102"]
    assert [(f.annotation, f.message) for f in sorted(bad, key=lambda f: f.annotation)] == [
        (1, "row 1: `image_id` is null, expected the image"),
        (2, "row 2: `category_id` is null, expected the class"),
        (3, "row 3: `bbox` has 3 values, expected 4"),
        (4, "row 4: `bbox` is null"),
        (5, "row 5: `score` is nan, expected a finite number"),
    ]
    with pytest.raises(InputError, match="5 unusable rows"):
        import detkit

        detkit.nms(FIXTURES / "bad_rows" / "p.parquet")


def test_many_bad_rows_are_counted(tmp_path):
    path = put(tmp_path, image_id=[1] * 250, label=["a"] * 250, bbox=[[1.0, 1, 2, 2]] * 250, score=[float("inf")] * 250)
    found = read(path)
    assert len(found) == 0
    assert summarize(f for f in found.findings if f.code == "DK102") == {"DK102": 250}
    assert len(found.findings) <= 103
    assert any(f.message == "150 more rows of this kind" for f in found.findings)


def test_what_is_missing_is_one_message():
    with pytest.raises(InputError) as caught:
        read("missing_column")
    assert (
        "p.parquet: found columns `image_id`, `bbox`; expected a class (`category_id`, `category`, `class`, `label`) "
        "and a confidence (`score`, `confidence`, `conf`) too\n" in str(caught.value)
    )
    found = parquet.detect(FIXTURES / "missing_column" / "p.parquet", "detections")
    assert not found.matches
    assert "a confidence" in found.why


@pytest.mark.parametrize("type_", [pa.string(), pa.bool_(), pa.timestamp("s")])
def test_numbers_of_another_type(tmp_path, type_):
    path = put(tmp_path, image_id=[1], label=["a"], bbox=[[1.0, 1, 2, 2]], score=pa.nulls(1, type_))
    with pytest.raises(InputError, match=r"column `score`: found .*, expected numbers"):
        read(path)


def test_ids_as_other_programs_store_them(tmp_path):
    """Floats of whole numbers (a column that had gaps), dictionaries, integers as texts, file names as ids."""
    columns = {"bbox": [[1.0, 1, 2, 2]] * 2, "score": [0.5, 0.4]}
    floats = read(put(tmp_path, image_id=[3.0, 4.0], category_id=[1.0, 2.0], **columns))
    assert (floats.images.ids.tolist(), floats.images.ids.dtype) == ([3, 4], np.int64)
    assert floats.categories.ids.tolist() == [1, 2]
    coded = pa.array(["12", "7"]).dictionary_encode()
    assert read(put(tmp_path, image_id=coded, label=coded, **columns)).images.ids.tolist() == [12, 7]
    named = read(put(tmp_path, image_id=["000012", "b"], label=["x", "y"], **columns))
    assert (named.images.file_names, named.images.has_own_ids) == (("000012", "b"), False)
    half = read(put(tmp_path, image_id=[3.5, 4.0], label=["x", "y"], **columns))
    assert [f.message for f in half.findings if f.code == "DK102"] == ["row 0: `image_id` is no whole number"]
    both = read(
        put(tmp_path, image_id=[4, 4], image=["a.jpg", "a.jpg"], category_id=[1, 2], name=["p", "q"], **columns)
    )
    assert (both.images.file_names, both.images.ids.tolist()) == (("a.jpg",), [4])
    assert both.categories.names == ("p", "q")
    with pytest.raises(InputError, match="category 1 is called `p` and `q`"):
        read(put(tmp_path, image_id=[4, 4], category_id=[1, 1], name=["p", "q"], **columns))


def test_rows_that_look_wrong_are_kept(tmp_path):
    boxes = [[10.0, 1, 0, 2], [1.0, 1, 2, 2]]
    found = read(put(tmp_path, image_id=[1, 1], label=["a", "a"], bbox=boxes, score=[1.5, 0.5]))
    assert len(found) == 2
    assert summarize(found.findings) == {"DK107": 1, "DK201": 1, "DK708": 1}


# --- our own files, damaged or changed


def own(tmp_path):
    formats.write_detections(plain(4), tmp_path / "own.parquet", "parquet")
    return pq.read_table(tmp_path / "own.parquet")


def test_own_rows_with_other_ids_or_no_number(tmp_path):
    table = own(tmp_path)
    ids = pa.array([10, 99, 11, None])
    table = table.set_column(0, "image_id", ids).set_column(8, "score", pa.array([0.5, 0.5, None, 0.5]))
    pq.write_table(table, tmp_path / "changed.parquet")
    found = read(tmp_path / "changed.parquet")
    assert len(found) == 1
    assert [(f.code, f.annotation) for f in found.findings] == [("DK102", 2), ("DK102", 3), ("DK104", 1)]
    assert "`image_id` is 99, which is no image of the file's metadata" in found.findings[2].message


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ("{", "not a JSON object with `schema`"),
        ("[]", "not a JSON object with `schema`"),
        ('{"schema": "detkit.predictions/9"}', "schema `detkit.predictions/9`, expected detkit.predictions/1"),
        ('{"schema": "detkit.predictions/1"}', "damaged: KeyError 'images'"),
    ],
)
def test_metadata_of_another_version_or_damaged(tmp_path, metadata, message):
    table = own(tmp_path).replace_schema_metadata({"detkit": metadata})
    pq.write_table(table, tmp_path / "odd.parquet")
    with pytest.raises(InputError) as caught:
        read(tmp_path / "odd.parquet")
    assert message in str(caught.value)


def test_without_its_metadata_it_is_another_programs_file(tmp_path):
    table = own(tmp_path).replace_schema_metadata(None)
    pq.write_table(table, tmp_path / "bare.parquet")
    found = read(tmp_path / "bare.parquet")
    assert found.images.ids.tolist() == [10, 11]
    assert found.categories.names == ("dog",)
    assert found.xywh.tolist() == plain(4).xywh.tolist()


def test_own_columns_missing(tmp_path):
    pq.write_table(own(tmp_path).drop_columns(["x", "score"]), tmp_path / "cut.parquet")
    with pytest.raises(InputError, match=r"columns `x`, `score` are missing, expected those of detkit\.predictions/1"):
        read(tmp_path / "cut.parquet")


@pytest.mark.parametrize("keep", [4, 30, 0.5, 0.99])
def test_cut_off_files(tmp_path, keep):
    own(tmp_path)
    content = (tmp_path / "own.parquet").read_bytes()
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(content[: keep if isinstance(keep, int) else int(keep * len(content))])
    assert not parquet.detect(broken, "detections").matches
    with pytest.raises(InputError, match="no Parquet file: starts with `PAR1`"):
        read(broken)


def test_damage_inside_is_an_error_not_a_crash(tmp_path):
    own(tmp_path)
    content = bytearray((tmp_path / "own.parquet").read_bytes())
    whole, refused, places = len(read(tmp_path / "own.parquet")), 0, range(4, len(content) - 4, 97)
    for start in places:
        broken = tmp_path / "broken.parquet"
        broken.write_bytes(content[:start] + bytes(x ^ 0xFF for x in content[start : start + 9]) + content[start + 9 :])
        try:
            found = read(broken)
        except InputError:
            refused += 1
        else:
            assert len(found) <= whole
    assert 0 < refused <= len(places)


# --- without pyarrow


def test_without_pyarrow_one_line_names_the_extra(tmp_path, monkeypatch):
    path = tmp_path / "own.parquet"
    formats.write_detections(plain(), path, "parquet")
    for module in ("pyarrow", "pyarrow.compute", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, module, None)
    assert formats.detect(path, "detections") == "parquet"
    for call in (
        lambda: formats.read_detections(path),
        lambda: formats.write_detections(plain(), tmp_path / "new.parquet", "parquet"),
        lambda: formats.require("parquet"),
    ):
        with pytest.raises(MissingExtraError, match="this needs `pyarrow`, which is not installed") as caught:
            call()
        assert caught.value.hint == 'pip install "detkit[parquet]"'
    assert [p.name for p in tmp_path.iterdir()] == ["own.parquet"]
    assert replace(plain(), units="pixels").units == "pixels"


def test_pyarrow_is_not_loaded_for_other_formats(tmp_path):
    (tmp_path / "p.csv").write_text("image,category,score,x,y,width,height\na.jpg,cat,0.5,1,2,3,4\n")
    code = (
        "import sys; from detkit import formats; formats.read_detections('p.csv'); "
        "sys.exit(any(name.startswith('pyarrow') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 0
