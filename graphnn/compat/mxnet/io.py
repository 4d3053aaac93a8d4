"""mx.io: iterators whose batches hold NDArrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ... import data as native
from ...data import DataBatch, DataDesc, DataIter, idx
from ...errors import ParameterError
from .ndarray import NDArray

__all__ = [
    "CSVIter",
    "DataBatch",
    "DataDesc",
    "DataIter",
    "MNISTIter",
    "NDArrayIter",
    "PrefetchingIter",
    "ResizeIter",
]


class _Wrapped(DataIter):
    """An iterator of graphnn's, with its arrays as NDArrays."""

    _inner: DataIter

    def _wrap(self, inner: DataIter) -> None:
        super().__init__(inner.batch_size)
        self._inner = inner
        self.provide_data, self.provide_label = inner.provide_data, inner.provide_label

    def reset(self) -> None:
        """Go to the next epoch."""
        self._inner.reset()

    hard_reset = reset

    def next(self) -> DataBatch:
        """Give the next batch."""
        batch = self._inner.next()
        data = [NDArray(np.array(a)) for a in batch.data]
        label = [NDArray(np.array(a)) for a in batch.label or ()]
        self._batch = DataBatch(data, label, batch.pad, batch.index, None, self.provide_data, self.provide_label)  # type: ignore[arg-type]
        return self._batch

    def iter_next(self) -> bool:
        """Move to the next batch; False at the end of the epoch."""
        try:
            self.next()
        except StopIteration:
            return False
        return True

    def getdata(self) -> Any:
        """Give the current batch's inputs."""
        return self._batch.data

    def getlabel(self) -> Any:
        """Give the current batch's labels."""
        return self._batch.label

    def getpad(self) -> int:
        """Give how many rows at the current batch's end are filling."""
        return self._batch.pad

    def getindex(self) -> Any:
        """Give the current batch's rows in the source."""
        return self._batch.index


class NDArrayIter(_Wrapped):
    """Batches of arrays in memory, or of lists or dicts of them; see graphnn.data.NDArrayIter."""

    def __init__(
        self,
        data: Any,
        label: Any = None,
        batch_size: int = 1,
        shuffle: bool = False,
        last_batch_handle: str = "pad",
        data_name: str = "data",
        label_name: str = "softmax_label",
    ) -> None:
        seed = int(np.random.randint(2**31)) if shuffle else 0
        source, target = _arrays(data), _arrays(label)
        self._wrap(
            native.NDArrayIter(
                source, target, batch_size, shuffle, last_batch_handle, data_name, label_name, seed, dtype=None
            )
        )
        inner: Any = self._inner
        self.data = [(name, NDArray(x)) for name, x in inner.data]
        self.label = [(name, NDArray(x)) for name, x in inner.label]
        self.num_data, self.num_source = inner.num_data, len(inner.data)


def _arrays(source: Any) -> Any:
    """Give NumPy arrays: of float32, but NDArrays keep their type, as in MXNet."""
    if source is None:
        return None
    if isinstance(source, Mapping):
        return {k: _arrays(v) for k, v in source.items()}
    if isinstance(source, (list, tuple)) and source and hasattr(source[0], "shape"):
        return [_arrays(v) for v in source]
    return np.asarray(source) if isinstance(source, NDArray) else np.asarray(source, np.float32)


class ResizeIter(DataIter):
    """Another iterator's batches, `size` of them an epoch; it begins anew when it ends."""

    def __init__(self, data_iter: DataIter, size: int, reset_internal: bool = True) -> None:
        super().__init__(data_iter.batch_size)
        self.data_iter, self.size, self.reset_internal = data_iter, size, reset_internal
        self.provide_data, self.provide_label = data_iter.provide_data, data_iter.provide_label
        self.cur = 0
        self.current_batch: DataBatch | None = None

    def reset(self) -> None:
        """Begin an epoch."""
        self.cur = 0
        if self.reset_internal:
            self.data_iter.reset()

    def iter_next(self) -> bool:
        """Move to the next batch; False at the end of the epoch."""
        if self.cur == self.size:
            return False
        try:
            self.current_batch = self.data_iter.next()
        except StopIteration:
            self.data_iter.reset()
            self.current_batch = self.data_iter.next()
        self.cur += 1
        return True

    def next(self) -> DataBatch:
        """Give the next batch."""
        if not self.iter_next() or self.current_batch is None:
            raise StopIteration
        return self.current_batch


class PrefetchingIter(DataIter):
    """Several iterators side by side: a batch has the arrays of all, under new names if wanted."""

    def __init__(
        self,
        iters: DataIter | Sequence[DataIter],
        rename_data: Sequence[Mapping[str, str]] | None = None,
        rename_label: Sequence[Mapping[str, str]] | None = None,
    ) -> None:
        self.iters: list[DataIter] = [iters] if isinstance(iters, DataIter) else list(iters)
        if not self.iters:
            raise ParameterError("PrefetchingIter needs at least one iterator")
        super().__init__(self.iters[0].batch_size)
        self.provide_data = self._renamed([i.provide_data for i in self.iters], rename_data)
        self.provide_label = self._renamed([i.provide_label for i in self.iters], rename_label)

    @staticmethod
    def _renamed(groups: Any, names: Sequence[Mapping[str, str]] | None) -> list[DataDesc]:
        new = names or [{}] * len(groups)
        pairs = zip(new, groups, strict=True)
        return [DataDesc(n.get(d[0], d[0]), d[1], getattr(d, "dtype", np.float32)) for n, g in pairs for d in g]

    def reset(self) -> None:
        """Begin an epoch."""
        for i in self.iters:
            i.reset()

    def next(self) -> DataBatch:
        """Give the next batch."""
        batches = [i.next() for i in self.iters]
        data = [a for b in batches for a in b.data]
        label = [a for b in batches for a in b.label or ()]
        first = batches[0]
        return DataBatch(data, label, first.pad, first.index, None, self.provide_data, self.provide_label)


class _Single(_Wrapped):
    """An iterator of one input and one label, whose get methods give the arrays themselves."""

    def getdata(self) -> NDArray:  # type: ignore[override]
        """Give the current batch's input."""
        found: NDArray = super().getdata()[0]
        return found

    def getlabel(self) -> NDArray:  # type: ignore[override]
        """Give the current batch's label."""
        found: NDArray = super().getlabel()[0]
        return found


class CSVIter(_Single):
    """Rows of comma-separated numbers, each an array of `data_shape`; without labels, 0."""

    def __init__(
        self,
        data_csv: str,
        data_shape: tuple[int, ...],
        batch_size: int,
        label_csv: str | None = None,
        label_shape: tuple[int, ...] = (1,),
        round_batch: bool = True,
        dtype: Any = "float32",
        data_name: str = "data",
        label_name: str = "label",
        **unused: Any,
    ) -> None:
        x = np.loadtxt(data_csv, dtype, delimiter=",", ndmin=2).reshape(-1, *data_shape)
        y = np.zeros(len(x), np.float32)
        if label_csv:
            y = np.loadtxt(label_csv, np.float32, delimiter=",", ndmin=2).reshape(-1, *label_shape)
            y = y[:, 0] if tuple(label_shape) == (1,) else y
        last = "pad" if round_batch else "discard"
        self._wrap(native.NDArrayIter(x, y, batch_size, False, last, data_name, label_name, dtype=None))


class MNISTIter(_Single):
    """The digits of MNIST's idx files, in [0, 1): (batch, 1, 28, 28), or (batch, 784) if `flat`."""

    def __init__(
        self,
        image: str,
        label: str,
        batch_size: int = 128,
        shuffle: bool = True,
        flat: bool = False,
        seed: int = 0,
        silent: bool = False,
        num_parts: int = 1,
        part_index: int = 0,
        data_name: str = "data",
        label_name: str = "softmax_label",
        **unused: Any,
    ) -> None:
        x, y = idx.read_images(image)[part_index::num_parts], idx.read_labels(label, 10)[part_index::num_parts]
        if shuffle:  # once, so that every epoch has the same order
            order = np.random.default_rng(seed).permutation(len(x))
            x, y = x[order], y[order]
        scaled = x.reshape(len(x), -1) if flat else x[:, None]
        self._wrap(
            native.NDArrayIter(
                scaled,
                y,
                batch_size,
                False,
                "discard",
                data_name,
                label_name,
                seed,
                lambda a: a.astype(np.float32) / 256,
            )
        )
