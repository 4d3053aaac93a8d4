"""Augmentation: what each transform may do to images and labels, from its definition; the words that name them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphnn.data import augment
from graphnn.data.augment import Affine, Crop, Cutout, Flip, Jitter, parse, recipe
from graphnn.data.mixing import Mixing
from graphnn.errors import ParameterError

SHAPES = st.tuples(st.integers(1, 5), st.sampled_from([1, 3]), st.integers(2, 9), st.integers(2, 9))
TRANSFORMS = [Crop(3), Flip(), Affine(30, 20, 0.3, 2), Jitter(0.5), Cutout(3)]


def images(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def generator(seed=0):
    return np.random.Generator(np.random.Philox(seed))


@given(SHAPES, st.sampled_from(TRANSFORMS), st.integers(0, 99))
def test_a_transform_keeps_shape_type_and_its_argument_and_follows_from_the_generator(shape, transform, seed):
    x = images(shape)
    before = x.copy()
    y, again = transform(x, generator(seed)), transform(x, generator(seed))
    assert y.shape == shape and y.dtype == np.uint8
    np.testing.assert_array_equal(y, again)
    np.testing.assert_array_equal(x, before)


def test_a_crop_is_a_window_of_the_mirrored_image():
    x = images((64, 3, 6, 5))
    y = Crop(2)(x, generator())
    padded = np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)), mode="reflect")
    found = set()
    for k in range(len(x)):
        fits = [(i, j) for i in range(5) for j in range(5) if (padded[k, :, i : i + 6, j : j + 5] == y[k]).all()]
        assert fits
        found.add(fits[0])
    assert len(found) > 15  # of 25 places


def test_a_flip_mirrors_about_half():
    x = images((200, 1, 3, 4))
    y = Flip()(x, generator())
    mirrored = (y == x[..., ::-1]).all((1, 2, 3))
    assert ((y == x).all((1, 2, 3)) | mirrored).all()
    assert 70 < mirrored.sum() < 130


def test_an_affine_change_of_nothing_is_the_image():
    x = images((5, 3, 7, 8))
    np.testing.assert_array_equal(Affine()(x, generator()), x)


class Fixed:
    """A generator whose uniform numbers are all told."""

    def __init__(self, *rows):
        self.rows = rows

    def uniform(self, low, high, shape):
        return np.array(self.rows, float).repeat(shape[1], 1)


@pytest.mark.parametrize(
    ("transform", "drawn", "wanted"),
    [
        (Affine(rotate=90), (1, 0, 0, 0, 0), lambda x: np.rot90(x, 1, (2, 3))),
        (Affine(rotate=180), (-1, 0, 0, 0, 0), lambda x: x[..., ::-1, ::-1]),
        (Affine(shift=1), (0, 0, 0, 1, 0), lambda x: np.concatenate([x[:, :, :1], x[:, :, :-1]], 2)),
        (Affine(shift=2), (0, 0, 0, 0, -1), lambda x: np.concatenate([x[..., 2:], x[..., -1:], x[..., -1:]], 3)),
    ],
)
def test_affine_changes_that_hit_whole_pixels(transform, drawn, wanted):
    x = images((2, 1, 5, 5))
    y = transform(x, Fixed(*([d] for d in drawn)))
    assert np.abs(y.astype(int) - wanted(x)).max() <= 1  # cosines of right angles are not quite 0


def test_an_affine_change_reads_between_pixels():
    """Against float64, pixel by pixel, from the formula."""
    x = images((1, 1, 6, 7))
    angle, shear, scale, down, right = drawn = (0.3, -0.6, 0.5, 0.25, -0.75)
    y = Affine(40, 25, 0.4, 1.5)(x, Fixed(*([d] for d in drawn)))
    a, s, z = np.radians(40) * angle, np.tan(np.radians(25) * shear), 1 / (1 + 0.4 * scale)
    turn = z * np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]]) @ np.array([[1, s], [0, 1]])
    for i in range(6):
        for j in range(7):
            p = turn @ [i - 2.5, j - 3] + [2.5 - 1.5 * down, 3 - 1.5 * right]
            r, c = np.clip(p, 0, [5, 6])
            (r0, c0), (r1, c1) = (int(r), int(c)), (min(int(r) + 1, 5), min(int(c) + 1, 6))
            f, g = r - r0, c - c0
            m = x[0, 0].astype(float)
            value = (1 - f) * ((1 - g) * m[r0, c0] + g * m[r0, c1]) + f * ((1 - g) * m[r1, c0] + g * m[r1, c1])
            assert abs(y[0, 0, i, j] - value) <= 0.51


def test_jitter_scales_brightness_contrast_and_saturation():
    x = images((40, 3, 5, 5))
    y = Jitter(0.3)(x, generator()).astype(float)
    factors = generator().uniform(0.7, 1.3, (3, 40, 1, 1, 1))
    bright = x * factors[0]
    weights = np.array([0.299, 0.587, 0.114])[:, None, None]
    mean = (bright * weights).sum(1, keepdims=True).mean((2, 3), keepdims=True)
    contrast = mean + (bright - mean) * factors[1]
    grey = (contrast * weights).sum(1, keepdims=True)
    wanted = np.clip(grey + (contrast - grey) * factors[2], 0, 255)
    assert np.abs(y - wanted).max() <= 0.51


def test_cutout_fills_a_square_with_the_mean():
    x = images((30, 3, 8, 8))
    y = Cutout(4)(x, generator())
    for a, b in zip(x, y, strict=True):
        changed = (a != b).any(0)
        rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
        assert len(rows) <= 4 and len(columns) <= 4
        inside = b[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert (inside == np.rint(a.mean((1, 2)))[:, None, None]).all()


# labels


def test_smoothed_labels_sum_to_one():
    x = np.zeros((4, 1, 2, 2), np.float32)
    same, t = Mixing(5, smoothing=0.1)(x, np.array([0, 4, 2, 2]), generator())
    assert same is x
    np.testing.assert_allclose(t.sum(1), 1, rtol=1e-6)
    np.testing.assert_allclose(t[np.arange(4), [0, 4, 2, 2]], 0.92, rtol=1e-6)


@pytest.mark.parametrize("options", [{"mixup": 0.4}, {"cutmix": 1.0}, {"mixup": 0.4, "cutmix": 1.0}])
def test_images_and_labels_are_mixed_in_the_same_shares(options):
    """Each image is one number everywhere, which tells what it is made of."""
    n = 6
    x = np.ones((n, 2, 8, 8), np.float32) * np.arange(n)[:, None, None, None]
    for seed in range(20):
        y, t = Mixing(n, **options)(x.copy(), np.arange(n), generator(seed))
        np.testing.assert_allclose(t.sum(1), 1, rtol=1e-5)
        assert ((t > 0).sum(1) <= 2).all()
        np.testing.assert_allclose(y.mean((1, 2, 3)), t @ np.arange(n), atol=1e-4)
        if "mixup" not in options:
            assert set(np.unique(y)) <= set(range(n))


def test_nothing_asked_for_changes_nothing():
    x, y = images((3, 1, 2, 2)).astype(np.float32), np.array([1.0, 2.0, 0.0])
    assert Mixing(3)(x, y, generator()) == (x, y)
    assert not Mixing(3).soft and Mixing(3, cutmix=1.0).soft


# words


def test_words_name_transforms():
    text = "crop:4, flip,rotate:15,shear:3.5,scale:0.1,shift:2,jitter:.2,cutout:8"
    assert parse(text) == (Crop(4), Flip(), Affine(15, 3.5, 0.1, 2), Jitter(0.2), Cutout(8))
    assert parse("none") == ()
    assert parse("rotate:1,flip,shear:2") == (Affine(rotate=1), Flip(), Affine(shear=2))


@pytest.mark.parametrize("text", [*augment.RECIPES.values()])
def test_recipes_can_be_read(text):
    assert parse(text)


def test_what_auto_means():
    assert recipe("cifar-10", (3, 32, 32)) == "crop:4,flip"
    assert recipe("holidays", (3, 32, 32)) == augment.RECIPES["images"]
    assert recipe("table", (4,)) == "none"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no transform ''; there are: crop, flip"),
        ("krop:3", "no transform 'krop', did you mean 'crop'"),
        ("crop", "'crop' needs a whole number above 0"),
        ("crop:1.5", "needs a whole number"),
        ("crop:-1", "above 0 and at most 256"),
        ("rotate:nan", "'rotate:nan' needs a number above 0 and at most 180"),
        ("rotate:1e9", "at most 180"),
        ("flip:2", "flip takes no number"),
        ("flip,,crop:2", "no transform ''"),
        ("rotate:9,shift:2,rotate:20", "'rotate:20': one resampling has one rotate"),
    ],
)
def test_wrong_words(text, message):
    with pytest.raises(ParameterError, match=message):
        parse(text)
