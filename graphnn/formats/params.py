"""MXNet's .params files: a list of arrays, named or not, little-endian throughout.

A file is u64 0x112, u64 0, u64 count, the arrays, u64 number of names (0 or count), the names (u64 length, bytes).
An array is, by its first u32:

    V3 0xF993FACA, V2 0xF993FAC9    i32 storage, i32 ndim, i64 dims, i32 device, i32 device number, i32 type, data
    V1 0xF993FAC8                   i32 ndim, i64 dims, i32 device, i32 device number, i32 type, data
    V0 ndim itself                  u32 dims, i32 device, i32 device number, i32 type, data

Only V3 knows scalars and empty arrays; in the others ndim 0 means an array that was never given a shape.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Mapping
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
_BOOL, _BFLOAT16 = 7, 12
_STORAGES = {1: "row_sparse", 2: "csr"}
_CPU = (1, 0)  # device type and number
_MAX_NDIM, _MAX_ARRAYS, _MAX_NAME, _MAX_ELEMENTS = 8, 100_000, 1024, 2**40


def load(path: str | os.PathLike[str]) -> dict[str, np.ndarray] | list[np.ndarray]:
    """Read the arrays of a .params file: by name, or as a list if the file has no names (an empty file is {}).

    Checkpoints name their arrays arg:NAME and aux:NAME. bfloat16 becomes float32; the device is ignored. Raises
    FormatError for whatever is not a well-formed file of dense arrays, before memory is taken for it.
    """
    with reading(path) as (file, size):
        return _read_list(_Reader(path, file, size))


def save(path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays in the order given: as V2, scalars and empty arrays as V3 (MXNet reads it under np_shape).

    Raises DTypeError, ShapeError or ParameterError for what the format cannot hold, before the file is touched.
    """
    names = [_encoded(name) for name in arrays]
    dense = [_dense(name, x) for name, x in arrays.items()]
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
    offset: int = field(default=0, init=False)

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
    if magic in (_V2, _V3):
        _check_storage(reader)
    if magic in (_V1, _V2, _V3):
        (ndim,) = reader.take("i", "the number of dimensions")
        shape = _read_shape(reader, ndim, "q", scalar=magic == _V3)
    elif magic <= _MAX_NDIM:
        shape = _read_shape(reader, magic, "I", scalar=False)  # V0
    else:
        raise reader.error(f"{magic:#x} does not begin an array", back=4)
    *_, code = reader.take("iii", "device and type")
    if code == _BFLOAT16:
        return _widen(reader.array(shape, np.dtype("<u2")))
    if code not in _DTYPES:
        raise reader.error(f"{code} is no data type, 0 to {_BFLOAT16} are", back=4)
    x = reader.array(shape, _DTYPES[code])
    if code == _BOOL and (x.view(np.uint8) > 1).any():
        raise reader.error("a boolean that is neither 0 nor 1", back=x.nbytes)
    return x.astype(x.dtype.newbyteorder("="), copy=False)


def _check_storage(reader: _Reader) -> None:
    (storage,) = reader.take("i", "the storage type")
    if storage in _STORAGES:
        raise reader.error(f"{_STORAGES[storage]} arrays are not read yet, save the array as dense", back=4)
    if storage:
        raise reader.error(f"{storage} is no storage type, 0 (dense) is read", back=4)


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
