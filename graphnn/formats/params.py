"""MXNet's .params files: a list of arrays, named or not, little-endian throughout.

A file is u64 0x112, u64 0, u64 count, the arrays, u64 number of names (0 or count), the names (u64 length, bytes).
An array is, by its first u32:

    V3 0xF993FACA, V2 0xF993FAC9    i32 storage, i32 ndim, i64 dims, i32 device, i32 device number, i32 type, data
        sparse: i32 storage, the shape of the data, shape, device, type, for each index array its i32 type and shape,
        data, index arrays (row_sparse 1: the rows present; csr 2: where each row begins, columns)
    V1 0xF993FAC8                   i32 ndim, i64 dims, i32 device, i32 device number, i32 type, data
    V0 ndim itself                  u32 dims, i32 device, i32 device number, i32 type, data

Only V3 knows scalars and empty arrays; in the others ndim 0 means an array that was never given a shape.
"""

from __future__ import annotations

import math
import os
import struct
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np

from ..errors import DTypeError, FormatError, ParameterError, ShapeError
from . import atomic
from .regular import reading

__all__ = ["load", "save"]

_LIST, _V1, _V2, _V3 = 0x112, 0xF993FAC8, 0xF993FAC9, 0xF993FACA
_DTYPES = {
    code: np.dtype(name)
    for code, name in enumerate(("<f4", "<f8", "<f2", "u1", "<i4", "i1", "<i8", "?", "<i2", "<u2", "<u4", "<u8"))
}
_CODES = {dtype.newbyteorder("="): code for code, dtype in _DTYPES.items()}
_INT64, _BOOL, _BFLOAT16 = 6, 7, 12
_STORAGES = {1: "row_sparse", 2: "csr"}
_CPU = (1, 0)  # device type and number
_MAX_NDIM, _MAX_ARRAYS, _MAX_NAME, _MAX_ELEMENTS = 8, 100_000, 1024, 2**40
_MAX_DENSE = 32 << 20  # bytes that sparse arrays may grow to, beside as many as the file has


def load(path: str | os.PathLike[str]) -> dict[str, np.ndarray] | list[np.ndarray]:
    """Read the arrays of a .params file: by name, or as a list if the file has no names (an empty file is {}).

    Checkpoints name their arrays arg:NAME and aux:NAME. bfloat16 becomes float32; sparse arrays become dense, with one
    warning a file; the device is ignored. Raises FormatError for whatever is not well-formed, before memory is taken
    for it.
    """
    with reading(path) as (file, size):
        reader = _Reader(path, file, size, size + _MAX_DENSE)
        arrays = _read_list(reader)
    if reader.sparse:
        warnings.warn(f"{path}: {reader.sparse} sparse arrays were made dense", stacklevel=2)
    return arrays


def save(path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray] | Sequence[np.ndarray]) -> None:
    """Write arrays, by name or as a list, in the order given: as V2, scalars and empty arrays as V3.

    MXNet reads V3 under np_shape. Raises DTypeError, ShapeError or ParameterError for what the format cannot hold,
    before the file is touched.
    """
    named = arrays if isinstance(arrays, Mapping) else {str(k): x for k, x in enumerate(arrays)}
    names = [_encoded(name) for name in named] if isinstance(arrays, Mapping) else []
    dense = [_dense(name, x) for name, x in named.items()]
    if len(dense) > _MAX_ARRAYS:
        raise ParameterError(f"a .params file holds at most {_MAX_ARRAYS} arrays, got {len(dense)}")
    with atomic.writing(path) as file:
        file.write(struct.pack("<QQQ", _LIST, 0, len(dense)))
        for x in dense:
            file.write(_header(x))
            file.write(x.reshape(-1).view(np.uint8).data)
        file.write(struct.pack("<Q", len(names)))
        for name in names:
            file.write(struct.pack("<Q", len(name)) + name)


def _encoded(name: str) -> bytes:
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        raise ParameterError(f"{name!a} is not a name: it cannot be written as UTF-8") from None
    if len(name) > _MAX_NAME:
        raise ParameterError(f"a name may have {_MAX_NAME} characters, got {len(name)}: {name[:40]}...")
    return encoded


def _dense(name: str, x: np.ndarray) -> np.ndarray:
    """The array itself, or its little-endian, contiguous copy."""
    x = np.asarray(x)
    native = x.dtype.newbyteorder("=")
    if native not in _CODES:
        raise DTypeError(f"{name}: a .params file cannot hold {x.dtype}, cast to {', '.join(map(str, _CODES))}")
    if x.ndim > _MAX_NDIM:
        raise ShapeError(f"{name}: a .params file holds arrays of up to {_MAX_NDIM} dimensions, got {x.shape}")
    return np.asarray(x, _DTYPES[_CODES[native]], order="C")


def _header(x: np.ndarray) -> bytes:
    magic = _V2 if x.size and x.ndim else _V3
    code = _CODES[x.dtype.newbyteorder("=")]
    return struct.pack(f"<Iii{x.ndim}qiii", magic, 0, x.ndim, *x.shape, *_CPU, code)


@dataclass
class _Reader:
    """A file, how many of its bytes are left, and the errors that name the place."""

    path: object
    file: BinaryIO
    size: int
    dense: int  # bytes that sparse arrays may still take
    offset: int = field(default=0, init=False)
    sparse: int = field(default=0, init=False)  # how many arrays were sparse

    def error(self, reason: str, back: int = 0) -> FormatError:
        """The error at the current offset, or `back` bytes before it."""
        return FormatError(self.path, f"offset {self.offset - back}", reason)

    def need(self, count: int, what: str) -> None:
        """Check that the file has `count` more bytes, before anyone allocates them."""
        if count > self.size - self.offset:
            raise self.error(f"{what} needs {count} bytes, the file has {self.size - self.offset} more")

    def take(self, form: str, what: str) -> tuple[int, ...]:
        """The next whole numbers, in struct's notation."""
        return struct.unpack("<" + form, self.bytes(struct.calcsize("<" + form), what))

    def bytes(self, count: int, what: str) -> bytes:
        """The next `count` bytes."""
        self.need(count, what)
        content = self.file.read(count)
        self._advance(len(content), count)
        return content

    def array(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """The next array, in the file's byte order."""
        self.need(math.prod(shape) * dtype.itemsize, f"an array {shape} of {dtype}")
        x = np.empty(shape, dtype)
        if x.size:
            self._advance(self.file.readinto(x.reshape(-1).view(np.uint8)), x.nbytes)  # type: ignore[attr-defined]
        return x

    def _advance(self, got: int, wanted: int) -> None:
        if got != wanted:
            raise self.error("the file became shorter while it was read")
        self.offset += got


def _read_list(reader: _Reader) -> dict[str, np.ndarray] | list[np.ndarray]:
    magic, reserved, count = reader.take("QQQ", "the header")
    if magic != _LIST:
        raise FormatError(reader.path, "offset 0", f"not a .params file: it begins with {magic:#x}, not {_LIST:#x}")
    if reserved:
        raise FormatError(reader.path, "offset 8", f"the reserved word must be 0, got {reserved:#x}")
    if count > _MAX_ARRAYS:
        raise FormatError(reader.path, "offset 16", f"{count} arrays, at most {_MAX_ARRAYS} are read")
    arrays = [_read_array(reader) for _ in range(count)]
    names = _read_names(reader, count)
    if reader.offset != reader.size:
        raise reader.error(f"{reader.size - reader.offset} bytes too many")
    return arrays if count and not names else dict(zip(names, arrays, strict=True))


def _read_names(reader: _Reader, count: int) -> list[str]:
    (named,) = reader.take("Q", "the number of names")
    if named not in (0, count):
        raise reader.error(f"{named} names for {count} arrays", back=8)
    names: dict[str, None] = {}
    for _ in range(named):
        (length,) = reader.take("Q", "the length of a name")
        if length > 4 * _MAX_NAME:
            raise reader.error(f"a name of {length} bytes, at most {_MAX_NAME} characters are read", back=8)
        try:
            name = reader.bytes(length, "a name").decode()
        except UnicodeDecodeError:
            raise reader.error("a name that is not UTF-8", back=length) from None
        if len(name) > _MAX_NAME:
            raise reader.error(f"a name of {len(name)} characters, at most {_MAX_NAME} are read", back=length)
        if name in names:
            raise reader.error(f"the name {name!r} comes twice", back=length)
        names[name] = None
    return list(names)


def _read_array(reader: _Reader) -> np.ndarray:
    (magic,) = reader.take("I", "an array's first word")
    storage = _read_storage(reader) if magic in (_V2, _V3) else 0
    if storage:
        return _read_sparse(reader, storage)
    if magic in (_V1, _V2, _V3):
        shape = _read_dims(reader, scalar=magic == _V3)
    elif magic <= _MAX_NDIM:
        shape = _read_shape(reader, magic, "I", scalar=False)  # V0
    else:
        raise reader.error(f"{magic:#x} does not begin an array", back=4)
    reader.take("ii", "the device")
    return _read_data(reader, shape, _read_type(reader))


def _read_storage(reader: _Reader) -> int:
    (storage,) = reader.take("i", "the storage type")
    if storage and storage not in _STORAGES:
        raise reader.error(f"{storage} is no storage type: 0 is dense, 1 row_sparse, 2 csr", back=4)
    return storage


def _read_type(reader: _Reader) -> int:
    (code,) = reader.take("i", "the type")
    if code not in _DTYPES and code != _BFLOAT16:
        raise reader.error(f"{code} is no data type, 0 to {_BFLOAT16} are", back=4)
    return code


def _read_data(reader: _Reader, shape: tuple[int, ...], code: int) -> np.ndarray:
    if code == _BFLOAT16:
        return _widen(reader.array(shape, np.dtype("<u2")))
    x = reader.array(shape, _DTYPES[code])
    if code == _BOOL and (x.view(np.uint8) > 1).any():
        raise reader.error("a boolean that is neither 0 nor 1", back=x.nbytes)
    return x.astype(x.dtype.newbyteorder("="), copy=False)


def _read_sparse(reader: _Reader, storage: int) -> np.ndarray:
    """Read a row_sparse or csr array into a dense one."""
    kept, shape = _read_dims(reader, scalar=True), _read_dims(reader, scalar=False)
    reader.take("ii", "the device")
    code = _read_type(reader)
    kinds = [(_read_type(reader), _read_dims(reader, scalar=True)) for _ in range(storage)]
    if any(kind != _INT64 or len(dims) != 1 for kind, dims in kinds):
        raise reader.error("the index arrays must be vectors of int64")
    size = math.prod(shape) * (4 if code == _BFLOAT16 else _DTYPES[code].itemsize)
    if size > reader.dense:
        raise reader.error(f"a sparse array of {shape} would take {size} bytes, {reader.dense} are left for such")
    reader.dense -= size
    reader.sparse += 1
    data = _read_data(reader, kept, code)
    indices = [_read_data(reader, dims, kind) for kind, dims in kinds]
    dense = np.zeros(shape, data.dtype)
    if storage == 1:
        (rows,) = indices
        if data.shape != (len(rows), *shape[1:]) or not _within(rows, shape[0]):
            raise reader.error(f"{data.shape} elements at {len(rows)} rows are no row_sparse array of {shape}")
        dense[rows] = data
    else:
        starts, columns = indices
        rising = bool((np.diff(starts) >= 0).all())
        if len(shape) != 2 or len(starts) != shape[0] + 1 or not rising or starts[0] or starts[-1] != len(columns):
            raise reader.error(f"the row starts do not fit a csr array of {shape}")
        if data.shape != columns.shape or not _within(columns, shape[1]):
            raise reader.error(f"{data.shape} elements at {len(columns)} columns are no csr array of {shape}")
        dense[np.repeat(np.arange(shape[0]), np.diff(starts)), columns] = data
    return dense


def _within(index: np.ndarray, n: int) -> bool:
    return index.size == 0 or (int(index.min()) >= 0 and int(index.max()) < n)


def _read_dims(reader: _Reader, scalar: bool) -> tuple[int, ...]:
    (ndim,) = reader.take("i", "the number of dimensions")
    return _read_shape(reader, ndim, "q", scalar)


def _read_shape(reader: _Reader, ndim: int, form: str, scalar: bool) -> tuple[int, ...]:
    if ndim == -1 or (ndim == 0 and not scalar):
        raise reader.error("an array that was never given a shape", back=4)
    if not 0 <= ndim <= _MAX_NDIM:
        raise reader.error(f"{ndim} dimensions, at most {_MAX_NDIM} are read", back=4)
    shape = reader.take(f"{ndim}{form}", "the dimensions")
    if min(shape, default=0) < 0 or math.prod(max(d, 1) for d in shape) > _MAX_ELEMENTS:
        raise reader.error(f"{shape} is not a shape", back=struct.calcsize(f"<{ndim}{form}"))
    return shape


def _widen(x: np.ndarray) -> np.ndarray:
    """bfloat16 bits as float32: the upper half of it."""
    return (x.astype(np.uint32) << np.uint32(16)).view(np.float32)
