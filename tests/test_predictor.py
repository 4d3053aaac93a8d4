"""graphnn.load: a run folder as something that predicts, for any number of images, from any thread."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
import tiny

import graphnn
from graphnn import sym
from graphnn.data import NDArrayIter
from graphnn.data.scaling import normalizer
from graphnn.errors import DataNotFoundError, FormatError, ParameterError, ShapeError
from graphnn.formats import params
from graphnn.runs import loop
from graphnn.runs import run as runs
from graphnn.runs.config import Config

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (300, 1, tiny.SIDE, tiny.SIDE), np.uint8)


@contextmanager
def silent(label, total):
    yield lambda values: None


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run, and the probabilities that its module gives for the test data."""
    folder = tmp_path_factory.mktemp("run")
    data = tiny.write_digits(folder / "data")
    config = Config.from_mapping({"data_dir": data, "batch_size": 8, "epochs": 2, "lr": 0.1})
    run = runs.start(config, tiny.network, folder / "run")
    loop.train(run, silent, lambda record: None)
    return run


@pytest.fixture
def copy(trained, tmp_path):
    """A copy of the run to damage."""
    for file in trained.folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def test_a_predictor_gives_what_the_module_gives(trained):
    predictor = graphnn.load(trained.folder, epoch=2)
    batch = NDArrayIter(trained.data.test_x, None, 20, transform=normalizer(trained.meta.mean, trained.meta.std))
    wanted = trained.module.predict(batch)
    np.testing.assert_allclose(predictor.predict(trained.data.test_x), wanted, rtol=1e-5, atol=1e-7)
    assert predictor.classes == tuple("0123456789")
    assert predictor.shape == (1, 6, 6)
    assert predictor.symbol.list_outputs() == ["softmax_output"]
    assert repr(predictor) == "<Predictor of 10 classes from images (1, 6, 6)>"


def test_the_best_parameters_are_the_default(trained):
    best = max(trained.folder.glob("best-*.params")).read_bytes()
    epoch = 1 if (trained.folder / "model-0001.params").read_bytes() == best else 2
    predictors = [graphnn.load(str(trained.folder)), graphnn.load(trained.folder, epoch)]
    a, b = (p.predict(IMAGES[:5]) for p in predictors)
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 64, 127, 128, 129, 300])
def test_any_number_of_images(trained, n):
    predictor = graphnn.load(trained.folder)
    y = predictor.predict(IMAGES[:n])
    assert (y.shape, y.dtype) == ((n, 10), np.float32)
    np.testing.assert_allclose(y.sum(1), 1, rtol=1e-5)
    one_by_one = [predictor.predict(IMAGES[k : k + 1]) for k in range(min(n, 5))]
    np.testing.assert_allclose(y[:5], np.concatenate([y[:0], *one_by_one]), rtol=1e-4, atol=1e-7)


def test_results_outlive_the_next_call(trained):
    predictor = graphnn.load(trained.folder)
    first = predictor.predict(IMAGES[:2])
    kept = first.copy()
    predictor.predict(IMAGES[2:4])
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_from_0_to_1(trained, dtype):
    predictor = graphnn.load(trained.folder)
    y = predictor.predict((IMAGES[:9] / 255).astype(dtype))
    np.testing.assert_allclose(y, predictor.predict(IMAGES[:9]), rtol=0.05 if dtype == np.float16 else 1e-4, atol=1e-6)


@pytest.mark.parametrize("threads", [1, 2])
def test_calls_from_many_threads(trained, threads):
    predictor = graphnn.load(trained.folder, threads=threads)
    parts = [IMAGES[k : k + 1 + k % 7] for k in range(0, 280, 7)]
    alone = [predictor.predict(part) for part in parts]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(predictor.predict, parts))
    for a, b in zip(alone, together, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (IMAGES[0], ShapeError, r"images must be \(n, 1, 6, 6\), got \(1, 6, 6\)"),
        (IMAGES[:, :, :5], ShapeError, r"got \(300, 1, 5, 6\)"),
        (IMAGES.astype(np.int64), ParameterError, "uint8 or floats, got int64"),
        (IMAGES.astype(np.float32), ParameterError, "from 0 to 1, got 0 to 255: divide by 255, or give uint8"),
        (np.full((1, 1, 6, 6), np.nan), ParameterError, "from 0 to 1, got nan to nan"),
        (IMAGES / -255, ParameterError, "from 0 to 1, got -1 to"),
    ],
)
def test_other_images(trained, images, error, message):
    with pytest.raises(error, match=message):
        graphnn.load(trained.folder).predict(images)


def test_no_run_and_no_epoch(tmp_path, trained):
    with pytest.raises(DataNotFoundError, match="no run is there"):
        graphnn.load(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"model-0009\.params"):
        graphnn.load(trained.folder, epoch=9)


def change_params(folder, change):
    path = folder / "best-0000.params"
    params.save(path, change(params.load(path)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda a: {k: v for k, v in a.items() if k != "arg:fc_bias"},
            "'fc_bias': the .params file beside it has none",
        ),
        (lambda a: {k: v for k, v in a.items() if "var" not in k}, "'bn_moving_var': the .params file beside it"),
        (
            lambda a: {**a, "arg:fc_bias": np.zeros(3)},
            r"'fc_bias': the symbol wants \(10,\), the .params file has \(3,\)",
        ),
        (lambda a: {**a, "arg:more": np.zeros(3)}, "'more': it is in the .params file, but not in the symbol"),
        (lambda a: {**a, "more": np.zeros(3)}, "array 'more': a checkpoint's names begin with arg: or aux:"),
    ],
)
def test_parameters_that_do_not_fit(copy, change, message):
    change_params(copy, change)
    with pytest.raises(FormatError, match=message):
        graphnn.load(copy)


def dense(n):
    return sym.FullyConnected(sym.Variable("data"), num_hidden=n)


@pytest.mark.parametrize(
    ("symbol", "message"),
    [
        (sym.softmax(dense(7)), r"outputs: wanted one output \(1, 10\) for 10 classes, got \(1, 7\)"),
        (sym.Group([dense(10), dense(10)]), r"got \(1, 10\), \(1, 10\)"),
        (sym.softmax(sym.Variable("x")), "inputs: the symbol has no 'data'"),
        (sym.dot(sym.Variable("data"), sym.Variable("data")), "shapes: "),
        (dense(10**12), "outputs: wanted one output"),
        (sym.FullyConnected(dense(10**9), num_hidden=10, name="y"), "the .params file beside it has none"),
    ],
)
def test_a_symbol_that_does_not_fit(copy, symbol, message):
    symbol.save(str(copy / "best-symbol.json"))
    with pytest.raises(FormatError, match=message):
        graphnn.load(copy)


def test_a_config_of_another_shape(copy):
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"shape": [1, 9, 6]}))
    with pytest.raises(FormatError, match="parameter 'fc_weight': the symbol wants"):
        graphnn.load(copy)


def test_a_label_is_not_needed(copy, trained):
    sym.softmax(tiny.network().get_internals()["fc_output"]).save(str(copy / "best-symbol.json"))
    y = graphnn.load(trained.folder).predict(IMAGES[:3])
    np.testing.assert_allclose(graphnn.load(copy).predict(IMAGES[:3]), y, rtol=1e-5)
