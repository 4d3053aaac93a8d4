"""Training runs: begun from a config or resumed from a folder, an epoch at a time, each saved before the next."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from .. import backend as backends
from ..data import DataBatch, Dataset, NDArrayIter, load
from ..data.scaling import normalizer, statistics
from ..errors import FormatError, NumericError, ParameterError
from ..formats import atomic, symbol_json
from ..model import load_params, save_checkpoint, states_file
from ..symbol import Symbol
from . import metric as metrics
from .config import Config, in_bytes
from .folder import BEST, MODEL, Meta, Record, new_folder, read_log, write_log
from .initializer import Xavier
from .lr_scheduler import CosineScheduler, FactorScheduler, LRScheduler, MultiFactorScheduler, PolyScheduler
from .module import Module

__all__ = ["Run", "label_of", "resume", "start", "train"]

# called with a text and the number of batches, it gives a context whose value is called after each with the metrics
Progress = Callable[[str, int], AbstractContextManager[Callable[[list[tuple[str, float]]], object]]]

_SCHEDULES: dict[str, Callable[..., LRScheduler]] = {
    "constant": lambda steps, **warmup: FactorScheduler(steps, **warmup),
    "cosine": lambda steps, **warmup: CosineScheduler(steps, **warmup),
    "poly": lambda steps, **warmup: PolyScheduler(steps, **warmup),
    # a tenth after one half and again after three quarters of the training, as He et al. 2015 have it
    "step": lambda steps, **warmup: MultiFactorScheduler(
        sorted({max(1, steps // 2), max(2, steps * 3 // 4)}), 0.1, **warmup
    ),
}


@dataclass(frozen=True, eq=False)
class Run:
    """A run that is ready to train: its folder, its data, its module, and the epochs it has behind it."""

    folder: Path
    meta: Meta
    data: Dataset
    module: Module
    train_iter: NDArrayIter
    test_iter: NDArrayIter
    records: tuple[Record, ...] = ()


def start(config: Config, symbol: Callable[[int], Symbol], root: Path) -> Run:
    """Begin a run in the folder `root`, or NAME-2, ... where it exists; `symbol` makes the network for n classes.

    The folder is made last, once data and network are there and fit; it holds config.json and the symbol then.
    """
    paths = {key: getattr(config, key) for key in ("data_dir", "model_prefix")}
    config = replace(config, **{key: os.path.abspath(path) for key, path in paths.items() if path is not None})
    data = load(config.dataset, config.data_dir)
    _, c, h, w = data.train_images.shape
    meta = Meta(config, data.classes, (c, h, w), *statistics(data.train_images))
    net = symbol(len(data.classes))
    module, train_iter, test_iter = _module(net, meta, data)
    folder = new_folder(root)
    meta.write(folder)
    net.save(str(folder / f"{MODEL}-symbol.json"))
    return Run(folder, meta, data, module, train_iter, test_iter)


def resume(folder: Path, data_dir: str | None = None, threads: int | None = None) -> Run:
    """Take a run up after its last whole epoch; the rest comes out as if it had never stopped, bit by bit.

    That needs the same number of threads as before, since the order of sums depends on it.
    """
    meta = Meta.read(folder)
    config = replace(meta.config, data_dir=data_dir or meta.config.data_dir, threads=threads or meta.config.threads)
    meta = replace(meta, config=config)
    records = read_log(folder)
    data = load(config.dataset, config.data_dir)
    if (data.classes, data.train_images.shape[1:]) != (meta.classes, meta.shape):
        raise FormatError(folder, "config.json", f"classes or image shape are not those of {config.dataset}")
    atomic.sweep(folder, older_than=60)
    net = symbol_json.load(str(folder / f"{MODEL}-symbol.json"))
    module, train_iter, test_iter = _module(net, meta, data, str(folder / MODEL), len(records))
    return Run(folder, meta, data, module, train_iter, test_iter, tuple(records))


def train(run: Run, progress: Progress, report: Callable[[Record], None]) -> list[Record]:
    """Train the epochs that are left; after each, write parameters, states and log, and call `report`."""
    records = list(run.records)
    with np.errstate(all="ignore"):  # what is not finite is looked for and named
        for epoch in range(len(records) + 1, run.meta.config.passes + 1):
            records.append(_epoch(run, epoch, progress))
            _save(run, records)
            report(records[-1])
    return records


def label_of(symbol: Symbol) -> str:
    """Name the input that takes the labels: the one that ends in "label"; ParameterError unless there is one."""
    labels = [name for name in symbol.list_arguments() if name.endswith("label")]
    if len(labels) != 1:
        found = ", ".join(labels) or "none"
        raise ParameterError(f"the symbol must have one input for labels, named ..._label, it has: {found}")
    return labels[0]


def _check_output(symbol: Symbol, shape: tuple[int, ...], classes: int) -> None:
    """Raise ParameterError unless the symbol gives one probability for each class."""
    outputs = symbol.infer_shape_partial(data=shape)[1] if "data" in symbol.list_arguments() else []
    if outputs and outputs != [(shape[0], classes)]:
        found = ", ".join(f"{n} {s}" for n, s in zip(symbol.list_outputs(), outputs, strict=True))
        raise ParameterError(
            f"the symbol does not fit: {classes} classes need one output {shape[0], classes}, got {found}"
        )


def _module(
    symbol: Symbol, meta: Meta, data: Dataset, prefix: str = "", done: int = 0
) -> tuple[Module, NDArrayIter, NDArrayIter]:
    """Make module and iterators, as they are after `done` epochs."""
    config, label = meta.config, label_of(symbol)
    backends.get(config.backend)  # one that is missing is said before there is a folder
    _check_output(symbol, (config.batch_size, *meta.shape), len(meta.classes))
    transform = normalizer(meta.mean, meta.std)
    train_iter = NDArrayIter(
        data.train_images, data.train_labels, config.batch_size, shuffle=True, last_batch_handle="discard",
        label_name=label, seed=config.seed, transform=transform,
    )  # fmt: skip
    test_iter = NDArrayIter(
        data.test_images, data.test_labels, config.batch_size, label_name=label, transform=transform
    )
    module = Module(
        symbol, label_names=(label,), backend=config.backend, threads=config.threads or 1, seed=config.seed,
        max_memory=in_bytes(config.max_memory), tune=config.tune, recompute=config.recompute,
        conv_algo="direct" if config.exact else "auto",
    )  # fmt: skip
    module.bind(train_iter.provide_data, train_iter.provide_label)
    if done:
        module.init_params(None, *load_params(prefix, done))
    elif config.load_epoch is not None:
        module.init_params(None, *load_params(str(config.model_prefix), config.load_epoch))
    else:
        module.init_params(Xavier(rnd_type="gaussian", factor_type="in", magnitude=2))
    module.init_optimizer(None, config.optimizer, _optimizer_params(config, len(data.train_images)))
    if done:
        module.load_optimizer_states(states_file(prefix, done))
    return module, train_iter, test_iter


def _optimizer_params(config: Config, images: int) -> dict[str, Any]:
    steps, rate = images // config.batch_size, config.lr or 0.0
    warmup: dict[str, Any] = {"warmup_steps": int(steps * config.warmup)}
    scheduler = _SCHEDULES[config.schedule](steps * config.passes, **warmup)
    if changes := config.steps():
        left = [steps * (epoch - config.begin) for epoch in changes if epoch > config.begin]
        rate *= config.lr_factor ** (len(changes) - len(left))
        scheduler = MultiFactorScheduler(left or [steps * config.passes + 1], config.lr_factor, **warmup)
    params: dict[str, Any] = {"learning_rate": rate, "wd": config.wd, "lr_scheduler": scheduler}
    return params | ({"momentum": config.momentum} if config.optimizer in ("sgd", "nag") else {})


def _epoch(run: Run, epoch: int, progress: Progress) -> Record:
    """Train one epoch and measure it."""
    module, size = run.module, run.meta.config.batch_size
    accuracy, loss = metrics.create("acc"), metrics.create("ce")
    run.train_iter.epoch = epoch
    batches = run.train_iter.num_data // size
    begin = perf_counter()
    with progress(f"epoch {epoch}/{run.meta.config.passes}", batches) as advance:
        for batch in run.train_iter:
            module.step(batch)
            for metric in (accuracy, loss):
                module.update_metric(metric, batch.label or (), pad=batch.pad)
            if not math.isfinite(loss.get()[1]):
                raise _not_finite(module, epoch, batch)
            advance([*accuracy.get_name_value(), *loss.get_name_value()])
    seconds = perf_counter() - begin
    found = dict(module.score(run.test_iter, metrics.CompositeEvalMetric(["acc", "ce"])))
    if not math.isfinite(found["cross-entropy"]):
        raise _not_finite(module, epoch, batch)
    return Record(
        epoch, float(loss.get()[1]), float(accuracy.get()[1]), float(found["cross-entropy"]),
        float(found["accuracy"]), seconds, batches * size / seconds, module.learning_rate,
    )  # fmt: skip


def _not_finite(module: Module, epoch: int, batch: DataBatch) -> NumericError:
    """Run the batch once more under a monitor, to name where it begins."""
    found: list[str] = []

    def look(name: str, array: np.ndarray) -> None:
        if not found and not np.isfinite(array).all():
            found.append(name)

    module.executor.set_monitor_callback(look, monitor_all=True)
    module.forward(batch, is_train=False)
    first = f"; {found[0]} is the first that is not finite" if found else ""
    return NumericError(f"epoch {epoch}: the loss is no longer a finite number{first}: lower the learning rate")


def _save(run: Run, records: list[Record]) -> None:
    """Write an epoch's files; the log comes last, since an epoch counts once it is in there."""
    epoch, prefix = len(records), str(run.folder / MODEL)
    arg, aux = run.module.get_params()
    save_checkpoint(prefix, epoch, None, arg, aux)
    config = run.meta.config
    if config.model_prefix is not None:
        save_checkpoint(config.model_prefix, config.begin + epoch, run.module.symbol, arg, aux)
    if records[-1].test_accuracy > max((r.test_accuracy for r in records[:-1]), default=-1.0):
        save_checkpoint(str(run.folder / BEST), 0, run.module.symbol, arg, aux)
    run.module.save_optimizer_states(states_file(prefix, epoch))
    write_log(run.folder, records)
    for path in run.folder.glob(f"{MODEL}-*.states.npz"):  # not the last alone: a run may have been killed here
        if path != Path(states_file(prefix, epoch)):
            path.unlink(missing_ok=True)
