"""Datasets, samplers, batches, loaders, record files."""

from __future__ import annotations

import pickle
import struct
import threading
import time

import numpy as onp
import pytest

import symgluon as mx
from symgluon.errors import FormatError, MXNetError
from symgluon.gluon import data
from symgluon.gluon.data import batchify
from symgluon.gluon.data.dataloader import default_batchify_fn
from symgluon.gluon.data.record import IndexedRecords, unpack


@pytest.fixture(autouse=True)
def numpy_semantics():
    mx.npx.set_np()
    yield
    mx.npx.reset_np()


def numbers(n=10):
    return data.SimpleDataset(list(range(n)))


# ---- datasets ----------------------------------------------------------------------------------
def test_selections():
    s = numbers()
    assert list(s.filter(lambda x: x % 2)) == [1, 3, 5, 7, 9]
    assert [list(s.shard(3, i)) for i in range(3)] == [[0, 1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert list(s.take(3)) == [0, 1, 2]
    assert len(s.take(None)) == len(s.take(100)) == 10
    assert list(s.sample(data.SequentialSampler(3, 4))) == [4, 5, 6]
    with pytest.raises(AssertionError, match="5 out of 3"):
        s.shard(3, 5)
    with pytest.raises(AssertionError, match="greater than 0"):
        s.shard(0, 0)
    with pytest.raises(TypeError, match="Invalid sampler type"):
        s.sample(3)


def double(x):
    return x * 2


def test_transformations():
    s = numbers(4)
    calls = []
    lazy = s.transform(lambda x: calls.append(x) or x * 2)
    assert not calls
    assert list(lazy) == [0, 2, 4, 6]
    assert list(lazy) == [0, 2, 4, 6]
    assert len(calls) == 8
    assert isinstance(s.transform(double, lazy=False), data.SimpleDataset)
    pairs = data.ArrayDataset(list(range(4)), list("abcd"))
    assert pairs.transform_first(double)[2] == (4, "c")
    assert pairs.transform(lambda a, b: b + str(a))[2] == "c2"
    assert numbers(3).transform_first(double)[2] == 4
    again = pickle.loads(pickle.dumps(pairs.transform_first(double)))
    assert again[3] == (6, "d")


def test_array_dataset():
    x = mx.np.arange(12).reshape(6, 2)
    both = data.ArrayDataset(x, mx.np.arange(6))
    image, label = both[4]
    onp.testing.assert_array_equal(image.asnumpy(), [8, 9])
    assert (label, len(both)) == (4, 6)
    assert data.ArrayDataset([5, 6])[1] == 6
    with pytest.raises(AssertionError, match="same length"):
        data.ArrayDataset([1], [1, 2])
    with pytest.raises(AssertionError, match="at least 1"):
        data.ArrayDataset()


# ---- samplers ----------------------------------------------------------------------------------
def test_samplers():
    assert list(data.SequentialSampler(3, 2)) == [2, 3, 4]
    mx.random.seed(1)
    one = list(data.RandomSampler(20))
    two = list(data.RandomSampler(20))
    mx.random.seed(1)
    assert list(data.RandomSampler(20)) == one != two
    assert sorted(one) == list(range(20))
    assert list(data.FilterSampler(lambda x: x > 7, numbers())) == [8, 9]
    every = data.IntervalSampler(7, 3)
    assert list(every) == [0, 3, 6, 1, 4, 2, 5]
    assert len(every) == 7
    once = data.IntervalSampler(7, 3, rollover=False)
    assert list(once) == [0, 3, 6]
    assert len(once) == 3
    with pytest.raises(AssertionError, match="smaller than or equal to length 3"):
        data.IntervalSampler(3, 5)


@pytest.mark.parametrize(
    ("last", "first", "second"),
    [
        ("keep", [[0, 1, 2], [3, 4, 5], [6]], [[0, 1, 2], [3, 4, 5], [6]]),
        ("discard", [[0, 1, 2], [3, 4, 5]], [[0, 1, 2], [3, 4, 5]]),
        ("rollover", [[0, 1, 2], [3, 4, 5]], [[6, 0, 1], [2, 3, 4]]),
    ],
)
def test_batch_sampler(last, first, second):
    batches = data.BatchSampler(data.SequentialSampler(7), 3, last)
    assert len(batches) == len(first)
    assert list(batches) == first
    assert len(batches) == len(second)
    assert list(batches) == second


def test_last_batch_is_checked():
    with pytest.raises(ValueError, match="must be one of"):
        data.BatchSampler(data.SequentialSampler(3), 2, "x")


# ---- batches -----------------------------------------------------------------------------------
def test_default_batches():
    found = default_batchify_fn([(mx.np.ones((2,)), 1), (mx.np.zeros((2,)), 0)])
    assert isinstance(found, list)
    onp.testing.assert_array_equal(found[0].asnumpy(), [[1, 1], [0, 0]])
    assert [f.dtype for f in found] == [onp.float32, onp.int64]
    assert default_batchify_fn([1.0, 2.0]).dtype == onp.float64
    with pytest.raises(TypeError, match="no numbers"):
        default_batchify_fn(["a", "b"])


def test_stack_and_append():
    a, b = batchify.Stack()([(1, [2, 3]), (4, [5, 6])])
    onp.testing.assert_array_equal(a.asnumpy(), [1, 4])
    onp.testing.assert_array_equal(b[1].asnumpy(), [3, 6])
    parts = batchify.Append()([[1, 2], [3]])
    assert [p.shape for p in parts] == [(1, 2), (1, 1)]
    parts = batchify.Append(batch_axis=1)([[1, 2], [3]])
    assert [p.shape for p in parts] == [(2, 1), (1, 1)]
    assert batchify.Append(expand=False)([[1, 2]])[0].shape == (2,)
    assert batchify.AsList()((1, "a")) == [1, "a"]


def test_pad():
    found = batchify.Pad()([[1, 2, 3], [4]])
    onp.testing.assert_array_equal(found.asnumpy(), [[1, 2, 3], [4, 0, 0]])
    found = batchify.Pad(val=-1, dtype="float32", round_to=4)([onp.ones((2, 1)), onp.ones((1, 3))])
    assert (found.shape, found.dtype) == ((2, 4, 4), onp.float32)
    assert found.asnumpy().sum() == 2 + 3 - 27
    with pytest.raises(AssertionError, match="number of their axes"):
        batchify.Pad()([[1], [[1]]])
    with pytest.raises(AssertionError, match="real number"):
        batchify.Pad(val="x")


def test_group():
    make = batchify.Group(batchify.Pad(), batchify.AsList())
    padded, labels = make([([1], "a"), ([2, 3], "b")])
    assert padded.shape == (2, 2)
    assert labels == ["a", "b"]
    assert len(batchify.Group([batchify.Stack(), batchify.Stack()])([(1, 2), (3, 4)])) == 2
    with pytest.raises(AssertionError, match="contains 2 elements"):
        make([(1, 2, 3)])
    with pytest.raises(AssertionError, match="callable"):
        batchify.Group(batchify.Stack(), 3)
    with pytest.raises(AssertionError, match="not understood"):
        batchify.Group([batchify.Stack()], batchify.Stack())


# ---- loaders -----------------------------------------------------------------------------------
@pytest.mark.parametrize("workers", [0, 1, 3])
def test_loader(workers):
    pairs = data.ArrayDataset(mx.np.arange(20).reshape(10, 2), onp.arange(10))
    loader = data.DataLoader(pairs, 4, num_workers=workers)
    assert len(loader) == 3
    for _ in range(2):
        batches = list(loader)
        assert [x.shape for x, _ in batches] == [(4, 2), (4, 2), (2, 2)]
        assert all(isinstance(x, mx.np.ndarray) for x, _ in batches)
        labels = onp.concatenate([y.asnumpy() for _, y in batches])
        onp.testing.assert_array_equal(labels, onp.arange(10))


def test_shuffled_loader():
    mx.random.seed(2)
    loader = data.DataLoader(numbers(50), 8, shuffle=True, last_batch="discard")
    one, two = (onp.concatenate([b.asnumpy() for b in loader]) for _ in range(2))
    assert len(one) == 48 == len(set(one.tolist()))
    assert (one != two).any()


def test_workers_run_beside_each_other():
    barrier = threading.Barrier(2, timeout=10)

    def meet(x):
        barrier.wait()
        return x

    loader = data.DataLoader(numbers(2).transform(meet), 1, num_workers=2)
    assert [b.asnumpy().tolist() for b in loader] == [[0], [1]]


@pytest.mark.parametrize("workers", [0, 2])
def test_errors_of_samples_come_through(workers):
    loader = data.DataLoader(numbers(4).transform(lambda x: 1 // (x - 2)), 1, num_workers=workers)
    with pytest.raises(ZeroDivisionError):
        list(loader)


def test_slow_workers_time_out():
    loader = data.DataLoader(
        numbers(1).transform(lambda x: time.sleep(1.5) or x), 1, num_workers=1, timeout=1
    )
    with pytest.raises(MXNetError, match="took more than 1 s"):
        list(loader)


@pytest.mark.parametrize(
    ("kwargs", "error"),
    [
        ({}, ValueError),
        ({"batch_size": 2, "shuffle": True, "sampler": data.SequentialSampler(3)}, ValueError),
        ({"batch_size": 2, "batch_sampler": data.SequentialSampler(3)}, ValueError),
        ({"batch_size": 2, "timeout": 0}, AssertionError),
    ],
)
def test_loader_arguments(kwargs, error):
    with pytest.raises(error):
        data.DataLoader(numbers(), **kwargs)


# ---- record files ------------------------------------------------------------------------------
@pytest.fixture
def records(tmp_path):
    """A record file of three records, the second with two labels."""
    contents = [
        struct.pack("<IfQQ", 0, 3.0, 0, 0) + b"first",
        struct.pack("<IfQQff", 2, 0.0, 1, 0, 5.0, 6.0) + b"second!",
        b"short",
    ]
    body, index = b"", ""
    for i, content in enumerate(contents):
        index += f"{i}\t{len(body)}\n"
        body += struct.pack("<II", 0xCED7230A, len(content)) + content
        body += b"\0" * (-len(content) % 4)
    (tmp_path / "x.rec").write_bytes(body)
    (tmp_path / "x.idx").write_text(index)
    return tmp_path


def test_record_files(records):
    found = data.RecordFileDataset(str(records / "x.rec"))
    assert len(found) == 3
    header, image = unpack(found[0])
    assert (header.label, header.flag, image) == (3.0, 0, b"first")
    header, image = unpack(found[1])
    assert (header.label.tolist(), header.id, image) == ([5.0, 6.0], 1, b"second!")
    assert pickle.loads(pickle.dumps(found))[2] == b"short"
    with pytest.raises(FormatError, match="no header"):
        unpack(found[2])
    found._record.close()


def test_damaged_record_files(records):
    path, index = records / "x.rec", records / "x.idx"
    whole = path.read_bytes()
    path.write_bytes(whole[:-8])
    with pytest.raises(FormatError, match="truncated"):
        IndexedRecords(index, path).read(2)
    index.write_text("0\t4\n")
    with pytest.raises(FormatError, match="no record here"):
        IndexedRecords(index, path).read(0)
    index.write_text("zero\n")
    with pytest.raises(FormatError, match="line 1 is not"):
        IndexedRecords(index, path)
    path.write_bytes(struct.pack("<II", 0xCED7230A, (1 << 29) | 4) + b"abcd")
    index.write_text("0\t0\n")
    with pytest.raises(FormatError, match="split into parts"):
        IndexedRecords(index, path).read(0)
    with pytest.raises(FormatError, match="too short"):
        unpack(struct.pack("<IfQQ", 9, 0.0, 0, 0))
