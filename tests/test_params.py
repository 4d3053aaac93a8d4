"""MXNet's .params files: bytes by the format's description, what is refused, files of real models."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphnn.errors import DTypeError, FormatError, ParameterError, ShapeError
from graphnn.formats import params

CHECKOUT = Path(__file__).parent.parent
MODELS = Path(os.environ.get("GRAPHNN_SHARED", CHECKOUT.parent / "shared")) / "mxnet" / "models"
V1, V2, V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
DTYPES = "float32 float64 float16 uint8 int32 int8 int64 bool int16 uint16 uint32 uint64".split()
pack = struct.pack


def container(*arrays, names=(), magic=0x112, reserved=0, count=None, tail=b""):
    """A file of encoded arrays."""
    encoded = b"".join(pack("<Q", len(name)) + name for name in names)
    head = pack("<QQQ", magic, reserved, len(arrays) if count is None else count)
    return head + b"".join(arrays) + pack("<Q", len(names)) + encoded + tail


def v2(shape=(2,), code=0, content=None, magic=V2, storage=0, ndim=None):
    content = b"\0" * 4 * int(np.prod(shape)) if content is None else content
    ndim = len(shape) if ndim is None else ndim
    return pack(f"<Iii{len(shape)}qiii", magic, storage, ndim, *shape, 2, 7, code) + content


def load_bytes(folder, content):
    file = folder / "x.params"
    file.write_bytes(content)
    return params.load(file)


def refuse(folder, content, match):
    with pytest.raises(FormatError, match=match) as caught:
        load_bytes(folder, content)
    assert str(caught.value).startswith(str(folder / "x.params"))


def test_golden_bytes_read_and_written(tmp_path):
    golden = bytes.fromhex(
        "1201000000000000 0000000000000000 0200000000000000"
        "c9fa93f9 00000000 02000000 0100000000000000 0300000000000000 01000000 00000000 00000000"
        "0000803f 00000040 000040c0"
        "cafa93f9 00000000 00000000 01000000 00000000 06000000 feffffffffffffff"
        "0200000000000000 0500000000000000 6172673a77 0500000000000000 6175783a6e"
    )
    arrays = {"arg:w": np.array([[1, 2, -3]], np.float32), "aux:n": np.array(-2, np.int64)}
    params.save(tmp_path / "y", arrays)
    assert (tmp_path / "y").read_bytes() == golden
    read = load_bytes(tmp_path, golden)
    assert list(read) == list(arrays)
    for name, x in arrays.items():
        assert (read[name].dtype, read[name].shape) == (x.dtype, x.shape)
        np.testing.assert_array_equal(read[name], x)


def test_v0_and_v1_unnamed(tmp_path):
    data = np.arange(6, dtype="<f8")
    old = pack("<I2I3i", 2, 2, 3, 2, 0, 1) + data.tobytes()
    newer = pack("<Ii1q3i", V1, 1, 6, 1, 0, 1) + data.tobytes()
    x, y = load_bytes(tmp_path, container(old, newer))
    np.testing.assert_array_equal(x, data.reshape(2, 3))
    np.testing.assert_array_equal(y, data)


def test_bfloat16_becomes_float32(tmp_path):
    (x,) = load_bytes(tmp_path, container(v2((3,), 12, pack("<3H", 0x3F80, 0xC000, 0x7F80))))
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x, [1, -2, np.inf])


@pytest.mark.parametrize("dtype", DTYPES)
def test_round_trip(tmp_path, dtype):
    x = (np.random.default_rng(7).standard_normal((2, 3, 4)) * 100).astype(dtype)
    arrays = {"a": x, "b": x.T, "c": x.astype(x.dtype.newbyteorder(">")), "d": x[:, :0], "é": x[0, 0, 0], "": x[1]}
    params.save(tmp_path / "x", arrays)
    read = params.load(tmp_path / "x")
    assert list(read) == list(arrays)
    for name, y in arrays.items():
        assert read[name].dtype == np.dtype(dtype)
        assert read[name].flags.writeable
        np.testing.assert_array_equal(read[name], y, strict=dtype == "uint8")


def sparse(storage, kept, shape, data, *indices, kind=6):
    """A float32 array as row_sparse (1) or csr (2)."""
    dims = b"".join(pack(f"<i{len(s)}q", len(s), *s) for s in (kept, shape))
    aux = b"".join(pack("<iiq", kind, 1, len(i)) for i in indices)
    tail = np.array(data, "<f4").tobytes() + b"".join(np.array(i, "<i8").tobytes() for i in indices)
    return pack("<Ii", V2, storage) + dims + pack("<3i", 1, 0, 0) + aux + tail


def test_sparse_becomes_dense_and_is_said_once(tmp_path):
    rows = sparse(1, (2, 2), (4, 2), [1, 2, 3, 4], [1, 3])
    csr = sparse(2, (3,), (3, 4), [5, 6, 7], [0, 2, 2, 3], [0, 3, 1])
    none = sparse(1, (0, 2), (2, 2), [], [])
    with pytest.warns(UserWarning, match="3 sparse arrays were made dense") as said:
        x, y, z = load_bytes(tmp_path, container(rows, csr, none))
    assert len(said) == 1
    assert x.tolist() == [[0, 0], [1, 2], [0, 0], [3, 4]]
    assert y.tolist() == [[5, 0, 0, 6], [0, 0, 0, 0], [0, 7, 0, 0]]
    assert z.tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize(
    ("array", "match"),
    [
        (sparse(1, (1, 2), (4, 2), [1, 2], [4]), "no row_sparse array"),
        (sparse(1, (1, 2), (4, 2), [1, 2], [-1]), "no row_sparse array"),
        (sparse(1, (1, 3), (4, 2), [1, 2, 3], [1]), "no row_sparse array"),
        (sparse(1, (1, 2), (2**30, 2), [1, 2], [1]), "would take 8589934592 bytes"),
        (sparse(1, (1, 2), (4, 2), [1, 2], [1], kind=4), "vectors of int64"),
        (sparse(2, (1,), (2, 2), [1], [0, 1], [0]), "row starts do not fit"),
        (sparse(2, (1,), (2, 2), [1], [0, 2, 1], [0]), "row starts do not fit"),
        (sparse(2, (1,), (2, 2), [1], [-1, 0, 1], [0]), "row starts do not fit"),
        (sparse(2, (1,), (2, 2), [1], [0, 0, 1], [2]), "no csr array"),
        (sparse(2, (1,), (2, 2, 2), [1], [0, 0, 1], [1]), "row starts do not fit"),
        (sparse(2, (2,), (2, 2), [1, 2], [0, 0, 1], [1]), "no csr array"),
    ],
)
def test_sparse_refused(tmp_path, array, match):
    refuse(tmp_path, container(array), match)


def test_a_list_has_no_names(tmp_path):
    params.save(tmp_path / "x", [np.arange(3), np.ones((2, 2))])
    x, y = params.load(tmp_path / "x")
    assert (x.tolist(), y.tolist()) == ([0, 1, 2], [[1, 1], [1, 1]])


def test_nothing_saved_is_nothing_loaded(tmp_path):
    params.save(tmp_path / "x", {})
    assert params.load(tmp_path / "x") == {}


REFUSED = [
    (container(magic=0x113), "offset 0: not a .params file"),
    (container(reserved=1), "offset 8: the reserved word"),
    (container(count=100_001), "offset 16: 100001 arrays"),
    (container(count=2**63), "offset 16"),
    (container(v2(), count=2)[:-8], r"offset 64: an array's first word needs 4 bytes, the file has 0 more"),
    (container(v2(), tail=b"\0"), "offset 72: 1 bytes too many"),
    (container(v2(storage=1)), r"an array that was never given a shape|needs .* bytes"),
    (container(v2(storage=3)), "offset 28: 3 is no storage type"),
    (container(v2((1,) * 9)), "offset 32: 9 dimensions, at most 8"),
    (container(v2(ndim=-2)), "offset 32: -2 dimensions"),
    (container(v2((), content=b"")), "offset 32: an array that was never given a shape"),
    (container(v2((), magic=V3, ndim=-1)), "offset 32: an array that was never given a shape"),
    (container(pack("<I", 0)), "offset 24: an array that was never given a shape"),
    (container(pack("<I", 9)), "offset 24: 0x9 does not begin an array"),
    (container(pack("<I", 0xF993FACB)), "offset 24: 0xf993facb does not begin"),
    (container(v2((-1,), content=b"")), r"offset 36: \(-1,\) is not a shape"),
    (container(v2((0, 2**62), content=b"", magic=V3)), "offset 36: .* is not a shape"),
    (container(v2((2**20, 2**20), content=b"")), "offset 64: an array .* needs 4398046511104 bytes"),
    (container(v2((2**33, 2**33), content=b"")), "is not a shape"),
    (container(v2(code=13)), "offset 52: 13 is no data type"),
    (container(v2(code=-1)), "offset 52: -1 is no data type"),
    (container(v2((2,), 7, b"\1\2")), "offset 56: a boolean that is neither 0 nor 1"),
    (container(v2(), names=[b"a", b"b"]), "offset 64: 2 names for 1 arrays"),
    (container(v2(), v2(), names=[b"a", b"a"]), "the name 'a' comes twice"),
    (container(v2(), names=[b"\xff"]), "offset 80: a name that is not UTF-8"),
    (container(v2(), names=[b"a" * 1025]), "offset 80: a name of 1025 characters"),
    (container(v2(), names=[b"a" * 5000]), "offset 72: a name of 5000 bytes"),
]


@pytest.mark.parametrize(("content", "match"), REFUSED, ids=[match for _, match in REFUSED])
def test_refused(tmp_path, content, match):
    refuse(tmp_path, content, match)


def test_names_up_to_the_cap_are_read(tmp_path):
    assert list(load_bytes(tmp_path, container(v2(), names=["€".encode() * 1024]))) == ["€" * 1024]


def test_what_the_format_cannot_hold_is_not_written(tmp_path):
    x = np.zeros(2, np.float32)
    for arrays, error, match in [
        ({"w": x.astype(complex)}, DTypeError, "w: a .params file cannot hold complex128, cast to float32, "),
        ({"w": np.zeros((1,) * 9)}, ShapeError, "w: .* up to 8 dimensions"),
        ({"w" * 1025: x}, ParameterError, "1024 characters"),
        ({"\ud800": x}, ParameterError, "cannot be written as UTF-8"),
    ]:
        with pytest.raises(error, match=match):
            params.save(tmp_path / "x", arrays)
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def two_kilobytes(tmp_path_factory):
    """A file of all versions and several types, some 2 KB."""
    rng = np.random.default_rng(3)
    file = tmp_path_factory.mktemp("params") / "x"
    arrays = {f"arg:layer{i}_{dtype}": rng.integers(0, 2, (2, i + 2)).astype(dtype) for i, dtype in enumerate(DTYPES)}
    params.save(file, arrays | {"aux:scalar": np.float32(3)})
    content = file.read_bytes()
    assert 1500 < len(content) < 2500
    return content


def test_truncated_at_every_byte(tmp_path, two_kilobytes):
    for size in range(len(two_kilobytes)):
        with pytest.raises(FormatError):
            load_bytes(tmp_path, two_kilobytes[:size])


def mutate(content, rng):
    """Overwrite, insert or remove a few bytes; half of them in the first fields."""
    content = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        at = int(rng.integers(len(content) if rng.random() < 0.5 else 120))
        match rng.integers(4):
            case 0:
                content[at : at + 1] = rng.bytes(1)
            case 1:
                content[at : at + 4] = rng.choice([b"\xff" * 4, b"\0" * 4, b"\1\0\0\0", b"\0\0\0\x80"])
            case 2:
                content[at:at] = rng.bytes(int(rng.integers(1, 9)))
            case 3:
                del content[at : at + int(rng.integers(1, 9))]
    return bytes(content)


@pytest.mark.parametrize("count", [1000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_mutated_files_load_or_are_refused(tmp_path, two_kilobytes, count):
    rng = np.random.default_rng(count)
    for _ in range(count):
        try:
            load_bytes(tmp_path, mutate(two_kilobytes, rng))
        except FormatError:
            pass


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 119), piece=st.binary(min_size=1, max_size=8), tail=st.binary(max_size=4))
def test_hypothesis_mutations(tmp_path, two_kilobytes, at, piece, tail):
    try:
        load_bytes(tmp_path, two_kilobytes[:at] + piece + two_kilobytes[at + len(piece) :] + tail)
    except FormatError:
        pass


@pytest.mark.skipif(not MODELS.is_dir(), reason="the shared models are not here")
def test_real_models_round_trip(tmp_path):
    files = sorted(MODELS.glob("*/*.params"))
    assert files
    for file in files:
        read = params.load(file)
        assert isinstance(read, dict) and all(name.startswith(("arg:", "aux:")) for name in read)
        assert all(np.isfinite(x).all() for x in read.values())
        params.save(tmp_path / "x", read)
        again = params.load(tmp_path / "x")
        assert list(again) == list(read)
        for name, x in read.items():
            np.testing.assert_array_equal(again[name], x, strict=True)
