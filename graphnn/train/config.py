"""What decides a run: one table of options for the command line, TOML files and config.json.

Loads no NumPy, so that a command line's --help costs little.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from ..errors import ParameterError

__all__ = ["LEARNING_RATES", "SCHEDULES", "Config", "cores", "in_bytes"]

# the optimisers, with the rate that each begins with unless it is told another
LEARNING_RATES = {"sgd": 0.1, "nag": 0.1, "adam": 0.001, "adamw": 0.001, "rmsprop": 0.001, "adagrad": 0.01}
SCHEDULES = ("cosine", "constant", "poly", "step")

_MAX_TEXT = 4096
_KINDS: dict[str, Any] = {"str": (str,), "int": (int,), "float": (int, float), "bool": (bool,)}
_WORDS: dict[type, str] = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
_RANGES: dict[str, tuple[float, float]] = {
    "batch_size": (1, 2**31 - 1),
    "epochs": (1, 1_000_000),
    "lr": (1e-12, 1e6),
    "momentum": (0, 1),
    "wd": (0, 1e6),
    "warmup": (0, 1_000_000),
    "lr_factor": (0, 1),
    "load_epoch": (0, 1_000_000),
    "seed": (0, 2**64 - 1),
    "threads": (1, 1024),
    "max_memory": (1, 2**40),
}
_CHOICES = {"optimizer": tuple(LEARNING_RATES), "schedule": SCHEDULES}


def cores() -> int:
    """Give the number of cores this process may use, at most 4: more gain little on slices of one batch."""
    allowed = getattr(os, "sched_getaffinity", None)
    return min(4, len(allowed(0)) if allowed else os.cpu_count() or 1)


def in_bytes(megabytes: int | None) -> int | None:
    """Give --max-memory in bytes."""
    return None if megabytes is None else megabytes << 20


def _option(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class Config:
    """Everything that decides a run; the fields are the options' names, with _ for -."""

    symbol: str = _option("alexnet", "a model's name or a symbol JSON file (alexnet)")
    dataset: str = _option("mnist", "mnist, fashion-mnist or cifar-10 (mnist)")
    data_dir: str | None = _option(None, "where the data set's files are")
    batch_size: int = _option(128, "images a step (128)")
    epochs: int = _option(10, "passes over the training data (10)")
    optimizer: str = _option("sgd", f"{', '.join(LEARNING_RATES)} (sgd)")
    lr: float | None = _option(None, "peak learning rate (sgd, nag 0.1, adagrad 0.01, others 0.001)")
    momentum: float = _option(0.9, "of sgd and nag (0.9)")
    wd: float = _option(1e-3, "weight decay (0.001)")
    schedule: str = _option("cosine", "of the learning rate: cosine, constant, poly or step (cosine)")
    warmup: float = _option(0.5, "epochs in which the rate rises to its peak (0.5)")
    lr_step_epochs: str | None = _option(None, "with --schedule step: the rate changes after these, such as 10,15")
    lr_factor: float = _option(0.1, "with --schedule step: what the rate is multiplied by (0.1)")
    model_prefix: str | None = _option(None, "write PREFIX-symbol.json and PREFIX-0001.params, ... too")
    load_epoch: int | None = _option(None, "begin with the parameters of PREFIX after this epoch, which count as done")
    seed: int = _option(0, "of everything random (0)")
    threads: int | None = _option(None, "of the program's own pool (one for each core, at most 4)")
    max_memory: int | None = _option(None, "megabytes a program and its arrays may take (75%% of the machine's memory)")
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

        kinds = {f.name: str(f.type) for f in fields(cls)}
        for key in values:
            if key not in kinds:
                near = get_close_matches(key, kinds, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(kinds)}"
                raise ParameterError(f"unknown option {key[:80]!r}{hint}")
        config = cls(**{key: _checked(key, kinds[key], value) for key, value in values.items()})
        config._check_epochs()
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
        if self.passes < 1:
            raise ParameterError(f"nothing to train: load_epoch is {self.begin}, epochs {self.epochs}")
        if self.steps() and self.schedule != "step":
            raise ParameterError(f"lr_step_epochs goes with schedule 'step', which is {self.schedule!r}")


def _checked(key: str, kind: str, value: Any) -> Any:
    """The value, a float where one is wanted, once its kind, range and choice are right."""
    kind, _, optional = kind.partition(" | ")
    if value is None and optional:
        return None
    wanted = _KINDS[kind]
    if not isinstance(value, wanted) or isinstance(value, bool) != (kind == "bool"):
        raise ParameterError(f"{key} must be {_WORDS[wanted[-1]]}, got {value!r:.80}")
    low, high = _RANGES.get(key, (0, 0))
    if key in _RANGES and not low <= value <= high:
        raise ParameterError(f"{key} must be from {low:g} to {high:g}, got {value!r:.80}")
    if key in _CHOICES and value not in _CHOICES[key]:
        raise ParameterError(f"{key} must be one of {', '.join(_CHOICES[key])}, got {value[:80]!r}")
    if kind == "str" and (len(value) > _MAX_TEXT or not value or "\0" in value):
        raise ParameterError(f"{key} must be text of 1 to {_MAX_TEXT} characters")
    return float(value) if kind == "float" else value
