"""Iterators against what MXNet 1.9.1 gave for the same rows."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest

import symgluon as mx
from symgluon.errors import FormatError

X = np.arange(10, dtype="float32").reshape(5, 2)
Y = np.arange(5, dtype="float32")


def epochs(it, count=1):
    """[[(first column of data, labels, pad) of each batch] of each epoch]."""
    found = []
    for _ in range(count):
        found.append(
            [
                (b.data[0].asnumpy().reshape(len(b.data[0]), -1)[:, 0].tolist(),
                 b.label[0].asnumpy().tolist(), b.pad)
                for b in it
            ]
        )  # fmt: skip
        it.reset()
    return found


FULL = [([0, 2], [0, 1], 0), ([4, 6], [2, 3], 0)]


@pytest.mark.parametrize(
    ("handle", "expected"),
    [
        ("pad", [[*FULL, ([8, 0], [4, 0], 1)]] * 3),
        ("discard", [FULL] * 3),
        (
            "roll_over",
            [FULL, [([8, 0], [4, 0], 1), ([2, 4], [1, 2], 0), ([6, 8], [3, 4], 0)], FULL],
        ),
    ],
)
def test_ndarray_iter(handle, expected):
    it = mx.io.NDArrayIter(X, Y, 2, last_batch_handle=handle)
    assert epochs(it, 3) == expected


def test_names_and_descriptions():
    it = mx.io.NDArrayIter({"b": X, "a": mx.nd.array(X)}, [Y, Y], 2)
    assert it.provide_data == [("a", (2, 2)), ("b", (2, 2))]
    assert it.provide_label == [("_0_softmax_label", (2,)), ("_1_softmax_label", (2,))]
    assert mx.io.NDArrayIter(X, None, 2).provide_label == []
    assert mx.io.NDArrayIter(X.astype("int32"), None, 2).provide_data[0].dtype is np.int32
    desc = mx.io.DataDesc("a", (2, 3))
    assert (desc.layout, tuple(desc), desc == ("a", (2, 3))) == ("NCHW", ("a", (2, 3)), True)
    assert [mx.io.DataDesc.get_batch_axis(x) for x in ("TNC", None)] == [1, 0]


def test_shuffle_is_a_permutation():
    it = mx.io.NDArrayIter(X, Y, 5, shuffle=True)
    for _ in range(2):
        batch = next(it)
        rows = batch.label[0].asnumpy().astype(int)
        assert sorted(rows) == [0, 1, 2, 3, 4]
        np.testing.assert_array_equal(batch.data[0].asnumpy(), X[rows])
        it.reset()


def test_resize_and_prefetch():
    inner = mx.io.NDArrayIter(X, Y, 2)
    found = epochs(mx.io.ResizeIter(inner, 5))[0]
    assert found == [*FULL, ([8, 0], [4, 0], 1), *FULL]
    ahead = mx.io.PrefetchingIter(mx.io.NDArrayIter(X, Y, 2), rename_data=[{"data": "x"}])
    assert ahead.provide_data == [("x", (2, 2))]
    assert epochs(ahead, 2) == [[*FULL, ([8, 0], [4, 0], 1)]] * 2


class Broken(mx.io.DataIter):
    provide_data = provide_label = ()

    def next(self):
        raise OSError("the disk is gone")


def test_prefetch_raises_the_error_of_its_thread():
    it = mx.io.PrefetchingIter.__new__(mx.io.PrefetchingIter)
    it.iters, it.n_iter, it.rename_data, it.rename_label = [Broken()], 1, None, None
    it._start()
    with pytest.raises(OSError, match="disk is gone"):
        it.next()


def test_csv(tmp_path):
    data, label = tmp_path / "d.csv", tmp_path / "l.csv"
    np.savetxt(data, X, delimiter=",")
    np.savetxt(label, Y, delimiter=",")
    it = mx.io.CSVIter(
        data_csv=str(data), data_shape=(2,), label_csv=str(label), label_shape=(1,), batch_size=2
    )
    after = [([2, 4], [1, 2], 0), ([6, 8], [3, 4], 0)]
    assert epochs(it, 2) == [[*FULL, ([8, 0], [4, 0], 1)], after]
    plain = mx.io.CSVIter(data_csv=str(data), data_shape=(2,), batch_size=2, round_batch=False)
    assert [b[2] for b in epochs(plain)[0]] == [0, 0, 1]
    with pytest.raises(FormatError, match="rows of 2 values"):
        mx.io.CSVIter(data_csv=str(data), data_shape=(3,), batch_size=2)
    with pytest.raises(ValueError, match="options zz"):
        mx.io.CSVIter(data_csv=str(data), data_shape=(2,), batch_size=2, zz=1)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("flat", [False, True])
def test_mnist(tmp_path, pack, flat):
    image, label = tmp_path / "im", tmp_path / "la"
    image.write_bytes(pack(struct.pack(">IIII", 2051, 5, 2, 2) + bytes(range(20))))
    label.write_bytes(pack(struct.pack(">II", 2049, 5) + bytes(range(5))))
    it = mx.io.MNISTIter(str(image), str(label), 2, shuffle=False, flat=flat, silent=True)
    batches = list(it)
    assert [b.label[0].asnumpy().tolist() for b in batches] == [[0, 1], [2, 3]]
    assert batches[1].data[0].shape == ((2, 4) if flat else (2, 1, 2, 2))
    assert batches[1].data[0].asnumpy().reshape(-1)[0] == np.float32(8 / 256)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: mx.io.NDArrayIter("a"), TypeError, "received str"),
        (lambda: mx.io.NDArrayIter(X, Y[:3], 2), ValueError, "softmax_label has others"),
        (lambda: mx.io.NDArrayIter(X, Y, 2, last_batch_handle="x"), ValueError, "roll_over"),
        (lambda: mx.io.NDArrayIter([]), ValueError, "no arrays"),
        (lambda: mx.io.DataBatch(mx.nd.ones((1,))), TypeError, "data must be a list"),
        (lambda: mx.io.DataIter().next(), NotImplementedError, "must define iter_next"),
    ],
)
def test_misuse(call, kind, message):
    with pytest.raises(kind, match=message):
        call()
