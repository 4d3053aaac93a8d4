"""Data files with some bytes changed: read, or refused with a FormatError, and nothing else."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from test_data import cifar_rows, encode

from graphnn.data import cifar, idx
from graphnn.errors import FormatError


def mutate(content, rng):
    """Overwrite, insert or remove up to two bytes at two places."""
    bad = bytearray(content)
    for at in rng.integers(0, len(bad), 2):
        bad[at : at + rng.integers(0, 3)] = rng.bytes(rng.integers(0, 3))
    return bad


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_mutated_idx_files_load_or_are_refused(tmp_path, pack, count):
    rng = np.random.default_rng(count)
    content = pack(encode(rng.integers(0, 256, (2, 5, 7), np.uint8)))
    for _ in range(count):
        (tmp_path / "x").write_bytes(mutate(content, rng))
        try:
            idx.read_images(tmp_path / "x")
        except FormatError:
            pass


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_mutated_idx_labels_load_or_are_refused(tmp_path, pack, count):
    rng = np.random.default_rng(count)
    content, read = pack(encode(rng.integers(0, 10, 9, np.uint8))), 0
    for _ in range(count):
        (tmp_path / "y").write_bytes(mutate(content, rng))
        try:
            y = idx.read_labels(tmp_path / "y", 10)
            assert y.ndim == 1 and y.max() < 10
            read += 1
        except FormatError:
            pass
    assert 0 < read < count


@pytest.mark.parametrize("count", [1000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_mutated_cifar_files_load_or_are_refused(tmp_path, count):
    """Half the changes are where a label stands; a third add, drop or cut bytes."""
    rng = np.random.default_rng(count)
    content, outcomes = cifar_rows(2), set()
    for _ in range(count):
        bad = bytearray(content)
        for _ in range(rng.integers(1, 4)):
            at = int(rng.choice([0, cifar.ROW, rng.integers(len(content)), rng.integers(len(content))]))
            bad[at : at + 1] = rng.bytes(int(rng.choice([1, 1, 1, 1, 0, 2])))
        (tmp_path / "x.bin").write_bytes(bad[: int(rng.choice([0, 1, cifar.ROW])) if rng.random() < 0.1 else None])
        try:
            x, y = cifar.read([tmp_path / "x.bin"])
            assert x.shape == (len(y), 3, 32, 32) and y.max() < 10
            outcomes.add("read")
        except FormatError as e:
            outcomes.add("pickle" if "pickle" in e.reason else e.where.split()[0])
    assert outcomes == {"read", "size", "offset", "pickle"}
