"""mx.nd, small: an array that computes at once. Arithmetic is NumPy's, operators are those of mx.sym."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np

from ...errors import ShapeError
from ...formats import params
from ...types import show_shape
from . import imperative
from .arithmetic import Arithmetic
from .context import Context, current_context
from .util import is_np_shape

__all__ = [
    "NDArray",
    "arange",
    "array",
    "concatenate",
    "contrib",
    "empty",
    "eye",
    "from_numpy",
    "full",
    "image",
    "linalg",
    "load",
    "load_frombuffer",
    "moveaxis",
    "one_hot",
    "onehot_encode",
    "ones",
    "random",
    "save",
    "waitall",
    "zeros",
]

Number = int | float | bool | np.generic


class NDArray(Arithmetic):
    """A NumPy array under MXNet's methods. It shares memory with the array it is made of.

    Arithmetic keeps the left operand's type, comparisons give 0 and 1 in it, as MXNet has it.
    """

    __slots__ = ("_context", "_data")

    def __init__(self, data: np.ndarray, context: Context | None = None) -> None:
        self._data, self._context = data, context

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self._data, dtype) if copy else np.asarray(self._data, dtype)

    # What it is

    @property
    def shape(self) -> tuple[int, ...]:
        return self._data.shape

    @property
    def ndim(self) -> int:
        return self._data.ndim

    @property
    def size(self) -> int:
        return self._data.size

    @property
    def dtype(self) -> type[np.generic]:
        return self._data.dtype.type

    @property
    def context(self) -> Context:
        """The device that the array was made for: a name, and nothing else."""
        return self._context or current_context()

    ctx = context

    @property
    def stype(self) -> str:
        return "default"

    @property
    def T(self) -> NDArray:
        return NDArray(np.ascontiguousarray(self._data.T))

    def __repr__(self) -> str:
        return f"\n{self._data}\n<NDArray {'x'.join(map(str, self.shape))} @{self.context}>"

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[NDArray]:
        return (self[i] for i in range(len(self._data)))

    def __hash__(self) -> int:
        return id(self)

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError(f"an NDArray of shape {show_shape(self.shape)} has no truth value")
        return bool(self._data.reshape(())[()])

    def __float__(self) -> float:
        return float(self.asscalar())

    def __int__(self) -> int:
        return int(self.asscalar())

    def __index__(self) -> int:
        return int(self.asscalar())

    def __reduce__(self) -> tuple[type[NDArray], tuple[np.ndarray]]:
        return NDArray, (self._data,)

    def __copy__(self) -> NDArray:
        return self.copy()

    def __deepcopy__(self, memo: object) -> NDArray:
        return self.copy()

    # Giving the values

    def asnumpy(self) -> np.ndarray:
        """Give a copy as a NumPy array."""
        return self._data.copy()

    def asscalar(self) -> Any:
        """Give the one element as a number."""
        if self.size != 1:
            raise ValueError(f"asscalar() needs one element, the array is {show_shape(self.shape)}")
        return self._data.reshape(-1)[0]

    item = asscalar

    def astype(self, dtype: Any, copy: bool = True) -> NDArray:
        """Give the values in another type."""
        return NDArray(self._data.astype(dtype, copy=copy))

    def copy(self) -> NDArray:
        """Give a copy."""
        return NDArray(self._data.copy())

    def copyto(self, other: NDArray | Context) -> NDArray:
        """Copy into another array, which is given back, or into a new one."""
        if isinstance(other, Context):
            return NDArray(self._data.copy(), other)
        other[:] = self
        return other

    def as_in_context(self, context: Context) -> NDArray:
        """Give the array itself, or the same memory under another device's name."""
        return self if context == self.context else NDArray(self._data, context)

    as_in_ctx = as_in_context

    def as_nd_ndarray(self) -> NDArray:
        """Give the array itself."""
        return self

    def tostype(self, stype: str) -> NDArray:
        """Give the array itself for "default"; there are no sparse arrays."""
        if stype != "default":
            raise ValueError(f"arrays are dense: storage {stype!r} is not supported")
        return self

    def wait_to_read(self) -> None:
        """Do nothing: values are there when a call returns."""

    wait_to_write = wait_to_read

    def detach(self) -> NDArray:
        """Give the array itself."""
        return self

    def reshape(self, *shape: Any, reverse: bool = False, **kwargs: Any) -> NDArray:
        """Give the same memory under another shape, with MXNet's codes 0, -1, -2, -3, -4."""
        given = kwargs.pop("shape", None) or (shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape)
        if kwargs:
            raise TypeError(f"reshape has no parameter {next(iter(kwargs))!r}")
        new = imperative.shape_of("Reshape", [self._data], shape=tuple(given), reverse=reverse)
        return NDArray(self._data.reshape(new))

    def flatten(self, inplace: bool = False) -> NDArray:
        """Give (n, rest): a copy, or with `inplace` the same memory."""
        return self._shaped("Flatten", inplace)

    def expand_dims(self, axis: int, inplace: bool = False) -> NDArray:
        """Add an axis of size 1: in a copy, or with `inplace` to the same memory."""
        return self._shaped("expand_dims", inplace, axis=axis)

    def squeeze(self, axis: Any = None, inplace: bool = False) -> NDArray:
        """Drop axes of size 1: of a copy, or with `inplace` of the same memory."""
        return self._shaped("squeeze", inplace, axis=axis)

    def _shaped(self, function: str, inplace: bool, **params: Any) -> NDArray:
        view = self._data.reshape(imperative.shape_of(function, [self._data], **params))
        return NDArray(view if inplace else view.copy())

    def slice_axis(self, axis: int, begin: int, end: int | None) -> NDArray:
        """Give the part from begin to before end along an axis."""
        return _invoke("slice_axis", self, axis=axis, begin=begin, end=end)

    def __getattr__(self, name: str) -> Any:
        from ...sym import METHODS

        if name not in METHODS:
            raise AttributeError(f"NDArray has no attribute {name!r}")
        return lambda *args, **kwargs: _invoke(METHODS[name], self, *args, **kwargs)

    # Parts

    def __getitem__(self, key: Any) -> NDArray:
        part = self._data[_index(key)]
        if not isinstance(part, np.ndarray) or part.ndim == 0:
            return NDArray(np.array([part], self._data.dtype) if not self.ndim == 1 else self._one(key))
        return NDArray(part if part.flags.c_contiguous else np.ascontiguousarray(part))

    def _one(self, key: Any) -> np.ndarray:
        """One element of a vector, as MXNet's view of shape (1,)."""
        i = int(key[0] if isinstance(key, tuple) else key) % len(self._data)
        return self._data[i : i + 1]

    def __setitem__(self, key: Any, value: Any) -> None:
        target = self._data[_index(key)]
        value = np.asarray(value)
        if value.size == np.size(target) and value.shape != np.shape(target):
            value = value.reshape(np.shape(target))
        self._data[_index(key)] = value

    # Arithmetic

    def _binary(self, function: Callable[..., Any], other: Any, swapped: bool = False) -> NDArray:
        dtype = self._data.dtype
        if isinstance(other, (NDArray, np.ndarray)):
            right: Any = np.asarray(other)
        else:
            right = np.asarray(other, np.result_type(dtype, type(other)) if dtype.kind in "iub" else dtype)
        left: Any = self._data
        if swapped:
            left, right = right, left
        with np.errstate(all="ignore"):
            return NDArray(np.asarray(function(left, right)).astype(dtype, copy=False))

    def _in_place(self, function: Callable[..., Any], other: Any) -> Self:
        self._data[...] = self._binary(function, other)._data
        return self

    def __neg__(self) -> NDArray:
        return NDArray(-self._data)

    def __abs__(self) -> NDArray:
        return NDArray(np.abs(self._data))


def _index(key: Any) -> Any:
    """Turn NDArrays in an index into whole numbers."""
    if isinstance(key, tuple):
        return tuple(_index(k) for k in key)
    if isinstance(key, NDArray):
        return key._data.astype(np.int64)
    return np.asarray(key, np.int64) if isinstance(key, list) else key


def _wrap(arrays: Sequence[np.ndarray]) -> Any:
    return NDArray(arrays[0]) if len(arrays) == 1 else [NDArray(a) for a in arrays]


def _invoke(function: str, *args: Any, out: Any = None, **kwargs: Any) -> Any:
    """Run one operator of mx.sym at once; `out` takes the result."""
    result = imperative.invoke(function, args, kwargs)
    if out is None:
        return _wrap(result)
    for target, array in zip(out if isinstance(out, (list, tuple)) else [out], result, strict=False):
        target[:] = array
    return out


def __getattr__(name: str) -> Callable[..., Any]:
    if name.startswith("__"):
        raise AttributeError(name)
    imperative.check(name)

    def function(*args: Any, **kwargs: Any) -> Any:
        return _invoke(name, *args, **kwargs)

    function.__name__ = function.__qualname__ = name
    return function


class _Namespace:
    """Operators under a name: nd.random, nd.linalg, nd.contrib."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        path = f"{self._prefix}{name}"
        imperative.check(path)
        return lambda *args, **kwargs: _invoke(path, *args, **kwargs)


random, linalg, contrib = _Namespace("random."), _Namespace("linalg."), _Namespace("contrib.")
image = _Namespace("image.")
op = _internal = _Namespace("")

# Functions of two arrays, or of an array and a number on either side


def _either(function: Callable[..., Any], doc: str) -> Callable[[Any, Any], NDArray]:
    def apply(lhs: Any, rhs: Any) -> NDArray:
        if isinstance(lhs, NDArray):
            return lhs._binary(function, rhs)
        return NDArray(np.asarray(rhs))._binary(function, lhs, swapped=True)

    apply.__doc__ = doc
    return apply


add, subtract = _either(np.add, "lhs + rhs"), _either(np.subtract, "lhs - rhs")
multiply, divide = _either(np.multiply, "lhs * rhs"), _either(np.true_divide, "lhs / rhs")
true_divide, modulo, power = divide, _either(np.mod, "lhs % rhs"), _either(np.power, "lhs ** rhs")
maximum, minimum = _either(np.maximum, "The larger."), _either(np.minimum, "The smaller.")
equal, not_equal = _either(np.equal, "lhs == rhs, 0 or 1"), _either(np.not_equal, "lhs != rhs, 0 or 1")
greater, greater_equal = _either(np.greater, "lhs > rhs, 0 or 1"), _either(np.greater_equal, "lhs >= rhs, 0 or 1")
lesser, lesser_equal = _either(np.less, "lhs < rhs, 0 or 1"), _either(np.less_equal, "lhs <= rhs, 0 or 1")
logical_and, logical_or = _either(np.logical_and, "lhs and rhs, 0 or 1"), _either(np.logical_or, "lhs or rhs, 0 or 1")
logical_xor = _either(np.logical_xor, "Whether one of the two is not 0, 0 or 1.")

# Making arrays


def _shape(shape: Any) -> tuple[int, ...]:
    """Give the shape of a new array; a number, and no elements, only in a block of np_shape()."""
    sizes = (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(shape)
    if not is_np_shape() and (not sizes or 0 in sizes):
        raise ShapeError(f"an array of shape {show_shape(sizes)} can only be made in a block of np_shape()")
    return sizes


def array(source_array: Any, ctx: Context | None = None, dtype: Any = None) -> NDArray:
    """Make an array from anything NumPy takes: float32 unless `dtype` says otherwise or the source is an NDArray."""
    if dtype is None:
        dtype = source_array.dtype if isinstance(source_array, NDArray) else np.float32
    found = np.array(source_array, dtype, order="C")
    return NDArray(found if found.ndim else found.reshape(1), ctx)


def zeros(shape: Any, ctx: Context | None = None, dtype: Any = None, **kwargs: Any) -> NDArray:
    """Make an array of zeros."""
    return NDArray(np.zeros(_shape(shape), dtype or np.float32), ctx)


def ones(shape: Any, ctx: Context | None = None, dtype: Any = None, **kwargs: Any) -> NDArray:
    """Make an array of ones."""
    return NDArray(np.ones(_shape(shape), dtype or np.float32), ctx)


def full(shape: Any, val: float, ctx: Context | None = None, dtype: Any = None, out: Any = None) -> NDArray:
    """Make an array filled with `val`."""
    made = NDArray(np.full(_shape(shape), val, dtype or np.float32), ctx)
    return made if out is None else made.copyto(out)


def empty(shape: Any, ctx: Context | None = None, dtype: Any = None) -> NDArray:
    """Make an array whose values do not matter: zeros."""
    return zeros(shape, ctx, dtype)


def arange(
    start: float,
    stop: float | None = None,
    step: float = 1.0,
    repeat: int = 1,
    infer_range: bool | None = None,
    ctx: Context | None = None,
    dtype: Any = np.float32,
) -> NDArray:
    """Make start, start + step, ... below stop, each `repeat` times; with one number, 0 to below it."""
    first, last = (0, start) if stop is None else (start, stop)
    return NDArray(np.repeat(np.arange(first, last, step, dtype=dtype or np.float32), repeat))


def eye(N: int, M: int = 0, k: int = 0, ctx: Context | None = None, dtype: Any = None) -> NDArray:
    """Make ones on the k-th diagonal."""
    return NDArray(np.eye(N, M or N, k, dtype or np.float32))


def concatenate(arrays: Sequence[NDArray], axis: int = 0, always_copy: bool = True) -> NDArray:
    """Join arrays along an axis."""
    if not arrays:
        raise ShapeError("concatenate needs at least one array")
    return NDArray(np.concatenate([np.asarray(a) for a in arrays], axis))


def one_hot(indices: NDArray, depth: int, *args: Any, dtype: Any = "float32", **kwargs: Any) -> Any:
    """Give rows of 0 with 1 at the index; a depth of 0 gives an array without elements."""
    if depth == 0:
        return NDArray(np.zeros((*indices.shape, 0), dtype))
    return _invoke("one_hot", indices, depth, *args, dtype=dtype, **kwargs)


def moveaxis(tensor: NDArray, source: Any, destination: Any) -> NDArray:
    """Move axes to other places, the rest stay in order; ValueError for axes that are not there or come twice."""
    return NDArray(np.ascontiguousarray(np.moveaxis(tensor._data, source, destination)))


def onehot_encode(indices: NDArray, out: NDArray) -> NDArray:
    """Set each row of `out` to 0, but 1 at its index."""
    out._data[...] = np.arange(out.shape[1]) == np.asarray(indices)[:, None]
    return out


def from_numpy(ndarray: np.ndarray, zero_copy: bool = True) -> NDArray:
    """Give a NumPy array's memory, or a copy of it, as an NDArray."""
    return NDArray(np.ascontiguousarray(ndarray) if zero_copy else np.array(ndarray))


def save(fname: str | os.PathLike[str], data: NDArray | Sequence[NDArray] | Mapping[str, NDArray]) -> None:
    """Write arrays, named or not, as a .params file."""
    if isinstance(data, NDArray):
        data = [data]
    if isinstance(data, Mapping):
        params.save(fname, {k: np.asarray(v) for k, v in data.items()})
    else:
        params.save(fname, [np.asarray(v) for v in data])


def load(fname: str | os.PathLike[str]) -> Any:
    """Read a .params file: a dict of arrays by name, or a list."""
    found = params.load(fname)
    if isinstance(found, dict):
        return {k: NDArray(v) for k, v in found.items()}
    return [NDArray(v) for v in found]


def load_frombuffer(buf: bytes) -> Any:
    """Read what load() reads from the bytes of such a file."""
    if not isinstance(buf, (bytes, bytearray, memoryview)):
        raise TypeError(f"load_frombuffer needs bytes, got {type(buf).__name__}")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "arrays.params")
        with open(path, "wb") as file:
            file.write(buf)
        return load(path)


def waitall() -> None:
    """Do nothing: values are there when a call returns."""
