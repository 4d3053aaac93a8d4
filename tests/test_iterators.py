"""Batches: names, last batches, shuffling, resuming, and the thread that makes them ahead."""

import gc
import pickle
import threading
import time
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphnn.data import DataBatch, DataDesc, DataIter, NDArrayIter, PrefetchIter
from graphnn.errors import ParameterError

X = np.random.default_rng(5).standard_normal((10, 3, 2)).astype(np.float32)
Y = np.arange(10)


def rows(iterator):
    """The labels of an epoch's batches: Y makes them the row numbers."""
    return [batch.label[0].astype(int).tolist() for batch in iterator]


def prefetch_threads():
    return [thread for thread in threading.enumerate() if thread.name == "graphnn-prefetch"]


# descriptions and batches


def test_desc_is_a_pair():
    desc = DataDesc("data", [4, 3], np.uint8, "NT")
    name, shape = desc
    assert (name, shape, desc.dtype, desc.layout) == ("data", (4, 3), np.uint8, "NT")
    assert DataDesc("x", (1,)).dtype == np.float32 and DataDesc("x", (1,)).layout == "NCHW"
    copy = pickle.loads(pickle.dumps(desc))
    assert (copy, copy.dtype, copy.layout) == (desc, np.uint8, "NT")
    assert [DataDesc.get_batch_axis(layout) for layout in (None, "NCHW", "TNC", "C")] == [0, 0, 1, -1]
    assert repr(DataDesc("data", (1,), "int8")) == "DataDesc[data,(1,),int8,NCHW]"


def test_batch_defaults():
    batch = DataBatch([X])
    assert (batch.label, batch.pad, batch.index, batch.bucket_key) == (None, 0, None, None)


@pytest.mark.parametrize(
    ("data", "label", "names", "label_names"),
    [
        (X, Y, ["data"], ["softmax_label"]),
        ([X], [Y], ["data"], ["softmax_label"]),
        ([X, X[:, 0]], None, ["_0_data", "_1_data"], []),
        ({"b": X, "a": X[:, 0]}, {"l": Y}, ["a", "b"], ["l"]),
        ([[1, 2, 3], [4, 5, 6]], [], ["_0_data", "_1_data"], []),
    ],
)
def test_names_as_mxnet_gives_them(data, label, names, label_names):
    iterator = NDArrayIter(data, label, 2)
    assert [desc.name for desc in iterator.provide_data] == names
    assert [desc.name for desc in iterator.provide_label] == label_names
    batch = iterator.next()
    assert [x.shape for x in batch.data] == [desc.shape for desc in iterator.provide_data]
    assert all(x.dtype == np.float32 for x in batch.data + batch.label)


# last batches


@pytest.mark.parametrize(
    ("handle", "first", "second"),
    [
        ("pad", [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1]], [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1]]),
        ("discard", [[0, 1, 2, 3], [4, 5, 6, 7]], [[0, 1, 2, 3], [4, 5, 6, 7]]),
        ("roll_over", [[0, 1, 2, 3], [4, 5, 6, 7]], [[8, 9, 0, 1], [2, 3, 4, 5], [6, 7, 8, 9]]),
    ],
)
def test_last_batch(handle, first, second):
    iterator = NDArrayIter(X, Y, 4, last_batch_handle=handle)
    assert rows(iterator) == first
    assert rows(iterator) == []
    iterator.reset()
    assert rows(iterator) == second
    iterator.reset()
    assert rows(iterator) == first


def test_pad_and_index_say_which_rows():
    for shuffle in (False, True):
        batches = list(NDArrayIter(X, Y, 4, shuffle))
        assert [batch.pad for batch in batches] == [0, 0, 2]
        for batch in batches:
            np.testing.assert_array_equal(batch.data[0], X[batch.index])
            np.testing.assert_array_equal(batch.label[0], Y[batch.index])
    assert all(batch.pad == 0 for batch in NDArrayIter(X, Y, 5))


@settings(max_examples=150, deadline=None)
@given(
    n=st.integers(1, 20),
    size=st.integers(1, 20),
    shuffle=st.booleans(),
    handle=st.sampled_from(["pad", "discard", "roll_over"]),
    seed=st.integers(0, 2**64 - 1),
)
def test_every_row_comes_as_often_as_it_should(n, size, shuffle, handle, seed):
    size = min(size, n)
    iterator = NDArrayIter(np.zeros(n), np.arange(n), size, shuffle, handle, seed=seed)
    seen = []
    for _ in range(3):
        epoch = []
        for batch in iterator:
            assert len(batch.index) == size
            epoch += batch.index[: size - batch.pad].tolist()
        assert len(set(epoch)) == len(epoch) or handle == "roll_over"
        assert handle != "pad" or sorted(epoch) == list(range(n))
        assert handle != "discard" or len(epoch) == n - n % size
        seen += epoch
        iterator.reset()
    if handle == "roll_over":  # no row is lost: the epochs follow each other without a gap
        orders = [iterator._permutation(epoch).tolist() for epoch in range(3)]
        assert seen == np.concatenate(orders).tolist()[: 3 * n - 3 * n % size]


# order


def test_shuffle_is_made_of_seed_and_epoch():
    iterator = NDArrayIter(X, Y, 5, shuffle=True, seed=3)
    epochs = []
    for _ in range(3):
        epochs.append(rows(iterator))
        iterator.reset()
    assert len({str(epoch) for epoch in epochs}) == 3
    assert all(sorted(np.concatenate(epoch)) == list(range(10)) for epoch in epochs)
    other = NDArrayIter(X, Y, 5, shuffle=True, seed=3)
    other.epoch = 2
    assert rows(other) == epochs[2]
    other.epoch = 1
    assert rows(other) == epochs[1]
    assert rows(NDArrayIter(X, Y, 5, shuffle=True, seed=4)) != epochs[0]


def test_the_order_stays_as_it_is():
    # Philox bits and a stable sort: a checkpoint resumes with the same order on any machine
    assert NDArrayIter(Y, batch_size=10, shuffle=True, seed=1).next().index.tolist() == [
        4, 0, 5, 6, 2, 7, 8, 3, 9, 1,
    ]  # fmt: skip


@pytest.mark.parametrize("handle", ["pad", "roll_over"])
def test_an_epoch_does_not_depend_on_how_the_last_ended(handle):
    iterator, other = (NDArrayIter(X, Y, 4, True, handle) for _ in range(2))
    rows(iterator)
    other.next()
    iterator.reset()
    other.reset()
    other.reset()  # nothing was asked for: stays
    assert iterator.epoch == other.epoch == 1
    assert rows(iterator) == rows(other)


# values


def test_sources_stay_as_they_are_and_views_are_read_only():
    x = np.arange(20, dtype=np.uint8).reshape(10, 2)
    iterator = NDArrayIter(x, batch_size=4, dtype=None)
    assert iterator.provide_data[0].dtype == np.uint8
    batch = iterator.next()
    assert np.shares_memory(batch.data[0], x)
    with pytest.raises(ValueError, match="read-only"):
        batch.data[0][0] = 1
    x[:] = 0  # the source itself is not locked
    cast = NDArrayIter(x, batch_size=4).next().data[0]
    assert cast.dtype == np.float32 and cast.flags.writeable


def test_transform_makes_the_inputs():
    x = np.arange(80, dtype=np.uint8).reshape(10, 8)

    def transform(rows):
        assert rows.dtype == np.uint8
        return (rows[:, :4].astype(np.float32) / 255 - 0.5).reshape(-1, 2, 2)

    for shuffle in (False, True):
        iterator = NDArrayIter(x, Y, 4, shuffle, transform=transform)
        assert iterator.provide_data[0] == ("data", (4, 2, 2))
        for batch in iterator:
            np.testing.assert_array_equal(batch.data[0], transform(x[batch.index]))
            np.testing.assert_array_equal(batch.label[0], Y[batch.index])


def test_transform_must_keep_its_word():
    with pytest.raises(
        ParameterError, match=r"data: transform must keep the number of rows, it made \(6,\) of one row"
    ):
        NDArrayIter(X, batch_size=2, transform=np.ravel)
    iterator = NDArrayIter(X, batch_size=2, transform=lambda x: x.astype(np.float64) if len(x) == 2 else x)
    with pytest.raises(ParameterError, match=r"must give \(2, 3, 2\) of float32 as it did at first, got .* float64"):
        iterator.next()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"label": Y[:9]}, "softmax_label has 9 rows, data has 10"),
        ({"data": {"a": X, "b": X[:4]}}, "b has 4 rows, a has 10"),
        ({"batch_size": 11}, "batch_size 11 is larger than the data: data has 10 rows"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"batch_size": 2.0}, r"batch_size must be a whole number .*, got 2\.0"),
        ({"last_batch_handle": "rollover"}, "pad, discard, roll_over, got 'rollover', did you mean 'roll_over'"),
        ({"last_batch_handle": None}, "last_batch_handle must be one of pad, discard, roll_over, got None"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"data": None}, "data: at least one array is needed"),
        ({"data": "text"}, "data: an array of numbers is needed, got str of <U4"),
        ({"label": [0, 1, 2]}, "_0_softmax_label: an array with rows is needed, got a scalar; wrap a list"),
    ],
)
def test_refused(change, match):
    with pytest.raises(ParameterError, match=match):
        NDArrayIter(**{"data": X, "label": Y, "batch_size": 2} | change)


def test_epoch_must_be_a_number():
    with pytest.raises(ParameterError, match="epoch must be a whole number from 0"):
        NDArrayIter(X).epoch = -1


def test_the_calls_of_mxnet():
    iterator = NDArrayIter(X, Y, 4)
    assert iterator.iter_next()
    np.testing.assert_array_equal(iterator.getdata()[0], X[:4])
    np.testing.assert_array_equal(iterator.getlabel()[0], Y[:4])
    assert (iterator.getpad(), iterator.getindex().tolist()) == (0, [0, 1, 2, 3])
    assert iterator.num_data == 10


# prefetching


class Counting(DataIter):
    """Batches 0, 1, ..., with an error in place of one of them."""

    def __init__(self, count, bad=None, wait=0.0):
        super().__init__(1)
        self.provide_data, self.provide_label = [DataDesc("data", (1,))], []
        self.count, self.bad, self.wait, self.made = count, bad, wait, 0

    def reset(self):
        self.made = 0

    def next(self):
        if self.made == self.count:
            raise StopIteration
        self.made += 1
        time.sleep(self.wait)
        if self.made - 1 == self.bad:
            raise OSError("disk gone")
        return DataBatch([np.array([self.made - 1])])


def values(iterator):
    return [int(batch.data[0][0]) for batch in iterator]


@pytest.mark.parametrize("handle", ["pad", "discard", "roll_over"])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("depth", [1, 2, 5])
def test_prefetched_batches_are_the_same(handle, shuffle, depth):
    plain = NDArrayIter(X, Y, 4, shuffle, handle)
    with PrefetchIter(NDArrayIter(X, Y, 4, shuffle, handle), depth) as ahead:
        assert (ahead.provide_data, ahead.provide_label, ahead.batch_size) == (
            plain.provide_data,
            plain.provide_label,
            4,
        )
        for stop in (None, 1, 0, None):  # full epochs, and resets after one batch and after none
            for want, got in zip(islice(plain, stop), islice(ahead, stop), strict=True):
                assert (want.pad, want.index.tolist()) == (got.pad, got.index.tolist())
                for x, y in zip(want.data + want.label, got.data + got.label, strict=True):
                    np.testing.assert_array_equal(x, y, strict=True)
            plain.reset()
            ahead.reset()
            assert plain.epoch == ahead.epoch
    assert not prefetch_threads()


def test_it_works_ahead_but_not_further_than_depth():
    source = Counting(10)
    with PrefetchIter(source, 2) as iterator:
        assert values([iterator.next()]) == [0]
        deadline = time.monotonic() + 5
        while source.made < 3 and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.02)
        assert source.made == 3
        assert values(iterator) == list(range(1, 10))


def test_the_end_stays_the_end_until_reset():
    iterator = PrefetchIter(Counting(3))
    for _ in range(2):
        assert values(iterator) == [0, 1, 2]
        assert values(iterator) == []
        assert not prefetch_threads()
        iterator.reset()


def test_an_error_comes_in_its_place_and_the_rest_after_it():
    iterator = PrefetchIter(Counting(4, bad=1))
    assert values([iterator.next()]) == [0]
    with pytest.raises(OSError, match="disk gone"):
        iterator.next()
    assert values(iterator) == [2, 3]


def test_epoch_is_the_sources():
    iterator = PrefetchIter(NDArrayIter(X, Y, 4, shuffle=True))
    iterator.next()
    iterator.epoch = 3
    other = NDArrayIter(X, Y, 4, shuffle=True)
    other.epoch = 3
    assert rows(iterator) == rows(other)


def test_close_ends_the_epoch():
    iterator = PrefetchIter(Counting(100))
    iterator.next()
    iterator.close()
    iterator.close()
    assert not prefetch_threads()
    assert values(iterator) == []
    iterator.reset()
    assert values(iterator)[:2] == [0, 1]


def test_dropping_the_iterator_ends_the_thread():
    iterator = PrefetchIter(Counting(100))
    iterator.next()
    (thread,) = prefetch_threads()
    del iterator
    gc.collect()
    thread.join(5)
    assert not thread.is_alive()


def test_an_interrupt_while_waiting_leaves_it_usable(monkeypatch):
    iterator = PrefetchIter(Counting(3), depth=1)
    iterator.next()

    class Interrupted:
        def get(self):
            raise KeyboardInterrupt

    worker = iterator._worker
    made = worker._made
    for _ in range(3):
        monkeypatch.setattr(worker, "_made", Interrupted())
        with pytest.raises(KeyboardInterrupt):
            iterator.next()
    monkeypatch.setattr(worker, "_made", made)
    assert values(iterator) == [1, 2]


def test_reset_while_the_source_is_slow():
    iterator = PrefetchIter(Counting(50, wait=0.002))
    for _ in range(5):
        iterator.next()
        iterator.reset()
    assert values([iterator.next(), iterator.next()]) == [0, 1]
    iterator.close()


def test_depth_is_checked():
    with pytest.raises(ParameterError, match="depth must be at least 1, got 0"):
        PrefetchIter(Counting(1), 0)
