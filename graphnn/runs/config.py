"""What decides a run: one table of options for the command line, TOML files and config.json.

Loads no NumPy, so that a command line's --help costs little.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, replace
from typing import Any

from ..errors import ParameterError

__all__ = ["LEARNING_RATES", "PRESETS", "SCHEDULES", "Config", "cores", "in_bytes"]

# the optimisers, with the rate that each begins with unless it is told another
LEARNING_RATES = {"sgd": 0.1, "nag": 0.1, "adam": 0.001, "adamw": 0.001, "rmsprop": 0.001, "adagrad": 0.01}
SCHEDULES = ("cosine", "constant", "poly", "step", "onecycle", "restarts")

# Whole recipes; what is given beside a preset wins over it. docs/training.md has their logs.
PRESETS: dict[str, dict[str, Any]] = {
    "cifar10": {
        "symbol": "resnet-20", "dataset": "cifar-10", "augment": "auto", "epochs": 80, "optimizer": "nag",
        "lr": 0.2, "wd": 5e-4, "warmup": 2.0, "schedule": "cosine",
    },
    "cifar10-fast": {
        "symbol": "resnet-20", "dataset": "cifar-10", "augment": "auto", "epochs": 24, "optimizer": "nag",
        "lr": 0.2, "wd": 5e-4, "warmup": 2.0, "schedule": "cosine",
    },
    "fashion-mnist": {
        "symbol": "resnet-20", "dataset": "fashion-mnist", "augment": "auto", "epochs": 30, "optimizer": "nag",
        "lr": 0.1, "wd": 5e-4, "warmup": 1.0, "schedule": "cosine",
    },
    "text": {
        "symbol": "lstm-lm", "dataset": "text", "epochs": 12, "optimizer": "adam", "lr": 0.005, "batch_size": 20,
    },
    "digit-strings": {
        "symbol": "lstm-ctc", "dataset": "digit-strings", "epochs": 12, "optimizer": "adam", "lr": 0.003,
        "batch_size": 50,
    },
}  # fmt: skip

_MAX_TEXT = 4096
_KINDS: dict[str, Any] = {"str": (str,), "int": (int,), "float": (int, float), "bool": (bool,)}
_WORDS: dict[type, str] = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def cores() -> int:
    """Give the number of cores this process may use, at most 4: more gain little on slices of one batch."""
    allowed = getattr(os, "sched_getaffinity", None)
    return min(4, len(allowed(0)) if allowed else os.cpu_count() or 1)


def in_bytes(megabytes: int | None) -> int | None:
    """Give --max-memory in bytes."""
    return None if megabytes is None else megabytes << 20


def _option(default: Any, text: str, low: float | None = None, high: float = 1e6, *, of: tuple[str, ...] = ()) -> Any:
    """An option: its range where `low` is given, its choices `of`."""
    return field(default=default, metadata={"help": text, "range": low is not None and (low, high), "of": of})


@dataclass(frozen=True)
class Config:
    """Everything that decides a run; the fields are the options' names, with _ for -."""

    symbol: str = _option("alexnet", "a model's name or a symbol JSON file (alexnet)")
    # data
    dataset: str = _option("mnist", "mnist, fashion-mnist, cifar-10, text or digit-strings (mnist)")
    data_dir: str | None = _option(None, "where the data set's files are")
    data: str | None = _option(None, "data of one's own: a folder CLASS/*.png, an .npz, a .csv or a .txt")
    label: str | None = _option(None, "the column of the .csv that is to be told (the last one)")
    image_size: int | None = _option(None, "bring a folder's images to this height and width (32)", 1, 1024)
    holdout: int | None = _option(
        None, "test on N training rows (the last; of --data any), which are not trained on", 1, 2**40
    )
    workers: int = _option(0, "processes that make batches ahead (0: a thread does)", 0, 64)
    augment: str = _option("none", "random changes: auto, none, or such as crop:4,flip,rotate:15 (none)")
    mixup: float = _option(0.0, "mix pairs of images, with shares from Beta(A, A) (0: off)", 0, 100)
    cutmix: float = _option(0.0, "put rectangles of images into others, with areas from Beta(A, A) (0: off)", 0, 100)
    label_smoothing: float = _option(0.0, "the share of a label that goes to all classes alike (0)", 0, 0.999)
    # training
    batch_size: int = _option(128, "rows a batch (128)", 1, 2**31 - 1)
    accumulate: int = _option(1, "batches whose gradients are added up for one step (1)", 1)
    epochs: int = _option(10, "passes over the training data (10)", 1)
    optimizer: str = _option("sgd", f"{', '.join(LEARNING_RATES)} (sgd)", of=tuple(LEARNING_RATES))
    lr: float | None = _option(None, "peak learning rate (sgd, nag 0.1, adagrad 0.01, others 0.001)", 1e-12, 1e6)
    momentum: float = _option(0.9, "of sgd and nag (0.9)", 0, 1)
    wd: float = _option(1e-3, "weight decay (0.001)", 0)
    schedule: str = _option("cosine", f"of the learning rate: {', '.join(SCHEDULES)} (cosine)", of=SCHEDULES)
    warmup: float = _option(0.5, "epochs in which the rate rises to its peak (0.5; with onecycle 30%% of all)", 0)
    lr_step_epochs: str | None = _option(None, "with --schedule step: the rate changes after these, such as 10,15")
    lr_factor: float = _option(0.1, "with --schedule step: what the rate is multiplied by (0.1)", 0, 1)
    cycle: float = _option(10.0, "with --schedule restarts: epochs of the first cycle, each later one twice (10)", 0.01)
    clip_norm: float | None = _option(None, "scale gradients down to this norm, taken over all of them", 1e-12, 1e12)
    ema: float = _option(0.0, "measure and keep an average of the weights, of this decay, such as 0.999 (0: off)", 0, 1)
    early_stop: int | None = _option(None, "stop after N epochs without a better test loss", 1)
    time_limit: float | None = _option(None, "stop after so many minutes; --resume goes on", 0)
    pretrained: str | None = _option(None, "begin with the weights of a run folder, .params, .npz or .safetensors")
    freeze: str | None = _option(None, "parameters that stay as they are: patterns such as 'conv*,stage1_*'")
    # what is written
    keep: int = _option(10, "parameters of how many epochs stay, beside the best (10)", 0)
    save_minutes: float = _option(5.0, "within an epoch, write a checkpoint so often (5)", 0)
    tensorboard: bool = _option(False, "write event files for TensorBoard, too")
    model_prefix: str | None = _option(None, "write PREFIX-symbol.json and PREFIX-0001.params, ... too")
    load_epoch: int | None = _option(None, "begin with PREFIX's parameters after this epoch, which count as done", 0)
    # how it runs
    seed: int = _option(0, "of everything random (0)", 0, 2**64 - 1)
    threads: int | None = _option(None, "of the program's own pool (one for each core, at most 4)", 1, 1024)
    max_memory: int | None = _option(
        None, "megabytes a program and its arrays may take (75%% of the machine's memory)", 1, 2**40
    )
    backend: str = _option("numpy", "what runs the program: auto, numpy or c (auto: c where it can)")
    tune: bool = _option(False, "time each convolution's algorithms on this machine first, and take the best")
    exact: bool = _option(False, "no convolution by minimal filtering, which rounds a little more")
    recompute: bool = _option(False, "make what is cheap again in the backward part: less memory, a little more time")

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Config:
        """Make a config; raise ParameterError for an unknown name, a value of another kind or out of range.

        Where they are not given `lr` becomes the optimiser's own rate and `threads` the number of cores.
        """
        from difflib import get_close_matches

        known = {f.name: f for f in fields(cls)}
        for key in values:
            if key not in known:
                near = get_close_matches(key, known, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(known)}"
                raise ParameterError(f"unknown option {key[:80]!r}{hint}")
        config = cls(**{key: _checked(known[key], value) for key, value in values.items()})
        config._check_epochs()
        config._check_data()
        lr = LEARNING_RATES[config.optimizer] if config.lr is None else config.lr
        return replace(config, lr=lr, threads=config.threads or cores())

    @property
    def begin(self) -> int:
        """How many epochs were done before this run."""
        return self.load_epoch or 0

    @property
    def passes(self) -> int:
        """How many epochs this run has."""
        return self.epochs - self.begin

    @property
    def soft_labels(self) -> bool:
        """Whether labels become probabilities."""
        return bool(self.label_smoothing or self.mixup or self.cutmix)

    def steps(self) -> list[int]:
        """Give `lr_step_epochs` as numbers; raise ParameterError unless they increase from 1."""
        parts = [p.strip() for p in (self.lr_step_epochs or "").split(",") if p.strip()]
        found = [int(p) for p in parts if p.isascii() and p.isdigit() and len(p) < 8]
        if len(found) != len(parts) or any(b <= a for a, b in zip([0, *found], found, strict=False)):
            raise ParameterError(f"lr_step_epochs must increase, such as 10,15, got {self.lr_step_epochs!r:.80}")
        return found

    def _check_epochs(self) -> None:
        if self.load_epoch is not None and self.model_prefix is None:
            raise ParameterError("load_epoch needs model_prefix, which says whose")
        if self.load_epoch is not None and self.pretrained is not None:
            raise ParameterError("pretrained and load_epoch both say what to begin with: give one of them")
        if self.passes < 1:
            raise ParameterError(f"nothing to train: load_epoch is {self.begin}, epochs {self.epochs}")
        if self.schedule in ("cosine", "poly") and self.warmup >= self.passes:
            left = f"which leaves nothing of {self.passes} for schedule {self.schedule!r}"
            raise ParameterError(f"warmup is {self.warmup:g} epochs, {left}")
        if self.steps() and self.schedule != "step":
            raise ParameterError(f"lr_step_epochs goes with schedule 'step', which is {self.schedule!r}")

    def _check_data(self) -> None:
        if self.data is not None and self.data_dir is not None:
            raise ParameterError("data and data_dir both say where the data are: give one of them")
        for key in ("label", "image_size"):
            if getattr(self, key) is not None and self.data is None:
                raise ParameterError(f"{key} goes with data, which says where they are")
        if self.ema == 1:
            raise ParameterError("ema must be below 1: 1 never moves")


def _checked(option: Field[Any], value: Any) -> Any:
    """The value, a float where one is wanted, once its kind, range and choice are right."""
    key, about = option.name, option.metadata
    kind, _, optional = str(option.type).partition(" | ")
    if value is None and optional:
        return None
    wanted = _KINDS[kind]
    if not isinstance(value, wanted) or isinstance(value, bool) != (kind == "bool"):
        raise ParameterError(f"{key} must be {_WORDS[wanted[-1]]}, got {value!r:.80}")
    if about["range"] and not about["range"][0] <= value <= about["range"][1]:
        low, high = about["range"]
        raise ParameterError(f"{key} must be from {low:g} to {high:g}, got {value!r:.80}")
    if about["of"] and value not in about["of"]:
        raise ParameterError(f"{key} must be one of {', '.join(about['of'])}, got {value[:80]!r}")
    if kind == "str" and (len(value) > _MAX_TEXT or not value or "\0" in value):
        raise ParameterError(f"{key} must be text of 1 to {_MAX_TEXT} characters")
    return float(value) if kind == "float" else value
