"""Batches for training and prediction, with the names and calls of MXNet's mx.io, on NumPy arrays."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self, final

import numpy as np
from numpy.typing import DTypeLike

from ..errors import ParameterError

__all__ = ["DataBatch", "DataDesc", "DataIter", "NDArrayIter", "permutation"]

Source = Any  # an array, a list of arrays or a dict of them
Transform = Callable[[np.ndarray], np.ndarray]

_LAST = ("pad", "discard", "roll_over")
_NUMBERS = "?bhilqBHILQefd"  # what a network computes with, by NumPy's letters
_COUNTER = [0, 0, 0, 1]  # sets the shuffles apart from what random operators draw with the same key


class _NameShape(NamedTuple):
    name: str
    shape: tuple[int, ...]


@final
class DataDesc(_NameShape):
    """Name and shape of an input, a pair as in MXNet, with the data type and the letters of the axes beside it."""

    dtype: DTypeLike
    layout: str | None

    def __new__(
        cls, name: str, shape: Sequence[int], dtype: DTypeLike = np.float32, layout: str | None = "NCHW"
    ) -> Self:
        self = super().__new__(cls, name, tuple(shape))
        self.dtype, self.layout = dtype, layout
        return self

    def __repr__(self) -> str:
        return f"DataDesc[{self.name},{self.shape},{self.dtype},{self.layout}]"

    @staticmethod
    def get_batch_axis(layout: str | None) -> int:
        """The axis that counts the rows of a batch: where N is in `layout`, 0 for None, -1 if there is none."""
        return 0 if layout is None else layout.find("N")

    @staticmethod
    def get_list(shapes: Sequence[Any], types: Sequence[Any] | None = None) -> list[DataDesc]:
        """Give descriptions from pairs (name, shape) and, if any, pairs (name, dtype)."""
        kinds = dict(types or ())
        return [DataDesc(name, shape, kinds.get(name, np.float32)) for name, shape in shapes]


@final
@dataclass(eq=False)
class DataBatch:
    """One batch: inputs and labels in the order of their descriptions.

    The last `pad` rows are there to fill the batch and count for nothing; `index` has each row's place in the source.
    A batch with a `bucket_key` describes itself in `provide_data` and `provide_label`.
    """

    data: list[np.ndarray]
    label: list[np.ndarray] | None = None
    pad: int = 0
    index: np.ndarray | None = None
    bucket_key: Any = None
    provide_data: list[DataDesc] | None = None
    provide_label: list[DataDesc] | None = None

    def __str__(self) -> str:
        data, label = ([tuple(a.shape) for a in g] if g else None for g in (self.data, self.label))
        return f"DataBatch: data shapes: {data} label shapes: {label}"


class DataIter:
    """An iterator over one epoch's batches, to be derived from; reset() makes it ready for the next epoch.

    A subclass sets `provide_data` and `provide_label` and overrides reset() and either next() or iter_next() with the
    get methods.
    """

    provide_data: list[DataDesc]
    provide_label: list[DataDesc]
    epoch: int = 0

    def __init__(self, batch_size: int = 0) -> None:
        self.batch_size = batch_size

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> DataBatch:
        return self.next()

    def reset(self) -> None:
        """Go to the beginning of the next epoch."""

    def next(self) -> DataBatch:
        """The next batch; StopIteration at the end of the epoch."""
        if not self.iter_next():
            raise StopIteration
        return DataBatch(self.getdata(), self.getlabel(), self.getpad(), self.getindex())

    def iter_next(self) -> bool:
        """Move to the next batch; False at the end of the epoch."""
        raise NotImplementedError(f"{type(self).__name__}: define iter_next() and getdata(), or next()")

    def getdata(self) -> list[np.ndarray]:
        """The current batch's inputs."""
        raise NotImplementedError(f"{type(self).__name__}: define getdata(), which gives a list of arrays")

    def getlabel(self) -> list[np.ndarray]:
        """The current batch's labels."""
        return []

    def getpad(self) -> int:
        """How many rows at the current batch's end are filling."""
        return 0

    def getindex(self) -> np.ndarray | None:
        """The current batch's rows in the source, if it has any."""
        return None


@final
class NDArrayIter(DataIter):
    """Batches of arrays, or of lists or dicts of arrays, that have their rows along the first axis.

    An array is called `data_name` or `label_name`, the arrays of a list _0_NAME, _1_NAME, ..., those of a dict by their
    keys in sorted order. When the rows do not fill the last batch, last_batch_handle says what becomes of it:

        pad         it is filled with the epoch's first rows, and batch.pad says with how many
        discard     it is left out
        roll_over   its rows come first in the next epoch. Batches are always full and pad is 0; MXNet 1.9.1 sets pad
                    to the number of carried rows there, although they count.

    With `shuffle` each epoch has its own order, made of (seed, epoch) alone: Philox 4x64-10 with that key gives each
    row a number, by which the rows are sorted. So an epoch is the same whatever became of the epochs before it, and
    setting `epoch` is all it takes to resume.

    `transform` makes the inputs of a batch from the source's rows, so that images may stay uint8 in memory. It is
    called once with the first row to learn the shape. Everything else is cast to `dtype`, float32 as in MXNet, None for
    the source's own. Arrays that are views of the source are read-only. ParameterError for labels of another length,
    a batch larger than the data, an unknown last_batch_handle.
    """

    def __init__(
        self,
        data: Source,
        label: Source = None,
        batch_size: int = 1,
        shuffle: bool = False,
        last_batch_handle: str = "pad",
        data_name: str = "data",
        label_name: str = "softmax_label",
        seed: int = 0,
        transform: Transform | None = None,
        dtype: DTypeLike | None = np.float32,
    ) -> None:
        super().__init__(batch_size)
        self.data, self.label = _named(data, data_name), _named(label, label_name)
        self.num_data = _check(self.data, self.label, batch_size)
        self.shuffle, self.seed = shuffle, _whole("seed", seed, 2**64)
        self.last_batch_handle = _choice(last_batch_handle)
        self._transform = transform
        self._dtype = None if dtype is None else np.dtype(dtype)
        self._epoch, self._begun = 0, False
        self._order = np.empty(0, np.int64)
        self._low = 0  # the current batch begins here in the epoch's order; below 0 are the rows carried over
        self.provide_data = [self._describe(name, self._inputs(x[:1])) for name, x in self.data]
        self.provide_label = [self._describe(name, self._cast(y[:1])) for name, y in self.label]

    @property
    def epoch(self) -> int:
        """The number of the epoch, 0 the first; setting it goes to that epoch's first batch."""
        return self._epoch

    @epoch.setter
    def epoch(self, value: int) -> None:
        self._epoch, self._begun = _whole("epoch", value, 2**64), False

    def reset(self) -> None:
        """Go to the next epoch; stay if not one batch of this one was asked for."""
        if self._begun:
            self.epoch += 1

    def iter_next(self) -> bool:
        """Move to the next batch; False at the end of the epoch."""
        if not self._begun:
            self._order = self._permutation(self.epoch)
            carried = self.epoch * self.num_data % self.batch_size if self.last_batch_handle == "roll_over" else 0
            self._low, self._begun = -carried - self.batch_size, True
        self._low += self.batch_size
        end = self.num_data if self.last_batch_handle == "pad" else self.num_data - self.batch_size + 1
        return self._low < end

    def getdata(self) -> list[np.ndarray]:
        """The current batch's inputs, transformed."""
        rows = self._rows()
        return [
            self._as_described(self._inputs(_select(x, rows)), desc)
            for (_, x), desc in zip(self.data, self.provide_data, strict=True)
        ]

    def getlabel(self) -> list[np.ndarray]:
        """The current batch's labels."""
        rows = self._rows()
        return [self._cast(_select(y, rows)) for _, y in self.label]

    def getpad(self) -> int:
        """How many rows at the current batch's end are filling."""
        return max(0, self._low + self.batch_size - self.num_data)

    def getindex(self) -> np.ndarray:
        """The current batch's rows in the source."""
        rows = self._rows()
        return self._order[rows] if isinstance(rows, slice) else rows

    def _rows(self) -> slice | np.ndarray:
        """The current batch's rows: a slice where they lie side by side."""
        low, high = self._low, self._low + self.batch_size
        if low >= 0 and high <= self.num_data:
            return self._order[low:high] if self.shuffle else slice(low, high)
        carried = self._permutation(self.epoch - 1)[low:] if low < 0 else self._order[:0]
        return np.concatenate([carried, self._order[max(low, 0) : high], self._order[: self.getpad()]])

    def _permutation(self, epoch: int) -> np.ndarray:
        if not self.shuffle:
            return np.arange(self.num_data)
        return permutation(self.seed, epoch, self.num_data)

    def _inputs(self, x: np.ndarray) -> np.ndarray:
        return self._cast(x) if self._transform is None else np.asarray(self._transform(x))

    def _cast(self, x: np.ndarray) -> np.ndarray:
        return x if self._dtype is None else x.astype(self._dtype, copy=False)

    def _describe(self, name: str, row: np.ndarray) -> DataDesc:
        if row.shape[:1] != (1,):
            raise ParameterError(f"{name}: transform must keep the number of rows, it made {row.shape} of one row")
        return DataDesc(name, (self.batch_size, *row.shape[1:]), row.dtype)

    def _as_described(self, x: np.ndarray, desc: DataDesc) -> np.ndarray:
        if x.shape != desc.shape or x.dtype != desc.dtype:
            wanted = f"{desc.shape} of {desc.dtype}"
            raise ParameterError(
                f"{desc.name}: transform must give {wanted} as it did at first, got {x.shape} of {x.dtype}"
            )
        return x


def permutation(seed: int, epoch: int, n: int) -> np.ndarray:
    """Give the order of n rows in an epoch: Philox 4x64-10 with the key (seed, epoch) gives each row its rank."""
    bits = np.random.Philox(key=np.array([seed, epoch], np.uint64), counter=_COUNTER)
    return np.argsort(bits.random_raw(n), kind="stable")


def _select(x: np.ndarray, rows: slice | np.ndarray) -> np.ndarray:
    """A gathered copy, or a view that nobody can write through."""
    part = x[rows]
    if isinstance(rows, slice):
        part.flags.writeable = False
    return part


def _named(source: Source, name: str) -> list[tuple[str, np.ndarray]]:
    """MXNet's names for one array, a list or a dict of them; none for None."""
    if source is None:
        return []
    if isinstance(source, Mapping):
        pairs = sorted(source.items())
    elif not isinstance(source, list | tuple):
        pairs = [(name, source)]
    else:
        pairs = [(name if len(source) == 1 else f"_{i}_{name}", x) for i, x in enumerate(source)]
    return [(str(key), _array(str(key), x)) for key, x in pairs]


def _array(name: str, x: object) -> np.ndarray:
    array = np.asarray(x)
    if array.dtype.char not in _NUMBERS:
        raise ParameterError(f"{name}: an array of numbers is needed, got {type(x).__name__} of {array.dtype}")
    if array.ndim == 0:
        raise ParameterError(f"{name}: an array with rows is needed, got a scalar; wrap a list of numbers in an array")
    return array


def _check(data: list[tuple[str, np.ndarray]], label: list[tuple[str, np.ndarray]], batch_size: int) -> int:
    """The number of rows, the same in every array and at least a batch."""
    if not data:
        raise ParameterError("data: at least one array is needed")
    first, x = data[0]
    for name, array in data[1:] + label:
        if len(array) != len(x):
            raise ParameterError(f"{name} has {len(array)} rows, {first} has {len(x)}: they must be as many")
    if _whole("batch_size", batch_size, 2**31) < 1:
        raise ParameterError(f"batch_size must be at least 1, got {batch_size}")
    if batch_size > len(x):
        raise ParameterError(f"batch_size {batch_size} is larger than the data: {first} has {len(x)} rows")
    return len(x)


def _whole(name: str, value: int, end: int) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__") or not 0 <= value < end:
        raise ParameterError(f"{name} must be a whole number from 0 and below {end}, got {value!r}")
    return value.__index__()


def _choice(value: str) -> str:
    if value in _LAST:
        return value
    near = difflib.get_close_matches(str(value), _LAST, 1)
    hint = f", did you mean {near[0]!r}" if near else ""
    raise ParameterError(f"last_batch_handle must be one of {', '.join(_LAST)}, got {value!r}{hint}")
