"""Data sets: the idx and CIFAR readers, where sets are looked for, downloads from a server on this machine."""

import dataclasses
import gzip
import hashlib
import http.server
import io
import os
import struct
import subprocess
import sys
import tarfile
import threading
import time
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest

import graphnn.data
from graphnn.data import cifar, datasets, idx, load
from graphnn.data.download import Remote, unpack
from graphnn.errors import DataNotFoundError, FormatError, ParameterError

SHARED = Path(os.environ.get("GRAPHNN_SHARED", Path(__file__).parent.parent.parent / "shared")) / "data"
EMBEDDED = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


def encode(x):
    """An array as an idx file."""
    return struct.pack(f">HBB{x.ndim}I", 0, 8, x.ndim, *x.shape) + x.tobytes()


def idx_set(seed=0, train=5, test=3):
    """The four files of a small set, gzipped, by name."""
    rng = np.random.default_rng(seed)
    arrays = [
        rng.integers(0, 256, (train, 4, 6), np.uint8),
        rng.integers(0, 10, train, np.uint8),
        rng.integers(0, 256, (test, 4, 6), np.uint8),
        rng.integers(0, 10, test, np.uint8),
    ]
    return {f"{name}.gz": gzip.compress(encode(x), mtime=0) for name, x in zip(EMBEDDED, arrays, strict=True)}


def cifar_rows(count, seed=0, label=None):
    rows = np.random.default_rng(seed).integers(0, 256, (count, cifar.ROW), np.uint8)
    rows[:, 0] = rows[:, 0] % 10 if label is None else label
    return rows.tobytes()


def put(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(autouse=True)
def nothing_outside(tmp_path, monkeypatch):
    """No test sees the user's folders, Debian's, or the network."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("GRAPHNN_DATA", raising=False)
    monkeypatch.setattr(datasets, "_DEBIAN", tmp_path / "debian")
    for name, recipe in datasets.DATASETS.items():
        monkeypatch.setitem(datasets.DATASETS, name, dataclasses.replace(recipe, mirrors=("http://127.0.0.1:9/",)))


# the package


def test_exported_names():
    assert graphnn.data.__all__ == sorted(graphnn.data.__all__)
    assert all(hasattr(graphnn.data, name) for name in graphnn.data.__all__)


def test_import_is_light():
    code = "import sys, graphnn.data; print({'PIL', 'tqdm', 'urllib.request'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


def test_embedded_files_have_their_digests():
    folder = Path(graphnn.data.__file__).parent / "mnist"
    origin = (folder / "ORIGIN.md").read_text()
    assert sorted(file.name for file in folder.iterdir()) == sorted(["ORIGIN.md", *(f"{name}.gz" for name in EMBEDDED)])
    for name, digest in EMBEDDED.items():
        packed = (folder / f"{name}.gz").read_bytes()
        assert packed[3:8] == bytes(5)  # no name, no time in the header
        assert hashlib.sha256(gzip.decompress(packed)).hexdigest() == digest
        assert digest in origin


def test_embedded_mnist():
    mnist = load("mnist")
    assert (mnist.name, mnist.source, mnist.note) == ("mnist", "built in", "")
    assert mnist.classes == tuple("0123456789")
    assert (mnist.train_x.shape, mnist.test_x.shape) == ((60_000, 1, 28, 28), (10_000, 1, 28, 28))
    assert mnist.train_x.dtype == mnist.train_y.dtype == np.uint8
    np.testing.assert_array_equal(mnist.test_y[:5], [7, 2, 1, 0, 4])
    np.testing.assert_array_equal(np.bincount(mnist.train_y)[:3], [5923, 6742, 5958])
    assert "images=" not in repr(mnist)


# idx files


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_idx_plain_and_gzipped(tmp_path, pack):
    x = np.random.default_rng(1).integers(0, 256, (3, 4, 5), np.uint8)
    (tmp_path / "x").write_bytes(pack(encode(x)))
    np.testing.assert_array_equal(idx.read_images(tmp_path / "x"), x)


X = encode(np.arange(12, dtype=np.uint8).reshape(1, 3, 4))
IDX_REFUSED = [
    (b"", "offset 0: the first bytes must be 00 00 08 03"),
    (b"\x00\x00\x08\x01" + X[4:], "offset 0: .* got 00 00 08 01"),
    (b"\x00\x00\x0d\x03" + X[4:], "offset 0: .* got 00 00 0d 03"),
    (X[:10], "offset 10: the file ends within the header"),
    (encode(np.zeros((0, 3, 4), np.uint8)), "offset 4: nothing in it"),
    (X[:-1], r"offset 4: \(1, 3, 4\) is 12 bytes, at most 11"),
    (X + b"\0", "offset 28: bytes behind the data"),
    (X[:4] + b"\xff" * 12, "offset 4: .* is 79228162458924105385300197375 bytes"),
    (gzip.compress(X[:-1]), r"offset 27: \(1, 3, 4\) needs 12 bytes, the data end after 11"),
    (gzip.compress(X + b"\0"), "offset 28: bytes behind the data"),
    (gzip.compress(X)[:-3], "gzip: the file ends within the compressed data"),
    (gzip.compress(X) + b"\0", "gzip: bytes behind the compressed data"),
    (gzip.compress(X) + gzip.compress(b""), "gzip: bytes behind the compressed data"),
    (gzip.compress(X)[:-8] + bytes(8), "gzip: .*incorrect data check"),
    (gzip.compress(X[:4] + b"\xff" * 12), "offset 4: .* at most 67108"),
]


@pytest.mark.parametrize(("content", "match"), IDX_REFUSED, ids=[match for _, match in IDX_REFUSED])
def test_idx_refused(tmp_path, content, match):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(FormatError, match=match):
        idx.read_images(tmp_path / "x")


def test_labels_out_of_range(tmp_path):
    (tmp_path / "y").write_bytes(encode(np.array([0, 9, 10, 200], np.uint8)))
    with pytest.raises(FormatError, match="label 2: 10 is not below 10"):
        idx.read_labels(tmp_path / "y", 10)


@pytest.mark.parametrize("shape", [(1, 28, 28), (76_000, 28, 28), (5_478_274, 28, 28), (2**32 - 1,) * 3])
def test_gzip_bomb_is_refused_fast(tmp_path, shape):
    stream = zlib.compressobj(9, wbits=31)
    packed = stream.compress(struct.pack(">HBB3I", 0, 8, 3, *shape))
    block = stream.compress(bytes(2**24)) + stream.flush(zlib.Z_FULL_FLUSH)
    repeated = zlib.compressobj(
        9, wbits=-15
    )  # a full flush makes the blocks of zeros independent, so they may be copied
    repeated = repeated.compress(bytes(2**24)) + repeated.flush(zlib.Z_FULL_FLUSH)
    (tmp_path / "x").write_bytes(packed + block + repeated * 255)
    assert 3.5e6 < (tmp_path / "x").stat().st_size < 4.5e6
    start = time.process_time()  # of this process: others may be at work
    with pytest.raises(FormatError, match=r"bytes behind the data|bytes, at most"):
        idx.read_images(tmp_path / "x")
    assert time.process_time() - start < 0.5


def test_bomb_of_labels_takes_no_memory(tmp_path):
    (tmp_path / "y").write_bytes(gzip.compress(encode(np.zeros(1, np.uint8)) + bytes(2**26)))
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match="bytes behind"):
            idx.read_labels(tmp_path / "y", 10)
        assert tracemalloc.get_traced_memory()[1] < 2**21
    finally:
        tracemalloc.stop()


# CIFAR files


def test_cifar_rows(tmp_path):
    put(tmp_path, {"a": cifar_rows(2), "b": cifar_rows(3, seed=1)})
    x, y = cifar.read([tmp_path / "a", tmp_path / "b"])
    rows = np.frombuffer(cifar_rows(2) + cifar_rows(3, seed=1), np.uint8).reshape(5, 3073)
    np.testing.assert_array_equal(y, rows[:, 0])
    assert x.shape == (5, 3, 32, 32)
    assert x[4, 2, 31, 30] == rows[4, 3071]


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "size: 0 bytes, not a positive multiple of 3073"),
        (cifar_rows(2)[:-1], "size: 6145 bytes"),
        (cifar_rows(1) + cifar_rows(1, label=10), "offset 3073: label 10 of image 1 is above 9"),
        (b"\x80\x02}q", "offset 0: a Python pickle .* never opened; get the binary form, cifar-10-binary.tar.gz"),
    ],
)
def test_cifar_refused(tmp_path, content, match):
    put(tmp_path, {"x.bin": content})
    with pytest.raises(FormatError, match=match):
        cifar.read([tmp_path / "x.bin"])


@pytest.mark.parametrize("folder", [".", "cifar-10", "cifar-10-batches-bin", "cifar-10/cifar-10-batches-bin"])
def test_cifar_folders(tmp_path, folder):
    files = {name: cifar_rows(2, seed) for seed, name in enumerate(cifar.TRAIN)}
    put(tmp_path / folder, files | {cifar.TEST: cifar_rows(3), cifar.TEST_FIRST: cifar_rows(1)})
    found = load("cifar-10", tmp_path)
    assert (found.train_x.shape, found.test_x.shape) == ((10, 3, 32, 32), (3, 3, 32, 32))
    assert (found.note, found.classes[6]) == ("", "frog")


def test_cifar_with_less_says_so(tmp_path):
    put(tmp_path, {name: cifar_rows(2) for name in ("data_batch_1.bin", "data_batch_4.bin", cifar.TEST_FIRST)})
    lacking = "training images lack data_batch_2.bin, data_batch_3.bin, data_batch_5.bin"
    assert load("cifar-10", tmp_path).note == f"{lacking}; first 2 test images only"


@pytest.mark.parametrize("folder", ["cifar-10", "cifar-10-batches-py"])
def test_cifar_pickles_are_refused(tmp_path, folder):
    put(tmp_path / folder, {"data_batch_1": b"\x80\x02."})
    with pytest.raises(FormatError, match=r"data_batch_1: .*pickle .*cifar-10-binary.tar.gz"):
        load("cifar-10", tmp_path)


# where sets are looked for


def test_unknown_name():
    with pytest.raises(ParameterError, match=r"'fashion_mnist', there are mnist, .*, digit-strings, did you mean"):
        load("fashion_mnist")


def test_the_first_place_wins(tmp_path, monkeypatch):
    given, cache = tmp_path / "given", tmp_path / "cache" / "graphnn" / "data" / "mnist"
    monkeypatch.setenv("GRAPHNN_DATA", str(given))
    places = [tmp_path / "debian" / "mnist", cache, given, given / "mnist"]
    for count, folder in enumerate(places, 1):
        put(folder, idx_set(train=count))
        found = load("mnist")
        assert (found.source, found.train_x.shape) == (str(folder), (count, 1, 4, 6))
    put(tmp_path / "mine", idx_set(train=7))
    assert len(load("mnist", tmp_path / "mine").train_y) == 7


def test_plain_files_and_dotted_names(tmp_path):
    files = {name.removesuffix(".gz").replace("-idx", ".idx"): gzip.decompress(x) for name, x in idx_set().items()}
    found = load("fashion-mnist", put(tmp_path, files))
    assert found.classes[9] == "Ankle boot"
    np.testing.assert_array_equal(found.train_x, load("mnist", put(tmp_path / "z", idx_set())).train_x)


def test_a_given_folder_without_the_set_is_an_error(tmp_path):
    with pytest.raises(
        DataNotFoundError, match=f"mnist is not in {tmp_path}/mnist, {tmp_path}: put train-images-idx3-"
    ):
        load("mnist", tmp_path)
    files = idx_set()
    del files["t10k-labels-idx1-ubyte.gz"]
    put(tmp_path, files)
    with pytest.raises(DataNotFoundError, match=f"put t10k-labels-idx1-ubyte.gz into {tmp_path}"):
        load("mnist", tmp_path)


def test_a_damaged_file_is_not_passed_over(tmp_path, monkeypatch):
    monkeypatch.setenv("GRAPHNN_DATA", str(put(tmp_path / "given", idx_set() | {"t10k-labels-idx1-ubyte.gz": b"x"})))
    with pytest.raises(FormatError, match=r"given/t10k-labels-idx1-ubyte.gz: offset 0"):
        load("mnist")


def test_images_and_labels_must_belong_together(tmp_path):
    put(tmp_path, idx_set() | {"train-labels-idx1-ubyte.gz": encode(np.zeros(4, np.uint8))})
    with pytest.raises(FormatError, match="train labels: 4 labels for 5 images"):
        load("mnist", tmp_path)
    put(tmp_path, idx_set() | {"t10k-images-idx3-ubyte.gz": encode(np.zeros((3, 4, 5), np.uint8))})
    with pytest.raises(FormatError, match=r"test images: \(1, 4, 5\) an image, in the train images \(1, 4, 6\)"):
        load("mnist", tmp_path)


@pytest.mark.parametrize(
    ("platform", "cache", "home", "want"),
    [
        ("linux", "/c", "/h", "/c/graphnn/data"),
        ("linux", "relative", "/h", "/h/.cache/graphnn/data"),
        ("linux", "", "/h", "/h/.cache/graphnn/data"),
        ("darwin", "/c", "/h", "/h/Library/Caches/graphnn/data"),
    ],
)
def test_cache_folder(monkeypatch, platform, cache, home, want):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv("XDG_CACHE_HOME", cache)
    monkeypatch.setenv("HOME", home)
    assert datasets.cache_folder() == Path(want)


def test_without_a_home_there_is_no_cache(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert datasets.cache_folder() is None
    with pytest.raises(DataNotFoundError, match="set GRAPHNN_DATA to FOLDER"):
        load("cifar-10")


# downloads


@pytest.fixture
def server():
    """A server on this machine: the base address, and the files it gives."""
    files: dict[str, bytes] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            content = files.get(self.path[1:])
            self.send_response(404 if content is None else 200)
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}/", files
        running.shutdown()
        thread.join()


def pin(monkeypatch, name, files, *mirrors):
    remotes = tuple(Remote(file, len(x), hashlib.sha256(x).hexdigest()) for file, x in files.items())
    recipe = dataclasses.replace(datasets.DATASETS[name], remotes=remotes, mirrors=mirrors)
    monkeypatch.setitem(datasets.DATASETS, name, recipe)


def names_in(folder):
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def test_download_into_the_cache(tmp_path, monkeypatch, server, capsys):
    base, files = server
    files.update(idx_set())
    pin(monkeypatch, "fashion-mnist", files, base + "absent/", base)
    found = load("fashion-mnist")
    assert found.source == str(tmp_path / "cache" / "graphnn" / "data" / "fashion-mnist")
    assert names_in(tmp_path / "cache") == sorted(f"graphnn/data/fashion-mnist/{name}" for name in files)
    out, err = capsys.readouterr()
    assert out == "" and "train-images-idx3-ubyte.gz" in err
    files.clear()  # the second time nothing is asked for
    np.testing.assert_array_equal(load("fashion-mnist").train_x, found.train_x)


def test_an_interrupted_download_goes_on(tmp_path, monkeypatch, server):
    base, files = server
    wanted = idx_set()
    files.update(wanted)
    pin(monkeypatch, "fashion-mnist", wanted, base)
    name = "train-images-idx3-ubyte.gz"
    put(tmp_path / "cache/graphnn/data/fashion-mnist", {name: files.pop(name)})
    assert len(load("fashion-mnist").train_x) == 5


def flip(x):
    return bytes([x[0] ^ 1]) + x[1:]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (flip, "sha256: .* wanted, got"),
        (lambda x: x + b"\0" * 10**6, "more came"),
        (lambda x: x[:-1], "bytes wanted, "),
    ],
)
def test_other_bytes_are_refused_and_removed(tmp_path, monkeypatch, server, change, match):
    base, files = server
    files.update(idx_set())
    pin(monkeypatch, "fashion-mnist", files, base)
    files["train-images-idx3-ubyte.gz"] = change(files["train-images-idx3-ubyte.gz"])
    with pytest.raises(FormatError, match=match):
        load("fashion-mnist")
    assert names_in(tmp_path / "cache") == []


def test_a_bad_mirror_is_passed_over(monkeypatch, server):
    base, files = server
    good = idx_set()
    files.update({f"bad/{name}": flip(x) for name, x in good.items()} | good)
    pin(monkeypatch, "fashion-mnist", good, base + "bad/", base)
    assert len(load("fashion-mnist").train_x) == 5


def test_offline_says_where_to_put_what(tmp_path):
    cache = tmp_path / "cache" / "graphnn" / "data" / "fashion-mnist"
    match = (
        rf"fashion-mnist is not in {cache}, {tmp_path}/debian/fashion-mnist: put train-images-idx3-ubyte.gz, .* "
        rf"into {cache}; the download failed \(http://127.0.0.1:9/train-images-idx3-ubyte.gz: .*refused"
    )
    with pytest.raises(DataNotFoundError, match=match):
        load("fashion-mnist")
    assert not cache.exists()


def archive(members, form=tarfile.USTAR_FORMAT):
    """A .tar.gz of (name, content) pairs; content None makes a link."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", format=form) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content or b"")
            if content is None:
                info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(info, io.BytesIO(content or b""))
    return stream.getvalue()


BATCHES = {name: cifar_rows(2, seed) for seed, name in enumerate((*cifar.TRAIN, cifar.TEST))}


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_cifar_download(tmp_path, monkeypatch, server, form):
    base, files = server
    members = [(f"cifar-10-batches-bin/{name}", x) for name, x in BATCHES.items()]
    files["cifar-10-binary.tar.gz"] = archive([("cifar-10-batches-bin/readme.html", b"x" * 700), *members], form)
    pin(monkeypatch, "cifar-10", files, base)
    found = load("cifar-10")
    assert (len(found.train_x), len(found.test_x), found.note) == (10, 2, "")
    assert names_in(tmp_path / "cache") == sorted(f"graphnn/data/cifar-10/cifar-10-batches-bin/{x}" for x in BATCHES)


ARCHIVES = [
    ([("a/x.bin", b"1" * 600)], "members: y.bin not in it"),
    ([("a/x.bin", b"1"), ("a/y.bin", None)], "members: y.bin not in it"),
    ([("a/x.bin", b"1"), ("a/y.bin", b"2" * 1001)], "members: y.bin not in it"),
]


@pytest.mark.parametrize(("members", "match"), ARCHIVES)
def test_archives_refused(tmp_path, members, match):
    put(tmp_path, {"x.tar.gz": archive(members)})
    with pytest.raises(FormatError, match=match):
        unpack(tmp_path / "x.tar.gz", ("x.bin", "y.bin"), 1000, tmp_path / "out")
    assert names_in(tmp_path) == ["x.tar.gz"]


def test_members_stay_inside_and_damage_is_refused(tmp_path):
    content = archive([("../../x.bin", b"1"), ("/etc/y.bin", b"2" * 900)])
    put(tmp_path, {"x.tar.gz": content})
    unpack(tmp_path / "x.tar.gz", ("x.bin", "y.bin"), 1000, tmp_path / "out")
    unpack(tmp_path / "x.tar.gz", ("x.bin", "y.bin"), 1000, tmp_path / "out")  # as if another process was first
    assert names_in(tmp_path) == ["out/x.bin", "out/y.bin", "x.tar.gz"]
    for bad in (content[:40], gzip.compress(gzip.decompress(content)[:1600]), gzip.compress(b"x" * 5000), b"x"):
        put(tmp_path, {"x.tar.gz": bad})
        with pytest.raises(FormatError):
            unpack(tmp_path / "x.tar.gz", ("x.bin", "y.bin"), 1000, tmp_path / "other")


# real files


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data are not here")
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_real_sets(name):
    found = load(name, SHARED)
    assert (found.train_x.shape, found.test_x.shape) == ((60_000, 1, 28, 28), (10_000, 1, 28, 28))
    for file in datasets.DATASETS[name].remotes:
        content = (SHARED / name / file.name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file.size, file.sha256)
