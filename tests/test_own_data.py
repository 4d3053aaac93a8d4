"""Data of one's own: folders of images, .npz, .csv; what makes no sense in them is told with its place."""

import os
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from graphnn.data import folder, load_own, own
from graphnn.errors import DataNotFoundError, FormatError, ParameterError
from graphnn.formats import npz


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def picture(path, colour, size=(9, 7), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)


@pytest.fixture
def photos(tmp_path):
    root = tmp_path / "photos"
    for k in range(12):
        picture(root / "cat" / f"{k}.png", (200, k, 0))
        picture(root / "dog" / f"{k}.jpg", (0, k, 200))
    (root / "dog" / "notes.txt").write_text("no picture")
    (root / ".hidden").mkdir()
    return root


def test_a_folder(photos):
    data = load_own(photos, size=8)
    assert (data.name, data.kind, data.classes) == ("photos", "images", ("cat", "dog"))
    assert data.train_x.shape == (22, 3, 8, 8) and data.test_x.shape == (2, 3, 8, 8)
    assert data.note == "no test part: 2 of 24 rows, drawn at random, are taken for one"
    for x, y in ((data.train_x, data.train_y), (data.test_x, data.test_y)):
        assert ((x[:, 0].mean((1, 2)) > 100) == (y == 0)).all()
    again = load_own(photos, size=8)
    np.testing.assert_array_equal(data.train_x, again.train_x)


def test_a_folder_with_a_test_part_and_grey_images(tmp_path):
    for part, n in (("train", 3), ("val", 2)):
        for k in range(n):
            picture(tmp_path / part / "a" / f"{k}.png", 10 * k, mode="L")
            picture(tmp_path / part / "b" / f"{k}.png", 200, mode="L")
    data = load_own(tmp_path)
    assert data.train_x.shape == (6, 1, 32, 32) and data.test_x.shape == (4, 1, 32, 32)
    assert data.note == ""


def test_images_are_decoded_once(photos, cache, monkeypatch):
    data = load_own(photos, size=8)
    (kept,) = (cache / "graphnn" / "images").iterdir()

    def decoded(*_):
        raise AssertionError("decoded again")

    with monkeypatch.context() as patch:
        patch.setattr(folder, "_image", decoded)
        np.testing.assert_array_equal(load_own(photos, size=8).test_x, data.test_x)
        picture(photos / "cat" / "0.png", (1, 2, 3), size=(20, 20))
        with pytest.raises(AssertionError, match="decoded again"):
            load_own(photos, size=8)
    assert load_own(photos, size=8).train_x.shape == (22, 3, 8, 8)
    assert not kept.exists()  # the images of a folder as it was
    (kept,) = kept.parent.iterdir()
    load_own(photos, size=7)
    assert len(list(kept.parent.iterdir())) == 2
    whole = kept.read_bytes()
    for damaged in (b"", whole[:5], whole[:100], whole[:-1], b"PK"):  # made anew
        kept.write_bytes(damaged)
        assert load_own(photos, size=8).train_x.shape == (22, 3, 8, 8)
        assert kept.read_bytes() == whole


def test_a_process_that_decodes_gives_back_a_number(tmp_path, monkeypatch):
    """More could be cut off in the pipe when it is killed, which its pool waits for then."""
    monkeypatch.setattr(folder, "_images", np.zeros((2, 3, 4, 4), np.uint8), raising=False)
    for k, (colour, mode) in enumerate(((50, "L"), ((1, 2, 3), "RGB"))):
        picture(tmp_path / "x.png", colour, mode=mode)
        assert folder._decode(k, tmp_path / "x.png") == len(mode)
    assert folder._images[:, :, 2, 2].tolist() == [[50, 50, 50], [1, 2, 3]]


def test_many_images_are_decoded_by_processes(photos, monkeypatch):
    alone = load_own(photos, size=8)
    monkeypatch.setattr(folder, "_MANY", 1)
    monkeypatch.setattr(folder, "cache_folder", lambda name: None)
    counted = []

    class Shown:
        def __init__(self, text, total):
            assert total == 24

        def __enter__(self):
            return lambda: counted.append(1)

        def __exit__(self, *_):
            pass

    data = load_own(photos, size=8, workers=2, progress=Shown)
    np.testing.assert_array_equal(data.train_x, alone.train_x)
    assert len(counted) == 24


def test_folders_that_are_none(tmp_path, photos):
    with pytest.raises(DataNotFoundError, match="absent: no such file or folder"):
        load_own(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataNotFoundError, match="named after their classes; found 0 of these"):
        load_own(tmp_path / "empty")
    (tmp_path / "two" / "a").mkdir(parents=True)
    (tmp_path / "two" / "b").mkdir()
    with pytest.raises(DataNotFoundError, match="two: 0 images in a, b"):
        load_own(tmp_path / "two")
    (photos / "cat" / "3.png").write_bytes(b"no picture")
    with pytest.raises(FormatError, match=r"3\.png: picture: no PNG"):
        load_own(photos)
    with pytest.raises(ParameterError, match="label names a column of a table"):
        load_own(photos, label="x")


# .npz


def save(path, **arrays):
    npz.save(str(path), arrays)
    return path


@pytest.mark.parametrize(
    ("shape", "wanted"), [((30, 5, 6), (1, 5, 6)), ((30, 5, 6, 3), (3, 5, 6)), ((30, 3, 5, 6), (3, 5, 6))]
)
def test_images_in_an_npz(tmp_path, shape, wanted):
    x = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    data = load_own(save(tmp_path / "a.npz", x=x, y=np.arange(30) % 3))
    assert data.train_x.shape == (27, *wanted) and data.kind == "images"
    assert data.classes == ("0", "1", "2") and data.train_y.dtype == np.uint16


@pytest.mark.parametrize(
    ("low", "spread", "dtype"),
    [(0, 1, np.float32), (2000, 10, np.float32), (1.7e9, 100, np.float64), (5, 0, np.float32)],
)
def test_large_numbers_that_differ_little_keep_what_tells_them_apart(tmp_path, low, spread, dtype):
    x = np.stack([np.arange(40) / 40, low + spread * np.arange(40) / 40], 1)
    table = tmp_path / "a.csv"
    table.write_text("a,b,class\n" + "".join(f"{a!r},{b!r},{k % 2}\n" for k, (a, b) in enumerate(x.tolist())))
    for path in (table, save(tmp_path / "a.npz", x=x, y=np.arange(40) % 2)):
        data = load_own(path)
        assert data.train_x.dtype == data.test_x.dtype == dtype
        assert len(np.unique(data.train_x[:, 1])) == (36 if spread else 1)


def test_rows_in_an_npz_with_a_test_part(tmp_path):
    x, y = np.random.default_rng(0).normal(size=(9, 4)), np.arange(9) % 2
    data = load_own(save(tmp_path / "a.npz", x_train=x, y_train=y, x_test=x[:2], y_test=y[:2]))
    assert data.kind == "rows" and data.train_x.dtype == np.float32
    np.testing.assert_array_equal(data.test_x, np.float32(x[:2]))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": np.zeros(3)}, "must hold x and y, or x_train.*it holds a"),
        ({"x": np.zeros((3, 2)), "y": np.zeros(2, int)}, "must have rows and a label for each"),
        ({"x": np.zeros((3, 2)), "y": np.zeros(3)}, "must be whole numbers"),
        ({"x": np.zeros((3, 2)), "y": np.array([0, -1, 1])}, "labels must be from 0 to 9999"),
        ({"x": np.zeros((3, 4, 4, 7), np.uint8), "y": np.zeros(3, int)}, "images have 1 or 3 channels"),
        ({"x": np.array([[np.nan]] * 3), "y": np.zeros(3, int)}, "numbers that are not finite"),
        ({"x": np.array([[1e300]] * 3), "y": np.zeros(3, int)}, "numbers that are not finite or not below 1e[+]30"),
        ({"x": np.zeros((1, 2)), "y": np.zeros(1, int)}, "1 are too few"),
    ],
)
def test_arrays_that_make_no_sense(tmp_path, arrays, message):
    with pytest.raises(FormatError, match=message):
        load_own(save(tmp_path / "a.npz", **arrays))


# .csv


def table(tmp_path, text, **options):
    path = tmp_path / "t.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_own(path, **options)


ROWS = "".join(f"{k},{k * 0.5},{'even' if k % 2 == 0 else 'odd'}\n" for k in range(20))


def test_a_table(tmp_path):
    data = table(tmp_path, "a,b,kind\n" + ROWS)
    assert data.classes == ("even", "odd") and data.kind == "rows"
    assert data.train_x.shape == (18, 2) and data.test_x.shape == (2, 2)
    np.testing.assert_array_equal(data.train_x[:, 0] % 2, data.train_y)
    np.testing.assert_array_equal(data.train_x[:, 1] * 2, data.train_x[:, 0])
    same = table(tmp_path, "\ufeffkind,a,b\r\n" + "".join(f'"{k % 2}", {k} ,1e1\r\n' for k in range(20)), label="kind")
    assert same.classes == ("0", "1")


@pytest.mark.parametrize("names", ["0,1,2", "1,2,y", "y,0,1"])
def test_columns_may_be_counted(tmp_path, names):
    label = "y" if "y" in names else "2"
    assert table(tmp_path, names + "\n1,0,1\n0,1,0\n1,1,1\n0,0,0\n", label=label).train_x.shape[1] == 2


def test_classes_are_sorted_as_numbers(tmp_path):
    assert table(tmp_path, "a,y\n" + "".join(f"1,{k}\n" for k in (10, 9, 2, 10, 30))).classes == ("2", "9", "10", "30")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: a table has a line of at least two names"),
        ("a,b\n", "line 1: a table has a line"),
        ("a;b\n1;2\n", "line 1: columns are set apart by commas, not by semicolons"),
        ("a\tb\n1\t2\n", "line 1: columns are set apart by commas, not by tabs"),
        ("a,a\n1,2\n", "two columns have the same name"),
        ("5.1,3.5,iris\n4.9,3.0,iris\n", "line 1: must name the columns, it holds numbers"),
        ("7,0,0,255\n2,0,0,0\n", "line 1: must name the columns, it holds numbers"),
        ("a,b\n1,2\n1,2,3\n", "line 3: 3 values for 2 columns"),
        ("a,b\n1,x\ncat,y\n", "line 3: 'a' must be a number, got 'cat'"),
        ("a,b\n1,x\n,y\n", "line 3: 'a' has no value"),
        ("a,b\n1,x\nnan,y\n", "line 3: 'a' must be a number"),
        ('a,c,b\n1,2,x\n1,"\n1e99",y\n', "line 4: 'c' must be a number"),
        ("a,b\n1,x\n2,\n", "line 3: 'b' is empty"),
        ("a,b\n1,x\n2,x\n", "column 'b': 1 classes; there must be 2 to"),
        (b"a,b\n\xff,1\n", "byte 4: not UTF-8"),
        (b"a,b\n\0,1\n", "byte 4: a table is text"),
        ('a,b\n"1,x\n' + "y" * 200_000, "line 3: field larger than field limit"),
    ],
)
def test_tables_that_make_no_sense(tmp_path, text, message):
    with pytest.raises(FormatError, match=message):
        table(tmp_path, text)


def test_a_long_table_takes_little_memory(tmp_path):
    """Text, numbers and the copies of parts; a list of the fields alone would be ten times the file."""
    path = tmp_path / "t.csv"
    path.write_text("a,b,c,kind\n" + "0.125,12.5,1250.0,even\n0.5,50.0,5000.0,odd\n" * 20_000)
    tracemalloc.start()
    try:
        data = load_own(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(data.train_x) == 36_000 and peak < 6 * path.stat().st_size


def test_a_column_that_is_not_there(tmp_path):
    with pytest.raises(ParameterError, match="no column 'kin'; did you mean kind"):
        table(tmp_path, "a,b,kind\n" + ROWS, label="kin")


def test_other_files(tmp_path):
    (tmp_path / "a.dat").touch()
    with pytest.raises(ParameterError, match=r"a\.dat: data must be a folder of images, an \.npz, a \.csv or a \.txt"):
        load_own(tmp_path / "a.dat")
    with pytest.raises(ParameterError, match="image_size goes with a folder"):
        load_own(save(tmp_path / "a.npz", x=np.zeros((3, 2)), y=np.zeros(3, int)), size=8)


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.npz"])
def test_a_pipe_is_no_file(tmp_path, name):
    """Opening it would wait for a writer."""
    os.mkfifo(tmp_path / name)
    with pytest.raises(FormatError, match="not a regular file"):
        load_own(tmp_path / name)


def test_damaged_tables_are_refused_or_make_sense(tmp_path):
    whole, rng = ("a,b,kind\n" + ROWS).encode(), np.random.default_rng(5)
    for _ in range(300):
        content = bytearray(whole)
        for place in rng.integers(0, len(whole), 3):
            content[place] = rng.integers(0, 256)
        try:
            assert np.isfinite(table(tmp_path, bytes(content)).train_x).all()
        except FormatError as error:
            assert "t.csv" in str(error)
    assert own._MAX_CSV > len(whole)
