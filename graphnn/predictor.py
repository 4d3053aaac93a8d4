"""Trained networks for use: `graphnn.load(run_folder)` gives one that takes images and gives probabilities."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, final

import numpy as np

from .data.scaling import normalizer
from .errors import DataNotFoundError, FormatError, GraphnnError, ParameterError, ShapeError
from .executor import Executor
from .graph import Value
from .model import load_checkpoint
from .runs.folder import BEST, MODEL, Meta
from .symbol import Symbol
from .train.module import Module
from .types import show_shape

__all__ = ["Predictor", "Trained", "load", "read_run"]

Arrays = dict[str, np.ndarray]

_LARGEST = 128  # rows of the largest program; more images are run in turns


def load(
    folder: str | os.PathLike[str],
    epoch: int | None = None,
    backend: str = "numpy",
    threads: int = 1,
    max_memory: int | None = None,
) -> Predictor:
    """Load the network of a run folder: with its best parameters, or those after `epoch`, counted from 1.

    Raises DataNotFoundError where there is no run, FileNotFoundError for an epoch that is not there, FormatError for
    files that do not make sense or do not fit each other.
    """
    return Predictor(*read_run(folder, epoch), backend, threads, max_memory)


class Trained(NamedTuple):
    """What a run folder holds of a network: its symbol, config.json, arguments and auxiliary states."""

    symbol: Symbol
    meta: Meta
    arg: Arrays
    aux: Arrays

    @property
    def classes(self) -> tuple[str, ...]:
        return self.meta.classes

    @property
    def shape(self) -> tuple[int, ...]:
        return self.meta.shape

    @property
    def params(self) -> Arrays:
        """Give parameters and auxiliary states by name."""
        return {**self.arg, **self.aux}

    def bind(self, rows: int, backend: str = "numpy", threads: int = 1, max_memory: int | None = None) -> Executor:
        """Make the executor of inference for `rows` rows at a time, with the parameters in place."""
        module = Module(self.symbol, label_names=[], backend=backend, threads=threads, max_memory=max_memory)
        module.bind([("data", (rows, *self.shape))], for_training=False)
        executor = module.executor
        inputs = {"data", *(n for n in executor.arg_dict if n.endswith("label"))}
        executor.copy_params_from({n: self.arg[n] for n in executor.arg_dict if n not in inputs}, self.aux)
        return executor


def read_run(folder: str | os.PathLike[str], epoch: int | None = None) -> Trained:
    """Read the network of a run folder, whose files fit each other; raises as load()."""
    folder = Path(folder)
    meta = Meta.read(folder)
    prefix, number = (BEST, 0) if epoch is None else (MODEL, epoch)
    if epoch is None and not (folder / f"{BEST}-symbol.json").exists():
        raise DataNotFoundError(f"{folder}: no epoch of the run is finished yet: there are no best parameters")
    symbol, arg, aux = load_checkpoint(str(folder / prefix), number)
    _check(folder / f"{prefix}-symbol.json", symbol, meta, {**arg, **aux})
    return Trained(symbol, meta, arg, aux)


@final
class Predictor:
    """A trained network: `symbol`, the names of its `classes`, the `shape` of an image (c, h, w) or row, and predict().

    One lock guards it: predict() may be called from any thread, and the calls run one after another. For calls that
    run at the same time load the folder once for each thread; to make one call faster give load() more `threads`.
    """

    def __init__(
        self,
        symbol: Symbol,
        meta: Meta,
        arg_params: Mapping[str, np.ndarray],
        aux_params: Mapping[str, np.ndarray],
        backend: str = "numpy",
        threads: int = 1,
        max_memory: int | None = None,
    ) -> None:
        if meta.kind not in ("images", "rows"):
            raise ParameterError(
                f"the run's network reads {meta.kind}, neither images nor rows: graphnn-predict is for it; in Python "
                "graphnn.writer for text, graphnn.runner for strings"
            )
        self.symbol, self.meta = symbol, meta
        self.classes, self.shape = meta.classes, meta.shape
        self._transform = normalizer(meta.mean, meta.std)
        trained = Trained(symbol, meta, dict(arg_params), dict(aux_params))
        executor = trained.bind(_LARGEST, backend, threads, max_memory)
        executor.freeze("data")
        self._executors = {_LARGEST: executor}
        self._part: tuple[tuple[Value, ...], int, Executor] | None = None
        self._lock = threading.Lock()

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Give the probabilities (n, classes) of images (n, c, h, w): uint8 from 0 to 255, or floats from 0 to 1.

        Rows (n, ...) of a run on numbers are given as they are. n is any number, 0 too. The result is a new float32
        array; it depends on n within rounding only. Raises ShapeError and ParameterError for other images.
        """
        images = self._checked(np.asarray(images))
        out = np.empty((len(images), len(self.classes)), np.float32)
        with self._lock, np.errstate(all="ignore"):
            for begin in range(0, len(images), _LARGEST):
                part = images[begin : begin + _LARGEST]
                out[begin : begin + len(part)] = self._run(part)
        return out

    @property
    def params(self) -> Arrays:
        """Give copies of parameters and auxiliary states by name."""
        executor = self._executors[_LARGEST]
        inputs = {n for n in executor.arg_dict if n == "data" or n.endswith("label")}
        return {n: a.copy() for n, a in {**executor.arg_dict, **executor.aux_dict}.items() if n not in inputs}

    def activations(self, images: np.ndarray, layers: Symbol) -> list[np.ndarray]:
        """Give what nodes of the network make of images as predict() takes: an array (n, ...) for each output.

        `layers` are outputs within `symbol`, such as Group([symbol.get_internals()["relu1_output"]]). The NumPy
        backend runs them, since a program for a look is not worth compiling; the program of the last call is kept.
        """
        images = self._checked(np.asarray(images))
        with self._lock, np.errstate(all="ignore"):
            executor = self._partial(layers, len(images))
            return [y.copy() for y in executor.forward(data=self._transform(images))]

    def _partial(self, layers: Symbol, n: int) -> Executor:
        if self._part is None or self._part[:2] != (layers.values, n):
            whole = self._executors[_LARGEST]
            executor = layers.simple_bind("null", data=(n, *self.shape))
            executor.copy_params_from(
                {k: a for k, a in whole.arg_dict.items() if k != "data" and not k.endswith("label")},
                whole.aux_dict,
                allow_extra_params=True,
            )
            self._part = layers.values, n, executor
        return self._part[2]

    def _checked(self, images: np.ndarray) -> np.ndarray:
        if images.shape[1:] != self.shape:
            wanted = ", ".join(map(str, self.shape))
            raise ShapeError(f"predict: {self.meta.kind} must be (n, {wanted}), got {show_shape(images.shape)}")
        if self.meta.kind == "rows" and images.dtype.kind in "iuf":
            return images.astype(np.float64)  # in which large numbers still differ
        if images.dtype == np.uint8:
            return images
        if images.dtype.kind != "f":
            raise ParameterError(f"predict: images must be uint8 or floats, got {images.dtype}")
        if images.size and not (images.min() >= 0 and images.max() <= 1):
            raise ParameterError(
                f"predict: float images must be from 0 to 1, got {images.min():g} to {images.max():g}: "
                "divide by 255, or give uint8"
            )
        return images

    def _run(self, images: np.ndarray) -> np.ndarray:
        """The probabilities of at most _LARGEST images, by a program of the next power of two."""
        n = len(images)
        size = 1 << (n - 1).bit_length()
        executor = self._executors.get(size)
        if executor is None:
            largest = self._executors[_LARGEST]
            executor = largest.reshape(partial_shaping=True, data=(size, *self.shape))
            executor.freeze("data")
            self._executors[size] = executor
        data = executor.arg_dict["data"]
        data[:n], data[n:] = self._transform(images), 0
        return executor.forward()[0][:n]

    def __repr__(self) -> str:
        return f"<Predictor of {len(self.classes)} classes from {self.meta.kind} {self.shape}>"


def _check(path: Path, symbol: Symbol, meta: Meta, arrays: Mapping[str, np.ndarray]) -> None:
    """Raise FormatError unless symbol, parameters and config.json fit, before any memory is taken for them."""
    arguments = symbol.list_arguments()
    if "data" not in arguments:
        raise FormatError(path, "inputs", "the symbol has no 'data'")
    try:
        shapes, outputs, aux_shapes = symbol.infer_shape_partial(data=(1, *meta.shape))
    except GraphnnError as error:
        raise FormatError(path, "shapes", str(error)) from None
    rows = meta.shape[0] if meta.kind == "text" else 1
    if meta.kind != "strings" and outputs != [(rows, len(meta.classes))]:
        wanted = f"one output {show_shape((rows, len(meta.classes)))} for {len(meta.classes)} classes"
        raise FormatError(path, "outputs", f"wanted {wanted}, got {', '.join(map(show_shape, outputs))}")
    states = zip(symbol.list_auxiliary_states(), aux_shapes, strict=True)
    needed = {n: s for n, s in zip(arguments, shapes, strict=True) if n != "data" and not n.endswith("label")}
    needed |= dict(states)
    for name, shape in needed.items():
        if name not in arrays:
            raise FormatError(path, f"parameter {name!r}", "the .params file beside it has none")
        if arrays[name].shape != shape:
            reason = f"the symbol wants {show_shape(shape)}, the .params file has {show_shape(arrays[name].shape)}"
            raise FormatError(path, f"parameter {name!r}", reason)
    for name in arrays:
        if name not in needed:
            raise FormatError(path, f"parameter {name!r}", "it is in the .params file, but not in the symbol")
