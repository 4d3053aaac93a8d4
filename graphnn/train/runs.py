"""Run folders: what a training run writes, and training one from a config."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from ..data import Dataset, NDArrayIter, load
from ..errors import ParameterError
from ..formats import atomic
from ..model import save_checkpoint
from ..symbol import Symbol
from . import metric as metrics
from .initializer import Xavier
from .lr_scheduler import CosineScheduler
from .module import Module

__all__ = ["Config", "Record", "new_folder", "train"]

Epoch = Mapping[str, float]


@dataclass(frozen=True)
class Config:
    """Everything that decides a run; the command line and a TOML file have the same names.

    `warmup` and `epochs` count epochs; `lr` is the peak rate of the cosine schedule.
    """

    symbol: str = "alexnet"
    dataset: str = "mnist"
    data_dir: str | None = None
    batch_size: int = 128
    epochs: int = 10
    optimizer: str = "sgd"
    lr: float = 0.05
    momentum: float = 0.9
    wd: float = 5e-4
    schedule: str = "cosine"
    warmup: float = 0.5
    seed: int = 0
    threads: int = 1

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Config:
        """Make a config; raise ParameterError for an unknown key or a value of the wrong type."""
        from difflib import get_close_matches

        kinds = {f.name: f.default for f in fields(cls)}
        for key, value in values.items():
            if key not in kinds:
                near = get_close_matches(key, kinds, n=1)
                raise ParameterError(f"unknown option {key!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
            wanted = (int, float) if isinstance(kinds[key], float) else str if kinds[key] is None else type(kinds[key])
            if value is not None and (not isinstance(value, wanted) or isinstance(value, bool)):
                raise ParameterError(f"{key} must be like {kinds[key]!r}, got {value!r}")
        config = cls(**values)
        for key in ("batch_size", "epochs", "threads"):
            if getattr(config, key) < 1:
                raise ParameterError(f"{key} must be at least 1, got {getattr(config, key)}")
        if not config.lr > 0:
            raise ParameterError(f"lr must be positive, got {config.lr}")
        return config


@dataclass(frozen=True)
class Record:
    """One epoch of a run, as log.jsonl holds it."""

    epoch: int
    train_loss: float
    train_accuracy: float
    test_loss: float
    test_accuracy: float
    seconds: float
    images_per_second: float
    learning_rate: float


def new_folder(root: Path) -> Path:
    """Make the folder, or NAME-2, NAME-3, ... where it exists: a run is never written into another."""
    for k in range(1, 10_000):
        folder = root if k == 1 else root.with_name(f"{root.name}-{k}")
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            continue
    raise ParameterError(f"{root}: ten thousand runs of this name exist")


def statistics(images: np.ndarray) -> tuple[list[float], list[float]]:
    """Give mean and standard deviation of each channel of uint8 images (n, c, h, w), scaled to [0, 1]."""
    counts = [np.bincount(images[:, c].reshape(-1), minlength=256) for c in range(images.shape[1])]
    values = np.arange(256) / 255
    means = [float((k * values).sum() / k.sum()) for k in counts]
    deviations = [float(np.sqrt((k * (values - m) ** 2).sum() / k.sum())) for k, m in zip(counts, means, strict=True)]
    return means, deviations


def normalizer(mean: list[float], std: list[float]) -> Callable[[np.ndarray], np.ndarray]:
    """Make the transform of uint8 batches (n, c, h, w): (x / 255 - mean) / std, in float32."""
    scale = np.array([1 / (255 * s) for s in std], np.float32).reshape(1, -1, 1, 1)
    shift = np.array([-m / s for m, s in zip(mean, std, strict=True)], np.float32).reshape(1, -1, 1, 1)

    def transform(images: np.ndarray) -> np.ndarray:
        out = images.astype(np.float32)
        np.multiply(out, scale, out=out)
        return np.add(out, shift, out=out)

    return transform


def train(
    symbol: Symbol,
    config: Config,
    folder: Path,
    progress: Callable[[Iterator[Any], int, str], Any],
    report: Callable[[Record], None],
) -> list[Record]:
    """Train into `folder`: symbol, parameters after each epoch and the best, config, log.jsonl."""
    data = load(config.dataset, config.data_dir)
    mean, std = statistics(data.train_images)
    meta = {
        **asdict(config),
        "mean": mean,
        "std": std,
        "classes": list(data.classes),
        "shape": list(data.train_images.shape[1:]),
    }
    atomic.write(folder / "config.json", json.dumps(meta, indent=2) + "\n")
    train_iter, test_iter = _iterators(data, config, normalizer(mean, std))
    module = Module(symbol, threads=config.threads, seed=config.seed)
    module.bind(train_iter.provide_data, train_iter.provide_label)
    module.init_params(Xavier(rnd_type="gaussian", factor_type="in", magnitude=2))
    steps = len(data.train_images) // config.batch_size
    params: dict[str, Any] = {"learning_rate": config.lr, "wd": config.wd}
    if config.optimizer in ("sgd", "nag"):
        params["momentum"] = config.momentum
    if config.schedule == "cosine":
        params["lr_scheduler"] = CosineScheduler(steps * config.epochs, warmup_steps=int(steps * config.warmup))
    module.init_optimizer(None, config.optimizer, params)
    records: list[Record] = []
    for epoch in range(1, config.epochs + 1):
        record = _epoch(epoch, module, train_iter, test_iter, progress, config)
        arg, aux = module.get_params()
        save_checkpoint(str(folder / "model"), epoch, symbol, arg, aux)
        if not records or record.test_accuracy > max(r.test_accuracy for r in records):
            save_checkpoint(str(folder / "best"), 0, symbol, arg, aux)
        records.append(record)
        atomic.write(folder / "log.jsonl", "".join(json.dumps(asdict(r)) + "\n" for r in records))
        report(record)
    return records


def _iterators(
    data: Dataset, config: Config, transform: Callable[[np.ndarray], np.ndarray]
) -> tuple[NDArrayIter, NDArrayIter]:
    train_iter = NDArrayIter(
        data.train_images, data.train_labels, config.batch_size, shuffle=True, last_batch_handle="discard",
        seed=config.seed, transform=transform,
    )  # fmt: skip
    test_iter = NDArrayIter(data.test_images, data.test_labels, config.batch_size, transform=transform)
    return train_iter, test_iter


def _epoch(
    epoch: int, module: Module, train_iter: NDArrayIter, test_iter: NDArrayIter, progress: Any, config: Config
) -> Record:
    metric, loss = metrics.create("acc"), metrics.create("ce")
    train_iter.reset()
    train_iter.epoch = epoch
    start, images = perf_counter(), 0
    for batch in progress(
        iter(train_iter),
        len(train_iter.idx) // config.batch_size if hasattr(train_iter, "idx") else 0,
        f"epoch {epoch}",
    ):
        module.forward_backward(batch)
        module.update()
        for m in (metric, loss):
            module.update_metric(m, batch.label or (), batch.pad or 0)
        images += config.batch_size
    seconds = perf_counter() - start
    scores = metrics.CompositeEvalMetric(["acc", "ce"])
    found = dict(module.score(test_iter, scores))
    return Record(
        epoch, float(loss.get()[1]), float(metric.get()[1]), float(found["cross-entropy"]), float(found["accuracy"]),
        seconds, images / seconds, module.learning_rate,
    )  # fmt: skip
