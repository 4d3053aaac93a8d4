"""The data sets that are loaded by name: where they are looked for, and what they are once loaded.

Each place is looked at in turn: a folder and its subfolder named after the set, for $GRAPHNN_DATA, the user's cache and
Debian's /usr/share/datasets; then, for mnist, the files that come with graphnn; then the mirrors.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

import numpy as np

from ..errors import DataNotFoundError, FormatError, ParameterError
from ..folders import cache_folder as _cache
from . import cifar, idx
from .download import Remote, fetch, unpack

__all__ = ["DATASETS", "Dataset", "cache_folder", "load"]

_DEBIAN = Path("/usr/share/datasets")
_BUILT_IN = Path(__file__).parent
_IDX = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
_CIFAR_FOLDER = "cifar-10-batches-bin"

# train images, train labels, test images, test labels; the note
Found = tuple[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray], str]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images (n, c, h, w) and labels (n,), all uint8, with the classes' names and where it all came from.

    `note` says what the set lacks, "" if nothing; a tool that reports an accuracy prints it. Another `kind` than
    "images" has other rows: numbers (n, ...) float32 of "rows", or float64 where that blurs them, with labels uint16;
    characters (n, t) of "text", with as many labels; strips (n, 1, h, w) of "strings", with labels (n, longest), 0 at
    their ends.
    """

    name: str
    train_x: np.ndarray = field(repr=False)
    train_y: np.ndarray = field(repr=False)
    test_x: np.ndarray = field(repr=False)
    test_y: np.ndarray = field(repr=False)
    classes: tuple[str, ...]
    note: str
    source: str
    kind: str = "images"


@dataclass(frozen=True)
class _Recipe:
    """What a set is called, how a folder of it is read (None: it is not there), and where its files are to be had."""

    name: str
    classes: tuple[str, ...]
    read: Callable[[Path, _Recipe], Found | None]
    download: Callable[[Path, _Recipe], None]
    files: tuple[str, ...]  # what to put into a folder by hand
    remotes: tuple[Remote, ...]
    mirrors: tuple[str, ...]


def load(name: str, data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """Load "mnist", "fashion-mnist" or "cifar-10" from `data_dir` alone if it is given, else from the first place.

    "text" and "digit-strings" are made here: sums spelt out, and strips of MNIST's digits. Raises ParameterError for
    another name, DataNotFoundError with the places looked at and what to put where, and FormatError for a damaged file:
    that is never passed over for another place.
    """
    if name in GENERATED:
        module, function = GENERATED[name]
        made: Dataset = getattr(import_module(module, __package__), function)()
        return made
    recipe = _recipe(name)
    folders = list(_places(name, data_dir))
    for folder in folders:
        if found := recipe.read(folder, recipe):
            return _dataset(recipe, found, folder)
    if data_dir is not None:
        raise DataNotFoundError(_missing(recipe, folders, Path(data_dir)))
    return _downloaded(recipe, folders)


def cache_folder() -> Path | None:
    """The folder where downloads are kept, None for a user without a home."""
    return _cache("data")


def _recipe(name: str) -> _Recipe:
    if name in DATASETS:
        return DATASETS[name]
    known = [*DATASETS, *GENERATED]
    near = difflib.get_close_matches(name, known, 1)
    hint = f", did you mean {near[0]!r}" if near else ""
    raise ParameterError(f"no data set is called {name!r}, there are {', '.join(known)}{hint}")


def _places(name: str, data_dir: str | os.PathLike[str] | None) -> Iterator[Path]:
    """The folders in which the set may lie, in order."""
    if data_dir is not None:
        yield from (Path(data_dir) / name, Path(data_dir))
        return
    if given := os.environ.get("GRAPHNN_DATA"):
        yield from (Path(given) / name, Path(given))
    if cache := cache_folder():
        yield cache / name
    yield _DEBIAN / name
    if (built_in := _BUILT_IN / name).is_dir():
        yield built_in


def _dataset(recipe: _Recipe, found: Found, folder: Path) -> Dataset:
    """Check that images and labels belong together."""
    (x, y, test_x, test_y), note = found
    for part, images, labels in (("train", x, y), ("test", test_x, test_y)):
        if len(images) != len(labels):
            raise FormatError(folder, f"{part} labels", f"{len(labels)} labels for {len(images)} images")
    if x.shape[1:] != test_x.shape[1:]:
        raise FormatError(folder, "test images", f"{test_x.shape[1:]} an image, in the train images {x.shape[1:]}")
    source = "built in" if folder.parent == _BUILT_IN else str(folder)
    return Dataset(recipe.name, x, y, test_x, test_y, recipe.classes, note, source)


def _missing(recipe: _Recipe, folders: list[Path], target: Path) -> str:
    looked = ", ".join(str(folder) for folder in folders)
    absent = [name for name in recipe.files if not (target / name).exists()]
    return f"{recipe.name} is not in {looked}: put {', '.join(absent)} into {target}"


def _downloaded(recipe: _Recipe, folders: list[Path]) -> Dataset:
    cache = cache_folder()
    if cache is None:
        raise DataNotFoundError(_missing(recipe, folders, Path("FOLDER")) + " and set GRAPHNN_DATA to FOLDER")
    folder = cache / recipe.name
    try:
        recipe.download(folder, recipe)
    except DataNotFoundError as error:
        raise DataNotFoundError(f"{_missing(recipe, folders, folder)}; the download failed ({error})") from None
    if found := recipe.read(folder, recipe):
        return _dataset(recipe, found, folder)
    raise DataNotFoundError(_missing(recipe, folders, folder))


def _read_idx(folder: Path, recipe: _Recipe) -> Found | None:
    """The four idx files of a folder; None unless all are there."""
    files = [_idx_file(folder, stem) for stem in _IDX]
    paths = [file for file in files if file is not None]
    if len(paths) < len(files):
        return None
    x, y, test_x, test_y = (
        idx.read_images(path)[:, None] if "images" in stem else idx.read_labels(path, len(recipe.classes))
        for stem, path in zip(_IDX, paths, strict=True)
    )
    return (x, y, test_x, test_y), ""


def _idx_file(folder: Path, stem: str) -> Path | None:
    """The file, in any of the spellings that are about: plain or .gz, with -idx or .idx."""
    names = (form + end for form in (stem, stem.replace("-idx", ".idx")) for end in (".gz", ""))
    return next((folder / name for name in names if (folder / name).exists()), None)


def _download_idx(folder: Path, recipe: _Recipe) -> None:
    for stem, remote in zip(_IDX, recipe.remotes, strict=True):
        if _idx_file(folder, stem) is None:
            fetch(remote, recipe.mirrors, folder)


def _read_cifar(folder: Path, recipe: _Recipe) -> Found | None:
    """The binary batches of a folder or of the folder that the archive makes in it."""
    for place in (folder, folder / _CIFAR_FOLDER):
        train = [place / name for name in cifar.TRAIN if (place / name).exists()]
        test = next((place / name for name in (cifar.TEST, cifar.TEST_FIRST) if (place / name).exists()), None)
        if train and test:
            (x, y), (test_x, test_y) = cifar.read(train), cifar.read([test])
            return (x, y, test_x, test_y), "; ".join(_cifar_notes(train, test, len(test_x)))
    for place in (folder, folder / "cifar-10-batches-py"):
        cifar.refuse_pickles(place)
    return None


def _cifar_notes(train: list[Path], test: Path, count: int) -> Iterator[str]:
    if absent := [name for name in cifar.TRAIN if name not in {path.name for path in train}]:
        yield f"training images lack {', '.join(absent)}"
    if test.name == cifar.TEST_FIRST:
        yield f"first {count:,} test images only"


def _download_cifar(folder: Path, recipe: _Recipe) -> None:
    (remote,) = recipe.remotes
    archive = fetch(remote, recipe.mirrors, folder)
    unpack(archive, (*cifar.TRAIN, cifar.TEST), 10_000 * cifar.ROW, folder / _CIFAR_FOLDER)
    archive.unlink()


def _idx_recipe(
    name: str, classes: tuple[str, ...], mirrors: tuple[str, ...], pins: tuple[tuple[int, str], ...]
) -> _Recipe:
    files = tuple(f"{stem}.gz" for stem in _IDX)
    remotes = tuple(Remote(file, *pin) for file, pin in zip(files, pins, strict=True))
    return _Recipe(name, classes, _read_idx, _download_idx, files, remotes, mirrors)


_MNIST = _idx_recipe(
    "mnist",
    tuple("0123456789"),
    (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    (
        (9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        (28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        (1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        (4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    ),
)
_FASHION = _idx_recipe(
    "fashion-mnist",
    ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),  # the host has no https; the digests are pinned
    (
        (26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
        (29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
        (4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
        (5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
    ),
)
_CIFAR = _Recipe(
    "cifar-10",
    ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    _read_cifar,
    _download_cifar,
    (*cifar.TRAIN, f"{cifar.TEST} (from cifar-10-binary.tar.gz)"),
    (
        Remote(
            "cifar-10-binary.tar.gz",
            170_052_171,
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        ),
    ),
    ("https://www.cs.toronto.edu/~kriz/",),
)
GENERATED = {"text": (".text", "load_text"), "digit-strings": (".strings", "load_strings")}
DATASETS = {recipe.name: recipe for recipe in (_MNIST, _FASHION, _CIFAR)}
