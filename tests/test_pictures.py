"""Pictures from outside: every mode and orientation, damaged and huge files, and digits brought into MNIST's form."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFile

import graphnn.data
from graphnn.data import idx
from graphnn.data.pictures import FORMATS, digit, prepare, read
from graphnn.errors import FormatError, ParameterError

MNIST = Path(graphnn.data.__file__).parent / "mnist" / "t10k-images-idx3-ubyte.gz"
SHAPE = (1, 28, 28)


@pytest.fixture(scope="module")
def digits():
    return idx.read_images(MNIST)[:40]


def saved(tmp_path, image, form="png", **options):
    path = tmp_path / f"x.{form}"
    image.save(path, **options)
    return path


def drawn(size=(200, 300), ink=0, paper=255, width=20, mode="L"):
    """A seven with a bar."""
    w, h = size
    image = Image.new(mode, size, paper)
    draw = ImageDraw.Draw(image)
    draw.line([(0.3 * w, 0.2 * h), (0.7 * w, 0.2 * h), (0.45 * w, 0.8 * h)], fill=ink, width=width, joint="curve")
    draw.line([(0.4 * w, 0.5 * h), (0.7 * w, 0.5 * h)], fill=ink, width=width)
    return image


def near(a, b, part=0.06, shift=0):
    """Two images of digits differ by little: pixels of 255, averaged over those that are bright in one.

    `shift`: one may lie so many pixels beside the other, since a centre between two pixels is rounded either way.
    """
    a, b = a.astype(float), b.astype(float)
    places = [(i, j) for i in range(-shift, shift + 1) for j in range(-shift, shift + 1)]
    difference = min(np.abs(a - np.roll(b, place, (-2, -1))).sum() for place in places)
    return difference < part * 255 * ((a > 60) | (b > 60)).sum()


# reading


@pytest.mark.parametrize("form", [f.lower() for f in FORMATS])
def test_formats(tmp_path, form):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8).repeat(8, 0).repeat(8, 1))
    found = read(saved(tmp_path, image, form))
    assert found.size == (96, 64)
    difference = np.abs(np.asarray(found.convert("RGB"), float) - np.asarray(image))
    assert np.median(difference) < 20  # of lossy compression and of GIF's palette


def test_modes_that_hold_the_same_grey(tmp_path):
    grey = np.arange(0, 256, 4, dtype=np.uint8).reshape(8, 8)
    image = Image.fromarray(grey)
    for mode in ("L", "RGB", "P", "RGBA", "LA"):
        found = read(saved(tmp_path, image.convert(mode)))
        np.testing.assert_array_equal(np.asarray(found.convert("L")), grey, mode)
    deep = Image.fromarray(grey.astype(np.uint16) * 257)
    np.testing.assert_array_equal(np.asarray(read(saved(tmp_path, deep))), grey)
    black = read(saved(tmp_path, image.point(lambda v: 255 * (v > 100)).convert("1")))
    np.testing.assert_array_equal(np.asarray(black), np.where(grey > 100, 255, 0))
    found = read(saved(tmp_path, Image.merge("CMYK", [image] * 4), "jpeg"))
    assert found.mode == "RGB"


def test_transparency_is_white(tmp_path):
    image = Image.new("RGBA", (4, 2), (10, 20, 30, 0))
    image.putpixel((1, 1), (10, 20, 30, 255))
    image.putpixel((2, 1), (0, 0, 0, 128))
    found = np.asarray(read(saved(tmp_path, image)))
    assert found[1].tolist() == [[255] * 3, [10, 20, 30], [127] * 3, [255] * 3]
    palette = Image.new("P", (2, 1))
    palette.putpalette([0, 0, 0, 50, 60, 70])
    palette.putpixel((1, 0), 1)
    assert np.asarray(read(saved(tmp_path, palette, transparency=0))).tolist() == [[[255] * 3, [50, 60, 70]]]


def test_pictures_are_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    image = drawn()
    found = read(saved(tmp_path, image.transpose(Image.Transpose.ROTATE_90), exif=exif))
    np.testing.assert_array_equal(np.asarray(found), np.asarray(image))


def test_the_first_frame(tmp_path):
    frames = [Image.new("L", (3, 3), v) for v in (0, 255)]
    found = read(saved(tmp_path, frames[0], "gif", save_all=True, append_images=frames[1:]))
    assert np.asarray(found.convert("L")).max() == 0


def png(width, height, data=b""):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((12_000, 12_000), "size: 12000 x 12000 pixels, at most 25000000 in all"),
        ((5001, 5000), "5001 x 5000"),
        ((100_000, 100_000), "damaged"),
    ],
)
def test_a_bomb_is_refused_before_it_is_decoded(tmp_path, monkeypatch, size, message):
    def load(self):
        raise AssertionError("decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    path = tmp_path / "bomb.png"
    path.write_bytes(png(*size, zlib.compress(b"\0" * 1_000_000, 9)))
    with pytest.raises(FormatError, match=message) as caught:
        read(path)
    assert "decoded" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "picture: no PNG, JPEG, BMP, WEBP, GIF file"),
        (b"hello", "picture: no PNG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "picture: no PNG"),
        (b"P5 2 2 255\n0000", "picture: no PNG"),
        (png(10, 10, zlib.compress(b"\0" * 30)), "picture: damaged"),
        (png(10, 10, b"garbage"), "picture: damaged"),
    ],
)
def test_other_files(tmp_path, content, message):
    path = tmp_path / "x.png"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=f"x.png: {message}"):
        read(path)


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "absent.png")
    with pytest.raises(FormatError, match="not a regular file"):
        read(tmp_path)


@pytest.mark.parametrize("form", ["png", "jpeg", "gif", "webp", "bmp"])
def test_damaged_files_are_refused_or_read(tmp_path, form):
    stream, rng = io.BytesIO(), np.random.default_rng(1)
    Image.fromarray(rng.integers(0, 256, (12, 10, 3), np.uint8)).save(stream, form)
    whole, path = stream.getvalue(), tmp_path / "x"
    damaged = [whole[: rng.integers(len(whole))] for _ in range(40)]
    for _ in range(120):
        content = bytearray(whole)
        content[rng.integers(min(len(whole), 400))] = rng.integers(256)
        damaged.append(bytes(content))
    for content in damaged:
        path.write_bytes(content)
        try:
            assert read(path).mode in ("L", "RGB")
        except FormatError as error:
            assert str(error).startswith(f"{path}: ")


# preparing


def test_digits_of_mnist_stay_as_they_are(digits):
    for x in digits:
        y = prepare(Image.fromarray(x), SHAPE, "mnist")
        assert (y.shape, y.dtype) == (SHAPE, np.uint8)
        assert near(y[0], x, 0.08)


@pytest.mark.parametrize(
    "change",
    [
        lambda x: 255 - x,
        lambda x: np.pad(255 - x, ((90, 3), (2, 40)), constant_values=255),
        lambda x: (60 + x * 0.5).astype(np.uint8),
        lambda x: np.pad(x, ((0, 0), (0, 30))),
    ],
)
def test_digits_come_out_the_same_whatever_surrounds_them(digits, change):
    for x in digits:
        assert near(prepare(Image.fromarray(change(x)), SHAPE, "mnist")[0], x, 0.1)


@pytest.mark.parametrize(
    "image",
    [
        drawn(ink=255, paper=0),
        drawn((400, 600), width=40),
        drawn((1000, 1500), width=100),
        drawn((100, 150), width=10),
        drawn(ink=90, paper=160),
        drawn(ink=(200, 0, 0), paper=(250, 250, 240), mode="RGB"),
        drawn(ink=(0, 0, 0), paper=(20, 60, 250), mode="RGB"),
    ],
)
def test_a_digit_in_any_size_and_colour(image):
    assert near(prepare(image, SHAPE, "mnist"), prepare(drawn(), SHAPE, "mnist"), 0.2, shift=1)


def test_uneven_paper_with_grain():
    rng = np.random.default_rng(0)
    x = np.asarray(drawn(), np.float64) * 0.6
    shade = np.linspace(0, 70, 300)[:, None] + np.linspace(30, 0, 200)
    paper = Image.fromarray(np.clip(x + shade + rng.normal(0, 5, x.shape), 0, 255).astype(np.uint8))
    assert near(prepare(paper, SHAPE, "mnist"), prepare(drawn(), SHAPE, "mnist"), 0.25)


@pytest.mark.parametrize("width", [1, 2, 5])
def test_thin_lines_become_as_wide_as_those_of_mnist(width):
    y = prepare(drawn(width=width), SHAPE, "mnist")[0]
    columns = (y[12:22] > 100).sum(1)  # through the stem
    assert columns.min() >= 1
    assert 1.4 < columns.mean() < 4


def test_box_and_centre():
    y = prepare(drawn(), SHAPE, "mnist")[0].astype(float)
    rows, columns = np.nonzero(y)
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == 20
    for axis in (0, 1):
        centre = (y.sum(1 - axis) * np.arange(28)).sum() / y.sum()
        assert abs(centre - 14) <= 0.5


def test_a_mark_of_dust_does_not_count():
    image = drawn()
    image.putpixel((3, 290), 0)
    assert near(prepare(image, SHAPE, "mnist"), prepare(drawn(), SHAPE, "mnist"), 0.02)


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (30, 30), (1, 400)])
def test_nothing_drawn(size):
    for paper in (0, 120, 255):
        with pytest.raises(ParameterError, match="nothing is drawn in it"):
            prepare(Image.new("L", size, paper), SHAPE, "mnist")


def test_random_small_pictures_never_fail_in_another_way():
    rng = np.random.default_rng(2)
    for _ in range(200):
        shape = rng.integers(1, 9, 2)
        grey = rng.choice([0, 0.1, 0.5, 1], shape).astype(np.float32)
        try:
            assert digit(grey).shape == (28, 28)
        except ParameterError as error:
            assert "nothing is drawn" in str(error)


def test_garments_fill_the_frame():
    y = prepare(drawn(), SHAPE, "fashion-mnist")[0]
    rows, columns = np.nonzero(y > 30)
    assert rows.min() == 0 and rows.max() == 27
    assert abs(columns.min() + columns.max() - 27) <= 1


def test_other_networks_get_the_picture_resized():
    image = Image.new("RGB", (64, 32), (10, 20, 30))
    image.paste((200, 100, 50), (32, 0, 64, 32))
    y = prepare(image, (3, 32, 32), "cifar-10")
    assert y.shape == (3, 32, 32)
    assert y[:, 5, 2].tolist() == [10, 20, 30]
    assert y[:, 30, 29].tolist() == [200, 100, 50]
    grey = prepare(image.convert("L"), (3, 32, 32), "cifar-10")
    np.testing.assert_array_equal(grey[0], grey[2])
    assert prepare(image, (1, 8, 9), "cifar-10").shape == (1, 8, 9)
