"""Training runs: begun from a config or resumed from a folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import backend as backends
from ..data import DataBatch, Dataset
from ..data.batches import Batches
from ..data.feed import Feed
from ..data.scaling import statistics
from ..errors import FormatError, ParameterError
from ..formats import atomic, symbol_json
from ..model import load_params
from ..symbol import Symbol
from ..train.initializer import Xavier
from ..train.module import Module
from . import checkpoint, environment, pretrained
from .average import Average
from .checkpoint import Position
from .config import Config, in_bytes
from .folder import MODEL, SCALED, Meta, Record, add_environment, new_folder, read_log, write_log
from .rows import batches_of, data_of, digest_of
from .schedule import optimizer_params
from .telling import Note, Progress

__all__ = ["Run", "label_of", "prepare", "resume", "start", "with_whole_paths"]

_PATHS = ("data", "data_dir", "model_prefix", "pretrained")


@dataclass(eq=False)
class Run:
    """A run that is ready to train: its folder, data and module, and how far it is."""

    folder: Path
    meta: Meta
    data: Dataset
    module: Module
    feed: Feed
    test: Batches
    average: Average | None
    records: tuple[Record, ...] = ()
    position: Position = field(default_factory=Position)
    _stepping: bool = False

    @property
    def batches(self) -> int:
        """How many batches an epoch has: a multiple of those whose gradients are added up."""
        return len(self.feed.source) // self.meta.config.accumulate * self.meta.config.accumulate

    def step(self, batch: DataBatch) -> None:
        """Take a batch in; with the last of those that are added up, change the weights."""
        module, count = self.module, self.meta.config.accumulate
        self.position.batch += 1
        if count == 1:
            module.step(batch)
        else:
            module.forward_backward(batch)
            if self.position.batch % count:
                return
            module.update()
            self._forget_gradients()
        if self.average is not None:
            self.average.step()
            self.position.averaged += 1

    def _forget_gradients(self) -> None:
        for gradient in self.module.executor.grad_dict.values():
            gradient[...] = 0

    @contextmanager
    def stepping(self) -> Iterator[None]:
        """Mark the time in which arrays and position do not fit each other."""
        self._stepping = True
        yield
        self._stepping = False

    @property
    def between_steps(self) -> bool:
        """Whether a checkpoint of the arrays as they are now would be one of the position."""
        swapped = self.average is not None and self.average.swapped
        return not (self._stepping or swapped or self.position.batch % self.meta.config.accumulate)

    # Checkpoints

    def save(self) -> None:
        """Write a checkpoint: all that the rest of the training depends on."""
        checkpoint.write(self.folder, self.position, self._arrays(self.module.optimizer_states()))

    def restore(self, note: Note = lambda text: None) -> None:
        """Go back to the last checkpoint, or to the one before where that is damaged, which `note` is told."""
        paths = checkpoint.newest(self.folder)
        for path in paths:
            states = self.module.optimizer_states()
            try:
                self.position = checkpoint.read(path, self._arrays(states))
            except (FormatError, OSError) as error:
                if path is paths[-1]:
                    raise
                reason = f"{path}: {error.strerror}" if isinstance(error, OSError) else str(error)
                note(f"{reason}; going on from the checkpoint before")
                continue
            self.module.set_optimizer_states(states, path)
            self._forget_gradients()
            return

    def _arrays(self, states: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        module = self.module
        params = {f"arg:{n}": module.executor.arg_dict[n] for n in module.param_names}
        aux = {f"aux:{n}": a for n, a in module.executor.aux_dict.items()}
        own = {f"optimizer:{n}": a for n, a in states.items()}
        return params | aux | own | (self.average.arrays if self.average is not None else {})


def start(
    config: Config,
    symbol: Callable[[int], Symbol],
    root: Path,
    note: Note = lambda text: None,
    progress: Progress | None = None,
) -> Run:
    """Begin a run in the folder `root`, or NAME-2, ... where it exists; `symbol` makes the network for n classes.

    The folder is made last, once data and network are there and fit; it holds config, symbol and a checkpoint then.
    """
    config = replace(config, **with_whole_paths(asdict(config)))
    if config.model_prefix is not None:
        _check_prefix(Path(config.model_prefix).parent)
    run = prepare(config, symbol, note, progress)
    run.folder = new_folder(root)
    run.meta.write(run.folder)
    run.module.symbol.save(str(run.folder / f"{MODEL}-symbol.json"))
    add_environment(run.folder, environment.line(config.backend))
    run.save()
    return run


def _check_prefix(folder: Path) -> None:
    """Raise ParameterError where the first epoch would end in vain: going on with a run cannot change its prefix."""
    if not folder.is_dir():
        raise ParameterError(f"model_prefix: there is no folder {folder}: make it first")
    if not os.access(folder, os.W_OK):
        raise ParameterError(f"model_prefix: nothing can be written into {folder}: give another folder")


def with_whole_paths(options: Mapping[str, Any]) -> dict[str, Any]:
    """Give options whose paths hold in any folder, as those of a run do."""
    whole = {key: os.path.abspath(options[key]) for key in _PATHS if options.get(key) is not None}
    return {**options, **whole}


def prepare(
    config: Config, symbol: Callable[[int], Symbol], note: Note = lambda text: None, progress: Progress | None = None
) -> Run:
    """Make a run that has no folder yet: nothing is written."""
    data = data_of(config, progress)
    weights = pretrained.read(config.pretrained) if config.pretrained is not None else None
    meta = _meta(config, data, weights, note)
    run = _run(Path(), meta, data, symbol(len(data.classes)))
    if config.load_epoch is not None:
        run.module.set_params(*load_params(str(config.model_prefix), config.load_epoch))
    if weights is not None:
        executor = run.module.executor
        same, notes = pretrained.fitting(
            weights, {n: executor.arg_dict[n] for n in run.module.param_names}, executor.aux_dict
        )
        executor.copy_params_from(same, same, allow_extra_params=True)
        for text in notes:
            note(f"pretrained: {text}")
    return run


def resume(folder: Path, note: Note = lambda text: None, progress: Progress | None = None, **changes: Any) -> Run:
    """Take a run up where its last checkpoint is; the rest comes out as if it had never stopped, bit by bit.

    That needs the same machine and, on the NumPy backend, the same number of threads, since the order of sums depends
    on it. `changes` are options that may differ between the parts of a run.
    """
    meta = Meta.read(folder)
    meta = replace(meta, config=replace(meta.config, **changes))
    data = data_of(meta.config, progress)
    if (data.classes, data.train_x.shape[1:], data.kind) != (meta.classes, meta.shape, meta.kind):
        raise FormatError(folder, "config.json", f"classes or shape are not those of {data.name}")
    if meta.digest and meta.digest != digest_of(data):
        raise FormatError(folder, "config.json", f"{data.source}: the data are not those that the run began with")
    atomic.sweep(folder, older_than=60)
    run = _run(folder, meta, data, symbol_json.load(str(folder / f"{MODEL}-symbol.json")))
    run.restore(note)
    _take_log(run)
    add_environment(folder, environment.line(meta.config.backend))
    return run


def _take_log(run: Run) -> None:
    """Take the log's epochs up to the checkpoint; one more may have been written before the run was killed."""
    records, done = read_log(run.folder), run.position.epoch - 1
    if len(records) < done:
        raise FormatError(run.folder, "log.jsonl", f"{len(records)} epochs, the checkpoint was written after {done}")
    if len(records) > done:
        write_log(run.folder, records[:done])
    run.records = tuple(records[:done])


def _meta(config: Config, data: Dataset, weights: pretrained.Weights | None, note: Note) -> Meta:
    """What config.json will hold; weights of a run come with the statistics of their data."""
    x = data.train_x
    shape = tuple(x.shape[1:])
    mean, std = statistics(x) if data.kind in SCALED else ((), ())
    before = weights.meta if weights is not None else None
    if before is not None and (before.kind, before.shape[:1]) == (data.kind, shape[:1]) and mean:
        mean, std = before.mean, before.std
        note("pretrained: mean and deviation are those of the weights' run")
    meta = Meta(config, data.classes, shape, mean, std, data.kind, digest_of(data))
    meta.check(Path(data.source))
    return meta


# The network


def label_of(symbol: Symbol) -> str:
    """Name the input that takes the labels: the one that ends in "label"; ParameterError unless there is one."""
    labels = [name for name in symbol.list_arguments() if name.endswith("label")]
    if len(labels) != 1:
        found = ", ".join(labels) or "none"
        raise ParameterError(f"the symbol must have one input for labels, named ..._label, it has: {found}")
    return labels[0]


def _check_output(symbol: Symbol, shape: tuple[int, ...], meta: Meta) -> None:
    """Raise ParameterError unless the symbol gives one probability for each class, of each row or of each step."""
    outputs = symbol.infer_shape_partial(data=shape)[1] if "data" in symbol.list_arguments() else []
    classes, rows = len(meta.classes), shape[0] * (meta.shape[0] if meta.kind == "text" else 1)
    if outputs and meta.kind != "strings" and outputs != [(rows, classes)]:
        found = ", ".join(f"{n} {s}" for n, s in zip(symbol.list_outputs(), outputs, strict=True))
        raise ParameterError(f"the symbol does not fit: {classes} classes need one output {rows, classes}, got {found}")


def _run(folder: Path, meta: Meta, data: Dataset, symbol: Symbol) -> Run:
    """Bind the network to its data and initialise it."""
    config, label = meta.config, label_of(symbol)
    backends.get(config.backend)  # one that is missing is said before there is a folder
    train, test = batches_of(meta, data)
    _check_output(symbol, (config.batch_size, *meta.shape), meta)
    first = train.make(1, 0)
    names = [n for n in symbol.list_arguments() if n not in ("data", label)]
    module = Module(
        symbol, label_names=(label,), fixed_param_names=pretrained.frozen(config.freeze, names),
        backend=config.backend, threads=config.threads or 1, seed=config.seed,
        max_memory=in_bytes(config.max_memory), tune=config.tune, recompute=config.recompute,
        conv_algo="direct" if config.exact else "auto",
    )  # fmt: skip
    module.bind(
        [("data", first.data[0].shape)], [(label, (first.label or [])[0].shape)],
        grad_req="add" if config.accumulate > 1 else "write",
    )  # fmt: skip
    module.init_params(Xavier(rnd_type="gaussian", factor_type="in", magnitude=2))
    module.init_optimizer(None, config.optimizer, optimizer_params(config, len(train) // config.accumulate))
    return Run(folder, meta, data, module, Feed(train, config.workers), test, _average(module, config))


def _average(module: Module, config: Config) -> Average | None:
    if not config.ema:
        return None
    states = [n for n, a in module.executor.aux_dict.items() if a.dtype.kind == "f"]
    return Average(module.executor, [*module.param_names, *states], config.ema)
