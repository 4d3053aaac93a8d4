"""Batches that follow from the seed, made ahead by a thread or by processes: always the same ones."""

import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest

from graphnn.data import feed as feed_module
from graphnn.data.augment import Crop, Flip
from graphnn.data.batches import Batches
from graphnn.data.feed import Feed, _Slots
from graphnn.data.mixing import Mixing
from graphnn.data.processes import shared
from graphnn.data.scaling import normalizer
from graphnn.errors import WorkerError

X = np.random.default_rng(0).integers(0, 256, (23, 3, 6, 6), np.uint8)
Y = np.arange(23, dtype=np.uint8) % 4  # labels


def source(x=X, **options):
    change = {"transforms": (Crop(2), Flip()), "mixing": Mixing(4, mixup=0.3), "shuffle": True, **options}
    return Batches(x, Y, 5, normalizer((0.5,) * 3, (0.2,) * 3), seed=3, **change)


def taken(feed, epoch, *span):
    return [(b.data[0].copy(), b.label[0].copy()) for b in feed.epoch(epoch, *span)]


def same(a, b):
    assert len(a) == len(b)
    for (x, y), (u, v) in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, u)
        np.testing.assert_array_equal(y, v)


def test_every_row_comes_once_an_epoch_but_for_the_rest():
    s = source(transforms=(), mixing=None)
    assert len(s) == 4
    rows = np.concatenate([s.make(1, k).index for k in range(4)])
    assert len(set(rows.tolist())) == 20 and not np.array_equal(rows, np.sort(rows))
    assert not np.array_equal(rows[:5], s.make(2, 0).index)
    np.testing.assert_array_equal(s.make(1, 0).label[0], Y[rows[:5]])


def test_the_last_batch_is_filled_with_the_first_rows():
    s = source(transforms=(), mixing=None, shuffle=False, pad=True)
    assert len(s) == 5
    assert s.make(0, 4).pad == 2 and s.make(0, 3).pad == 0
    assert s.make(0, 4).index.tolist() == [20, 21, 22, 0, 1]


@pytest.mark.parametrize("workers", [0, 2])
def test_whoever_makes_them_the_batches_are_the_same(workers, tmp_path):
    s = source()
    wanted = [[(b.data[0], b.label[0]) for b in (s.make(e, k) for k in range(4))] for e in (1, 2)]
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    with Feed(source(mapped) if workers else s, workers) as feed:
        same(taken(feed, 1), wanted[0])
        same(taken(feed, 2, 1, 3), wanted[1][1:3])
        next(feed.epoch(1))  # an epoch that is left
        same(taken(feed, 2), wanted[1])


def test_batches_that_are_kept_stay_what_they_were():
    s = source(mixing=None)
    wanted = [(b.data[0], b.label[0]) for e in range(5) for b in (s.make(e, k) for k in range(4))]
    with Feed(s, 1) as feed:
        kept = [batch for e in range(5) for batch in feed.epoch(e)]
        same([(b.data[0], b.label[0]) for b in kept], wanted)
        assert not feed._slots._free
        part = kept[0].data[0][1:, :, ::2]  # a view of one of them
        del kept
        assert len(feed._slots._free) == len(feed._slots.memory) - 1
        same(taken(feed, 1), wanted[4:8])
        np.testing.assert_array_equal(part, wanted[0][0][1:, :, ::2])
    np.testing.assert_array_equal(part, wanted[0][0][1:, :, ::2])


def test_batches_larger_than_their_place_come_through_the_pipe(monkeypatch):
    s = source(mixing=None)
    monkeypatch.setattr(feed_module, "_slots", lambda source, number: _Slots([shared(64) for _ in range(number)]))
    with Feed(s, 1) as feed:
        same(taken(feed, 1), [(s.make(1, k).data[0], s.make(1, k).label[0]) for k in range(4)])
        assert len(feed._slots._free) == len(feed._slots.memory)


@pytest.mark.parametrize("mixing", [None, Mixing(4), Mixing(999, smoothing=0.1)])
def test_no_array_of_a_batch_comes_through_the_pipe(monkeypatch, mixing):
    """Its process could be killed in the middle of one, and the pool would wait for the rest for ever."""
    came = []
    monkeypatch.setattr(
        _Slots, "taken", lambda self, made, slot, taken=_Slots.taken: taken(self, came.append(made) or made, slot)
    )
    s = source(mixing=mixing)
    with Feed(s, 1) as feed:
        same(taken(feed, 1), [(s.make(1, k).data[0], s.make(1, k).label[0]) for k in range(4)])
        for batch, k in zip(feed.epoch(2), range(4), strict=True):
            np.testing.assert_array_equal(batch.index, s.make(2, k).index)
    assert len(came) == 8 and all(len(pickle.dumps(made)) < 512 for made in came)


def test_memory_that_there_is_no_room_for_is_told(monkeypatch):
    """Python's arrays in shared memory are files with holes: the system ends a process that writes where no room is."""
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=100))
    with Feed(source(), 1) as feed, pytest.raises(OSError, match="no room for 0 MB that processes share"):
        next(feed.epoch(1))


def test_what_goes_wrong_in_a_worker_is_raised_here():
    with Feed(source(transforms=(Crop("two"),)), 1) as feed, pytest.raises(TypeError):
        list(feed.epoch(1))


def test_a_worker_that_was_killed_before_it_gets_work_is_told_in_a_line():
    with Feed(source(), 1) as feed:
        batches = feed.epoch(1)
        next(batches)
        os.kill(next(iter(feed._pool._processes)), signal.SIGKILL)
        while not feed._pool._broken:
            time.sleep(0.01)
        with pytest.raises(WorkerError, match="fewer --workers take less"):
            next(feed.epoch(2))


def test_a_worker_that_is_killed_is_told_in_a_line():
    with Feed(source(), 1) as feed:
        batches = feed.epoch(1)
        next(batches)
        for pid in list(feed._pool._processes):
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(WorkerError, match="fewer --workers take less"):
            while True:
                list(feed.epoch(2))


PARENT = """
import sys, time
sys.path.insert(0, {folder!r})
import test_feed
if __name__ == "__main__":
    feed = test_feed.Feed(test_feed.source(), 2)
    next(feed.epoch(1))
    print(*feed._pool._processes, flush=True)
    time.sleep(60)
"""


def test_workers_do_not_outlive_a_killed_parent(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT.format(folder=os.path.dirname(__file__)))
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    pids = [int(p) for p in parent.stdout.readline().split()]
    assert len(pids) >= 1
    parent.kill()
    parent.wait()
    parent.stdout.close()
    end = time.monotonic() + 20
    while time.monotonic() < end and any(alive(p) for p in pids):
        time.sleep(0.05)
    assert not any(alive(p) for p in pids)


def alive(pid):
    """A zombie that nobody has waited for is dead."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
